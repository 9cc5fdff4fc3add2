//! What the records say: the kinds, and each kind's way to octets and back.
//!
//! Numbers are varints, times are differences to the time of the record, what is absent costs a
//! bit. A list of bits comes first and its fields follow in the order of the bits; a later version
//! of this format may use further bits, whose fields then stand last and are passed over by a
//! reader that does not know them. Everything that repeats stands in a block that states its
//! length.

mod catalog;
mod endpoint;
mod message;
mod octets;
mod order;
mod provisioning;
mod session;
mod stock;
#[cfg(test)]
mod tests;
use std::time::Duration;

use crate::identity::{GatewayId, Iccid};
use crate::network::{
    EndpointState, EventTime, KeyPreset, OrderKey, OrderPhase, Outage, Outages, Reporter, Restart,
    SessionOrder, Skew, Stamp,
};
use crate::provisioning::{
    Catalog, CatalogObject, Endpoint, Fingerprint, ObjectKind, Revision, StockEntry,
};
use crate::time::Timestamp;

pub use message::{Message, Topic};

use crate::journal::Batch;
use crate::journal::SnapshotWriter;
use crate::journal::Unreadable;
use crate::journal::{FramedRecord, RecordKind, TooLarge};
use octets::{FieldReader, FieldWriter};

/// The numbers of the kinds. One that was ever written is never given to another.
mod kind {
    use super::RecordKind;

    pub(super) const ENDPOINT: RecordKind = RecordKind(1);
    pub(super) const PROVISIONED: RecordKind = RecordKind(2);
    pub(super) const CATALOG: RecordKind = RecordKind(3);
    pub(super) const GATEWAY: RecordKind = RecordKind(4);
    pub(super) const RESTART: RecordKind = RecordKind(5);
    pub(super) const NOTE: RecordKind = RecordKind(6);
    pub(super) const INVENTORY: RecordKind = RecordKind(7);
    pub(super) const SIGNED: RecordKind = RecordKind(16);
    pub(super) const VSLICE: RecordKind = RecordKind(17);
    pub(super) const GROUP: RecordKind = RecordKind(18);
    pub(super) const OUTAGES: RecordKind = RecordKind(19);
    pub(super) const POLICY: RecordKind = RecordKind(32);
    pub(super) const EVENT_HANDLER: RecordKind = RecordKind(33);
    pub(super) const EVENT_MAP: RecordKind = RecordKind(34);
    pub(super) const MESSAGE: RecordKind = RecordKind(35);
    pub(super) const STOCK: RecordKind = RecordKind(63);
    pub(super) const ORDER: RecordKind = RecordKind(40);
    pub(super) const LEARNT: RecordKind = RecordKind(41);

    pub(super) const fn of(object: super::ObjectKind) -> RecordKind {
        match object {
            super::ObjectKind::Vslice => VSLICE,
            super::ObjectKind::Group => GROUP,
            super::ObjectKind::Policy => POLICY,
            super::ObjectKind::EventHandler => EVENT_HANDLER,
            super::ObjectKind::EventMap => EVENT_MAP,
        }
    }
}

/// A record, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The dynamic state of an endpoint; its version is the record's.
    Endpoint { iccid: Iccid, state: EndpointState },
    /// How an endpoint is provisioned; `None`: no longer.
    Provisioned { iccid: Iccid, stamp: Revision, endpoint: Option<Endpoint> },
    /// A SIM of the stock; `None`: it left.
    Stock { iccid: Iccid, version: u64, entry: Option<StockEntry> },
    /// An object of the catalog under its handle; its version is the record's.
    Object(CatalogObject),
    /// All VSlices and groups, each in the place of its handle. Not written any more.
    Catalog { version: u64, catalog: Catalog },
    /// Everything provisioned is as these files have it, as far as files decide. `None`: an
    /// adoption has begun.
    Inventory { version: u64, fingerprint: Option<Fingerprint> },
    /// The name that a handle stands for.
    Gateway { id: GatewayId, name: String },
    /// The gateway has sent an Access-Request with a valid Message-Authenticator.
    Signed { id: GatewayId },
    /// A gateway restarted.
    Restart(Restart),
    /// When the server was down, until its start at this version.
    Outages { version: u64, outages: Outages },
    /// Recorded without effect. Not for snapshots.
    Note(NoteRecord),
    /// Something that a gateway is to be told about a session; `None`: that is done.
    Order { key: OrderKey, version: u64, order: Option<(SessionOrder, OrderPhase)> },
    /// A gateway knows its sessions by these keys.
    Learnt { id: GatewayId, preset: KeyPreset, at: Timestamp },
    /// Told of what the records beside it did. No state, and not for snapshots: whoever wants to
    /// know reads it from the journal's tail.
    Message { topic: Topic, key: u64, at: Timestamp },
}

/// A report that moved nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteRecord {
    pub at: Timestamp,
    pub iccid: Option<Iccid>,
    /// What was reported.
    pub what: String,
    /// Why it was refused, if that is why nothing moved.
    pub refused: Option<String>,
}

/// Where records are put: a batch, or a snapshot.
pub trait RecordSink {
    /// See [`Batch::put`].
    fn put(
        &mut self,
        kind: RecordKind,
        key: u64,
        version: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TooLarge>;

    fn put_endpoint(&mut self, iccid: Iccid, state: &EndpointState) -> Result<(), TooLarge> {
        self.put(kind::ENDPOINT, iccid.raw(), state.version, |buffer| {
            endpoint::write(&mut FieldWriter(buffer), state);
        })
    }

    fn put_provisioned(
        &mut self,
        iccid: Iccid,
        stamp: Revision,
        endpoint: Option<&Endpoint>,
    ) -> Result<(), TooLarge> {
        self.put(kind::PROVISIONED, iccid.raw(), stamp.version, |buffer| {
            provisioning::write_endpoint(&mut FieldWriter(buffer), endpoint, stamp.origin);
        })
    }

    fn put_stock(
        &mut self,
        iccid: Iccid,
        version: u64,
        entry: Option<&StockEntry>,
    ) -> Result<(), TooLarge> {
        self.put(kind::STOCK, iccid.raw(), version, |buffer| {
            stock::write(&mut FieldWriter(buffer), entry);
        })
    }

    fn put_object(&mut self, object: &CatalogObject) -> Result<(), TooLarge> {
        let place = object.place();
        self.put(kind::of(place.kind), place.index as u64, object.stamp().version, |buffer| {
            catalog::write(&mut FieldWriter(buffer), object);
        })
    }

    fn put_inventory(
        &mut self,
        version: u64,
        fingerprint: Option<Fingerprint>,
    ) -> Result<(), TooLarge> {
        self.put(kind::INVENTORY, 0, version, |buffer| {
            if let Some(fingerprint) = fingerprint {
                buffer.extend_from_slice(&fingerprint.0.to_le_bytes());
            }
        })
    }

    /// A handle has one name for ever.
    fn put_gateway(&mut self, id: GatewayId, name: &str) -> Result<(), TooLarge> {
        self.put(kind::GATEWAY, id.index() as u64, 1, |buffer| FieldWriter(buffer).text(name))
    }

    /// It has for ever.
    fn put_signed(&mut self, id: GatewayId) -> Result<(), TooLarge> {
        self.put(kind::SIGNED, id.index() as u64, 1, |_| {})
    }

    fn put_restart(&mut self, restart: &Restart) -> Result<(), TooLarge> {
        let key = (restart.gateway.index() as u64) << 32 | u64::from(restart.nas().code);
        self.put(kind::RESTART, key, restart.arrived.micros(), |buffer| {
            write_restart(&mut FieldWriter(buffer), restart);
        })
    }

    /// The server has started at `start`; the outages until then.
    fn put_outages(&mut self, start: Timestamp, outages: &Outages) -> Result<(), TooLarge> {
        self.put(kind::OUTAGES, 0, start.micros(), |buffer| {
            write_outages(&mut FieldWriter(buffer), outages);
        })
    }

    /// Tells readers of the journal's tail something, in the same commit as the records before and
    /// behind it in this batch. `key` says of whom, as the topic has it.
    fn put_order(
        &mut self,
        key: OrderKey,
        version: u64,
        order: Option<(&SessionOrder, OrderPhase)>,
    ) -> Result<(), TooLarge> {
        self.put(kind::ORDER, key.0, version, |buffer| {
            if let Some((order, phase)) = order {
                order::write(&mut FieldWriter(buffer), order, phase);
            }
        })
    }

    fn put_learnt(
        &mut self,
        id: GatewayId,
        preset: KeyPreset,
        at: Timestamp,
    ) -> Result<(), TooLarge> {
        self.put(kind::LEARNT, id.index() as u64, at.micros(), |buffer| buffer.push(preset as u8))
    }

    fn put_message(
        &mut self,
        topic: Topic,
        key: u64,
        at: Timestamp,
        octets: &[u8],
    ) -> Result<(), TooLarge> {
        self.put_message_with(topic, key, at, &mut |buffer| buffer.extend_from_slice(octets))
    }

    /// The same, where `write` appends the octets.
    fn put_message_with(
        &mut self,
        topic: Topic,
        key: u64,
        at: Timestamp,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), TooLarge> {
        self.put(kind::MESSAGE, key, at.micros(), |buffer| {
            buffer.push(topic as u8);
            write(buffer);
        })
    }

    fn put_note(
        &mut self,
        at: Timestamp,
        iccid: Option<Iccid>,
        what: &str,
        refused: Option<&str>,
    ) -> Result<(), TooLarge> {
        self.put(kind::NOTE, iccid.map_or(0, Iccid::raw), at.micros(), |buffer| {
            let mut writer = FieldWriter(buffer);
            writer.text(what);
            writer.text(refused.unwrap_or_default());
        })
    }
}

impl RecordSink for Batch {
    fn put(
        &mut self,
        kind: RecordKind,
        key: u64,
        version: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TooLarge> {
        Self::put(self, kind, key, version, payload)
    }
}

impl RecordSink for SnapshotWriter {
    fn put(
        &mut self,
        kind: RecordKind,
        key: u64,
        version: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TooLarge> {
        Self::put(self, kind, key, version, payload)
    }
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// If it is of no known kind, or its octets say nothing that can be: names that are no names,
    /// numbers that are no identifiers.
    pub fn read(entry: &FramedRecord<'_>) -> Result<Self, Unreadable> {
        let mut reader = FieldReader(entry.payload);
        let iccid = || Iccid::from_raw(entry.key).ok_or(Unreadable("its key is no ICCID"));
        match entry.kind {
            kind::ENDPOINT => {
                let state = endpoint::read(&mut reader, entry.version)
                    .ok_or(Unreadable("the state of an endpoint makes no sense"))?;
                Ok(Self::Endpoint { iccid: iccid()?, state })
            }
            kind::PROVISIONED => {
                let (endpoint, origin) = provisioning::read_endpoint(&mut reader)
                    .ok_or(Unreadable("an endpoint makes no sense"))?;
                Ok(Self::Provisioned {
                    iccid: iccid()?,
                    stamp: Revision { version: entry.version, origin },
                    endpoint,
                })
            }
            kind::STOCK => {
                let version = entry.version;
                let entry = stock::read(&mut reader, version)
                    .ok_or(Unreadable("a SIM of the stock makes no sense"))?;
                Ok(Self::Stock { iccid: iccid()?, version, entry })
            }
            kind::CATALOG => {
                let catalog = catalog::read_catalog(&mut reader, entry.version)
                    .ok_or(Unreadable("the catalog makes no sense"))?;
                Ok(Self::Catalog { version: entry.version, catalog })
            }
            kind::INVENTORY => read_inventory(entry)
                .ok_or(Unreadable("the fingerprint of an inventory makes no sense")),
            kind::GATEWAY => {
                read_gateway(&mut reader, entry.key).ok_or(Unreadable("a gateway makes no sense"))
            }
            kind::SIGNED => {
                let id = octets::handle(entry.key)
                    .map(GatewayId::new)
                    .ok_or(Unreadable("a gateway makes no sense"))?;
                Ok(Self::Signed { id })
            }
            kind::RESTART => read_restart(&mut reader)
                .map(Self::Restart)
                .ok_or(Unreadable("a restart makes no sense")),
            kind::OUTAGES => read_outages(&mut reader)
                .map(|outages| Self::Outages { version: entry.version, outages })
                .ok_or(Unreadable("the outages of the server make no sense")),
            kind::NOTE => read_note(&mut reader, entry)
                .map(Self::Note)
                .ok_or(Unreadable("a note makes no sense")),
            kind::ORDER => {
                let (key, version) = (OrderKey(entry.key), entry.version);
                let order = if entry.payload.is_empty() {
                    None
                } else {
                    Some(order::read(&mut reader).ok_or(Unreadable("an order makes no sense"))?)
                };
                Ok(Self::Order { key, version, order })
            }
            kind::LEARNT => read_learnt(&mut reader, entry)
                .ok_or(Unreadable("what was learnt of a gateway makes no sense")),
            kind::MESSAGE => {
                let message = Message::read(entry).ok_or(Unreadable("a message makes no sense"))?;
                let Message { topic, key, at, .. } = message;
                Ok(Self::Message { topic, key, at })
            }
            other => {
                let object = ObjectKind::ALL.into_iter().find(|object| kind::of(*object) == other);
                let object =
                    object.ok_or(Unreadable("no kind of record that this attachd knows"))?;
                catalog::read(&mut reader, object, entry.key, entry.version)
                    .map(Self::Object)
                    .ok_or(Unreadable(senseless(object)))
            }
        }
    }
}

const fn senseless(object: ObjectKind) -> &'static str {
    match object {
        ObjectKind::Vslice => "a VSlice makes no sense",
        ObjectKind::Group => "a group makes no sense",
        ObjectKind::Policy => "an operator policy makes no sense",
        ObjectKind::EventHandler => "an event handler makes no sense",
        ObjectKind::EventMap => "an event map makes no sense",
    }
}

fn read_inventory(entry: &FramedRecord<'_>) -> Option<Record> {
    let fingerprint = match entry.payload {
        [] => None,
        octets => Some(Fingerprint(u128::from_le_bytes(octets.try_into().ok()?))),
    };
    Some(Record::Inventory { version: entry.version, fingerprint })
}

fn read_gateway(reader: &mut FieldReader<'_>, key: u64) -> Option<Record> {
    Some(Record::Gateway {
        id: octets::handle(key).map(GatewayId::new)?,
        name: reader.text()?.to_owned(),
    })
}

fn read_learnt(reader: &mut FieldReader<'_>, entry: &FramedRecord<'_>) -> Option<Record> {
    Some(Record::Learnt {
        id: octets::handle(entry.key).map(GatewayId::new)?,
        preset: KeyPreset::from_key(reader.octet()?)?,
        at: Timestamp::from_micros(entry.version),
    })
}

fn write_restart(writer: &mut FieldWriter<'_>, restart: &Restart) {
    let nas = restart.nas();
    writer.sender(restart.gateway, &nas);
    writer.time(restart.arrived, Timestamp::EPOCH);
    writer.time(restart.at.shown, restart.arrived);
    writer.text(restart.apn.as_deref().unwrap_or_default());
    writer.number(Skew::of(restart.at).0.into());
    writer.octet(restart.stamp as u8);
    writer.range(&restart.range);
    writer.nas(&nas);
}

/// Records end with the APN that were written before gateways were known by their addresses.
fn read_restart(reader: &mut FieldReader<'_>) -> Option<Restart> {
    let (gateway, mut nas) = reader.sender()?;
    let arrived = reader.time(Timestamp::EPOCH)?;
    let shown = reader.time(arrived)?;
    let apn = Some(reader.text()?).filter(|apn| !apn.is_empty()).map(Into::into);
    let (mut at, mut stamp, mut range) = (EventTime::at(shown), Stamp::Sane, octets::NO_RANGE);
    if !reader.0.is_empty() {
        at = Skew(reader.number_u32()?).event_time(shown);
        stamp = Stamp::from_key(reader.octet()?)?;
        range = reader.range()?;
        nas = reader.nas(nas.code)?;
    }
    Some(Restart::new(&Reporter { gateway, range, nas }, apn, at, stamp, arrived))
}

/// Each as the time since the one before, and how long it lasted.
fn write_outages(writer: &mut FieldWriter<'_>, outages: &Outages) {
    writer.number(outages.iter().len() as u64);
    let mut before = Timestamp::EPOCH;
    for outage in outages.iter() {
        writer.time(outage.since, before);
        writer.number(u64::try_from(outage.lasted.as_micros()).unwrap_or(u64::MAX));
        before = outage.since;
    }
}

fn read_outages(reader: &mut FieldReader<'_>) -> Option<Outages> {
    let mut outages = Vec::new();
    let mut before = Timestamp::EPOCH;
    for _ in 0..reader.count()? {
        let since = reader.time(before)?;
        outages.push(Outage { since, lasted: Duration::from_micros(reader.number()?) });
        before = since;
    }
    Some(Outages::recorded(outages))
}

fn read_note(reader: &mut FieldReader<'_>, entry: &FramedRecord<'_>) -> Option<NoteRecord> {
    let iccid = if entry.key == 0 { None } else { Some(Iccid::from_raw(entry.key)?) };
    let what = reader.text()?.to_owned();
    let refused = Some(reader.text()?).filter(|reason| !reason.is_empty()).map(str::to_owned);
    Some(NoteRecord { at: Timestamp::from_micros(entry.version), iccid, what, refused })
}
