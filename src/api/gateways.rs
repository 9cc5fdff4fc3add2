//! `GET /gateways`: the configured gateways, and what was heard of each. No secret is shown, and
//! nothing can be changed: gateways stand in attachd.toml.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::access::MayRead;
use super::envelope::{Answer, CursorPage, data};
use super::families::terms;
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::refusal::Refusal;
use crate::aaa::Aaa;
use crate::metrics::GatewayFigures;
use crate::radius::gateways::Gateway;

/// How many a page shows if nobody says otherwise, and how many at most.
const DEFAULT_LIMIT: usize = 100;
const LONGEST_LIST: usize = 1_000;

/// By which properties lists can be filtered.
const PROPERTIES: [&str; 2] = ["name", "source"];

pub(super) async fn gateways(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["filter", "limit", "offset", "cursor"])?;
    if parameters.number("offset", usize::MAX)?.is_some_and(|offset| offset > 0) {
        return Err(Refusal::query("gateways are paged by cursor, not by offset: take nextCursor"));
    }
    let filter = parameters.text("filter").map(terms).transpose()?.unwrap_or_default();
    if let Some((name, _)) = filter.iter().find(|(name, _)| !PROPERTIES.contains(&name.as_str())) {
        let (name, known): (String, _) = (name.chars().take(40).collect(), PROPERTIES.join(", "));
        return Err(Refusal::query(format!("unknown property {name:?}; known are {known}")));
    }
    let limit =
        parameters.number("limit", LONGEST_LIST)?.filter(|n| *n > 0).unwrap_or(DEFAULT_LIMIT);
    // A gateway keeps its handle as long as it keeps its name.
    let from = parameters.number("cursor", u32::MAX as usize)?;
    state.serving()?;
    let walk = state.walk(&caller.token)?;
    let page = spawn_blocking(move || {
        let _walk = walk;
        let meant = |gateway: &Gateway| filter.iter().all(|term| holds(gateway, term));
        let all = state.common.gateways.load();
        let mut meant: Vec<_> = all.in_force().filter(|gateway| meant(gateway)).collect();
        meant.sort_unstable_by_key(|gateway| gateway.id);
        let total = meant.len();
        meant.retain(|gateway| from.is_none_or(|from| gateway.id.index() > from));
        let has_more = meant.len() > limit;
        meant.truncate(limit);
        let next = meant.last().filter(|_| has_more).map(|last| last.id.index().to_string());
        shown(&state, &meant).map(|shown| CursorPage::new(shown, total, limit).next(next))
    });
    let page = page.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    Ok(Json(page).into_response())
}

pub(super) async fn one_gateway(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    Path(name): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    state.serving()?;
    let walk = state.walk(&caller.token)?;
    let one = spawn_blocking(move || {
        let _walk = walk;
        let all = state.common.gateways.load();
        let one = all.in_force().find(|gateway| gateway.name == name);
        shown(&state, &[one.ok_or_else(Refusal::not_found)?])
    });
    let mut one = one.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    one.pop().map(data).ok_or_else(Refusal::not_found)
}

fn holds(gateway: &Gateway, (name, wanted): &(String, String)) -> bool {
    if name == "name" {
        return gateway.name.contains(wanted);
    }
    gateway.sources().iter().any(|source| source.to_string().contains(wanted))
}

/// These gateways with their open sessions, which only a walk over all endpoints can count.
fn shown(state: &HttpState, gateways: &[&Arc<Gateway>]) -> Result<Vec<Value>, Refusal> {
    let aaa = &state.serving()?.aaa;
    let catalog = aaa.catalog();
    let mut open: Vec<u64> = Vec::new();
    for piece in 0..Aaa::PIECES {
        aaa.look_at_piece(piece, &catalog, |_, entry, _| {
            for session in entry.state.open_sessions() {
                let place = session.gateway.index();
                if place >= open.len() {
                    open.resize(place + 1, 0);
                }
                open[place] += 1;
            }
        });
    }
    let mut figures = state.metrics.by_gateway();
    let shown = gateways.iter().map(|gateway| {
        let GatewayFigures { requests, responses, drops } =
            figures.remove(&gateway.name).unwrap_or_default();
        let seen = gateway.seen();
        let sources: Vec<String> = gateway.sources().iter().map(ToString::to_string).collect();
        json!({
            "name": gateway.name,
            "source": sources,
            "messageAuthenticatorRequired": gateway.requires_signature(),
            "messageAuthenticatorLearnt": gateway.has_signed(),
            "lastHeard": seen.heard,
            "restartedAt": seen.restarted,
            "openSessions": open.get(gateway.id.index()).copied().unwrap_or(0),
            "requests": requests,
            "responses": responses,
            "drops": drops,
        })
    });
    Ok(shown.collect())
}
