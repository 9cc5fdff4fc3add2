//! Whatever the inventory does to subnets, by reload or by restart: who has an address keeps it,
//! and nobody else gets it (PROTOCOL 11).

use std::collections::HashMap;

use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::world::{iccid, inventory};
use super::*;
use crate::address::Address;
use crate::identity::{GroupId, VsliceId};
use crate::network::LocationInfo;
use crate::provisioning::{
    Allocation, CatalogObject, Fingerprint, Inventory, Prune, Subnet, Vslice,
};
use crate::time::Timestamp;

const A: VsliceId = VsliceId::new(0);
const HOLD: Duration = Duration::from_secs(60);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(100, 64, 0, last)
}

fn pooled(cidr: &str) -> Subnet {
    Subnet { block: cidr.parse().unwrap(), allocation: Allocation::Pooled, exclude: Vec::new() }
}

fn fixed(cidr: &str) -> Subnet {
    Subnet { allocation: Allocation::Static, ..pooled(cidr) }
}

/// The first VSlice has these subnets from now on, and the second till this configured address.
fn lay_out(world: &mut World, subnets: Vec<Subnet>, configured: Option<Ipv4Addr>) -> bool {
    let (mut catalog, mut endpoints) = inventory();
    let vslice = catalog.vslice(A).unwrap().clone();
    catalog.put_vslice(Vslice { subnets, ..vslice });
    let till = endpoints.iter_mut().find(|(who, _)| *who == iccid("till2")).unwrap();
    till.1.static_ip = configured;
    world.load(catalog, endpoints, &[]).is_ok()
}

fn restart(world: &mut World) {
    world.commit();
    world.aaa = world.restored(0);
}

fn given(world: &mut World, who: &str) -> Option<Ipv4Addr> {
    match world.access(who) {
        Answer::Accept(accept) => accept.ip(),
        Answer::Reject(_) => None,
    }
}

/// Each of these must be so whether the change comes by reload or while the server is down.
fn both_ways(change: impl Fn(&mut World), mut test: impl FnMut(World)) {
    for is_restarted in [false, true] {
        let mut world = World::new();
        change(&mut world);
        if is_restarted {
            restart(&mut world);
        }
        test(world);
    }
}

#[test]
fn a_subnet_that_grows_gives_nobody_what_sessions_have() {
    let grow = |world: &mut World| {
        assert!(lay_out(world, vec![pooled("100.64.0.0/29")], None));
        for who in ["sensor", "sensor2"] {
            world.access(who).accepted();
            world.start(who, "S1");
        }
        assert!(lay_out(world, vec![pooled("100.64.0.0/28")], None));
    };
    both_ways(grow, |mut world| assert_eq!(given(&mut world, "sensor3"), Some(ip(4))));
}

#[test]
fn without_its_subnet_an_address_lasts_as_long_as_its_session() {
    let remove = |world: &mut World| {
        assert!(lay_out(world, vec![pooled("100.64.0.0/29")], None));
        world.access("sensor").accepted();
        world.start("sensor", "S1");
        assert!(lay_out(world, vec![pooled("100.64.0.8/29")], None));
    };
    both_ways(remove, |mut world| {
        assert_eq!(world.aaa.stats().vslices[0].outside, 1);
        assert_eq!(given(&mut world, "sensor"), Some(ip(2)), "PROTOCOL 20");
        world.ip = Some(ip(2));
        assert!(world.start("sensor2", "S1").address_conflict, "somebody has it");
        world.ip = None;
        world.stop("sensor2", "S1");
        world.stop("sensor", "S1");
        world.commit();
        assert_eq!(given(&mut world, "sensor"), Some(ip(10)), "the next session is in the new one");
        world.commit();
        world.later(30);
        assert!(lay_out(&mut world, vec![pooled("100.64.0.0/29")], None));
        assert_eq!(
            given(&mut world, "sensor2"),
            Some(ip(3)),
            "it came back with its subnet, and is held"
        );
        assert_eq!(world.aaa.stats().vslices[0].outside, 1, "that of the authorisation");
    });
}

#[test]
fn a_static_endpoint_moves_at_its_next_attach_after_its_session() {
    let shrink = |world: &mut World| {
        assert!(lay_out(world, vec![fixed("100.64.0.0/29"), pooled("100.64.0.8/29")], None));
        assert_eq!(given(world, "till"), Some(ip(2)));
        world.start("till", "S1");
        assert!(lay_out(world, vec![pooled("100.64.0.0/29"), fixed("100.64.0.8/29")], None));
    };
    both_ways(shrink, |mut world| {
        assert_eq!(
            given(&mut world, "sensor"),
            Some(ip(3)),
            "the kinds are exchanged, the addresses are not"
        );
        assert_eq!(given(&mut world, "till"), Some(ip(2)));
        world.stop("till", "S1");
        restart(&mut world);
        assert_eq!(given(&mut world, "sensor2"), Some(ip(4)), "kept until it comes again");
        assert_eq!(given(&mut world, "till"), Some(ip(10)));
        world.commit();
        world.later(61);
        world.ip = Some(ip(2));
        assert!(!world.start("sensor3", "S1").address_conflict, "its hold is over");
    });
}

#[test]
fn a_pooled_endpoint_does_not_keep_a_static_address_that_it_reported() {
    let mut world = World::new();
    assert!(lay_out(&mut world, vec![fixed("100.64.0.0/29"), pooled("100.64.0.8/29")], None));
    world.ip = Some(ip(3));
    assert!(!world.start("sensor", "S1").address_conflict);
    world.stop("sensor", "S1");
    world.commit();
    world.ip = None;
    world.later(61);
    assert_eq!(given(&mut world, "sensor"), Some(ip(10)));
    world.ip = Some(ip(3));
    assert!(!world.start("till", "S1").address_conflict);
}

#[test]
fn a_conflict_is_judged_again_when_its_owner_has_left() {
    for is_restarted in [false, true] {
        let mut world = World::new();
        assert!(lay_out(&mut world, vec![pooled("100.64.0.0/30")], None));
        world.access("sensor").accepted();
        world.start("sensor", "P");
        world.ip = Some(ip(2));
        assert!(world.start("sensor2", "Q").address_conflict);
        world.ip = None;
        world.stop("sensor", "P");
        world.commit();
        if is_restarted {
            restart(&mut world);
        }
        world.later(61);
        assert_eq!(given(&mut world, "sensor3"), None, "the other one uses it still");
        world.housekeep();
        assert_eq!(world.sessions("sensor2"), ["Q open 100.64.0.2"]);
        assert_eq!(given(&mut world, "sensor2"), Some(ip(2)));
        world.stop("sensor2", "Q");
        assert_eq!(
            world.aaa.stats().vslices[0].conflicts,
            u64::from(!is_restarted),
            "counted once"
        );
    }
}

#[test]
fn two_sessions_of_a_group_on_two_addresses_have_both() {
    let mut world = World::new();
    assert!(lay_out(&mut world, vec![pooled("100.64.0.0/29")], None));
    for (session, last, apn) in [("S1", 2, "one"), ("S2", 3, "two")] {
        (world.ip, world.apn) = (Some(ip(last)), Some(apn));
        assert!(!world.start("sensor", session).address_conflict);
    }
    world.commit();
    world.later(61);
    restart(&mut world);
    (world.ip, world.apn) = (Some(ip(2)), None);
    assert!(world.start("sensor2", "S3").address_conflict, "a session of the first sensor uses it");
    (world.ip, world.apn) = (Some(ip(2)), Some("one"));
    world.stop("sensor", "S1");
    world.housekeep();
    world.commit();
    let leased = |world: &World| world.aaa.stats().vslices[0].pools[0].counts.leased;
    assert_eq!(leased(&world), 1);
    world.apn = Some("two");
    world.stop("sensor", "S2");
    world.commit();
    assert_eq!(leased(&world), 0);
}

#[test]
fn every_hold_survives_a_restart() {
    let mut world = World::new();
    assert!(lay_out(&mut world, vec![pooled("100.64.0.0/25")], None));
    for last in 2..42 {
        world.ip = Some(ip(last));
        if last == 2 {
            world.start("sensor", "S1")
        } else {
            world.interim("sensor", "S1")
        };
        assert_eq!(world.sessions("sensor"), [format!("S1 open 100.64.0.{last}")]);
    }
    restart(&mut world);
    world.ip = None;
    assert_eq!(given(&mut world, "sensor2"), Some(ip(42)));

    for last in 43..120 {
        world.ip = Some(ip(last));
        world.interim("sensor", "S1");
    }
    assert_eq!(
        world.sessions("sensor"),
        ["S1 open 100.64.0.119 conflict"],
        "no other one as long as none could be held any more"
    );
    world.later(61);
    world.interim("sensor", "S1");
    assert_eq!(world.sessions("sensor"), ["S1 open 100.64.0.119"]);
}

#[test]
fn a_configured_address_that_was_never_used_is_held_too_when_it_is_taken_away() {
    let mut world = World::new();
    assert!(lay_out(&mut world, vec![fixed("100.64.0.0/30")], Some(ip(2))));
    assert!(lay_out(&mut world, vec![fixed("100.64.0.0/30")], None));
    restart(&mut world);
    assert_eq!(given(&mut world, "till"), None);
    world.later(61);
    assert_eq!(given(&mut world, "till"), Some(ip(2)));
}

/// Records nothing.
struct Deaf;

impl Recorder for Deaf {
    fn endpoint(&mut self, _: Iccid, _: &EndpointState) {}
    fn provisioned(&mut self, _: Iccid, _: Revision, _: Option<&Endpoint>) {}
    fn object(&mut self, _: &CatalogObject) {}
    fn inventory(&mut self, _: Option<Fingerprint>) {}
    fn restart(&mut self, _: &crate::network::Restart) {}
    fn noted(&mut self, _: &Note) {}
    fn freed(&mut self, _: FreedAddress) {}
}

/// Traffic takes one free address after the other, and meets those that an adoption configures at
/// the same time.
#[test]
fn configured_addresses_do_not_race_with_traffic() {
    let (mut catalog, _) = inventory();
    let vslice = catalog.vslice(A).unwrap().clone();
    catalog.put_vslice(Vslice { subnets: vec![fixed("100.64.0.0/24")], ..vslice });
    let name = |number: u8| format!("8944500000001{number:06}");
    let endpoints = |configured: bool| {
        let endpoint = |number: u8| {
            let mut endpoint = Endpoint::new(crate::provisioning::ProvisioningState::Active)
                .in_group(GroupId::new(0));
            endpoint.static_ip = (configured && number >= 200).then(|| ip(number - 80));
            (Iccid::parse(name(number).as_bytes()).unwrap(), endpoint)
        };
        Inventory {
            catalog: catalog.clone(),
            endpoints: (0..240).map(endpoint).collect(),
            ..Inventory::default()
        }
    };
    for _ in 0..4 {
        let world = World::new();
        let (aaa, now) = (&world.aaa, world.now);
        aaa.adopt(endpoints(false), Prune::No, now, &mut Deaf).unwrap();
        let attach = |number: u8| {
            let name = name(number);
            let subject = Subject { iccid: Some(name.as_bytes()), ..Subject::default() };
            let request = AccessRequest {
                subject,
                apn: None,
                attach_only: false,
                located: &LocationInfo::default,
                asked: AskedFamilies::Unsaid,
                proves: &|_| true,
                unusable_credentials: false,
            };
            match aaa.authorize(&request, now, &mut Deaf) {
                Verdict::Accept(accept) => accept.ip().map(|ip| (ip, number)),
                Verdict::Reject(_) => None,
            }
        };
        let given: Vec<(Ipv4Addr, u8)> = std::thread::scope(|scope| {
            let traffic = [0..100, 100..200].map(|some: std::ops::Range<u8>| {
                scope.spawn(move || some.filter_map(attach).collect::<Vec<_>>())
            });
            let _ = aaa.adopt(endpoints(true), Prune::No, now, &mut Deaf);
            let traffic =
                traffic.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>();
            traffic.into_iter().chain((200..240).filter_map(attach)).collect()
        });
        let owners: HashMap<Ipv4Addr, u8> = given.iter().copied().collect();
        assert_eq!(owners.len(), given.len(), "an address with two owners");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Access(usize),
    /// The address that the gateway reports, if any.
    Start(usize, Option<u8>),
    Interim(usize, Option<u8>),
    Stop(usize),
    Wait(u64),
    Housekeep,
    LayOut(Vec<Subnet>, Option<u8>),
    Restart,
}

const WHO: [&str; 6] = ["till", "till2", "till3", "sensor", "sensor2", "sensor3"];

/// Subnets of any size in 100.64.0.0/27, each static or pooled or not there.
fn layout() -> impl Strategy<Value = Vec<Subnet>> {
    let kinds = proptest::collection::vec(0u8..3, 8);
    (27u8..31, kinds, proptest::option::of(0u8..8)).prop_map(|(length, kinds, exclude)| {
        let size = 1u8 << (32 - length);
        let exclude: Vec<ipnet::IpNet> = exclude
            .map(|quarter| Ipv4Net::new(ip(quarter * 4), 30).unwrap().into())
            .into_iter()
            .collect();
        let subnet = |(number, kind): (u8, u8)| {
            let allocation =
                [None, Some(Allocation::Static), Some(Allocation::Pooled)][usize::from(kind)]?;
            let cidr: ipnet::IpNet = Ipv4Net::new(ip(number * size), length).unwrap().into();
            Some(Subnet { block: cidr.into(), allocation, exclude: exclude.clone() })
        };
        (0..32 / size).zip(kinds).filter_map(subnet).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..WHO.len();
    let reported = || proptest::option::of(0u8..32);
    prop_oneof![
        5 => who().prop_map(Step::Access),
        4 => (who(), reported()).prop_map(|(who, ip)| Step::Start(who, ip)),
        2 => (who(), reported()).prop_map(|(who, ip)| Step::Interim(who, ip)),
        4 => who().prop_map(Step::Stop),
        3 => (1u64..50).prop_map(Step::Wait),
        1 => Just(Step::Housekeep),
        2 => (layout(), proptest::option::of(0u8..32)).prop_map(|(layout, ip)| Step::LayOut(layout, ip)),
        1 => Just(Step::Restart),
    ]
}

fn take(world: &mut World, step: Step) {
    world.ip = None;
    match step {
        Step::Access(who) => _ = world.access(WHO[who]),
        Step::Start(who, reported) => {
            world.ip = reported.map(ip);
            world.start(WHO[who], "S");
        }
        Step::Interim(who, reported) => {
            world.ip = reported.map(ip);
            world.interim(WHO[who], "S");
        }
        Step::Stop(who) => _ = world.stop(WHO[who], "S"),
        Step::Wait(secs) => world.later(secs),
        Step::Housekeep => world.housekeep(),
        Step::LayOut(subnets, configured) => {
            let is_static = |ip: &Ipv4Addr| {
                subnets.iter().any(|subnet| {
                    subnet.allocation == Allocation::Static && subnet.offers((*ip).into())
                })
            };
            let configured = configured.map(ip).filter(is_static);
            lay_out(world, subnets, configured);
        }
        Step::Restart => restart(world),
    }
    world.later(1);
    world.commit();
}

/// Who has which address of the first VSlice by a lease; and by the pools, which hold configured
/// ones as well.
fn owners(world: &World) -> (HashMap<Address, Iccid>, HashMap<Address, Iccid>) {
    let mut leased = HashMap::new();
    let mut configured = Vec::new();
    let plan = world.aaa.plan();
    world.aaa.for_each(|iccid, entry| {
        for lease in entry
            .state
            .leases
            .iter()
            .filter(|lease| lease.vslice == A && !lease.phase.is_released())
        {
            assert_eq!(leased.insert(lease.ip, iccid), None, "{} has two owners", lease.ip);
        }
        for session in entry.state.open_sessions().filter(|session| !session.conflict) {
            let is_leased = session.ip.is_none_or(|ip| leased.get(&ip.into()) == Some(&iccid));
            assert!(is_leased, "{session:?} of {iccid:?} uses what is not its own");
        }
        configured.extend(plan.configured(&entry.endpoint).map(|(_, ip)| (ip, iccid)));
    });
    let mut all = leased.clone();
    for (ip, iccid) in configured {
        assert_eq!(
            *all.entry(ip).or_insert(iccid),
            iccid,
            "{ip} is configured for one and leased by another"
        );
    }
    (leased, all)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn whatever_the_inventory_does(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        let mut last_had: HashMap<Address, (Iccid, Timestamp)> = HashMap::new();
        for step in steps {
            let is_compared = matches!(step, Step::LayOut(..) | Step::Housekeep);
            take(&mut world, step);
            let (leased, all) = owners(&world);
            for last in 0..32 {
                let own = world.aaa.plan().owner(A, ip(last).into());
                prop_assert_eq!(own, all.get(&ip(last).into()).copied(), "{}", ip(last));
            }
            let configured = world.aaa.look(iccid("till2"), world.now, |entry, _| entry.endpoint.static_ip).flatten().map(Address::V4);
            for (ip, iccid) in leased {
                if let Some((former, at)) = last_had.insert(ip, (iccid, world.now)) {
                    let is_early = former != iccid && world.now < at + HOLD && Some(ip) != configured;
                    prop_assert!(!is_early, "{} went from {:?} to {:?} within its hold", ip, former, iccid);
                }
            }
            // Whoever restarts now finds the same.
            if !is_compared {
                continue;
            }
            let restarted = world.restored(0);
            for aaa in [&world.aaa, &restarted] {
                aaa.plan().expire_holds(world.now);
            }
            let spread = |aaa: &Aaa| {
                let vslice = &aaa.stats().vslices[0];
                let counts: Vec<_> = vslice.pools.iter().map(|pool| (pool.block, pool.counts)).collect();
                let owners: Vec<_> = (0..32).map(|last| aaa.plan().owner(A, ip(last).into())).collect();
                (counts, vslice.outside, owners)
            };
            prop_assert_eq!(spread(&world.aaa), spread(&restarted));
        }
    }
}
