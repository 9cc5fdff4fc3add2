//! Dynamic authorization (RFC 5176): has gateways end and change sessions. What to send when, and
//! what follows from an answer, from silence, and from what accounting says meanwhile.
//!
//! | the shell | the dispatcher |
//! |---|---|
//! | has fetched an order that is durable | [`Dispatcher::take`] |
//! | has received a datagram | [`Dispatcher::receive`] |
//! | learns that nobody listens there | [`Dispatcher::unreachable`] |
//! | says what time it is | [`Dispatcher::poll`] sends, repeats, gives up, and judges what is due |
//! | sleeps until | [`Dispatcher::next_deadline`] |
//!
//! Owns no socket, thread or clock; what it has to know and to change of the rest is [`World`].

mod error_cause;
mod line;
mod packet;
mod steps;
#[cfg(test)]
mod tests;

pub use packet::{GatewayOrder, GatewayOrderKind};

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::aaa::Sight;
use crate::exchange::{NotSent, Outbound, Receipt, SocketId};
use crate::identity::GatewayId;
use crate::network::{
    CloseCause, KeyPreset, OrderAnswer, OrderKey, OrderPhase, OrderResult, SessionOrder,
};
use crate::time::Timestamp;
use crate::wire::Secret;

use line::{GatewayLine, RETRANSMISSION};
use packet::Reply;

/// What the dispatcher has to know of the rest of the server, and to do there.
pub trait World {
    /// How the order's session stands.
    fn sight(&self, order: &SessionOrder) -> Sight;

    /// Whom to tell; `None`: its gateway is not asked.
    fn destination(&self, order: &SessionOrder) -> Option<Destination>;

    /// The keys by which a gateway was found to know its sessions.
    fn learnt(&self, gateway: GatewayId) -> Option<KeyPreset>;

    fn learn(&mut self, gateway: GatewayId, preset: KeyPreset);

    /// An order has come so far, with this answer.
    fn advance(&mut self, key: OrderKey, phase: OrderPhase, result: Option<OrderResult>);

    /// The gateway has the session no more.
    fn end_session(
        &mut self,
        order: &SessionOrder,
        cause: CloseCause,
        address_until: Option<Timestamp>,
    );

    /// A packet was answered so, or was not.
    fn count(&mut self, gateway: GatewayId, kind: GatewayOrderKind, outcome: &'static str);
}

/// Whom to tell, and how.
#[derive(Clone)]
pub struct Destination {
    pub gateway: GatewayId,
    pub address: SocketAddr,
    pub secret: Secret,
    /// `None`: as learnt.
    pub preset: Option<KeyPreset>,
    /// Requests a second.
    pub rate: u32,
}

/// Tells gateways what they are to be told.
#[derive(Debug)]
pub struct Dispatcher {
    /// How long the Stop is waited for after an ACK.
    grace: Duration,
    lines: Vec<Option<GatewayLine>>,
    by_box: HashMap<(GatewayId, SocketAddr), u16>,
    active: HashMap<OrderKey, Active>,
    alarms: BTreeSet<(Timestamp, OrderKey)>,
    random: SmallRng,
}

/// An order under way.
#[derive(Debug)]
struct Active {
    order: Arc<SessionOrder>,
    line: u16,
    step: OrderStep,
    preset: KeyPreset,
    /// The preset may be changed for another that the gateway knows.
    learns: bool,
    alarm: Option<Timestamp>,
    /// When the first packet of all was sent, and the first of the last request.
    first_sent: Option<Timestamp>,
    last_sent: Timestamp,
    tries: u32,
    /// How often the gateway asked for patience.
    repeats: usize,
    /// How often it was silent to the end.
    silences: usize,
    /// The session was reported on though it was to end, and is being disconnected once more.
    is_second: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OrderStep {
    Queued,
    InFlight,
    /// For the next try.
    Pausing,
    /// For the Stop after the ACK.
    Grace,
    /// Nothing more is tried; it is shown until the session has ended.
    Watched,
}

impl Dispatcher {
    #[must_use]
    pub fn new(grace: Duration, seed: u64) -> Self {
        Self {
            grace,
            lines: Vec::new(),
            by_box: HashMap::new(),
            active: HashMap::new(),
            alarms: BTreeSet::new(),
            random: SmallRng::seed_from_u64(seed),
        }
    }

    /// Takes an order that is durable. After a restart `phase` says how far it was.
    pub fn take(
        &mut self,
        order: Arc<SessionOrder>,
        phase: OrderPhase,
        now: Timestamp,
        world: &mut impl World,
    ) {
        let key = order.key();
        if let Some(known) = self.active.get(&key)
            && matches!(known.step, OrderStep::Queued | OrderStep::InFlight)
        {
            return;
        }
        self.forget(key);
        if world.sight(&order) == Sight::Ended {
            let mut result = OrderResult::without_packet(OrderAnswer::Ack);
            result.note = Some("the session had ended");
            return world.advance(key, OrderPhase::Done, Some(result));
        }
        let Some(destination) = world.destination(&order) else {
            let result = OrderResult::without_packet(OrderAnswer::NoAddress);
            world.count(order.gateway, GatewayOrderKind::of(&order.action), result.answer.name());
            return world.advance(key, OrderPhase::Done, Some(result));
        };
        let learnt = world.learnt(destination.gateway).unwrap_or(KeyPreset::Tgpp);
        let (line, is_paced) = (self.line(&destination, now), order.is_paced());
        let active = Active {
            line,
            step: OrderStep::Queued,
            preset: destination.preset.unwrap_or(learnt),
            learns: destination.preset.is_none(),
            alarm: None,
            first_sent: None,
            last_sent: now,
            tries: 0,
            repeats: 0,
            silences: 0,
            is_second: false,
            order,
        };
        self.active.insert(key, active);
        if phase == OrderPhase::Failed {
            return self.pause(key, OrderStep::Watched, now + steps::WATCH);
        }
        if let Some(line) = self.line_mut(line) {
            line.queue(key, is_paced);
        }
    }

    /// The addresses and secrets of gateways may be others from now on.
    pub fn reload(&mut self) {
        self.by_box.clear();
    }

    /// What is not sent yet of a job is not sent.
    pub fn cancel(&mut self, job: u64, world: &mut impl World) {
        let is_due = |active: &Active| {
            active.order.job == Some(job)
                && matches!(active.step, OrderStep::Queued | OrderStep::Pausing)
        };
        let due: Vec<OrderKey> =
            self.active.iter().filter(|(_, active)| is_due(active)).map(|(key, _)| *key).collect();
        for key in due {
            let result = OrderResult::without_packet(OrderAnswer::Cancelled);
            self.finish(key, Some(result), world);
        }
        let active = &self.active;
        for line in self.lines.iter_mut().flatten() {
            line.paced.retain(|key| active.contains_key(key));
        }
    }

    /// Orders under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.active.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// When [`Self::poll`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let lines = self.lines.iter().flatten().filter_map(GatewayLine::next_deadline);
        lines.chain(self.alarms.first().map(|(at, _)| *at)).min()
    }

    /// Does what is due. Returns the lines that are over: their sockets are needed no more.
    pub fn poll(&mut self, now: Timestamp, world: &mut impl World, out: &mut Outbound) -> Vec<u16> {
        while let Some((at, key)) = self.alarms.first().copied().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, key));
            self.ring(key, now, world);
        }
        let mut over = Vec::new();
        for number in 0..self.lines.len() {
            let mut silent = Vec::new();
            let Some(line) = &mut self.lines[number] else { continue };
            let own_time = line.own_time(now);
            line.client.poll(own_time, out, &mut silent);
            for ask in silent {
                self.silence(ask, OrderAnswer::NoAnswer, now, world);
            }
            self.send(number, now, world, out);
            if self.lines[number].as_ref().is_some_and(|line| line.is_over(now)) {
                self.lines[number] = None;
                self.by_box.retain(|_, line| usize::from(*line) != number);
                over.push(number as u16);
            }
        }
        over
    }

    /// Takes a datagram.
    pub fn receive(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        from: SocketAddr,
        octets: &[u8],
        world: &mut impl World,
    ) {
        let Some(line) = self.line_mut(socket.client) else { return };
        let gateway = line.gateway;
        let own_time = line.own_time(now);
        let receipt = line.client.receive(own_time, socket, from, octets);
        line.used = now;
        match (receipt, Reply::read(octets)) {
            (Receipt::Answered(answered), Some(reply)) => {
                if let Some(active) = self.active.get_mut(&answered.purpose.key) {
                    active.tries += answered.transmissions;
                }
                self.answer(answered.purpose, reply, now, world);
            }
            // The same answer once more, or one that came late.
            (Receipt::Repeated { .. } | Receipt::Late | Receipt::Obsolete, _) => {}
            (Receipt::Stray(_) | Receipt::Answered(_), _) => {
                world.count(gateway, GatewayOrderKind::Disconnect, "ignored");
            }
        }
    }

    /// The system says that nobody listens at the other end of this line.
    pub fn unreachable(&mut self, line: u16, now: Timestamp, world: &mut impl World) {
        let Some(line) = self.line_mut(line) else { return };
        line.used = now;
        let own_time = line.own_time(now);
        for ask in line.client.forget(own_time) {
            self.silence(ask, OrderAnswer::Unreachable, now, world);
        }
    }

    fn line(&mut self, destination: &Destination, now: Timestamp) -> u16 {
        let name = (destination.gateway, destination.address);
        let known = self.by_box.get(&name).copied();
        let is_good = |line: &u16| {
            let line = self.lines.get(usize::from(*line)).and_then(Option::as_ref);
            line.is_some_and(|line| !line.is_old(now))
        };
        if let Some(line) = known.filter(is_good) {
            return line;
        }
        let free = self.lines.iter().position(Option::is_none).unwrap_or(self.lines.len());
        let number = free as u16;
        let Destination { gateway, address, secret, rate, .. } = destination;
        let seed = self.random.next_u64();
        let line = GatewayLine::new(number, *gateway, *address, secret, *rate, seed, now);
        if free == self.lines.len() {
            self.lines.push(Some(line));
        } else {
            self.lines[free] = Some(line);
        }
        self.by_box.insert(name, number);
        number
    }

    fn line_mut(&mut self, number: u16) -> Option<&mut GatewayLine> {
        self.lines.get_mut(usize::from(number))?.as_mut()
    }

    /// Sends what may be sent on a line.
    fn send(&mut self, number: usize, now: Timestamp, world: &mut impl World, out: &mut Outbound) {
        loop {
            let Some(line) = self.lines.get_mut(number).and_then(Option::as_mut) else { return };
            let Some(key) = line.next(now) else { return };
            let Some(active) = self.active.get_mut(&key) else { continue };
            // It may have ended while it waited.
            if world.sight(&active.order) == Sight::Ended {
                let result = active.result(OrderAnswer::Ack, None, now);
                self.finish(key, Some(result), world);
                continue;
            }
            if line.refuses_until > now {
                let cause = crate::wire::number::value::error_cause::UNSUPPORTED_EXTENSION;
                let result = active.result(OrderAnswer::Nak, Some(cause), now);
                self.fail(key, result, now, world);
                continue;
            }
            let ask = GatewayOrder { key, kind: GatewayOrderKind::of(&active.order.action) };
            let (order, preset) = (&active.order, active.preset);
            let own_time = line.own_time(now);
            let sent = line.client.send(
                own_time,
                ask,
                &RETRANSMISSION,
                |composer| packet::compose(composer, order, preset, now),
                out,
            );
            line.used = now;
            match sent {
                Ok(()) => {
                    active.step = OrderStep::InFlight;
                    active.last_sent = now;
                    active.first_sent.get_or_insert(now);
                    world.count(line.gateway, ask.kind, "sent");
                }
                Err(NotSent::NoIdentifier) => {
                    line.put_back(key, active.order.is_paced(), now);
                    return;
                }
                Err(NotSent::TooLong | NotSent::NoServer) => {
                    let mut result = active.result(OrderAnswer::Nak, None, now);
                    result.note = Some("the request does not fit into a packet");
                    self.fail(key, result, now, world);
                }
            }
        }
    }
}
