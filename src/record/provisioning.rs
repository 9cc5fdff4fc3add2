//! How an endpoint is provisioned, a record each.

use super::octets::{FieldReader, FieldWriter, handle, list, read_list, read_origin, write_origin};
use crate::identity::{GroupId, Imeisv, Imsi, Msisdn};
use crate::provisioning::{
    ConfiguredPrefixes, Endpoint, EndpointHistory, Labels, Origin, ProvisioningState,
};
use crate::time::Timestamp;

/// What an endpoint may have, in the order in which it is written.
mod has {
    pub(super) const MSISDN: u64 = 1 << 0;
    pub(super) const STATIC_IP: u64 = 1 << 1;
    pub(super) const NAME: u64 = 1 << 2;
    pub(super) const GROUP: u64 = 1 << 3;
    pub(super) const ORIGIN: u64 = 1 << 4;
    pub(super) const REFERENCE: u64 = 1 << 5;
    pub(super) const TAGS: u64 = 1 << 6;
    pub(super) const IMEI: u64 = 1 << 7;
    pub(super) const ACTIVATED_AT: u64 = 1 << 8;
    pub(super) const STATE_REASON: u64 = 1 << 9;
    pub(super) const STATIC_IPV6: u64 = 1 << 10;
    pub(super) const DELEGATED_IPV6: u64 = 1 << 11;
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
    let (labels, history) = (endpoint.labels(), endpoint.history());
    let ConfiguredPrefixes { link, delegated } = endpoint.configured_prefixes();
    let bits = [
        (endpoint.msisdn.is_some(), has::MSISDN),
        (endpoint.static_ip.is_some(), has::STATIC_IP),
        (endpoint.name.is_some(), has::NAME),
        (endpoint.group.is_some(), has::GROUP),
        (origin != Origin::default(), has::ORIGIN),
        (labels.reference.is_some(), has::REFERENCE),
        (!labels.tags.is_empty(), has::TAGS),
        (endpoint.imei().is_some(), has::IMEI),
        (history.activated_at.is_some(), has::ACTIVATED_AT),
        (history.state_reason.is_some(), has::STATE_REASON),
        (link.is_some(), has::STATIC_IPV6),
        (delegated.is_some(), has::DELEGATED_IPV6),
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
    labels.reference.iter().for_each(|reference| writer.text(reference));
    if !labels.tags.is_empty() {
        list(writer, || labels.tags.iter(), |writer, tag| writer.text(tag));
    }
    endpoint.imei().iter().for_each(|imei| writer.number(imei.raw()));
    history.activated_at.iter().for_each(|at| writer.time(*at, Timestamp::EPOCH));
    history.state_reason.iter().for_each(|reason| writer.text(reason));
    [link, delegated].into_iter().flatten().for_each(|prefix| writer.prefix(prefix));
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
    let (mut labels, mut history) = (Labels::default(), EndpointHistory::default());
    if bits & has::REFERENCE != 0 {
        labels.reference = Some(reader.text()?.into());
    }
    if bits & has::TAGS != 0 {
        labels.tags = read_list(reader, |reader| reader.text().map(Into::into))?;
    }
    if bits & has::IMEI != 0 {
        endpoint = endpoint.with_imei(Some(Imeisv::from_raw(reader.number()?)?));
    }
    if bits & has::ACTIVATED_AT != 0 {
        history.activated_at = Some(reader.time(Timestamp::EPOCH)?);
    }
    if bits & has::STATE_REASON != 0 {
        history.state_reason = Some(reader.text()?.into());
    }
    let mut prefixes = ConfiguredPrefixes::default();
    if bits & has::STATIC_IPV6 != 0 {
        prefixes.link = Some(reader.prefix()?);
    }
    if bits & has::DELEGATED_IPV6 != 0 {
        prefixes.delegated = Some(reader.prefix()?);
    }
    let endpoint =
        endpoint.with_labels(labels).with_history(history).with_configured_prefixes(prefixes);
    Some((Some(endpoint), origin))
}

fn state_from(key: u8) -> Option<ProvisioningState> {
    ProvisioningState::ALL.into_iter().find(|state| state.key() == key)
}
