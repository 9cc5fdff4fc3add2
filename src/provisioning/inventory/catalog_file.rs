//! `inventory.toml`: the VSlices and groups, read into a catalog.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::super::model::{
    AddressFamilies, Allocation, CredentialMethod, Credentials, Group, Subnet, Vslice,
};
use super::super::problem::ProblemCollector;
use super::super::{Catalog, CatalogEntry, GroupFault, Policy, subnet_block};
use super::elsewhere::{Elsewhere, NamedElsewhere};
use super::policy_section::policy;
use super::section::{Lined, Section, Text};
use crate::identity::{Apn, GroupId, PolicyId, VsliceId};

/// Subnets shorter than this are a slip of the pen: no private network has more than the 16 million
/// addresses of 10.0.0.0/8.
const SHORTEST_PREFIX: u8 = 8;

/// What the wire can carry (RFC 2865 5.1, 5.2).
const LONGEST_USERNAME: usize = 253;
const LONGEST_PASSWORD: usize = 128;

/// Acct-Interim-Interval "MUST NOT" be below the first and "SHOULD NOT" be below the second (RFC
/// 2869 5.16).
const LEAST_INTERIM_S: u32 = 60;
const ADVISED_INTERIM_S: u32 = 600;

/// The things named in the file. `None`: named, but so broken that it has no handle.
pub(super) type HandlesByName<Id> = HashMap<Box<[u8]>, NamedHandle<Id>, RandomState>;

pub(super) struct NamedHandle<Id> {
    pub(super) line: u32,
    pub(super) id: Option<Id>,
}

/// What the file says.
#[derive(Default)]
pub(super) struct CatalogFile {
    pub(super) catalog: Catalog,
    pub(super) groups: HandlesByName<GroupId>,
    /// What it refers to and does not describe.
    pub(super) elsewhere: Vec<NamedElsewhere>,
}

/// The groups of a catalog in force, as if a file named them.
pub(super) fn names_in_force(catalog: &Catalog) -> HandlesByName<GroupId> {
    let present = catalog.entries::<Group>().filter(|(_, entry)| entry.present().is_some());
    let named = |(id, entry): (GroupId, &CatalogEntry<Group>)| {
        let name = entry.thing.moniker.as_str().as_bytes().into();
        (name, NamedHandle { line: 0, id: Some(id) })
    };
    present.map(named).collect()
}

/// Reads the file. `None` if it is no TOML at all.
pub(super) fn read(text: &str, report: &mut ProblemCollector) -> Option<CatalogFile> {
    let text = Text::new(text);
    let mut file = Section::document(&text, report)?;
    let mut catalog = Catalog::default();
    let mut policies = HandlesByName::default();
    for section in file.sections("policy", "[[policy]]", report) {
        put(&mut policies, section, policy, |policy| catalog.list(policy), report);
    }
    let mut elsewhere = Elsewhere::beside(catalog.places::<Policy>());
    let mut vslices = HandlesByName::default();
    for section in file.sections("vslice", "[[vslice]]", report) {
        let read =
            |section: &mut Section<'_>, moniker: &Lined<String>, report: &mut ProblemCollector| {
                vslice(section, moniker, &mut elsewhere, report)
            };
        put(&mut vslices, section, read, |vslice| catalog.put_vslice(vslice), report);
    }
    let mut groups = HandlesByName::default();
    for section in file.sections("group", "[[group]]", report) {
        let read =
            |section: &mut Section<'_>, moniker: &Lined<String>, report: &mut ProblemCollector| {
                let mut named =
                    Named { vslices: &vslices, policies: &policies, elsewhere: &mut elsewhere };
                group(section, moniker, &mut named, report)
            };
        put(&mut groups, section, read, |group| catalog.put_group(group), report);
    }
    file.close(report);
    report_faults(&catalog, &groups, report);
    let elsewhere = elsewhere.listed_in(&mut catalog);
    Some(CatalogFile { catalog, groups, elsewhere })
}

/// What a group may refer to.
struct Named<'n> {
    vslices: &'n HandlesByName<VsliceId>,
    policies: &'n HandlesByName<PolicyId>,
    elsewhere: &'n mut Elsewhere,
}

/// Reads one section and lists what it describes under its moniker.
fn put<T, Id>(
    names: &mut HandlesByName<Id>,
    mut section: Section<'_>,
    read: impl FnOnce(&mut Section<'_>, &Lined<String>, &mut ProblemCollector) -> Option<T>,
    list: impl FnOnce(T) -> Id,
    report: &mut ProblemCollector,
) {
    let (line, title) = (section.line, section.title);
    let Some(moniker) = section.required("moniker", report) else { return };
    let thing = read(&mut section, &moniker, report);
    section.close(report);
    if let Some(first) = names.get(moniker.value.as_bytes()) {
        report.problem(
            moniker.line,
            format!(
                "a {title} with the moniker {:?} stands in line {} already",
                moniker.value, first.line
            ),
            "choose another moniker",
        );
        return;
    }
    names.insert(moniker.value.as_bytes().into(), NamedHandle { line, id: thing.map(list) });
}

fn vslice(
    section: &mut Section<'_>,
    moniker: &Lined<String>,
    elsewhere: &mut Elsewhere,
    report: &mut ProblemCollector,
) -> Option<Vslice> {
    let name = section.name(&moniker.value, report);
    let enabled = section.enabled(report);
    let dns = dns(section, report);
    let mut subnets: Vec<(u32, Subnet)> = Vec::new();
    for section in section.sections("subnet", "[[vslice.subnet]]", report) {
        let line = section.line;
        let Some(new) = subnet(section, report) else { continue };
        match subnets.iter().find(|(_, other)| {
            other.block.cidr().contains(&new.block.cidr())
                || new.block.cidr().contains(&other.block.cidr())
        }) {
            None => subnets.push((line, new)),
            Some((other_line, other)) => report.problem(
                line,
                format!(
                    "{} overlaps {} of the same VSlice in line {other_line}",
                    new.block.cidr(),
                    other.block.cidr()
                ),
                "choose ranges that have no address in common",
            ),
        }
    }
    let subnets = subnets.into_iter().map(|(_, subnet)| subnet).collect();
    let event_map = elsewhere.event_map(section, report);
    let moniker = moniker.moniker(report)?;
    let vslice = Vslice { moniker, name, enabled, dns, subnets, event_map };
    if let Err(too_large) = vslice.record_fits() {
        report.problem(section.line, too_large.to_string(), "exclude fewer, larger ranges");
    }
    Some(vslice)
}

fn dns(section: &mut Section<'_>, report: &mut ProblemCollector) -> Vec<IpAddr> {
    let servers = section.list("dns", report);
    let of_family =
        |is_ipv6| servers.iter().filter(move |server| server.value.contains(':') == is_ipv6);
    for third in [false, true].into_iter().filter_map(|is_ipv6| of_family(is_ipv6).nth(2)) {
        let what = "dns has more than two servers of one family";
        report.problem(third.line, what, "leave the two best");
    }
    servers.iter().filter_map(|server| server.address("dns", report)).collect()
}

fn subnet(mut section: Section<'_>, report: &mut ProblemCollector) -> Option<Subnet> {
    let cidr_text = section.required("cidr", report);
    let allocation = allocation(&mut section, report);
    let excluded = section.list("exclude", report);
    let mut length = |key| section.take::<u8>(key, report).map(|length| length.value);
    let (prefix_length, delegated_length) = (length("prefix_length"), length("delegated_length"));
    section.close(report);

    let cidr_text = cidr_text?;
    let cidr = cidr_text.range("cidr", report)?;
    let block = subnet_block(cidr, prefix_length, delegated_length)
        .map_err(|(key, rule)| {
            report.problem(cidr_text.line, format!("{key}: {rule}"), "correct it");
        })
        .ok();
    if cidr.addr().is_ipv4() && cidr.prefix_len() < SHORTEST_PREFIX {
        report.problem(
            cidr_text.line,
            format!("cidr: {cidr} is larger than a /8"),
            "choose a smaller range",
        );
    }
    let mut exclude = Vec::with_capacity(excluded.len());
    for text in excluded {
        let Some(range) = text.addresses("exclude", report) else { continue };
        if !cidr.contains(&range) {
            report.problem(
                text.line,
                format!("exclude: {range} is not inside {cidr}"),
                "leave it out, or correct it",
            );
        }
        exclude.push(range);
    }
    let subnet = Subnet { block: block?, allocation: allocation?, exclude };
    warn_of_useless(&subnet, cidr_text.line, report);
    Some(subnet)
}

/// A range whose addresses no device can use, or of which none is left.
fn warn_of_useless(subnet: &Subnet, line: u32, report: &mut ProblemCollector) {
    let cidr = subnet.block.cidr();
    let IpNet::V4(range) = cidr else {
        if subnet.capacity() == 0 {
            let what = format!("cidr: {cidr} is reserved or excluded as a whole");
            report.warning(line, what, "choose another range, or leave the subnet out");
        }
        return;
    };
    let (first, last) = (range.network(), range.broadcast());
    let why = [
        (
            first.is_loopback() || last.is_loopback(),
            "is loopback: a device cannot use its addresses",
        ),
        (
            first.is_multicast() || last.is_multicast(),
            "is multicast: a device cannot use its addresses",
        ),
        (
            u32::from(first) >> 24 == 0,
            "is \"this network\" (RFC 1122 3.2.1.3): a device cannot use its addresses",
        ),
        (first.octets()[0] >= 240, "is reserved (RFC 1112 4): a device cannot use its addresses"),
        (
            subnet.capacity() == 0,
            "is reserved or excluded as a whole: nobody gets an address of it",
        ),
    ];
    for (_, why) in why.iter().filter(|(holds, _)| *holds).take(1) {
        report.warning(
            line,
            format!("cidr: {cidr} {why}"),
            "choose another range, or leave the subnet out",
        );
    }
}

fn group(
    section: &mut Section<'_>,
    moniker: &Lined<String>,
    named: &mut Named<'_>,
    report: &mut ProblemCollector,
) -> Option<Group> {
    let name = section.name(&moniker.value, report);
    let vslice = section.required("vslice", report);
    let enabled = section.enabled(report);
    let allocation = allocation(section, report);
    let apns: Vec<Apn> = section
        .list("apns", report)
        .iter()
        .filter_map(|apn| apn.read("apns", "correct it, or leave it out", Apn::parse, report))
        .collect();
    let session_timeout_s =
        section.take("session_timeout_s", report).map_or(0, |seconds| seconds.value);
    let idle_timeout_s = section.take("idle_timeout_s", report).map_or(0, |seconds| seconds.value);
    let interim_interval_s = interim_interval(section, report);
    let credentials = credentials(section, report);
    let vslice = vslice.and_then(|vslice| named.vslice(&vslice, report));
    let policy =
        section.take::<String>("policy", report).and_then(|policy| named.policy(&policy, report));
    let event_map = named.elsewhere.event_map(section, report);
    let families = families(section, report);
    let partial_dual_stack = section.flag("partial_dual_stack", false, report);
    let disconnect = section.flag("disconnect", true, report);
    let group = Group {
        moniker: moniker.moniker(report)?,
        name,
        vslice: vslice?,
        enabled,
        allocation: allocation?,
        apns,
        session_timeout_s,
        idle_timeout_s,
        interim_interval_s,
        credentials,
        policy,
        event_map,
        families,
        partial_dual_stack,
        disconnect,
    };
    if let Err(too_large) = group.record_fits() {
        report.problem(section.line, too_large.to_string(), "list fewer APNs");
    }
    Some(group)
}

impl Named<'_> {
    fn vslice(&self, vslice: &Lined<String>, report: &mut ProblemCollector) -> Option<VsliceId> {
        let known = self.vslices.get(vslice.value.as_bytes());
        if known.is_none() {
            report.problem(
                vslice.line,
                format!("there is no VSlice {:?}", vslice.value),
                "add a [[vslice]] with this moniker, or correct it",
            );
        }
        known?.id
    }

    /// A policy that is not in the file may be one that a person made.
    fn policy(
        &mut self,
        policy: &Lined<String>,
        report: &mut ProblemCollector,
    ) -> Option<PolicyId> {
        match self.policies.get(policy.value.as_bytes()) {
            Some(known) => known.id,
            None => self.elsewhere.policy(policy, report),
        }
    }
}

/// Families are named once each; without the key, IPv4 alone.
fn families(section: &mut Section<'_>, report: &mut ProblemCollector) -> AddressFamilies {
    if !section.has("families") {
        return AddressFamilies::default();
    }
    let line = section.line;
    let words = section.list("families", report);
    let line = words.first().map_or(line, |word| word.line);
    AddressFamilies::parse(words.iter().map(|word| word.value.as_str())).unwrap_or_else(|rule| {
        report.problem(line, rule, "write [\"ipv4\"], [\"ipv6\"] or [\"ipv4\", \"ipv6\"]");
        AddressFamilies::default()
    })
}

/// `None` if it is written and is neither; without it, the address stays the endpoint's.
fn allocation(section: &mut Section<'_>, report: &mut ProblemCollector) -> Option<Allocation> {
    let Some(written) = section.take::<String>("allocation", report) else {
        return Some(Allocation::Static);
    };
    let parse = |text: &str| match text {
        "static" => Ok(Allocation::Static),
        "pooled" => Ok(Allocation::Pooled),
        _ => Err(format!("{text:?} is no kind of allocation")),
    };
    written.read("allocation", "write \"static\" or \"pooled\"", parse, report)
}

fn interim_interval(section: &mut Section<'_>, report: &mut ProblemCollector) -> u32 {
    let Some(Lined { line, value }) = section.take("interim_interval_s", report) else {
        return ADVISED_INTERIM_S;
    };
    if (1..LEAST_INTERIM_S).contains(&value) {
        let what = format!(
            "interim_interval_s: {value} is below the 60 seconds that RFC 2869 5.16 permits"
        );
        report.problem(line, what, "write 600 or more, or 0 to send none");
    } else if (LEAST_INTERIM_S..ADVISED_INTERIM_S).contains(&value) {
        let what = format!(
            "interim_interval_s: {value} is below the 600 seconds that RFC 2869 5.16 advises"
        );
        report.warning(line, what, "expect more accounting traffic, or write 600 or more");
    }
    value
}

fn credentials(section: &mut Section<'_>, report: &mut ProblemCollector) -> Option<Credentials> {
    let method = section.take::<String>("credentials", report);
    let username = section.take::<String>("username", report);
    let password = section.take::<String>("password", report);
    let method = match method.as_ref().map(|method| method.value.as_str()) {
        None | Some("none") => {
            if let Some(Lined { line, .. }) = username.or(password) {
                report.problem(
                    line,
                    "username and password have no use without credentials",
                    "add credentials = \"pap\" or \"chap\"",
                );
            }
            return None;
        }
        Some("pap") => CredentialMethod::Pap,
        Some("chap") => CredentialMethod::Chap,
        Some(other) => {
            let what = format!("credentials: {other:?} is no kind of credentials");
            report.problem(method?.line, what, "write \"none\", \"pap\" or \"chap\"");
            return None;
        }
    };
    let (Some(username), Some(password)) = (username, password) else {
        report.problem(
            section.line,
            "the group demands credentials but does not say which",
            "add username and password",
        );
        return None;
    };
    for (key, text, longest) in
        [("username", &username, LONGEST_USERNAME), ("password", &password, LONGEST_PASSWORD)]
    {
        if !(1..=longest).contains(&text.value.len()) {
            report.problem(
                text.line,
                format!("{key}: a {key} has 1 to {longest} octets"),
                "choose another",
            );
        }
    }
    Some(Credentials { method, username: username.value.into(), password: password.value.into() })
}

/// A group that cannot carry sessions is let in: somebody may be about to complete its VSlice. What
/// was switched off on purpose needs no warning.
fn report_faults(
    catalog: &Catalog,
    groups: &HandlesByName<GroupId>,
    report: &mut ProblemCollector,
) {
    for named in groups.values() {
        let Some(id) = named.id.filter(|id| catalog.fault(*id) == Some(GroupFault::NoSubnet))
        else {
            continue;
        };
        let Some((group, vslice)) =
            catalog.group(id).and_then(|group| Some((group, catalog.vslice(group.vslice)?)))
        else {
            continue;
        };
        report.warning(
            named.line,
            format!(
                "VSlice {} has no {} subnet: the endpoints of group {} are refused",
                vslice.moniker, group.allocation, group.moniker
            ),
            "add such a subnet, or change the group's allocation",
        );
    }
}
