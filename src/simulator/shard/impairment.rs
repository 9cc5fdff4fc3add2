//! A network that loses, doubles, delays and damages what gateways send, as the scenario says.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::exchange::{Dispatch, Outbound, SocketId};
use crate::simulator::plan::NetworkHabits;
use crate::simulator::random::RandomStream;
use crate::time::Timestamp;
use crate::wire::{Datagram, Encoder, LONGEST, SHORTEST, Secret, number};

/// How far a datagram falls behind the others when it is reordered, at most.
const REORDERED_BY: Duration = Duration::from_millis(20);

/// How far the second of two equal datagrams falls behind the first, at most: some come while the
/// server still works on the first, some when it has answered.
const DUPLICATED_BY: Duration = Duration::from_millis(50);

/// The way between the gateways and the sockets.
#[derive(Debug)]
pub(super) struct Impairment {
    network: NetworkHabits,
    random: RandomStream,
    delayed: BinaryHeap<Reverse<DelayedDatagram>>,
    order: u64,
    /// The request under each identifier of which an intact copy was sent last.
    intact: HashMap<(SocketId, u8), [u8; 16]>,
    /// Identifiers under which only spoilt copies were sent.
    forged: HashSet<(SocketId, u8)>,
    wrong_secret: Secret,
}

/// Ordered by its time, and among equals by its turn.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DelayedDatagram {
    due: Timestamp,
    order: u64,
    socket: SocketId,
    to: SocketAddr,
    octets: Box<[u8]>,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImpairmentOutcome {
    Lost,
    Intact,
    /// Answers may come twice, or later than anybody waits.
    Echoing,
    Spoilt,
}

impl Impairment {
    pub(super) fn new(network: NetworkHabits, random: RandomStream) -> Self {
        let wrong_secret = Secret::new(b"not the secret");
        Self {
            network,
            random,
            delayed: BinaryHeap::new(),
            order: 0,
            intact: HashMap::new(),
            forged: HashSet::new(),
            wrong_secret,
        }
    }

    /// Lets one datagram pass, or not.
    pub(super) fn pass(
        &mut self,
        now: Timestamp,
        dispatch: Dispatch<'_>,
        out: &mut Outbound,
    ) -> ImpairmentOutcome {
        let lot = self.random.unit();
        let mut edge = 0.0;
        let mut within = |share: f64| {
            edge += share;
            lot < edge
        };
        let network = &self.network;
        if within(network.lost) {
            ImpairmentOutcome::Lost
        } else if within(network.duplicated) {
            self.intact(dispatch, out);
            self.delay_within(DUPLICATED_BY, now, dispatch);
            ImpairmentOutcome::Echoing
        } else if within(network.reordered) {
            self.delay_within(REORDERED_BY, now, dispatch);
            ImpairmentOutcome::Echoing
        } else if within(network.late) {
            self.delay(now + self.network.late_by, dispatch);
            ImpairmentOutcome::Echoing
        } else if within(network.corrupted) {
            let damaged = self.damaged(dispatch.octets);
            self.spoil(dispatch, &damaged, out)
        } else if within(network.wrong_secret) {
            match resigned(dispatch.octets, &self.wrong_secret) {
                Some(other) => self.spoil(dispatch, &other, out),
                None => ImpairmentOutcome::Lost,
            }
        } else {
            self.intact(dispatch, out);
            ImpairmentOutcome::Intact
        }
    }

    /// Sends what was held up until now.
    pub(super) fn release(&mut self, now: Timestamp, out: &mut Outbound) {
        while self.delayed.peek().is_some_and(|Reverse(first)| first.due <= now)
            && let Some(Reverse(delayed)) = self.delayed.pop()
        {
            self.intact(
                Dispatch { socket: delayed.socket, to: delayed.to, octets: &delayed.octets },
                out,
            );
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.delayed.peek().map(|Reverse(first)| first.due)
    }

    /// Whether the server cannot rightly answer under this identifier, because it has not seen an
    /// intact copy.
    pub(super) fn has_only_forged(&self, socket: SocketId, identifier: u8) -> bool {
        self.forged.contains(&(socket, identifier))
    }

    fn intact(&mut self, dispatch: Dispatch<'_>, out: &mut Outbound) {
        let place = (dispatch.socket, identifier(dispatch.octets));
        self.forged.remove(&place);
        self.intact.insert(place, authenticator(dispatch.octets));
        out.push(dispatch);
    }

    fn spoil(
        &mut self,
        dispatch: Dispatch<'_>,
        octets: &[u8],
        out: &mut Outbound,
    ) -> ImpairmentOutcome {
        let place = (dispatch.socket, identifier(dispatch.octets));
        if self.intact.get(&place) != Some(&authenticator(dispatch.octets)) {
            self.forged.insert(place);
        }
        out.push(Dispatch { octets, ..dispatch });
        ImpairmentOutcome::Spoilt
    }

    fn delay_within(&mut self, most: Duration, now: Timestamp, dispatch: Dispatch<'_>) {
        let due = now + most.mul_f64(self.random.unit());
        self.delay(due, dispatch);
    }

    fn delay(&mut self, due: Timestamp, dispatch: Dispatch<'_>) {
        self.order += 1;
        let Dispatch { socket, to, octets } = dispatch;
        self.delayed.push(Reverse(DelayedDatagram {
            due,
            order: self.order,
            socket,
            to,
            octets: octets.into(),
        }));
    }

    /// One bit is turned over. Not in code, identifier and length, and not where a
    /// Message-Authenticator says what it is: the rest is what the server must notice.
    fn damaged(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut damaged = octets.to_vec();
        let spare =
            if octets.get(SHORTEST) == Some(&number::MESSAGE_AUTHENTICATOR) { 2 } else { 0 };
        let place = 4 + self.random.below(octets.len().saturating_sub(4 + spare).max(1));
        let place = if spare > 0 && place >= SHORTEST { place + spare } else { place };
        if let Some(octet) = damaged.get_mut(place) {
            *octet ^= 1 << self.random.below(8);
        }
        damaged
    }
}

/// The same request, signed by somebody who does not know the secret.
fn resigned(octets: &[u8], secret: &Secret) -> Option<Vec<u8>> {
    let request = Datagram::frame(octets).ok()?;
    let mut buffer = [0; LONGEST];
    let mut encoder = Encoder::new(&mut buffer, request.code(), request.identifier());
    for attribute in request.attributes() {
        match attribute.number {
            number::MESSAGE_AUTHENTICATOR => encoder.message_authenticator(),
            other => encoder.attribute(other, attribute.value),
        };
    }
    let len = encoder.finish_request(secret, *request.authenticator()).ok()?;
    Some(buffer[..len].to_vec())
}

fn identifier(octets: &[u8]) -> u8 {
    octets.get(1).copied().unwrap_or_default()
}

fn authenticator(octets: &[u8]) -> [u8; 16] {
    octets.get(4..SHORTEST).and_then(|octets| octets.try_into().ok()).unwrap_or_default()
}
