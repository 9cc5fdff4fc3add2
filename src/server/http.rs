//! Metrics, health and two views over HTTP. Read-only.

use std::sync::{Arc, OnceLock};

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::health::Readiness;
use super::metrics::Metrics;
use super::view::{EndpointView, SessionView};
use super::worker::Common;
use crate::aaa::Aaa;
use crate::identity::{Iccid, IdentityError};
use crate::journal::{Health, Journal};

/// What the views look at.
pub(super) struct Front {
    pub(super) common: Arc<Common>,
    pub(super) metrics: Arc<Metrics>,
    /// Set when the server begins to serve.
    pub(super) opened: OnceLock<Opened>,
}

pub(super) struct Opened {
    pub(super) aaa: Arc<Aaa>,
    pub(super) journal: Arc<Journal>,
}

pub(super) fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/endpoints/{iccid}", get(endpoint))
        .route("/api/v1/sessions", get(sessions))
        .fallback(|| async { Refusal::NOT_FOUND })
        .method_not_allowed_fallback(|| async { Refusal(StatusCode::METHOD_NOT_ALLOWED, "this can only be read") })
        .with_state(front)
}

/// How many sessions a list shows if nobody says otherwise.
const DEFAULT_LIMIT: usize = 100;

/// Around every answer of the API.
#[derive(Serialize)]
struct Envelope<T> {
    success: bool,
    messages: Vec<&'static str>,
    data: Option<T>,
}

/// The same around a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListEnvelope<T> {
    success: bool,
    messages: Vec<&'static str>,
    data: Vec<T>,
    total_items: usize,
    limit: usize,
    offset: usize,
}

/// An answer without data.
struct Refusal(StatusCode, &'static str);

impl Refusal {
    const NOT_FOUND: Self = Self(StatusCode::NOT_FOUND, "Record not found");
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        (status, Json(Envelope::<()> { success: false, messages: vec![message], data: None })).into_response()
    }
}

async fn metrics(State(front): State<Arc<Front>>) -> impl IntoResponse {
    if let Some(opened) = front.opened.get() {
        front.metrics.observe(&opened.aaa.stats(), opened.journal.figures());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], front.metrics.render())
}

/// 200 if requests are answered, 503 if they should go elsewhere; and why.
async fn ready(State(front): State<Arc<Front>>) -> (StatusCode, Json<Readiness>) {
    let blocked = match front.opened.get().map(|opened| opened.journal.health()) {
        Some(Health::Failing(failure)) => Some(failure.to_string()),
        Some(Health::Good) | None => None,
    };
    let readiness = front.common.health.readiness(blocked);
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// What is no ICCID, or not even text, names no endpoint.
async fn endpoint(
    State(front): State<Arc<Front>>,
    named: Result<Path<String>, PathRejection>,
) -> Result<Json<Envelope<EndpointView>>, Refusal> {
    let iccid = named.ok().and_then(|Path(text)| text.parse().ok()).ok_or(Refusal::NOT_FOUND)?;
    let data = Some(look(&front, iccid)?);
    Ok(Json(Envelope { success: true, messages: Vec::new(), data }))
}

#[derive(Deserialize)]
struct Wanted {
    iccid: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

async fn sessions(
    State(front): State<Arc<Front>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<ListEnvelope<SessionView>>, Refusal> {
    let Ok(Query(wanted)) = wanted else {
        return Err(Refusal(StatusCode::BAD_REQUEST, "limit and offset are numbers"));
    };
    let iccid = wanted.iccid.ok_or(Refusal(StatusCode::BAD_REQUEST, "say which endpoint: ?iccid="))?;
    let iccid = iccid.parse().map_err(|error: IdentityError| Refusal(StatusCode::BAD_REQUEST, error.rule))?;
    let all = look(&front, iccid)?.into_sessions();
    let (limit, offset) = (wanted.limit.unwrap_or(DEFAULT_LIMIT), wanted.offset.unwrap_or(0));
    let total_items = all.len();
    let data = all.into_iter().skip(offset).take(limit).collect();
    Ok(Json(ListEnvelope { success: true, messages: Vec::new(), data, total_items, limit, offset }))
}

fn look(front: &Front, iccid: Iccid) -> Result<EndpointView, Refusal> {
    let opened = front.opened.get().ok_or(Refusal(StatusCode::SERVICE_UNAVAILABLE, "the journal and the inventory are being loaded"))?;
    let gateways = front.common.gateways.load();
    opened
        .aaa
        .look(iccid, front.common.clock.now().wall, |entry, catalog| EndpointView::of(iccid, entry, catalog, &gateways))
        .ok_or(Refusal::NOT_FOUND)
}
