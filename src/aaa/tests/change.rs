//! One change of one object, and what files and people may say of the same endpoint (PROTOCOL 11).

use super::world::{iccid, inventory};
use super::*;
use crate::identity::{GroupId, Moniker, VsliceId};
use crate::provisioning::ProvisioningState::{Active as Usable, Pending, Suspended, Terminated};
use crate::provisioning::{Authority, Inventory, ObjectKind, ObjectName, random_uuid};

fn endpoint(world: &World, who: &str) -> Endpoint {
    world.aaa.look(iccid(who), world.now, |entry, _| entry.endpoint.clone()).unwrap()
}

fn step(world: &mut World, who: &str, transition: Transition) -> Result<Changed, ChangeError> {
    world.change(
        Mutation::Endpoint(EndpointMutation::new(iccid(who), EndpointStep::Step(transition))),
        None,
    )
}

fn put(
    world: &mut World,
    who: &str,
    change: impl FnOnce(&mut Endpoint),
) -> Result<Changed, ChangeError> {
    let mut next = endpoint(world, who);
    change(&mut next);
    world.change(
        Mutation::Endpoint(EndpointMutation::new(iccid(who), EndpointStep::Put(next))),
        None,
    )
}

/// The files once more, with one endpoint's line edited.
fn reload(world: &mut World, who: &str, edit: impl FnOnce(&mut Endpoint)) -> Adoption {
    let (catalog, mut endpoints) = inventory();
    edit(&mut endpoints.iter_mut().find(|(own, _)| *own == iccid(who)).unwrap().1);
    world.load(catalog, endpoints, &[]).unwrap()
}

#[test]
fn a_suspension_by_a_person_stays_until_somebody_edits_the_line() {
    let mut world = World::new();
    step(&mut world, "till", Transition::Suspend).unwrap();
    let same = reload(&mut world, "till", |_| {});
    assert_eq!((same.applied, same.changed, same.differing), (0, 0, 1));
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::EndpointSuspended));

    let mut world = World { aaa: world.restored(3), ..world };
    assert_eq!(
        (reload(&mut world, "till", |_| {}).changed, world.aaa.differing()),
        (0, 1),
        "nor does a restart lift it"
    );
    assert_eq!(endpoint(&world, "till").state, Suspended);

    let edited = reload(&mut world, "till", |till| till.name = Some("till at the gate".into()));
    assert_eq!((edited.applied, edited.changed, edited.differing), (1, 1, 0));
    world.access("till").accepted();
}

#[test]
fn with_the_authority_of_the_files_every_line_speaks_at_every_load() {
    let mut world =
        World::with(AaaSettings { authority: Authority::Files, ..AaaSettings::default() });
    step(&mut world, "till", Transition::Suspend).unwrap();
    let loaded = reload(&mut world, "till", |_| {});
    assert_eq!((loaded.applied, loaded.differing, endpoint(&world, "till").state), (1, 0, Usable));
}

#[test]
fn what_a_person_changes_back_differs_no_more() {
    let mut world = World::new();
    step(&mut world, "till", Transition::Suspend).unwrap();
    assert_eq!(world.aaa.differing(), 1);
    step(&mut world, "till", Transition::Resume).unwrap();
    assert_eq!(world.aaa.differing(), 0);
}

#[test]
fn what_a_person_removed_comes_back_by_another_line_only() {
    let mut world = World::new();
    world
        .change(
            Mutation::Endpoint(EndpointMutation::new(iccid("till"), EndpointStep::Remove)),
            None,
        )
        .unwrap();
    let mut world = World { aaa: world.restored(0), ..world };
    assert_eq!((reload(&mut world, "till2", |_| {}).added, world.aaa.differing()), (0, 1));
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::EndpointUnknown));
    assert_eq!(reload(&mut world, "till", |till| till.name = Some("new".into())).added, 1);
    assert_eq!(world.aaa.differing(), 0);
}

#[test]
fn what_a_person_made_no_file_removes() {
    let mut world = World::new();
    let made = Endpoint::new(Usable).in_group(GroupId::new(0));
    world
        .change(
            Mutation::Endpoint(EndpointMutation::new(iccid("nobody"), EndpointStep::Put(made))),
            None,
        )
        .unwrap();
    assert_eq!(world.aaa.differing(), 1);
    let (catalog, endpoints) = inventory();
    let pruned = world.prune(Inventory { catalog, endpoints, ..Inventory::default() });
    assert_eq!(pruned.gone, []);
    world.access("nobody").accepted();
}

/// Pruned, the clock goes back, added again, killed: the acknowledged session is there (issue A4).
#[test]
fn versions_do_not_depend_on_the_clock_alone() {
    let mut world = World::new();
    let (catalog, endpoints) = inventory();
    let rest = endpoints.iter().filter(|(own, _)| *own != iccid("till")).cloned().collect();
    world.prune(Inventory { catalog: catalog.clone(), endpoints: rest, ..Inventory::default() });
    world.commit();
    world.now = Timestamp::from_secs(world.now.secs() - 3600);
    world.load(catalog, endpoints, &[]).unwrap();
    let ip = world.access("till").accepted().ip();
    world.start("till", "S1");
    let mut world = World { aaa: world.restored(0), ..world };
    assert_eq!(world.sessions("till").len(), 1);
    assert_eq!(world.access("till").accepted().ip(), ip);
}

#[test]
fn an_object_changes_only_from_the_version_that_is_expected() {
    let mut world = World::new();
    let suspend = || {
        Mutation::Endpoint(EndpointMutation::new(
            iccid("till"),
            EndpointStep::Step(Transition::Suspend),
        ))
    };
    let first = step(&mut world, "till", Transition::Resume).unwrap();
    assert_eq!(first.kind, ChangeKind::Unchanged);
    let wrong = world.change(suspend(), Some(first.version + 1));
    assert_eq!(
        wrong,
        Err(ChangeError::Version { expected: first.version + 1, found: first.version })
    );
    let second = world.change(suspend(), Some(first.version)).unwrap();
    assert!(second.version > first.version && second.kind == ChangeKind::Changed);
    let repeated = world.change(suspend(), Some(second.version)).unwrap();
    assert_eq!(repeated, Changed { kind: ChangeKind::Unchanged, version: second.version });
    assert_eq!(
        world.change(
            Mutation::Endpoint(EndpointMutation::new(iccid("nobody"), EndpointStep::Remove)),
            None
        ),
        Err(ChangeError::NotFound)
    );
}

#[test]
fn what_another_has_is_named_and_what_was_claimed_is_given_back() {
    let mut world = World::new();
    let [imsi, other]: [Imsi; 2] =
        ["234500000000001", "234500000000002"].map(|imsi| imsi.parse().unwrap());
    let msisdn: Msisdn = "447700000001".parse().unwrap();
    put(&mut world, "till", |till| *till = till.clone().with_imsi(imsi).with_msisdn(msisdn))
        .unwrap();
    let taken =
        put(&mut world, "till2", |till| *till = till.clone().with_imsi(other).with_imsi(imsi));
    assert_eq!(taken, Err(ChangeError::ImsiTaken { imsi, owner: iccid("till") }));
    let taken =
        put(&mut world, "till2", |till| *till = till.clone().with_imsi(other).with_msisdn(msisdn));
    assert_eq!(taken, Err(ChangeError::MsisdnTaken { msisdn, owner: iccid("till") }));
    put(&mut world, "till3", |till| *till = till.clone().with_imsi(other))
        .expect("the other IMSI was given back");

    let ip = world.access("till").accepted().ip().unwrap();
    let taken = put(&mut world, "till2", |till| till.static_ip = Some(ip));
    assert_eq!(taken, Err(ChangeError::AddressTaken { ip: ip.into(), owner: Some(iccid("till")) }));
    let outside = Ipv4Addr::new(10, 0, 0, 1);
    let refused = put(&mut world, "till2", |till| till.static_ip = Some(outside));
    assert_eq!(refused, Err(ChangeError::AddressOutside { ip: outside.into() }));
    assert_eq!(
        put(&mut world, "till2", |till| till.group = Some(GroupId::new(77))),
        Err(ChangeError::NoGroup)
    );
}

#[test]
fn every_step_ends_where_the_tables_say() {
    let table = [
        ("pending", Transition::Assign(GroupId::new(0)), Usable, Detached),
        ("pending", Transition::Terminate, Terminated, Unknown),
        ("till", Transition::Assign(GroupId::new(4)), Usable, Detached),
        ("till", Transition::Unassign, Pending, Unknown),
        ("till", Transition::Suspend, Suspended, Detached),
        ("till", Transition::Terminate, Terminated, Detached),
        ("suspended", Transition::Assign(GroupId::new(4)), Suspended, Detached),
        ("suspended", Transition::Unassign, Pending, Unknown),
        ("suspended", Transition::Resume, Usable, Detached),
        ("terminated", Transition::Reinstate, Pending, Unknown),
    ];
    for (who, transition, state, network) in table {
        let mut world = World::new();
        step(&mut world, who, transition).unwrap();
        assert_eq!(
            (endpoint(&world, who).state, world.network_state(who)),
            (state, network),
            "{who} {transition:?}"
        );
        let restored = world.restored(1);
        let after = restored
            .look(iccid(who), world.now, |entry, _| (entry.endpoint.state, entry.state.state))
            .unwrap();
        assert_eq!(after, (state, network), "{who} {transition:?} after a restart");
    }
    let mut world = World::new();
    assert!(matches!(
        step(&mut world, "terminated", Transition::Resume),
        Err(ChangeError::Refused(_))
    ));
}

/// The members of a group follow it when they are touched, and by the background walk.
#[test]
fn a_group_that_moves_takes_its_members_along() {
    for by_walk in [false, true] {
        let mut world = World::new();
        world.access("till").accepted();
        world.start("till", "S1");
        let mut group = world.aaa.catalog().group(GroupId::new(0)).unwrap().clone();
        group.vslice = VsliceId::new(1);
        world.change(Mutation::PutGroup(Put::existing(GroupId::new(0), group)), None).unwrap();
        if by_walk {
            world.housekeep();
            assert_eq!(world.sessions("till"), ["S1 ending 100.64.0.2"]);
            assert_eq!(world.network_state("till"), Detached);
        }
        let accept = world.access("till").accepted();
        assert_eq!(accept.ip(), Some(Ipv4Addr::new(100, 64, 0, 2)), "the first of the new VSlice");
        assert_eq!(world.sessions("till"), ["S1 ending 100.64.0.2"]);
        world.stop("till", "S1");
        assert_eq!(world.sessions("till"), ["S1 unassigned 100.64.0.2"]);
        world.commit();
        assert_eq!(world.leased("static"), 0, "nothing is left in the old one");
        assert_eq!(world.restored(0).catalog(), world.aaa.catalog());
    }
}

#[test]
fn vslices_and_groups_come_and_go() {
    let mut world = World::new();
    let catalog = world.aaa.catalog();
    let moniker = |text: &str| Moniker::parse(text).unwrap();
    let mut vslice = catalog.vslice(VsliceId::new(0)).unwrap().clone();
    vslice.moniker = moniker("new");
    let added = world
        .change(Mutation::PutVslice(Put::new(random_uuid([1; 16]), vslice.clone())), None)
        .unwrap();
    assert_eq!(added.kind, ChangeKind::Added);
    let id = world.aaa.catalog().vslice_by_moniker("new").unwrap().0;
    assert_eq!(
        world
            .change(Mutation::PutVslice(Put::existing(id, vslice)), Some(added.version))
            .unwrap()
            .kind,
        ChangeKind::Unchanged
    );
    let mut group = catalog.group(GroupId::new(0)).unwrap().clone();
    (group.moniker, group.vslice) = (moniker("added"), id);
    world.change(Mutation::PutGroup(Put::new(random_uuid([2; 16]), group)), None).unwrap();
    let in_use = world.change(Mutation::RemoveVslice(id), None);
    assert_eq!(
        in_use,
        Err(ChangeError::InUse {
            object: ObjectName { kind: ObjectKind::Vslice, moniker: moniker("new") },
            by: vec![ObjectName { kind: ObjectKind::Group, moniker: moniker("added") }],
        })
    );
    let group = world.aaa.catalog().group_by_moniker("added").unwrap().0;
    world.change(Mutation::RemoveGroup(group), None).unwrap();
    world.change(Mutation::RemoveVslice(id), None).unwrap();
    assert_eq!(world.change(Mutation::RemoveVslice(id), None), Err(ChangeError::NotFound));
    assert_eq!(
        (world.aaa.differing(), world.restored(0).catalog() == world.aaa.catalog()),
        (0, true)
    );
}

#[test]
fn what_is_too_large_to_be_recorded_is_refused_before_it_is_in_force() {
    let mut world = World::new();
    let mut vslice = world.aaa.catalog().vslice(VsliceId::new(0)).unwrap().clone();
    vslice.subnets[0].exclude = vec!["100.64.0.4/32".parse().unwrap(); 300_000];
    let records = world.records;
    assert!(matches!(
        world.change(Mutation::PutVslice(Put::existing(VsliceId::new(0), vslice)), None),
        Err(ChangeError::TooLarge(_))
    ));
    let many = |till: &mut Endpoint| {
        for number in 0..5_000u32 {
            *till = till.clone().with_imsi(format!("2345{number:011}").parse().unwrap());
        }
    };
    assert!(matches!(put(&mut world, "till", many), Err(ChangeError::TooLarge(_))));
    assert_eq!(world.records, records);
}

/// Two endpoints exchange their addresses in the file (issue A5): by a reload, and while the server
/// is down.
#[test]
fn addresses_are_exchanged_whenever_the_file_says_so() {
    let [first, second] = [5, 6].map(|host| Ipv4Addr::new(100, 64, 0, host));
    let files = |one, other| {
        let (catalog, mut endpoints) = inventory();
        endpoints[0].1.static_ip = Some(one);
        endpoints[1].1.static_ip = Some(other);
        (catalog, endpoints)
    };
    for is_down in [false, true] {
        let mut world = World::new();
        let (catalog, endpoints) = files(first, second);
        world.load(catalog, endpoints, &[]).unwrap();
        assert_eq!(world.access("till").accepted().ip(), Some(first));
        world.start("till", "S1");
        world.stop("till", "S1");
        let mut world = if is_down { World { aaa: world.restored(0), ..world } } else { world };
        let (catalog, endpoints) = files(second, first);
        world.load(catalog, endpoints, &[]).unwrap();
        world.commit();
        assert_eq!(world.access("till").accepted().ip(), Some(second), "down: {is_down}");
        assert_eq!(world.access("till2").accepted().ip(), Some(first), "down: {is_down}");
        let mut world = World { aaa: world.restored(0), ..world };
        assert_eq!(world.access("till").accepted().ip(), Some(second));
    }
}

/// A line takes the names of an endpoint that is kept (PROTOCOL 11 and 20; issue A3).
#[test]
fn a_replaced_sim_loses_its_names_and_its_sessions() {
    let imsi: Imsi = "234500000000001".parse().unwrap();
    let configured = Ipv4Addr::new(100, 64, 0, 5);
    let sim = |group| {
        Endpoint::new(Usable)
            .in_group(GroupId::new(group))
            .with_imsi(imsi)
            .with_static_ip(configured)
    };
    let mut world = World::new();
    let (catalog, mut endpoints) = inventory();
    endpoints[0].1 = sim(0);
    world.load(catalog.clone(), endpoints.clone(), &[]).unwrap();
    assert_eq!(world.access("till").accepted().ip(), Some(configured));
    world.start("till", "S1");

    endpoints[0].0 = iccid("nobody");
    let adoption = world.load(catalog, endpoints, &[]).unwrap();
    world.commit();
    assert_eq!(adoption.gone, [iccid("till")]);
    assert!(
        adoption.kept.iter().any(|kept| kept.what.contains("has taken names of")),
        "{:?}",
        adoption.kept
    );
    assert_eq!(world.sessions("till"), ["S1 ending 100.64.0.5"]);
    let kept = endpoint(&world, "till");
    assert_eq!((kept.imsi, kept.static_ip), (None, None));
    assert_eq!(
        world.access("nobody"),
        Answer::Reject(RejectReason::PoolExhausted),
        "the gateway still has the session"
    );
    world.stop("till", "S1");
    world.commit();
    assert_eq!(world.access("nobody").accepted().ip(), Some(configured));
    for shuffle in 0..10 {
        let restored = world.restored(shuffle);
        assert_eq!(restored.tracker.resolve_imsi(imsi), Some(iccid("nobody")));
    }
}

/// An older journal may contradict itself: the endpoint that was provisioned last has the name, in
/// whatever order they are found.
#[test]
fn recovery_does_not_depend_on_the_order_of_the_map() {
    let imsi: Imsi = "234500000000001".parse().unwrap();
    let names: Vec<Iccid> = ["till", "till2", "till3", "sensor"].map(iccid).into();
    for newest in 0..names.len() {
        let mut recovery = Aaa::new(AaaSettings::default()).recover();
        for (index, iccid) in names.iter().enumerate() {
            let stamp =
                Revision { version: if index == newest { 9 } else { 5 }, ..Revision::default() };
            recovery.provisioned(*iccid, stamp, Some(Endpoint::new(Usable).with_imsi(imsi)));
        }
        let (aaa, recovered) = recovery.finish(|newest| newest);
        assert_eq!(
            (aaa.tracker.resolve_imsi(imsi), recovered.contested_names),
            (Some(names[newest]), 3)
        );
    }
}

#[test]
fn an_endpoint_that_was_never_in_a_group_stays_unknown() {
    let mut world = World::new();
    reload(&mut world, "pending", |pending| pending.state = Terminated);
    assert_eq!(world.network_state("pending"), Unknown);
}
