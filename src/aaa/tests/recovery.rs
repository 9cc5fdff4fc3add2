//! A memory restored from its records is the memory that wrote them, whatever the order of
//! concurrent records (PROTOCOL 8).

use std::collections::HashMap;

use proptest::prelude::*;

use super::world::{Record, iccid, inventory};
use super::*;
use crate::provisioning::Inventory;
use crate::time::Timestamp;

/// One step of somebody's day.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0u8..7, 0u8..6, 0u8..3), 1..120)
}

const WHO: [&str; 6] = ["till", "till2", "sensor", "sensor2", "sensor3", "camera"];

fn walk(world: &mut World, steps: &[(u8, u8, u8)]) {
    for (what, who, session) in steps {
        let (who, session) = (WHO[usize::from(*who)], ["S1", "S2", "S3"][usize::from(*session)]);
        match what {
            0 | 1 => _ = world.access(who),
            2 => _ = world.start(who, session),
            3 => _ = world.interim(who, session),
            4 => _ = world.stop(who, session),
            5 => world.later(45),
            _ => world.housekeep(),
        }
        if what % 2 == 0 {
            world.commit();
        }
    }
}

proptest! {
    #[test]
    fn what_was_recorded_comes_back(steps in steps(), shuffle in any::<u64>()) {
        let mut world = World::new();
        walk(&mut world, &steps);
        world.commit();
        let restored = world.restored(shuffle);
        for who in WHO {
            let as_kept = |aaa: &Aaa| aaa.look(iccid(who), world.now, |entry, _| {
                let mut entry = entry.clone();
                // When it was last heard of is told by the next record; on its own it is not worth
                // one.
                entry.state.last_activity = Timestamp::EPOCH;
                entry.state.sessions.iter_mut().for_each(|session| session.heard = Timestamp::EPOCH);
                entry
            });
            prop_assert_eq!(as_kept(&restored), as_kept(&world.aaa), "{}", who);
        }
        let pools = |aaa: &Aaa| aaa.stats().vslices.iter().flat_map(|vslice| &vslice.pools).map(|pool| pool.counts.leased).collect::<Vec<_>>();
        prop_assert_eq!(pools(&restored), pools(&world.aaa));
        prop_assert_eq!(restored.stats().network, world.aaa.stats().network);
    }

    #[test]
    fn no_address_has_two_owners(steps in steps()) {
        let mut world = World::new();
        walk(&mut world, &steps);
        let mut owners = HashMap::new();
        world.aaa.for_each(|iccid, entry| {
            let held = entry.state.leases.iter().filter(|lease| !matches!(lease.phase, crate::network::LeasePhase::Released { .. }));
            for lease in held {
                let former = owners.insert((lease.vslice, lease.ip), iccid);
                assert_eq!(former, None, "{} in {:?}", lease.ip, lease.vslice);
            }
        });
    }
}

#[test]
fn a_session_is_kept_though_the_record_of_its_new_endpoint_was_still_on_its_way() {
    let mut world = World::new();
    let ip = world.access("till").accepted().ip();
    world.start("till", "S1");
    world
        .journal
        .retain(|record| !matches!(record, Record::Provisioned(who, ..) if *who == iccid("till")));
    let mut world = World { aaa: world.restored(0), ..world };
    assert_eq!(
        world.access("till"),
        Answer::Reject(RejectReason::EndpointPending),
        "until the inventory says what it is"
    );
    let (catalog, endpoints) = inventory();
    world.load(catalog, endpoints, &[]).unwrap();
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);
    assert_eq!(world.access("till").accepted().ip(), ip);
}

#[test]
fn a_late_record_does_not_bring_back_a_removed_endpoint() {
    let mut world = World::new();
    world.access("till").accepted();
    let late = world.journal.last().cloned().unwrap();
    let (catalog, mut endpoints) = inventory();
    endpoints.retain(|(who, _)| *who != iccid("till"));
    world.prune(Inventory { catalog, endpoints, ..Inventory::default() });
    world.journal.push(late);
    assert_eq!(world.restored(0).endpoints(), 10);
}

/// What the next snapshot says of a removed endpoint's hold does not depend on who is removed
/// meanwhile.
#[test]
fn the_hold_of_a_removed_endpoint_outlives_an_outage_and_other_removals() {
    let mut world = World::new();
    let without = |names: &[&str]| {
        let (catalog, mut endpoints) = inventory();
        endpoints.retain(|(who, _)| !names.iter().any(|name| *who == iccid(name)));
        Inventory { catalog, endpoints, ..Inventory::default() }
    };
    let leave = |world: &mut World, who: &str| {
        world.access(who).accepted();
        world.start(who, "S");
        world.stop(who, "S");
    };
    leave(&mut world, "sensor");
    world.prune(without(&["sensor"]));
    world.later(100_000);
    let mut world = World { aaa: world.restored_after_outage(), ..world };
    leave(&mut world, "till");
    world.prune(without(&["sensor", "till"]));
    let departed = |world: &World| {
        world.aaa.departed(world.now).iter().map(|left| left.iccid).collect::<Vec<_>>()
    };
    assert_eq!(departed(&world), ["sensor", "till"].map(iccid));
    world.later(61);
    assert_eq!(departed(&world), []);
}

/// A restart soon after a restart: what an outage before the last one has not counted, the last one
/// does not count either (PROTOCOL 8, 19).
#[test]
fn two_outages_in_a_row_end_neither_a_hold_nor_a_session() {
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "T1");
    world.access("sensor").accepted();
    world.start("sensor", "S1");
    world.stop("sensor", "S1");
    world.commit();
    world.later(100_000);
    let mut world = World { aaa: world.restored_after_outage(), ..world };
    world.later(10);
    // Something is recorded, so that the journal knows how long the server ran.
    world.access("till").accepted();
    world.later(8);
    let mut world = World { aaa: world.restored_after_outage(), ..world };
    world.housekeep();
    assert_eq!(world.sessions("till"), ["T1 open 100.64.0.2"]);
    world.later(49);
    assert_eq!(
        world.access("sensor2"),
        Answer::Reject(RejectReason::PoolExhausted),
        "of the hold the server has run for 59 s"
    );
    world.later(2);
    world.access("sensor2").accepted();
}

/// Nobody can be heard in an outage, and how long it was only a wall clock says, which may have
/// been set meanwhile (PROTOCOL 19).
#[test]
fn an_outage_ends_neither_a_hold_nor_a_promise_nor_a_session() {
    let mut world = World::new();
    world.access("till").accepted();
    world.start("till", "T1");
    world.access("sensor").accepted();
    world.start("sensor", "S1");
    world.stop("sensor", "S1");
    world.commit();
    world.later(100_000);
    let mut world = World { aaa: world.restored_after_outage(), ..world };
    world.housekeep();
    assert_eq!(world.sessions("till"), ["T1 open 100.64.0.2"]);
    world.later(59);
    assert_eq!(
        world.access("sensor2"),
        Answer::Reject(RejectReason::PoolExhausted),
        "the other's hold is not over"
    );
    world.later(2);
    let promised = world.access("sensor2").accepted().ip();
    world.commit();
    world.later(100_000);
    let mut world = World { aaa: world.restored_after_outage(), ..world };
    world.later(61);
    assert_eq!(
        world.access("sensor"),
        Answer::Reject(RejectReason::PoolExhausted),
        "{promised:?} is promised to the other"
    );
    world.later(60);
    world.housekeep();
    world.commit();
    world.later(60);
    assert_eq!(world.access("sensor").accepted().ip(), promised);
}
