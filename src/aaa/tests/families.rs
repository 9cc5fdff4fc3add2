//! Two address families: what is granted, reported and given back (PROTOCOL 14).

use super::world::{Answer, World, iccid, inventory};
use crate::aaa::*;
use crate::address::{AddressBlock, AddressKind, Ipv6Prefix};
use crate::identity::VsliceId;
use crate::network::Families;
use crate::provisioning::{Allocation, Subnet};

const A: VsliceId = VsliceId::new(0);
const IPV4: Families = Families { ipv4: true, ipv6: false };
const IPV6: Families = Families { ipv4: false, ipv6: true };
const BOTH: Families = Families { ipv4: true, ipv6: true };

fn whole(families: Families) -> AskedFamilies {
    AskedFamilies::Some { families, is_part: false }
}

fn part(families: Families) -> AskedFamilies {
    AskedFamilies::Some { families, is_part: true }
}

fn prefix(text: &str) -> Ipv6Prefix {
    text.parse().unwrap()
}

/// The first VSlice has prefixes for its static group, too.
fn world(links: &str, delegated: Option<(&str, u8)>) -> World {
    let mut world = World::new();
    let (mut catalog, endpoints) = inventory();
    let mut vslice = catalog.vslice(A).unwrap().clone();
    let subnet = |block| Subnet { block, allocation: Allocation::Static, exclude: Vec::new() };
    vslice.subnets.push(subnet(links.parse().unwrap()));
    vslice
        .subnets
        .extend(delegated.map(|(cidr, len)| subnet(AddressBlock::new(cidr.parse().unwrap(), len))));
    catalog.put_vslice(vslice);
    world.load(catalog, endpoints, &[]).unwrap();
    world
}

fn granted(world: &mut World, asked: AskedFamilies) -> Vec<String> {
    world.asked = asked;
    let accept = world.access("till").accepted();
    accept.addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn each_request_is_granted_what_it_asks_for_and_there_is() {
    let mut world = world("2001:db8:10::/48", Some(("2001:db8:20::/44", 56)));
    let (ip, link, routed) = ("100.64.0.2", "2001:db8:10:1::/64", "2001:db8:20:100::/56");
    for (asked, wanted) in [
        (AskedFamilies::Unsaid, vec![ip]),
        (AskedFamilies::Nothing, vec![]),
        (whole(IPV4), vec![ip]),
        (whole(IPV6), vec![link, routed]),
        (whole(BOTH), vec![ip, link, routed]),
        (part(IPV6), vec![link, routed]),
        (part(IPV4), vec![ip]),
    ] {
        assert_eq!(granted(&mut world, asked), wanted, "{asked:?}");
    }
    let mut world = World::new();
    assert_eq!(granted(&mut world, whole(BOTH)), [ip], "the VSlice has no IPv6");
    world.asked = whole(IPV6);
    assert_eq!(world.access("till"), Answer::Reject(RejectReason::AddressFamilyNotAllowed));
}

#[test]
fn both_or_none_unless_the_group_grants_one_alone() {
    let mut world = world("2001:db8:10::/63", None);
    world.asked = whole(BOTH);
    world.access("till").accepted();
    assert_eq!(world.access("till2"), Answer::Reject(RejectReason::PoolExhausted));
    assert_eq!(world.leased("static"), 1, "no address was taken");
}

#[test]
fn a_dual_stack_session_has_three_addresses_and_gives_them_back() {
    let mut world = world("2001:db8:10::/48", Some(("2001:db8:20::/44", 56)));
    granted(&mut world, whole(BOTH));
    world.families = Some(BOTH);
    world.start("till", "S");
    let all = "S open 100.64.0.2 2001:db8:10:1::/64 2001:db8:20:100::/56";
    assert_eq!(world.sessions("till"), [all]);
    world.prefixes = [Some(prefix("2001:db8:10:1::/64")), None];
    world.interim("till", "S");
    assert_eq!(world.sessions("till"), [all], "what is not said is kept");
    let restarted = world.restored(0);
    for ip in ["100.64.0.2", "2001:db8:10:1::/64", "2001:db8:20:100::/56"] {
        let owner = restarted.plan().owner(A, ip.parse().unwrap());
        assert_eq!(owner, Some(iccid("till")), "{ip}");
    }
    world.absent_is_released = true;
    world.interim("till", "S");
    assert_eq!(world.sessions("till"), ["S open - 2001:db8:10:1::/64"]);
    world.stop("till", "S");
    let kept = granted(&mut world, whole(BOTH));
    assert_eq!(kept.len(), 3, "static: the same again");
    assert_eq!(kept[1], "2001:db8:10:1::/64");
}

#[test]
fn a_deferred_address_joins_its_session() {
    let mut world = world("2001:db8:10::/48", None);
    granted(&mut world, part(IPV6));
    world.families = Some(BOTH);
    world.start("till", "S");
    assert_eq!(world.sessions("till"), ["S open - 2001:db8:10:1::/64"]);
    granted(&mut world, part(IPV4));
    assert_eq!(world.sessions("till"), ["S open 100.64.0.2 2001:db8:10:1::/64"]);
}

#[test]
fn sessions_of_two_families_stay_open_side_by_side() {
    let mut world = world("2001:db8:10::/48", None);
    granted(&mut world, whole(IPV4));
    world.families = Some(IPV4);
    world.start("till", "four");
    granted(&mut world, whole(IPV6));
    world.families = Some(IPV6);
    world.start("till", "six");
    assert_eq!(world.sessions("till"), ["four open 100.64.0.2", "six open - 2001:db8:10:1::/64"]);
}

#[test]
fn a_reported_prefix_is_taken_if_it_is_free_and_a_conflict_if_not() {
    let mut world = world("2001:db8:10::/48", None);
    granted(&mut world, whole(IPV6));
    world.families = Some(IPV6);
    world.prefixes = [Some(prefix("2001:db8:10:77::/64")), None];
    world.start("till", "S");
    assert_eq!(world.sessions("till"), ["S open - 2001:db8:10:77::/64"]);
    let owner = world.aaa.plan().owner(A, prefix("2001:db8:10:77::/64").into());
    assert_eq!(owner, Some(iccid("till")));
    world.start("till2", "T");
    assert_eq!(world.sessions("till2"), ["T open - 2001:db8:10:77::/64 conflict"]);
}

#[test]
fn a_48_has_65535_prefixes() {
    let mut world = world("2001:db8:10::/48", None);
    world.asked = whole(IPV6);
    let given = world.access("till").accepted().prefix(AddressKind::Link);
    assert_eq!(given, Some(prefix("2001:db8:10:1::/64")), "the first one is reserved");
    let pools = &world.aaa.stats().vslices[0].pools;
    let fill = pools.iter().find(|pool| pool.block.kind() == AddressKind::Link).unwrap();
    assert_eq!(fill.counts.leased + fill.counts.free, 65_535);
}
