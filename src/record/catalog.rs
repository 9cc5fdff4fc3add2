//! The objects of the catalog, a record each.
//!
//! Status, origin and the object as the first version of its kind was written; then its id, what
//! stands beside it, and a block of what later versions know of the object. Records from before the
//! ids end before them: their objects have the ids of their monikers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use uuid::Uuid;

use super::octets::{FieldReader, FieldWriter, handle, list, read_list, read_origin, write_origin};
use crate::address::AddressBlock;
use crate::identity::{
    Apn, EventHandlerId, EventMapId, GroupId, Moniker, Plmn, PolicyId, VsliceId,
};
use crate::policy::{
    CountryCode, ImeiLock, PolicyAction, PolicyEntry, RadioClass, Tac, WhenMissing,
};
use crate::provisioning::{
    AddressFamilies, Allocation, Catalog, CatalogEntry, CatalogKind, CatalogObject,
    CredentialMethod, Credentials, EventHandler, EventMap, EventScope, EventType, Group,
    ListingStatus, ObjectKind, Origin, Policy, Revision, Subnet, Subscription, Vslice, Webhook,
};

/// A kind of object on its way to octets and back.
trait RecordedKind: CatalogKind {
    fn write(&self, writer: &mut FieldWriter<'_>);
    fn read(reader: &mut FieldReader<'_>) -> Option<Self>;

    /// What the first version of the kind did not have.
    fn write_later(&self, _: &mut FieldWriter<'_>) {}

    fn read_later(&mut self, _: &mut FieldReader<'_>) -> Option<()> {
        Some(())
    }
}

pub(super) fn write(writer: &mut FieldWriter<'_>, object: &CatalogObject) {
    match object {
        CatalogObject::Vslice(_, entry) => write_entry(writer, entry),
        CatalogObject::Group(_, entry) => write_entry(writer, entry),
        CatalogObject::Policy(_, entry) => write_entry(writer, entry),
        CatalogObject::EventHandler(_, entry) => write_entry(writer, entry),
        CatalogObject::EventMap(_, entry) => write_entry(writer, entry),
    }
}

/// The object of that kind in that place.
pub(super) fn read(
    reader: &mut FieldReader<'_>,
    kind: ObjectKind,
    key: u64,
    version: u64,
) -> Option<CatalogObject> {
    let index = place(key)?;
    match kind {
        ObjectKind::Vslice => read_object::<Vslice>(reader, index, version),
        ObjectKind::Group => read_object::<Group>(reader, index, version),
        ObjectKind::Policy => read_object::<Policy>(reader, index, version),
        ObjectKind::EventHandler => read_object::<EventHandler>(reader, index, version),
        ObjectKind::EventMap => read_object::<EventMap>(reader, index, version),
    }
}

/// Handles are given one after the other: a large one is no handle, and would only reserve memory.
fn place(key: u64) -> Option<usize> {
    const MOST: usize = 1 << 24;
    handle(key).filter(|index| *index < MOST)
}

fn write_entry<T: RecordedKind>(writer: &mut FieldWriter<'_>, entry: &CatalogEntry<T>) {
    writer.octet(status_number(entry.status));
    write_origin(writer, entry.stamp.origin);
    entry.thing.write(writer);
    writer.raw(entry.uuid.as_bytes());
    writer.text(entry.section.as_ref().map_or("", Moniker::as_str));
    list(
        writer,
        || entry.spelling.iter(),
        |writer, (field, form)| {
            writer.text(field);
            writer.text(form);
        },
    );
    writer.block(|block| entry.thing.write_later(block));
}

fn read_object<T: RecordedKind>(
    reader: &mut FieldReader<'_>,
    index: usize,
    version: u64,
) -> Option<CatalogObject> {
    let status = status_from(reader.octet()?)?;
    let stamp = Revision { version, origin: read_origin(reader)? };
    let mut entry = CatalogEntry::new(T::read(reader)?, stamp);
    entry.status = status;
    if !reader.0.is_empty() {
        entry.uuid = Uuid::from_bytes(reader.array()?);
        let section = Some(reader.text()?).filter(|section| !section.is_empty());
        entry.section = section.map(Moniker::parse).transpose().ok()?;
        for (field, form) in read_list(reader, |reader| Some((reader.text()?, reader.text()?)))? {
            entry.spelling = entry.spelling.with(field, form);
        }
        let later = &mut reader.block()?;
        Arc::make_mut(&mut entry.thing).read_later(later)?;
    }
    Some(T::object(T::id(index), entry))
}

/// All VSlices and groups in one record, as it was written before each had its own.
pub(super) fn read_catalog(reader: &mut FieldReader<'_>, version: u64) -> Option<Catalog> {
    let stamp = Revision { version, origin: Origin::default() };
    let mut catalog = Catalog::default();
    for index in 0..reader.count()? {
        let mut block = reader.block()?;
        let status = status_from(block.octet()?)?;
        let entry = CatalogEntry::new(Vslice::read(&mut block)?, stamp);
        catalog.set(VsliceId::new(index), CatalogEntry { status, ..entry });
    }
    for index in 0..reader.count()? {
        let mut block = reader.block()?;
        let status = status_from(block.octet()?)?;
        let entry = CatalogEntry::new(Group::read(&mut block)?, stamp);
        catalog.set(GroupId::new(index), CatalogEntry { status, ..entry });
    }
    Some(catalog)
}

impl RecordedKind for Vslice {
    fn write(&self, writer: &mut FieldWriter<'_>) {
        writer.text(self.moniker.as_str());
        writer.text(&self.name);
        writer.octet(self.enabled.into());
        list(writer, || ipv4_dns(self), |writer, server| writer.ipv4(*server));
        list(
            writer,
            || self.subnets.iter().filter_map(ipv4_subnet),
            |writer, (cidr, subnet)| {
                write_range(writer, cidr);
                writer.octet(allocation_number(subnet.allocation));
                let ranges = || subnet.exclude.iter().filter_map(ipv4_range);
                list(writer, ranges, write_range);
            },
        );
    }

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        Some(Vslice {
            moniker: Moniker::parse(reader.text()?).ok()?,
            name: reader.text()?.into(),
            enabled: reader.octet()? != 0,
            dns: read_list(reader, |reader| reader.ipv4().map(IpAddr::V4))?,
            subnets: read_list(reader, |reader| {
                let block = AddressBlock::from(IpNet::V4(read_range(reader)?));
                let allocation = allocation_from(reader.octet()?)?;
                let exclude = read_list(reader, |reader| read_range(reader).map(IpNet::V4))?;
                Some(Subnet { block, allocation, exclude })
            })?,
            event_map: None,
        })
    }

    fn write_later(&self, writer: &mut FieldWriter<'_>) {
        write_handle(writer, self.event_map.map(EventMapId::index));
        if ipv6_dns(self).next().is_none() && ipv6_subnets(self).next().is_none() {
            return;
        }
        list(
            writer,
            || ipv6_dns(self),
            |writer, (place, server)| {
                writer.number(place as u64);
                writer.raw(&server.octets());
            },
        );
        list(
            writer,
            || ipv6_subnets(self),
            |writer, (place, cidr, subnet)| {
                writer.number(place as u64);
                write_ipv6_range(writer, cidr);
                writer.octet(subnet.block.prefix_len());
                writer.octet(allocation_number(subnet.allocation));
                list(writer, || subnet.exclude.iter().filter_map(ipv6_range), write_ipv6_range);
            },
        );
    }

    fn read_later(&mut self, reader: &mut FieldReader<'_>) -> Option<()> {
        if !reader.0.is_empty() {
            read_handle(reader, &mut self.event_map, EventMapId::new)?;
        }
        if !reader.0.is_empty() {
            let dns = read_list(reader, |reader| Some((reader.count()?, reader.ipv6()?)))?;
            for (place, server) in dns {
                self.dns.insert(place.min(self.dns.len()), server.into());
            }
            for (place, subnet) in read_list(reader, read_ipv6_subnet)? {
                self.subnets.insert(place.min(self.subnets.len()), subnet);
            }
        }
        Some(())
    }
}

fn ipv4_dns(vslice: &Vslice) -> impl Iterator<Item = &Ipv4Addr> {
    vslice.dns.iter().filter_map(|server| match server {
        IpAddr::V4(server) => Some(server),
        IpAddr::V6(_) => None,
    })
}

/// Each with its place in the whole list.
fn ipv6_dns(vslice: &Vslice) -> impl Iterator<Item = (usize, Ipv6Addr)> {
    vslice.dns.iter().enumerate().filter_map(|(place, server)| match server {
        IpAddr::V6(server) => Some((place, *server)),
        IpAddr::V4(_) => None,
    })
}

fn ipv4_subnet(subnet: &Subnet) -> Option<(Ipv4Net, &Subnet)> {
    Some((ipv4_range(&subnet.block.cidr())?, subnet))
}

/// Each with its place in the whole list.
fn ipv6_subnets(vslice: &Vslice) -> impl Iterator<Item = (usize, Ipv6Net, &Subnet)> {
    let placed = vslice.subnets.iter().enumerate();
    placed.filter_map(|(place, subnet)| Some((place, ipv6_range(&subnet.block.cidr())?, subnet)))
}

fn ipv4_range(range: &IpNet) -> Option<Ipv4Net> {
    match range {
        IpNet::V4(range) => Some(*range),
        IpNet::V6(_) => None,
    }
}

fn ipv6_range(range: &IpNet) -> Option<Ipv6Net> {
    match range {
        IpNet::V6(range) => Some(*range),
        IpNet::V4(_) => None,
    }
}

fn read_ipv6_subnet(reader: &mut FieldReader<'_>) -> Option<(usize, Subnet)> {
    let place = reader.count()?;
    let cidr = read_ipv6_range(reader)?;
    let block = AddressBlock::new(IpNet::V6(cidr), reader.octet()?);
    let allocation = allocation_from(reader.octet()?)?;
    let exclude = read_list(reader, |reader| read_ipv6_range(reader).map(IpNet::V6))?;
    Some((place, Subnet { block, allocation, exclude }))
}

impl RecordedKind for Group {
    fn write(&self, writer: &mut FieldWriter<'_>) {
        writer.text(self.moniker.as_str());
        writer.text(&self.name);
        writer.number(self.vslice.index() as u64);
        writer.octet(self.enabled.into());
        writer.octet(allocation_number(self.allocation));
        list(writer, || self.apns.iter(), |writer, apn| writer.text(apn.as_str()));
        for seconds in [self.session_timeout_s, self.idle_timeout_s, self.interim_interval_s] {
            writer.number(seconds.into());
        }
        list(
            writer,
            || self.credentials.iter(),
            |writer, credentials| {
                writer.octet(match credentials.method {
                    CredentialMethod::Pap => 1,
                    CredentialMethod::Chap => 2,
                });
                writer.text(&credentials.username);
                writer.text(&credentials.password);
            },
        );
    }

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        Some(Group {
            moniker: Moniker::parse(reader.text()?).ok()?,
            name: reader.text()?.into(),
            vslice: VsliceId::new(handle(reader.number()?)?),
            enabled: reader.octet()? != 0,
            allocation: allocation_from(reader.octet()?)?,
            apns: read_list(reader, |reader| Apn::parse(reader.text()?).ok())?,
            session_timeout_s: reader.number_u32()?,
            idle_timeout_s: reader.number_u32()?,
            interim_interval_s: reader.number_u32()?,
            credentials: read_list(reader, |reader| {
                let method = match reader.octet()? {
                    1 => CredentialMethod::Pap,
                    2 => CredentialMethod::Chap,
                    _ => return None,
                };
                Some(Credentials {
                    method,
                    username: reader.text()?.into(),
                    password: reader.text()?.into(),
                })
            })?
            .pop(),
            policy: None,
            event_map: None,
            families: AddressFamilies::Ipv4,
            partial_dual_stack: false,
            disconnect: true,
        })
    }

    fn write_later(&self, writer: &mut FieldWriter<'_>) {
        write_handle(writer, self.policy.map(PolicyId::index));
        write_handle(writer, self.event_map.map(EventMapId::index));
        writer.octet(families_number(self.families));
        writer.octet(self.partial_dual_stack.into());
        writer.octet(self.disconnect.into());
    }

    fn read_later(&mut self, reader: &mut FieldReader<'_>) -> Option<()> {
        if !reader.0.is_empty() {
            read_handle(reader, &mut self.policy, PolicyId::new)?;
            read_handle(reader, &mut self.event_map, EventMapId::new)?;
            self.families = families_from(reader.octet()?)?;
            self.partial_dual_stack = reader.octet()? != 0;
            self.disconnect = reader.octet()? != 0;
        }
        Some(())
    }
}

impl RecordedKind for Policy {
    fn write(&self, writer: &mut FieldWriter<'_>) {
        writer.text(self.moniker.as_str());
        writer.text(&self.name);
        for is_allowed in [self.allow_2g, self.allow_3g, self.allow_45g] {
            writer.octet(is_allowed.into());
        }
        writer.octet(self.when_missing.number());
        writer.octet(self.imei_lock.number());
        list(
            writer,
            || self.entries.iter(),
            |writer, entry| writer.block(|block| write_policy_entry(block, entry)),
        );
    }

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        Some(Self {
            moniker: Moniker::parse(reader.text()?).ok()?,
            name: reader.text()?.into(),
            allow_2g: reader.octet()? != 0,
            allow_3g: reader.octet()? != 0,
            allow_45g: reader.octet()? != 0,
            when_missing: WhenMissing::from_number(reader.octet()?)?,
            imei_lock: ImeiLock::from_number(reader.octet()?)?,
            entries: read_list(reader, |reader| read_policy_entry(&mut reader.block()?))?,
        })
    }
}

impl RecordedKind for EventHandler {
    fn write(&self, writer: &mut FieldWriter<'_>) {
        let Webhook { url, timeout, bearer, username, password, signing_secret } = &self.webhook;
        writer.text(self.moniker.as_str());
        for text in [&self.name, url, timeout, signing_secret] {
            writer.text(text);
        }
        for text in [bearer, username, password] {
            list(writer, || text.iter(), |writer, text| writer.text(text));
        }
    }

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let moniker = Moniker::parse(reader.text()?).ok()?;
        let name = reader.text()?.into();
        let (url, timeout) = (reader.text()?.into(), reader.text()?.into());
        let signing_secret = reader.text()?.into();
        let mut optional = || Some(read_list(reader, FieldReader::text)?.pop().map(Into::into));
        let (bearer, username, password) = (optional()?, optional()?, optional()?);
        let webhook = Webhook { url, timeout, bearer, username, password, signing_secret };
        Some(Self { moniker, name, webhook })
    }
}

impl RecordedKind for EventMap {
    fn write(&self, writer: &mut FieldWriter<'_>) {
        writer.text(self.moniker.as_str());
        writer.text(&self.name);
        writer.octet(self.scope.number());
        list(
            writer,
            || self.subscriptions.iter(),
            |writer, subscription| {
                writer.number(subscription.handler.index() as u64);
                writer.number(subscription.event.key.into());
            },
        );
    }

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        Some(Self {
            moniker: Moniker::parse(reader.text()?).ok()?,
            name: reader.text()?.into(),
            scope: EventScope::from_number(reader.octet()?)?,
            subscriptions: read_list(reader, |reader| {
                Some(Subscription {
                    handler: EventHandlerId::new(place(reader.number()?)?),
                    event: EventType::from_key(reader.number_u32()?)?,
                })
            })?,
        })
    }
}

fn write_policy_entry(writer: &mut FieldWriter<'_>, entry: &PolicyEntry) {
    writer.octet(entry.action.number());
    writer.octet(entry.international.into());
    writer.number(entry.operator.map_or(0, Plmn::raw));
    writer.text(entry.country.as_ref().map_or("", CountryCode::as_str));
    list(writer, || entry.radio.iter(), |writer, class| writer.octet(class.number()));
    list(writer, || entry.tac.iter(), |writer, tac| writer.number(tac.number().into()));
}

fn read_policy_entry(reader: &mut FieldReader<'_>) -> Option<PolicyEntry> {
    let mut entry = PolicyEntry::everywhere(PolicyAction::from_number(reader.octet()?)?);
    entry.international = reader.octet()? != 0;
    entry.operator = match reader.number()? {
        0 => None,
        raw => Some(Plmn::from_raw(raw)?),
    };
    entry.country = match reader.text()? {
        "" => None,
        letters => Some(CountryCode::parse(letters).ok()?),
    };
    entry.radio = read_list(reader, |reader| RadioClass::from_number(reader.octet()?))?;
    entry.tac = read_list(reader, |reader| Tac::from_number(reader.number_u32()?))?;
    Some(entry)
}

/// A handle that may be absent: 0, or one more than its place.
fn write_handle(writer: &mut FieldWriter<'_>, index: Option<usize>) {
    writer.number(index.map_or(0, |index| index as u64 + 1));
}

fn read_handle<Id>(
    reader: &mut FieldReader<'_>,
    handle: &mut Option<Id>,
    new: impl FnOnce(usize) -> Id,
) -> Option<()> {
    let number = reader.number()?;
    *handle = if number == 0 { None } else { Some(new(place(number - 1)?)) };
    Some(())
}

fn write_range(writer: &mut FieldWriter<'_>, range: Ipv4Net) {
    writer.ipv4(range.addr());
    writer.octet(range.prefix_len());
}

fn read_range(reader: &mut FieldReader<'_>) -> Option<Ipv4Net> {
    let ip: Ipv4Addr = reader.ipv4()?;
    Ipv4Net::new(ip, reader.octet()?).ok()
}

fn write_ipv6_range(writer: &mut FieldWriter<'_>, range: Ipv6Net) {
    writer.raw(&range.addr().octets());
    writer.octet(range.prefix_len());
}

fn read_ipv6_range(reader: &mut FieldReader<'_>) -> Option<Ipv6Net> {
    let ip = reader.ipv6()?;
    Ipv6Net::new(ip, reader.octet()?).ok()
}

const fn allocation_number(allocation: Allocation) -> u8 {
    match allocation {
        Allocation::Static => 1,
        Allocation::Pooled => 2,
    }
}

fn allocation_from(number: u8) -> Option<Allocation> {
    [Allocation::Static, Allocation::Pooled]
        .into_iter()
        .find(|allocation| allocation_number(*allocation) == number)
}

const fn status_number(status: ListingStatus) -> u8 {
    match status {
        ListingStatus::Listed => 1,
        ListingStatus::Gone => 2,
        ListingStatus::Removed => 3,
    }
}

fn status_from(number: u8) -> Option<ListingStatus> {
    [ListingStatus::Listed, ListingStatus::Gone, ListingStatus::Removed]
        .into_iter()
        .find(|status| status_number(*status) == number)
}

const fn families_number(families: AddressFamilies) -> u8 {
    match families {
        AddressFamilies::Ipv4 => 1,
        AddressFamilies::Ipv6 => 2,
        AddressFamilies::Both => 3,
    }
}

fn families_from(number: u8) -> Option<AddressFamilies> {
    AddressFamilies::ALL.into_iter().find(|families| families_number(*families) == number)
}
