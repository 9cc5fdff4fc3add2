//! What the tasks of all connections share with the worker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::open::OpenConnection;
use super::rules::CloseReason;
use crate::metrics::Metrics;
use crate::radius::context::ServerContext;
use crate::radius::gateways::Gateway;
use crate::radius::log_throttle::LogThrottle;
use crate::radius::settings::TlsLimits;

/// What they share.
pub(super) struct TlsShared {
    pub(super) common: Arc<ServerContext>,
    pub(super) limits: TlsLimits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) half_open: Arc<Semaphore>,
    /// Packets that wait for the worker.
    intake: Mutex<Vec<ReceivedPacket>>,
    pub(super) arrived: Notify,
    log: Mutex<LogThrottle>,
}

/// A packet, and by which connection it came.
pub(super) struct ReceivedPacket {
    pub(super) connection: Arc<OpenConnection>,
    pub(super) octets: Bytes,
    pub(super) since: Duration,
}

impl TlsShared {
    pub(super) fn new(
        common: Arc<ServerContext>,
        limits: TlsLimits,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            common,
            limits,
            metrics,
            half_open: Arc::new(Semaphore::new(limits.half_open)),
            intake: Mutex::default(),
            arrived: Notify::new(),
            log: Mutex::new(LogThrottle::new(true)),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.common.clock.now().running
    }

    /// Hands a packet to the worker.
    pub(super) fn hand_over(&self, packet: ReceivedPacket) {
        let mut intake = self.intake.lock();
        if intake.is_empty() {
            self.arrived.notify_one();
        }
        intake.push(packet);
    }

    /// Takes what was handed over; `into` is empty and gives its memory.
    pub(super) fn take(&self, into: &mut Vec<ReceivedPacket>) {
        std::mem::swap(&mut *self.intake.lock(), into);
    }

    /// A connection has ended, or never began: counts it and says so.
    pub(super) fn closed(
        &self,
        reason: CloseReason,
        peer: SocketAddr,
        gateway: Option<&Gateway>,
        detail: &str,
    ) {
        self.metrics.tls_closed(reason.label());
        let now = self.common.clock.now().wall;
        self.log.lock().closed(reason.label(), peer, gateway, detail, now);
    }
}
