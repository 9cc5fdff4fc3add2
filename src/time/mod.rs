//! A point in time as the pure rooms know it: microseconds since the UNIX epoch, always given as an
//! argument.

mod steady;

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

pub use steady::{BELIEVED_AHEAD, ClockLine, ClockStep, SteadyClock};

/// Microseconds since 1970-01-01T00:00:00Z: fine enough that a packet sent upon a reply never
/// arrives at the time of its forerunner.
///
/// Only the shells read a clock; everything below receives a `Timestamp`. That is why a day of
/// traffic runs in a test in milliseconds.
///
/// Aligned to four octets: in the leases of ten million endpoints that makes room for a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(4))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself. Stands for "never" where a record keeps no `Option`.
    pub const EPOCH: Self = Self(0);
    /// Later than anything that is waited for.
    pub const MAX: Self = Self(u64::MAX);

    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 / 1000
    }

    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(rhs.as_micros() as u64))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // humantime refuses years past 9999; such a value can only come from a damaged record.
        const LAST: u64 = 253_402_300_799_999_999;
        let time = UNIX_EPOCH + Duration::from_micros(self.0.min(LAST));
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_itself_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_millis(1_735_689_600_123).to_string(),
            "2025-01-01T00:00:00.123Z"
        );
        assert_eq!(Timestamp::from_micros(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn never_wraps() {
        assert_eq!(Timestamp::EPOCH - Duration::from_secs(1), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::from_secs(5)), Duration::ZERO);
    }
}
