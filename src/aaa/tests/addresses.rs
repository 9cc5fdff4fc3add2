//! Who gets which address, for how long, and who after that (PROTOCOL 7).

use super::*;
use crate::network::LeasePhase;

fn ip(text: &str) -> Option<Ipv4Addr> {
    text.parse().ok()
}

#[test]
fn asking_again_gives_the_same_address() {
    let mut world = World::new();
    for who in ["till", "sensor"] {
        let first = world.access(who).accepted().ip();
        assert_eq!(world.access(who).accepted().ip(), first);
    }
    assert_eq!((world.leased("static"), world.leased("pooled")), (1, 1));
}

#[test]
fn a_static_address_outlives_the_session() {
    let mut world = World::new();
    let first = world.access("till").accepted().ip();
    world.start("till", "S1");
    world.stop("till", "S1");
    world.commit();
    world.later(1_000_000);
    world.access("till2").accepted();
    assert_eq!(world.access("till").accepted().ip(), first);
}

#[test]
fn vslices_have_the_same_addresses_and_know_nothing_of_it() {
    let mut world = World::new();
    assert_eq!(world.access("till").accepted().ip(), ip("100.64.0.2"));
    assert_eq!(world.access("camera").accepted().ip(), ip("100.64.0.2"));
}

#[test]
fn a_pooled_address_is_free_after_its_hold_and_its_record() {
    let mut world = World::new();
    assert_eq!(world.access("sensor").accepted().ip(), ip("100.64.1.2"));
    world.start("sensor", "S1");
    assert_eq!(world.access("sensor2"), Answer::Reject(RejectReason::PoolExhausted));
    world.stop("sensor", "S1");
    world.later(3600);
    assert_eq!(
        world.access("sensor2"),
        Answer::Reject(RejectReason::PoolExhausted),
        "the release is not durable yet"
    );
    world.commit();
    // The hold counts from the release, so it has passed by now.
    assert_eq!(world.access("sensor2").accepted().ip(), ip("100.64.1.2"));
}

#[test]
fn within_the_hold_only_its_former_owner_may_have_it() {
    let mut world = World::new();
    for is_durable in [false, true] {
        world.access("sensor").accepted();
        world.start("sensor", "S1");
        world.stop("sensor", "S1");
        if is_durable {
            world.commit();
        }
        world.later(30);
        assert_eq!(world.access("sensor2"), Answer::Reject(RejectReason::PoolExhausted));
        assert_eq!(
            world.access("sensor").accepted().ip(),
            ip("100.64.1.2"),
            "durable: {is_durable}"
        );
        world.commit();
        assert_eq!(world.leased("pooled"), 1, "a late release does not take it away");
        world.later(1);
    }
}

#[test]
fn an_authorisation_without_start_lapses() {
    let mut world = World::new();
    world.access("sensor").accepted();
    world.later(119);
    world.housekeep();
    world.commit();
    assert_eq!(world.leased("pooled"), 1);
    world.later(2);
    world.housekeep();
    world.commit();
    assert_eq!(world.leased("pooled"), 0);
    assert_eq!(
        world.access("sensor2"),
        Answer::Reject(RejectReason::PoolExhausted),
        "the hold follows"
    );
    world.later(61);
    world.access("sensor2").accepted();
}

#[test]
fn the_gateway_is_right_about_what_is_in_use() {
    let mut world = World::new();
    world.access("till").accepted();
    world.ip = ip("100.64.0.5");
    let accounted = world.start("till", "S1");
    assert!(!accounted.address_conflict);
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.5"]);
    world.ip = None;
    assert_eq!(
        world.access("till").accepted().ip(),
        ip("100.64.0.5"),
        "it is the endpoint's address now"
    );
    world.commit();
    assert_eq!(world.leased("static"), 1, "the other one was given back");
}

#[test]
fn an_address_of_another_is_a_conflict_and_both_stay_visible() {
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "S1");
    world.access("till2").accepted();
    for (session, reported) in
        [("taken", "100.64.0.2"), ("reserved", "100.64.0.1"), ("outside", "192.0.2.1")]
    {
        world.ip = ip(reported);
        assert!(world.start("till2", session).address_conflict, "{reported}");
        let told = format!("{session} open {reported} conflict");
        assert_eq!(world.sessions("till2").last(), Some(&told));
        assert!(!world.interim("till2", session).address_conflict, "counted once");
    }
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);
    assert_eq!(world.aaa.stats().vslices[0].conflicts, 3);
}

#[test]
fn a_full_subnet_refuses_and_says_so() {
    let mut world = World::new();
    world.access("sensor").accepted();
    assert_eq!(world.access("sensor2"), Answer::Reject(RejectReason::PoolExhausted));
    assert_eq!(world.network_state("sensor2"), Detached, "a refused endpoint does not attach");
    let vslice = &world.aaa.stats().vslices[0];
    assert_eq!((vslice.allocations, vslice.failures), (1, 1));
}

#[test]
fn a_start_within_the_hold_takes_the_address_back() {
    let mut world = World::new();
    world.access("sensor").accepted();
    world.start("sensor", "S1");
    world.stop("sensor", "S1");
    world.commit();
    world.later(10);
    world.ip = ip("100.64.1.2");
    assert!(!world.start("sensor", "S2").address_conflict);
    let phases: Vec<LeasePhase> = world
        .aaa
        .look(world::iccid("sensor"), world.now, |entry, _| {
            entry.state.leases.iter().map(|lease| lease.phase).collect()
        })
        .unwrap();
    assert_eq!(phases, [LeasePhase::InUse]);
    assert_eq!(world.leased("pooled"), 1);
}

#[test]
fn a_quiet_pool_counts_its_free_addresses_too() {
    let mut world = World::new();
    world.access("sensor").accepted();
    world.start("sensor", "S1");
    world.stop("sensor", "S1");
    world.commit();
    let held = |world: &World| {
        world.aaa.stats().vslices[0].pools.iter().map(|pool| pool.counts.held).sum::<u64>()
    };
    assert_eq!(held(&world), 1);
    world.later(61);
    world.housekeep();
    assert_eq!(held(&world), 0);
}

#[test]
fn an_address_is_not_taken_back_from_whom_a_faster_clock_gave_it() {
    let mut world = World::new();
    world.access("sensor").accepted();
    world.start("sensor", "S1");
    world.stop("sensor", "S1");
    world.commit();
    let stopped = world.now;
    world.now = stopped + Duration::from_secs(60);
    let address = world.access("sensor2").accepted().ip();
    // The first sensor asks a worker that read its clock a moment earlier.
    world.now = stopped + Duration::from_micros(59_999_999);
    assert_eq!(
        world.access("sensor"),
        Answer::Reject(RejectReason::PoolExhausted),
        "{address:?} is the other's"
    );
}
