//! The thread that tells gateways to end and change sessions: sockets and clock around the
//! dispatcher.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::aaa::{Aaa, Reachable, Sight};
use crate::dynamic_authorization::{Destination, Dispatcher, GatewayOrderKind, World};
use crate::exchange::{Dispatch, Outbound, SocketId};
use crate::identity::GatewayId;
use crate::keeping::BackgroundWriter;
use crate::metrics::Metrics;
use crate::network::{CloseCause, KeyPreset, OrderKey, OrderPhase, OrderResult, SessionOrder};
use crate::radius::context::ServerContext;
use crate::radius::gateways::{Gateway, Gateways};
use crate::runtime::watch::Pulse;
use crate::time::Timestamp;
use crate::udp::MAX_DATAGRAM;

/// The longest pause between two looks: the thread shows that it lives.
const PACE: Duration = Duration::from_millis(500);

/// Datagrams that wait for the dispatcher at most; what is beyond is lost, as in a full socket.
const WAITING: usize = 1024;

/// How the gateways are reached. RADIUS over TLS will be another way.
pub(super) trait Transport {
    /// Sends one datagram. What becomes of it is told by what arrives, or does not.
    async fn send(&mut self, dispatch: Dispatch<'_>, from: IpAddr);

    /// The next thing that arrives.
    async fn arrived(&mut self) -> Arrived;

    /// This line is over.
    fn close(&mut self, line: u16);
}

/// What comes from a gateway, or from the system about it.
pub(super) enum Arrived {
    Datagram {
        socket: SocketId,
        from: SocketAddr,
        octets: Vec<u8>,
    },
    /// Nobody listens there (ICMP).
    Unreachable {
        line: u16,
    },
}

/// Each source port is a socket of its own, connected, so that the system tells when nobody
/// listens at the other end.
pub(super) struct UdpTransport {
    sockets: HashMap<SocketId, (Arc<UdpSocket>, JoinHandle<()>)>,
    arrivals: Sender<Arrived>,
    arrived: Receiver<Arrived>,
}

impl UdpTransport {
    pub(super) fn new() -> Self {
        let (arrivals, arrived) = channel(WAITING);
        Self { sockets: HashMap::new(), arrivals, arrived }
    }

    async fn open(&mut self, dispatch: &Dispatch<'_>, from: IpAddr) -> io::Result<Arc<UdpSocket>> {
        let (id, to) = (dispatch.socket, dispatch.to);
        let socket = Arc::new(UdpSocket::bind((from, 0)).await?);
        socket.connect(to).await?;
        let (reader, arrivals) = (Arc::clone(&socket), self.arrivals.clone());
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; MAX_DATAGRAM];
            loop {
                let arrived = match reader.recv(&mut buffer).await {
                    Ok(length) => {
                        let octets = buffer.get(..length).unwrap_or_default().to_vec();
                        Arrived::Datagram { socket: id, from: to, octets }
                    }
                    Err(_) => Arrived::Unreachable { line: id.client },
                };
                if arrivals.send(arrived).await.is_err() {
                    return;
                }
            }
        });
        self.sockets.insert(id, (Arc::clone(&socket), task));
        Ok(socket)
    }
}

impl Transport for UdpTransport {
    async fn send(&mut self, dispatch: Dispatch<'_>, from: IpAddr) {
        let socket = match self.sockets.get(&dispatch.socket) {
            Some((socket, _)) => Ok(Arc::clone(socket)),
            None => self.open(&dispatch, from).await,
        };
        let sent = match socket {
            Ok(socket) => socket.send(dispatch.octets).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            if error.kind() != io::ErrorKind::ConnectionRefused {
                warn!("{} cannot be told anything: {error}", dispatch.to);
            }
            // A full queue has what matters already.
            let line = dispatch.socket.client;
            let _ = self.arrivals.try_send(Arrived::Unreachable { line });
        }
    }

    async fn arrived(&mut self) -> Arrived {
        match self.arrived.recv().await {
            Some(arrived) => arrived,
            // It has a sender of its own.
            None => std::future::pending().await,
        }
    }

    fn close(&mut self, line: u16) {
        self.sockets.retain(|id, (_, task)| {
            let stays = id.client != line;
            if !stays {
                task.abort();
            }
            stays
        });
    }
}

/// What the thread is made from.
pub(super) struct DynamicAuthorizationThread {
    pub(super) common: Arc<ServerContext>,
    pub(super) aaa: Arc<Aaa>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pulse: Pulse,
    pub(super) writer: BackgroundWriter,
    pub(super) stop: watch::Receiver<()>,
    /// The addresses on which accounting is received.
    pub(super) listeners: Vec<IpAddr>,
}

impl DynamicAuthorizationThread {
    /// Tells what is to be told, until told to stop. To be run on a runtime of its own.
    pub(super) async fn run(mut self, mut transport: impl Transport) {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        self.aaa.orders().wake_by(move || waker.notify_one());
        let seed = self.common.clock.now().wall.micros();
        let mut dispatcher = Dispatcher::new(self.aaa.disconnect_grace(), seed);
        let mut gateways = self.common.gateways.load_full();
        self.aaa.orders().reach(Reachable::These(gateways.told()));
        let mut out = Outbound::default();
        while !self.stop.has_changed().unwrap_or(true) {
            let current = self.common.gateways.load_full();
            if !Arc::ptr_eq(&current, &gateways) {
                gateways = current;
                self.aaa.orders().reach(Reachable::These(gateways.told()));
                dispatcher.reload();
            }
            let now = self.round(&mut dispatcher, &gateways, &mut transport, &mut out).await;
            let due = dispatcher.next_deadline().map_or(PACE, |due| due.since(now));
            tokio::select! {
                arrived = transport.arrived() => {
                    self.arrived(&mut dispatcher, &gateways, arrived);
                }
                () = wake.notified() => {}
                () = tokio::time::sleep(due.min(PACE)) => {}
                _ = self.stop.changed() => {}
            }
        }
        // What is on its way is sent again after the next start.
        self.writer.submit();
    }

    /// Takes what is new, sends what is due, records what has changed.
    async fn round(
        &mut self,
        dispatcher: &mut Dispatcher,
        gateways: &Gateways,
        transport: &mut impl Transport,
        out: &mut Outbound,
    ) -> Timestamp {
        let now = self.common.clock.now();
        self.pulse.beat(now.running);
        let now = now.wall;
        let fetched = self.aaa.orders().fetch();
        let mut view = self.view(gateways, now);
        for (order, phase) in fetched {
            dispatcher.take(order, phase, now, &mut view);
        }
        for job in view.aaa.orders().cancelled() {
            dispatcher.cancel(job, &mut view);
        }
        let over = dispatcher.poll(now, &mut view, out);
        for dispatch in out.iter() {
            let from = self.source(gateways, dispatch.to);
            transport.send(dispatch, from).await;
        }
        out.clear();
        for line in over {
            transport.close(line);
        }
        self.writer.submit();
        self.writer.settle(&self.aaa);
        now
    }

    fn arrived(&mut self, dispatcher: &mut Dispatcher, gateways: &Gateways, arrived: Arrived) {
        let now = self.common.clock.now().wall;
        let mut view = self.view(gateways, now);
        match arrived {
            Arrived::Datagram { socket, from, octets } => {
                dispatcher.receive(now, socket, from, &octets, &mut view);
            }
            Arrived::Unreachable { line } => dispatcher.unreachable(line, now, &mut view),
        }
    }

    fn view<'v>(&'v mut self, gateways: &'v Gateways, now: Timestamp) -> ServerView<'v> {
        self.writer.begin(now);
        ServerView {
            aaa: &self.aaa,
            metrics: &self.metrics,
            writer: &mut self.writer,
            gateways,
            now,
        }
    }

    /// The address to send from: the one that the gateway sends its requests to.
    fn source(&self, gateways: &Gateways, to: SocketAddr) -> IpAddr {
        let any = match to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let is_usable = |ip: &IpAddr| ip.is_ipv4() == to.is_ipv4() && !ip.is_unspecified();
        let heard = gateways.of(to.ip()).and_then(Gateway::ours);
        heard
            .filter(is_usable)
            .or_else(|| self.listeners.iter().copied().find(is_usable))
            .unwrap_or(any)
    }
}

/// The rest of the server, as the dispatcher sees it.
struct ServerView<'v> {
    aaa: &'v Aaa,
    metrics: &'v Metrics,
    writer: &'v mut BackgroundWriter,
    gateways: &'v Gateways,
    now: Timestamp,
}

impl World for ServerView<'_> {
    fn sight(&self, order: &SessionOrder) -> Sight {
        self.aaa.sight(order.iccid, order.session, self.now)
    }

    fn destination(&self, order: &SessionOrder) -> Option<Destination> {
        let gateway = self.gateways.told_about(order.gateway, order.keys.source)?;
        Some(Destination {
            gateway: gateway.id,
            address: gateway.told_at(order.keys.source)?,
            secret: gateway.secret.clone(),
            preset: gateway.dynamic_authorization.keys,
            rate: gateway.dynamic_authorization.rate,
        })
    }

    fn learnt(&self, gateway: GatewayId) -> Option<KeyPreset> {
        self.aaa.orders().learnt(gateway)
    }

    fn learn(&mut self, gateway: GatewayId, preset: KeyPreset) {
        self.aaa.orders().learn(gateway, preset, self.now, self.writer);
    }

    fn advance(&mut self, key: OrderKey, phase: OrderPhase, result: Option<OrderResult>) {
        self.aaa.orders().advance(key, phase, result, self.now, self.writer);
    }

    fn end_session(
        &mut self,
        order: &SessionOrder,
        cause: CloseCause,
        address_until: Option<Timestamp>,
    ) {
        self.aaa.end_session(
            order.iccid,
            order.session,
            cause,
            address_until,
            self.now,
            self.writer,
        );
    }

    fn count(&mut self, gateway: GatewayId, kind: GatewayOrderKind, outcome: &'static str) {
        let name = self.gateways.name(gateway).unwrap_or_default();
        self.metrics.dynamic_authorization(name, kind.label(), outcome);
    }
}
