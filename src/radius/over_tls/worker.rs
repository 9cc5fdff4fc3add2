//! The worker of all TLS connections: what came in by them goes through the same core as datagrams,
//! and no reply leaves before its records are durable.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::accept::accept;
use super::open::{OpenConnection, OpenConnections};
use super::rules::{CloseReason, Consequence, consequence};
use super::shared::{ReceivedPacket, TlsShared};
use crate::keeping::commit::Committer;
use crate::metrics::{Meters, Metrics};
use crate::radius::answer;
use crate::radius::context::ServerContext;
use crate::radius::gateways::Gateways;
use crate::radius::pipeline::{Arrival, Listener, Port, StreamPeer, StreamRefusal};
use crate::radius::replies::Route;
use crate::radius::settings::TlsLimits;
use crate::radius::worker_core::WorkerCore;
use crate::runtime::watch::Pulse;
use crate::tls::{CertificateRefusal, ServerTrust};
use crate::wire::{Code, Datagram, LONGEST, RadiusVersion};

/// How often connections are looked at: whether a reload or the time has ended one.
const LOOK: Duration = Duration::from_millis(200);

/// How long what cannot be served now waits until it is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How long receipts are waited for when the server stops, and then the last words.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where streams come in: an index that no listener of datagrams has.
const LISTENER: u8 = u8::MAX;

/// What the worker is made of; it can be sent to its thread.
pub(crate) struct TlsWorkerParts<C: Committer> {
    pub(crate) common: Arc<ServerContext>,
    pub(crate) core: WorkerCore<C>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) limits: TlsLimits,
    /// What is served: one port's codes, or both.
    pub(crate) port: Port,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) meters: Meters,
    pub(crate) pulse: Pulse,
    /// Notified when batches became durable, or the journal began to fail.
    pub(crate) wake: Arc<Notify>,
    pub(crate) stop: watch::Receiver<()>,
}

struct TlsWorker<C: Committer> {
    shared: Arc<TlsShared>,
    port: Port,
    core: WorkerCore<C>,
    meters: Meters,
    pulse: Pulse,
    /// What is served in this batch; empty between two.
    batch: Vec<ReceivedPacket>,
    /// What could not be served yet, and when it is tried again.
    later: VecDeque<(Duration, ReceivedPacket)>,
    /// By what the open connections were judged last.
    judged: (Arc<Gateways>, Option<Arc<ServerTrust>>),
    looks: Duration,
}

impl<C: Committer> TlsWorkerParts<C> {
    /// Works until told to stop, then waits until what was taken in is answered. To be run on the
    /// worker's own runtime.
    ///
    /// # Errors
    /// If the runtime cannot watch the listeners.
    pub(crate) async fn work(self) -> io::Result<()> {
        let Self { common, core, listeners, limits, port, metrics, meters, pulse, wake, mut stop } =
            self;
        let judged = (common.gateways.load_full(), common.tls.load_full());
        let shared = Arc::new(TlsShared::new(common, limits, metrics));
        let mut accepting = Vec::new();
        for listener in listeners {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(tokio::spawn(accept(listener, Arc::clone(&shared))));
        }
        let (batch, later, looks) = (Vec::new(), VecDeque::new(), Duration::ZERO);
        let mut worker =
            TlsWorker { shared, port, core, meters, pulse, batch, later, judged, looks };
        let mut ticks = tokio::time::interval(LOOK);
        while !stop.has_changed().unwrap_or(true) {
            worker.run_batch();
            tokio::select! {
                () = worker.shared.arrived.notified() => {}
                () = wake.notified() => {}
                _ = ticks.tick() => {}
                _ = stop.changed() => break,
            }
        }
        for task in accepting {
            task.abort();
        }
        let _ = tokio::time::timeout(TIMEOUT, worker.finish(&wake)).await;
        let _ = tokio::time::timeout(TIMEOUT, worker.part()).await;
        Ok(())
    }
}

impl<C: Committer> TlsWorker<C> {
    /// What has come in, and out what may leave.
    fn run_batch(&mut self) {
        let shared = Arc::clone(&self.shared);
        let (common, open) = (&shared.common, &shared.common.connections);
        let began = common.clock.now();
        self.pulse.beat(began.running);
        if began.running >= self.looks + LOOK {
            self.looks = began.running;
            self.judge(Duration::from_micros(began.wall.micros()));
        }
        self.core.begin(&common.gateways.load(), began, common.health.is_ready());
        shared.take(&mut self.batch);
        self.take_again(began.running);
        let gateways: Vec<_> =
            self.batch.iter().map(|packet| packet.connection.gateway()).collect();
        let arrivals = self.batch.iter().zip(&gateways).map(|(packet, gateway)| Arrival {
            listener: Listener { index: LISTENER, port: self.port },
            from: packet.connection.peer,
            to: None,
            octets: &packet.octets,
            stream: Some(StreamPeer {
                id: packet.connection.id,
                gateway,
                version: packet.connection.version,
                since: packet.since,
            }),
        });
        // No time is older than what it stands for.
        self.core.handle(arrivals, common.clock.now().wall);
        self.batch.clear();
        self.core.end(common.clock.now(), outward(open));
        self.settle();
    }

    /// Tries again what is due.
    fn take_again(&mut self, now: Duration) {
        while self.later.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, packet)) = self.later.pop_front()
        {
            self.batch.push(packet);
        }
    }

    /// Reports what was counted, then sends what may leave; and sees to what was refused.
    fn settle(&mut self) {
        let shared = Arc::clone(&self.shared);
        self.core.settle(shared.common.clock.now(), outward(&shared.common.connections));
        for refusal in std::mem::take(&mut self.core.pipeline.stream_refusals) {
            if let Some(connection) = shared.common.connections.find(refusal.connection) {
                self.refused(&connection, &refusal);
            }
        }
        self.core.report(shared.common.clock.now().wall, &mut self.meters);
    }

    fn refused(&mut self, connection: &Arc<OpenConnection>, refusal: &StreamRefusal) {
        let now = self.shared.now();
        let waited = now.saturating_sub(refusal.since);
        let StreamRefusal { reason, octets, .. } = refusal;
        let secret = self.judged.0.tls_secret();
        match consequence(*reason, octets, connection.version, waited, secret) {
            Consequence::Nothing => connection.settled(octets),
            Consequence::ProtocolError(cause) => {
                let mut buf = [0; LONGEST];
                let reply = Datagram::frame(octets).ok().and_then(|request| {
                    answer::protocol_error(&mut buf, &request, cause, connection.version).ok()
                });
                let length = reply.map(|draft| match connection.version {
                    RadiusVersion::V1_0 => draft.sign(&mut buf, secret),
                    RadiusVersion::V1_1 => draft.into_radius_1_1(&mut buf).length(),
                });
                match length {
                    Some(length) => {
                        let gateway = connection.gateway().id;
                        self.core.pipeline.counters.response(gateway, Code::PROTOCOL_ERROR);
                        connection.reply(&buf[..length]);
                    }
                    None => connection.settled(octets),
                }
            }
            Consequence::Later => self.later.push_back((
                now + AGAIN,
                ReceivedPacket {
                    connection: Arc::clone(connection),
                    octets: octets.to_vec().into(),
                    since: refusal.since,
                },
            )),
            Consequence::Close(reason) => connection.close(reason),
        }
    }

    /// Judges the open connections: all again if something was reloaded, else by their
    /// certificates' ends alone.
    fn judge(&mut self, now: Duration) {
        let common = &self.shared.common;
        let (gateways, trust) = (common.gateways.load_full(), common.tls.load_full());
        let is_same = Arc::ptr_eq(&gateways, &self.judged.0)
            && trust.as_ref().map(Arc::as_ptr) == self.judged.1.as_ref().map(Arc::as_ptr);
        for connection in common.connections.list() {
            if connection.certificate.not_after <= now {
                connection.close(CloseReason::Expired);
            } else if !is_same {
                match judged(&connection, &gateways, trust.as_deref(), now) {
                    Ok(()) => {}
                    Err(reason) => connection.close(reason),
                }
            }
        }
        if !is_same {
            self.shared.metrics.tls_announce(gateways.over_tls());
            self.judged = (gateways, trust);
        }
    }

    /// Nothing more is taken in; what is waited for still leaves.
    async fn finish(&mut self, wake: &Notify) {
        self.core.hurry();
        self.settle();
        while !self.core.is_idle() {
            wake.notified().await;
            self.settle();
        }
    }

    /// All connections end.
    async fn part(&self) {
        const PAUSE: Duration = Duration::from_millis(10);
        let connections = &self.shared.common.connections;
        connections.list().iter().for_each(|one| one.close(CloseReason::Shutdown));
        while !connections.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether a connection may go on, by what is in force now.
fn judged(
    connection: &OpenConnection,
    gateways: &Gateways,
    trust: Option<&ServerTrust>,
    now: Duration,
) -> Result<(), CloseReason> {
    if let Some(trust) = trust {
        trust
            .verify(&connection.chain, now)
            .map_err(|refusal: CertificateRefusal| CloseReason::from(&refusal))?;
    }
    let (names, addresses) = (&connection.certificate.names, &connection.certificate.addresses);
    let gateway = gateways.of_certificate(names, addresses, connection.peer.ip())?;
    if gateway.id != connection.gateway().id {
        return Err(CloseReason::Reload);
    }
    connection.set_gateway(gateway);
    Ok(())
}

/// Puts a reply into the mailbox of the connection by which its request came.
fn outward(open: &OpenConnections) -> impl FnMut(&Route, &[u8]) {
    |route, octets| {
        if let Some(connection) = route.stream.and_then(|id| open.find(id)) {
            connection.reply(octets);
        }
    }
}
