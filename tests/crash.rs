//! Pulling the plug: the built program under traffic, killed at any instant, and held to what it
//! has acknowledged.
//!
//! `cargo test --test crash -- --nocapture` tells the result in one line.
//! `ATTACHD_CRASH_ROUNDS=1000` makes so many rounds instead of 50, `ATTACHD_CRASH_SEED=7` repeats
//! the traffic and the instants of an earlier run as far as the machine's own timing lets it.

#![allow(clippy::disallowed_methods, reason = "it measures how long it took")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use support::fleet::Fleet;
use support::server::{Ended, Folder};

const ROUNDS: u64 = 50;

/// The longest life: some snapshots are written in it, and the next may be half done.
const LONGEST_LIFE: Duration = Duration::from_millis(400);

/// One in so many lives ends in order.
const ORDERLY: u32 = 10;

#[test]
fn whatever_was_acknowledged_is_there_after_a_crash() {
    let rounds = number("ATTACHD_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("ATTACHD_CRASH_SEED").unwrap_or_else(|| rand::rng().random());
    println!("crash: {rounds} rounds with ATTACHD_CRASH_SEED={seed}");
    let began = Instant::now();
    let (mut fleet, folder) = Fleet::new(seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut count = Count::default();
    for _ in 0..rounds {
        let server = folder.serve();
        assert_eq!(server.get("/readyz").0, 200);
        fleet.check(&server);
        count.repeated += fleet.repeat_unanswered(&server);
        let life = random.random_range(Duration::ZERO..LONGEST_LIFE);
        let is_orderly = random.random_ratio(1, ORDERLY);
        fleet.busy_while(&server, || {
            thread::sleep(life);
            server.signal(if is_orderly { "TERM" } else { "KILL" });
        });
        count.life(&server.ended(), is_orderly);
        count.halves_of_snapshots += usize::from(has_half_a_snapshot(&folder));
    }
    let server = folder.serve();
    fleet.check(&server);
    count.repeated += fleet.repeat_unanswered(&server);
    fleet.check(&server);
    println!(
        "crash: {rounds} rounds in {:.0} s, seed {seed}: {} requests acknowledged, none lost; {count:?}",
        began.elapsed().as_secs_f64(),
        fleet.acknowledged(),
    );
}

/// What the lives were like.
#[derive(Debug, Default)]
struct Count {
    /// Requests that nobody had answered when the server ended.
    repeated: usize,
    snapshots: usize,
    halves_of_snapshots: usize,
    torn_tails: usize,
    orderly: usize,
}

impl Count {
    fn life(&mut self, ended: &Ended, is_orderly: bool) {
        for word in ["panicked", "lost for good", "claimed by two", "ERROR"] {
            assert!(!ended.stderr.contains(word), "{}", ended.stderr);
        }
        assert_eq!(ended.status.success(), is_orderly, "{}", ended.stderr);
        self.snapshots += ended.stderr.matches("snapshot written").count();
        self.torn_tails += ended.stderr.matches("a torn tail").count();
        self.orderly += usize::from(is_orderly);
    }
}

/// Killed while it wrote one.
fn has_half_a_snapshot(folder: &Folder) -> bool {
    folder
        .files("attachd-data")
        .iter()
        .any(|name| name.starts_with("snapshot-") && name.contains(".tmp"))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}
