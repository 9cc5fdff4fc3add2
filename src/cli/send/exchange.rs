//! One request over UDP: the RADIUS client with a socket, until a reply is worth believing or the
//! request is given up.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::Kind;
use crate::cli::outcome::CommandError;
use crate::exchange::{
    Client, ClientSettings, Composer, NotSent, Outbound, Purpose, Receipt, RetransmissionPolicy,
    Server, Stray,
};
use crate::time::Timestamp;
use crate::wire::dictionary::Assignment;
use crate::wire::{Code, Datagram, LONGEST, Secret};

use super::request;

/// The longest wait between two tries (MRT, RFC 5080 2.2.1).
const LONGEST_WAIT: Duration = Duration::from_secs(16);

/// A reply that was believed.
pub(super) struct CheckedReply {
    pub(super) octets: Vec<u8>,
    /// How often the request was sent.
    pub(super) tries: u32,
    /// From the first try to the reply.
    pub(super) took: Duration,
}

/// When a request is sent again, and how often at most.
pub(super) const fn policy(first: Duration, retries: u32) -> RetransmissionPolicy {
    RetransmissionPolicy {
        initial: first,
        transmissions: retries + 1,
        ceiling: LONGEST_WAIT,
        total: Duration::ZERO,
    }
}

/// Sends a request with these attributes until a reply is valid. Others are ignored, as if they had
/// not come.
pub(super) fn exchange(
    to: SocketAddr,
    kind: Kind,
    assignments: &[Assignment],
    secret: Secret,
    policy: &RetransmissionPolicy,
) -> Result<CheckedReply, CommandError> {
    let settings = ClientSettings {
        servers: vec![Server { address: to, role: kind.role() }],
        secret,
        failover_after: policy.transmissions,
        dead_for: Duration::ZERO,
        max_ports: 1,
        // A reply without a Message-Authenticator is shown, with a warning.
        integrity_required: false,
        window: None,
    };
    let mut client = Client::new(0, settings.into(), rand::rng());
    let mut out = Outbound::default();
    let clock = Clock(now());
    let compose =
        |composer: &mut Composer<'_, '_>| request::compose(kind.code(), assignments, composer);
    client
        .send(clock.read(), kind, policy, compose, &mut out)
        .map_err(|not_sent| refused(to, not_sent))?;
    let socket = connect(to).map_err(|error| unreachable(to, &error))?;
    let mut buffer = [0; LONGEST];
    let (mut ignored, mut given_up) = (None, Vec::new());
    while given_up.is_empty() {
        let mut dispatched = None;
        for dispatch in out.iter() {
            socket.send(dispatch.octets).map_err(|error| unreachable(to, &error))?;
            dispatched = Some(dispatch.socket);
        }
        let socket_id = dispatched.unwrap_or_default();
        out.clear();
        let wait =
            client.next_deadline().map_or(Duration::ZERO, |deadline| deadline.since(clock.read()));
        match receive(&socket, &mut buffer, wait).map_err(|error| unreachable(to, &error))? {
            Some(length) => match client.receive(clock.read(), socket_id, to, &buffer[..length]) {
                Receipt::Answered(answered) => {
                    let took = clock.read().since(answered.first_sent);
                    return Ok(CheckedReply {
                        octets: buffer[..length].to_vec(),
                        tries: answered.transmissions,
                        took,
                    });
                }
                Receipt::Stray(stray) => ignored = Some(fault(&stray, kind, &buffer[..length])),
                Receipt::Repeated { .. } | Receipt::Late | Receipt::Obsolete => {}
            },
            None => client.poll(clock.read(), &mut out, &mut given_up),
        }
    }
    let tries = policy.transmissions;
    Err(CommandError::failed(match ignored {
        Some(fault) => format!("no valid reply from {to}: {fault}; is the secret right?"),
        None => format!(
            "no reply from {to} after {tries} tries; does it run, and is this machine one of its gateways, with this secret?"
        ),
    }))
}

fn refused(to: SocketAddr, not_sent: NotSent) -> CommandError {
    match not_sent {
        NotSent::TooLong => CommandError::invalid(
            "the attributes do not fit: a packet has at most 4096 octets, an attribute 253, a password 128; send less",
        ),
        // One server of the right role, and no other request: neither can happen.
        NotSent::NoServer | NotSent::NoIdentifier => {
            CommandError::failed(format!("nothing could be sent to {to}; try again"))
        }
    }
}

/// What speaks against believing a datagram.
fn fault(stray: &Stray, kind: Kind, octets: &[u8]) -> String {
    let code = Datagram::frame(octets).map_or(Code(0), |datagram| datagram.code());
    match stray {
        Stray::Malformed(malformed) => format!("what came is no RADIUS packet: {malformed}"),
        Stray::Unasked => format!("{code} came, with the identifier of another request"),
        Stray::Forged(forged) => format!("{code} came, but {forged}"),
        Stray::Unprotected => format!("{code} came without Message-Authenticator"),
        Stray::WrongSource => format!("{code} came from another address"),
        Stray::Stale => format!("{code} came with an Event-Timestamp of another time"),
        Stray::WrongCode(code) => format!("{code} does not answer {}", kind.code()),
    }
}

fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let socket = UdpSocket::bind(any)?;
    // Connected, the socket hears from the server only, and hears at once if nobody listens there.
    socket.connect(to)?;
    Ok(socket)
}

/// The length of the next datagram, or `None` if none comes in this time.
fn receive(socket: &UdpSocket, buffer: &mut [u8], wait: Duration) -> io::Result<Option<usize>> {
    if wait.is_zero() {
        return Ok(None);
    }
    socket.set_read_timeout(Some(wait))?;
    match socket.recv(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn unreachable(to: SocketAddr, error: &io::Error) -> CommandError {
    CommandError::failed(match error.kind() {
        ErrorKind::ConnectionRefused => {
            format!("nobody listens on {to}; start a server there, or give HOST:PORT")
        }
        _ => format!("{to} cannot be reached: {error}; check the address and the network"),
    })
}

/// The time since the command began, as the client counts it.
struct Clock(Instant);

impl Clock {
    fn read(&self) -> Timestamp {
        Timestamp::EPOCH + self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a shell: it waits for a network")]
fn now() -> Instant {
    Instant::now()
}
