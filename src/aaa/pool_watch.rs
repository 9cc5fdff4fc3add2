//! Tells of pools that are nearly full, and of those that are: looked at now and then, so that no
//! attach pays for it.

use foldhash::HashMap;

use super::recorder::RecorderSink;
use super::{Aaa, Recorder};
use crate::address::AddressBlock;
use crate::event::EventKind;
use crate::identity::VsliceId;
use crate::pool::PoolCounts;
use crate::time::Timestamp;

/// What has been told of each subnet; kept by whoever looks.
#[derive(Debug, Default)]
pub struct PoolWatch {
    told: HashMap<(VsliceId, AddressBlock), FillLevel>,
    /// How full they are at the start is no news.
    has_looked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum FillLevel {
    #[default]
    Free,
    NearlyFull,
    Exhausted,
}

impl FillLevel {
    /// What there is to be told of, after `told`: again only once it fell below 80 %.
    fn after(self, counts: PoolCounts) -> Self {
        let taken = counts.leased + counts.held;
        let size = taken + counts.free;
        match () {
            () if size == 0 => Self::Free,
            () if counts.free == 0 => Self::Exhausted,
            () if taken * 10 >= size * 9 => self.max(Self::NearlyFull),
            () if taken * 10 < size * 8 => Self::Free,
            () => self,
        }
    }
}

impl Aaa {
    /// Looks at every subnet, and tells of those that have become nearly full, or exhausted.
    pub fn watch_pools(&self, watch: &mut PoolWatch, now: Timestamp, records: &mut impl Recorder) {
        let events = &self.events;
        if !(events.wants(EventKind::PoolNearlyFull) || events.wants(EventKind::PoolExhausted)) {
            return;
        }
        let plan = self.plan();
        let is_first = !std::mem::replace(&mut watch.has_looked, true);
        let mut told = HashMap::default();
        for (id, vslice) in plan.catalog.vslices() {
            for fill in plan.fills(id) {
                let before = watch.told.get(&(id, fill.block)).copied().unwrap_or_default();
                let after = before.after(fill.counts);
                told.insert((id, fill.block), after);
                let kind = match after {
                    FillLevel::NearlyFull => EventKind::PoolNearlyFull,
                    FillLevel::Exhausted => EventKind::PoolExhausted,
                    FillLevel::Free => continue,
                };
                if after <= before || is_first {
                    continue;
                }
                let counts = fill.counts;
                events.about(kind, Some(id), now, &mut RecorderSink(records), |detail| {
                    detail.text("vslice", vslice.moniker.as_str());
                    detail.plain("subnet", fill.block);
                    detail.number("size", counts.leased + counts.held + counts.free);
                    detail.number("free", counts.free);
                });
            }
        }
        watch.told = told;
    }
}

#[cfg(test)]
mod tests {
    use super::FillLevel::{Exhausted, Free, NearlyFull};
    use super::*;

    #[test]
    fn a_pool_is_told_of_again_once_it_fell_below_80_percent() {
        let mut level = Free;
        for (leased, held, expected) in [
            (89, 0, Free),
            (80, 10, NearlyFull),
            (85, 0, NearlyFull),
            (100, 0, Exhausted),
            (95, 0, Exhausted),
            (80, 0, Exhausted),
            (79, 0, Free),
            (90, 0, NearlyFull),
        ] {
            let free = 100 - leased - held;
            level = level.after(PoolCounts { leased, held, free, reserved: 3 });
            assert_eq!(level, expected, "{leased}");
        }
        let empty = PoolCounts { leased: 0, held: 0, free: 0, reserved: 3 };
        assert_eq!(Free.after(empty), Free);
    }
}
