//! Objects of the catalog: ids, names, references, and what may not be taken away (platform-api 1, 2).

use proptest::prelude::*;

use super::world::{iccid, inventory};
use super::*;
use crate::identity::{EventHandlerId, EventMapId, GroupId, Moniker, PolicyId, VsliceId};
use crate::provisioning::{
    CatalogKind, EventHandler, EventMap, EventScope, EventType, Group, ListingStatus, ObjectKind,
    ObjectName, Policy, Spelling, Subscription, Vslice, Webhook, random_uuid,
};

const A: VsliceId = VsliceId::new(0);
const TILLS: GroupId = GroupId::new(0);

fn moniker(text: &str) -> Moniker {
    Moniker::parse(text).unwrap()
}

fn vslice(world: &World, id: VsliceId) -> Vslice {
    world.aaa.catalog().vslice(id).unwrap().clone()
}

fn group(world: &World, id: GroupId) -> Group {
    world.aaa.catalog().group(id).unwrap().clone()
}

fn rename(world: &mut World, id: VsliceId, to: &str) -> Result<Changed, ChangeError> {
    let renamed = Vslice { moniker: moniker(to), ..vslice(world, id) };
    world.change(Mutation::PutVslice(Put::existing(id, renamed)), None)
}

fn reload(world: &mut World) -> Adoption {
    let (catalog, endpoints) = inventory();
    world.load(catalog, endpoints, &[]).unwrap()
}

fn uuid(world: &World, name: &str) -> uuid::Uuid {
    world.aaa.catalog().find::<Vslice>(name).unwrap().1.uuid
}

#[test]
fn an_id_outlives_a_new_name_and_a_restart_and_references_follow() {
    let mut world = World::new();
    let made_by_file = uuid(&world, "a");
    assert_eq!(made_by_file, ObjectKind::Vslice.uuid_of(&moniker("a")));
    rename(&mut world, A, "festival").unwrap();
    let world = World { aaa: world.restored(0), ..world };
    let catalog = world.aaa.catalog();
    assert_eq!(uuid(&world, "festival"), made_by_file);
    assert_eq!(catalog.find_uuid::<Vslice>(made_by_file).unwrap().0, A);
    assert_eq!(catalog.find::<Vslice>("a"), None, "the old name is free");
    assert_eq!(catalog.group(TILLS).unwrap().vslice, A);
}

/// Its section has not changed, so it leaves the name alone (PROTOCOL 11), and so do the lines of
/// those that the files place in it.
#[test]
fn a_reload_does_not_undo_a_new_name() {
    let mut world = World::new();
    rename(&mut world, A, "festival").unwrap();
    let renamed = Group { moniker: moniker("registers"), ..group(&world, TILLS) };
    world.change(Mutation::PutGroup(Put::existing(TILLS, renamed)), None).unwrap();
    let suspended = EndpointStep::Step(Transition::Suspend);
    change_endpoint(&mut world, "till", suspended).unwrap();
    assert_eq!(world.aaa.differing(), 3);
    for restart in [false, true] {
        if restart {
            world.aaa = world.restored(1);
        }
        let loaded = reload(&mut world);
        assert_eq!((loaded.applied, loaded.differing), (0, 3), "restart: {restart}");
        let catalog = world.aaa.catalog();
        assert_eq!(catalog.vslices().count(), 2);
        assert_eq!(catalog.vslice(A).unwrap().moniker.as_str(), "festival");
        assert_eq!(catalog.group(TILLS).unwrap().moniker.as_str(), "registers");
        assert_eq!(world.access("till"), Answer::Reject(RejectReason::EndpointSuspended));
    }
    let (mut catalog, endpoints) = inventory();
    let edited = Vslice { name: "edited".into(), ..catalog.vslice(A).unwrap().clone() };
    catalog.put_vslice(edited);
    world.load(catalog, endpoints, &[]).unwrap();
    assert_eq!(world.aaa.catalog().vslice(A).unwrap().moniker.as_str(), "a", "an edited one does");
}

#[test]
fn a_section_with_the_new_name_is_that_object_from_then_on() {
    let mut world = World::new();
    rename(&mut world, A, "festival").unwrap();
    let (mut catalog, endpoints) = inventory();
    catalog.put_vslice(Vslice { moniker: moniker("festival"), ..vslice(&world, A) });
    world.load(catalog, endpoints, &[]).unwrap();
    let catalog = world.aaa.catalog();
    let names: Vec<_> = catalog.vslices().map(|(_, vslice)| vslice.moniker.to_string()).collect();
    assert_eq!(names, ["festival", "b", "a"], "no name twice");
}

#[test]
fn a_name_belongs_to_one_object_of_a_kind() {
    let mut world = World::new();
    let taken = Err(ChangeError::MonikerTaken {
        kind: ObjectKind::Vslice,
        moniker: moniker("b"),
        uuid: uuid(&world, "b"),
    });
    assert_eq!(rename(&mut world, A, "b"), taken);
    let second = Put::new(random_uuid([1; 16]), vslice(&world, VsliceId::new(1)));
    assert_eq!(world.change(Mutation::PutVslice(second), None), taken);
    let policy = Policy::new(moniker("b"), "b");
    let other_kind = Put::new(random_uuid([2; 16]), policy);
    world.change(Mutation::PutPolicy(other_kind), None).unwrap();
}

/// As Terraform replaces an object.
#[test]
fn a_name_is_free_at_once_and_its_next_object_is_another_one_on_the_same_addresses() {
    let mut world = World::new();
    let make = |octet: u8, world: &mut World| {
        let mut new = vslice(world, A);
        new.moniker = moniker("new");
        let put = Put::new(random_uuid([octet; 16]), new);
        world.change(Mutation::PutVslice(put), None).unwrap();
        world.aaa.catalog().find::<Vslice>("new").unwrap().0
    };
    let first = make(1, &mut world);
    world.change(Mutation::RemoveVslice(first), None).unwrap();
    let second = make(2, &mut world);
    assert_eq!((first, uuid(&world, "new")), (second, random_uuid([2; 16])));
    let catalog = world.restored(0).catalog();
    assert_eq!(catalog, world.aaa.catalog());
    assert_eq!(catalog.find_uuid::<Vslice>(random_uuid([1; 16])), None);
    let gone =
        world.change(Mutation::PutVslice(Put::existing(VsliceId::new(9), vslice(&world, A))), None);
    assert_eq!(gone, Err(ChangeError::NotFound));
}

fn handler(name: &str) -> EventHandler {
    let webhook = Webhook {
        url: "https://ops.example/hook".into(),
        timeout: "10".into(),
        bearer: Some("a-token".into()),
        username: None,
        password: Some(String::new().into()),
        signing_secret: "whsec_c2VjcmV0".into(),
    };
    EventHandler { moniker: moniker(name), name: name.into(), webhook }
}

/// A policy, a handler, and a map that sends to it; a group and a VSlice that name them.
fn with_everything() -> World {
    let mut world = World::new();
    let id = random_uuid;
    let policy = Policy::new(moniker("home-only"), "Home");
    world.change(Mutation::PutPolicy(Put::new(id([1; 16]), policy)), None).unwrap();
    let hooks = handler("hooks");
    world.change(Mutation::PutEventHandler(Put::new(id([2; 16]), hooks)), None).unwrap();
    let mut map = EventMap::new(moniker("map-a"), "Map A", EventScope::Endpoint);
    let event = EventType::parse("endpointauthenticated_v1").unwrap();
    map.subscriptions = vec![Subscription { handler: EventHandlerId::new(0), event }];
    let spelling = Spelling::default().with("subscriptions", "[]");
    let put = Put { target: PutTarget::New(id([3; 16])), thing: map, spelling };
    world.change(Mutation::PutEventMap(put), None).unwrap();
    let (policy, event_map) = (Some(PolicyId::new(0)), Some(EventMapId::new(0)));
    let tills = Group { policy, event_map, disconnect: false, ..group(&world, TILLS) };
    world.change(Mutation::PutGroup(Put::existing(TILLS, tills)), None).unwrap();
    let a = Vslice { event_map, ..vslice(&world, A) };
    world.change(Mutation::PutVslice(Put::existing(A, a)), None).unwrap();
    world
}

#[test]
fn every_kind_is_recorded_with_its_references_and_spelling() {
    let world = with_everything();
    let restored = world.restored(2).catalog();
    assert_eq!(restored, world.aaa.catalog());
    let map = restored.place::<EventMap>(EventMapId::new(0)).unwrap();
    assert_eq!(map.spelling.of("subscriptions"), Some("[]"));
    assert_eq!(restored.group(TILLS).unwrap().policy, Some(PolicyId::new(0)));
}

#[test]
fn what_is_referred_to_is_not_removed_and_what_is_not_there_is_not_referred_to() {
    let mut world = with_everything();
    let name = |kind, name: &str| ObjectName { kind, moniker: moniker(name) };
    let in_use = |object, by| Err(ChangeError::InUse { object, by });
    assert_eq!(
        world.change(Mutation::RemovePolicy(PolicyId::new(0)), None),
        in_use(name(ObjectKind::Policy, "home-only"), vec![name(ObjectKind::Group, "tills")])
    );
    assert_eq!(
        world.change(Mutation::RemoveEventHandler(EventHandlerId::new(0)), None),
        in_use(name(ObjectKind::EventHandler, "hooks"), vec![name(ObjectKind::EventMap, "map-a")])
    );
    let refused = world.change(Mutation::RemoveEventMap(EventMapId::new(0)), None).unwrap_err();
    assert_eq!(refused.to_string(), "event map map-a is used by VSlice a and endpoint group tills");
    let refused = world.change(Mutation::RemoveVslice(A), None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "VSlice a is used by endpoint groups tills, sensors, drones, kiosks"
    );
    let lost = Group { policy: Some(PolicyId::new(9)), ..group(&world, TILLS) };
    assert_eq!(
        world.change(Mutation::PutGroup(Put::existing(TILLS, lost)), None),
        Err(ChangeError::NoSuch { kind: ObjectKind::Policy })
    );
    assert_eq!(
        world.change(Mutation::RemoveGroup(TILLS), None).unwrap_err().to_string(),
        "endpoint group tills has 5 endpoints"
    );

    let free = Group { policy: None, event_map: None, ..group(&world, TILLS) };
    world.change(Mutation::PutGroup(Put::existing(TILLS, free)), None).unwrap();
    world.change(Mutation::RemovePolicy(PolicyId::new(0)), None).unwrap();
}

#[test]
fn a_subnet_with_addresses_in_use_neither_goes_nor_becomes_another() {
    let mut world = World::new();
    let without = |world: &World, at: usize| {
        let mut less = vslice(world, A);
        less.subnets.remove(at);
        Mutation::PutVslice(Put::existing(A, less))
    };
    world.access("till").accepted();
    let refused = world.change(without(&world, 0), None).unwrap_err();
    assert_eq!(refused.to_string(), "subnet 100.64.0.0/29 has 1 addresses in use");
    let mut grown = vslice(&world, A);
    grown.subnets[0].block = "100.64.0.0/28".parse().unwrap();
    let refused = world.change(Mutation::PutVslice(Put::existing(A, grown)), None);
    assert!(matches!(refused, Err(ChangeError::SubnetInUse { addresses: 1, .. })), "{refused:?}");

    change_endpoint(&mut world, "till", EndpointStep::Step(Transition::Terminate)).unwrap();
    world.commit();
    let held = world.change(without(&world, 0), None);
    assert!(matches!(held, Err(ChangeError::SubnetInUse { addresses: 1, .. })), "{held:?}");
    world.later(61);
    world.change(without(&world, 0), None).unwrap();
    world.change(without(&world, 0), None).expect("nobody has one of the pooled ones");
}

#[test]
fn what_is_written_otherwise_is_another_version() {
    let mut world = World::new();
    let put = |written: &str, world: &World| {
        let spelling = Spelling::default().with("dnsServers", written);
        Mutation::PutVslice(Put {
            target: PutTarget::Existing(A),
            thing: vslice(world, A),
            spelling,
        })
    };
    let first = world.change(put("null", &world), None).unwrap();
    let same = world.change(put("null", &world), Some(first.version)).unwrap();
    assert_eq!((same.kind, same.version), (ChangeKind::Unchanged, first.version));
    let second = world.change(put("[]", &world), Some(first.version)).unwrap();
    assert_eq!(second.kind, ChangeKind::Changed);
    assert_eq!(
        world.change(put("null", &world), Some(first.version)),
        Err(ChangeError::Version { expected: first.version, found: second.version })
    );
    let catalog = world.restored(0).catalog();
    assert_eq!(catalog.place::<Vslice>(A).unwrap().spelling.of("dnsServers"), Some("[]"));
}

fn change_endpoint(
    world: &mut World,
    who: &str,
    step: EndpointStep,
) -> Result<Changed, ChangeError> {
    let mutation = EndpointMutation::new(iccid(who), step);
    world.change(Mutation::Endpoint(mutation), None)
}

fn batch(steps: Vec<(&str, EndpointStep)>) -> Vec<EndpointMutation> {
    let mutation = |(who, step)| EndpointMutation::new(iccid(who), step);
    steps.into_iter().map(mutation).collect()
}

#[test]
fn a_batch_is_done_wholly_or_not_at_all() {
    let mut world = World::new();
    let imsi: Imsi = "234500000000001".parse().unwrap();
    let ip = Ipv4Addr::new(100, 64, 0, 6);
    let new = || Endpoint::new(crate::provisioning::ProvisioningState::Active).in_group(TILLS);
    let suspend = || EndpointStep::Step(Transition::Suspend);
    let wrong = || {
        batch(vec![
            ("till", suspend()),
            ("nobody", EndpointStep::Add(new().with_imsi(imsi).with_static_ip(ip))),
            ("till2", EndpointStep::Put(new().with_imsi(imsi))),
            ("till3", EndpointStep::Put(new().with_static_ip(ip))),
            ("till", EndpointStep::Remove),
            ("sensor", EndpointStep::Add(new())),
            ("terminated", EndpointStep::Step(Transition::Resume)),
        ])
    };
    let records = world.records;
    let (now, free) = (world.now, world.aaa.stats());
    for dry in [true, false] {
        let errors = world.run(|aaa, _, tape| {
            if dry {
                aaa.judge_endpoints(wrong(), now, tape).unwrap_err()
            } else {
                aaa.change_endpoints(wrong(), now, tape).unwrap_err()
            }
        });
        assert_eq!(errors.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert_eq!(errors[0].1, ChangeError::ImsiTaken { imsi, owner: iccid("nobody") });
        assert_eq!(
            errors[1].1,
            ChangeError::AddressTaken { ip: ip.into(), owner: Some(iccid("nobody")) }
        );
        assert_eq!(errors[2].1, ChangeError::Repeated { first: 0 });
        assert_eq!(errors[3].1, ChangeError::Exists);
    }
    assert_eq!(
        (world.records, world.aaa.stats()),
        (records, free.clone()),
        "and nothing is kept back"
    );

    let right = || {
        batch(vec![
            ("till", suspend()),
            ("nobody", EndpointStep::Add(new().with_imsi(imsi).with_static_ip(ip))),
        ])
    };
    world.run(|aaa, now, tape| aaa.judge_endpoints(right(), now, tape)).unwrap();
    assert_eq!((world.records, world.aaa.stats()), (records, free), "a dry run changes nothing");
    let done = world.run(|aaa, now, tape| aaa.change_endpoints(right(), now, tape)).unwrap();
    let kinds: Vec<_> = done.iter().map(|changed| changed.kind).collect();
    assert_eq!(kinds, [ChangeKind::Changed, ChangeKind::Added]);
    assert_eq!(world.access("nobody").accepted().ip(), Some(ip));
}

fn counted(world: &World) -> Vec<GroupMembers> {
    let mut counts = vec![GroupMembers::default(); 5];
    world.aaa.for_each(|_, entry| {
        if let Some(group) = entry.endpoint.group {
            counts[group.index()].primary += 1;
        }
        for group in entry.endpoint.secondary_groups() {
            counts[group.index()].secondary += 1;
        }
    });
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The counters against a full count, after whatever happened, and after a restart.
    #[test]
    fn members_are_counted_as_they_are(steps in proptest::collection::vec((0..8usize, 0..9usize, 0..5usize), 1..40)) {
        let who = ["till", "till2", "till3", "sensor", "camera", "pending", "suspended", "nobody"];
        let mut world = World::new();
        for (at, step, to) in steps {
            let group = GroupId::new(to);
            let active = || Endpoint::new(crate::provisioning::ProvisioningState::Active);
            let step = match step {
                0 => EndpointStep::Step(Transition::Assign(group)),
                1 => EndpointStep::Step(Transition::Unassign),
                2 => EndpointStep::Step(Transition::Suspend),
                3 => EndpointStep::Step(Transition::Terminate),
                4 => EndpointStep::Step(Transition::Reinstate),
                5 => EndpointStep::Remove,
                6 => EndpointStep::Put(active().in_group(group).also_in_group(TILLS)),
                7 => EndpointStep::Put(active().in_group(TILLS).also_in_group(group)),
                _ => {
                    reload(&mut world);
                    continue;
                }
            };
            _ = change_endpoint(&mut world, who[at], step);
        }
        let members = |aaa: &Aaa| (0..5).map(|at| aaa.group_members(GroupId::new(at))).collect::<Vec<_>>();
        prop_assert_eq!(members(&world.aaa), counted(&world));
        prop_assert_eq!(members(&world.restored(0)), counted(&world));
        let in_b = world.aaa.group_members(GroupId::new(2)).primary;
        prop_assert_eq!(world.aaa.vslice_members(VsliceId::new(1)), in_b);
    }
}

#[test]
fn a_removed_object_is_not_there_for_anybody() {
    let mut world = with_everything();
    let free = Group { policy: None, ..group(&world, TILLS) };
    world.change(Mutation::PutGroup(Put::existing(TILLS, free)), None).unwrap();
    world.change(Mutation::RemovePolicy(PolicyId::new(0)), None).unwrap();
    let catalog = world.aaa.catalog();
    let entry = catalog.place::<Policy>(PolicyId::new(0)).unwrap();
    assert_eq!(entry.status, ListingStatus::Removed);
    assert_eq!((catalog.find::<Policy>("home-only"), catalog.all::<Policy>().count()), (None, 0));
    assert_eq!(Policy::KIND, ObjectKind::Policy);
}

#[test]
fn a_person_s_words_stay_with_the_endpoint_and_no_file_takes_them_away() {
    let mut world = World::new();
    let seen = |world: &World| {
        let history = |entry: &EndpointEntry, _: &_| entry.endpoint.history().clone();
        world.aaa.look(iccid("till"), world.now, history).unwrap()
    };
    let suspend = EndpointMutation {
        reason: Some("stolen".into()),
        ..EndpointMutation::new(iccid("till"), EndpointStep::Step(Transition::Suspend))
    };
    world.change(Mutation::Endpoint(suspend), None).unwrap();
    assert_eq!(seen(&world).state_reason.as_deref(), Some("stolen"));
    let (catalog, mut endpoints) = inventory();
    endpoints[0].1.name = Some("till at the gate".into());
    endpoints[0].1.state = crate::provisioning::ProvisioningState::Suspended;
    world.load(catalog, endpoints, &[]).unwrap();
    let mut world = World { aaa: world.restored(0), ..world };
    assert_eq!(seen(&world).state_reason.as_deref(), Some("stolen"));
    change_endpoint(&mut world, "till", EndpointStep::Step(Transition::Unassign)).unwrap();
    let assign = EndpointStep::Step(Transition::Assign(TILLS));
    change_endpoint(&mut world, "till", assign).unwrap();
    let history = seen(&world);
    assert_eq!((history.activated_at, history.state_reason), (Some(world.now), None));
}

/// A file names an event map that only the API makes (PROTOCOL 11).
#[test]
fn a_file_that_names_what_nobody_has_made_is_refused_with_its_line() {
    let text = "[[vslice]]\nmoniker = \"a\"\nevent_map = \"ours\"\n\
                [[vslice.subnet]]\ncidr = \"100.64.0.0/24\"\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("inventory.toml"), text).unwrap();
    let load = || crate::provisioning::Inventory::load(folder.path()).unwrap();
    let mut world = World::new();
    let objections = world.adopt(load()).unwrap_err();
    let said = objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains("inventory.toml:3: there is no event map \"ours\"; "), "{said}");

    let map = EventMap::new(moniker("ours"), "Ours", EventScope::Vslice);
    world.change(Mutation::PutEventMap(Put::new(random_uuid([1; 16]), map)), None).unwrap();
    world.adopt(load()).unwrap();
    assert!(vslice(&world, A).event_map.is_some());
}
