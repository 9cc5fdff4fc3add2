//! Retransmissions: the same request gets the same reply, and nothing is done twice (RFC 5080
//! 2.2.2).
//!
//! Each worker has a table of its own and so needs no lock: the kernel gives all datagrams of one
//! peer to one worker. Both the number of entries and the octets of remembered replies are bounded;
//! the oldest give way. Memory is touched only as it fills.
//!
//! What gives way is the oldest of the gateway that has most where room is needed: one that sends
//! from many ports, or floods, displaces its own requests and not those of others.
//!
//! A peer counts its identifiers up, so neighbours lie beside each other: what one request has
//! brought into the cache serves seven more.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use zerocopy::FromZeros;

use super::remembered::{Place, Remembered};
use crate::identity::GatewayId;
use crate::prefetch;
use crate::time::Timestamp;

/// What makes two datagrams the same request, but for the authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DuplicateKey {
    pub from: SocketAddr,
    /// The receiving socket.
    pub listener: u8,
    pub code: u8,
    pub identifier: u8,
    /// Whose it is; follows from where it comes from, until a reload.
    pub gateway: GatewayId,
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// Never seen, or too long ago. It is in flight now, until [`Duplicates::answer`] or
    /// [`Duplicates::forget`].
    New(Slot),
    /// Seen, and its reply still waits for something.
    InFlight,
    /// Seen and answered.
    Answered(&'a [u8]),
}

/// Where a request in flight is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    set: u32,
    way: u8,
    index: u8,
    serial: u32,
}

/// The requests of the last seconds and their replies.
pub struct Duplicates {
    sets: Vec<Set>,
    replies: Remembered,
    lifetime_ms: u32,
    hasher: foldhash::fast::RandomState,
    serial: u32,
}

/// Runs that a key may live in: the heads of so many fill one cache line.
const WAYS: usize = 8;

/// Neighbouring identifiers that are kept together.
const RUN: usize = 8;

/// The runs that a key may live in.
#[derive(FromZeros)]
#[repr(C, align(64))]
struct Set {
    heads: [Head; WAYS],
    runs: [Run; WAYS],
}

/// What is needed of a run to find it, or to see that it is the one to give way.
#[derive(Clone, Copy, FromZeros)]
#[repr(C)]
struct Head {
    /// Part of the key's hash, odd; 0 if the run is empty.
    tag: u16,
    /// The gateway's handle, or the end of it: whose run this is.
    owner: u16,
    /// When a request was last seated in it. Milliseconds, modulo 2^32: what is compared are ages
    /// far below 49 days.
    since: u32,
}

/// The requests of one peer under neighbouring identifiers.
#[derive(FromZeros)]
#[repr(C, align(64))]
struct Run {
    key: RunKey,
    entries: [Entry; RUN],
}

/// One request.
#[derive(Clone, Copy, FromZeros)]
#[repr(C)]
struct Entry {
    authenticator: [u8; 16],
    /// Where its reply is: a [`Place`].
    reply: u64,
    /// When it came.
    since: u32,
    /// [`EMPTY`], [`IN_FLIGHT`], or the reply's length.
    reply_len: u32,
    serial: u32,
}

/// No reply has no octets.
const EMPTY: u32 = 0;
const IN_FLIGHT: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Hash, FromZeros)]
#[repr(C)]
struct RunKey {
    ip: [u8; 16],
    port: u16,
    listener: u8,
    code: u8,
    /// The identifiers' common part.
    run: u8,
}

impl Duplicates {
    /// Room for `capacity` requests (rounded up to a power of two) and `octets` of replies.
    pub fn new(capacity: usize, octets: usize, lifetime: Duration) -> Self {
        let sets = capacity.div_ceil(WAYS * RUN).next_power_of_two();
        let lifetime_ms = u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX);
        Self {
            // Zero pages that the kernel maps when they are first touched. Where there is no memory
            // for so many, one set must do.
            sets: Set::new_vec_zeroed(sets).unwrap_or_else(|_| vec![Set::new_zeroed()]),
            replies: Remembered::new(octets, lifetime_ms),
            lifetime_ms,
            hasher: foldhash::fast::RandomState::default(),
            serial: 0,
        }
    }

    /// The first of two hints before [`Self::look_up`].
    pub fn prefetch_set(&self, key: &DuplicateKey) {
        let (set, _) = self.home(&RunKey::from(key));
        prefetch::line(&raw const self.sets[set].heads);
    }

    /// The second hint, for which the first must have done its work.
    pub fn prefetch_runs(&self, key: &DuplicateKey) {
        let (set, tag) = self.home(&RunKey::from(key));
        let set = &self.sets[set];
        if let Some(way) = set.heads.iter().position(|head| head.tag == tag) {
            prefetch::line(&raw const set.runs[way].key);
            prefetch::line(&raw const set.runs[way].entries[index(key)]);
        }
    }

    /// A hint before [`Self::answer`].
    pub fn prefetch_answer(&self, slot: Slot) {
        if let Some(set) = self.sets.get(slot.set as usize) {
            prefetch::line(
                &raw const set.runs[usize::from(slot.way)].entries[usize::from(slot.index)],
            );
        }
    }

    /// What is known of a request; a new one takes its slot at once.
    ///
    /// The same key with another authenticator is a new request, and the old one is forgotten.
    pub fn look_up(
        &mut self,
        key: &DuplicateKey,
        authenticator: &[u8; 16],
        now: Timestamp,
    ) -> Lookup<'_> {
        let run = RunKey::from(key);
        let (home, tag) = self.home(&run);
        let (set, index) = (&mut self.sets[home], index(key));
        let now = now.millis() as u32;

        let mine = (0..WAYS).find(|way| set.heads[*way].tag == tag && set.runs[*way].key == run);
        let way = mine.unwrap_or_else(|| {
            let way = set.gives_way(now);
            set.runs[way] = Run { key: run, entries: [Entry::new_zeroed(); RUN] };
            way
        });
        let entry = &mut set.runs[way].entries[index];
        if entry.reply_len != EMPTY
            && entry.authenticator == *authenticator
            && now.wrapping_sub(entry.since) < self.lifetime_ms
        {
            if entry.reply_len == IN_FLIGHT {
                return Lookup::InFlight;
            }
            // A reply that is no longer there is one that had to give way.
            if let Some(reply) = self.replies.read(Place::from_bits(entry.reply), entry.reply_len) {
                return Lookup::Answered(reply);
            }
        }
        self.serial = self.serial.wrapping_add(1);
        set.heads[way] = Head { tag, owner: key.gateway.index() as u16, since: now };
        *entry = Entry {
            authenticator: *authenticator,
            reply: 0,
            since: now,
            reply_len: IN_FLIGHT,
            serial: self.serial,
        };
        Lookup::New(Slot {
            set: home as u32,
            way: way as u8,
            index: index as u8,
            serial: self.serial,
        })
    }

    /// Remembers the reply of a request in flight. Nothing happens if another has taken its slot in
    /// the meantime.
    pub fn answer(&mut self, slot: Slot, reply: &[u8]) {
        let Self { sets, replies, .. } = self;
        let Some((entry, owner)) = taken(sets, slot) else { return };
        match replies.write(owner, reply, entry.since) {
            Some(index) => (entry.reply, entry.reply_len) = (index.to_bits(), reply.len() as u32),
            None => entry.reply_len = EMPTY,
        }
    }

    /// Lets go of a request that will have no reply, so that its retransmission is served.
    pub fn forget(&mut self, slot: Slot) {
        if let Some((entry, _)) = taken(&mut self.sets, slot) {
            entry.reply_len = EMPTY;
        }
    }

    /// The set that a run belongs to, and its tag there.
    fn home(&self, run: &RunKey) -> (usize, u16) {
        let hash = self.hasher.hash_one(run);
        (hash as usize & (self.sets.len() - 1), (hash >> 48) as u16 | 1)
    }
}

/// Where in its run a request lies.
fn index(key: &DuplicateKey) -> usize {
    usize::from(key.identifier) % RUN
}

/// What waits in a slot, unless another has taken it; and whose it is.
fn taken(sets: &mut [Set], slot: Slot) -> Option<(&mut Entry, u16)> {
    let Set { heads, runs } = sets.get_mut(slot.set as usize)?;
    let way = usize::from(slot.way);
    let entry = runs.get_mut(way)?.entries.get_mut(usize::from(slot.index))?;
    (entry.serial == slot.serial && entry.reply_len == IN_FLIGHT)
        .then_some((entry, heads[way].owner))
}

impl Set {
    /// The run that gives way: an empty one, else the oldest of those whose gateway has most of the
    /// set.
    fn gives_way(&self, now: u32) -> usize {
        let rank = |way: &usize| match self.heads[*way] {
            Head { tag: 0, .. } => (WAYS + 1, 0),
            Head { owner, since, .. } => {
                let share =
                    self.heads.iter().filter(|head| head.tag != 0 && head.owner == owner).count();
                (share, now.wrapping_sub(since))
            }
        };
        (0..WAYS).max_by_key(rank).unwrap_or(0)
    }
}

impl From<&DuplicateKey> for RunKey {
    fn from(key: &DuplicateKey) -> Self {
        let ip = match key.from.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        Self {
            ip,
            port: key.from.port(),
            listener: key.listener,
            code: key.code,
            run: key.identifier / RUN as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(30);

    fn key(port: u16, identifier: u8) -> DuplicateKey {
        DuplicateKey {
            from: ([192, 0, 2, 1], port).into(),
            listener: 0,
            code: 1,
            identifier,
            gateway: GatewayId::new(0),
        }
    }

    fn slot(known: &Lookup<'_>) -> Slot {
        match known {
            Lookup::New(slot) => *slot,
            other => panic!("not new: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_new_then_in_flight_then_answered() {
        let mut table = Duplicates::new(64, 4096, LIFETIME);
        let taken = slot(&table.look_up(&key(1, 7), &[1; 16], Timestamp::from_secs(100)));
        assert_eq!(
            table.look_up(&key(1, 7), &[1; 16], Timestamp::from_secs(101)),
            Lookup::InFlight
        );
        table.answer(taken, b"reply");
        assert_eq!(
            table.look_up(&key(1, 7), &[1; 16], Timestamp::from_secs(129)),
            Lookup::Answered(b"reply")
        );
        assert!(
            matches!(
                table.look_up(&key(1, 7), &[1; 16], Timestamp::from_secs(131)),
                Lookup::New(_)
            ),
            "its lifetime is over"
        );
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let mut table = Duplicates::new(64, 4096, LIFETIME);
        let first = key(1, 7);
        let others = [
            DuplicateKey { from: ([192, 0, 2, 2], 1).into(), ..first },
            DuplicateKey { from: "[::ffff:192.0.2.3]:1".parse().unwrap(), ..first },
            DuplicateKey { from: ([192, 0, 2, 1], 2).into(), ..first },
            DuplicateKey { listener: 1, ..first },
            DuplicateKey { code: 4, ..first },
            DuplicateKey { identifier: 8, ..first },
        ];
        let taken = slot(&table.look_up(&first, &[1; 16], Timestamp::from_secs(100)));
        table.answer(taken, b"reply");
        for other in others {
            assert!(
                matches!(
                    table.look_up(&other, &[1; 16], Timestamp::from_secs(100)),
                    Lookup::New(_)
                ),
                "{other:?}"
            );
        }
        assert_eq!(
            table.look_up(&first, &[1; 16], Timestamp::from_secs(100)),
            Lookup::Answered(b"reply")
        );
    }

    #[test]
    fn another_authenticator_is_a_new_request_and_the_late_reply_is_not_given_to_it() {
        let mut table = Duplicates::new(64, 4096, LIFETIME);
        let now = Timestamp::from_secs(100);
        let old = slot(&table.look_up(&key(1, 7), &[1; 16], now));
        let new = slot(&table.look_up(&key(1, 7), &[2; 16], now));
        table.answer(old, b"late");
        assert_eq!(table.look_up(&key(1, 7), &[2; 16], now), Lookup::InFlight);
        table.answer(new, b"right");
        assert_eq!(table.look_up(&key(1, 7), &[2; 16], now), Lookup::Answered(b"right"));
    }

    #[test]
    fn what_will_have_no_reply_is_served_again() {
        let mut table = Duplicates::new(64, 4096, LIFETIME);
        let now = Timestamp::from_secs(100);
        let taken = slot(&table.look_up(&key(1, 7), &[1; 16], now));
        table.forget(taken);
        assert!(matches!(table.look_up(&key(1, 7), &[1; 16], now), Lookup::New(_)));
    }

    #[test]
    fn the_oldest_of_a_set_gives_way() {
        let mut table = Duplicates::new(WAYS * RUN, 4096, LIFETIME);
        for port in 0..=WAYS as u16 {
            let taken = slot(&table.look_up(
                &key(port, 7),
                &[1; 16],
                Timestamp::from_secs(100 + u64::from(port)),
            ));
            table.answer(taken, &[port as u8]);
        }
        let now = Timestamp::from_secs(109);
        for port in 1..=WAYS as u16 {
            assert_eq!(
                table.look_up(&key(port, 7), &[1; 16], now),
                Lookup::Answered(&[port as u8])
            );
        }
        assert!(matches!(table.look_up(&key(0, 7), &[1; 16], now), Lookup::New(_)));
    }

    #[test]
    fn who_floods_displaces_what_is_its_own() {
        let mut table = Duplicates::new(WAYS * RUN, 4096, LIFETIME);
        let now = Timestamp::from_secs(100);
        let quiet = DuplicateKey { gateway: GatewayId::new(1), ..key(9, 7) };
        let taken = slot(&table.look_up(&quiet, &[1; 16], now));
        table.answer(taken, b"reply");
        for port in 100..4_000 {
            assert!(matches!(
                table.look_up(&key(port, 7), &[1; 16], Timestamp::from_secs(101)),
                Lookup::New(_)
            ));
        }
        assert_eq!(
            table.look_up(&quiet, &[1; 16], Timestamp::from_secs(102)),
            Lookup::Answered(b"reply")
        );
    }

    #[test]
    fn a_reply_longer_than_the_memory_is_not_remembered() {
        let mut table = Duplicates::new(WAYS, 16, LIFETIME);
        let now = Timestamp::from_secs(100);
        for reply in [&[7; 17][..], &[7; 4096]] {
            let taken = slot(&table.look_up(&key(1, 1), &[1; 16], now));
            table.answer(taken, reply);
        }
        assert!(matches!(table.look_up(&key(1, 1), &[1; 16], now), Lookup::New(_)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Request { port: u16, identifier: u8, authenticator: u8 },
        Answer { which: usize, len: usize },
        Forget { which: usize },
        Wait { ms: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..3u16, 0..12u8, 0..3u8).prop_map(|(port, identifier, authenticator)| Step::Request { port, identifier, authenticator }),
            4 => (0..4usize, 1..40usize).prop_map(|(which, len)| Step::Answer { which, len }),
            1 => (0..4usize).prop_map(|which| Step::Forget { which }),
            1 => (0..9_000u64).prop_map(|ms| Step::Wait { ms }),
        ];
        prop::collection::vec(step, 0..300)
    }

    proptest! {
        /// Against a map without limits: a table with room enough says the same; one too small may
        /// forget, but never says anything else.
        #[test]
        fn it_is_a_map_that_may_forget(steps in steps(), is_small: bool) {
            let mut table = if is_small { Duplicates::new(WAYS, 100, LIFETIME) } else { Duplicates::new(4096, 1 << 16, LIFETIME) };
            // Each request by its number: of which key, with which authenticator, when; and which
            // reply it got.
            let mut model: HashMap<DuplicateKey, Request> = HashMap::new();
            let mut in_flight: Vec<(Slot, DuplicateKey, usize)> = Vec::new();
            let mut now = Timestamp::from_millis(u64::from(u32::MAX) - 30_000);
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Request { port, identifier, authenticator } => {
                        let key = key(port, identifier);
                        let expected = model.get(&key).filter(|known| known.authenticator == authenticator && now.since(known.since) < LIFETIME);
                        match table.look_up(&key, &[authenticator; 16], now) {
                            Lookup::New(slot) => {
                                prop_assert!(is_small || expected.is_none(), "forgotten although there was room");
                                model.insert(key, Request { number, authenticator, since: now, reply: None });
                                in_flight.push((slot, key, number));
                            }
                            Lookup::InFlight => prop_assert!(expected.is_some_and(|known| known.reply.is_none())),
                            Lookup::Answered(reply) => prop_assert_eq!(expected.and_then(|known| known.reply.as_deref()), Some(reply)),
                        }
                    }
                    Step::Answer { which, len } if which < in_flight.len() => {
                        let (slot, key, asked) = in_flight.swap_remove(which);
                        let reply = vec![number as u8; len];
                        table.answer(slot, &reply);
                        model.entry(key).and_modify(|known| known.reply = (known.number == asked).then_some(reply).or(known.reply.take()));
                    }
                    Step::Forget { which } if which < in_flight.len() => {
                        let (slot, key, asked) = in_flight.swap_remove(which);
                        table.forget(slot);
                        if model.get(&key).is_some_and(|known| known.number == asked) {
                            model.remove(&key);
                        }
                    }
                    Step::Answer { .. } | Step::Forget { .. } => {}
                    Step::Wait { ms } => now = now + Duration::from_millis(ms),
                }
            }
        }
    }

    struct Request {
        number: usize,
        authenticator: u8,
        since: Timestamp,
        reply: Option<Vec<u8>>,
    }
}
