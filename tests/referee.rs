//! The referee must find every mistake of a server, and must not accuse a right one. No sockets, no
//! clock: the machines alone.
#![allow(clippy::unwrap_used, reason = "a test")]

mod responder;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attachd::exchange::SocketId;
use attachd::simulator::gateway::RequestKind;
use attachd::simulator::plan::RunPlan;
use attachd::simulator::random::RandomStream;
use attachd::simulator::referee::{AddressModel, Rule, Violation, compare};
use attachd::simulator::scenario::{SettingOverride, load};
use attachd::simulator::shard::Shard;
use attachd::time::Timestamp;
use responder::{Fault, Responder};

/// A datagram on the virtual network.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    due: Timestamp,
    order: u64,
    socket: SocketId,
    server: SocketAddr,
    to_server: bool,
    octets: Vec<u8>,
}

/// What a run showed.
struct Outcome {
    counts: BTreeMap<Rule, u64>,
    violations: Vec<Violation>,
    attaches: u64,
    asked: u64,
    unanswered: u64,
    rejects: BTreeMap<String, u64>,
    fingerprint: u64,
}

impl Outcome {
    /// The violations without their packets.
    fn shown(&self) -> Vec<String> {
        let show = |violation: &Violation| {
            let endpoint = violation.endpoint.as_deref().unwrap_or_default();
            format!("{:?} {} {endpoint} {}", violation.at, violation.rule.id(), violation.detail)
        };
        self.violations.iter().map(show).collect()
    }
}

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/simulate/referee.toml");

fn run(fault: Option<Fault>, changes: &[(&str, &str)]) -> Outcome {
    let changes: Vec<SettingOverride> = changes
        .iter()
        .map(|(key, value)| SettingOverride { key: (*key).into(), value: (*value).into() })
        .collect();
    let plan = Arc::new(
        RunPlan::new(&load(SCENARIO, &changes).unwrap(), Timestamp::from_secs(1_700_000_000), 1)
            .unwrap(),
    );
    let addresses = Arc::new(AddressModel::new(
        Duration::from_secs_f64(plan.expect.hold_s),
        Duration::from_secs_f64(plan.expect.stale_s),
    ));
    let mut shard = Shard::new(plan, addresses, 0);
    let mut server = Responder::new(b"testing123", fault);
    let mut network: BinaryHeap<Reverse<Letter>> = BinaryHeap::new();
    let (mut now, mut order, mut fingerprint) = (Timestamp::EPOCH, 0, 0u64);
    let mut random = RandomStream::stream(99, 0, 0);
    while !shard.is_over(now) {
        while network.peek().is_some_and(|Reverse(next)| next.due <= now)
            && let Some(Reverse(letter)) = network.pop()
        {
            if !letter.to_server {
                shard.receive(now, letter.socket, letter.server, &letter.octets);
                continue;
            }
            let gateway = SocketAddr::from((
                [192, 0, 2, 200 + letter.socket.client as u8],
                20_000 + letter.socket.port,
            ));
            for sent in server.handle(now, gateway, letter.server, &letter.octets) {
                order += 1;
                let due = now + sent.after + Duration::from_micros(500 + random.below(1000) as u64);
                network.push(Reverse(Letter {
                    due,
                    order,
                    socket: letter.socket,
                    server: sent.from,
                    to_server: false,
                    octets: sent.octets,
                }));
            }
        }
        shard.poll(now);
        for dispatch in shard.outbound().iter() {
            order += 1;
            fingerprint = dispatch
                .octets
                .iter()
                .fold(fingerprint, |sum, octet| sum.rotate_left(5) ^ u64::from(*octet));
            let due = now + Duration::from_micros(500 + random.below(1000) as u64);
            network.push(Reverse(Letter {
                due,
                order,
                socket: dispatch.socket,
                server: dispatch.to,
                to_server: true,
                octets: dispatch.octets.to_vec(),
            }));
        }
        shard.outbound().clear();
        let next = network.peek().map(|Reverse(next)| next.due);
        now = shard.next_deadline().into_iter().chain(next).min().map_or(now, |next| next.max(now));
    }
    for (iccid, expected) in shard.expected_states() {
        // Fixture patterns: the IMSI ends in the same three digits, which stand before the ICCID's
        // check digit.
        let imsi = [b"234501000000", &iccid.as_bytes()[iccid.len() - 4..iccid.len() - 1]].concat();
        for (rule, detail) in compare(&expected, &server.view(&imsi)) {
            shard.referee_mut().report(Violation {
                rule,
                at: now,
                endpoint: Some(iccid.clone()),
                detail,
                packets: Vec::new(),
            });
        }
    }
    let counters = shard.counters();
    let all = counters.sum(RequestKind::ALL);
    Outcome {
        counts: shard.referee().counts().clone(),
        violations: shard.referee().violations().to_vec(),
        attaches: counters.attaches,
        asked: all.asked,
        unanswered: all.unanswered,
        rejects: counters.rejects.clone(),
        fingerprint,
    }
}

#[test]
fn a_right_server_passes() {
    let outcome = run(None, &[]);
    assert_eq!(outcome.shown(), [""; 0]);
    assert!(outcome.attaches > 300, "{}", outcome.attaches);
    assert!(outcome.rejects["endpoint-suspended"] > 20, "{:?}", outcome.rejects);
    assert_eq!(outcome.unanswered, 0);
}

#[test]
fn every_fault_is_found() {
    let mut missed = Vec::new();
    for (fault, rule) in Fault::ALL {
        // Only who asks again while its session lives can be given another address.
        let roams = [("habits.roaming", "0.3"), ("habits.roam", "no-stop")];
        let outcome =
            run(Some(*fault), if *fault == Fault::LiveAddressChanged { &roams } else { &[] });
        if !outcome.counts.contains_key(rule) {
            missed.push(format!("{fault:?} must break {}, broke {:?}", rule.id(), outcome.counts));
        }
        let shown = outcome.violations.iter().find(|violation| violation.rule == *rule);
        let in_view = matches!(
            rule,
            Rule::SessionLost | Rule::SessionLingers | Rule::SessionAddress | Rule::CountersLowered
        );
        if shown.is_some_and(|violation| violation.packets.is_empty() && !in_view) {
            missed.push(format!("{fault:?}: shown without packets"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Whatever the network and the endpoints do, a right server is not to blame.
#[test]
fn no_habit_makes_a_right_server_guilty() {
    for habits in [
        &[("habits.lost", "0.1"), ("habits.lost_replies", "0.1")][..],
        &[("habits.reordered", "0.2"), ("habits.duplicated", "0.2")],
        &[("habits.late", "0.05"), ("habits.late_by_s", "3")],
        &[("habits.corrupted", "0.1"), ("habits.wrong_secret", "0.1")],
        &[("habits.lost_stops", "0.3")],
        &[("habits.flapping", "0.5")],
        &[("habits.roaming", "0.6"), ("habits.roam", "start-first")],
        &[("habits.roaming", "0.6"), ("habits.roam", "no-stop")],
        &[("habits.roaming", "0.6"), ("habits.roam", "stop-then-start")],
        &[(
            "reboot",
            "[{ gateway = \"pgw-1\", at_s = 30, takes_s = 3 }, { gateway = \"pgw-2\", at_s = 60, takes_s = 3 }]",
        )],
        &[
            ("habits.lost_stops", "0.3"),
            (
                "reboot",
                "[{ gateway = \"pgw-1\", at_s = 30, takes_s = 3 }, { gateway = \"pgw-2\", at_s = 60, takes_s = 3 }]",
            ),
        ],
        &[(
            "reboot",
            "[{ gateway = \"pgw-1\", at_s = 30, takes_s = 3, planned = true }, { gateway = \"pgw-2\", at_s = 60, takes_s = 3, planned = true, announced = false }]",
        )],
        &[(
            "phase",
            "[{ name = \"a\", kind = \"storm\", share = 1.0, over_s = 2, for_s = 60 }, { name = \"b\", kind = \"storm\", share = 1.0, over_s = 0, for_s = 60 }, { name = \"c\", kind = \"drain\", for_s = 5 }]",
        )],
        &[(
            "phase",
            "[{ name = \"a\", kind = \"closed\", in_flight = 4, for_s = 20 }, { name = \"c\", kind = \"drain\", for_s = 5 }]",
        )],
    ] {
        let outcome = run(None, habits);
        assert_eq!(outcome.shown(), [""; 0], "{habits:?}");
        assert!(outcome.attaches > 100, "{habits:?}: {}", outcome.attaches);
    }
}

#[test]
fn the_same_seed_sends_the_same_octets() {
    let runs = ["1", "1", "2"].map(|seed| run(None, &[("seed", seed)]));
    assert_eq!((runs[0].fingerprint, runs[0].asked), (runs[1].fingerprint, runs[1].asked));
    assert_ne!(runs[0].fingerprint, runs[2].fingerprint);
}
