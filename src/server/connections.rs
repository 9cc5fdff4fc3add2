//! The connections over which HTTP is asked: so many at a time, and none for ever, so that idle or slow ones do not use up the
//! descriptors that the journal needs.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::warn;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many are served at a time; the others wait in the kernel.
    pub(super) connections: usize,
    /// How long a connection may go without a whole request, or take none of its answer.
    pub(super) patience: Duration,
}

/// Half of the 1024 descriptors that a process has by default, and longer than Prometheus pauses between two scrapes by default.
pub(super) const LIMITS: Limits = Limits { connections: 512, patience: Duration::from_secs(75) };

/// A pause after the system has refused a connection, for lack of descriptors as a rule.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves whoever connects.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: Limits) -> Infallible {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.patience);
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = accept(&listener).await;
        // Without it a peer that takes nothing keeps its place until the kernel gives it up.
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(limits.patience));
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            // Why a visitor has left is its own affair.
            let _ = connection.await;
            drop(place);
        });
    }
}

async fn accept(listener: &TcpListener) -> tokio::net::TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn!("an HTTP connection could not be accepted: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::thread;

    use axum::routing::get;

    use super::*;

    const LIMITS: Limits = Limits { connections: 2, patience: Duration::from_millis(50) };

    /// A server that says "here", as long as the test runs.
    fn server() -> SocketAddr {
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, Router::new().route("/", get(|| async { "here" })), LIMITS).await
            })
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

    #[test]
    fn who_never_finishes_a_request_loses_the_place_to_others() {
        let server = server();
        let slow = [(); 3].map(|()| thread::spawn(move || say(server, b"GET / HTTP/1.1\r\nHost:")));
        let answer = say(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        for slow in slow {
            assert!(!slow.join().unwrap().contains("here"));
        }
    }

    #[test]
    fn a_connection_is_kept_for_a_while_and_not_for_ever() {
        let server = server();
        let answers = say(server, &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
        assert_eq!(answers.matches("here").count(), 2, "{answers}");
        assert_eq!(say(server, b""), "");
    }
}
