//! What is provisioned: endpoints, VSlices and groups, a record each.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::octets::{FieldReader, FieldWriter, handle};
use crate::identity::{Apn, GroupId, Imsi, Moniker, Msisdn, VsliceId};
use crate::provisioning::{
    Allocation, Catalog, CatalogEntry, CredentialMethod, Credentials, Endpoint, Group,
    ListingStatus, Origin, ProvisioningState, Revision, Subnet, Vslice,
};

/// What an endpoint may have, in the order in which it is written.
mod has {
    pub(super) const MSISDN: u64 = 1 << 0;
    pub(super) const STATIC_IP: u64 = 1 << 1;
    pub(super) const NAME: u64 = 1 << 2;
    pub(super) const GROUP: u64 = 1 << 3;
    pub(super) const ORIGIN: u64 = 1 << 4;
}

/// Stands where a state would: the endpoint was removed, and its origin follows.
const REMOVED: u8 = 0;

/// An endpoint that was removed, and of which nothing needs to be remembered, is an empty record.
pub(super) fn write_endpoint(
    writer: &mut FieldWriter<'_>,
    endpoint: Option<&Endpoint>,
    origin: Origin,
) {
    let Some(endpoint) = endpoint else {
        if origin != Origin::default() {
            writer.octet(REMOVED);
            write_origin(writer, origin);
        }
        return;
    };
    let bits = [
        (endpoint.msisdn.is_some(), has::MSISDN),
        (endpoint.static_ip.is_some(), has::STATIC_IP),
        (endpoint.name.is_some(), has::NAME),
        (endpoint.group.is_some(), has::GROUP),
        (origin != Origin::default(), has::ORIGIN),
    ];
    writer.octet(endpoint.state.key());
    writer.number(
        bits.into_iter().fold(0, |bits, (is_there, bit)| if is_there { bits | bit } else { bits }),
    );
    list(writer, || endpoint.imsis(), |writer, imsi| writer.number(imsi.raw()));
    list(
        writer,
        || endpoint.secondary_groups().iter(),
        |writer, group| writer.number(group.index() as u64),
    );
    endpoint.msisdn.into_iter().for_each(|msisdn| writer.number(msisdn.raw()));
    endpoint.static_ip.into_iter().for_each(|ip| writer.ipv4(ip));
    endpoint.name.iter().for_each(|name| writer.text(name));
    endpoint.group.into_iter().for_each(|group| writer.number(group.index() as u64));
    if origin != Origin::default() {
        write_origin(writer, origin);
    }
}

/// The endpoint, unless it was removed, and its origin.
pub(super) fn read_endpoint(reader: &mut FieldReader<'_>) -> Option<(Option<Endpoint>, Origin)> {
    if reader.0.is_empty() {
        return Some((None, Origin::default()));
    }
    let state = reader.octet()?;
    if state == REMOVED {
        return Some((None, read_origin(reader)?));
    }
    let mut endpoint = Endpoint::new(state_from(state)?);
    let bits = reader.number()?;
    for _ in 0..reader.count()? {
        endpoint = endpoint.with_imsi(Imsi::from_raw(reader.number()?)?);
    }
    for _ in 0..reader.count()? {
        endpoint = endpoint.also_in_group(GroupId::new(handle(reader.number()?)?));
    }
    if bits & has::MSISDN != 0 {
        endpoint.msisdn = Some(Msisdn::from_raw(reader.number()?)?);
    }
    if bits & has::STATIC_IP != 0 {
        endpoint.static_ip = Some(reader.ipv4()?);
    }
    if bits & has::NAME != 0 {
        endpoint.name = Some(reader.text()?.into());
    }
    if bits & has::GROUP != 0 {
        endpoint.group = Some(GroupId::new(handle(reader.number()?)?));
    }
    let origin = if bits & has::ORIGIN == 0 { Origin::default() } else { read_origin(reader)? };
    Some((Some(endpoint), origin))
}

/// Its octets are random: a varint would take two more.
fn write_origin(writer: &mut FieldWriter<'_>, origin: Origin) {
    writer.raw(&origin.bits().to_le_bytes());
}

fn read_origin(reader: &mut FieldReader<'_>) -> Option<Origin> {
    reader.array().map(u64::from_le_bytes).map(Origin::from_bits)
}

pub(super) fn write_vslice_place(writer: &mut FieldWriter<'_>, place: &CatalogEntry<Vslice>) {
    writer.octet(status_number(place.status));
    write_origin(writer, place.stamp.origin);
    write_vslice(writer, &place.thing);
}

pub(super) fn write_group_place(writer: &mut FieldWriter<'_>, place: &CatalogEntry<Group>) {
    writer.octet(status_number(place.status));
    write_origin(writer, place.stamp.origin);
    write_group(writer, &place.thing);
}

pub(super) fn read_vslice_place(
    reader: &mut FieldReader<'_>,
    version: u64,
) -> Option<CatalogEntry<Vslice>> {
    read_place(reader, version, read_vslice)
}

pub(super) fn read_group_place(
    reader: &mut FieldReader<'_>,
    version: u64,
) -> Option<CatalogEntry<Group>> {
    read_place(reader, version, read_group)
}

fn read_place<'a, T>(
    reader: &mut FieldReader<'a>,
    version: u64,
    read: impl FnOnce(&mut FieldReader<'a>) -> Option<T>,
) -> Option<CatalogEntry<T>> {
    let status = status_from(reader.octet()?)?;
    let origin = read_origin(reader)?;
    Some(CatalogEntry {
        thing: Arc::new(read(reader)?),
        status,
        stamp: Revision { version, origin },
    })
}

/// All VSlices and groups in one record, as it was written before each had its own.
pub(super) fn read_catalog(reader: &mut FieldReader<'_>, version: u64) -> Option<Catalog> {
    let stamp = Revision { version, origin: Origin::default() };
    let mut catalog = Catalog::default();
    for index in 0..reader.count()? {
        let mut block = reader.block()?;
        let status = status_from(block.octet()?)?;
        let thing = Arc::new(read_vslice(&mut block)?);
        catalog.set_vslice(VsliceId::new(index), CatalogEntry { thing, status, stamp });
    }
    for index in 0..reader.count()? {
        let mut block = reader.block()?;
        let status = status_from(block.octet()?)?;
        let thing = Arc::new(read_group(&mut block)?);
        catalog.set_group(GroupId::new(index), CatalogEntry { thing, status, stamp });
    }
    Some(catalog)
}

fn write_vslice(writer: &mut FieldWriter<'_>, vslice: &Vslice) {
    writer.text(vslice.moniker.as_str());
    writer.text(&vslice.name);
    writer.octet(vslice.enabled.into());
    list(writer, || vslice.dns.iter(), |writer, server| writer.ipv4(*server));
    list(
        writer,
        || vslice.subnets.iter(),
        |writer, subnet| {
            write_range(writer, subnet.cidr);
            writer.octet(allocation_number(subnet.allocation));
            list(writer, || subnet.exclude.iter(), |writer, range| write_range(writer, *range));
        },
    );
}

fn read_vslice(reader: &mut FieldReader<'_>) -> Option<Vslice> {
    Some(Vslice {
        moniker: Moniker::parse(reader.text()?).ok()?,
        name: reader.text()?.into(),
        enabled: reader.octet()? != 0,
        dns: read_list(reader, FieldReader::ipv4)?,
        subnets: read_list(reader, |reader| {
            let (cidr, allocation) = (read_range(reader)?, allocation_from(reader.octet()?)?);
            Some(Subnet { cidr, allocation, exclude: read_list(reader, read_range)? })
        })?,
    })
}

fn write_group(writer: &mut FieldWriter<'_>, group: &Group) {
    writer.text(group.moniker.as_str());
    writer.text(&group.name);
    writer.number(group.vslice.index() as u64);
    writer.octet(group.enabled.into());
    writer.octet(allocation_number(group.allocation));
    list(writer, || group.apns.iter(), |writer, apn| writer.text(apn.as_str()));
    for seconds in [group.session_timeout_s, group.idle_timeout_s, group.interim_interval_s] {
        writer.number(seconds.into());
    }
    list(
        writer,
        || group.credentials.iter(),
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

fn read_group(reader: &mut FieldReader<'_>) -> Option<Group> {
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
    })
}

fn write_range(writer: &mut FieldWriter<'_>, range: Ipv4Net) {
    writer.ipv4(range.addr());
    writer.octet(range.prefix_len());
}

fn read_range(reader: &mut FieldReader<'_>) -> Option<Ipv4Net> {
    let ip: Ipv4Addr = reader.ipv4()?;
    Ipv4Net::new(ip, reader.octet()?).ok()
}

/// How many, then each.
fn list<T, I: Iterator<Item = T>>(
    writer: &mut FieldWriter<'_>,
    things: impl Fn() -> I,
    mut write: impl FnMut(&mut FieldWriter<'_>, T),
) {
    writer.number(things().count() as u64);
    for thing in things() {
        write(writer, thing);
    }
}

fn read_list<'a, T>(
    reader: &mut FieldReader<'a>,
    mut read: impl FnMut(&mut FieldReader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.count()?;
    (0..count).map(|_| read(reader)).collect()
}

fn state_from(key: u8) -> Option<ProvisioningState> {
    ProvisioningState::ALL.into_iter().find(|state| state.key() == key)
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
