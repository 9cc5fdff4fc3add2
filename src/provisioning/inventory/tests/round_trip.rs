//! What is exported loads again, whatever it is.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::identity::{Apn, Imsi, Moniker};
use crate::policy::{
    CountryCode, ImeiLock, PolicyAction, PolicyEntry, RadioClass, Tac, WhenMissing,
};
use crate::provisioning::{
    AddressFamilies, Allocation, CredentialMethod, Credentials, Group, Labels, Policy, Subnet,
    Vslice,
};

#[test]
fn the_festival_comes_back() {
    let festival = Inventory::load(&fixtures().join("festival")).unwrap();
    assert_eq!(
        reloaded(&festival.catalog, &festival.endpoints),
        (festival.catalog, festival.endpoints)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_inventory_comes_back((catalog, endpoints) in inventory()) {
        prop_assert_eq!(reloaded(&catalog, &endpoints), (catalog, endpoints));
    }
}

type Parts = (Catalog, Vec<(Iccid, Endpoint)>);

fn reloaded(catalog: &Catalog, endpoints: &[(Iccid, Endpoint)]) -> Parts {
    let dir = tempfile::tempdir().unwrap();
    export(dir.path(), catalog, endpoints.iter().map(|(iccid, endpoint)| (*iccid, endpoint)))
        .unwrap();
    let inventory = Inventory::load(dir.path()).unwrap();
    (inventory.catalog, inventory.endpoints)
}

fn inventory() -> impl Strategy<Value = Parts> {
    (vec(policy(), 1..3), vec(vslice(), 1..4), vec(group(), 1..6), vec(endpoint(), 0..20)).prop_map(
        |(policies, vslices, groups, endpoints)| {
            let mut catalog = Catalog::default();
            let policies: Vec<_> = numbered(policies)
                .map(|(moniker, policy)| catalog.list(Policy { moniker, ..policy }))
                .collect();
            let vslices: Vec<_> = numbered(vslices)
                .map(|(moniker, vslice)| catalog.put_vslice(Vslice { moniker, ..vslice }))
                .collect();
            for (moniker, (place, group)) in numbered(groups) {
                let policy = group.enabled.then(|| *place.get(&policies));
                let vslice = *place.get(&vslices);
                catalog.put_group(Group { moniker, vslice, policy, ..group });
            }
            let endpoints = endpoints
                .into_iter()
                .enumerate()
                .map(|(number, draft)| draft.endpoint(number, &catalog))
                .collect();
            (catalog, endpoints)
        },
    )
}

fn numbered<T>(things: Vec<T>) -> impl Iterator<Item = (Moniker, T)> {
    things
        .into_iter()
        .enumerate()
        .map(|(number, thing)| (Moniker::parse(&format!("moniker-{number}")).unwrap(), thing))
}

/// Names with everything that has a meaning in one of the two formats.
fn name() -> impl Strategy<Value = String> {
    r#"[a-z0-9äß中,;"'\\#=\[\] ]{0,20}"#.prop_map(|name| name.trim().to_owned())
}

fn policy() -> impl Strategy<Value = Policy> {
    let entry = (0..4usize, any::<prop::sample::Index>(), option::of(0..100_000_000u32));
    (name(), any::<[bool; 5]>(), vec(entry, 0..4)).prop_map(|(name, flags, entries)| {
        let mut policy = Policy::new(Moniker::parse("later").unwrap(), &name);
        [policy.allow_2g, policy.allow_3g, policy.allow_45g, ..] = flags;
        policy.when_missing = if flags[3] { WhenMissing::Allow } else { WhenMissing::Reject };
        policy.imei_lock = if flags[4] { ImeiLock::Off } else { ImeiLock::Learn };
        for (place, index, tac) in entries {
            let new = PolicyEntry {
                operator: (place == 0).then(|| "310410".parse().unwrap()),
                country: (place == 1).then(|| CountryCode::parse("DE").unwrap()),
                international: place == 2,
                radio: vec![*index.get(RadioClass::ALL)],
                tac: tac.and_then(Tac::from_number).into_iter().collect(),
                action: *index.get(PolicyAction::ALL),
            };
            if !policy.entries.iter().any(|other| other.matches_same(&new)) {
                policy.entries.push(new);
            }
        }
        policy
    })
}

fn vslice() -> impl Strategy<Value = Vslice> {
    let subnet = (any::<bool>(), option::of(0..=255u8));
    (
        name(),
        any::<bool>(),
        vec(any::<Ipv4Addr>().prop_map(std::net::IpAddr::V4), 0..3),
        vec(subnet, 0..4),
    )
        .prop_map(|(name, enabled, dns, subnets)| {
            let subnet = |(number, (is_static, excluded)): (usize, (bool, Option<u8>))| Subnet {
                block: format!("10.{number}.0.0/16").parse().unwrap(),
                allocation: if is_static { Allocation::Static } else { Allocation::Pooled },
                exclude: excluded
                    .map(|third| format!("10.{number}.{third}.0/24").parse().unwrap())
                    .into_iter()
                    .collect(),
            };
            let subnets = subnets.into_iter().enumerate().map(subnet).collect();
            Vslice {
                moniker: Moniker::parse("later").unwrap(),
                name: name.into(),
                enabled,
                dns,
                subnets,
                event_map: None,
            }
        })
}

fn group() -> impl Strategy<Value = (prop::sample::Index, Group)> {
    let credentials = option::of((any::<bool>(), "[ -~]{1,20}", "[ -~]{1,20}"));
    let timers = (any::<u32>(), any::<u32>(), prop_oneof![Just(0), 60..u32::MAX]);
    (
        any::<prop::sample::Index>(),
        name(),
        any::<(bool, bool, bool)>(),
        vec("[a-z]{1,9}(\\.[a-z]{1,9})?", 0..3),
        timers,
        credentials,
    )
        .prop_map(
            |(place, name, (enabled, is_static, is_plain), apns, timers, credentials)| {
                let group = Group {
                    moniker: Moniker::parse("later").unwrap(),
                    name: name.into(),
                    vslice: crate::identity::VsliceId::new(0),
                    enabled,
                    allocation: if is_static { Allocation::Static } else { Allocation::Pooled },
                    apns: apns.iter().map(|apn| Apn::parse(apn).unwrap()).collect(),
                    session_timeout_s: timers.0,
                    idle_timeout_s: timers.1,
                    interim_interval_s: timers.2,
                    credentials: credentials.map(|(is_pap, username, password)| Credentials {
                        method: if is_pap { CredentialMethod::Pap } else { CredentialMethod::Chap },
                        username: username.into(),
                        password: password.into(),
                    }),
                    policy: None,
                    event_map: None,
                    families: if is_plain { AddressFamilies::Ipv4 } else { AddressFamilies::Both },
                    partial_dual_stack: !is_plain,
                    disconnect: is_plain,
                };
                (place, group)
            },
        )
}

/// An endpoint before its number and its groups are known.
#[derive(Clone, Debug)]
struct Draft {
    state: prop::sample::Index,
    groups: Vec<prop::sample::Index>,
    imsis: usize,
    has_msisdn: bool,
    has_address: bool,
    name: String,
}

fn endpoint() -> impl Strategy<Value = Draft> {
    (
        any::<prop::sample::Index>(),
        vec(any::<prop::sample::Index>(), 0..4),
        0..4usize,
        any::<(bool, bool)>(),
        name(),
    )
        .prop_map(|(state, groups, imsis, (has_msisdn, has_address), name)| Draft {
            state,
            groups,
            imsis,
            has_msisdn,
            has_address,
            name,
        })
}

impl Draft {
    fn endpoint(self, number: usize, catalog: &Catalog) -> (Iccid, Endpoint) {
        let known: Vec<GroupId> = catalog.groups().map(|(id, _)| id).collect();
        let mut groups: Vec<GroupId> = Vec::new();
        for group in self.groups.iter().map(|index| *index.get(&known)) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        let mut state = *self.state.get(&ProvisioningState::ALL);
        if groups.is_empty() && state == ProvisioningState::Active {
            state = ProvisioningState::Pending;
        }
        let mut endpoint = Endpoint::new(state).named(&self.name);
        endpoint.group = groups.first().copied();
        for group in groups.into_iter().skip(1) {
            endpoint = endpoint.also_in_group(group);
        }
        for imsi in 0..self.imsis {
            endpoint = endpoint
                .with_imsi(Imsi::parse(format!("23450{imsi}{number:05}").as_bytes()).unwrap());
        }
        if self.has_msisdn {
            endpoint.msisdn = Some(format!("4477{number:05}").parse().unwrap());
        }
        let label = self.name.replace(';', ",").trim().to_owned();
        if !label.is_empty() {
            endpoint = endpoint.with_imei("35349006987300".parse().ok()).with_labels(Labels {
                reference: Some(self.name.as_str().into()),
                tags: [label.as_str(), "north"].map(Into::into).into(),
            });
        }
        if self.has_address {
            endpoint.static_ip = free_address(&endpoint, number, catalog);
        }
        (iccid(number), endpoint)
    }
}

/// An address of the first static subnet that is nobody else's, if the endpoint may have one.
fn free_address(endpoint: &Endpoint, number: usize, catalog: &Catalog) -> Option<Ipv4Addr> {
    let group =
        catalog.group(endpoint.group?).filter(|group| group.allocation == Allocation::Static)?;
    let subnet = catalog.vslice(group.vslice)?.subnets_of(Allocation::Static).next()?;
    let ip = subnet.block.address(256 * 7 + number as u32);
    ip.ipv4().filter(|_| subnet.offers(ip))
}

fn iccid(number: usize) -> Iccid {
    let with_digit = |digit: usize| format!("8944500{number:011}{digit}").parse().unwrap();
    (0..10).map(with_digit).find(|iccid: &Iccid| iccid.luhn_is_valid()).unwrap()
}
