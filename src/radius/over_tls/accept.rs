//! Takes connections from a listener, so many handshakes at once as are allowed.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::warn;

use super::conversation;
use super::rules::CloseReason;
use super::shared::TlsShared;
use crate::metrics::counters::Dropped;

/// How long the next is waited for when the system refuses one: it has too many files open.
const REFUSED: Duration = Duration::from_millis(100);

/// Never ends by itself.
pub(super) async fn accept(listener: TcpListener, shared: Arc<TlsShared>) {
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("a TLS connection cannot be had: {error}");
                tokio::time::sleep(REFUSED).await;
                continue;
            }
        };
        let peer = std::net::SocketAddr::new(peer.ip().to_canonical(), peer.port());
        // A stranger is shown why he is refused, until so many shake hands that gateways would have
        // to wait for him.
        let is_crowded = shared.half_open.available_permits() < shared.limits.half_open / 2;
        if is_crowded && shared.common.gateways.load().of(peer.ip()).is_none() {
            let reason = CloseReason::Packet(Dropped::UnknownGateway);
            shared.closed(reason, peer, None, "too many handshakes at once");
            continue;
        }
        // The semaphore lives as long as we do. While it is full nobody else is taken in, and none
        // stays half open for longer than a handshake may take.
        let Ok(half_open) = Arc::clone(&shared.half_open).acquire_owned().await else { return };
        tokio::spawn(conversation::converse(tcp, peer, Arc::clone(&shared), half_open));
    }
}
