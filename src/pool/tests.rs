//! The allocator against its rules: by example, and by random operations against a model that
//! forgets nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

mod space;

const HOLD: Duration = Duration::from_secs(60);

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> Address {
    text.parse().unwrap()
}

fn last_octet(ip: Address) -> u8 {
    ip.ipv4().unwrap().octets()[3]
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// Somebody who has addresses.
fn owner(number: u8) -> Iccid {
    Iccid::parse(format!("89445000000000000{number:02}").as_bytes()).unwrap()
}

fn pool(cidr: &str, exclude: &[&str]) -> Pool {
    let exclude: Vec<IpNet> = exclude.iter().map(|range| net(range)).collect();
    Pool::new(net(cidr), &exclude, HOLD)
}

fn drain(pool: &mut Pool, now: Timestamp) -> Vec<u8> {
    std::iter::from_fn(|| pool.allocate(owner(1), now).ok()).map(last_octet).collect()
}

#[test]
fn network_broadcast_and_first_host_are_reserved_in_subnets_shorter_than_31() {
    let cases: &[(&str, &[u8])] = &[
        ("192.0.2.16/28", &[18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30]),
        ("192.0.2.8/29", &[10, 11, 12, 13, 14]),
        ("192.0.2.4/30", &[6]),
        ("192.0.2.4/31", &[4, 5]),
        ("192.0.2.4/32", &[4]),
    ];
    for (cidr, wanted) in cases {
        let mut pool = pool(cidr, &[]);
        assert_eq!(drain(&mut pool, at(0)), *wanted, "{cidr}");
        assert_eq!(pool.allocate(owner(1), at(0)), Err(Exhausted { retry_at: None }), "{cidr}");
        assert_eq!(pool.counts().leased, wanted.len() as u64);
        assert_eq!(pool.counts().free, 0);
    }
}

#[test]
fn excluded_ranges_are_passed_over() {
    let mut pool =
        pool("192.0.2.0/28", &["192.0.2.4/30", "192.0.2.12/30", "198.51.100.0/24", "192.0.2.9/32"]);
    assert_eq!(pool.counts(), PoolCounts { leased: 0, held: 0, free: 5, reserved: 11 });
    assert_eq!(drain(&mut pool, at(0)), [2, 3, 8, 10, 11]);
    assert_eq!(pool.claim(ip("192.0.2.5"), owner(2), at(0)), Err(ClaimError::Reserved));
}

#[test]
fn never_used_before_released_and_oldest_released_first() {
    let mut pool = pool("192.0.2.0/29", &[]);
    let [a, b, c] = [0; 3].map(|_| pool.allocate(owner(1), at(0)).unwrap());
    pool.release(b, owner(1), at(1)).unwrap();
    pool.release(a, owner(1), at(2)).unwrap();
    pool.release(c, owner(1), at(3)).unwrap();
    assert_eq!(drain(&mut pool, at(10)), [5, 6]);
    assert_eq!(pool.allocate(owner(1), at(60)), Err(Exhausted { retry_at: Some(at(61)) }));
    assert_eq!(pool.allocate(owner(1), at(61)), Ok(b));
    assert_eq!(pool.allocate(owner(1), at(61)), Err(Exhausted { retry_at: Some(at(62)) }));
    assert_eq!(pool.allocate(owner(1), at(90)), Ok(a));
    assert_eq!(pool.allocate(owner(1), at(90)), Ok(c));
    assert_eq!(pool.allocate(owner(1), at(90)), Err(Exhausted { retry_at: None }));
}

#[test]
fn within_the_hold_only_the_former_owner_may_have_it() {
    let mut pool = pool("192.0.2.0/29", &[]);
    let a = pool.allocate(owner(1), at(0)).unwrap();
    pool.release(a, owner(1), at(10)).unwrap();
    assert_eq!(pool.claim(a, owner(2), at(69)), Err(ClaimError::Held { until: at(70) }));
    assert!(pool.claim(a, owner(1), at(11)).is_ok());
    assert_eq!(pool.claim(a, owner(1), at(11)), Ok(Before::Own), "again and again");
    assert_eq!(pool.claim(a, owner(2), at(11)), Err(ClaimError::Leased));
    assert_eq!(pool.release(a, owner(2), at(11)), Err(NotLeased), "another's");
    pool.release(a, owner(1), at(20)).unwrap();
    assert_eq!(pool.claim(a, owner(2), at(80)).err(), None, "after the hold anyone may");
}

#[test]
fn wrong_use_is_told_and_does_nothing() {
    let mut pool = pool("192.0.2.0/29", &[]);
    let before = pool.counts();
    assert_eq!(pool.release(ip("192.0.2.2"), owner(1), at(0)), Err(NotLeased));
    assert_eq!(pool.release(ip("198.51.100.2"), owner(1), at(0)), Err(NotLeased));
    assert_eq!(pool.claim(ip("198.51.100.2"), owner(2), at(0)), Err(ClaimError::Outside));
    assert_eq!(pool.counts(), before);
    assert_eq!(pool.claim(ip("192.0.2.2"), owner(1), at(0)), Ok(Before::Unused));
    assert_eq!(pool.claim(ip("192.0.2.2"), owner(2), at(0)), Err(ClaimError::Leased));
    pool.release(ip("192.0.2.2"), owner(1), at(0)).unwrap();
    assert_eq!(pool.release(ip("192.0.2.2"), owner(1), at(1)), Err(NotLeased));
}

#[test]
fn an_excluded_address_stays_leased_and_returns_with_the_configuration() {
    let mut pool = pool("192.0.2.0/29", &[]);
    assert_eq!(drain(&mut pool, at(0)), [2, 3, 4, 5, 6]);
    pool.release(ip("192.0.2.3"), owner(1), at(1)).unwrap();
    pool.set_excluded(&[net("192.0.2.2/31")]);
    assert_eq!(pool.counts(), PoolCounts { leased: 4, held: 0, free: 0, reserved: 4 });
    pool.release(ip("192.0.2.2"), owner(1), at(2)).unwrap();
    assert_eq!(pool.counts(), PoolCounts { leased: 3, held: 0, free: 0, reserved: 5 });
    assert_eq!(pool.allocate(owner(1), at(500)), Err(Exhausted { retry_at: None }));

    pool.set_excluded(&[]);
    assert_eq!(pool.allocate(owner(1), at(500)), Ok(ip("192.0.2.3")), "released before the other");
    assert_eq!(pool.allocate(owner(1), at(500)), Ok(ip("192.0.2.2")));
}

#[test]
fn what_was_excluded_and_never_used_comes_into_use() {
    let mut pool = pool("192.0.2.0/29", &["192.0.2.2/31"]);
    assert_eq!(drain(&mut pool, at(0)), [4, 5, 6]);
    pool.set_excluded(&[]);
    assert_eq!(drain(&mut pool, at(0)), [2, 3]);
}

#[test]
fn records_come_back_in_any_order() {
    let releases =
        [("192.0.2.4", 3), ("192.0.2.2", 5), ("192.0.2.6", 1), ("192.0.2.2", 2), ("192.0.2.5", 4)];
    let mut pool = pool("192.0.2.0/29", &[]);
    for (address, secs) in releases {
        pool.restore_held(ip(address), owner(3), at(secs));
    }
    assert!(pool.restore_leased(ip("192.0.2.5"), owner(1)).is_ok());
    pool.restore_held(ip("192.0.2.5"), owner(3), at(9));
    assert_eq!(
        pool.restore_leased(ip("192.0.2.5"), owner(2)),
        Err(ClaimError::Leased),
        "two owners"
    );
    assert_eq!(pool.counts(), PoolCounts { leased: 1, held: 3, free: 1, reserved: 3 });

    assert!(pool.claim(ip("192.0.2.4"), owner(3), at(6)).is_ok());
    assert_eq!(drain(&mut pool, at(100)), [3, 6, 2], "never used, then the oldest release");
}

#[test]
fn an_unused_subnet_costs_nothing_and_its_last_address_one_page() {
    let mut pool = pool("10.0.0.0/8", &["10.0.0.0/9"]);
    assert_eq!(pool.counts().free, (1 << 23) - 1);
    assert_eq!(pool.allocate(owner(1), at(0)), Ok(ip("10.128.0.0")));
    assert_eq!(pool.claim(ip("10.255.255.254"), owner(2), at(0)), Ok(Before::Unused));
    assert_eq!(pool.allocate(owner(1), at(0)), Ok(ip("10.128.0.1")));
    let whole = Pool::new(net("0.0.0.0/0"), &[], HOLD);
    assert_eq!(whole.counts().free, (1 << 32) - 3);
}

#[test]
fn what_was_claimed_can_be_given_back_as_it_was() {
    let mut pool = pool("192.0.2.0/29", &[]);
    let a = pool.allocate(owner(1), at(0)).unwrap();
    pool.release(a, owner(1), at(10)).unwrap();
    let before = pool.counts();
    for ip in [a, ip("192.0.2.3")] {
        let taken = pool.configure(ip, owner(2)).unwrap();
        assert_eq!(pool.owner(ip), Some(owner(2)), "out of another's hold, too");
        pool.undo(ip, taken);
        assert_eq!((pool.owner(ip), pool.counts()), (None, before));
    }
    assert_eq!(
        pool.claim(a, owner(3), at(69)),
        Err(ClaimError::Held { until: at(70) }),
        "the hold goes on"
    );
    assert_eq!(drain(&mut pool, at(69)), [3, 4, 5, 6]);
    assert!(pool.claim(a, owner(1), at(69)).is_ok(), "and is still its owner's");
}

/// Everything the rules are about, kept without any cleverness.
#[derive(Default)]
struct Model {
    leased: BTreeMap<Address, u8>,
    released: BTreeMap<Address, (Timestamp, u8)>,
    excluded: Vec<IpNet>,
}

impl Model {
    const CIDR: &str = "10.0.0.0/26";

    fn is_reserved(&self, ip: Address) -> bool {
        matches!(last_octet(ip), 0 | 1 | 63)
            || self
                .excluded
                .iter()
                .any(|range| range.contains(&std::net::IpAddr::V4(ip.ipv4().unwrap())))
    }

    /// What may be allocated now, best first.
    fn queue(&self, now: Timestamp) -> Vec<Address> {
        let usable = |ip: &Address| !self.leased.contains_key(ip) && !self.is_reserved(*ip);
        let all = 0..64;
        let fresh = all
            .map(|last| Address::from([10, 0, 0, last]))
            .filter(usable)
            .filter(|ip| !self.released.contains_key(ip));
        let mut old: Vec<_> =
            self.released.iter().filter(|(ip, (at, _))| usable(ip) && *at + HOLD <= now).collect();
        old.sort_by_key(|(_, released)| **released);
        fresh.chain(old.into_iter().map(|(ip, _)| *ip)).collect()
    }

    fn may_claim(&self, ip: Address, who: u8, now: Timestamp) -> bool {
        let has_held =
            self.released.get(&ip).is_some_and(|(at, owner)| *owner == who && *at + HOLD > now);
        self.leased.get(&ip) == Some(&who) || has_held || self.queue(now).contains(&ip)
    }

    fn take(&mut self, ip: Address, who: u8) {
        let former = self.leased.insert(ip, who);
        assert!(former.is_none_or(|former| former == who), "two owners of {ip}");
        self.released.remove(&ip);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Allocate(u8),
    Claim(u8, u8),
    Release(u8, u8),
    Wait(u64),
    Exclude(Option<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u8..4).prop_map(Act::Allocate),
        2 => (0u8..66, 0u8..4).prop_map(|(last, who)| Act::Claim(last, who)),
        6 => (0u8..64, 0u8..4).prop_map(|(last, who)| Act::Release(last, who)),
        2 => (0u64..40).prop_map(Act::Wait),
        1 => proptest::option::of(0u8..16).prop_map(Act::Exclude),
    ]
}

proptest! {
    #[test]
    fn keeps_every_rule_whatever_is_asked(acts in proptest::collection::vec(act(), 1..300)) {
        let mut pool = pool(Model::CIDR, &[]);
        let mut model = Model::default();
        let mut now = at(0);
        // What was excluded for a while and has left its hold counts as released when it came back:
        // the order is promised without that.
        let ordered = !acts.iter().any(|act| matches!(act, Act::Exclude(_)));
        for act in acts {
            now = now + Duration::from_micros(1);
            let address = |last: u8| Address::from([10, 0, 0, last]);
            match act {
                Act::Allocate(who) => {
                    let queue = model.queue(now);
                    match pool.allocate(owner(who), now) {
                        Ok(ip) => {
                            prop_assert!(queue.contains(&ip));
                            prop_assert!(!ordered || queue[0] == ip, "{} is not the oldest", ip);
                            model.take(ip, who);
                        }
                        Err(Exhausted { retry_at }) if ordered => {
                            prop_assert!(queue.is_empty());
                            prop_assert_eq!(retry_at, model.released.values().map(|(at, _)| *at + HOLD).min());
                        }
                        Err(Exhausted { retry_at }) => prop_assert!(queue.is_empty() || retry_at.is_some_and(|at| at <= now + HOLD)),
                    }
                }
                Act::Claim(last, who) => {
                    let ip = address(last);
                    let may = model.may_claim(ip, who, now);
                    prop_assert_eq!(pool.claim(ip, owner(who), now).is_ok(), may);
                    if may {
                        model.take(ip, who);
                    }
                }
                Act::Release(last, who) => {
                    let ip = address(last);
                    let is_its_own = model.leased.get(&ip) == Some(&who);
                    prop_assert_eq!(pool.release(ip, owner(who), now).is_ok(), is_its_own);
                    if is_its_own {
                        model.leased.remove(&ip);
                        model.released.insert(ip, (now, who));
                    }
                }
                Act::Wait(secs) => now = now + Duration::from_secs(secs),
                Act::Exclude(quarter) => {
                    model.excluded = quarter.map(|quarter| IpNet::new([10, 0, 0, quarter * 4].into(), 30).unwrap()).into_iter().collect();
                    pool.set_excluded(&model.excluded);
                }
            }
            pool.expire_holds(now, usize::MAX);
            let counts = pool.counts();
            prop_assert_eq!(counts.leased, model.leased.len() as u64);
            prop_assert_eq!(counts.leased + counts.held + counts.free + counts.reserved, 64);
            if ordered {
                prop_assert_eq!(counts.free, model.queue(now).len() as u64);
                prop_assert_eq!(counts.reserved, 3);
            }
        }
    }
}
