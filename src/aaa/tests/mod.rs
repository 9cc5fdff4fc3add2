//! Decisions as the specification tells them, on a small network and a clock of the test's own.

mod accounting;
mod addresses;
mod change;
mod events;
mod families;
mod objects;
mod policy;
mod recovery;
mod reload;
mod subnets;
mod threads;
mod world;

use std::net::Ipv4Addr;

use world::{Answer, World};

use super::*;
use crate::network::NetworkState::{Active, Detached, Idle, Unknown};

#[test]
fn a_session_from_attach_to_stop() {
    let mut world = World::new();
    assert_eq!(world.network_state("till"), Detached);

    let accept = world.access("till").accepted();
    assert_eq!(accept.ip(), Some(Ipv4Addr::new(100, 64, 0, 2)));
    assert_eq!(world.network_state("till"), Idle);

    world.start("till", "S1");
    assert_eq!(world.network_state("till"), Active);
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);

    world.later(60);
    world.stop("till", "S1");
    assert_eq!(world.network_state("till"), Idle);
    assert_eq!(world.sessions("till"), ["S1 stop 100.64.0.2"]);
}

#[test]
fn everyone_else_is_refused_with_a_reason() {
    let mut world = World::new();
    for (who, apn, reason) in [
        ("nobody", None, RejectReason::EndpointUnknown),
        ("pending", None, RejectReason::EndpointPending),
        ("suspended", None, RejectReason::EndpointSuspended),
        ("terminated", None, RejectReason::EndpointTerminated),
        ("drone", None, RejectReason::GroupInvalid),
        ("till", Some("else.iot"), RejectReason::ApnNotAllowed),
    ] {
        world.apn = apn;
        let before = world.records;
        assert_eq!(world.access(who), Answer::Reject(reason), "{who}");
        assert_eq!(world.records, before, "a refusal changes nothing");
    }
}

#[test]
fn an_accounting_report_of_a_refused_endpoint_is_noted_and_moves_nothing() {
    let mut world = World::new();
    let accounted = world.start("suspended", "S1");
    assert_eq!(accounted.refused, Some(RejectReason::EndpointSuspended));
    assert_eq!(world.notes.len(), 1);
    assert_eq!(world.notes[0].refused, Some(RejectReason::EndpointSuspended));
    assert_eq!(world.sessions("suspended"), [""; 0]);
    assert_eq!(world.network_state("suspended"), Detached);
    assert_eq!(world.network_state("pending"), Unknown);
}

#[test]
fn the_group_may_demand_credentials() {
    let mut world = World::new();
    world.proves = false;
    assert_eq!(world.access("camera"), Answer::Reject(RejectReason::BadCredentials));
    assert!(
        matches!(world.access("till"), Answer::Accept(_)),
        "a group without credentials asks for none"
    );
    world.proves = true;
    assert!(matches!(world.access("camera"), Answer::Accept(_)));
    world.unusable = true;
    assert_eq!(
        world.access("till"),
        Answer::Reject(RejectReason::BadCredentials),
        "EAP is not spoken here"
    );
}

#[test]
fn an_attach_gives_no_pooled_address_and_opens_nothing() {
    let mut world = World::new();
    world.attach_only = true;
    assert_eq!(world.access("sensor").accepted().ip(), None);
    assert_eq!(world.network_state("sensor"), Idle);
    assert_eq!(world.leased("pooled"), 0);
    assert_eq!(
        world.access("till").accepted().ip(),
        Some(Ipv4Addr::new(100, 64, 0, 2)),
        "a static address is the endpoint's"
    );
}

#[test]
fn what_is_sent_along_is_the_groups() {
    let mut world = World::new();
    let accept = world.access("till").accepted();
    assert_eq!((accept.session_timeout_s, accept.idle_timeout_s), (86_400, 0));
    assert!((570..=630).contains(&accept.interim_interval_s));
    assert_eq!(accept.dns, [Some(Ipv4Addr::new(9, 9, 9, 9)), None]);
    world.later(1);
    let again = world.access("till").accepted();
    assert_eq!(
        again.interim_interval_s, accept.interim_interval_s,
        "an endpoint's jitter is its own"
    );
    assert_ne!(again.class, accept.class, "each authorisation has its own Class");
}

#[test]
fn a_repeated_report_changes_nothing_and_is_recorded_again_for_its_own_reply() {
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "S1");
    let version = |world: &World| {
        world.aaa.look(world::iccid("till"), world.now, |entry, _| entry.state.version).unwrap()
    };
    let (before, records) = (version(&world), world.records);
    world.attach_only = true;
    world.access("till").accepted();
    world.start("till", "S1");
    assert_eq!(version(&world), before);
    assert_eq!(
        world.records,
        records + 2,
        "another worker may have the first record in a batch that is still its own"
    );
}

#[test]
fn the_state_counts_follow() {
    let mut world = World::new();
    let count = |world: &World, state| {
        world
            .aaa
            .stats()
            .network
            .into_iter()
            .find(|(own, _)| *own == state)
            .map_or(0, |(_, count)| count)
    };
    let all = i64::try_from(world.aaa.endpoints()).unwrap();
    world.access("till").accepted();
    world.start("till", "S1");
    assert_eq!(count(&world, Active), 1);
    world.stop("till", "S1");
    assert_eq!((count(&world, Active), count(&world, Idle)), (0, 1));
    let stats = world.aaa.stats();
    assert_eq!(stats.network.iter().map(|(_, count)| count).sum::<i64>(), all);
    assert_eq!(stats.provisioning.iter().map(|(_, count)| count).sum::<i64>(), all);
    assert_eq!(stats.vslices[0].sessions, 0);
}
