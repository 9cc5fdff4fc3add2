//! What all threads of the server share.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::radius::gateways::Gateways;
use crate::radius::over_tls::open::OpenConnections;
use crate::runtime::clock::Clock;
use crate::runtime::health::Health;
use crate::runtime::reloads::Reloads;
use crate::tls::ServerTrust;

/// What all threads share.
pub(crate) struct ServerContext {
    pub(crate) gateways: ArcSwap<Gateways>,
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Clock,
    pub(crate) reloads: Reloads,
    /// What a TLS handshake needs; none without TLS.
    pub(crate) tls: ArcSwapOption<ServerTrust>,
    /// The TLS connections that are open.
    pub(crate) connections: OpenConnections,
}
