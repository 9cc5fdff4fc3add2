//! One request over UDP: sent again until a reply is worth believing or patience ends (RFC 5080 2.2.1).

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::cli::outcome::Failure;
use crate::wire::LONGEST;

/// The longest wait between two tries (MRT).
const LONGEST_WAIT: Duration = Duration::from_secs(16);

/// When to give up on a try, and on the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long the first try waits (IRT).
    pub(super) first: Duration,
    /// How many times the request is sent again (MRC).
    pub(super) retries: u32,
}

impl Patience {
    /// The wait of every try: each about twice the one before, up to [`LONGEST_WAIT`]. `jitter` gives numbers from -0.1 to 0.1, so that
    /// many requesters do not come back all at once.
    fn waits(self, mut jitter: impl FnMut() -> f64) -> impl Iterator<Item = Duration> {
        let mut previous = None;
        (0..=self.retries).map(move |_| {
            let doubled = previous.map_or(self.first.mul_f64(1.0 + jitter()), |wait: Duration| wait.mul_f64(2.0 + jitter()));
            let wait = if doubled > LONGEST_WAIT { LONGEST_WAIT.mul_f64(1.0 + jitter()) } else { doubled };
            previous = Some(wait);
            wait
        })
    }
}

/// A reply that was believed.
pub(super) struct Reply {
    pub(super) octets: Vec<u8>,
    /// How often the request was sent.
    pub(super) tries: u32,
    /// From the first try to the reply.
    pub(super) took: Duration,
}

/// Sends `request` until `judge` finds no fault with a reply. Replies with a fault are ignored, as if they had not come.
pub(super) fn exchange(
    to: SocketAddr,
    request: &[u8],
    patience: Patience,
    judge: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<Reply, Failure> {
    let socket = connect(to).map_err(|error| unreachable(to, &error))?;
    let began = now();
    let mut buffer = [0; LONGEST];
    let mut ignored = None;
    let mut tries = 0;
    for wait in patience.waits(|| rand::random_range(-0.1..=0.1)) {
        tries += 1;
        socket.send(request).map_err(|error| unreachable(to, &error))?;
        let deadline = now() + wait;
        while let Some(length) = receive(&socket, &mut buffer, deadline).map_err(|error| unreachable(to, &error))? {
            let octets = &buffer[..length];
            match judge(octets) {
                Ok(()) => return Ok(Reply { octets: octets.to_vec(), tries, took: began.elapsed() }),
                Err(fault) => ignored = Some(fault),
            }
        }
    }
    Err(Failure::failed(match ignored {
        Some(fault) => format!("no valid reply from {to}: {fault}; is the secret right?"),
        None => format!("no reply from {to} after {tries} tries; does it run, and is this machine one of its gateways, with this secret?"),
    }))
}

fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() { SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) } else { SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)) };
    let socket = UdpSocket::bind(any)?;
    // Connected, the socket hears from the server only, and hears at once if nobody listens there.
    socket.connect(to)?;
    Ok(socket)
}

/// The length of the next datagram, or `None` at the deadline.
fn receive(socket: &UdpSocket, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
    loop {
        let left = deadline.saturating_duration_since(now());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(buffer) {
            Ok(length) => return Ok(Some(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

fn unreachable(to: SocketAddr, error: &io::Error) -> Failure {
    Failure::failed(match error.kind() {
        ErrorKind::ConnectionRefused => format!("nobody listens on {to}; start a server there, or give HOST:PORT"),
        _ => format!("{to} cannot be reached: {error}; check the address and the network"),
    })
}

#[expect(clippy::disallowed_methods, reason = "this is a shell: it waits for a network")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_sixteen_seconds() {
        let patience = Patience { first: Duration::from_secs(2), retries: 5 };
        let seconds = |jitter: f64| patience.waits(|| jitter).map(|wait| wait.as_secs_f64()).collect::<Vec<_>>();
        assert_eq!(seconds(0.0), [2.0, 4.0, 8.0, 16.0, 16.0, 16.0]);
        assert_eq!(seconds(0.1)[..2], [2.2, 4.62]);
        assert!(seconds(0.1).iter().all(|wait| *wait <= 17.6));
    }
}
