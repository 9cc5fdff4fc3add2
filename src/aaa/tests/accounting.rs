//! What reports and time do to sessions (PROTOCOL 5 and 6).

use super::*;

#[test]
fn a_lost_start_is_made_good_by_an_interim() {
    let mut world = World::new();
    world.interim("till", "S1");
    assert_eq!(world.network_state("till"), Active);
    assert_eq!(world.sessions("till"), ["S1 open -"]);
}

#[test]
fn a_new_session_of_the_same_apn_supersedes_the_old_one() {
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "S1");
    world.later(5);
    world.start("till", "S2");
    assert_eq!(world.sessions("till"), ["S1 superseded 100.64.0.2", "S2 open 100.64.0.2"]);
    assert_eq!(world.network_state("till"), Active);
}

#[test]
fn an_attach_and_a_detach_without_session() {
    let mut world = World::new();
    world.account(AccountingKind::Attach, "till", "");
    assert_eq!(world.network_state("till"), Idle);
    world.start("till", "S1");
    world.later(1);
    world.account(AccountingKind::Detach, "till", "");
    assert_eq!(world.network_state("till"), Detached);
    assert_eq!(world.sessions("till"), ["S1 detach -"]);
}

#[test]
fn a_gateway_restart_ends_its_sessions_and_no_others() {
    let mut world = World::new();
    world.apn = Some("festival.iot");
    world.start("till", "S1");
    world.start("till2", "S2");
    world.nas = 2;
    world.start("till3", "S3");
    world.nas = 1;
    world.later(10);
    world.apn = Some("else.iot");
    world.account(AccountingKind::GatewayRestart, "till", "");
    assert_eq!(world.sessions("till"), ["S1 open -"], "another APN");
    world.apn = None;
    world.account(AccountingKind::GatewayRestart, "till", "");
    assert_eq!(world.sessions("till"), ["S1 gateway-restart -"], "seen at once");
    world.later(1);
    world.start("till", "S4");
    world.housekeep();
    assert_eq!(world.sessions("till"), ["S1 gateway-restart -", "S4 open -"]);
    assert_eq!(world.sessions("till2"), ["S2 gateway-restart -"]);
    assert_eq!(world.sessions("till3"), ["S3 open -"], "another gateway");
}

#[test]
fn silence_ends_sessions_and_then_the_attachment() {
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "S1");
    world.later(3599);
    assert_eq!(world.network_state("till"), Active);
    world.interim("till", "S1");
    world.later(3599);
    world.housekeep();
    assert_eq!(world.network_state("till"), Active);
    world.later(2);
    world.housekeep();
    assert_eq!(world.network_state("till"), Idle);
    assert_eq!(world.sessions("till"), ["S1 stale 100.64.0.2"]);
    world.later(172_800);
    assert_eq!(world.network_state("till"), Detached);
    assert_eq!(world.sessions("till"), [""; 0], "the tombstone is gone");
}

#[test]
fn repetitions_are_answered_and_change_nothing() {
    let mut world = World::new();
    world.octets = Some(1000);
    world.start("till", "S1");
    world.interim("till", "S1");
    world.octets = Some(10);
    let lowered = world.interim("till", "S1");
    assert!(lowered.counters_lowered);
    world.stop("till", "S1");
    let told = world.sessions("till");
    assert!(world.stop("till", "S1").duplicate);
    assert_eq!(world.sessions("till"), told);
}

#[test]
fn what_is_open_is_told_to_its_end_though_its_group_is_disabled() {
    let mut world = World::new();
    world.start("till", "S1");
    let (mut catalog, endpoints) = world::inventory();
    let (id, tills) =
        catalog.group_by_moniker("tills").map(|(id, group)| (id, group.clone())).unwrap();
    assert_eq!(catalog.put_group(crate::provisioning::Group { enabled: false, ..tills }), id);
    world.load(catalog, endpoints, &[]).unwrap();
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::GroupInvalid));
    assert_eq!(world.start("till", "S2").refused, Some(RejectReason::GroupInvalid));
    assert_eq!(world.stop("till", "S1").refused, None);
    assert_eq!(world.sessions("till"), ["S1 stop -"]);
}
