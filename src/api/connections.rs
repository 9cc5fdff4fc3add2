//! The connections over which HTTP is asked. Nobody's keep others out: when all places are taken,
//! who has waited longest without a request gives way, so that health and metrics are answered
//! however many slow or idle connections there are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::http::Peer;
use super::http::dialect::normalize;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// How many are open at a time, over all and of one address.
    pub(crate) connections: usize,
    pub(crate) per_address: usize,
    /// How long the first request may take to arrive, up to the end of its header.
    pub(crate) header: Duration,
    /// How long a connection may then go without another, or take none of its answer.
    pub(crate) idle: Duration,
}

/// Half of the 1024 descriptors that a process has by default. The idle time is longer than
/// Prometheus pauses between two scrapes, and than the 90 s for which Go's clients keep a
/// connection.
pub(crate) const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 512,
    per_address: 256,
    header: Duration::from_secs(5),
    idle: Duration::from_secs(120),
};

/// A pause after the system has refused a connection, for lack of descriptors as a rule.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves whoever connects.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    certificate: impl Fn() -> Option<Arc<ServerConfig>>,
) -> Infallible {
    let places = Arc::new(Places { limits, table: Mutex::default() });
    let http = http1::Builder::new();
    loop {
        let (stream, peer) = accept(&listener).await;
        // Without it a peer that takes nothing keeps its place until the kernel gives it up.
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(limits.idle));
        // Nobody who waits can give way: all are being answered, which ends soon.
        let Some(place) = places.take(peer.ip()) else { continue };
        let place = Arc::new(place);
        let visit = Visit {
            router: TowerToHyperService::new(router.clone()),
            peer: Peer(peer),
            place: Arc::clone(&place),
        };
        let visiting = host(http.clone(), stream, visit, certificate());
        tokio::spawn(async move {
            tokio::select! {
                () = visiting => {}
                () = place.overdue() => {}
            }
        });
    }
}

/// Serves one connection to its end, over TLS if there is a certificate. Why a visitor has left is
/// its own affair.
async fn host(
    http: http1::Builder,
    stream: TcpStream,
    visit: Visit,
    certificate: Option<Arc<ServerConfig>>,
) {
    let Some(certificate) = certificate else {
        let _ = http.serve_connection(TokioIo::new(stream), visit).await;
        return;
    };
    if let Ok(stream) = TlsAcceptor::from(certificate).accept(stream).await {
        let _ = http.serve_connection(TokioIo::new(stream), visit).await;
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn!("an HTTP connection could not be accepted: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// All open connections.
struct Places {
    limits: ConnectionLimits,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By the order in which they began to wait, or were given a request.
    open: BTreeMap<u64, Open>,
    next: u64,
}

/// What the table knows of a connection.
struct Open {
    of: IpAddr,
    /// Until when a request must have come; `None` while one is being answered.
    deadline: Option<Instant>,
    give_way: Arc<Notify>,
}

/// One connection's place, as long as it is held.
struct Place {
    places: Arc<Places>,
    /// Its key in the table, which changes with each request and answer.
    key: Mutex<u64>,
    give_way: Arc<Notify>,
}

impl Places {
    /// A place for a connection of this address; whoever has waited longest gives way, of the same
    /// address if that has its share.
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let of = household(address);
        let mut table = self.table.lock();
        let has_share =
            table.open.values().filter(|open| open.of == of).count() >= self.limits.per_address;
        if has_share || table.open.len() >= self.limits.connections {
            let longest = table
                .open
                .iter()
                .find(|(_, open)| open.deadline.is_some() && (!has_share || open.of == of));
            let key = longest.map(|(key, _)| *key)?;
            table.open.remove(&key)?.give_way.notify_one();
        }
        let give_way = Arc::new(Notify::new());
        let deadline = Some(Instant::now() + self.limits.header);
        let key = table.add(Open { of, deadline, give_way: Arc::clone(&give_way) });
        Some(Place { places: Arc::clone(self), key: Mutex::new(key), give_way })
    }
}

impl Table {
    fn add(&mut self, open: Open) -> u64 {
        self.next += 1;
        self.open.insert(self.next, open);
        self.next
    }
}

impl Place {
    /// A request is being answered from now on: nobody else gets the place.
    fn begin(&self) {
        self.set(None);
    }

    /// The next request is waited for.
    fn end(&self) {
        self.set(Some(Instant::now() + self.places.limits.idle));
    }

    fn set(&self, deadline: Option<Instant>) {
        let mut table = self.places.table.lock();
        let mut key = self.key.lock();
        // If it is not there, it has been given to another.
        if let Some(open) = table.open.remove(&key) {
            *key = table.add(Open { deadline, ..open });
        }
    }

    /// Returns when the connection has to be closed: no request has come in time, or another has
    /// the place.
    async fn overdue(&self) {
        loop {
            let deadline = match self.places.table.lock().open.get(&self.key.lock()) {
                None => return,
                Some(open) => open.deadline,
            };
            let look_again = match deadline {
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => deadline,
                None => Instant::now() + self.places.limits.header,
            };
            tokio::select! {
                () = self.give_way.notified() => return,
                () = sleep_until(look_again) => {}
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table.lock().open.remove(self.key.get_mut());
    }
}

/// Who shares a share: an IPv6 host has a whole /64 to itself.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What answers the requests of one connection.
struct Visit {
    router: TowerToHyperService<Router>,
    peer: Peer,
    place: Arc<Place>,
}

impl Service<Request<Incoming>> for Visit {
    type Response = Response;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.place.begin();
        request.extensions_mut().insert(self.peer);
        normalize(request.uri_mut());
        let answer = self.router.call(request);
        let place = Arc::clone(&self.place);
        Box::pin(async move {
            let answer = answer.await;
            place.end();
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::thread;

    use axum::routing::get;

    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections: 4,
        per_address: 3,
        header: Duration::from_millis(100),
        idle: Duration::from_millis(100),
    };

    const PATIENT: ConnectionLimits = ConnectionLimits {
        header: Duration::from_secs(600),
        idle: Duration::from_secs(600),
        ..LIMITS
    };

    /// A server that says "here", as long as the test runs.
    fn server(limits: ConnectionLimits) -> SocketAddr {
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(
                async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    tell.send(listener.local_addr().unwrap()).unwrap();
                    serve(
                        listener,
                        Router::new().route("/", get(|| async { "here" })),
                        limits,
                        || None,
                    )
                    .await
                },
            )
        });
        told.recv().unwrap()
    }

    /// Everything that is answered to these words, until the server hangs up.
    fn say(server: SocketAddr, words: &[u8]) -> String {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.write_all(words).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    fn is_answered(server: SocketAddr) -> bool {
        let answer = say(server, REQUEST);
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("here")
    }

    #[test]
    fn slow_and_idle_connections_keep_nobody_out() {
        let server = server(PATIENT);
        let mut crowd = Vec::new();
        for words in [&b""[..], b"GET / HTTP/1.1\r\nHost:", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
            .into_iter()
            .cycle()
            .take(30)
        {
            let mut stream = TcpStream::connect(server).unwrap();
            stream.write_all(words).unwrap();
            crowd.push(stream);
        }
        assert!((0..10).all(|_| is_answered(server)));
    }

    #[test]
    fn who_waits_longest_gives_way_and_within_its_own_share() {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(
            async {
                let places = Arc::new(Places { limits: PATIENT, table: Mutex::default() });
                let [one, other] =
                    ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().unwrap());
                let take = |address| places.take(address).unwrap();
                let is_open =
                    |place: &Place| places.table.lock().open.contains_key(&place.key.lock());

                let (first, second, third) = (take(one), take(one), take(one));
                first.begin();
                first.end();
                let fourth = take(one);
                assert!(
                    is_open(&first) && !is_open(&second),
                    "the share is full: the second has waited longest"
                );
                second.overdue().await;

                let stranger = take(other);
                let late = take(other);
                assert!(
                    !is_open(&third) && is_open(&stranger) && is_open(&late),
                    "all is full: the third has waited longest of all"
                );

                for place in [&first, &fourth, &stranger, &late] {
                    place.begin();
                }
                assert!(places.take(other).is_none(), "nobody who is being answered is disturbed");
                first.end();
                assert!(places.take(other).is_some());
                drop((fourth, stranger, late));
                assert!(places.table.lock().open.is_empty(), "who leaves gives the place back");
            },
        );
    }

    #[test]
    fn an_ipv6_host_is_its_prefix() {
        let household = |address: &str| household(address.parse().unwrap()).to_string();
        assert_eq!(household("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(household("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn who_never_finishes_a_request_is_sent_away() {
        let server = server(LIMITS);
        assert!(!say(server, b"GET / HTTP/1.1\r\nHost:").contains("here"));
        assert_eq!(say(server, b""), "");
    }

    #[test]
    fn a_connection_is_kept_for_a_while_and_not_for_ever() {
        let server = server(LIMITS);
        let answers = say(server, &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
        assert_eq!(answers.matches("here").count(), 2, "{answers}");
    }
}
