//! Refusing an endpoint in one network some times, so that it tries another, and then no more: it
//! may have no other.

use std::time::Duration;

use foldhash::HashMap;
use parking_lot::Mutex;

use crate::identity::{Iccid, Plmn};
use crate::time::Timestamp;

/// So often within the time.
const REFUSALS: u8 = 3;
const WINDOW: Duration = Duration::from_secs(600);

/// Endpoints that are steered at a time, some megabytes. Of more nothing is remembered, and nobody
/// is refused for whom nothing is.
const MOST: usize = 100_000;

/// Who was refused where, a moment ago. Not recorded: after a restart it begins anew.
#[derive(Default)]
pub(super) struct Steering(Mutex<HashMap<(Iccid, Option<Plmn>), Refusals>>);

#[derive(Clone, Copy)]
struct Refusals {
    since: Timestamp,
    count: u8,
}

impl Steering {
    /// Whether an endpoint is refused in this network once more.
    pub(super) fn refuses(&self, iccid: Iccid, plmn: Option<Plmn>, now: Timestamp) -> bool {
        let mut recent = self.0.lock();
        if recent.len() >= MOST && !recent.contains_key(&(iccid, plmn)) {
            recent.retain(|_, refusals| now <= refusals.since + WINDOW);
            if recent.len() >= MOST {
                return false;
            }
        }
        let first = Refusals { since: now, count: 0 };
        let refusals = recent.entry((iccid, plmn)).or_insert(first);
        if now > refusals.since + WINDOW {
            *refusals = first;
        }
        let is_refused = refusals.count < REFUSALS;
        refusals.count += u8::from(is_refused);
        is_refused
    }

    /// How often it was refused of late.
    pub(super) fn count(&self, iccid: Iccid, plmn: Option<Plmn>, now: Timestamp) -> u8 {
        let recent = self.0.lock();
        let known = recent.get(&(iccid, plmn)).filter(|known| now <= known.since + WINDOW);
        known.map_or(0, |known| known.count)
    }

    /// How often it is refused before it is allowed.
    pub(super) const fn refusals() -> u8 {
        REFUSALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_in_ten_minutes_and_for_each_network() {
        let steering = Steering::default();
        let iccid = Iccid::parse(b"8944500000000000014").unwrap();
        let at = |minutes: u64| Timestamp::from_secs(1_800_000_000 + 60 * minutes);
        let network = |text: &str| text.parse().ok();
        let ask = |plmn: &str, minutes| steering.refuses(iccid, network(plmn), at(minutes));
        assert_eq!([0, 1, 2, 3, 9].map(|at| ask("26201", at)), [true, true, true, false, false]);
        assert_eq!(steering.count(iccid, network("26201"), at(9)), 3);
        assert!(ask("26202", 3));
        assert!(ask("26201", 11), "a new ten minutes");
    }

    #[test]
    fn of_more_than_can_be_remembered_nobody_is_refused() {
        let steering = Steering::default();
        let at = Timestamp::from_secs(1_800_000_000);
        let iccid = |n: usize| Iccid::parse(format!("8944{n:015}").as_bytes()).unwrap();
        for n in 0..MOST {
            steering.refuses(iccid(n), None, at);
        }
        assert!(!steering.refuses(iccid(MOST), None, at));
        assert!(steering.refuses(iccid(0), None, at), "who is known is refused still");
        assert!(steering.refuses(iccid(MOST), None, at + WINDOW + Duration::from_secs(1)));
    }
}
