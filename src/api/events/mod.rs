//! `/events`: what happened, looked up and as a stream.

mod filter;
mod list;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::http::HttpState;
use super::refusal::Refusal;
use crate::message_log::LogView;

pub(crate) use self::stream::StreamPlaces;

/// All paths of events.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .route("/api/v1/events", get(list::list))
        .route("/api/v1/events/stream", get(stream::stream))
        .route("/api/v1/endpoints/{id}/events", get(list::of_endpoint))
}

/// The log of events, once there is one.
fn log(state: &HttpState) -> Result<&LogView, Refusal> {
    state.events.get().ok_or_else(|| state.not_ready())
}
