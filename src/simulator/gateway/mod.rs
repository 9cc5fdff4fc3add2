//! One packet gateway's RADIUS side: asks, repeats, fails over, understands answers. Owns no socket, thread or clock.
//!
//! [`Gateway::ask`] writes a request and remembers it; [`Gateway::poll`] repeats what is not answered; [`Gateway::receive`] says what a
//! datagram means. What must be sent is left in an [`Outbound`].

mod compose;
mod copy;
mod identifiers;
mod kind;
mod outbound;
mod receipt;
mod retransmission;

#[cfg(test)]
mod tests;

pub use compose::{Bearer, Caller, Draft, NetworkEvent, Profile, Report, acct_session_id};
pub use identifiers::Place;
pub use kind::{Kind, Role};
pub use outbound::{Dispatch, Door, Outbound};
pub use receipt::{Answered, Evidence, Receipt, Stray};
pub use retransmission::Policy;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::identifiers::Identifiers;
use self::receipt::{Ended, Past};
use self::retransmission::{Patience, Turn};
use super::chance::Chance;
use super::moment::Moment;
use super::wheel::Wheel;
use crate::wire::{Datagram, Encoder, LONGEST, Secret};

/// What all gateways of a run have in common.
#[derive(Debug)]
pub struct Settings {
    pub servers: Vec<Server>,
    pub secret: Secret,
    pub access: Policy,
    pub accounting: Policy,
    /// After so many unanswered copies the next server of the role is asked.
    pub failover_after: u32,
    /// For so long a server that did not answer is left alone.
    pub dead_for: Duration,
    /// Source ports towards each server, at most.
    pub most_ports: u16,
    /// Replies to an Access-Request without Message-Authenticator are discarded, before any other check.
    pub integrity_required: bool,
    /// Zero: no Status-Server.
    pub status_interval: Duration,
}

/// A server, and what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddr,
    pub role: Role,
}

/// A request's name among those who wait for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub kind: Kind,
    /// Which endpoint; none for what the gateway says about itself.
    pub endpoint: Option<u32>,
    /// Which of its sessions.
    pub serial: u32,
    /// When it had to be sent.
    pub scheduled: Moment,
}

/// One gateway.
#[derive(Debug)]
pub struct Gateway {
    number: u16,
    profile: Profile,
    settings: Arc<Settings>,
    upstreams: Vec<Upstream>,
    requests: Vec<Option<Request>>,
    vacant: Vec<u32>,
    timers: Wheel,
    next_status: Moment,
    /// Requests that the server may answer more than once.
    echoes: VecDeque<Echo>,
    /// Until then an answer that fits nothing may be meant for one of the echoes that had to be forgotten.
    doubtful_until: Moment,
    copies: u64,
    chance: Chance,
}

/// What verifies another answer to a request whose identifier may be in use again by then.
#[derive(Clone, Copy, Debug)]
struct Echo {
    at: Moment,
    server: u8,
    place: Place,
    authenticator: [u8; 16],
}

/// Echoes that are remembered: few requests have any.
const MOST_ECHOES: usize = 4096;

/// How long after a copy an answer to it may still come: an overloaded server works through what its socket holds.
const LATEST_ANSWER: Duration = Duration::from_secs(60);

/// A server as this gateway sees it.
#[derive(Debug)]
struct Upstream {
    identifiers: Identifiers<Past>,
    dead_until: Moment,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Request {
    ticket: Ticket,
    server: u8,
    place: Place,
    authenticator: [u8; 16],
    octets: Box<[u8]>,
    patience: Patience,
}

impl Settings {
    const fn policy(&self, kind: Kind) -> Policy {
        match kind {
            Kind::Attach | Kind::Session => self.access,
            Kind::Start | Kind::Interim | Kind::Stop | Kind::Detach | Kind::On | Kind::Off => self.accounting,
            // RFC 5997 4.1: never repeated.
            Kind::Status => Policy { initial: self.access.initial, transmissions: 1, ceiling: Duration::ZERO, total: Duration::ZERO },
        }
    }
}

impl Gateway {
    /// The gateway `number` of a run. `chance` gives its authenticators and the jitter of its timers.
    pub fn new(number: u16, profile: Profile, settings: Arc<Settings>, mut chance: Chance) -> Self {
        let upstream = |_: &Server| Upstream { identifiers: Identifiers::new(settings.most_ports), dead_until: Moment::START };
        let upstreams = settings.servers.iter().map(upstream).collect();
        let next_status = if settings.status_interval.is_zero() {
            Moment::NEVER
        } else {
            Moment::START + settings.status_interval.mul_f64(chance.unit())
        };
        Self {
            number,
            profile,
            settings,
            upstreams,
            requests: Vec::new(),
            vacant: Vec::new(),
            timers: Wheel::default(),
            next_status,
            echoes: VecDeque::new(),
            doubtful_until: Moment::START,
            copies: 0,
            chance,
        }
    }

    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Requests on their way.
    pub const fn outstanding(&self) -> usize {
        self.requests.len() - self.vacant.len()
    }

    /// Sends a request; `compose` writes its attributes. False if no identifier is free: it was not sent.
    pub fn ask(&mut self, now: Moment, ticket: Ticket, compose: impl FnOnce(&mut Draft<'_, '_>), out: &mut Outbound) -> bool {
        match self.choose(ticket.kind.role(), now) {
            Some(server) => self.ask_server(server, now, ticket, compose, out),
            None => false,
        }
    }

    fn ask_server(
        &mut self,
        server: usize,
        now: Moment,
        ticket: Ticket,
        compose: impl FnOnce(&mut Draft<'_, '_>),
        out: &mut Outbound,
    ) -> bool {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() as u32 - 1
        });
        let Some(place) = self.upstreams[server].identifiers.take(slot) else {
            self.vacant.push(slot);
            return false;
        };
        let random = self.chance.authenticator();
        let mut buffer = [0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, ticket.kind.code(), place.identifier);
        compose(&mut Draft { encoder: &mut encoder, secret: &self.settings.secret, authenticator: &random });
        // The scenario bounds every text in it, so nothing we compose is too long; if it were, an empty datagram would tell.
        let len = encoder.finish_request(&self.settings.secret, random).unwrap_or_default();
        let octets: Box<[u8]> = buffer[..len].into();
        let authenticator = authenticator_of(&octets).unwrap_or(random);
        let policy = self.settings.policy(ticket.kind);
        let patience = Patience::begin(&policy, now, &mut self.chance);
        self.timers.set(slot, patience.deadline(&policy));
        let request = Request { ticket, server: server as u8, place, authenticator, octets, patience };
        self.send(&request, out);
        self.requests[slot as usize] = Some(request);
        true
    }

    /// Repeats what is due and asks for signs of life. Who is not answered any more is added to `unanswered`.
    pub fn poll(&mut self, now: Moment, out: &mut Outbound, unanswered: &mut Vec<Ticket>) {
        while let Some(slot) = self.timers.pop(now) {
            let Some(request) = self.requests[slot as usize].as_ref() else { continue };
            let policy = self.settings.policy(request.ticket.kind);
            match request.patience.turn(&policy, now) {
                Turn::Wait => self.timers.set(slot, request.patience.deadline(&policy)),
                Turn::Repeat => self.repeat(slot, now, &policy, out),
                Turn::GiveUp => {
                    unanswered.push(request.ticket);
                    self.release(slot, Ended::GivenUp, None);
                }
            }
        }
        if now >= self.next_status {
            self.next_status = now + self.settings.status_interval;
            self.ask_for_status(now, out);
        }
    }

    /// When [`Self::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        let status = (self.next_status < Moment::NEVER).then_some(self.next_status);
        self.timers.next_due().into_iter().chain(status).min()
    }

    /// Copies sent beyond the first of each request.
    pub const fn copies(&self) -> u64 {
        self.copies
    }

    /// Who is waited for.
    pub fn waiting(&self) -> impl Iterator<Item = Ticket> {
        self.requests.iter().flatten().map(|request| request.ticket)
    }

    /// This request is on the network more than once, or late: it may be answered again when its identifier is already in use anew.
    pub fn expect_echo(&mut self, now: Moment, door: Door, octets: &[u8]) {
        if let Ok(request) = Datagram::frame(octets) {
            let place = Place { port: door.port, identifier: request.identifier() };
            self.remember(Echo { at: now, server: door.server, place, authenticator: *request.authenticator() });
        }
    }

    fn remember(&mut self, echo: Echo) {
        if self.echoes.len() == MOST_ECHOES
            && let Some(forgotten) = self.echoes.pop_front()
        {
            self.doubtful_until = self.doubtful_until.max(forgotten.at + LATEST_ANSWER);
        }
        self.echoes.push_back(echo);
    }

    /// The gateway restarts: it forgets what it asked, and says what that was.
    pub fn forget(&mut self) -> Vec<Ticket> {
        let forgotten = self.waiting().collect();
        for slot in 0..self.requests.len() as u32 {
            if self.requests[slot as usize].is_some() {
                self.timers.cancel(slot);
                self.release(slot, Ended::Superseded, None);
            }
        }
        forgotten
    }

    /// RFC 5997 4.1: a new identifier and authenticator each time, to every server.
    fn ask_for_status(&mut self, now: Moment, out: &mut Outbound) {
        let profile = self.profile.clone();
        for server in 0..self.upstreams.len() {
            let ticket = Ticket { kind: Kind::Status, endpoint: None, serial: 0, scheduled: now };
            self.ask_server(server, now, ticket, |draft| draft.status(&profile), out);
        }
    }

    /// The first server of the role that is not known to be dead; the first of all if they all are.
    fn choose(&self, role: Role, now: Moment) -> Option<usize> {
        let mut of_role = self.settings.servers.iter().enumerate().filter(|(_, server)| server.role == role).map(|(index, _)| index);
        let first = of_role.clone().next();
        of_role.find(|index| self.upstreams[*index].dead_until <= now).or(first)
    }

    fn send(&self, request: &Request, out: &mut Outbound) {
        let door = Door { gateway: self.number, server: request.server, port: request.place.port };
        out.push(Dispatch { door, to: self.settings.servers[usize::from(request.server)].address, octets: &request.octets });
    }

    /// The request in `slot` is over.
    fn release(&mut self, slot: u32, ended: Ended, reply: Option<(Moment, Box<[u8]>)>) {
        if let Some(request) = self.requests[slot as usize].take() {
            let past = Past { ended, authenticator: request.authenticator, request: request.octets, reply };
            self.upstreams[usize::from(request.server)].identifiers.give_back(request.place, past);
            self.vacant.push(slot);
        }
    }
}

fn authenticator_of(octets: &[u8]) -> Option<[u8; 16]> {
    Datagram::frame(octets).ok().map(|request| *request.authenticator())
}
