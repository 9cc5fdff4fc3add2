//! `/vslices`: isolated private networks.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Map, Value, json};

use super::body::{Fields, Given};
use super::groups::{allocation, read_allocation};
use super::lookup::{after, link, reference};
use super::{Family, Named, Shown, enumerated};
use crate::aaa::{Mutation, Put};
use crate::address::AddressBlock;
use crate::identity::VsliceId;
use crate::provisioning::{
    Allocation, Catalog, CatalogEntry, EventMap, Group, Spelling, Subnet, Vslice,
};

/// How the DNS servers of a VSlice are chosen.
const DNS_MODES: [(u32, &str, &str); 2] = [(10, "auto", "Auto"), (20, "custom", "Custom")];

impl Family for Vslice {
    const PATH: &'static str = "vslices";
    const AUDITED: &'static str = "vslice";
    const PROPERTIES: &'static [&'static str] = &[
        "id",
        "name",
        "moniker",
        "enabled",
        "subnets",
        "dnsMode",
        "ipAddressFamily",
        "eventMap",
        "endpointGroupCount",
        "endpointCount",
    ];

    fn read(
        fields: &mut Fields<'_>,
        named: Option<Named>,
        before: Option<&CatalogEntry<Self>>,
        catalog: &Catalog,
    ) -> Option<(Self, Spelling)> {
        let old = before.map(|entry| &*entry.thing);
        let mut spelling = before.map(|entry| entry.spelling.clone()).unwrap_or_default();
        let family = address_family(fields);
        if let Some(family) = family {
            spelling = spelling.with("ipAddressFamily", &family);
        }
        let dns = read_dns(fields, old, &mut spelling);
        let allocation = read_allocation(fields).map(|(allocation, written)| {
            spelling = std::mem::take(&mut spelling).with("ipAllocationType", &written);
            allocation
        });
        let subnet = fields.parsed("subnetAddress", subnet_address).value();
        let event_map = reference::<EventMap>(fields, "eventMap", catalog);
        let enabled = fields.flag("enabled").value();
        let mut subnets = old.map(|old| old.subnets.clone()).unwrap_or_default();
        let first = subnets.iter_mut().find(|subnet| !subnet.block.kind().is_ipv6());
        match (subnet.map(|cidr| AddressBlock::from(IpNet::V4(cidr))), first) {
            (Some(block), Some(first)) => {
                if first.block != block {
                    *first = Subnet { block, exclude: Vec::new(), ..first.clone() };
                }
                first.allocation = allocation.unwrap_or(first.allocation);
            }
            (Some(block), None) => {
                let allocation = allocation.unwrap_or(Allocation::Static);
                subnets.insert(0, Subnet { block, allocation, exclude: Vec::new() });
            }
            (None, Some(first)) => first.allocation = allocation.unwrap_or(first.allocation),
            (None, None) => {}
        }
        let Named { moniker, name } = named?;
        let vslice = Self {
            moniker,
            name: name.into(),
            enabled: enabled.unwrap_or_else(|| old.is_none_or(|old| old.enabled)),
            dns: dns?,
            subnets,
            event_map: after(event_map, old.and_then(|old| old.event_map)),
        };
        Some((vslice, spelling))
    }

    fn show(&self, of: &Shown<'_, Self>) -> Map<String, Value> {
        let spelled = |field: &str, usual: &'static str| {
            of.entry.spelling.of(field).unwrap_or(usual).to_owned()
        };
        let (mode, key, name) =
            if self.dns.is_empty() { ("auto", 10, "Auto") } else { ("custom", 20, "Custom") };
        let groups = of.catalog.all::<Group>().filter(|(_, group)| group.vslice == of.id).count();
        let first = self.subnets.first().map_or(Allocation::Static, |first| first.allocation);
        let dns = match (self.dns.is_empty(), of.entry.spelling.of("dnsServers")) {
            (true, Some("[]")) => json!([]),
            (true, _) => Value::Null,
            (false, _) => json!(self.dns),
        };
        // The first is the one that `subnetAddress` means.
        let (ipv6, ipv4): (Vec<_>, Vec<_>) =
            self.subnets.iter().partition(|subnet| subnet.block.kind().is_ipv6());
        let subnets: Vec<String> =
            ipv4.iter().chain(&ipv6).map(|subnet| subnet.block.to_string()).collect();
        let shown = json!({
            "enabled": self.enabled,
            "subnets": subnets,
            "dnsServers": dns,
            "dnsMode": enumerated(key, &spelled("dnsMode", mode), name),
            "ipAddressFamily": enumerated(10, &spelled("ipAddressFamily", "Ipv4"), "IPv4"),
            "ipAllocationType": allocation(first, of.entry.spelling.of("ipAllocationType")),
            "eventMap": link::<EventMap>(of.catalog, self.event_map),
            "endpointGroupCount": groups,
            "endpointCount": of.aaa.vslice_members(of.id),
        });
        match shown {
            Value::Object(shown) => shown,
            _ => Map::new(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn put(put: Put<Self>) -> Mutation {
        Mutation::PutVslice(put)
    }

    fn remove(id: VsliceId) -> Mutation {
        Mutation::RemoveVslice(id)
    }
}

/// The family as it was written, if it was.
fn address_family(fields: &mut Fields<'_>) -> Option<String> {
    const KEY: &str = "ipAddressFamily";
    let text = fields.text(KEY).value()?;
    if text.eq_ignore_ascii_case("ipv4") {
        return Some(text);
    }
    if text.eq_ignore_ascii_case("ipv6") {
        fields.refuse("unsupported", KEY, "IPv6 VSlices are not supported; write Ipv4");
    } else {
        fields.invalid(KEY, "unknown address family; write Ipv4");
    }
    None
}

/// A network without host bits.
fn subnet_address(text: &str) -> Result<Ipv4Net, String> {
    let net: Ipv4Net = text
        .parse()
        .map_err(|_| "no IPv4 network; write an address and a length, as 10.1.0.0/16".to_owned())?;
    if net.addr() != net.network() {
        return Err(format!("{net} has host bits; the network is {}", net.trunc()));
    }
    Ok(net)
}

/// A network of either family without host bits.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let net: IpNet = text.parse().map_err(|_| {
        "no network; write an address and a length, as 10.1.0.0/16 or 2001:db8:10::/48".to_owned()
    })?;
    if net.addr() != net.network() {
        return Err(format!("{net} has host bits; the network is {}", net.trunc()));
    }
    Ok(net)
}

/// The DNS servers after a request. `None`: something is wrong with them, which has been told.
fn read_dns(
    fields: &mut Fields<'_>,
    old: Option<&Vslice>,
    spelling: &mut Spelling,
) -> Option<Vec<IpAddr>> {
    let mode = fields.parsed("dnsMode", |text| {
        let known = DNS_MODES.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(text));
        known
            .map(|(_, known, _)| (*known, text.to_owned()))
            .ok_or_else(|| "unknown; write auto or custom".to_owned())
    });
    let given = fields.array("dnsServers");
    let mut servers = match &given {
        Given::Absent => old.map(|old| old.dns.clone()).unwrap_or_default(),
        Given::Null => Vec::new(),
        Given::Value(list) => {
            let mut servers = Vec::new();
            for (at, server) in list.iter().enumerate() {
                match server.as_str().and_then(|text| text.parse().ok()) {
                    Some(server) => servers.push(server),
                    None => fields.invalid(
                        &format!("dnsServers/{at}"),
                        "no IP address; write one as 9.9.9.9",
                    ),
                }
            }
            if servers.len() != list.len() {
                return None;
            }
            servers
        }
    };
    let is_given = !matches!(given, Given::Absent);
    if is_given {
        let written = std::mem::take(spelling);
        *spelling = match given {
            Given::Value(list) if list.is_empty() => written.with("dnsServers", "[]"),
            _ => written.without("dnsServers"),
        };
    }
    let ipv6 = servers.iter().filter(|server| server.is_ipv6()).count();
    if ipv6 > 2 || servers.len() - ipv6 > 2 {
        fields.invalid("dnsServers", "at most two servers of a family");
        return None;
    }
    if let Given::Value((mode, written)) = mode {
        *spelling = std::mem::take(spelling).with("dnsMode", &written);
        match (mode, servers.is_empty()) {
            ("auto", false) if !is_given => servers.clear(),
            ("auto", false) => {
                fields.invalid("dnsServers", "dnsMode auto takes no servers; write custom");
                return None;
            }
            ("custom", true) => {
                fields.invalid("dnsServers", "dnsMode custom needs one or two IP addresses");
                return None;
            }
            _ => {}
        }
    }
    Some(servers)
}
