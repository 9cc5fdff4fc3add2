//! Records in words: JSON for programs, and from it lines for people.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::super::output::Output;
use super::objects::{self, origin};
use crate::identity::{GatewayId, GroupId, Iccid, VsliceId};
use crate::network::{EndpointState, Lease, LeaseKind, LeasePhase, Nas, Outage, Session};
use crate::printable;
use crate::provisioning::{Catalog, Endpoint, Revision, StockEntry};
use crate::record::Record;
use crate::time::Timestamp;
use crate::wire::tgpp::RatType;

pub(super) const fn kind(record: &Record) -> &'static str {
    match record {
        Record::Endpoint { .. } => "endpoint",
        Record::Provisioned { .. } => "provisioned",
        Record::Stock { .. } => "stock",
        Record::Object(object) => object.place().kind.moniker(),
        Record::Catalog { .. } => "catalog",
        Record::Inventory { .. } => "inventory",
        Record::Gateway { .. } => "gateway",
        Record::Signed { .. } => "signed",
        Record::Restart(_) => "restart",
        Record::Outages { .. } => "outages",
        Record::Note(_) => "note",
        Record::Message { .. } => "message",
        Record::Order { .. } => "order",
        Record::Learnt { .. } => "learnt",
    }
}

/// The endpoint that a record is about.
pub(super) fn iccid(record: &Record) -> Option<Iccid> {
    match record {
        Record::Endpoint { iccid, .. }
        | Record::Provisioned { iccid, .. }
        | Record::Stock { iccid, .. } => Some(*iccid),
        Record::Note(note) => note.iccid,
        Record::Order { order, .. } => order.as_ref().map(|(order, _)| order.iccid),
        Record::Object(_)
        | Record::Catalog { .. }
        | Record::Inventory { .. }
        | Record::Gateway { .. }
        | Record::Signed { .. }
        | Record::Restart(_)
        | Record::Outages { .. }
        | Record::Learnt { .. }
        | Record::Message { .. } => None,
    }
}

/// What the numbers in records stand for.
#[derive(Default)]
pub(super) struct HandleNames {
    catalog: Catalog,
    gateways: HashMap<GatewayId, String>,
}

impl HandleNames {
    pub(super) fn learn(&mut self, record: Record) {
        match record {
            // Never written behind a record of one of its things.
            Record::Catalog { catalog, .. } => self.catalog = catalog,
            Record::Object(object) => self.catalog.put_if_newer(object),
            Record::Gateway { id, name } => _ = self.gateways.insert(id, name),
            Record::Inventory { .. }
            | Record::Endpoint { .. }
            | Record::Provisioned { .. }
            | Record::Stock { .. }
            | Record::Signed { .. }
            | Record::Restart(_)
            | Record::Outages { .. }
            | Record::Note(_)
            | Record::Order { .. }
            | Record::Learnt { .. }
            | Record::Message { .. } => {}
        }
    }

    pub(super) fn describe(&self, record: &Record) -> Value {
        let body = match record {
            Record::Endpoint { iccid, state } => self.endpoint(*iccid, state),
            Record::Provisioned { iccid, stamp, endpoint } => {
                self.provisioned(*iccid, *stamp, endpoint.as_ref())
            }
            Record::Stock { iccid, version, entry } => stock(*iccid, *version, entry.as_ref()),
            Record::Object(object) => objects::describe(object, &self.catalog),
            Record::Catalog { version, catalog } => Self::catalog(*version, catalog),
            Record::Inventory { version, fingerprint } => {
                json!({"at": Timestamp::from_micros(*version), "fingerprint": fingerprint.map(|fingerprint| fingerprint.to_string())})
            }
            Record::Gateway { id, name } => json!({"number": id.index(), "name": name}),
            Record::Signed { id } => json!({"number": id.index()}),
            Record::Outages { version, outages } => json!({
                "at": Timestamp::from_micros(*version),
                "outages": outages.iter().map(outage).collect::<Vec<_>>(),
            }),
            Record::Restart(restart) => json!({
                "gateway": self.gateway(restart.gateway),
                "nas": nas(&restart.nas()),
                "apn": restart.apn.as_deref(),
                "at": restart.at.shown,
                "arrived": restart.arrived,
            }),
            Record::Note(note) => {
                json!({"iccid": note.iccid, "at": note.at, "what": note.what, "refused": note.refused})
            }
            Record::Order { version, order, .. } => json!({
                "at": Timestamp::from_micros(*version),
                "gateway": order.as_ref().map(|(order, _)| self.gateway(order.gateway)),
                "session": order.as_ref().map(|(order, _)| order.session.to_string()),
                "phase": order.as_ref().map_or("done", |(_, phase)| phase.name()),
            }),
            Record::Learnt { id, preset, at } => {
                json!({"gateway": self.gateway(*id), "keys": preset.name(), "at": at})
            }
            Record::Message { topic, key, at } => {
                json!({"topic": topic.name(), "key": key, "at": at})
            }
        };
        with_kind(kind(record), body)
    }

    fn endpoint(&self, iccid: Iccid, state: &EndpointState) -> Value {
        json!({
            "iccid": iccid,
            "version": state.version,
            "networkState": state.state,
            "lastActivity": at(state.last_activity),
            "sessions": state.sessions.iter().map(|session| self.session(session)).collect::<Vec<_>>(),
            "ipAddresses": state.leases.iter().map(|lease| self.lease(lease)).collect::<Vec<_>>(),
        })
    }

    fn session(&self, session: &Session) -> Value {
        let (input, output) = session.octets();
        let place = session.location_info();
        json!({
            "gateway": self.gateway(session.gateway),
            "nas": nas(&session.nas()),
            "acctSessionId": session.bearers().next().map(|bearer| bearer.acct_session_id.as_str()),
            "acctMultiSessionId": session.multi_session_id(),
            "bearers": session.bearers().count(),
            "endpointGroup": session.group.map(|id| self.group(id)),
            "apn": session.apn(),
            "ip": session.ip,
            "conflict": session.conflict,
            "startedAt": session.started,
            "updatedAt": session.heard,
            "endedAt": session.ended.map(|ended| ended.at),
            "closeCause": session.ended.map(|ended| ended.cause.name()),
            "endingSince": session.ending().map(|ending| ending.since),
            "endingReason": session.ending().map(|ending| ending.cause.name()),
            "inputOctets": input,
            "outputOctets": output,
            "ratType": place.rat.map(|rat| RatType(rat).to_string()),
            "plmn": place.plmn,
            "imeisv": place.imeisv,
        })
    }

    fn lease(&self, lease: &Lease) -> Value {
        let (state, until) = match lease.phase {
            LeasePhase::Authorised { until, .. } => ("authorised", Some(until)),
            LeasePhase::InUse => ("in-use", None),
            LeasePhase::Reauthorised { until, .. } => ("reauthorised", Some(until)),
            LeasePhase::Kept => ("kept", None),
            LeasePhase::Released { at } => ("released", Some(at)),
        };
        let allocation = match lease.kind {
            LeaseKind::Static => "static",
            LeaseKind::Pooled => "pooled",
        };
        let (vslice, group) = (self.vslice(lease.vslice), self.group(lease.group));
        json!({"ip": lease.ip, "vslice": vslice, "endpointGroup": group, "allocation": allocation, "state": state, "at": until})
    }

    fn provisioned(&self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>) -> Value {
        let Some(endpoint) = endpoint else {
            return json!({"iccid": iccid, "version": stamp.version, "removed": true});
        };
        json!({
            "iccid": iccid,
            "version": stamp.version,
            "origin": origin(stamp),
            "differs": stamp.origin.differs(),
            "provisioningState": endpoint.state.moniker(),
            "imsis": endpoint.imsis().collect::<Vec<_>>(),
            "msisdn": endpoint.msisdn,
            "groups": endpoint.groups().map(|id| self.group(id)).collect::<Vec<_>>(),
            "staticIp": endpoint.static_ip,
            "staticIpv6": endpoint.configured_prefixes().link,
            "delegatedIpv6": endpoint.configured_prefixes().delegated,
            "name": endpoint.name,
            "reference": endpoint.labels().reference,
            "tags": endpoint.labels().tags,
            "imei": endpoint.imei(),
            "activatedAt": endpoint.history().activated_at,
            "stateReason": endpoint.history().state_reason,
        })
    }

    /// Without the passwords.
    fn catalog(version: u64, catalog: &Catalog) -> Value {
        json!({
            "version": version,
            "vslices": catalog.vslices().map(|(id, vslice)| objects::vslice(id, vslice)).collect::<Vec<_>>(),
            "groups": catalog.groups().map(|(id, group)| objects::group(id, group, catalog)).collect::<Vec<_>>(),
        })
    }

    fn gateway(&self, id: GatewayId) -> String {
        self.gateways.get(&id).cloned().unwrap_or_else(|| format!("#{}", id.index()))
    }

    fn group(&self, id: GroupId) -> String {
        self.catalog
            .group(id)
            .map_or_else(|| format!("#{}", id.index()), |group| group.moniker.to_string())
    }

    fn vslice(&self, id: VsliceId) -> String {
        self.catalog
            .vslice(id)
            .map_or_else(|| format!("#{}", id.index()), |vslice| vslice.moniker.to_string())
    }
}

fn nas(nas: &Nas<'_>) -> String {
    format!("{:08x}", nas.code)
}

fn outage(outage: &Outage) -> Value {
    json!({"since": outage.since, "until": outage.since + outage.lasted})
}

fn at(time: Timestamp) -> Option<Timestamp> {
    Some(time).filter(|time| *time > Timestamp::EPOCH)
}

fn with_kind(kind: &str, body: Value) -> Value {
    let mut record = Map::new();
    record.insert("kind".to_owned(), kind.into());
    if let Value::Object(fields) = body {
        record.extend(fields);
    }
    Value::Object(record)
}

/// One line for the record, one more, indented, for each thing in it.
pub(super) fn write_text(record: &Value, output: &mut Output) -> io::Result<()> {
    let Value::Object(fields) = record else { return Ok(()) };
    let line = words(fields.iter().filter(|(name, _)| *name != "kind"));
    writeln!(output, "{} {line}", word(&record["kind"]))?;
    for (name, value) in fields {
        for thing in value.as_array().into_iter().flatten().filter_map(Value::as_object) {
            writeln!(output, "  {} {}", one_of(name), words(thing.iter()))?;
        }
    }
    Ok(())
}

fn one_of(things: &str) -> &str {
    match things {
        "ipAddresses" => "ipAddress",
        others => others.strip_suffix('s').unwrap_or(others),
    }
}

/// What is there, as `name value`; things with parts of their own are left to lines of their own.
fn words<'v>(fields: impl Iterator<Item = (&'v String, &'v Value)>) -> String {
    let shown = fields.filter(|(_, value)| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(things) => things.iter().any(|thing| !thing.is_object()),
        Value::Object(_) | Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    });
    shown.map(|(name, value)| format!("{name} {}", word(value))).collect::<Vec<_>>().join("  ")
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => printable::text(text).to_string(),
        Value::Array(things) => things.iter().map(word).collect::<Vec<_>>().join(","),
        Value::Object(enumerated) => enumerated.get("moniker").map(word).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// A SIM of the stock, without its code.
fn stock(iccid: Iccid, version: u64, entry: Option<&StockEntry>) -> Value {
    let sim = entry.map(|entry| &entry.sim);
    json!({
        "iccid": iccid,
        "version": version,
        "removed": entry.is_none(),
        "imsis": sim.map(|sim| sim.imsis().collect::<Vec<_>>()),
        "msisdn": sim.and_then(|sim| sim.msisdn),
        "activated": sim.map(|sim| sim.is_activated),
        "origin": entry.map(|entry| origin(entry.stamp)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::tests::HOSTILE;

    #[test]
    fn a_record_in_words_is_printable() {
        let record = json!({"kind": "endpoint", "iccid": "1", "sessions": [{"acctSessionId": HOSTILE, "apn": HOSTILE, "names": [HOSTILE]}]});
        let fields = record["sessions"][0].as_object().unwrap();
        let line = words(fields.iter());
        assert!(line.chars().all(printable::is_printable), "{line:?}");
        assert!(line.contains("acctSessionId a\\u{1b}[2J\\r\\n"), "{line}");
    }
}
