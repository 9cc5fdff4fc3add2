//! What follows from an answer, from silence, and from time (std2 1.5).

use std::time::Duration;

use super::error_cause::{AfterNak, after_nak};
use super::packet::{GatewayOrder, GatewayOrderKind, Reply};
use super::{Active, Dispatcher, OrderStep, World};
use crate::aaa::Sight;
use crate::network::{CloseCause, KeyPreset, OrderAnswer, OrderKey, OrderPhase, OrderResult};
use crate::time::Timestamp;

/// Further rounds after silence, each so long after the one before.
const ROUNDS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];

/// How long an address is nobody else's whose session the gateway says it does not have: a wrong
/// key would say the same of a session that lives.
const ADDRESS_KEPT: Duration = Duration::from_secs(900);

/// How long a gateway is not asked that has said it does not do this.
const REFUSES_FOR: Duration = Duration::from_secs(600);

/// How often it is looked whether a session has ended by itself that could not be disconnected.
pub(super) const WATCH: Duration = Duration::from_secs(600);

/// What is told of a session that goes on after an ACK.
const STILL_REPORTING: &str = "still-reporting";

impl Dispatcher {
    /// A reply that was accepted.
    pub(super) fn answer(
        &mut self,
        ask: GatewayOrder,
        reply: Reply,
        now: Timestamp,
        world: &mut impl World,
    ) {
        let Some(active) = self.active.get(&ask.key) else { return };
        let line = self.lines.get(usize::from(active.line)).and_then(Option::as_ref);
        let gateway = line.map_or(active.order.gateway, |line| line.gateway);
        let answer = if reply.is_ack { OrderAnswer::Ack } else { OrderAnswer::Nak };
        let mut result = active.result(answer, reply.error_cause, now);
        result.reply_message = reply.message;
        world.count(gateway, ask.kind, answer.name());
        if !reply.is_ack {
            return self.refused(ask, result, now, world);
        }
        if active.learns && active.preset != KeyPreset::SessionId {
            world.learn(gateway, active.preset);
        }
        // The ACK is not the end of a session that gateways release in many steps; a Stop may have
        // come before it all the same.
        let is_live = matches!(world.sight(&active.order), Sight::Live { .. });
        if ask.kind == GatewayOrderKind::Change || !is_live {
            return self.finish(ask.key, Some(result), world);
        }
        world.advance(ask.key, OrderPhase::Acknowledged, Some(result));
        self.pause(ask.key, OrderStep::Grace, now + self.grace);
    }

    fn refused(
        &mut self,
        ask: GatewayOrder,
        result: OrderResult,
        now: Timestamp,
        world: &mut impl World,
    ) {
        let key = ask.key;
        let Some(active) = self.active.get_mut(&key) else { return };
        let line = self.lines.get_mut(usize::from(active.line)).and_then(Option::as_mut);
        match after_nak(result.error_cause, active.repeats) {
            AfterNak::OtherKeys if active.learns && active.preset == KeyPreset::Tgpp => {
                active.preset = KeyPreset::Generic;
                self.queue_again(key);
            }
            AfterNak::SessionIdAlone if active.preset != KeyPreset::SessionId => {
                active.preset = KeyPreset::SessionId;
                self.queue_again(key);
            }
            AfterNak::Again { after, may_slow } => {
                active.repeats += 1;
                if let Some(line) = line.filter(|_| may_slow) {
                    line.slow_down(now);
                }
                self.pause(key, OrderStep::Pausing, now + after);
            }
            AfterNak::NoSession if ask.kind == GatewayOrderKind::Disconnect => {
                self.not_on_gateway(key, result, now, world);
            }
            AfterNak::NotSupported => {
                if let Some(line) = line {
                    line.refuses_until = now + REFUSES_FOR;
                }
                self.fail(key, result, now, world);
            }
            AfterNak::OtherKeys
            | AfterNak::SessionIdAlone
            | AfterNak::NoSession
            | AfterNak::Fail => self.fail(key, result, now, world),
        }
    }

    /// Its gateway does not have it. If it was reported on since it was asked, the gateway means
    /// another.
    fn not_on_gateway(
        &mut self,
        key: OrderKey,
        mut result: OrderResult,
        now: Timestamp,
        world: &mut impl World,
    ) {
        let Some(active) = self.active.get(&key) else { return };
        match world.sight(&active.order) {
            Sight::Live { heard } if heard > active.last_sent => {
                result.note = Some(STILL_REPORTING);
                return self.fail(key, result, now, world);
            }
            Sight::Live { .. } => {
                let until = Some(now + ADDRESS_KEPT);
                world.end_session(&active.order, CloseCause::NotOnGateway, until);
            }
            Sight::Ended | Sight::Gone => result.answer = OrderAnswer::Ack,
        }
        self.finish(key, Some(result), world);
    }

    /// A request was not answered to its end.
    pub(super) fn silence(
        &mut self,
        ask: GatewayOrder,
        answer: OrderAnswer,
        now: Timestamp,
        world: &mut impl World,
    ) {
        let Some(active) = self.active.get_mut(&ask.key) else { return };
        // That many copies are sent within the time.
        active.tries += if answer == OrderAnswer::NoAnswer { 4 } else { 1 };
        let result = active.result(answer, None, now);
        world.count(active.order.gateway, ask.kind, answer.name());
        if ask.kind == GatewayOrderKind::Change {
            return self.finish(ask.key, Some(result), world);
        }
        let round = ROUNDS.get(active.silences).copied();
        active.silences += 1;
        world.advance(ask.key, OrderPhase::Unanswered, Some(result));
        match round {
            Some(after) => self.pause(ask.key, OrderStep::Pausing, now + after),
            None => self.pause(ask.key, OrderStep::Watched, now + WATCH),
        }
    }

    /// The time of an order has come.
    pub(super) fn ring(&mut self, key: OrderKey, now: Timestamp, world: &mut impl World) {
        let Some(active) = self.active.get_mut(&key) else { return };
        active.alarm = None;
        let sight = world.sight(&active.order);
        match (active.step, sight) {
            (OrderStep::Queued | OrderStep::InFlight, _) => {}
            (OrderStep::Grace | OrderStep::Watched, Sight::Gone) | (_, Sight::Ended) => {
                self.finish(key, None, world);
            }
            (OrderStep::Pausing, Sight::Live { .. } | Sight::Gone) => self.queue_again(key),
            (OrderStep::Watched, Sight::Live { .. }) => {
                self.pause(key, OrderStep::Watched, now + WATCH);
            }
            (OrderStep::Grace, Sight::Live { heard }) if heard > active.last_sent => {
                if active.is_second {
                    let mut result = active.result(OrderAnswer::Ack, None, now);
                    result.note = Some(STILL_REPORTING);
                    self.fail(key, result, now, world);
                } else {
                    active.is_second = true;
                    self.queue_again(key);
                }
            }
            (OrderStep::Grace, Sight::Live { .. }) => {
                world.end_session(&active.order, CloseCause::Disconnected, None);
                self.finish(key, None, world);
            }
        }
    }

    fn queue_again(&mut self, key: OrderKey) {
        let Some(active) = self.active.get_mut(&key) else { return };
        active.step = OrderStep::Queued;
        let (line, is_paced) = (active.line, active.order.is_paced());
        if let Some(line) = self.line_mut(line) {
            line.queue(key, is_paced);
        }
    }

    pub(super) fn pause(&mut self, key: OrderKey, step: OrderStep, until: Timestamp) {
        let Some(active) = self.active.get_mut(&key) else { return };
        active.step = step;
        if let Some(before) = active.alarm.replace(until) {
            self.alarms.remove(&(before, key));
        }
        self.alarms.insert((until, key));
    }

    /// The gateway will not. A session goes on to be shown so; of a change only its answer is told.
    pub(super) fn fail(
        &mut self,
        key: OrderKey,
        result: OrderResult,
        now: Timestamp,
        world: &mut impl World,
    ) {
        let Some(active) = self.active.get(&key) else { return };
        if GatewayOrderKind::of(&active.order.action) == GatewayOrderKind::Change {
            return self.finish(key, Some(result), world);
        }
        world.advance(key, OrderPhase::Failed, Some(result));
        self.pause(key, OrderStep::Watched, now + WATCH);
    }

    pub(super) fn finish(
        &mut self,
        key: OrderKey,
        result: Option<OrderResult>,
        world: &mut impl World,
    ) {
        self.forget(key);
        world.advance(key, OrderPhase::Done, result);
    }

    pub(super) fn forget(&mut self, key: OrderKey) {
        if let Some(alarm) = self.active.remove(&key).and_then(|active| active.alarm) {
            self.alarms.remove(&(alarm, key));
        }
    }
}

impl Active {
    pub(super) fn result(
        &self,
        answer: OrderAnswer,
        error_cause: Option<u32>,
        now: Timestamp,
    ) -> OrderResult {
        let since = self.first_sent.unwrap_or(now);
        let ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        let tries = self.tries;
        OrderResult { answer, error_cause, reply_message: None, tries, ms, note: None }
    }
}
