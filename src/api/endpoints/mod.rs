//! `/endpoints`: the SIMs, one by one and in lists; what becomes of them.

mod actions;
mod activate;
mod batch;
mod change;
mod filter;
mod id;
pub(super) use id::named;
mod list;
mod read;
mod why;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::access::MayView;
use super::envelope::{Answer, data};
use super::families::body::LONGEST_BODY;
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::http::precondition::{is_known, tag};
use super::refusal::Refusal;
use super::view::EndpointView;
use crate::aaa::{Aaa, EndpointEntry};
use crate::identity::{Iccid, endpoint_uuid};
use crate::provisioning::Catalog;
use crate::radius::gateways::Gateways;
use crate::time::Timestamp;

/// Octets of a batch.
pub(super) const LONGEST_BATCH: usize = 16 << 20;

/// Rows of a batch, and endpoints that one request may change; more than `SMALL` only by an
/// administrator.
pub(super) const MOST: usize = 10_000;
const SMALL: usize = 100;

/// All paths of endpoints.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    let batches = Router::new()
        .route("/api/v1/endpoints/batch", post(batch::batch))
        .route("/api/v1/endpoints/actions", post(actions::actions))
        .layer(DefaultBodyLimit::max(LONGEST_BATCH));
    Router::new()
        .route("/api/v1/endpoints", get(list::list).post(activate::activate))
        .route("/api/v1/endpoints/{id}", get(show).put(change::update).patch(change::update))
        .route("/api/v1/endpoints/{id}/sessions", get(sessions))
        .route("/api/v1/endpoints/{id}/why", get(why::why))
        .route("/api/v1/endpoints/{id}/{step}", post(change::step))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .merge(batches)
}

async fn show(
    State(state): State<Arc<HttpState>>,
    _permission: MayView,
    named: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    // What is not even text names no endpoint.
    let Path(id) = named.map_err(|_| Refusal::not_found())?;
    let (shown, version) = one(&state, &id)?;
    if is_known(&headers, version) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag(version))]).into_response());
    }
    Ok(data(shown).versioned(version).into_response())
}

async fn sessions(
    State(state): State<Arc<HttpState>>,
    _permission: MayView,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    let (mut shown, _) = one(&state, &id)?;
    Ok(data(shown["sessions"].take()))
}

fn one(state: &HttpState, id: &str) -> Result<(Value, u64), Refusal> {
    let serving = state.serving()?;
    let iccid = named(&serving.aaa, id)?;
    let gateways = state.common.gateways.load();
    let now = state.common.clock.now().wall;
    let look = |entry: &EndpointEntry, catalog: &Catalog| {
        (whole(iccid, entry, catalog, &gateways), entry.stamp.version)
    };
    serving.aaa.look(iccid, now, look).ok_or_else(Refusal::not_found)
}

/// An endpoint as lists show it; `None`: it has gone meanwhile.
fn shown_one(aaa: &Aaa, iccid: Iccid, now: Timestamp, gateways: &Gateways) -> Option<Value> {
    aaa.look(iccid, now, |entry, catalog| shown(iccid, entry, catalog, gateways))
}

fn shown(iccid: Iccid, entry: &EndpointEntry, catalog: &Catalog, gateways: &Gateways) -> Value {
    let mut shown = whole(iccid, entry, catalog, gateways);
    if let Some(keys) = shown.as_object_mut() {
        keys.remove("sessions");
    }
    shown
}

/// The view of an endpoint, and what the management API shows besides.
fn whole(iccid: Iccid, entry: &EndpointEntry, catalog: &Catalog, gateways: &Gateways) -> Value {
    let endpoint = &entry.endpoint;
    let mut shown =
        serde_json::to_value(EndpointView::of(iccid, entry, catalog, gateways)).unwrap_or_default();
    let secondary: Vec<Value> = endpoint
        .secondary_groups()
        .iter()
        .filter_map(|id| catalog.group(*id))
        .map(|group| json!({"moniker": group.moniker.as_str(), "name": &*group.name}))
        .collect();
    let last = entry.state.sessions.iter().max_by_key(|session| session.heard);
    let place = last.map(|session| session.location_info()).unwrap_or_default();
    let labels = endpoint.labels();
    let more = json!({
        "id": endpoint_uuid(iccid),
        "reference": labels.reference,
        "tags": labels.tags,
        "staticIp": endpoint.static_ip,
        "secondaryEndpointGroups": secondary,
        "imeisv": place.imeisv,
        "plmn": place.plmn,
        "gateway": last.and_then(|session| gateways.name(session.gateway)),
        "activatedAt": endpoint.history().activated_at,
        "stateReason": endpoint.history().state_reason,
        "origin": if entry.stamp.origin.is_by_person() { "api" } else { "file" },
        "openSessions": entry.state.open_sessions().count(),
        "version": entry.stamp.version,
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}
