//! What a gateway is to be told about a session, until it has been.

use super::octets::{FieldReader, FieldWriter, handle};
use crate::identity::{GatewayId, Iccid, Imsi};
use crate::network::{CoaChange, OrderAction, OrderPhase, OrderReason, SessionKeys, SessionOrder};
use crate::time::Timestamp;

/// What an order may have, in the order in which it is written.
mod has {
    pub(super) const CHANGE: u64 = 1 << 0;
    pub(super) const JOB: u64 = 1 << 1;
    pub(super) const IMSI: u64 = 1 << 2;
    pub(super) const NSAPI: u64 = 1 << 3;
    pub(super) const USER_NAME: u64 = 1 << 4;
    pub(super) const APN: u64 = 1 << 5;
    pub(super) const IP: u64 = 1 << 6;
    pub(super) const SOURCE: u64 = 1 << 7;
    pub(super) const NAS_IP: u64 = 1 << 8;
    pub(super) const NAS_IPV6: u64 = 1 << 9;
    pub(super) const NAS_IDENTIFIER: u64 = 1 << 10;
    pub(super) const SESSION_TIMEOUT: u64 = 1 << 11;
    pub(super) const IDLE_TIMEOUT: u64 = 1 << 12;
    pub(super) const INTERIM_INTERVAL: u64 = 1 << 13;
    pub(super) const FILTER_ID: u64 = 1 << 14;
}

pub(super) fn write(writer: &mut FieldWriter<'_>, order: &SessionOrder, phase: OrderPhase) {
    writer.number(bits(order));
    writer.octet(phase as u8);
    writer.octet(order.reason as u8);
    writer.number(order.iccid.raw());
    writer.number(order.session);
    writer.number(order.gateway.index() as u64);
    writer.number(order.since.micros());
    let keys = &order.keys;
    writer.octets(&keys.acct_session_id);
    order.job.into_iter().for_each(|job| writer.number(job));
    keys.imsi.into_iter().for_each(|imsi| writer.number(imsi.raw()));
    keys.nsapi.into_iter().for_each(|nsapi| writer.octet(nsapi));
    keys.user_name.iter().for_each(|name| writer.octets(name));
    keys.apn.iter().for_each(|apn| writer.text(apn));
    keys.ip.into_iter().for_each(|ip| writer.ipv4(ip));
    keys.source.into_iter().for_each(|source| writer.address(source));
    keys.nas_ip.into_iter().for_each(|ip| writer.ipv4(ip));
    keys.nas_ipv6.into_iter().for_each(|ip| writer.raw(&ip.octets()));
    keys.nas_identifier.iter().for_each(|identifier| writer.octets(identifier));
    if let OrderAction::Change(change) = &order.action {
        let numbers = [change.session_timeout_s, change.idle_timeout_s, change.interim_interval_s];
        numbers.into_iter().flatten().for_each(|number| writer.number(number.into()));
        change.filter_id.iter().for_each(|filter| writer.text(filter));
    }
}

fn bits(order: &SessionOrder) -> u64 {
    let keys = &order.keys;
    let none = CoaChange::default();
    let (change, changes) = match &order.action {
        OrderAction::Disconnect => (&none, false),
        OrderAction::Change(change) => (change, true),
    };
    [
        (changes, has::CHANGE),
        (order.job.is_some(), has::JOB),
        (keys.imsi.is_some(), has::IMSI),
        (keys.nsapi.is_some(), has::NSAPI),
        (keys.user_name.is_some(), has::USER_NAME),
        (keys.apn.is_some(), has::APN),
        (keys.ip.is_some(), has::IP),
        (keys.source.is_some(), has::SOURCE),
        (keys.nas_ip.is_some(), has::NAS_IP),
        (keys.nas_ipv6.is_some(), has::NAS_IPV6),
        (keys.nas_identifier.is_some(), has::NAS_IDENTIFIER),
        (change.session_timeout_s.is_some(), has::SESSION_TIMEOUT),
        (change.idle_timeout_s.is_some(), has::IDLE_TIMEOUT),
        (change.interim_interval_s.is_some(), has::INTERIM_INTERVAL),
        (change.filter_id.is_some(), has::FILTER_ID),
    ]
    .into_iter()
    .fold(0, |bits, (is_there, bit)| if is_there { bits | bit } else { bits })
}

pub(super) fn read(reader: &mut FieldReader<'_>) -> Option<(SessionOrder, OrderPhase)> {
    let bits = reader.number()?;
    let phase = OrderPhase::from_key(reader.octet()?)?;
    let reason = OrderReason::from_key(reader.octet()?)?;
    let iccid = Iccid::from_raw(reader.number()?)?;
    let session = reader.number()?;
    let gateway = GatewayId::new(handle(reader.number()?)?);
    let since = Timestamp::from_micros(reader.number()?);
    let mut keys =
        SessionKeys { acct_session_id: reader.octets()?.into(), ..SessionKeys::default() };
    let has = |bit| bits & bit != 0;
    let job = if has(has::JOB) { Some(reader.number()?) } else { None };
    if has(has::IMSI) {
        keys.imsi = Some(Imsi::from_raw(reader.number()?)?);
    }
    if has(has::NSAPI) {
        keys.nsapi = Some(reader.octet()?);
    }
    if has(has::USER_NAME) {
        keys.user_name = Some(reader.octets()?.into());
    }
    if has(has::APN) {
        keys.apn = Some(reader.text()?.to_owned());
    }
    if has(has::IP) {
        keys.ip = Some(reader.ipv4()?);
    }
    if has(has::SOURCE) {
        keys.source = Some(reader.address()?);
    }
    if has(has::NAS_IP) {
        keys.nas_ip = Some(reader.ipv4()?);
    }
    if has(has::NAS_IPV6) {
        keys.nas_ipv6 = Some(reader.ipv6()?);
    }
    if has(has::NAS_IDENTIFIER) {
        keys.nas_identifier = Some(reader.octets()?.into());
    }
    let action = if has(has::CHANGE) {
        OrderAction::Change(read_change(reader, bits)?)
    } else {
        OrderAction::Disconnect
    };
    Some((SessionOrder { iccid, session, gateway, action, reason, job, since, keys }, phase))
}

fn read_change(reader: &mut FieldReader<'_>, bits: u64) -> Option<CoaChange> {
    let mut change = CoaChange::default();
    if bits & has::SESSION_TIMEOUT != 0 {
        change.session_timeout_s = Some(reader.number_u32()?);
    }
    if bits & has::IDLE_TIMEOUT != 0 {
        change.idle_timeout_s = Some(reader.number_u32()?);
    }
    if bits & has::INTERIM_INTERVAL != 0 {
        change.interim_interval_s = Some(reader.number_u32()?);
    }
    if bits & has::FILTER_ID != 0 {
        change.filter_id = Some(reader.text()?.to_owned());
    }
    Some(change)
}
