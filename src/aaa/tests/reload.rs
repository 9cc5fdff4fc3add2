//! What a changed inventory does to what is running (PROTOCOL 6 and 10).

use super::world::{Record, iccid, inventory};
use super::*;
use crate::identity::GroupId;
use crate::provisioning::ProvisioningState::{Active as Usable, Pending, Suspended, Terminated};
use crate::provisioning::{Fingerprint, Inventory};

/// Loads the inventory again, with one endpoint changed.
fn reload(
    world: &mut World,
    who: &str,
    change: impl FnOnce(&mut Endpoint),
) -> Result<Adoption, Vec<Objection>> {
    let (catalog, mut endpoints) = inventory();
    let location_info = endpoints.iter_mut().find(|(own, _)| *own == iccid(who)).unwrap();
    change(&mut location_info.1);
    world.load(catalog, endpoints, &[])
}

fn attached(who: &str) -> World {
    let mut world = World::new();
    world.access(who).accepted();
    world.start(who, "S1");
    world.later(10);
    world
}

#[test]
fn the_same_files_change_nothing() {
    let mut world = attached("till");
    let (catalog, endpoints) = inventory();
    let adoption = world.load(catalog, endpoints, &[]).unwrap();
    assert_eq!((adoption.added, adoption.changed, adoption.unchanged), (0, 0, 11));
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);
}

/// What is read from the files has handles of its own.
#[test]
fn the_same_groups_in_another_order_change_nothing() {
    let mut world = attached("till");
    let (catalog, mut endpoints) = inventory();
    let mut turned = Catalog::default();
    catalog.vslices().for_each(|(_, vslice)| _ = turned.put_vslice(vslice.clone()));
    let groups: Vec<_> = catalog.groups().map(|(_, group)| group.clone()).collect();
    groups.iter().rev().for_each(|group| _ = turned.put_group(group.clone()));
    for (_, endpoint) in &mut endpoints {
        endpoint.rename_groups(|group| GroupId::new(groups.len() - 1 - group.index()));
    }
    let adoption = world.load(turned, endpoints, &[]).unwrap();
    assert_eq!((adoption.added, adoption.changed, adoption.unchanged), (0, 0, 11));
    let in_force = world.aaa.catalog();
    assert!(in_force.vslices().eq(catalog.vslices()) && in_force.groups().eq(catalog.groups()));
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);
}

#[test]
fn a_group_gone_from_the_files_is_kept_and_told_until_it_is_pruned() {
    let mut world = attached("till");
    let adoption = world.load(Catalog::default(), Vec::new(), &[]).unwrap();
    assert_eq!((adoption.kept.len(), adoption.gone.len()), (7, 11));
    assert!(
        adoption.kept[2].to_string().contains("group tills is gone from the file and kept"),
        "{}",
        adoption.kept[2]
    );
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);

    assert_eq!(world.prune(Inventory::default()).kept, []);
    assert_eq!(world.aaa.catalog().groups().count(), 0);
}

#[test]
fn a_suspended_endpoint_loses_its_sessions_and_keeps_its_address() {
    let mut world = attached("till");
    assert_eq!(reload(&mut world, "till", |till| till.state = Suspended).unwrap().changed, 1);
    assert_eq!(world.sessions("till"), ["S1 ending 100.64.0.2"]);
    assert_eq!(world.network_state("till"), Detached);
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::EndpointSuspended));
    world.later(100);
    world.commit();
    world.access("till2").accepted();
    reload(&mut world, "till", |_| {}).unwrap();
    assert_eq!(world.access("till").accepted().ip(), Some(Ipv4Addr::new(100, 64, 0, 2)));
}

#[test]
fn a_terminated_endpoint_gives_its_address_back_and_comes_back_only_when_reinstated() {
    let mut world = attached("till");
    reload(&mut world, "till", |till| till.state = Terminated).unwrap();
    world.commit();
    assert_eq!(world.leased("static"), 1, "its gateway still has the session");
    assert_eq!(world.stop("till", "S1").refused, None);
    world.commit();
    assert_eq!(world.leased("static"), 0);
    let objections = reload(&mut world, "till", |_| {}).unwrap_err();
    assert_eq!(objections.len(), 1);
    assert_eq!(
        world.access("till"),
        Answer::Reject(RejectReason::EndpointTerminated),
        "nothing has changed"
    );

    let (catalog, mut endpoints) = inventory();
    endpoints[0].1.state = Pending;
    world.load(catalog, endpoints, &[iccid("till")]).unwrap();
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::EndpointPending));
    reload(&mut world, "till", |_| {}).unwrap();
    world.access("till").accepted();
}

#[test]
fn out_of_its_group_an_endpoint_is_nowhere() {
    let mut world = attached("sensor");
    reload(&mut world, "sensor", |sensor| (sensor.state, sensor.group) = (Pending, None)).unwrap();
    assert_eq!(world.sessions("sensor"), ["S1 ending 100.64.1.2"]);
    assert_eq!(world.network_state("sensor"), Unknown);
    world.stop("sensor", "S1");
    assert_eq!(world.sessions("sensor"), ["S1 unassigned 100.64.1.2"]);
    world.commit();
    assert_eq!(world.leased("pooled"), 0);
}

#[test]
fn a_move_inside_the_vslice_keeps_session_and_address() {
    let mut world = attached("till");
    reload(&mut world, "till", |till| till.group = Some(GroupId::new(4))).unwrap();
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);
    assert_eq!(world.access("till").accepted().ip(), Some(Ipv4Addr::new(100, 64, 0, 2)));
    assert_eq!(world.network_state("till"), Active);
}

#[test]
fn a_move_into_another_vslice_ends_them() {
    let mut world = attached("till");
    world.access("till2").accepted();
    reload(&mut world, "till", |till| till.group = Some(GroupId::new(2))).unwrap();
    assert_eq!(world.sessions("till"), ["S1 ending 100.64.0.2"]);
    assert_eq!(world.network_state("till"), Detached);
    world.commit();
    assert_eq!(world.leased("static"), 2, "its gateway still has the session");
    world.stop("till", "S1");
    world.commit();
    assert_eq!(world.leased("static"), 1, "only the other till's is left in the old VSlice");
    assert_eq!(
        world.access("till").accepted().ip(),
        Some(Ipv4Addr::new(100, 64, 0, 2)),
        "and this one is the new VSlice's"
    );
}

#[test]
fn a_configured_address_is_set_aside_before_anyone_attaches() {
    let mut world = World::new();
    let configured = Ipv4Addr::new(100, 64, 0, 2);
    reload(&mut world, "till2", |till| till.static_ip = Some(configured)).unwrap();
    assert_eq!(world.access("till").accepted().ip(), Some(Ipv4Addr::new(100, 64, 0, 3)));
    assert_eq!(world.access("till2").accepted().ip(), Some(configured));
}

#[test]
fn an_address_in_use_cannot_be_configured_for_another() {
    let mut world = attached("till");
    let objections =
        reload(&mut world, "till2", |till| till.static_ip = Some(Ipv4Addr::new(100, 64, 0, 2)))
            .unwrap_err();
    assert!(
        objections[0].to_string().contains("100.64.0.2 is another endpoint's"),
        "{}",
        objections[0]
    );
    assert_eq!(
        world.access("till2").accepted().ip(),
        Some(Ipv4Addr::new(100, 64, 0, 3)),
        "nothing has changed"
    );
}

#[test]
fn another_configured_address_is_given_at_the_next_attach() {
    let mut world = attached("till");
    let configured = Ipv4Addr::new(100, 64, 0, 5);
    reload(&mut world, "till", |till| till.static_ip = Some(configured)).unwrap();
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);
    assert_eq!(
        world.access("till").accepted().ip(),
        Some(Ipv4Addr::new(100, 64, 0, 2)),
        "a session uses the old one"
    );
    world.stop("till", "S1");
    assert_eq!(world.access("till").accepted().ip(), Some(configured));
    world.commit();
    assert_eq!(world.leased("static"), 1);
    reload(&mut world, "till", |_| {}).unwrap();
    world.commit();
    assert_eq!(world.leased("static"), 0, "a withdrawn address is given back");
}

#[test]
fn endpoints_gone_from_the_files_are_kept_until_pruned() {
    let mut world = attached("till");
    let (catalog, endpoints) = inventory();
    let rest: Vec<_> = endpoints.into_iter().filter(|(own, _)| *own != iccid("till")).collect();
    let adoption = world.load(catalog.clone(), rest.clone(), &[]).unwrap();
    assert_eq!(adoption.gone, [iccid("till")]);
    assert_eq!(world.sessions("till"), ["S1 open 100.64.0.2"]);

    let inventory = Inventory { catalog, endpoints: rest, ..Inventory::default() };
    let pruned = world.prune(inventory);
    assert!(pruned.pruned);
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::EndpointUnknown));
    world.commit();
    assert_eq!(world.leased("static"), 0);
    assert_eq!(world.aaa.endpoints(), 10);
}

#[test]
fn a_resumed_endpoint_is_detached_and_welcome() {
    let mut world = World::new();
    reload(&mut world, "suspended", |endpoint| endpoint.state = Usable).unwrap();
    assert_eq!(world.network_state("suspended"), Detached);
    world.access("suspended").accepted();
}

#[test]
fn a_terminated_endpoint_has_given_up_its_configured_address_also_after_a_restart() {
    let configured = Ipv4Addr::new(100, 64, 0, 2);
    let configure =
        |state| move |till: &mut Endpoint| (till.static_ip, till.state) = (Some(configured), state);
    let mut world = World::new();
    reload(&mut world, "till", configure(Usable)).unwrap();
    reload(&mut world, "till", configure(Terminated)).unwrap();
    world.commit();
    world.later(100);
    (world.apn, world.ip) = (None, Some(configured));
    world.start("till2", "S1");
    assert_eq!(world.sessions("till2"), ["S1 open 100.64.0.2"]);
    let mut world = World { aaa: world.restored(0), ..world };
    assert_eq!(world.leased("static"), 1);

    let (catalog, mut endpoints) = inventory();
    endpoints[0].1.static_ip = Some(configured);
    endpoints[0].1.state = Pending;
    let objections = world.load(catalog, endpoints, &[iccid("till")]).unwrap_err();
    assert!(
        objections[0].to_string().contains("100.64.0.2 is another endpoint's"),
        "{}",
        objections[0]
    );
}

#[test]
fn a_configured_address_is_another_one_in_another_vslice() {
    let mut world = World::new();
    let address = world.access("camera").accepted().ip();
    reload(&mut world, "till", |till| till.static_ip = address).unwrap();
    let objections = reload(&mut world, "till", |till| {
        (till.static_ip, till.group) = (address, Some(GroupId::new(2)));
    })
    .unwrap_err();
    assert!(objections[0].to_string().contains("is another endpoint's"), "{}", objections[0]);
}

/// Terminated, moved into another VSlice, pruned: what an endpoint leaves behind is held, and a
/// restart does not cut the hold short.
#[test]
fn an_address_taken_away_is_held_also_over_a_restart() {
    let (terminated, moved) = (
        |till: &mut Endpoint| till.state = Terminated,
        |till: &mut Endpoint| till.group = Some(GroupId::new(2)),
    );
    let changes: [&dyn Fn(&mut World); 3] = [
        &|world| _ = reload(world, "till", terminated).unwrap(),
        &|world| _ = reload(world, "till", moved).unwrap(),
        &|world| {
            let (catalog, endpoints) = inventory();
            let endpoints =
                endpoints.into_iter().filter(|(own, _)| *own != iccid("till")).collect();
            world.prune(Inventory { catalog, endpoints, ..Inventory::default() });
        },
    ];
    for change in changes {
        let mut world = attached("till");
        change(&mut world);
        world.stop("till", "S1");
        world.commit();
        let mut world = World { aaa: world.restored(0), ..world };
        world.later(30);
        assert_eq!(
            world.access("till2").accepted().ip(),
            Some(Ipv4Addr::new(100, 64, 0, 3)),
            "the first is still in its hold"
        );
        world.later(31);
        world.ip = Some(Ipv4Addr::new(100, 64, 0, 2));
        world.start("till3", "S1");
        assert_eq!(world.sessions("till3"), ["S1 open 100.64.0.2"], "now it is free for everybody");
    }
}

#[test]
fn the_files_in_force_are_known_until_others_are_adopted() {
    let mut world = World::new();
    let mut adopt = |name: u128, forget: usize| {
        let (catalog, mut endpoints) = inventory();
        endpoints.truncate(endpoints.len() - forget);
        let inventory = Inventory {
            catalog,
            endpoints,
            fingerprint: Some(Fingerprint(name)),
            ..Inventory::default()
        };
        world.adopt(inventory).unwrap();
        assert_eq!(world.restored(1).inventory(), world.aaa.inventory());
        world.aaa.inventory()
    };
    assert_eq!(adopt(1, 0), Some(Fingerprint(1)));
    assert_eq!(adopt(2, 1), None, "it keeps an endpoint that is in no file");
    assert_eq!(adopt(1, 0), Some(Fingerprint(1)));

    let of_a_crash =
        world.journal.iter().rposition(|record| matches!(record, Record::Inventory(None))).unwrap();
    world.journal.truncate(of_a_crash + 1);
    assert_eq!(world.restored(1).inventory(), None, "an adoption had begun");

    let objection =
        reload(&mut world, "till", |till| till.static_ip = Some("100.64.0.2".parse().unwrap()));
    assert!(objection.is_ok() && world.aaa.inventory().is_none());
}
