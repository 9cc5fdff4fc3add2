//! How an endpoint is provisioned, a record each.

use super::octets::{FieldReader, FieldWriter, handle, list, read_origin, write_origin};
use crate::identity::{GroupId, Imsi, Msisdn};
use crate::provisioning::{Endpoint, Origin, ProvisioningState};

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

fn state_from(key: u8) -> Option<ProvisioningState> {
    ProvisioningState::ALL.into_iter().find(|state| state.key() == key)
}
