//! Records of the catalog in words. Without passwords, tokens and secrets.

use serde_json::{Value, json};

use crate::identity::{GroupId, VsliceId};
use crate::policy::PolicyEntry;
use crate::provisioning::{
    Catalog, CatalogEntry, CatalogKind, CatalogObject, EventHandler, EventMap, Group,
    ListingStatus, Policy, Revision, Vslice,
};

/// An object, and what stands beside it. Others are named as `catalog` knows them.
pub(super) fn describe(object: &CatalogObject, catalog: &Catalog) -> Value {
    match object {
        CatalogObject::Vslice(id, entry) => with_stamp(entry, vslice(*id, &entry.thing)),
        CatalogObject::Group(id, entry) => with_stamp(entry, group(*id, &entry.thing, catalog)),
        CatalogObject::Policy(id, entry) => with_stamp(entry, policy(id.index(), &entry.thing)),
        CatalogObject::EventHandler(id, entry) => {
            with_stamp(entry, handler(id.index(), &entry.thing))
        }
        CatalogObject::EventMap(id, entry) => {
            with_stamp(entry, event_map(id.index(), &entry.thing, catalog))
        }
    }
}

pub(super) fn vslice(id: VsliceId, vslice: &Vslice) -> Value {
    let subnets = vslice
        .subnets
        .iter()
        .map(|subnet| format!("{} {}", subnet.block.cidr(), subnet.allocation));
    json!({
        "number": id.index(), "moniker": vslice.moniker, "name": vslice.name.as_str(), "enabled": vslice.enabled,
        "subnets": subnets.collect::<Vec<_>>(),
    })
}

pub(super) fn group(id: GroupId, group: &Group, catalog: &Catalog) -> Value {
    json!({
        "number": id.index(), "moniker": group.moniker, "name": group.name.as_str(), "enabled": group.enabled,
        "vslice": name::<Vslice>(group.vslice, group.vslice.index(), catalog),
        "allocation": group.allocation.moniker(), "apns": group.apns,
        "policy": group.policy.map(|id| name::<Policy>(id, id.index(), catalog)),
        "eventMap": group.event_map.map(|id| name::<EventMap>(id, id.index(), catalog)),
    })
}

fn policy(number: usize, policy: &Policy) -> Value {
    json!({
        "number": number, "moniker": policy.moniker, "name": policy.name.as_str(),
        "allow2g": policy.allow_2g, "allow3g": policy.allow_3g, "allow45g": policy.allow_45g,
        "whenMissing": policy.when_missing.moniker(), "imeiLock": policy.imei_lock.moniker(),
        "entries": policy.entries.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn entry(entry: &PolicyEntry) -> Value {
    json!({
        "operator": entry.operator, "country": entry.country.map(|country| country.to_string()),
        "international": entry.international, "action": entry.action.moniker(),
        "radio": entry.radio.iter().map(|class| class.moniker()).collect::<Vec<_>>(),
        "tac": entry.tac.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn handler(number: usize, handler: &EventHandler) -> Value {
    json!({
        "number": number, "moniker": handler.moniker, "name": handler.name.as_str(),
        "url": handler.webhook.url.as_str(), "timeout": handler.webhook.timeout.as_str(),
    })
}

fn event_map(number: usize, map: &EventMap, catalog: &Catalog) -> Value {
    let subscriptions = map.subscriptions.iter().map(|to| {
        let handler = name::<EventHandler>(to.handler, to.handler.index(), catalog);
        json!({"handler": handler, "event": to.event.moniker})
    });
    json!({
        "number": number, "moniker": map.moniker, "name": map.name.as_str(), "scope": map.scope.moniker(),
        "subscriptions": subscriptions.collect::<Vec<_>>(),
    })
}

fn name<T: CatalogKind>(id: T::Id, number: usize, catalog: &Catalog) -> String {
    catalog.get::<T>(id).map_or_else(|| format!("#{number}"), |thing| thing.moniker().to_string())
}

fn with_stamp<T>(entry: &CatalogEntry<T>, mut body: Value) -> Value {
    let stamp = entry.stamp;
    body["id"] = entry.uuid.to_string().into();
    body["version"] = stamp.version.into();
    body["origin"] = origin(stamp).into();
    body["differs"] = stamp.origin.differs().into();
    body["removed"] = (entry.status == ListingStatus::Removed).into();
    body["section"] = entry.section.as_ref().map(ToString::to_string).into();
    body
}

/// Who made a thing.
pub(super) fn origin(stamp: Revision) -> &'static str {
    if stamp.origin.is_by_person() { "api" } else { "file" }
}
