//! When something happened: what a gateway's stamp orders, and what is shown and billed (PROTOCOL
//! 19).

use std::ops::Sub;
use std::time::Duration;

use crate::time::Timestamp;

/// A stamp may be so much older than its arrival: gateways store reports while no server answers.
const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// And so much newer: clocks differ.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// The longest Acct-Delay-Time that is believed.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);

/// The longest Acct-Session-Time that is believed, in seconds: a leap year.
const LONGEST_SESSION_S: u32 = 366 * 24 * 3600;

/// What began so short a time ago is not ended by a report without a stamp that does not name it:
/// that could be an old one, replayed.
const YOUNG: Duration = Duration::from_secs(5 * 60);

/// A moment, twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTime {
    /// As it is shown and billed: within sane limits of our own clock.
    pub shown: Timestamp,
    /// As its gateway stamped it, however wrong that clock is: it orders the reports of one
    /// gateway, and never leaves this room.
    pub order: Timestamp,
}

/// What the Event-Timestamp of a report is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stamp {
    Absent = 1,
    Sane,
    /// More than seven days before its arrival: a clock that was never set, or an old packet
    /// replayed.
    Old,
    /// More than five minutes after its arrival.
    Ahead,
}

impl Stamp {
    /// The inverse of `as u8`.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        [Self::Absent, Self::Sane, Self::Old, Self::Ahead]
            .into_iter()
            .find(|stamp| *stamp as u8 == key)
    }
}

/// Times in a report that cannot be: they are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OddTimes {
    /// Event-Timestamp.
    pub stamp: bool,
    /// Acct-Delay-Time.
    pub delay: bool,
    /// Acct-Session-Time.
    pub session_time: bool,
}

impl EventTime {
    /// A moment that our own clock tells, or a stamp that is sane.
    #[must_use]
    pub const fn at(time: Timestamp) -> Self {
        Self { shown: time, order: time }
    }

    /// The order of this moment for a report with such a stamp. A time in the future is now: it
    /// holds back only those of the same clock.
    pub(super) fn order_for(self, stamp: Stamp) -> Timestamp {
        if stamp == Stamp::Ahead { self.order } else { self.order.min(self.shown) }
    }

    pub(super) fn later(self, other: Self) -> Self {
        if other.order > self.order { other } else { self }
    }
}

impl Sub<Duration> for EventTime {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self { shown: self.shown - rhs, order: self.order - rhs }
    }
}

/// Reads the times of a report: Event-Timestamp and Acct-Delay-Time, in seconds (RFC 2869 5.3, RFC
/// 2866 5.2). Nothing is subtracted from a stamp.
#[must_use]
pub fn read(
    stamp_s: Option<u32>,
    delay_s: Option<u32>,
    arrival: Timestamp,
) -> (EventTime, Stamp, OddTimes) {
    let delay = Duration::from_secs(u64::from(delay_s.unwrap_or(0)));
    let is_odd_delay = delay > LONGEST_DELAY;
    let delayed = if is_odd_delay { arrival } else { arrival - delay };
    let order = stamp_s.map(|seconds| Timestamp::from_secs(u64::from(seconds)));
    let stamp = match order {
        None => Stamp::Absent,
        Some(time) if time < arrival - OLDEST => Stamp::Old,
        Some(time) if time > arrival + AHEAD => Stamp::Ahead,
        Some(_) => Stamp::Sane,
    };
    let order = order.unwrap_or(delayed);
    let shown = if stamp == Stamp::Sane { order } else { delayed };
    let odd = OddTimes {
        stamp: matches!(stamp, Stamp::Old | Stamp::Ahead),
        delay: is_odd_delay,
        session_time: false,
    };
    (EventTime { shown, order }, stamp, odd)
}

/// Whether an Acct-Session-Time can be.
#[must_use]
pub const fn is_sane_session_time(seconds: u32) -> bool {
    seconds <= LONGEST_SESSION_S
}

/// Whether something that is stamped so can only come from a clock that was set right since: it is
/// further ahead than clocks differ.
pub(super) fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time > now + AHEAD
}

pub(super) fn is_young(began: Timestamp, now: Timestamp) -> bool {
    began + YOUNG > now
}

/// How far what is shown is from what was stamped, in seconds, as a difference that wraps: all
/// stamps have 32 bits (RFC 2869 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew(pub u32);

impl Skew {
    #[must_use]
    pub fn of(time: EventTime) -> Self {
        Self((time.shown.secs() as u32).wrapping_sub(time.order.secs() as u32))
    }

    /// What was stamped, for what is shown.
    #[must_use]
    pub fn event_time(self, shown: Timestamp) -> EventTime {
        if self.0 == 0 {
            return EventTime::at(shown);
        }
        EventTime {
            shown,
            order: Timestamp::from_secs(u64::from((shown.secs() as u32).wrapping_sub(self.0))),
        }
    }

    /// What is shown, for what was stamped: what the same clock said at another time.
    #[must_use]
    pub fn shown(self, order: Timestamp) -> EventTime {
        if self.0 == 0 {
            return EventTime::at(order);
        }
        EventTime {
            shown: Timestamp::from_secs(u64::from((order.secs() as u32).wrapping_add(self.0))),
            order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: u32 = 1_750_000_000;
    const WEEK: u32 = 7 * 24 * 3600;
    const DAY: u32 = 24 * 3600;

    /// Standards E17, E18, E19; PROTOCOL 19.
    #[test]
    fn what_is_shown_is_the_stamp_if_it_is_sane() {
        use Stamp::{Absent, Ahead, Old, Sane};
        let (stamp, delay) = (
            OddTimes { stamp: true, ..OddTimes::default() },
            OddTimes { delay: true, ..OddTimes::default() },
        );
        let fine = OddTimes::default();
        // Event-Timestamp, Acct-Delay-Time; shown, order, what the stamp is, what is odd.
        let cases = [
            (None, None, ARRIVAL, ARRIVAL, Absent, fine),
            (None, Some(60), ARRIVAL - 60, ARRIVAL - 60, Absent, fine),
            (None, Some(DAY), ARRIVAL - DAY, ARRIVAL - DAY, Absent, fine),
            (None, Some(DAY + 1), ARRIVAL, ARRIVAL, Absent, delay),
            (None, Some(u32::MAX), ARRIVAL, ARRIVAL, Absent, delay),
            (Some(ARRIVAL - 100), Some(60), ARRIVAL - 100, ARRIVAL - 100, Sane, fine),
            (Some(ARRIVAL - 100), Some(u32::MAX), ARRIVAL - 100, ARRIVAL - 100, Sane, delay),
            (Some(ARRIVAL - WEEK), None, ARRIVAL - WEEK, ARRIVAL - WEEK, Sane, fine),
            (Some(ARRIVAL - WEEK - 1), None, ARRIVAL, ARRIVAL - WEEK - 1, Old, stamp),
            (Some(ARRIVAL + 300), None, ARRIVAL + 300, ARRIVAL + 300, Sane, fine),
            (Some(ARRIVAL + 301), Some(5), ARRIVAL - 5, ARRIVAL + 301, Ahead, stamp),
            (Some(0), None, ARRIVAL, 0, Old, stamp),
            (Some(u32::MAX), None, ARRIVAL, u32::MAX, Ahead, stamp),
        ];
        for (stamp_s, delay_s, shown, order, stamp, odd) in cases {
            let time = EventTime {
                shown: Timestamp::from_secs(shown.into()),
                order: Timestamp::from_secs(order.into()),
            };
            assert_eq!(
                read(stamp_s, delay_s, Timestamp::from_secs(ARRIVAL.into())),
                (time, stamp, odd),
                "{stamp_s:?} {delay_s:?}"
            );
        }
    }

    #[test]
    fn a_skew_remembers_any_clock() {
        for order in [0, 1, ARRIVAL - WEEK, ARRIVAL, ARRIVAL + 3600, u32::MAX] {
            let time = EventTime {
                shown: Timestamp::from_secs(ARRIVAL.into()),
                order: Timestamp::from_secs(order.into()),
            };
            let skew = Skew::of(time);
            assert_eq!((skew.event_time(time.shown), skew.shown(time.order)), (time, time));
        }
    }
}
