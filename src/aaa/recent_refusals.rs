//! Why an endpoint was refused the last times: for whoever asks why it does not attach.
//!
//! A ring for each endpoint would cost memory for ten million that are never refused. So only those
//! are remembered that were refused lately, in two generations of bounded size: when the younger one
//! is full, the older one is forgotten.

use foldhash::HashMap;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{Aaa, RejectReason};
use crate::identity::Iccid;
use crate::time::Timestamp;

/// Endpoints of a generation.
const REMEMBERED: usize = 1 << 14;

/// Refusals of one endpoint.
const OF_ONE: usize = 8;

/// A refusal, and how often it was repeated in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRefusal {
    /// The last time.
    pub at: Timestamp,
    pub reason: RejectReason,
    /// Whether a report was refused, not an Access-Request.
    pub is_accounting: bool,
    pub times: u32,
}

/// The refusals of late, by endpoint.
#[derive(Debug, Default)]
pub(super) struct RecentRefusals(Mutex<Generations>);

type Ring = SmallVec<[RecentRefusal; 1]>;

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Iccid, Ring>,
    old: HashMap<Iccid, Ring>,
}

impl RecentRefusals {
    pub(super) fn note(
        &self,
        iccid: Iccid,
        reason: RejectReason,
        is_accounting: bool,
        at: Timestamp,
    ) {
        let mut generations = self.0.lock();
        let Generations { young, old } = &mut *generations;
        if !young.contains_key(&iccid) {
            if young.len() >= REMEMBERED {
                *old = std::mem::take(young);
            }
            let known = old.remove(&iccid).unwrap_or_default();
            young.insert(iccid, known);
        }
        let Some(ring) = young.get_mut(&iccid) else { return };
        match ring.last_mut() {
            Some(last) if (last.reason, last.is_accounting) == (reason, is_accounting) => {
                last.at = at;
                last.times = last.times.saturating_add(1);
            }
            _ => {
                if ring.len() >= OF_ONE {
                    ring.remove(0);
                }
                ring.push(RecentRefusal { at, reason, is_accounting, times: 1 });
            }
        }
    }

    /// The newest first.
    pub(super) fn of(&self, iccid: Iccid) -> Vec<RecentRefusal> {
        let generations = self.0.lock();
        let ring = generations.young.get(&iccid).or_else(|| generations.old.get(&iccid));
        ring.map(|ring| ring.iter().rev().cloned().collect()).unwrap_or_default()
    }
}

impl Aaa {
    /// Why an endpoint was refused the last times, the newest first; nothing if that was long ago.
    #[must_use]
    pub fn recent_refusals(&self, iccid: Iccid) -> Vec<RecentRefusal> {
        self.refusals.of(iccid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RejectReason::{ApnNotAllowed, EndpointSuspended};

    fn iccid(number: u64) -> Iccid {
        Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap()
    }

    #[test]
    fn repetitions_are_counted_and_the_newest_comes_first() {
        let refusals = RecentRefusals::default();
        let at = Timestamp::from_secs;
        refusals.note(iccid(1), EndpointSuspended, false, at(1));
        refusals.note(iccid(1), EndpointSuspended, false, at(2));
        refusals.note(iccid(1), ApnNotAllowed, false, at(3));
        let refusal = |seconds, reason, times| RecentRefusal {
            at: at(seconds),
            reason,
            is_accounting: false,
            times,
        };
        let wanted = [refusal(3, ApnNotAllowed, 1), refusal(2, EndpointSuspended, 2)];
        assert_eq!(refusals.of(iccid(1)), wanted);
        for second in 4..24 {
            let reason = if second % 2 == 0 { EndpointSuspended } else { ApnNotAllowed };
            refusals.note(iccid(1), reason, false, at(second));
        }
        let all = refusals.of(iccid(1));
        assert_eq!((all.len(), all[0].at), (OF_ONE, at(23)));
        assert!(refusals.of(iccid(2)).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_who_is_refused_again_stays() {
        let refusals = RecentRefusals::default();
        for number in 0..3 * REMEMBERED as u64 {
            refusals.note(iccid(number), ApnNotAllowed, true, Timestamp::EPOCH);
            if number % 1000 == 0 {
                refusals.note(iccid(0), EndpointSuspended, false, Timestamp::EPOCH);
            }
        }
        let generations = refusals.0.lock();
        assert!(generations.young.len() <= REMEMBERED && generations.old.len() <= REMEMBERED);
        drop(generations);
        assert_eq!(refusals.of(iccid(0))[0].reason, EndpointSuspended);
        assert!(refusals.of(iccid(1)).is_empty());
    }
}
