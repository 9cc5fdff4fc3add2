//! One session of an endpoint, with its bearers.

use std::net::IpAddr;
use std::num::NonZeroU64;

use super::octets::{FieldReader, FieldWriter, handle};
use crate::identity::{GroupId, Imeisv, Plmn};
use crate::network::{
    Bearer, CloseCause, Ended, Ending, EventTime, Families, LocationInfo, PolicyViolation, Session,
    SessionPrefixes, Skew, Status,
};
use crate::policy::PolicyReason;
use crate::time::Timestamp;

/// What a session may have, in the order in which it is written.
mod has {
    pub(super) const GROUP: u64 = 1 << 0;
    pub(super) const IP: u64 = 1 << 1;
    pub(super) const CONFLICT: u64 = 1 << 2;
    pub(super) const ENDED: u64 = 1 << 3;
    pub(super) const AUTHORISATION: u64 = 1 << 4;
    pub(super) const APN: u64 = 1 << 5;
    pub(super) const MULTI_SESSION_ID: u64 = 1 << 6;
    pub(super) const FOLDED: u64 = 1 << 7;
    pub(super) const RAT: u64 = 1 << 8;
    pub(super) const PLMN: u64 = 1 << 9;
    pub(super) const NODE_V4: u64 = 1 << 10;
    pub(super) const NODE_V6: u64 = 1 << 11;
    pub(super) const LOCATION: u64 = 1 << 12;
    pub(super) const IMEISV: u64 = 1 << 13;
    pub(super) const TIME_ZONE: u64 = 1 << 14;
    pub(super) const CHARGING_ID: u64 = 1 << 15;
    pub(super) const NAS: u64 = 1 << 16;
    /// Of the beginning, and of the end if there is one.
    pub(super) const SKEW: u64 = 1 << 17;
    pub(super) const ENDING: u64 = 1 << 18;
    pub(super) const IPV4: u64 = 1 << 19;
    pub(super) const IPV6: u64 = 1 << 20;
    pub(super) const LINK: u64 = 1 << 21;
    pub(super) const DELEGATED: u64 = 1 << 22;
    pub(super) const LINK_CONFLICT: u64 = 1 << 23;
    pub(super) const DELEGATED_CONFLICT: u64 = 1 << 24;
    pub(super) const VIOLATION: u64 = 1 << 25;
}

pub(super) fn write(writer: &mut FieldWriter<'_>, session: &Session, base: Timestamp) {
    let info = session.location_info();
    writer.number(bits(session, &info));
    let nas = session.nas();
    writer.sender(session.gateway, &nas);
    writer.time(session.started, base);
    writer.time(session.heard, base);
    writer.number(session.bearers().count() as u64);
    for bearer in session.bearers() {
        writer.block(|block| write_bearer(block, bearer, base));
    }
    session.group.into_iter().for_each(|group| writer.number(group.index() as u64));
    session.ip.into_iter().for_each(|ip| writer.ipv4(ip));
    if let Some(ended) = session.ended {
        writer.time(ended.at, base);
        writer.number(ended.terminate_cause.into());
        writer.octet(ended.cause as u8);
    }
    session
        .authorisation
        .into_iter()
        .for_each(|authorisation| writer.raw(&authorisation.get().to_be_bytes()));
    session.apn().into_iter().for_each(|apn| writer.text(apn));
    session.multi_session_id().into_iter().for_each(|id| writer.text(id));
    if session.folded() != (0, 0) {
        writer.number(session.folded().0);
        writer.number(session.folded().1);
    }
    write_location(writer, &info);
    if nas.source.is_some() {
        writer.nas(&nas);
    }
    if is_skewed(session) {
        writer.number(session.skew().0.into());
        session.ended.into_iter().for_each(|ended| writer.number(ended.skew.0.into()));
    }
    if let Some(ending) = session.ending() {
        writer.time(ending.since, base);
        writer.octet(ending.cause as u8);
    }
    let SessionPrefixes { link, delegated, .. } = session.prefixes();
    [link, delegated].into_iter().flatten().for_each(|prefix| writer.prefix(prefix));
    if let Some(violation) = session.violation() {
        writer.octet(violation.reason as u8);
        writer.time(violation.since, base);
        writer.time(violation.disconnect_at, base);
    }
}

fn is_skewed(session: &Session) -> bool {
    session.skew() != Skew::default()
        || session.ended.is_some_and(|ended| ended.skew != Skew::default())
}

fn write_location(writer: &mut FieldWriter<'_>, info: &LocationInfo<'_>) {
    info.rat.into_iter().for_each(|rat| writer.octet(rat));
    info.plmn.into_iter().for_each(|plmn| writer.number(plmn.raw()));
    match info.serving_node {
        Some(IpAddr::V4(node)) => writer.ipv4(node),
        Some(IpAddr::V6(node)) => writer.raw(&node.octets()),
        None => {}
    }
    info.location.into_iter().for_each(|location| writer.octets(location));
    info.imeisv.into_iter().for_each(|imeisv| writer.number(imeisv.raw()));
    info.time_zone.into_iter().for_each(|time_zone| writer.raw(&time_zone));
    info.charging_id.into_iter().for_each(|charging_id| writer.number(charging_id.into()));
}

fn bits(session: &Session, info: &LocationInfo<'_>) -> u64 {
    let prefixes = session.prefixes();
    [
        (session.group.is_some(), has::GROUP),
        (session.ip.is_some(), has::IP),
        (session.conflict, has::CONFLICT),
        (session.ended.is_some(), has::ENDED),
        (session.authorisation.is_some(), has::AUTHORISATION),
        (session.apn().is_some(), has::APN),
        (session.multi_session_id().is_some(), has::MULTI_SESSION_ID),
        (session.folded() != (0, 0), has::FOLDED),
        (info.rat.is_some(), has::RAT),
        (info.plmn.is_some(), has::PLMN),
        (info.serving_node.is_some_and(|node| node.is_ipv4()), has::NODE_V4),
        (info.serving_node.is_some_and(|node| node.is_ipv6()), has::NODE_V6),
        (info.location.is_some(), has::LOCATION),
        (info.imeisv.is_some(), has::IMEISV),
        (info.time_zone.is_some(), has::TIME_ZONE),
        (info.charging_id.is_some(), has::CHARGING_ID),
        (session.nas().source.is_some(), has::NAS),
        (is_skewed(session), has::SKEW),
        (session.ending().is_some(), has::ENDING),
        (session.families.ipv4, has::IPV4),
        (session.families.ipv6, has::IPV6),
        (prefixes.link.is_some(), has::LINK),
        (prefixes.delegated.is_some(), has::DELEGATED),
        (prefixes.link_conflict, has::LINK_CONFLICT),
        (prefixes.delegated_conflict, has::DELEGATED_CONFLICT),
        (session.violation().is_some(), has::VIOLATION),
    ]
    .into_iter()
    .fold(0, |bits, (is_there, bit)| if is_there { bits | bit } else { bits })
}

pub(super) fn read(reader: &mut FieldReader<'_>, base: Timestamp) -> Option<Session> {
    let bits = reader.number()?;
    let (gateway, nas) = reader.sender()?;
    let started = reader.time(base)?;
    let heard = reader.time(base)?;
    let further = reader.count()?.checked_sub(1)?;
    let first = read_bearer(&mut reader.block()?, base)?;
    let mut session = Session::new(gateway, &nas, first, EventTime::at(started), heard);
    for _ in 0..further {
        session.add_bearer(read_bearer(&mut reader.block()?, base)?);
    }
    session.conflict = bits & has::CONFLICT != 0;
    if bits & has::GROUP != 0 {
        session.group = Some(GroupId::new(handle(reader.number()?)?));
    }
    if bits & has::IP != 0 {
        session.ip = Some(reader.ipv4()?);
    }
    if bits & has::ENDED != 0 {
        let at = reader.time(base)?;
        let terminate_cause = reader.number_u32()?;
        session.ended = Some(Ended {
            at,
            skew: Skew::default(),
            terminate_cause,
            cause: CloseCause::from_key(reader.octet()?)?,
        });
    }
    if bits & has::AUTHORISATION != 0 {
        session.authorisation = Some(NonZeroU64::new(u64::from_be_bytes(reader.array()?))?);
    }
    if bits & has::APN != 0 {
        session.set_apn(reader.text()?);
    }
    if bits & has::MULTI_SESSION_ID != 0 {
        session.set_multi_session_id(reader.text()?.into());
    }
    if bits & has::FOLDED != 0 {
        session.set_folded((reader.number()?, reader.number()?));
    }
    session.move_to(&read_location(reader, bits)?);
    if bits & has::NAS != 0 {
        session.set_nas(&reader.nas(nas.code)?);
    }
    if bits & has::SKEW != 0 {
        session.set_skew(Skew(reader.number_u32()?));
        if let Some(ended) = &mut session.ended {
            ended.skew = Skew(reader.number_u32()?);
        }
    }
    if bits & has::ENDING != 0 {
        let since = reader.time(base)?;
        session.set_ending(Some(Ending { since, cause: CloseCause::from_key(reader.octet()?)? }));
    }
    let mut prefixes = SessionPrefixes {
        link_conflict: bits & has::LINK_CONFLICT != 0,
        delegated_conflict: bits & has::DELEGATED_CONFLICT != 0,
        ..SessionPrefixes::default()
    };
    if bits & has::LINK != 0 {
        prefixes.link = Some(reader.prefix()?);
    }
    if bits & has::DELEGATED != 0 {
        prefixes.delegated = Some(reader.prefix()?);
    }
    session.set_prefixes(prefixes);
    if bits & has::VIOLATION != 0 {
        session.set_violation(Some(PolicyViolation {
            reason: PolicyReason::from_key(reader.octet()?)?,
            since: reader.time(base)?,
            disconnect_at: reader.time(base)?,
        }));
    }
    session.families = Families { ipv4: bits & has::IPV4 != 0, ipv6: bits & has::IPV6 != 0 };
    Some(session)
}

fn read_location<'a>(reader: &mut FieldReader<'a>, bits: u64) -> Option<LocationInfo<'a>> {
    let mut info = LocationInfo::default();
    if bits & has::RAT != 0 {
        info.rat = Some(reader.octet()?);
    }
    if bits & has::PLMN != 0 {
        info.plmn = Some(Plmn::from_raw(reader.number()?)?);
    }
    if bits & has::NODE_V4 != 0 {
        info.serving_node = Some(IpAddr::V4(reader.ipv4()?));
    }
    if bits & has::NODE_V6 != 0 {
        info.serving_node = Some(IpAddr::V6(reader.ipv6()?));
    }
    if bits & has::LOCATION != 0 {
        info.location = Some(reader.octets()?);
    }
    if bits & has::IMEISV != 0 {
        info.imeisv = Some(Imeisv::from_raw(reader.number()?)?);
    }
    if bits & has::TIME_ZONE != 0 {
        info.time_zone = Some(reader.array()?);
    }
    if bits & has::CHARGING_ID != 0 {
        info.charging_id = Some(reader.number_u32()?);
    }
    Some(info)
}

fn write_bearer(writer: &mut FieldWriter<'_>, bearer: &Bearer, base: Timestamp) {
    writer.octet(bearer.status as u8);
    writer.text(&bearer.acct_session_id);
    writer.number(bearer.input);
    writer.number(bearer.output);
    writer.time(bearer.event_time, base);
}

fn read_bearer(reader: &mut FieldReader<'_>, base: Timestamp) -> Option<Bearer> {
    let status = Status::from_key(reader.octet()?)?;
    let acct_session_id = reader.text()?.into();
    let (input, output) = (reader.number()?, reader.number()?);
    Some(Bearer { acct_session_id, input, output, event_time: reader.time(base)?, status })
}
