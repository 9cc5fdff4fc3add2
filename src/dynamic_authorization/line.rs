//! The way to one box: its RADIUS client, what waits to be sent to it, and how much at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::packet::GatewayOrder;
use crate::exchange::{
    Client, ClientSettings, RequestWindow, RetransmissionPolicy, Server, ServerRole,
};
use crate::identity::GatewayId;
use crate::network::OrderKey;
use crate::time::Timestamp;
use crate::wire::Secret;

/// RFC 5080 2.2.1 with the values of an Access-Request: copies after 2, 6 and 14 s, the end after
/// 30 s.
pub(super) const RETRANSMISSION: RetransmissionPolicy = RetransmissionPolicy {
    initial: Duration::from_secs(2),
    transmissions: 5,
    ceiling: Duration::from_secs(16),
    total: Duration::from_secs(30),
};

/// How long gateways remember a request, and how far they let an Event-Timestamp be off (RFC 5176
/// 2.3 and 6.3, default).
pub(super) const WINDOW: Duration = Duration::from_secs(300);

/// Requests that wait for an answer of one box at most.
const MOST_OUTSTANDING: usize = 64;

/// Source ports towards one box at most: 256 requests in a window on each.
const MOST_PORTS: u16 = 64;

/// How long a box that has too much to do is asked half as often.
const SLOW_FOR: Duration = Duration::from_secs(60);

/// How long a line is used for new requests.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// How long all identifiers may rest before it is looked again.
const REST: Duration = Duration::from_secs(1);

const SECOND: u64 = 1_000_000;

/// One box: an address of a configured gateway.
#[derive(Debug)]
pub(super) struct GatewayLine {
    pub(super) gateway: GatewayId,
    /// When the time of its client begins.
    epoch: Timestamp,
    pub(super) client: Client<GatewayOrder, SmallRng>,
    /// Somebody waits for these.
    pub(super) urgent: VecDeque<OrderKey>,
    pub(super) paced: VecDeque<OrderKey>,
    /// The gateway has said that it does not do this; until then it is not asked.
    pub(super) refuses_until: Timestamp,
    /// All identifiers rest until then, or longer.
    rests_until: Timestamp,
    /// When the last request ended.
    pub(super) used: Timestamp,
    rate: Bucket,
}

/// At most so many requests a second, and what was saved up in the second before.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    full_at: u64,
    slow_until: Timestamp,
}

impl GatewayLine {
    pub(super) fn new(
        number: u16,
        gateway: GatewayId,
        address: SocketAddr,
        secret: &Secret,
        per_second: u32,
        seed: u64,
        now: Timestamp,
    ) -> Self {
        let settings = ClientSettings {
            servers: vec![Server { address, role: ServerRole::DynamicAuthorization }],
            secret: secret.clone(),
            // There is no other that has the session (RFC 5176 2.3).
            failover_after: u32::MAX,
            dead_for: Duration::ZERO,
            max_ports: MOST_PORTS,
            // BlastRADIUS does not concern these codes.
            integrity_required: false,
            window: Some(RequestWindow { lasts: WINDOW, epoch: now }),
        };
        Self {
            gateway,
            epoch: now,
            client: Client::new(number, Arc::new(settings), SmallRng::seed_from_u64(seed)),
            urgent: VecDeque::new(),
            paced: VecDeque::new(),
            refuses_until: Timestamp::EPOCH,
            rests_until: Timestamp::EPOCH,
            used: Timestamp::EPOCH,
            rate: Bucket {
                per_second: per_second.max(1).into(),
                full_at: 0,
                slow_until: Timestamp::EPOCH,
            },
        }
    }

    /// The time of its client.
    pub(super) fn own_time(&self, now: Timestamp) -> Timestamp {
        Timestamp::EPOCH + now.since(self.epoch)
    }

    /// Whether it should go on as another line: the timers of its client go for fifty days.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        self.epoch + LONGEST_LIFE <= now
    }

    /// The next that may be sent now.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<OrderKey> {
        if self.client.outstanding() >= MOST_OUTSTANDING || !self.has_queued() {
            return None;
        }
        if self.rests_until > now || !self.rate.admits(now) {
            return None;
        }
        self.urgent.pop_front().or_else(|| self.paced.pop_front())
    }

    /// It could not be sent, since all identifiers rest.
    pub(super) fn put_back(&mut self, key: OrderKey, is_paced: bool, now: Timestamp) {
        self.rests_until = now + REST;
        if is_paced { &mut self.paced } else { &mut self.urgent }.push_front(key);
    }

    pub(super) fn queue(&mut self, key: OrderKey, is_paced: bool) {
        if is_paced { &mut self.paced } else { &mut self.urgent }.push_back(key);
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.urgent.is_empty() || !self.paced.is_empty()
    }

    /// It has too much to do.
    pub(super) fn slow_down(&mut self, now: Timestamp) {
        self.rate.slow_until = now + SLOW_FOR;
    }

    /// When there is something to do.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let may_send = self.has_queued() && self.client.outstanding() < MOST_OUTSTANDING;
        let sends = may_send.then(|| self.rate.admits_at().max(self.rests_until));
        let client = self.client.next_deadline();
        let client = client.map(|due| self.epoch + due.since(Timestamp::EPOCH));
        sends.into_iter().chain(client).min()
    }

    /// Whether nothing of it is remembered by anybody any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.client.outstanding() == 0
            && !self.has_queued()
            && self.refuses_until <= now
            && self.used + WINDOW <= now
    }
}

impl Bucket {
    fn cost(&self, now: Timestamp) -> u64 {
        let per_second =
            if now < self.slow_until { self.per_second.div_ceil(2) } else { self.per_second };
        SECOND / per_second
    }

    fn admits(&mut self, now: Timestamp) -> bool {
        let next = self.full_at.max(now.micros()).saturating_add(self.cost(now));
        let admits = next <= now.micros().saturating_add(SECOND);
        if admits {
            self.full_at = next;
        }
        admits
    }

    fn admits_at(&self) -> Timestamp {
        let cost = SECOND / self.per_second;
        Timestamp::from_micros((self.full_at + cost).saturating_sub(SECOND))
    }
}
