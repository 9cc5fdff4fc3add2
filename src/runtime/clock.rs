//! The clocks, read once per batch: the only place of the shell that does.

use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::time::{ClockLine, ClockStep, SteadyClock, Timestamp};

/// A point in time on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What people call it; follows the wall clock, and never steps (PROTOCOL 19).
    pub wall: Timestamp,
    /// Since the process began; never jumps.
    pub running: Duration,
}

/// What tells the time to all threads.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    /// Replaced by [`Self::observe`]; to read it takes no lock.
    line: ArcSwap<ClockLine>,
    steady: Mutex<SteadyClock>,
}

impl Clock {
    /// A clock that begins at the wall clock.
    #[expect(clippy::disallowed_methods, reason = "this is where the shell reads the clocks")]
    pub fn start() -> Self {
        let (steady, _) =
            SteadyClock::begin(Duration::ZERO, SystemTime::now().into(), Timestamp::EPOCH);
        Self {
            start: Instant::now(),
            line: ArcSwap::from_pointee(steady.line()),
            steady: Mutex::new(steady),
        }
    }

    pub fn now(&self) -> Now {
        let line = self.line.load();
        let running = self.start.elapsed();
        Now { wall: line.at(running), running }
    }

    /// Begins anew behind `newest`, the last time that the journal knows: before service, so that
    /// no time is given twice. Says whether the wall clock was set back since then.
    pub fn begin_after(&self, newest: Timestamp) -> Option<ClockStep> {
        let mut steady = self.steady.lock();
        let (running, wall) = self.read();
        let (begun, step) = SteadyClock::begin(running, wall, newest);
        *steady = begun;
        self.line.store(steady.line().into());
        step
    }

    /// Compares the clocks; to be called several times a second. Says whether the wall clock has
    /// stepped.
    pub fn observe(&self) -> Option<ClockStep> {
        let mut steady = self.steady.lock();
        let (running, wall) = self.read();
        let step = steady.observe(running, wall);
        self.line.store(steady.line().into());
        step
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the shell reads the clocks")]
    fn read(&self) -> (Duration, Timestamp) {
        (self.start.elapsed(), SystemTime::now().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_behind_the_journal_and_never_back() {
        let clock = Clock::start();
        let newest = clock.now().wall + Duration::from_secs(3600);
        assert!(clock.begin_after(newest).is_some_and(|step| step.by_us < 0));
        let mut before = clock.now();
        assert!(before.wall >= newest);
        for _ in 0..1000 {
            assert_eq!(clock.observe(), None);
            let now = clock.now();
            assert!(now.wall >= before.wall && now.running >= before.running);
            before = now;
        }
    }
}
