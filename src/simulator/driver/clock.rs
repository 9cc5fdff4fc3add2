//! The clock of a run: started once, and monotonic from then on.

use std::time::{Instant, SystemTime};

use crate::time::Timestamp;

/// Tells every thread the same time.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    origin: Instant,
    epoch: Timestamp,
}

impl RunClock {
    #[allow(clippy::disallowed_methods, reason = "the driver is a shell: here the clock is read")]
    pub fn start() -> Self {
        Self { origin: Instant::now(), epoch: Timestamp::from(SystemTime::now()) }
    }

    #[allow(clippy::disallowed_methods, reason = "the driver is a shell: here the clock is read")]
    pub fn now(&self) -> Timestamp {
        Timestamp::EPOCH + Instant::now().saturating_duration_since(self.origin)
    }

    /// The time of day at [`Timestamp::EPOCH`].
    pub const fn epoch(&self) -> Timestamp {
        self.epoch
    }
}
