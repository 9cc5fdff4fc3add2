//! The faults of a day, planned beforehand from the seed.

use std::time::Duration;

use attachd::simulator::random::RandomStream;
use attachd::time::Timestamp;

/// Something that goes wrong, or is done by somebody.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The power fails; after this time the server starts again.
    Crash(CrashPoint, Duration),
    /// The server is stopped in order.
    Stop(Duration),
    DiskFull(Duration),
    /// Other subnets come into force.
    Reload,
    /// Some endpoints move to a group in another VSlice, and some of them back.
    Move,
    /// Some SIMs are replaced: rows of the inventory get other ICCIDs.
    ReplaceSims,
    /// Gateways are renamed and split in the configuration.
    EditGateways,
    /// The operator suspends some endpoints, sessions or not, and resumes them after this.
    Suspend(Duration),
    /// Nothing passes to or from one of the server's addresses.
    PathDown(usize, Duration),
    /// The machine's clock is set to so many seconds before or after the right time, and back after
    /// this.
    ClockStep(i64, Duration),
}

/// At which point of the work the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
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
/// Each point has its turn, however short the day.
const POINTS: usize = 5;
const STOPS: usize = 4;
const DISKS: usize = 3;
const RELOADS: usize = 6;
const MOVES: usize = 6;
const REPLACEMENTS: usize = 5;
const GATEWAY_EDITS: usize = 6;
const SUSPENSIONS: usize = 4;
const PATHS: usize = 6;
const CLOCKS: usize = 6;

/// How often the clock is wrong when the server starts, and it is started again soon.
const WRONG_STARTS: usize = 4;

/// In a short day one for each direction.
const DIRECTIONS: usize = 2;

/// How far it is then, seconds: longer than any session is unheard.
const LONGEST_WRONG_START_S: f64 = 36_000.0;

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

/// All faults of a day of this length against a server with so many addresses.
pub fn faults(
    length: Duration,
    addresses: usize,
    random: &mut RandomStream,
) -> Vec<(Timestamp, Fault)> {
    let share = length.as_secs_f64() / 86_400.0;
    let mut faults = Vec::new();
    let mut add = |often: usize,
                   random: &mut RandomStream,
                   fault: &dyn Fn(usize, &mut RandomStream) -> Fault| {
        let least = if often == CRASHES { POINTS } else { 1 };
        for number in 0..((often as f64 * share) as usize).max(least) {
            // The end of the day is quiet, so that it can be looked at.
            let at = Timestamp::EPOCH + length.mul_f64(0.02 + 0.95 * random.unit());
            faults.push((at, fault(number, random)));
        }
    };
    add(CRASHES, random, &|number, random| {
        Fault::Crash(crash_point(number, random), outage(random))
    });
    add(STOPS, random, &|_, random| Fault::Stop(outage(random)));
    add(DISKS, random, &|_, random| Fault::DiskFull(outage(random)));
    add(RELOADS, random, &|_, _| Fault::Reload);
    add(MOVES, random, &|_, _| Fault::Move);
    add(REPLACEMENTS, random, &|_, _| Fault::ReplaceSims);
    add(GATEWAY_EDITS, random, &|_, _| Fault::EditGateways);
    add(PATHS, random, &|_, random| Fault::PathDown(random.below(addresses), outage(random)));
    add(CLOCKS, random, &|number, random| {
        let size = (LONGEST_STEP_S * random.unit()) as i64;
        let lasts = Duration::from_secs_f64(LONGEST_WRONG_S * random.unit());
        Fault::ClockStep(if number % 2 == 0 { size } else { -size }, lasts)
    });
    add(SUSPENSIONS, random, &|_, random| {
        Fault::Suspend(Duration::from_secs_f64(LONGEST_SUSPENSION_S * random.unit()))
    });
    for number in 0..((WRONG_STARTS as f64 * share) as usize).max(DIRECTIONS) {
        let at = Timestamp::EPOCH + length.mul_f64(0.02 + 0.9 * random.unit());
        faults.extend(wrong_start(at, number % DIRECTIONS == 0, random));
    }
    again(&mut faults, random);
    faults.sort_by_key(|(at, _)| *at);
    faults
}

/// The clock is set while the server is down; and soon after it is up, it is started once more.
fn wrong_start(
    at: Timestamp,
    is_ahead: bool,
    random: &mut RandomStream,
) -> [(Timestamp, Fault); 3] {
    let size = (LONGEST_WRONG_START_S * (0.3 + 0.7 * random.unit())) as i64;
    let by_s = if is_ahead { size } else { -size };
    let lasts = Duration::from_secs_f64(120.0 + LONGEST_WRONG_S * random.unit());
    let shortest = Duration::from_secs_f64(SHORTEST_OUTAGE);
    let runs = Duration::from_secs_f64(2.0 + 18.0 * random.unit());
    [
        (at, Fault::Crash(CrashPoint::Now, shortest)),
        (at + Duration::from_secs(1), Fault::ClockStep(by_s, lasts)),
        (at + shortest + runs, Fault::Crash(CrashPoint::Now, shortest)),
    ]
}

/// The clocks of the gateways, as the scenario has them. One is right, one is off by what clocks
/// differ, one by days, perhaps more than a week; and one is set now and then.
pub fn gateway_clocks(random: &mut RandomStream) -> String {
    let mut around = |most_s: f64| (most_s * (2.0 * random.unit() - 1.0)) as i64;
    let mut clocks = vec![("pgw-1", 0, around(290.0)), ("visited", 0, around(10.0 * 86_400.0))];
    clocks.extend((1..=6).map(|number| {
        let size = if number % 2 == 0 { 600.0 } else { 7200.0 };
        ("pgw-3", number * number * 1600, around(size))
    }));
    let set = clocks.iter().map(|(gateway, at_s, ahead_s)| {
        format!("{{ gateway = \"{gateway}\", at_s = {at_s}, ahead_s = {ahead_s} }}")
    });
    format!("[{}]", set.collect::<Vec<_>>().join(", "))
}

/// Some servers fall again as soon as everybody is coming back, or while the disk is full.
fn again(faults: &mut Vec<(Timestamp, Fault)>, random: &mut RandomStream) {
    let mut second = Vec::new();
    for (at, fault) in &*faults {
        let soon = Duration::from_secs_f64(20.0 * random.unit());
        match fault {
            Fault::Crash(_, back) if random.happens(0.25) => {
                second.push((
                    *at + *back + soon,
                    Fault::Crash(crash_point(1, random), outage(random)),
                ));
            }
            Fault::DiskFull(lasts) if random.happens(0.5) => {
                second.push((
                    *at + lasts.mul_f64(0.5),
                    Fault::Crash(CrashPoint::Now, Duration::from_secs(8)),
                ));
            }
            _ => {}
        }
    }
    faults.append(&mut second);
}

fn crash_point(number: usize, random: &mut RandomStream) -> CrashPoint {
    match number % POINTS {
        0 => CrashPoint::Now,
        1 => CrashPoint::Writing(random.below(800)),
        2 => CrashPoint::Writing(usize::MAX),
        3 => CrashPoint::Synced,
        _ => CrashPoint::Copying,
    }
}

fn outage(random: &mut RandomStream) -> Duration {
    Duration::from_secs_f64(
        (LONGEST_OUTAGE - SHORTEST_OUTAGE).mul_add(random.unit(), SHORTEST_OUTAGE),
    )
}
