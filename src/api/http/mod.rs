//! Metrics, health, two views and the reload, over HTTP.

pub(super) mod dialect;
mod guard;
pub(super) mod parameters;
pub(super) mod precondition;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::MayReload;
use super::activation::ActivationLimits;
use super::addresses;
use super::audit;
use super::changes::ChangeWriter;
use super::endpoints;
use super::envelope::{Answer, data};
use super::events;
use super::families;
use super::gateways;
use super::idempotency::{self, IdempotentReplies};
use super::refusal::Refusal;
use super::server_view;
use super::sessions;
use super::stock;
use crate::aaa::Aaa;
use crate::journal::{Journal, JournalHealth};
use crate::message_log::LogView;
use crate::metrics::{Metrics, Names};
use crate::outlets::Webhooks;
use crate::radius::context::ServerContext;
use crate::runtime::Applied;
use crate::runtime::health::Readiness;
use crate::tokens::TokenCache;
pub(crate) use guard::{IsLocal, Peer};
use parameters::Parameters;

/// What the views look at.
pub(crate) struct HttpState {
    pub(crate) common: Arc<ServerContext>,
    pub(crate) metrics: Arc<Metrics>,
    /// Under which names metrics are shown.
    pub(crate) names: Names,
    /// Set when the server begins to serve.
    pub(crate) serving: OnceLock<Serving>,
    /// Who may wait for a reload at the same time; each keeps a connection.
    pub(crate) reloads: Semaphore,
    /// How many lists may be made at the same time that look at every endpoint.
    pub(crate) walks: Arc<Semaphore>,
    /// The wrong activation codes of late.
    pub(crate) activations: ActivationLimits,
    /// What was answered to requests that may be repeated.
    pub(crate) replies: IdempotentReplies,
    /// What was asked for earlier. Set before the server begins to serve.
    pub(crate) audit: OnceLock<LogView>,
    /// Who may use the management API. Set when it is known where the data folder is.
    pub(crate) tokens: OnceLock<TokenCache>,
    /// The log of events. Set before the server begins to serve.
    pub(crate) events: OnceLock<LogView>,
    /// Who may follow events at the same time.
    pub(crate) streams: events::StreamPlaces,
    /// What sends them to their handlers. Set before the server begins to serve.
    pub(crate) webhooks: OnceLock<Arc<Webhooks>>,
}

pub(crate) struct Serving {
    pub(crate) aaa: Arc<Aaa>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) changes: ChangeWriter,
}

/// How many walks over all endpoints may run at the same time.
pub(crate) const WALKS: usize = 2;

/// How many may wait for a reload at the same time: people and their scripts, not a crowd.
pub(crate) const WAITING_FOR_RELOAD: usize = 16;

/// All paths, for a listener on this address.
pub(crate) fn router(state: Arc<HttpState>, listener: SocketAddr) -> Router {
    let is_local = IsLocal(listener.ip().to_canonical().is_loopback());
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/sessions", get(sessions::sessions))
        .route("/api/v1/server", get(server_view::server))
        .route("/api/v1/gateways", get(gateways::gateways))
        .route("/api/v1/gateways/{name}", get(gateways::one_gateway))
        .route("/api/v1/server/reload", post(reload))
        .merge(families::routes())
        .merge(endpoints::routes())
        .merge(stock::routes())
        .merge(audit::routes())
        .merge(addresses::routes())
        .merge(events::routes())
        .fallback(|uri: Uri| async move { Refusal::no_such_path(uri.path()) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Refusal::method(method.as_str(), uri.path())
        })
        .layer(from_fn_with_state(Arc::clone(&state), idempotency::once))
        .layer(from_fn_with_state(Arc::clone(&state), audit::refused))
        .layer(from_fn_with_state(Arc::clone(&state), dialect::told))
        .layer(from_fn_with_state(Arc::clone(&state), count))
        .layer(from_fn_with_state(is_local, guard::guard))
        .with_state(state)
}

/// Counts what the API was asked. Metrics and health are asked all the time by machines, and would
/// drown it.
async fn count(State(state): State<Arc<HttpState>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let path = request.extensions().get::<MatchedPath>().cloned();
    let began = state.common.clock.now().running;
    let response = next.run(request).await;
    let took = state.common.clock.now().running.saturating_sub(began);
    // What nobody has is one path, however many are tried.
    state.metrics.api_request(
        path.as_ref().map_or("other", MatchedPath::as_str),
        response.status().as_u16(),
        took,
    );
    response
}

async fn metrics(State(state): State<Arc<HttpState>>) -> impl IntoResponse {
    if let Some(serving) = state.serving.get() {
        state.metrics.observe(&serving.aaa.stats(), serving.journal.figures());
        state.metrics.observe_events(serving.aaa.events().counts());
    }
    if let Some(webhooks) = state.webhooks.get() {
        let counts = webhooks.counts();
        for one in &counts {
            let outcomes = [("delivered", one.taken), ("failed", one.failed), ("dead", one.dead)];
            state.metrics.observe_handler(&one.handler, outcomes, one.lost);
        }
        state.metrics.observe_backlog(counts.iter().map(|one| one.waiting).sum());
    }
    state.metrics.announce(state.common.gateways.load().configured());
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        state.metrics.render(state.names),
    )
}

/// 200 if requests are answered, 503 if they should go elsewhere; and why.
async fn ready(State(state): State<Arc<HttpState>>) -> (StatusCode, Json<Readiness>) {
    let readiness = state.readiness();
    let status =
        if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// Reloads gateways and inventory as SIGHUP does, and answers when that is over.
async fn reload(
    State(state): State<Arc<HttpState>>,
    _permission: MayReload,
    request: Request,
) -> Answer<Applied> {
    Parameters::of(request.uri(), &[])?;
    state.serving()?;
    let _place = state
        .reloads
        .try_acquire()
        .map_err(|_| Refusal::busy("many wait for a reload already; ask again in a moment"))?;
    match state.common.reloads.request().await {
        Ok(Ok(applied)) => Ok(data(applied)),
        Ok(Err(problems)) => Err(Refusal::invalid(problems)),
        Err(_) => Err(state.not_ready()),
    }
}

impl HttpState {
    pub(super) fn readiness(&self) -> Readiness {
        let blocked = match self.serving.get().map(|serving| serving.journal.health()) {
            Some(JournalHealth::Failing(failure)) => Some(failure.to_string()),
            Some(JournalHealth::Good) | None => None,
        };
        self.common.health.readiness(blocked)
    }

    /// What serves, once something does.
    pub(super) fn serving(&self) -> Result<&Serving, Refusal> {
        self.serving.get().ok_or_else(|| self.not_ready())
    }

    /// The permission to look at every endpoint, kept while it is done.
    pub(super) fn walk(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.walks)
            .try_acquire_owned()
            .map_err(|_| Refusal::busy("two lists are being made already; ask again in a moment"))
    }

    pub(super) fn not_ready(&self) -> Refusal {
        Refusal::not_ready(self.readiness().into_reasons())
    }
}
