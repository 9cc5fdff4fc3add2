//! One a minute for each endpoint and reason, however often a gateway asks; the rest is counted.

use std::time::Duration;

use parking_lot::Mutex;

use crate::identity::Iccid;
use crate::network::mix;
use crate::time::Timestamp;

const EVERY: Duration = Duration::from_secs(60);

/// Pieces with a lock each: workers that refuse rarely wait for one another.
const PIECES: usize = 16;

/// Places in a piece. Two that share a place are told more often than once a minute: memory is
/// bounded, not the last repetition.
const PLACES: usize = 4096;

#[derive(Debug)]
pub(super) struct FailureThrottle {
    /// Empty until something was refused.
    pieces: [Mutex<Vec<Refusals>>; PIECES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    key: u64,
    told: Timestamp,
    untold: u32,
}

impl FailureThrottle {
    pub(super) fn new() -> Self {
        Self { pieces: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Whether it is to be told now, and how many were not told before it.
    pub(super) fn ask(&self, iccid: Iccid, reason: u8, now: Timestamp) -> Option<u32> {
        let key = mix(iccid.raw() ^ u64::from(reason).rotate_right(8)).max(1);
        let mut piece = self.pieces[key as usize % PIECES].lock();
        if piece.is_empty() {
            piece.resize(PLACES, Refusals::default());
        }
        let place = &mut piece[(key as usize / PIECES) % PLACES];
        if place.key == key && now.since(place.told) < EVERY {
            place.untold = place.untold.saturating_add(1);
            return None;
        }
        let untold = if place.key == key { place.untold } else { 0 };
        *place = Refusals { key, told: now, untold: 0 };
        Some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_minute_is_counted() {
        let throttle = FailureThrottle::new();
        let iccid = Iccid::parse(b"8944500000000000014").unwrap();
        let at = |seconds: u64| Timestamp::from_secs(1_790_000_000 + seconds);
        assert_eq!(throttle.ask(iccid, 1, at(0)), Some(0));
        assert_eq!(throttle.ask(iccid, 2, at(0)), Some(0), "another reason");
        assert_eq!(throttle.ask(iccid, 1, at(1)), None);
        assert_eq!(throttle.ask(iccid, 1, at(59)), None);
        assert_eq!(throttle.ask(iccid, 1, at(60)), Some(2));
        assert_eq!(throttle.ask(iccid, 1, at(61)), None);
    }
}
