//! The time a server was down does not count towards deadlines that began before.

use std::time::Duration;

use crate::time::Timestamp;

/// The last outage: from the newest time that the journal knows to the start after it.
///
/// A server that is down hears nobody, so that time is no silence. And how long it was, only a wall
/// clock can tell, which somebody may have set meanwhile: a hold that is measured by it could end
/// early, and its address have two users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    pub since: Timestamp,
    pub lasted: Duration,
}

impl Outage {
    #[must_use]
    pub fn new(since: Timestamp, start: Timestamp) -> Self {
        Self { since, lasted: start.since(since) }
    }

    /// When a time of this length is over that began at `from`.
    #[must_use]
    pub fn deadline(&self, from: Timestamp, length: Duration) -> Timestamp {
        self.postpone(from) + length
    }

    /// `from`, later by the outage if it was before it: what is that old now has counted so much
    /// less.
    #[must_use]
    pub fn postpone(&self, from: Timestamp) -> Timestamp {
        if from <= self.since { from + self.lasted } else { from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_767_268_800 + seconds)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_began_before_an_outage_ends_later_by_it() {
        let outage = Outage::new(at(100), at(7300));
        assert_eq!(outage.deadline(at(70), MINUTE), at(7330));
        assert_eq!(outage.deadline(at(100), MINUTE), at(7360));
        assert_eq!(outage.deadline(at(7301), MINUTE), at(7361));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_outage() {
        assert_eq!(Outage::new(at(100), at(40)).deadline(at(70), MINUTE), at(130));
        assert_eq!(Outage::default().deadline(at(70), MINUTE), at(130));
    }
}
