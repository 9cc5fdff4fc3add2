//! One packet gateway's RADIUS side: a client with the profile of a gateway, and its Status-Server
//! timer. Owns no socket or clock.
//!
//! [`GatewayMachine::ask`] writes a request and remembers it; [`GatewayMachine::poll`] repeats what
//! is not answered; [`GatewayMachine::receive`] says what a datagram means. What must be sent is
//! left in an [`Outbound`].

mod compose;
mod kind;

#[cfg(test)]
mod tests;

pub use compose::{
    BearerUsage, Caller, NetworkEvent, Profile, ReportType, RequestDraft, acct_session_id,
};
pub use kind::RequestKind;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::random::RandomStream;
use crate::exchange::{
    Client, ClientSettings, Composer, Evidence, Outbound, Purpose, Receipt, RetransmissionPolicy,
    ServerRole, SocketId,
};
use crate::time::Timestamp;
use crate::wire::Code;

/// What all gateways of a run have in common.
#[derive(Debug)]
pub struct GatewayMachineSettings {
    pub client: Arc<ClientSettings>,
    pub access: RetransmissionPolicy,
    pub accounting: RetransmissionPolicy,
    /// Zero: no Status-Server.
    pub status_interval: Duration,
}

/// A request's name among those who wait for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub kind: RequestKind,
    /// Which endpoint; none for what the gateway says about itself.
    pub endpoint: Option<u32>,
    /// Which of its sessions.
    pub serial: u32,
    /// When it had to be sent.
    pub scheduled: Timestamp,
}

/// One gateway.
#[derive(Debug)]
pub struct GatewayMachine {
    profile: Profile,
    settings: Arc<GatewayMachineSettings>,
    client: Client<Ticket, RandomStream>,
    next_status: Timestamp,
}

impl Purpose for Ticket {
    fn code(&self) -> Code {
        self.kind.code()
    }

    fn is_answered_by(&self, code: Code) -> bool {
        self.kind.is_answered_by(code)
    }

    fn role(&self) -> ServerRole {
        self.kind.role()
    }
}

impl GatewayMachineSettings {
    const fn policy(&self, kind: RequestKind) -> RetransmissionPolicy {
        match kind {
            RequestKind::Attach | RequestKind::Session => self.access,
            RequestKind::Start
            | RequestKind::Interim
            | RequestKind::Stop
            | RequestKind::Detach
            | RequestKind::On
            | RequestKind::Off => self.accounting,
            // RFC 5997 4.1: never repeated.
            RequestKind::Status => RetransmissionPolicy {
                initial: self.access.initial,
                transmissions: 1,
                ceiling: Duration::ZERO,
                total: Duration::ZERO,
            },
        }
    }
}

impl GatewayMachine {
    /// The gateway `number` of a run. `random` gives its authenticators and the jitter of its
    /// timers.
    pub fn new(
        number: u16,
        profile: Profile,
        settings: Arc<GatewayMachineSettings>,
        mut random: RandomStream,
    ) -> Self {
        let next_status = if settings.status_interval.is_zero() {
            Timestamp::MAX
        } else {
            Timestamp::EPOCH + settings.status_interval.mul_f64(random.unit())
        };
        let client = Client::new(number, Arc::clone(&settings.client), random);
        Self { profile, settings, client, next_status }
    }

    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Requests on their way.
    pub const fn outstanding(&self) -> usize {
        self.client.outstanding()
    }

    /// Sends a request; `compose` writes its attributes. False if it was not sent: no identifier is
    /// free. The scenario bounds every text in it, so nothing we compose is too long.
    pub fn ask(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        compose: impl FnOnce(&mut RequestDraft<'_, '_>),
        out: &mut Outbound,
    ) -> bool {
        let policy = self.settings.policy(ticket.kind);
        self.client
            .send(now, ticket, &policy, |composer| compose(&mut RequestDraft::of(composer)), out)
            .is_ok()
    }

    /// Repeats what is due and asks for signs of life. Who is not answered any more is added to
    /// `unanswered`.
    pub fn poll(&mut self, now: Timestamp, out: &mut Outbound, unanswered: &mut Vec<Ticket>) {
        self.client.poll(now, out, unanswered);
        if now >= self.next_status {
            self.next_status = now + self.settings.status_interval;
            self.ask_for_status(now, out);
        }
    }

    /// When [`Self::poll`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let status = (self.next_status < Timestamp::MAX).then_some(self.next_status);
        self.client.next_deadline().into_iter().chain(status).min()
    }

    /// Says what a datagram that came in through `socket` means.
    pub fn receive(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        from: SocketAddr,
        octets: &[u8],
    ) -> Receipt<Ticket> {
        self.client.receive(now, socket, from, octets)
    }

    /// The packets of the exchange that `octets`, received through `socket`, belongs or claims to
    /// belong to.
    pub fn evidence(&self, socket: SocketId, identifier: u8) -> Option<Evidence<'_>> {
        self.client.evidence(socket, identifier)
    }

    /// Copies sent beyond the first of each request.
    pub const fn copies(&self) -> u64 {
        self.client.copies()
    }

    /// Who is waited for.
    pub fn waiting(&self) -> impl Iterator<Item = Ticket> {
        self.client.waiting()
    }

    /// This request is on the network more than once, or late.
    pub fn expect_another_answer(&mut self, now: Timestamp, socket: SocketId, octets: &[u8]) {
        self.client.expect_another_answer(now, socket, octets);
    }

    /// The gateway restarts: it forgets what it asked, and says what that was.
    pub fn forget(&mut self, now: Timestamp) -> Vec<Ticket> {
        self.client.forget(now)
    }

    /// RFC 5997 4.1: a new identifier and authenticator each time, to every server.
    fn ask_for_status(&mut self, now: Timestamp, out: &mut Outbound) {
        let Self { profile, settings, client, .. } = self;
        let policy = settings.policy(RequestKind::Status);
        for server in 0..client.servers() {
            let ticket =
                Ticket { kind: RequestKind::Status, endpoint: None, serial: 0, scheduled: now };
            // A server all of whose identifiers wait for answers needs no further sign that it is
            // slow.
            let _ = client.send_to(
                server,
                now,
                ticket,
                &policy,
                |composer: &mut Composer<'_, '_>| RequestDraft::of(composer).status(profile),
                out,
            );
        }
    }
}
