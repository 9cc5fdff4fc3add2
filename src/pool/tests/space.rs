//! Subnets come and go; who has which address stays (PROTOCOL 11): against a model, and against a
//! memory restored from records.

use super::*;

/// The networks of the tests lie here.
const NET: &str = "10.0.0.0/26";

type Layout = Vec<(IpNet, char, Vec<IpNet>)>;

fn space(layout: &Layout) -> AddressSpace<char> {
    let mut space = AddressSpace::new(HOLD);
    lay_out(&mut space, layout);
    space
}

fn lay_out(space: &mut AddressSpace<char>, layout: &Layout) {
    space.set_subnets(layout.iter().map(|(cidr, kind, exclude)| (*cidr, *kind, &exclude[..])));
}

fn plain(subnets: &[(&str, char)]) -> Layout {
    subnets.iter().map(|(cidr, kind)| (net(cidr), *kind, Vec::new())).collect()
}

#[test]
fn a_subnet_that_grows_gives_nobody_what_others_have() {
    let mut space = space(&plain(&[("10.0.0.0/29", 'p')]));
    let given = [1, 2].map(|who| space.allocate('p', owner(who), at(0)).unwrap());
    lay_out(&mut space, &plain(&[("10.0.0.0/28", 'p')]));
    assert_eq!(given, [ip("10.0.0.2"), ip("10.0.0.3")]);
    assert_eq!(space.allocate('p', owner(3), at(0)), Some(ip("10.0.0.4")));
    assert_eq!(space.claim(given[0], owner(1), at(0)), Ok(Some('p')));
    space.release(given[0], owner(1), at(1)).unwrap();
    lay_out(&mut space, &plain(&[("10.0.0.0/30", 'p'), ("10.0.0.4/30", 's')]));
    assert_eq!(space.allocate('p', owner(4), at(60)), None, "the hold goes along");
    assert_eq!(space.allocate('p', owner(4), at(61)), Some(given[0]));
}

#[test]
fn outside_an_address_is_its_owners_only_and_comes_back_with_its_subnet() {
    let mut space = space(&plain(&[("10.0.0.0/29", 'p')]));
    let mine = space.allocate('p', owner(1), at(0)).unwrap();
    lay_out(&mut space, &plain(&[]));
    assert_eq!((space.outside(), space.owner(mine)), (1, Some(owner(1))));
    assert_eq!(space.claim(mine, owner(1), at(0)), Ok(None));
    assert_eq!(space.claim(mine, owner(2), at(0)), Err(ClaimError::Outside));

    space.release(mine, owner(1), at(10)).unwrap();
    assert_eq!(
        space.claim(mine, owner(1), at(20)),
        Ok(None),
        "the gateway says it is in use after all"
    );
    space.release(mine, owner(1), at(30)).unwrap();
    lay_out(&mut space, &plain(&[("10.0.0.0/30", 'p')]));
    assert_eq!(space.outside(), 0);
    assert_eq!(space.allocate('p', owner(2), at(89)), None);
    assert_eq!(space.allocate('p', owner(2), at(90)), Some(mine));
}

#[test]
fn outside_a_hold_is_forgotten_when_it_is_over() {
    let mut space = space(&plain(&[("10.0.0.0/29", 'p')]));
    let mine = space.allocate('p', owner(1), at(0)).unwrap();
    space.release(mine, owner(1), at(10)).unwrap();
    lay_out(&mut space, &plain(&[]));
    space.expire_holds(at(69), 1);
    assert_eq!(space.outside(), 1);
    space.expire_holds(at(70), 1);
    assert_eq!(space.outside(), 0);
    assert_eq!(space.claim(mine, owner(1), at(70)), Err(ClaimError::Outside));
}

#[test]
fn what_is_configured_waits_for_its_user_and_for_no_hold() {
    let mut space = space(&plain(&[("10.0.0.0/29", 's')]));
    let used = space.allocate('s', owner(1), at(0)).unwrap();
    assert_eq!(space.configure(used, owner(2)), Err(ClaimError::Leased));
    space.await_release(used, owner(2));
    assert!(space.is_awaited_by_another(used, owner(1)) && space.is_disputed());
    lay_out(&mut space, &plain(&[("10.0.0.0/28", 's')]));
    space.release(used, owner(1), at(1)).unwrap();
    assert_eq!((space.owner(used), space.is_disputed()), (Some(owner(2)), false));
    assert_eq!(space.claim(used, owner(1), at(2)), Err(ClaimError::Leased));

    space.release(used, owner(2), at(3)).unwrap();
    assert_eq!(space.claim(used, owner(3), at(4)), Err(ClaimError::Held { until: at(63) }));
    assert!(space.configure(used, owner(3)).is_ok());
}

#[test]
fn what_a_gateway_says_is_used_by_another_is_given_to_nobody() {
    let mut space = space(&plain(&[("10.0.0.0/30", 'p')]));
    let used = space.allocate('p', owner(1), at(0)).unwrap();
    space.contest(used, owner(2), at(1000));
    space.release(used, owner(1), at(1)).unwrap();
    assert_eq!(space.allocate('p', owner(3), at(100)), None);
    assert_eq!(space.claim(used, owner(2), at(100)), Ok(Some('p')), "the gateway is right");
    space.release(used, owner(2), at(100)).unwrap();
    assert_eq!(space.allocate('p', owner(3), at(160)), Some(used), "and has been heard of since");

    space.contest(used, owner(2), at(1000));
    space.release(used, owner(3), at(200)).unwrap();
    assert_eq!(space.allocate('p', owner(1), at(999)), None);
    assert_eq!(space.allocate('p', owner(1), at(1000)), Some(used), "silent for too long");
}

/// Who has what, and nothing else.
#[derive(Clone, Default)]
struct Owners(BTreeMap<Address, (u8, Option<Timestamp>)>);

impl Owners {
    fn owner(&self, ip: Address) -> Option<u8> {
        self.0.get(&ip).filter(|(_, released)| released.is_none()).map(|(who, _)| *who)
    }

    /// Somebody whom it is or was until less than the hold ago.
    fn is_taken(&self, ip: Address, now: Timestamp) -> Option<u8> {
        self.0
            .get(&ip)
            .filter(|(_, released)| released.is_none_or(|at| at + HOLD > now))
            .map(|(who, _)| *who)
    }

    /// The same addresses, as the records of a restart tell them.
    fn restored(&self, layout: &Layout) -> AddressSpace<char> {
        let mut restored = space(layout);
        for (ip, (who, released)) in self.0.iter().rev() {
            match released {
                None => restored.restore_leased(*ip, owner(*who)).unwrap(),
                Some(at) => restored.restore_held(*ip, owner(*who), *at),
            }
        }
        restored
    }
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(char, u8),
    Claim(u8, u8),
    Configure(u8, u8),
    Release(u8, u8),
    Wait(u64),
    LayOut(Layout),
}

/// Subnets of any size that do not overlap, each static or pooled or not there.
fn layout() -> impl Strategy<Value = Layout> {
    let subnet = |first: u8| {
        let offers = prop_oneof![Just(None), Just(Some('s')), Just(Some('p'))];
        let exclude = proptest::option::of(0u8..16);
        (Just(first), offers, exclude)
    };
    let sized = prop_oneof![Just(26u8), Just(27), Just(28), Just(29)];
    sized.prop_flat_map(move |length| {
        let size = 1u8 << (32 - length);
        let subnets: Vec<_> = (0..64 / size).map(|number| subnet(number * size)).collect();
        subnets.prop_map(move |subnets| {
            let there = subnets
                .into_iter()
                .filter_map(|(first, kind, exclude)| Some((first, kind?, exclude)));
            let laid = there.map(|(first, kind, exclude)| {
                let cidr = IpNet::new([10, 0, 0, first].into(), length).unwrap();
                let exclude =
                    exclude.map(|quarter| IpNet::new([10, 0, 0, quarter * 4].into(), 30).unwrap());
                (cidr, kind, exclude.into_iter().collect())
            });
            laid.collect()
        })
    })
}

fn step() -> impl Strategy<Value = Step> {
    let kind = || prop_oneof![Just('s'), Just('p')];
    prop_oneof![
        6 => (kind(), 0u8..6).prop_map(|(kind, who)| Step::Allocate(kind, who)),
        2 => (0u8..64, 0u8..6).prop_map(|(last, who)| Step::Claim(last, who)),
        1 => (0u8..64, 0u8..6).prop_map(|(last, who)| Step::Configure(last, who)),
        8 => (0u8..64, 0u8..6).prop_map(|(last, who)| Step::Release(last, who)),
        2 => (0u64..40).prop_map(Step::Wait),
        2 => layout().prop_map(Step::LayOut),
    ]
}

fn offers(layout: &Layout, ip: Address) -> Option<char> {
    let ip = std::net::IpAddr::V4(ip.ipv4()?);
    let (cidr, kind, exclude) = layout.iter().find(|(cidr, ..)| cidr.contains(&ip))?;
    let is_reserved = ip == cidr.network()
        || cidr.hosts().next() == Some(ip)
        || ip == cidr.broadcast()
        || exclude.iter().any(|range| range.contains(&ip));
    (!is_reserved).then_some(*kind)
}

proptest! {
    #[test]
    fn no_address_has_two_owners_whatever_the_inventory_does(steps in proptest::collection::vec(step(), 1..120)) {
        let mut layout = plain(&[(NET, 'p')]);
        let mut space = space(&layout);
        let mut owners = Owners::default();
        let mut now = at(0);
        for step in steps {
            now = now + Duration::from_micros(1);
            let address = |last: u8| Address::from([10, 0, 0, last]);
            match step {
                Step::Allocate(kind, who) => {
                    let all = (0..64).map(address);
                    let mut free = all.filter(|ip| offers(&layout, *ip) == Some(kind) && owners.is_taken(*ip, now).is_none());
                    let given = space.allocate(kind, owner(who), now);
                    // A restart does not know whose hold was over first, but gives one of the same.
                    let restarted = owners.restored(&layout).allocate(kind, owner(who), now);
                    for given in [given, restarted] {
                        prop_assert_eq!(given.is_some(), free.clone().next().is_some());
                        prop_assert!(given.is_none_or(|given| free.clone().any(|ip| ip == given)), "{:?}", given);
                    }
                    let _ = free.next();
                    owners.0.extend(given.map(|ip| (ip, (who, None))));
                }
                Step::Claim(last, who) => {
                    let ip = address(last);
                    let may = owners.is_taken(ip, now).map_or(offers(&layout, ip).is_some(), |taken| taken == who);
                    prop_assert_eq!(space.claim(ip, owner(who), now).is_ok(), may, "{}", ip);
                    prop_assert_eq!(owners.restored(&layout).claim(ip, owner(who), now).is_ok(), may, "restored {}", ip);
                    if may {
                        owners.0.insert(ip, (who, None));
                    }
                }
                Step::Configure(last, who) => {
                    let ip = address(last);
                    let may = owners.owner(ip).is_none_or(|other| other == who);
                    prop_assert_eq!(space.configure(ip, owner(who)).is_ok(), may);
                    if may {
                        owners.0.insert(ip, (who, None));
                    }
                }
                Step::Release(last, who) => {
                    let ip = address(last);
                    let is_its_own = owners.owner(ip) == Some(who);
                    prop_assert_eq!(space.release(ip, owner(who), now).is_ok(), is_its_own);
                    if is_its_own {
                        owners.0.insert(ip, (who, Some(now)));
                    }
                }
                Step::Wait(secs) => now = now + Duration::from_secs(secs),
                Step::LayOut(next) => {
                    layout = next;
                    lay_out(&mut space, &layout);
                    space.expire_holds(now, usize::MAX);
                    let mut restored = owners.restored(&layout);
                    restored.expire_holds(now, usize::MAX);
                    prop_assert_eq!(space.outside(), restored.outside());
                    prop_assert_eq!(space.counts().collect::<Vec<_>>(), restored.counts().collect::<Vec<_>>());
                }
            }
            for last in 0..64 {
                prop_assert_eq!(space.owner(address(last)), owners.owner(address(last)).map(owner));
            }
        }
    }
}
