//! From users to an inventory: SIMs that are treated alike make a group.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::identities::KnownSims;
use super::pairs::{ForeignUser, SimTraits};
use super::subnets::covering;
use super::{ForeignLine, MigrationNote};
use crate::identity::{Iccid, Imsi, Moniker, Msisdn};

/// The inventory that is written.
#[derive(Debug, Default)]
pub(super) struct MigrationPlan {
    pub(super) dns: Vec<Ipv4Addr>,
    pub(super) static_subnets: Vec<Ipv4Net>,
    pub(super) pooled_subnet: Option<Ipv4Net>,
    pub(super) groups: Vec<MigratedGroup>,
    pub(super) endpoints: Vec<MigratedEndpoint>,
}

#[derive(Debug)]
pub(super) struct MigratedGroup {
    pub(super) moniker: String,
    pub(super) name: String,
    pub(super) traits: GroupTraits,
}

/// What all SIMs of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupTraits {
    foreign: Option<String>,
    pub(super) is_static: bool,
    pub(super) apns: BTreeSet<String>,
    pub(super) session_timeout: u32,
    pub(super) idle_timeout: u32,
    pub(super) interim_interval: u32,
}

#[derive(Debug)]
pub(super) struct MigratedEndpoint {
    pub(super) iccid: Iccid,
    pub(super) imsi: Option<Imsi>,
    pub(super) msisdn: Option<Msisdn>,
    pub(super) is_suspended: bool,
    /// Its place among the groups.
    pub(super) group: usize,
    pub(super) static_ip: Option<Ipv4Addr>,
}

/// Identities and addresses that were given to somebody.
#[derive(Default)]
struct Given {
    iccids: HashSet<Iccid>,
    imsis: HashSet<Imsi>,
    msisdns: HashSet<Msisdn>,
    addresses: HashSet<Ipv4Addr>,
}

pub(super) fn plan(
    users: Vec<ForeignUser>,
    sims: &KnownSims,
    notes: &mut Vec<MigrationNote>,
) -> MigrationPlan {
    let mut plan = MigrationPlan::default();
    let mut groups: BTreeMap<GroupTraits, usize> = BTreeMap::new();
    let mut given = Given::default();
    let mut first_made: Option<(ForeignLine, usize)> = None;
    for user in users {
        let Some(mut traits) = SimTraits::of(&user, notes) else { continue };
        let Some((iccid, is_made)) = traits.identities.iccid(sims) else { continue };
        if !given.takes(iccid, &traits) {
            notes.push(user.at.note(format!("{}: another entry has this SIM already", user.name)));
            continue;
        }
        if is_made {
            first_made =
                Some(first_made.map_or((user.at.clone(), 1), |(at, count)| (at, count + 1)));
        }
        if let Some(ip) = traits.static_ip.take_if(|ip| !given.addresses.insert(*ip)) {
            notes.push(user.at.note(format!("{}: {ip} is another SIM's already", user.name)));
        }
        plan.follow_dns(&user.at, &traits.dns, notes);
        let common = GroupTraits {
            foreign: user.group,
            is_static: traits.static_ip.is_some(),
            apns: traits.apns,
            session_timeout: traits.session_timeout,
            idle_timeout: traits.idle_timeout,
            interim_interval: traits.interim_interval,
        };
        let next = groups.len();
        plan.endpoints.push(MigratedEndpoint {
            iccid,
            imsi: traits.identities.imsi,
            msisdn: traits.identities.msisdn,
            is_suspended: traits.is_suspended,
            group: *groups.entry(common).or_insert(next),
            static_ip: traits.static_ip,
        });
    }
    if let Some((at, count)) = first_made {
        notes.push(at.note(format!(
            "{count} SIMs from here on have no ICCID in FreeRADIUS: made ones begin with 8999 or 8998; give the true ones with --sims"
        )));
    }
    plan.name_groups(groups);
    plan.lay_subnets(notes);
    plan
}

impl Given {
    fn takes(&mut self, iccid: Iccid, traits: &SimTraits) -> bool {
        let (imsi, msisdn) = (traits.identities.imsi, traits.identities.msisdn);
        let is_free = !self.iccids.contains(&iccid)
            && imsi.is_none_or(|imsi| !self.imsis.contains(&imsi))
            && msisdn.is_none_or(|msisdn| !self.msisdns.contains(&msisdn));
        if is_free {
            self.iccids.insert(iccid);
            self.imsis.extend(imsi);
            self.msisdns.extend(msisdn);
        }
        is_free
    }
}

impl MigrationPlan {
    /// Name servers belong to the VSlice: the first that are said count.
    fn follow_dns(&mut self, at: &ForeignLine, said: &[Ipv4Addr], notes: &mut Vec<MigrationNote>) {
        let said = &said[..said.len().min(2)];
        if self.dns.is_empty() {
            self.dns = said.to_vec();
        } else if !said.is_empty() && said != self.dns {
            notes.push(at.note(
                "these name servers are others than those of the first SIM; a VSlice has one or two for all",
            ));
        }
    }

    fn name_groups(&mut self, groups: BTreeMap<GroupTraits, usize>) {
        let mut by_place: Vec<_> = groups.into_iter().collect();
        by_place.sort_unstable_by_key(|(_, place)| *place);
        let mut taken = BTreeSet::new();
        for (traits, _) in by_place {
            let name = traits.foreign.clone().unwrap_or_else(|| "Migrated".to_owned());
            let moniker = free_moniker(&name, &mut taken);
            self.groups.push(MigratedGroup { moniker, name, traits });
        }
    }

    fn lay_subnets(&mut self, notes: &mut Vec<MigrationNote>) {
        self.static_subnets = covering(self.endpoints.iter().filter_map(|one| one.static_ip));
        if self.groups.iter().all(|group| group.traits.is_static) {
            return;
        }
        // Shared address space (RFC 6598), where no SIM has an address of its own.
        let candidates =
            (64..128).filter_map(|second| Ipv4Net::new([100, second, 0, 0].into(), 16).ok());
        let overlaps = |one: &Ipv4Net, other: &Ipv4Net| {
            one.contains(&other.network()) || other.contains(&one.network())
        };
        self.pooled_subnet = candidates
            .into_iter()
            .find(|net| !self.static_subnets.iter().any(|own| overlaps(own, net)));
        if let Some(subnet) = self.pooled_subnet {
            let at = ForeignLine { file: "inventory/inventory.toml".into(), line: 1 };
            notes.push(at.note(format!(
                "SIMs without Framed-IP-Address get one of {subnet}, which was chosen here: write the range that your gateways route"
            )));
        }
    }
}

/// A name as a moniker that nobody has yet.
fn free_moniker(name: &str, taken: &mut BTreeSet<String>) -> String {
    let letters = name.to_ascii_lowercase();
    let plain: String = letters
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .take(Moniker::MAX - 5)
        .collect();
    let plain = if plain.is_empty() { "migrated".to_owned() } else { plain };
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    let mut candidates = std::iter::once(plain.clone()).chain(numbered);
    let free = candidates.find(|one| !taken.contains(one)).unwrap_or(plain);
    taken.insert(free.clone());
    free
}
