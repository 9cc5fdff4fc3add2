//! The dashboard at `/`: pages for people, made on the server out of what the management API
//! answers. Decides nothing, and knows no other way to anything than the API's.
//!
//! ```text
//! sign_in   who looks: a token in a cookie, and the proof that a form is our own
//! ask       the management API, asked within the process as the person's token may
//! recent    the last hour, from the metrics
//! document  a page as a whole
//! frame     what pages have around them for who has signed in
//! overview, endpoints, endpoint, action, networks, gateways, stock   one page each
//! ```

mod action;
mod ask;
mod chart;
mod document;
mod endpoint;
mod endpoints;
mod figures;
mod frame;
mod gateways;
mod networks;
mod overview;
mod recent;
mod sign_in;
mod stock;
mod text;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::recent::Recent;
use crate::api::http::{HttpState, IsLocal, guard};

/// How often the metrics are looked at.
const PACE: Duration = Duration::from_secs(5);

/// People who may watch live at the same time; each keeps a connection.
const STREAMS: usize = 32;

/// What all pages are made from.
pub(crate) struct Dashboard {
    state: Arc<HttpState>,
    api: TowerToHyperService<Router>,
    recent: Mutex<Recent>,
    streams: Arc<Semaphore>,
}

impl Dashboard {
    pub(crate) fn new(state: Arc<HttpState>, api: Router) -> Arc<Self> {
        Arc::new(Self {
            state,
            api: TowerToHyperService::new(api),
            recent: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
        })
    }

    fn look(&self) {
        let figures = figures::Figures::read(&self.state.exposition());
        let now = self.state.common.clock.now();
        self.recent.lock().add(now.running, &figures);
    }
}

/// Remembers the last hour, from now on; nothing, if there is no dashboard.
pub(crate) async fn watch(dashboard: Option<Arc<Dashboard>>) -> Infallible {
    let Some(dashboard) = dashboard else { return std::future::pending().await };
    loop {
        let looking = Arc::clone(&dashboard);
        // The text of many gateways takes some milliseconds, for which others should not wait.
        let _ = tokio::task::spawn_blocking(move || looking.look()).await;
        tokio::time::sleep(PACE).await;
    }
}

/// All pages, and behind them what is no page: the management API.
pub(crate) fn router(dashboard: Arc<Dashboard>, api: Router, listener: SocketAddr) -> Router {
    let is_local = IsLocal(listener.ip().to_canonical().is_loopback());
    Router::new()
        .route("/", get(overview::page))
        .route("/ui/live", get(overview::live))
        .route("/ui/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/ui/sign-out", axum::routing::post(sign_in::sign_out))
        .route("/ui/endpoints", get(endpoints::page))
        .route("/ui/endpoints/{iccid}", get(endpoint::page))
        .route("/ui/endpoints/{iccid}/{action}", get(action::confirm).post(action::carry_out))
        .route("/ui/networks", get(networks::page))
        .route("/ui/gateways", get(gateways::page))
        .route("/ui/stock", get(stock::page).post(stock::activate))
        .route("/ui/assets/{name}", get(document::asset))
        .route_layer(from_fn(guarded))
        .route_layer(from_fn_with_state(is_local, guard))
        .with_state(dashboard)
        .fallback_service(api)
}

/// What a browser may do with our pages: nothing that is not theirs.
async fn guarded(request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .entry(name)
            .or_insert_with(|| header::HeaderValue::from_static(value));
    }
    response
}
