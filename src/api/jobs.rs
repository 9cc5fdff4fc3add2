//! `/jobs`: what is told to many gateways, one after the other.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use tracing::info;

use super::access::{MayRead, MayWrite};
use super::envelope::{Answer, data};
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::refusal::Refusal;
use crate::aaa::Job;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .route("/api/v1/jobs", get(list))
        .route("/api/v1/jobs/{id}", get(show))
        .route("/api/v1/jobs/{id}/cancel", post(cancel))
}

/// The youngest first.
async fn list(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    uri: Uri,
) -> Answer<Vec<Value>> {
    Parameters::of(&uri, &[])?;
    let jobs = state.serving()?.aaa.orders().jobs();
    Ok(data(jobs.iter().rev().map(shown).collect()))
}

async fn show(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(id): Path<String>,
) -> Answer<Value> {
    one(&state, &id).map(|job| data(shown(&job)))
}

/// What is not sent yet is not sent; the state of the endpoints stays as it is.
async fn cancel(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path(id): Path<String>,
) -> Answer<Value> {
    let job = one(&state, &id)?;
    state.serving()?.aaa.orders().cancel(job.id);
    info!(token = bearer.token, job = job.id, "a job was cancelled by the API");
    one(&state, &id).map(|job| data(shown(&job)))
}

fn one(state: &HttpState, id: &str) -> Result<Job, Refusal> {
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    let jobs = state.serving()?.aaa.orders().jobs();
    jobs.into_iter().find(|job| job.id == id).ok_or_else(Refusal::not_found)
}

fn shown(job: &Job) -> Value {
    let results: Map<String, Value> =
        job.results.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    json!({
        "id": job.id.to_string(),
        "action": job.action,
        "state": job.state(),
        "createdAt": job.since,
        "done": job.done(),
        "total": job.total,
        "results": results,
    })
}
