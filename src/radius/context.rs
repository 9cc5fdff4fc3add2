//! What all threads of the server share.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::radius::gateways::Gateways;
use crate::runtime::clock::Clock;
use crate::runtime::health::Health;
use crate::runtime::reloads::Reloads;

/// What all threads share.
pub(crate) struct ServerContext {
    pub(crate) gateways: ArcSwap<Gateways>,
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Clock,
    pub(crate) reloads: Reloads,
}
