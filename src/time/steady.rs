//! The time of day that never steps: it runs with the monotonic clock and follows the wall clock
//! slowly (PROTOCOL 19).

use std::fmt;
use std::time::Duration;

use super::Timestamp;

/// So much faster or slower than the monotonic clock does it run while it follows: one part in a
/// hundred. A hold of a minute is then at most 0.6 s off, and an hour is made up for in four days.
/// A restart takes over the wall clock at once.
const SLOWNESS: u64 = 100;

/// Smaller differences lie between the two readings, not between the clocks.
const TOLERANCE_US: i64 = 1_000;

/// A wall clock that has moved by more than this against the monotonic one has stepped. Less is
/// what NTP corrects every day.
const STEP_US: i64 = 60_000_000;

/// A start believes a journal that is ahead of the wall clock up to this; one that is further ahead
/// was written under a wrong clock.
pub const BELIEVED_AHEAD: Duration = Duration::from_secs(86_400);

/// Turns readings of the monotonic and the wall clock into one time that runs evenly and never goes
/// back.
#[derive(Clone, Debug)]
pub struct SteadyClock {
    line: ClockLine,
    /// How far the wall clock is ahead because of steps that were told already, microseconds; what
    /// is followed is taken off.
    told_us: i64,
}

/// The time as a function of the monotonic clock, until the next observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLine {
    /// Where it begins, on the monotonic clock.
    from: Duration,
    /// The time there.
    time: Timestamp,
    /// What it gains, or loses, in the course of time, microseconds.
    gain_us: i64,
}

/// The wall clock has stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// Microseconds; negative: it was set back.
    pub by_us: i64,
    /// How far the wall clock is ahead of this time now; negative: behind.
    pub ahead_us: i64,
}

impl SteadyClock {
    /// Begins at the wall clock, or at `newest`, the last time that the journal knows, if that is
    /// later and believable.
    ///
    /// A wall clock that is far behind the journal has stepped back since.
    pub fn begin(
        running: Duration,
        wall: Timestamp,
        newest: Timestamp,
    ) -> (Self, Option<ClockStep>) {
        let time = if newest <= wall + BELIEVED_AHEAD { wall.max(newest) } else { wall };
        let mut steady = Self { line: ClockLine { from: running, time, gain_us: 0 }, told_us: 0 };
        let step_us = difference_us(wall, newest.max(wall));
        steady.observe(running, wall);
        steady.told_us = difference_us(wall, time);
        let step = ClockStep { by_us: step_us, ahead_us: difference_us(wall, time) };
        (steady, (step_us < -STEP_US).then_some(step))
    }

    /// Looks at both clocks, at best several times a second; says when the wall clock has stepped
    /// since the last look.
    pub fn observe(&mut self, running: Duration, wall: Timestamp) -> Option<ClockStep> {
        let time = self.line.at(running);
        let ahead_us = difference_us(wall, time);
        self.told_us = toward_zero(self.told_us, self.line.gained_us(running));
        let left_us = self.line.gain_us - self.line.gained_us(running);
        let gain_us = if (ahead_us - left_us).abs() > TOLERANCE_US { ahead_us } else { left_us };
        self.line = ClockLine { from: running, time, gain_us };
        let by_us = ahead_us - self.told_us;
        (by_us.abs() > STEP_US).then(|| {
            self.told_us = ahead_us;
            ClockStep { by_us, ahead_us }
        })
    }

    /// The time until the next observation.
    pub fn line(&self) -> ClockLine {
        self.line
    }
}

impl fmt::Display for ClockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |us: i64| Duration::from_secs(us.unsigned_abs() / 1_000_000);
        let direction = if self.by_us < 0 { "back" } else { "ahead" };
        write!(
            f,
            "the wall clock was set {direction} by {}",
            humantime::format_duration(seconds(self.by_us))
        )?;
        match self.ahead_us {
            ahead if ahead.abs() <= STEP_US => Ok(()),
            ahead => {
                let where_ = if ahead < 0 { "behind" } else { "ahead of" };
                let size = humantime::format_duration(seconds(ahead));
                write!(
                    f,
                    "; it is {size} {where_} the time in use, which follows slowly; a restart takes it over at once"
                )
            }
        }
    }
}

impl ClockLine {
    /// The time when the monotonic clock reads `running`.
    pub fn at(&self, running: Duration) -> Timestamp {
        let even = self.time + running.saturating_sub(self.from);
        match self.gained_us(running) {
            gained if gained >= 0 => even + Duration::from_micros(gained.unsigned_abs()),
            lost => even - Duration::from_micros(lost.unsigned_abs()),
        }
    }

    fn gained_us(&self, running: Duration) -> i64 {
        let most = running.saturating_sub(self.from).as_micros() as u64 / SLOWNESS;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.gain_us.clamp(-most, most)
    }
}

fn difference_us(one: Timestamp, other: Timestamp) -> i64 {
    let size = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    size(one.since(other)) - size(other.since(one))
}

/// `value`, less `part` as far as the two have one sign, and never beyond zero.
fn toward_zero(value: i64, part: i64) -> i64 {
    let rest = value - part;
    if value.signum() * part.signum() <= 0 {
        value
    } else if rest.signum() == value.signum() {
        rest
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);
    const SECOND: i64 = 1_000_000;
    const LOOK: Duration = Duration::from_millis(20);

    /// Both clocks, and the time that is made of them.
    struct Clocks {
        running: Duration,
        stepped_us: i64,
        steady: SteadyClock,
        steps: Vec<i64>,
    }

    impl Clocks {
        fn new() -> Self {
            let (steady, step) = SteadyClock::begin(Duration::ZERO, NOON, Timestamp::EPOCH);
            assert_eq!(step, None);
            Self { running: Duration::ZERO, stepped_us: 0, steady, steps: Vec::new() }
        }

        fn wall(&self) -> Timestamp {
            let even = NOON + self.running;
            let size = Duration::from_micros(self.stepped_us.unsigned_abs());
            if self.stepped_us < 0 { even - size } else { even + size }
        }

        fn now(&self) -> Timestamp {
            self.steady.line().at(self.running)
        }

        fn step(&mut self, seconds: i64) {
            self.stepped_us += seconds * SECOND;
        }

        fn pass(&mut self, time: Duration) {
            let end = self.running + time;
            while self.running < end {
                self.running = end.min(self.running + LOOK);
                let told = self.steady.observe(self.running, self.wall());
                self.steps.extend(told.map(|step| step.by_us / SECOND));
            }
        }

        /// How far the time is ahead of an even one, seconds.
        fn gained_s(&self) -> f64 {
            difference_us(self.now(), NOON + self.running) as f64 / 1e6
        }
    }

    #[test]
    fn without_steps_it_is_the_wall_clock() {
        let mut clocks = Clocks::new();
        clocks.pass(Duration::from_secs(60));
        assert_eq!(clocks.now(), clocks.wall());
        assert!(clocks.steps.is_empty());
    }

    type Case = (&'static str, &'static [(i64, u64)], &'static [i64], f64);

    /// Steps of the wall clock in seconds, each followed by a time; what is told, and how far the
    /// time has followed at the end.
    #[test]
    fn steps_are_told_and_followed_slowly() {
        let cases: [Case; 8] = [
            ("an hour back", &[(-3600, 100)], &[-3600], -1.0),
            ("an hour ahead", &[(3600, 100)], &[3600], 1.0),
            ("two hours ahead for two seconds", &[(7200, 2), (-7200, 100)], &[7200, -7200], 0.0),
            ("half a minute is no step", &[(30, 100)], &[], 1.0),
            ("half minutes that add up are one", &[(30, 10), (30, 10), (30, 10)], &[89], 0.3),
            ("a second, followed to its end", &[(1, 200)], &[], 1.0),
            ("back and back again", &[(-3600, 100), (-3600, 100)], &[-3600, -3600], -2.0),
            ("a step that is followed is told once", &[(90, 20_000)], &[90], 90.0),
        ];
        for (name, steps, told, gained_s) in cases {
            let mut clocks = Clocks::new();
            for (step_s, then_s) in steps {
                clocks.step(*step_s);
                clocks.pass(Duration::from_secs(*then_s));
            }
            assert_eq!(clocks.steps, told, "{name}");
            assert!((clocks.gained_s() - gained_s).abs() < 0.05, "{name}: {}", clocks.gained_s());
        }
    }

    #[test]
    fn a_start_begins_where_the_journal_ends_if_that_is_believable() {
        let hour = Duration::from_secs(3600);
        let cases = [
            ("a journal of before", NOON - hour, NOON, None),
            ("the clock was set back by an hour", NOON + hour, NOON + hour, Some((-3600, -3600))),
            ("by half a minute", NOON + hour / 120, NOON + hour / 120, None),
            (
                "a journal of the year after is not believed",
                NOON + hour * 8760,
                NOON,
                Some((-3600 * 8760, 0)),
            ),
        ];
        for (name, newest, begins, told) in cases {
            let (mut steady, step) = SteadyClock::begin(Duration::ZERO, NOON, newest);
            assert_eq!(steady.line().at(Duration::ZERO), begins, "{name}");
            assert_eq!(
                step.map(|step| (step.by_us / SECOND, step.ahead_us / SECOND)),
                told,
                "{name}"
            );
            assert_eq!(steady.observe(LOOK, NOON + LOOK), None, "{name}: told once");
        }
    }

    proptest! {
        /// Whatever the wall clock does, the time never goes back, and runs at the pace of the
        /// monotonic clock but for one part in a hundred.
        #[test]
        fn it_never_goes_back_and_never_runs_away(steps in prop::collection::vec((-10_000_000_000..10_000_000_000i64, 0..5_000u64), 0..100)) {
            let mut clocks = Clocks::new();
            let mut before = clocks.now();
            for (by_us, pause_ms) in steps {
                clocks.stepped_us += by_us;
                clocks.steady.observe(clocks.running, clocks.wall());
                prop_assert!(clocks.now() >= before);
                let pause = Duration::from_millis(pause_ms);
                let start = clocks.now();
                clocks.running += pause;
                let passed = clocks.now().since(start);
                prop_assert!(passed + pause / 100 + Duration::from_micros(1) >= pause);
                prop_assert!(passed <= pause + pause / 100 + Duration::from_micros(1));
                before = clocks.now();
            }
        }
    }
}
