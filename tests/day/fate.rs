//! What befalls the server and the network in a day, decided beforehand by the seed.

use std::time::Duration;

use attachd::simulator::random::RandomStream;
use attachd::time::Timestamp;

/// Something that goes wrong, or is done by somebody.
#[derive(Clone, Copy, Debug)]
pub enum Blow {
    /// The power fails; after this time the server starts again.
    Crash(Instant, Duration),
    /// The server is stopped in order.
    Stop(Duration),
    DiskFull(Duration),
    Reload,
    /// The operator suspends some endpoints, sessions or not, and resumes them after this.
    Suspend(Duration),
    /// Nothing passes to or from one of the server's addresses.
    PathDown(usize, Duration),
    /// The machine's clock is set to so many seconds before or after the right time, and back after
    /// this.
    ClockStep(i64, Duration),
}

/// At which instant the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// At any.
    Now,
    /// While the journal writes, after so many octets; or, with more octets than there are, while
    /// it syncs.
    Writing(usize),
    /// After a sync, before anybody has the replies.
    Synced,
    /// While a snapshot is being written.
    Copying,
}

/// How often in 24 hours.
const CRASHES: usize = 20;
/// Each instant has its turn, however short the day.
const INSTANTS: usize = 5;
const STOPS: usize = 4;
const DISKS: usize = 3;
const RELOADS: usize = 6;
const SUSPENSIONS: usize = 4;
const PATHS: usize = 6;
const CLOCKS: usize = 6;

/// The longest step of a clock, seconds, and how long it takes until somebody sets it right.
const LONGEST_STEP_S: f64 = 7200.0;
const LONGEST_WRONG_S: f64 = 3600.0;

/// The longest suspension, seconds. What the suspended reported for the last time before it is at
/// most an interim interval old.
const LONGEST_SUSPENSION_S: f64 = 3600.0;

/// A server that is away for less could meet datagrams from before; one that is away for more is a
/// matter for people.
const SHORTEST_OUTAGE: f64 = 8.0;
const LONGEST_OUTAGE: f64 = 120.0;

/// All blows of a day of this length against a server with so many addresses.
pub fn blows(
    length: Duration,
    addresses: usize,
    random: &mut RandomStream,
) -> Vec<(Timestamp, Blow)> {
    let share = length.as_secs_f64() / 86_400.0;
    let mut blows = Vec::new();
    let mut add = |often: usize,
                   random: &mut RandomStream,
                   blow: &dyn Fn(usize, &mut RandomStream) -> Blow| {
        let least = if often == CRASHES { INSTANTS } else { 1 };
        for number in 0..((often as f64 * share) as usize).max(least) {
            // The end of the day is quiet, so that it can be looked at.
            let at = Timestamp::EPOCH + length.mul_f64(0.02 + 0.95 * random.unit());
            blows.push((at, blow(number, random)));
        }
    };
    add(CRASHES, random, &|number, random| Blow::Crash(instant(number, random), outage(random)));
    add(STOPS, random, &|_, random| Blow::Stop(outage(random)));
    add(DISKS, random, &|_, random| Blow::DiskFull(outage(random)));
    add(RELOADS, random, &|_, _| Blow::Reload);
    add(PATHS, random, &|_, random| Blow::PathDown(random.below(addresses), outage(random)));
    add(CLOCKS, random, &|number, random| {
        let size = (LONGEST_STEP_S * random.unit()) as i64;
        let lasts = Duration::from_secs_f64(LONGEST_WRONG_S * random.unit());
        Blow::ClockStep(if number % 2 == 0 { size } else { -size }, lasts)
    });
    add(SUSPENSIONS, random, &|_, random| {
        Blow::Suspend(Duration::from_secs_f64(LONGEST_SUSPENSION_S * random.unit()))
    });
    again(&mut blows, random);
    blows.sort_by_key(|(at, _)| *at);
    blows
}

/// Some servers fall again as soon as everybody is coming back, or while the disk is full.
fn again(blows: &mut Vec<(Timestamp, Blow)>, random: &mut RandomStream) {
    let mut second = Vec::new();
    for (at, blow) in &*blows {
        let soon = Duration::from_secs_f64(20.0 * random.unit());
        match blow {
            Blow::Crash(_, back) if random.happens(0.25) => {
                second.push((*at + *back + soon, Blow::Crash(instant(1, random), outage(random))));
            }
            Blow::DiskFull(lasts) if random.happens(0.5) => {
                second.push((
                    *at + lasts.mul_f64(0.5),
                    Blow::Crash(Instant::Now, Duration::from_secs(8)),
                ));
            }
            _ => {}
        }
    }
    blows.append(&mut second);
}

fn instant(number: usize, random: &mut RandomStream) -> Instant {
    match number % INSTANTS {
        0 => Instant::Now,
        1 => Instant::Writing(random.below(800)),
        2 => Instant::Writing(usize::MAX),
        3 => Instant::Synced,
        _ => Instant::Copying,
    }
}

fn outage(random: &mut RandomStream) -> Duration {
    Duration::from_secs_f64(
        (LONGEST_OUTAGE - SHORTEST_OUTAGE).mul_add(random.unit(), SHORTEST_OUTAGE),
    )
}
