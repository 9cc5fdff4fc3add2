//! The clocks, read once per batch: the only place of the shell that does.

use std::time::{Duration, Instant, SystemTime};

use crate::time::Timestamp;

/// A point in time on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What people call it; may jump.
    pub wall: Timestamp,
    /// Since the process began; never jumps.
    pub running: Duration,
}

/// What tells the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is where the shell reads the clocks")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the shell reads the clocks")]
    pub fn now(self) -> Moment {
        Moment { wall: SystemTime::now().into(), running: self.start.elapsed() }
    }
}
