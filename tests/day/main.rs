//! A day of a thousand endpoints in seconds: the simulator against the server's own decision path,
//! with everything that goes wrong.
//!
//! All of it happens in one process, on one virtual clock, and follows from the seed. The server is
//! attachd's own, from the datagram to the octets of the journal and back; only sockets, threads,
//! clocks and the disk are played. `ATTACHD_DAY_SEED=7` plays that day instead of one that nobody
//! has seen, `ATTACHD_DAY_RUNS=100` so many days from there on, and `cargo test --test day --
//! --nocapture` tells of each.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers are tests too")]
#![allow(
    unreachable_pub,
    reason = "a test binary exports nothing; `pub` says what its other modules may use"
)]

mod audit;
mod course;
mod disk;
mod event_queue;
mod excuses;
mod fault_plan;
mod life;
mod machine;
mod mistake;
mod network;
mod operator;
mod usage;

use std::collections::BTreeSet;

use course::{Outcome, play};
use mistake::{Evidence, Mistake};
use rand::Rng as _;

/// The day that is played each time.
const KNOWN: u64 = 1;

/// An hour of few endpoints that are hardly ever quiet: what one of the trackers gives back, the
/// next takes as soon as it may.
const RUSH: &[(&str, &str)] = &[
    ("fleet.0.count", "60"),
    ("fleet.2.count", "60"),
    ("fleet.3.count", "20"),
    ("fleet.4.count", "3"),
    ("fleet.5.count", "2"),
    ("fleet.1.session_s", "{ min = 60, max = 900 }"),
    ("phase", "[{ name = \"rush\", kind = \"steady\", rate = 0.4, for_s = 3600 }]"),
];

#[test]
fn a_known_day_breaks_no_rule() {
    breaks_no_rule(KNOWN);
}

#[test]
fn a_random_day_breaks_no_rule() {
    let days = number("ATTACHD_DAY_RUNS").unwrap_or(1);
    let first =
        number("ATTACHD_DAY_SEED").unwrap_or_else(|| u64::from(rand::rng().random::<u32>()));
    (first..first + days).for_each(breaks_no_rule);
}

/// Whatever happened, the referee reports no violation, and at the end the server holds for
/// true what the endpoints do.
fn breaks_no_rule(seed: u64) {
    let outcome = play(seed, &[], None);
    println!("day: ATTACHD_DAY_SEED={seed}, digest {:016x}, {:?}", outcome.digest, outcome.count);
    let wrong = problems_of(&outcome);
    let again = format!("\nagain: ATTACHD_DAY_SEED={seed} cargo test --test day random");
    assert!(
        wrong.is_empty(),
        "{} breaches, the first of them\n{}{again}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    let count = outcome.count;
    assert!(
        count.compared.live > 200 && count.compared.unclear < 100,
        "that was no day: {count:?}{again}"
    );
    assert!(
        count.crashes > 10
            && count.torn_tails > 0
            && count.snapshots > 10
            && count.clock_steps > 2
            && count.wrong_starts > 4
            && count.suspensions > 0
            && count.edits > 10
            && count.metered > 10_000,
        "that was no day: {count:?}{again}"
    );
}

#[test]
fn the_same_seed_is_the_same_day() {
    let days = [3, 3, 4].map(|seed| play(seed, RUSH, None));
    for day in &days {
        assert_eq!(problems_of(day), [""; 0]);
    }
    assert_eq!(days[0].digest, days[1].digest);
    assert_ne!(days[0].digest, days[2].digest);
}

/// Else all this would prove nothing.
#[test]
fn every_mistake_of_a_server_is_found() {
    let mut missed = Vec::new();
    for (mistake, evidence) in Mistake::ALL {
        let outcome = play(3, RUSH, Some(*mistake));
        let is_found = match evidence {
            Evidence::Violation(rules) => {
                outcome.violations.iter().any(|violation| rules.contains(&violation.rule))
            }
            Evidence::Problem(words) => {
                outcome.problems.iter().any(|problem| problem.contains(words))
            }
        };
        if !is_found {
            let found: BTreeSet<&str> =
                outcome.violations.iter().map(|violation| violation.rule.id()).collect();
            let problem = outcome.problems.first();
            missed.push(format!("{mistake:?} broke only {found:?}, and {problem:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Everything that was wrong, a line each.
fn problems_of(outcome: &Outcome) -> Vec<String> {
    let violations = outcome.violations.iter().map(|violation| {
        let endpoint = violation.endpoint.as_deref().unwrap_or_default();
        format!("{:?} {} {endpoint} {}", violation.at, violation.rule.id(), violation.detail)
    });
    violations.chain(outcome.problems.iter().cloned()).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}
