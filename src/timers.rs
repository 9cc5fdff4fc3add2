//! A hierarchical timer wheel: one timer for each of a million endpoints, set and cancelled in
//! constant time.
//!
//! Four rings of 256 slots, as in Varghese and Lauck's scheme 7. The first ring's slots are one
//! tick wide, those of each further ring 256 times as wide. When time enters a wide slot, its
//! timers move to the ring below. A timer is sixteen octets in a flat array, linked through its
//! neighbours' numbers.

use crate::time::Timestamp;

/// A tick is 1024 microseconds, so that a moment becomes a tick by a shift.
const TICK_BITS: u32 = 10;
const RING_BITS: u32 = 8;
const SLOTS: usize = 1 << RING_BITS;
const RINGS: usize = 4;
/// No timer.
const NONE: u32 = u32::MAX;
/// In no slot.
const UNSET: u16 = u16::MAX;

/// Timers named by small numbers, at most one for each name.
#[derive(Debug)]
pub struct TimerWheel {
    /// The tick up to which everything has fired.
    tick: u32,
    heads: Box<[u32; RINGS * SLOTS]>,
    /// Which slots hold timers, so that empty time is skipped.
    occupied: [[u64; SLOTS / 64]; RINGS],
    timers: Vec<Timer>,
    armed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    next: u32,
    previous: u32,
    due: u32,
    slot: u16,
}

const IDLE: Timer = Timer { next: NONE, previous: NONE, due: 0, slot: UNSET };

impl Default for TimerWheel {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl TimerWheel {
    /// A wheel for the names `0..names`; it grows if others come.
    #[must_use]
    pub fn with_capacity(names: usize) -> Self {
        Self {
            tick: 0,
            heads: Box::new([NONE; RINGS * SLOTS]),
            occupied: [[0; SLOTS / 64]; RINGS],
            timers: vec![IDLE; names],
            armed: 0,
        }
    }

    /// How many timers are set.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.armed
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Sets the timer `name`, instead of what it was set to. It fires at the first tick that is not
    /// before `due`.
    pub fn set(&mut self, name: u32, due: Timestamp) {
        self.cancel(name);
        if self.timers.len() <= name as usize {
            self.timers.resize(name as usize + 1, IDLE);
        }
        self.timers[name as usize].due = tick_not_before(due).max(self.tick);
        self.armed += 1;
        self.link(name);
    }

    /// When a timer set to `due` fires at the earliest.
    #[must_use]
    pub fn rounded(due: Timestamp) -> Timestamp {
        Timestamp::from_micros(u64::from(tick_not_before(due)) << TICK_BITS)
    }

    /// Unsets the timer `name`, if it is set.
    pub fn cancel(&mut self, name: u32) {
        if self.timers.get(name as usize).is_some_and(|timer| timer.slot != UNSET) {
            self.unlink(name);
            self.armed -= 1;
        }
    }

    /// Takes one timer that is due at `now`. Earlier ticks come first.
    pub fn pop(&mut self, now: Timestamp) -> Option<u32> {
        let end = tick_before(now);
        loop {
            let name = self.heads[self.tick as usize % SLOTS];
            if name != NONE {
                self.unlink(name);
                self.armed -= 1;
                return Some(name);
            }
            let next = self.next_tick()?.min(end);
            if next <= self.tick {
                return None;
            }
            self.enter(next);
        }
    }

    /// When to look again: not after the next timer, perhaps a little before it. None if no timer
    /// is set.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let tick = if self.heads[self.tick as usize % SLOTS] == NONE {
            self.next_tick()?
        } else {
            self.tick
        };
        Some(Timestamp::from_micros(u64::from(tick) << TICK_BITS))
    }

    /// The next tick after this one at which a timer may fire or a wide slot opens.
    fn next_tick(&self) -> Option<u32> {
        if self.armed == 0 {
            return None;
        }
        (0..RINGS).filter_map(|ring| self.next_in_ring(ring)).min()
    }

    /// A timer lies in the ring in whose current turn it is due, so only slots after the present
    /// one can be occupied.
    fn next_in_ring(&self, ring: usize) -> Option<u32> {
        let width = RING_BITS * ring as u32;
        let turn = self.tick >> width;
        let after = turn as usize % SLOTS + 1;
        let first = (self.occupied[ring].get(after / 64)? >> (after % 64)) << (after % 64);
        let rest = self.occupied[ring]
            .iter()
            .enumerate()
            .skip(after / 64 + 1)
            .map(|(word, bits)| (word, *bits));
        let (word, bits) =
            std::iter::once((after / 64, first)).chain(rest).find(|(_, bits)| *bits != 0)?;
        let slot = word as u32 * 64 + bits.trailing_zeros();
        Some(((turn & !(SLOTS as u32 - 1)) + slot) << width)
    }

    /// Moves time forward; no timer is due in between. Wide slots that open on the way hand their
    /// timers down.
    fn enter(&mut self, tick: u32) {
        let before = self.tick;
        self.tick = tick;
        for ring in (1..RINGS).rev() {
            let width = RING_BITS * ring as u32;
            if before >> width != tick >> width {
                self.hand_down(ring, (tick >> width) as usize % SLOTS);
            }
        }
    }

    fn hand_down(&mut self, ring: usize, slot: usize) {
        loop {
            let name = self.heads[ring * SLOTS + slot];
            if name == NONE {
                break;
            }
            self.unlink(name);
            self.link(name);
        }
    }

    fn link(&mut self, name: u32) {
        let due = self.timers[name as usize].due;
        // The ring in whose current turn the timer lies: the first in which its tick differs from
        // now only below.
        let differing = u32::BITS - (due ^ self.tick).leading_zeros();
        let ring = (differing.saturating_sub(1) / RING_BITS) as usize;
        let slot = (due >> (RING_BITS * ring as u32)) as usize % SLOTS;
        let place = ring * SLOTS + slot;
        let next = self.heads[place];
        if next != NONE {
            self.timers[next as usize].previous = name;
        }
        self.timers[name as usize] = Timer { next, previous: NONE, due, slot: place as u16 };
        self.heads[place] = name;
        self.occupied[ring][slot / 64] |= 1 << (slot % 64);
    }

    fn unlink(&mut self, name: u32) {
        let Timer { next, previous, slot, .. } = self.timers[name as usize];
        if next != NONE {
            self.timers[next as usize].previous = previous;
        }
        if previous == NONE {
            self.heads[slot as usize] = next;
            if next == NONE {
                self.occupied[slot as usize / SLOTS][slot as usize % SLOTS / 64] &=
                    !(1 << (slot % 64));
            }
        } else {
            self.timers[previous as usize].next = next;
        }
        self.timers[name as usize].slot = UNSET;
    }
}

const fn tick_before(moment: Timestamp) -> u32 {
    let tick = moment.micros() >> TICK_BITS;
    // 2^32 ticks are fifty days; nothing is run that long.
    if tick > u32::MAX as u64 { u32::MAX } else { tick as u32 }
}

const fn tick_not_before(moment: Timestamp) -> u32 {
    tick_before(Timestamp::from_micros(moment.micros().saturating_add((1 << TICK_BITS) - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn fires_in_order_and_never_early() {
        let mut wheel = TimerWheel::default();
        let dues =
            [(0, 5_000), (1, 5_000_000), (2, 300), (3, 900_000), (4, 86_400_000_000), (5, 0)];
        for (name, micros) in dues {
            wheel.set(name, Timestamp::from_micros(micros));
        }
        let mut fired = Vec::new();
        while let Some(next) = wheel.next_due() {
            while let Some(name) = wheel.pop(next) {
                assert!(next >= Timestamp::from_micros(dues[name as usize].1), "{name} is early");
                fired.push(name);
            }
        }
        assert_eq!(fired, [5, 2, 0, 3, 1, 4]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_timer_is_small() {
        assert_eq!(size_of::<Timer>(), 16);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, u64),
        Cancel(u32),
        Advance(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay =
            prop_oneof![0..2_000u64, 0..600_000u64, 0..200_000_000u64, 0..90_000_000_000u64];
        let step = prop_oneof![
            3 => (0..40u32, delay.clone()).prop_map(|(name, delay)| Step::Set(name, delay)),
            1 => (0..40u32).prop_map(Step::Cancel),
            2 => delay.prop_map(Step::Advance),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn does_what_a_sorted_map_does(steps in steps()) {
            let (mut wheel, mut model, mut now) = (TimerWheel::default(), BTreeMap::new(), 0);
            for step in steps {
                match step {
                    Step::Set(name, delay) => {
                        wheel.set(name, Timestamp::from_micros(now + delay));
                        model.insert(name, tick_not_before(Timestamp::from_micros(now + delay)));
                    }
                    Step::Cancel(name) => {
                        wheel.cancel(name);
                        model.remove(&name);
                    }
                    Step::Advance(delay) => {
                        now += delay;
                        let end = tick_before(Timestamp::from_micros(now));
                        let mut last = 0;
                        while let Some(name) = wheel.pop(Timestamp::from_micros(now)) {
                            let due = model.remove(&name);
                            prop_assert!(due.is_some_and(|due| due <= end && due >= last), "{} fired, due {:?}", name, due);
                            last = due.unwrap();
                        }
                        prop_assert!(model.values().all(|due| *due > end), "something due did not fire");
                    }
                }
                prop_assert_eq!(wheel.len(), model.len());
                let soonest = model.values().min().map(|due| u64::from(*due) << TICK_BITS);
                prop_assert!(wheel.next_due().map(Timestamp::micros) <= soonest || soonest.is_none());
                prop_assert_eq!(wheel.next_due().is_some(), soonest.is_some());
            }
        }
    }
}
