//! Which endpoints a list shows: all terms of `filter` must hold, and `q` somewhere.

use std::net::IpAddr;

use crate::aaa::EndpointEntry;
use crate::address::Ipv6Prefix;
use crate::api::families::terms;
use crate::api::http::parameters::{Parameters, read_time};
use crate::api::refusal::Refusal;
use crate::identity::{Iccid, Imsi, Msisdn};
use crate::network::Session;
use crate::policy::country_of;
use crate::provisioning::Catalog;
use crate::radius::gateways::Gateways;
use crate::wire::tgpp::RatType;

/// What an endpoint can be asked for.
const PROPERTIES: [&str; 17] = [
    "iccid",
    "imsi",
    "msisdn",
    "name",
    "reference",
    "tag",
    "endpointGroup",
    "vslice",
    "provisioningState",
    "networkState",
    "gateway",
    "plmn",
    "country",
    "ratType",
    "ip",
    "lastActivityBefore",
    "lastActivityAfter",
];

/// What an endpoint has to be like.
#[derive(Debug)]
pub(super) struct Filter {
    terms: Vec<(&'static str, String)>,
    anywhere: Option<String>,
}

/// An endpoint that can be looked up instead of searched for.
pub(super) enum Exact {
    Iccid(Iccid),
    Imsi(Imsi),
    Msisdn(Msisdn),
}

impl Filter {
    /// Of the parameters `filter` and `q`.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        Self::parse(parameters.text("filter"), parameters.text("q"))
    }

    pub(super) fn parse(filter: Option<&str>, anywhere: Option<&str>) -> Result<Self, Refusal> {
        let mut all = Vec::new();
        for (name, wanted) in filter.map(terms).transpose()?.unwrap_or_default() {
            let known = PROPERTIES.into_iter().find(|known| *known == name);
            let known = known.ok_or_else(|| {
                let name: String = name.chars().take(40).collect();
                let known = PROPERTIES.join(", ");
                Refusal::query(format!("unknown property {name:?}; known are {known}"))
            })?;
            let wanted = match known {
                "lastActivityBefore" | "lastActivityAfter" => micros(known, &wanted)?,
                _ => wanted,
            };
            all.push((known, wanted));
        }
        Ok(Self { terms: all, anywhere: anywhere.map(str::to_owned) })
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.anywhere.is_none()
    }

    /// An identity that at most one endpoint has, if one is asked for.
    pub(super) fn exact(&self) -> Option<Exact> {
        self.terms.iter().find_map(|(name, wanted)| match *name {
            "iccid" => wanted.parse().ok().map(Exact::Iccid),
            "imsi" => wanted.parse().ok().map(Exact::Imsi),
            "msisdn" => wanted.parse().ok().map(Exact::Msisdn),
            _ => None,
        })
    }

    pub(super) fn holds(
        &self,
        iccid: Iccid,
        entry: &EndpointEntry,
        catalog: &Catalog,
        gateways: &Gateways,
    ) -> bool {
        let of = Looked { iccid, entry, catalog, gateways };
        self.terms.iter().all(|(name, wanted)| of.has(name, wanted))
            && self.anywhere.as_ref().is_none_or(|text| of.has_anywhere(text))
    }
}

struct Looked<'a> {
    iccid: Iccid,
    entry: &'a EndpointEntry,
    catalog: &'a Catalog,
    gateways: &'a Gateways,
}

impl Looked<'_> {
    fn has(&self, name: &str, wanted: &str) -> bool {
        let endpoint = &self.entry.endpoint;
        let groups = || endpoint.groups().filter_map(|id| self.catalog.group(id));
        let mut open = self.entry.state.sessions.iter().filter(|session| session.is_live());
        match name {
            "iccid" => self.iccid.to_string() == wanted,
            "imsi" => endpoint.imsis().any(|imsi| imsi.to_string() == wanted),
            // A prefix: a block of numbers.
            "msisdn" => endpoint.msisdn.is_some_and(|own| own.to_string().starts_with(wanted)),
            "name" => endpoint.name.as_ref().is_some_and(|own| own.contains(wanted)),
            "reference" => {
                endpoint.labels().reference.as_ref().is_some_and(|own| own.contains(wanted))
            }
            "tag" => endpoint.labels().tags.iter().any(|tag| **tag == *wanted),
            "endpointGroup" => groups().any(|group| group.moniker.as_str() == wanted),
            "vslice" => groups()
                .filter_map(|group| self.catalog.vslice(group.vslice))
                .any(|vslice| vslice.moniker.as_str() == wanted),
            "provisioningState" => {
                is_enumerated(wanted, endpoint.state.key(), endpoint.state.moniker())
            }
            "networkState" => {
                let state = self.entry.state.state;
                is_enumerated(wanted, state.key(), state.moniker())
            }
            "gateway" => open.any(|session| self.gateways.name(session.gateway) == Some(wanted)),
            "plmn" => open.any(|session| plmn(session).as_deref() == Some(wanted)),
            "country" => open.any(|session| {
                let country = session.location_info().plmn.and_then(country_of);
                country.is_some_and(|country| country.eq_ignore_ascii_case(wanted))
            }),
            "ratType" => open.any(|session| {
                let rat = session.location_info().rat;
                rat.is_some_and(|rat| is_enumerated(wanted, rat, &RatType(rat).to_string()))
            }),
            "lastActivityBefore" => {
                self.heard_at().is_some_and(|at| wanted.parse().is_ok_and(|end: u64| at <= end))
            }
            "lastActivityAfter" => {
                self.heard_at().is_some_and(|at| wanted.parse().is_ok_and(|from: u64| at >= from))
            }
            "ip" => address(wanted).is_some_and(|ip| self.has_ip(ip)),
            _ => false,
        }
    }

    /// Microseconds; `None`: nothing was ever heard of it.
    fn heard_at(&self) -> Option<u64> {
        Some(self.entry.state.last_activity.micros()).filter(|at| *at > 0)
    }

    /// Whether it has the address, or a prefix that the address is in.
    fn has_ip(&self, ip: IpAddr) -> bool {
        let live = self.entry.state.sessions.iter().filter(|session| session.is_live());
        self.entry
            .endpoint
            .configured_addresses()
            .chain(self.entry.state.own_leases().map(|lease| lease.ip))
            .chain(live.flat_map(Session::addresses))
            .any(|own| own.contains(ip))
    }

    fn has_anywhere(&self, text: &str) -> bool {
        let endpoint = &self.entry.endpoint;
        let labels = endpoint.labels();
        self.iccid.to_string().starts_with(text)
            || endpoint.imsis().any(|imsi| imsi.to_string().starts_with(text))
            || endpoint.msisdn.is_some_and(|msisdn| msisdn.to_string().starts_with(text))
            || endpoint.name.as_ref().is_some_and(|name| name.contains(text))
            || labels.reference.as_ref().is_some_and(|reference| reference.contains(text))
            || labels.tags.iter().any(|tag| tag.contains(text))
            || address(text).is_some_and(|ip| self.has_ip(ip))
    }
}

/// A time, in the form in which it is compared ten million times.
fn micros(name: &str, text: &str) -> Result<String, Refusal> {
    let time = read_time(text).ok_or_else(|| {
        Refusal::query(format!("{name}: a time in UTC, as 2026-07-04T21:15:00Z, or a day"))
    })?;
    Ok(time.micros().to_string())
}

/// An address, or the first one of a prefix.
fn address(text: &str) -> Option<IpAddr> {
    let prefix = || text.parse::<Ipv6Prefix>().ok().map(|prefix| IpAddr::V6(prefix.ip()));
    text.parse().ok().or_else(prefix)
}

fn is_enumerated(wanted: &str, key: u8, moniker: &str) -> bool {
    wanted.eq_ignore_ascii_case(moniker) || wanted.parse() == Ok(key)
}

fn plmn(session: &Session) -> Option<String> {
    session.location_info().plmn.map(|plmn| plmn.to_string())
}
