//! The time a server was down does not count towards deadlines that began before.

use std::time::Duration;

use crate::time::Timestamp;

/// An outage: from the newest time that the journal knows to the start after it.
///
/// A server that is down hears nobody, so that time is no silence. And how long it was, only a wall
/// clock can tell, which somebody may have set meanwhile: a hold that is measured by it could end
/// early, and its address have two users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    pub since: Timestamp,
    pub lasted: Duration,
}

/// The outages that deadlines may still depend on, oldest first. They are recorded at each start:
/// what began before two outages ends later by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages(Vec<Outage>);

/// Outages remembered. A server that is restarted in a loop has many, which then count as one.
const MAX_REMEMBERED: usize = 16;

/// An outage that ended so long ago is forgotten: no deadline lasts longer by default, and no
/// session is silent for so long.
const REMEMBERED_FOR: Duration = Duration::from_secs(7 * 86_400);

impl Outages {
    /// A server that was never down.
    pub const NONE: Self = Self(Vec::new());

    /// Those that a journal tells of, in its order.
    #[must_use]
    pub fn recorded(mut outages: Vec<Outage>) -> Self {
        outages.truncate(MAX_REMEMBERED);
        Self(outages)
    }

    /// The server was down from `since`, and starts again at `start`.
    ///
    /// A start before the beginning of an earlier outage means that the clock was set back by more
    /// than is believed. What begins now is after that outage, whatever the clock says, so it is
    /// forgotten.
    pub fn add(&mut self, since: Timestamp, start: Timestamp) {
        self.0.retain(|known| {
            known.since <= start && known.since + known.lasted + REMEMBERED_FOR > start
        });
        let lasted = start.since(since);
        // A journal without any time is that of a first start.
        if lasted.is_zero() || since == Timestamp::EPOCH {
            return;
        }
        self.0.push(Outage { since, lasted });
        if self.0.len() > MAX_REMEMBERED {
            self.merge_nearest();
        }
    }

    /// Makes one of the two that follow each other most closely. What began between them ends later
    /// than it should, and nothing ends earlier.
    fn merge_nearest(&mut self) {
        let gap = |at: &usize| self.0[at + 1].since.since(self.0[*at].since);
        let Some(at) = (0..self.0.len() - 1).min_by_key(gap) else { return };
        let earlier = self.0.remove(at);
        self.0[at].lasted += earlier.lasted;
    }

    /// Oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Outage> {
        self.0.iter()
    }

    /// When a time of this length is over that began at `from`.
    #[must_use]
    pub fn deadline(&self, from: Timestamp, length: Duration) -> Timestamp {
        self.postpone(from) + length
    }

    /// `from`, later by each outage that it was before: what is that old now has counted so much
    /// less.
    #[must_use]
    pub fn postpone(&self, from: Timestamp) -> Timestamp {
        let later = self.0.iter().rev().take_while(|outage| from <= outage.since);
        later.fold(from, |from, outage| from + outage.lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_767_268_800 + seconds)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// Outages as pairs of seconds: down, up.
    fn outages(pairs: impl IntoIterator<Item = (u64, u64)>) -> Outages {
        let mut outages = Outages::default();
        for (down, up) in pairs {
            outages.add(at(down), at(up));
        }
        outages
    }

    #[test]
    fn what_began_before_an_outage_ends_later_by_it() {
        let outages = outages([(100, 7300)]);
        assert_eq!(outages.deadline(at(70), MINUTE), at(7330));
        assert_eq!(outages.deadline(at(100), MINUTE), at(7360));
        assert_eq!(outages.deadline(at(7301), MINUTE), at(7361));
    }

    #[test]
    fn what_began_before_two_outages_ends_later_by_both() {
        let outages = outages([(100, 7300), (7310, 7318)]);
        assert_eq!(outages.deadline(at(70), MINUTE), at(7338));
        assert_eq!(outages.deadline(at(7305), MINUTE), at(7373));
        assert_eq!(outages.deadline(at(7319), MINUTE), at(7379));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_outage() {
        assert_eq!(outages([(100, 40)]).deadline(at(70), MINUTE), at(130));
        assert_eq!(Outages::default().deadline(at(70), MINUTE), at(130));
        // What begins now is none of what was, by a clock that was ahead.
        assert_eq!(outages([(5000, 9000), (9001, 40)]).deadline(at(50), MINUTE), at(110));
    }

    /// Whatever is merged, nothing ends earlier than it should; and what is older than the loop
    /// ends exactly then.
    #[test]
    fn many_restarts_shorten_nothing() {
        let pairs =
            || std::iter::once((10, 1000)).chain((0..100).map(|n| (1100 + 10 * n, 1104 + 10 * n)));
        let outages = outages(pairs());
        assert_eq!(outages.iter().len(), MAX_REMEMBERED);
        for from in 0..2200 {
            let later: u64 =
                pairs().filter(|(down, _)| from <= *down).map(|(down, up)| up - down).sum();
            assert!(outages.postpone(at(from)) >= at(from + later), "{from}");
        }
        assert_eq!(outages.postpone(at(5)), at(5 + 990 + 400));
    }

    #[test]
    fn an_outage_long_ago_is_forgotten() {
        let week = REMEMBERED_FOR.as_secs();
        assert_eq!(outages([(10, 20), (week, week + 21)]).iter().len(), 1);
    }
}
