//! The RADIUS client: sends requests, repeats them, fails over, and understands replies. Owns no
//! socket, thread or clock.
//!
//! | the driver | the client |
//! |---|---|
//! | has a request | [`Client::send`] encodes it, gives it an identifier and remembers it |
//! | says what time it is | [`Client::poll`] repeats what is not answered, and names what is given up |
//! | has received a datagram | [`Client::receive`] says what it means |
//! | sleeps until | [`Client::next_deadline`] |
//! | sends | [`Outbound`], then clears it |
//!
//! The simulator's gateways and `attachd send` stand on it. Time and randomness come in as
//! arguments, so tests play hours in a moment.

mod copy;
mod identifiers;
mod outbound;
mod receipt;
mod retransmission;

pub use identifiers::RequestId;
pub use outbound::{Dispatch, Outbound, SocketId};
pub use receipt::{Answered, Evidence, Receipt, Stray};
pub use retransmission::RetransmissionPolicy;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngCore;

use self::identifiers::Identifiers;
use self::receipt::{FinishedRequest, RequestEnd};
use self::retransmission::{Retransmission, RetryStep};
use crate::time::Timestamp;
use crate::timers::TimerWheel;
use crate::wire::{Code, Datagram, Encoder, LONGEST, Secret};

/// What a request is for. The client gives it back with the reply.
pub trait Purpose: Copy {
    /// The code of the request.
    fn code(&self) -> Code;

    /// Whether a packet of this code answers it.
    fn is_answered_by(&self, code: Code) -> bool;

    /// Which servers may be asked.
    fn role(&self) -> ServerRole;
}

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerRole {
    Access,
    Accounting,
    /// A gateway that is asked to end or change sessions (RFC 5176).
    DynamicAuthorization,
}

/// A server, and what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddr,
    pub role: ServerRole,
}

/// How a client behaves; shared by all clients that behave alike.
#[derive(Debug)]
pub struct ClientSettings {
    pub servers: Vec<Server>,
    pub secret: Secret,
    /// After this many unanswered copies the next server of the role is asked.
    pub failover_after: u32,
    /// A server that did not answer is not asked for this long, unless there is no other.
    pub dead_for: Duration,
    /// Source ports towards each server, at most: 256 requests can be outstanding on each.
    pub max_ports: u16,
    /// Replies to an Access-Request without Message-Authenticator are discarded
    /// (draft-ietf-radext-deprecating-radius).
    pub integrity_required: bool,
    /// How long an identifier rests after its request is over, and how far an Event-Timestamp of a
    /// reply may be from our time (RFC 5176 6.3); `None`: as long and as far as may be.
    pub window: Option<RequestWindow>,
}

/// How long a server remembers requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestWindow {
    pub lasts: Duration,
    /// The time of day at which the client's own time begins: its timers go for fifty days.
    pub epoch: Timestamp,
}

/// Writes the attributes of one request.
pub struct Composer<'a, 'b> {
    pub encoder: &'a mut Encoder<'b>,
    /// What passwords are hidden with (RFC 2865 5.2).
    pub secret: &'a Secret,
    /// The Request Authenticator, if it is random (Access-Request, Status-Server).
    pub authenticator: &'a [u8; 16],
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// No server has this role.
    NoServer,
    /// All identifiers of all source ports are in use.
    NoIdentifier,
    /// Its attributes do not fit into 4096 octets (RFC 2865 3).
    TooLong,
}

/// One RADIUS client towards its servers.
#[derive(Debug)]
pub struct Client<T, R> {
    number: u16,
    settings: Arc<ClientSettings>,
    upstreams: Vec<Upstream>,
    requests: Vec<Option<Request<T>>>,
    vacant: Vec<u32>,
    timers: TimerWheel,
    /// Copies that the server may answer though another copy counts.
    earlier_copies: VecDeque<EarlierCopy>,
    /// Until then a reply that fits nothing may answer one of the copies that had to be forgotten.
    doubtful_until: Timestamp,
    copies: u64,
    random: R,
}

/// What verifies another answer to a request whose identifier may be in use again by then.
#[derive(Clone, Copy, Debug)]
struct EarlierCopy {
    at: Timestamp,
    server: u8,
    id: RequestId,
    authenticator: [u8; 16],
}

/// Few requests are sent more than once, so few copies are remembered.
const MAX_EARLIER_COPIES: usize = 4096;

/// How long after a copy an answer to it may still come: an overloaded server works through what
/// its socket holds.
const LATEST_ANSWER: Duration = Duration::from_secs(60);

/// A server as this client sees it.
#[derive(Debug)]
struct Upstream {
    identifiers: Identifiers<FinishedRequest>,
    dead_until: Timestamp,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Request<T> {
    purpose: T,
    server: u8,
    id: RequestId,
    authenticator: [u8; 16],
    octets: Bytes,
    /// The Acct-Delay-Time of the first copy, if it has one: it grows with every copy (RFC 2866
    /// 5.2).
    first_delay_s: Option<u32>,
    policy: RetransmissionPolicy,
    retransmission: Retransmission,
}

impl ClientSettings {
    fn rest(&self) -> Duration {
        self.window.map_or(Duration::ZERO, |window| window.lasts)
    }
}

impl<T: Purpose, R: RngCore> Client<T, R> {
    /// The client `number` of its driver. `random` gives its authenticators and the jitter of its
    /// timers.
    pub fn new(number: u16, settings: Arc<ClientSettings>, random: R) -> Self {
        let upstream = |_: &Server| Upstream {
            identifiers: Identifiers::new(settings.max_ports),
            dead_until: Timestamp::EPOCH,
        };
        let upstreams = settings.servers.iter().map(upstream).collect();
        Self {
            number,
            settings,
            upstreams,
            requests: Vec::new(),
            vacant: Vec::new(),
            timers: TimerWheel::default(),
            earlier_copies: VecDeque::new(),
            doubtful_until: Timestamp::EPOCH,
            copies: 0,
            random,
        }
    }

    /// How many servers there are; they are numbered in the order of [`ClientSettings::servers`].
    pub const fn servers(&self) -> usize {
        self.upstreams.len()
    }

    /// Requests that are neither answered nor given up.
    pub const fn outstanding(&self) -> usize {
        self.requests.len() - self.vacant.len()
    }

    /// Sends a request to the first living server of its role; `compose` writes its attributes.
    ///
    /// # Errors
    /// Why it was not sent; then nothing is remembered of it.
    pub fn send(
        &mut self,
        now: Timestamp,
        purpose: T,
        policy: &RetransmissionPolicy,
        compose: impl FnOnce(&mut Composer<'_, '_>),
        out: &mut Outbound,
    ) -> Result<(), NotSent> {
        let server = self.choose(purpose.role(), now).ok_or(NotSent::NoServer)?;
        self.send_to(server, now, purpose, policy, compose, out)
    }

    /// Sends a request to one server.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_to(
        &mut self,
        server: usize,
        now: Timestamp,
        purpose: T,
        policy: &RetransmissionPolicy,
        compose: impl FnOnce(&mut Composer<'_, '_>),
        out: &mut Outbound,
    ) -> Result<(), NotSent> {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() as u32 - 1
        });
        let upstream = self.upstreams.get_mut(server).ok_or(NotSent::NoServer)?;
        let Some(id) = upstream.identifiers.take(slot, now) else {
            self.vacant.push(slot);
            return Err(NotSent::NoIdentifier);
        };
        let mut random = [0; 16];
        self.random.fill_bytes(&mut random);
        let mut buffer = [0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, purpose.code(), id.identifier);
        compose(&mut Composer {
            encoder: &mut encoder,
            secret: &self.settings.secret,
            authenticator: &random,
        });
        let Ok(len) = encoder.finish_request(&self.settings.secret, random) else {
            upstream.identifiers.put_back(id);
            self.vacant.push(slot);
            return Err(NotSent::TooLong);
        };
        let octets = Bytes::copy_from_slice(&buffer[..len]);
        let authenticator = authenticator_of(&octets).unwrap_or(random);
        let retransmission = Retransmission::begin(policy, now, &mut self.random);
        self.timers.set(slot, retransmission.deadline(policy));
        let first_delay_s = copy::delay_s(&octets);
        let server = server as u8;
        let request = Request {
            purpose,
            server,
            id,
            authenticator,
            octets,
            first_delay_s,
            policy: *policy,
            retransmission,
        };
        self.dispatch(&request, out);
        self.requests[slot as usize] = Some(request);
        Ok(())
    }

    /// Repeats what is due. What is given up is added to `unanswered`.
    pub fn poll(&mut self, now: Timestamp, out: &mut Outbound, unanswered: &mut Vec<T>) {
        while let Some(slot) = self.timers.pop(now) {
            let Some(request) = self.requests[slot as usize].as_ref() else { continue };
            match request.retransmission.step(&request.policy, now) {
                RetryStep::Wait => {
                    self.timers.set(slot, request.retransmission.deadline(&request.policy));
                }
                RetryStep::Repeat => self.repeat(slot, now, out),
                RetryStep::GiveUp => {
                    unanswered.push(request.purpose);
                    self.release(slot, RequestEnd::GivenUp, None, now);
                }
            }
        }
    }

    /// When [`Self::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next_due()
    }

    /// Copies sent beyond the first of each request.
    pub const fn copies(&self) -> u64 {
        self.copies
    }

    /// The requests that are not answered yet.
    pub fn waiting(&self) -> impl Iterator<Item = T> {
        self.requests.iter().flatten().map(|request| request.purpose)
    }

    /// This request is on the network more than once, or late: it may be answered when its
    /// identifier is already in use again.
    pub fn expect_another_answer(&mut self, now: Timestamp, socket: SocketId, octets: &[u8]) {
        if let Ok(request) = Datagram::frame(octets) {
            let id = RequestId { port: socket.port, identifier: request.identifier() };
            self.remember(EarlierCopy {
                at: now,
                server: socket.server,
                id,
                authenticator: *request.authenticator(),
            });
        }
    }

    fn remember(&mut self, copy: EarlierCopy) {
        if self.earlier_copies.len() == MAX_EARLIER_COPIES
            && let Some(forgotten) = self.earlier_copies.pop_front()
        {
            self.doubtful_until = self.doubtful_until.max(forgotten.at + LATEST_ANSWER);
        }
        self.earlier_copies.push_back(copy);
    }

    /// Forgets all that was asked, as a client that restarts does; gives what that was.
    pub fn forget(&mut self, now: Timestamp) -> Vec<T> {
        let forgotten = self.waiting().collect();
        for slot in 0..self.requests.len() as u32 {
            if self.requests[slot as usize].is_some() {
                self.timers.cancel(slot);
                self.release(slot, RequestEnd::Superseded, None, now);
            }
        }
        forgotten
    }

    /// The first server of the role that is not known to be dead; the first of all if they all are.
    fn choose(&self, role: ServerRole, now: Timestamp) -> Option<usize> {
        let mut of_role = self
            .settings
            .servers
            .iter()
            .enumerate()
            .filter(|(_, server)| server.role == role)
            .map(|(index, _)| index);
        let first = of_role.clone().next();
        of_role.find(|index| self.upstreams[*index].dead_until <= now).or(first)
    }

    fn dispatch(&self, request: &Request<T>, out: &mut Outbound) {
        let socket =
            SocketId { client: self.number, server: request.server, port: request.id.port };
        out.push(Dispatch {
            socket,
            to: self.settings.servers[usize::from(request.server)].address,
            octets: &request.octets,
        });
    }

    /// The request in `slot` is over.
    fn release(
        &mut self,
        slot: u32,
        ending: RequestEnd,
        reply: Option<(Timestamp, Bytes)>,
        now: Timestamp,
    ) {
        if let Some(request) = self.requests[slot as usize].take() {
            let past = FinishedRequest {
                ending,
                authenticator: request.authenticator,
                request: request.octets,
                reply,
            };
            let rests_until = now + self.settings.rest();
            self.upstreams[usize::from(request.server)].identifiers.give_back(
                request.id,
                past,
                rests_until,
            );
            self.vacant.push(slot);
        }
    }
}

fn authenticator_of(octets: &[u8]) -> Option<[u8; 16]> {
    Datagram::frame(octets).ok().map(|request| *request.authenticator())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Forged, number};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    const SECRET: &[u8] = b"xyzzy5461";
    const POLICY: RetransmissionPolicy = RetransmissionPolicy {
        initial: Duration::from_secs(2),
        transmissions: 5,
        ceiling: Duration::from_secs(16),
        total: Duration::from_secs(30),
    };

    /// An Access-Request, by its number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Access(u32);

    impl Purpose for Access {
        fn code(&self) -> Code {
            Code::ACCESS_REQUEST
        }

        fn is_answered_by(&self, code: Code) -> bool {
            code == Code::ACCESS_ACCEPT
        }

        fn role(&self) -> ServerRole {
            ServerRole::Access
        }
    }

    fn client(role: ServerRole, max_ports: u16) -> Client<Access, SmallRng> {
        let server = Server { address: ([198, 51, 100, 1], 1812).into(), role };
        let settings = ClientSettings {
            servers: vec![server],
            secret: Secret::new(SECRET),
            failover_after: 2,
            dead_for: Duration::from_secs(60),
            max_ports,
            integrity_required: false,
            window: None,
        };
        Client::new(0, settings.into(), SmallRng::seed_from_u64(1))
    }

    fn compose(composer: &mut Composer<'_, '_>) {
        composer.encoder.attribute(number::USER_NAME, b"someone");
    }

    #[test]
    fn what_cannot_be_sent_leaves_nothing_behind() {
        let mut out = Outbound::default();
        let mut none = client(ServerRole::Accounting, 1);
        assert_eq!(
            none.send(Timestamp::EPOCH, Access(0), &POLICY, compose, &mut out),
            Err(NotSent::NoServer)
        );
        let mut full = client(ServerRole::Access, 1);
        let too_long = |composer: &mut Composer<'_, '_>| {
            for _ in 0..17 {
                composer.encoder.attribute(number::CLASS, &[0; 250]);
            }
        };
        for _ in 0..300 {
            assert_eq!(
                full.send(Timestamp::EPOCH, Access(0), &POLICY, too_long, &mut out),
                Err(NotSent::TooLong)
            );
        }
        assert_eq!((full.outstanding(), out.len(), full.next_deadline()), (0, 0, None));
        for number in 0..256 {
            assert_eq!(
                full.send(Timestamp::EPOCH, Access(number), &POLICY, compose, &mut out),
                Ok(())
            );
        }
        assert_eq!(
            full.send(Timestamp::EPOCH, Access(256), &POLICY, compose, &mut out),
            Err(NotSent::NoIdentifier)
        );
        assert_eq!((full.outstanding(), out.len()), (256, 256));
    }

    /// RFC 2866 4.1 and 5.2: a report that already waited when it was first sent says so in every
    /// copy.
    #[test]
    fn the_delay_grows_from_what_it_was() {
        let (mut client, mut out, mut unanswered) =
            (client(ServerRole::Access, 1), Outbound::default(), Vec::new());
        let waited = |composer: &mut Composer<'_, '_>| {
            composer.encoder.integer(number::ACCT_DELAY_TIME, 5);
        };
        client.send(Timestamp::EPOCH, Access(0), &POLICY, waited, &mut out).unwrap();
        client.poll(Timestamp::from_millis(2_500), &mut out, &mut unanswered);
        let delays: Vec<_> = out.iter().map(|dispatch| copy::delay_s(dispatch.octets)).collect();
        assert_eq!(delays, [Some(5), Some(7)]);
    }

    /// Of more copies than can be remembered, any may still be answered: what fits nothing then
    /// proves nothing.
    #[test]
    fn an_answer_to_a_forgotten_copy_is_no_forgery() {
        let (mut client, mut out, mut unanswered) =
            (client(ServerRole::Access, 256), Outbound::default(), Vec::new());
        for number in 0..=MAX_EARLIER_COPIES as u32 {
            client.send(Timestamp::EPOCH, Access(number), &POLICY, compose, &mut out).unwrap();
        }
        let first = out.iter().next().unwrap();
        let (socket, to, mut forged) = (first.socket, first.to, [0; 20]);
        forged[..4].copy_from_slice(&[Code::ACCESS_ACCEPT.0, first.octets[1], 0, 20]);
        let mut means = |secs| {
            let now = Timestamp::from_secs(secs);
            client.poll(now, &mut Outbound::default(), &mut unanswered);
            client.receive(now, socket, to, &forged)
        };
        assert_eq!(
            means(1),
            Receipt::Stray(Stray::Forged(Forged::Authenticator)),
            "nothing was sent twice yet"
        );
        assert_eq!(means(3), Receipt::Obsolete);
        assert_eq!(
            means(100),
            Receipt::Stray(Stray::Forged(Forged::Authenticator)),
            "nobody answers so late"
        );
    }
}
