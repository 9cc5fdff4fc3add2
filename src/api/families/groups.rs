//! `/EndpointGroups`: the configuration that endpoints inherit.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{Fields, Given};
use super::lookup::{after, link, reference};
use super::{Family, Named, Shown, enumerated};
use crate::aaa::{Mutation, Put};
use crate::identity::{Apn, GroupId, Moniker};
use crate::provisioning::{
    Allocation, Catalog, CatalogEntry, CredentialMethod, Credentials, EventMap, Group, ObjectKind,
    Policy, Spelling, Vslice,
};

/// A year, in seconds.
const LONGEST_TIME: u32 = 366 * 86_400;

/// The one way in which regional gateways are chosen: by the core network, before RADIUS.
pub(super) const AUTOMATIC: &str = "automatic";

impl Family for Group {
    const PATH: &'static str = "endpointgroups";
    const AUDITED: &'static str = "group";
    const PROPERTIES: &'static [&'static str] = &[
        "id",
        "name",
        "moniker",
        "enabled",
        "vslice",
        "eventMap",
        "steeringProfile",
        "ipAllocationType",
        "apns",
        "endpointsAssigned",
    ];

    fn read(
        fields: &mut Fields<'_>,
        named: Option<Named>,
        before: Option<&CatalogEntry<Self>>,
        catalog: &Catalog,
    ) -> Option<(Self, Spelling)> {
        let old = before.map(|entry| &*entry.thing);
        let mut spelling = before.map(|entry| entry.spelling.clone()).unwrap_or_default();
        let vslice = match (reference::<Vslice>(fields, "vslice", catalog), old) {
            (Given::Value(vslice), _) => Some(vslice),
            (Given::Absent, Some(old)) => Some(old.vslice),
            (Given::Absent, None) | (Given::Null, _) => {
                fields.invalid("vslice", "missing; give the id or moniker of a VSlice");
                None
            }
        };
        let event_map = reference::<EventMap>(fields, "eventMap", catalog);
        let policy = reference::<Policy>(fields, "steeringProfile", catalog);
        refuse_routing(fields);
        let allocation = read_allocation(fields).map(|(allocation, written)| {
            spelling = std::mem::take(&mut spelling).with("ipAllocationType", &written);
            allocation
        });
        let enabled = fields.flag("enabled").value();
        let apns = read_apns(fields);
        let session_timeout_s = fields.number("sessionTimeoutS", LONGEST_TIME);
        let idle_timeout_s = fields.number("idleTimeoutS", LONGEST_TIME);
        let interim_interval_s = fields.number("interimIntervalS", LONGEST_TIME);
        let credentials = read_credentials(fields);
        let Named { moniker, name } = named?;
        let mut group = match old {
            Some(old) => Self { moniker, name: name.into(), ..old.clone() },
            None => Self::new(moniker, &name, vslice?),
        };
        group.vslice = vslice?;
        group.event_map = after(event_map, group.event_map);
        group.policy = after(policy, group.policy);
        group.allocation = allocation.unwrap_or(group.allocation);
        group.enabled = enabled.unwrap_or(group.enabled);
        group.apns = after(apns, Some(group.apns)).unwrap_or_default();
        group.credentials = after(credentials, group.credentials);
        group.session_timeout_s =
            after(session_timeout_s, Some(group.session_timeout_s)).unwrap_or(0);
        group.idle_timeout_s = after(idle_timeout_s, Some(group.idle_timeout_s)).unwrap_or(0);
        group.interim_interval_s =
            after(interim_interval_s, Some(group.interim_interval_s)).unwrap_or(0);
        Some((group, spelling))
    }

    fn show(&self, of: &Shown<'_, Self>) -> Map<String, Value> {
        let credentials = self.credentials.as_ref().map(|credentials| {
            json!({
                "method": credentials.method.moniker(),
                "username": &*credentials.username,
                "password": of.shows_secrets.then_some(&*credentials.password),
            })
        });
        let apns: Vec<&str> = self.apns.iter().map(Apn::as_str).collect();
        let shown = json!({
            "enabled": self.enabled,
            "endpointsAssigned": of.aaa.group_members(of.id).primary,
            "vslice": link::<Vslice>(of.catalog, Some(self.vslice)),
            "eventMap": link::<EventMap>(of.catalog, self.event_map),
            "routingPolicy": null,
            "steeringProfile": link::<Policy>(of.catalog, self.policy),
            "regionalGatewayPolicy": automatic_link(),
            "ipAllocationType": allocation(self.allocation, of.entry.spelling.of("ipAllocationType")),
            "customerId": customer(),
            "apns": apns,
            "sessionTimeoutS": self.session_timeout_s,
            "idleTimeoutS": self.idle_timeout_s,
            "interimIntervalS": self.interim_interval_s,
            "credentials": credentials,
        });
        match shown {
            Value::Object(shown) => shown,
            _ => Map::new(),
        }
    }

    fn advice(&self, catalog: &Catalog) -> Vec<String> {
        let Some(vslice) = catalog.vslice(self.vslice) else { return Vec::new() };
        let is_served = vslice.subnets_of(self.allocation).next().is_some();
        let message = format!(
            "VSlice {} has no {} subnet: the endpoints of this group are refused",
            vslice.moniker, self.allocation
        );
        if is_served { Vec::new() } else { vec![message] }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn put(put: Put<Self>) -> Mutation {
        Mutation::PutGroup(put)
    }

    fn remove(id: GroupId) -> Mutation {
        Mutation::RemoveGroup(id)
    }
}

/// Which gateway serves is chosen by the core network, and packets are routed by the gateway.
fn refuse_routing(fields: &mut Fields<'_>) {
    match fields.text("routingPolicy") {
        Given::Value(policy) if !policy.is_empty() => fields.refuse(
            "unsupported",
            "routingPolicy",
            "attachd does not route packets: leave routing_policy out of the endpoint group",
        ),
        Given::Absent | Given::Null | Given::Value(_) => {}
    }
    match fields.text("regionalGatewayPolicy") {
        Given::Value(policy) if !is_automatic(&policy) => fields.refuse(
            "unsupported",
            "regionalGatewayPolicy",
            "which gateway serves is chosen by the core network, before RADIUS: write automatic",
        ),
        Given::Absent | Given::Null | Given::Value(_) => {}
    }
}

pub(super) fn is_automatic(policy: &str) -> bool {
    policy == AUTOMATIC || policy.parse() == Ok(automatic_id())
}

pub(super) fn automatic_id() -> Uuid {
    id_of("regional-policy")
}

fn automatic_link() -> Value {
    json!({"id": automatic_id(), "moniker": AUTOMATIC, "name": "Automatic"})
}

/// There is one customer: whoever runs the server.
fn customer() -> Uuid {
    id_of("customer")
}

fn id_of(word: &str) -> Uuid {
    Moniker::parse(word).map(|moniker| ObjectKind::Group.uuid_of(&moniker)).unwrap_or_default()
}

/// How addresses are given, and how that was spelled.
pub(super) fn read_allocation(fields: &mut Fields<'_>) -> Option<(Allocation, String)> {
    let read = fields.parsed("ipAllocationType", |text| {
        [Allocation::Static, Allocation::Pooled]
            .into_iter()
            .find(|own| {
                own.moniker().eq_ignore_ascii_case(text)
                    || *own == Allocation::Pooled && text.eq_ignore_ascii_case("dynamic")
            })
            .map(|own| (own, text.to_owned()))
            .ok_or_else(|| "unknown; write static or pooled".to_owned())
    });
    read.value()
}

pub(super) fn allocation(allocation: Allocation, spelled: Option<&str>) -> Value {
    let (key, name) = match allocation {
        Allocation::Static => (10, "Static"),
        Allocation::Pooled => (20, "Pooled"),
    };
    enumerated(key, spelled.unwrap_or(allocation.moniker()), name)
}

fn read_apns(fields: &mut Fields<'_>) -> Given<Vec<Apn>> {
    match fields.array("apns") {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Value(list) => {
            let mut apns = Vec::new();
            for (at, apn) in list.iter().enumerate() {
                match apn.as_str().map(Apn::parse) {
                    Some(Ok(apn)) => apns.push(apn),
                    Some(Err(error)) => fields.invalid(&format!("apns/{at}"), error.rule),
                    None => fields.invalid(&format!("apns/{at}"), "an APN is a text"),
                }
            }
            Given::Value(apns)
        }
    }
}

fn read_credentials(fields: &mut Fields<'_>) -> Given<Credentials> {
    let pointer = fields.pointer("credentials");
    match fields.take("credentials") {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Value(value) => {
            let mut inner = Fields::new(value, &pointer, fields.problems);
            let kind = inner.parsed("method", |text| {
                [CredentialMethod::Pap, CredentialMethod::Chap]
                    .into_iter()
                    .find(|own| own.moniker().eq_ignore_ascii_case(text))
                    .ok_or_else(|| "unknown; write pap or chap".to_owned())
            });
            let (username, password) = (inner.text("username"), inner.text("password"));
            let read =
                if let (Given::Value(method), Given::Value(username), Given::Value(password)) =
                    (kind, username, password)
                {
                    let (username, password) = (username.into(), password.into());
                    Given::Value(Credentials { method, username, password })
                } else {
                    inner.problems.invalid(&pointer, "give method, username and password");
                    Given::Absent
                };
            inner.finish();
            read
        }
    }
}
