//! What is provisioned: one endpoint, and the catalog.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::octets::{Reader, Writer, handle};
use crate::identity::{Apn, GroupId, Imsi, Moniker, Msisdn, VsliceId};
use crate::provisioning::{
    Allocation, Catalog, CredentialMethod, Credentials, Endpoint, Group, ProvisioningState, Standing, Subnet, Vslice,
};

/// What an endpoint may have, in the order in which it is written.
mod has {
    pub(super) const MSISDN: u64 = 1 << 0;
    pub(super) const STATIC_IP: u64 = 1 << 1;
    pub(super) const NAME: u64 = 1 << 2;
    pub(super) const GROUP: u64 = 1 << 3;
}

/// An endpoint that was removed is an empty record.
pub(super) fn write_endpoint(writer: &mut Writer<'_>, endpoint: Option<&Endpoint>) {
    let Some(endpoint) = endpoint else { return };
    let bits = [
        (endpoint.msisdn.is_some(), has::MSISDN),
        (endpoint.static_ip.is_some(), has::STATIC_IP),
        (endpoint.name.is_some(), has::NAME),
        (endpoint.group.is_some(), has::GROUP),
    ];
    writer.octet(endpoint.state.key());
    writer.number(bits.into_iter().fold(0, |bits, (is_there, bit)| if is_there { bits | bit } else { bits }));
    list(writer, || endpoint.imsis(), |writer, imsi| writer.number(imsi.raw()));
    list(writer, || endpoint.secondary_groups().iter(), |writer, group| writer.number(group.index() as u64));
    endpoint.msisdn.into_iter().for_each(|msisdn| writer.number(msisdn.raw()));
    endpoint.static_ip.into_iter().for_each(|ip| writer.ipv4(ip));
    endpoint.name.iter().for_each(|name| writer.text(name));
    endpoint.group.into_iter().for_each(|group| writer.number(group.index() as u64));
}

#[allow(clippy::option_option, reason = "the outer says whether it could be read, the inner whether the endpoint is still there")]
pub(super) fn read_endpoint(reader: &mut Reader<'_>) -> Option<Option<Endpoint>> {
    if reader.0.is_empty() {
        return Some(None);
    }
    let mut endpoint = Endpoint::new(state_from(reader.octet()?)?);
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
    Some(Some(endpoint))
}

pub(super) fn write_catalog(writer: &mut Writer<'_>, catalog: &Catalog) {
    list(
        writer,
        || catalog.vslice_places(),
        |writer, (vslice, standing)| {
            writer.block(|block| {
                block.octet(standing_number(standing));
                write_vslice(block, vslice);
            });
        },
    );
    list(
        writer,
        || catalog.group_places(),
        |writer, (group, standing)| {
            writer.block(|block| {
                block.octet(standing_number(standing));
                write_group(block, group);
            });
        },
    );
}

pub(super) fn read_catalog(reader: &mut Reader<'_>) -> Option<Catalog> {
    let vslices = read_list(reader, |reader| {
        let mut block = reader.block()?;
        let standing = standing_from(block.octet()?)?;
        Some((read_vslice(&mut block)?, standing))
    })?;
    let groups = read_list(reader, |reader| {
        let mut block = reader.block()?;
        let standing = standing_from(block.octet()?)?;
        Some((read_group(&mut block)?, standing))
    })?;
    Some(Catalog::restored(vslices, groups))
}

fn write_vslice(writer: &mut Writer<'_>, vslice: &Vslice) {
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

fn read_vslice(reader: &mut Reader<'_>) -> Option<Vslice> {
    Some(Vslice {
        moniker: Moniker::parse(reader.text()?).ok()?,
        name: reader.text()?.into(),
        enabled: reader.octet()? != 0,
        dns: read_list(reader, Reader::ipv4)?,
        subnets: read_list(reader, |reader| {
            let (cidr, allocation) = (read_range(reader)?, allocation_from(reader.octet()?)?);
            Some(Subnet { cidr, allocation, exclude: read_list(reader, read_range)? })
        })?,
    })
}

fn write_group(writer: &mut Writer<'_>, group: &Group) {
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

fn read_group(reader: &mut Reader<'_>) -> Option<Group> {
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
            Some(Credentials { method, username: reader.text()?.into(), password: reader.text()?.into() })
        })?
        .pop(),
    })
}

fn write_range(writer: &mut Writer<'_>, range: Ipv4Net) {
    writer.ipv4(range.addr());
    writer.octet(range.prefix_len());
}

fn read_range(reader: &mut Reader<'_>) -> Option<Ipv4Net> {
    let ip: Ipv4Addr = reader.ipv4()?;
    Ipv4Net::new(ip, reader.octet()?).ok()
}

/// How many, then each.
fn list<T, I: Iterator<Item = T>>(writer: &mut Writer<'_>, things: impl Fn() -> I, mut write: impl FnMut(&mut Writer<'_>, T)) {
    writer.number(things().count() as u64);
    for thing in things() {
        write(writer, thing);
    }
}

fn read_list<'a, T>(reader: &mut Reader<'a>, mut read: impl FnMut(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
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
    [Allocation::Static, Allocation::Pooled].into_iter().find(|allocation| allocation_number(*allocation) == number)
}

const fn standing_number(standing: Standing) -> u8 {
    match standing {
        Standing::Listed => 1,
        Standing::Gone => 2,
        Standing::Removed => 3,
    }
}

fn standing_from(number: u8) -> Option<Standing> {
    [Standing::Listed, Standing::Gone, Standing::Removed].into_iter().find(|standing| standing_number(*standing) == number)
}
