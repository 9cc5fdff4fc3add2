//! The dynamic state of one endpoint.

use thin_vec::ThinVec;

use super::octets::{FieldReader, FieldWriter, handle};
use super::session;
use crate::address::Address;
use crate::identity::{GroupId, Imei, VsliceId};
use crate::network::{
    AuthorisationNumber, EndpointState, Lease, LeaseKind, LeasePhase, Leases, NetworkState,
};
use crate::time::Timestamp;

pub(super) fn write(writer: &mut FieldWriter<'_>, state: &EndpointState) {
    let base = state.last_activity;
    writer.octet(state.state.key());
    writer.number(base.micros());
    writer.number(state.sessions.len() as u64);
    for session in &state.sessions {
        writer.block(|block| session::write(block, session, base));
    }
    writer.number(state.leases.len() as u64);
    for lease in &state.leases {
        writer.block(|block| write_lease(block, lease, base));
    }
    // What few endpoints have: each a block with its number in front.
    if let Some(device) = state.device {
        writer.number(more::DEVICE);
        writer.block(|block| block.number(device.number()));
    }
}

/// What may follow behind the leases.
mod more {
    pub(super) const DEVICE: u64 = 1;
}

pub(super) fn read(reader: &mut FieldReader<'_>, version: u64) -> Option<EndpointState> {
    let state = NetworkState::from_key(reader.octet()?)?;
    let last_activity = Timestamp::from_micros(reader.number()?);
    let mut sessions = ThinVec::new();
    let count = reader.count()?;
    sessions.reserve_exact(count);
    for _ in 0..count {
        sessions.push(session::read(&mut reader.block()?, last_activity)?);
    }
    let mut leases = Leases::new();
    let count = reader.count()?;
    leases.reserve_exact(count);
    for _ in 0..count {
        leases.push(read_lease(&mut reader.block()?, last_activity)?);
    }
    let mut device = None;
    // What a newer version adds is passed over.
    while let (Some(number), Some(mut block)) = (reader.number(), reader.block()) {
        if number == more::DEVICE {
            device = Some(Imei::from_number(block.number()?)?);
        }
    }
    Some(EndpointState { state, device, last_activity, version, sessions, leases })
}

/// The numbers of the phases; the kind is added as the upper bit, and the family as the next one.
const AUTHORISED: u8 = 1;
const IN_USE: u8 = 2;
const KEPT: u8 = 3;
const RELEASED: u8 = 4;
const REAUTHORISED: u8 = 5;
const POOLED: u8 = 0x80;
const PREFIX: u8 = 0x40;

fn write_lease(writer: &mut FieldWriter<'_>, lease: &Lease, base: Timestamp) {
    let kind = match lease.kind {
        LeaseKind::Static => 0,
        LeaseKind::Pooled => POOLED,
    };
    let phase = match lease.phase {
        LeasePhase::Authorised { .. } => AUTHORISED,
        LeasePhase::InUse => IN_USE,
        LeasePhase::Reauthorised { .. } => REAUTHORISED,
        LeasePhase::Kept => KEPT,
        LeasePhase::Released { .. } => RELEASED,
    };
    let family = if lease.ip.kind().is_ipv6() { PREFIX } else { 0 };
    writer.octet(kind | family | phase);
    writer.number(lease.group.index() as u64);
    writer.number(lease.vslice.index() as u64);
    match lease.ip {
        Address::V4(ip) => writer.ipv4(ip),
        Address::V6(prefix) => writer.prefix(prefix),
    }
    match lease.phase {
        LeasePhase::Authorised { until, authorisation }
        | LeasePhase::Reauthorised { until, authorisation } => {
            writer.time(until, base);
            let AuthorisationNumber(number) = authorisation;
            writer.raw(&number.to_be_bytes());
        }
        LeasePhase::Released { at } => writer.time(at, base),
        LeasePhase::InUse | LeasePhase::Kept => {}
    }
}

fn read_lease(reader: &mut FieldReader<'_>, base: Timestamp) -> Option<Lease> {
    let first = reader.octet()?;
    let kind = if first & POOLED == 0 { LeaseKind::Static } else { LeaseKind::Pooled };
    let group = GroupId::new(handle(reader.number()?)?);
    let vslice = VsliceId::new(handle(reader.number()?)?);
    let ip = if first & PREFIX == 0 {
        Address::V4(reader.ipv4()?)
    } else {
        Address::V6(reader.prefix()?)
    };
    let phase = match first & !(POOLED | PREFIX) {
        AUTHORISED => LeasePhase::Authorised {
            until: reader.time(base)?,
            authorisation: AuthorisationNumber(u64::from_be_bytes(reader.array()?)),
        },
        IN_USE => LeasePhase::InUse,
        KEPT => LeasePhase::Kept,
        RELEASED => LeasePhase::Released { at: reader.time(base)? },
        REAUTHORISED => LeasePhase::Reauthorised {
            until: reader.time(base)?,
            authorisation: AuthorisationNumber(u64::from_be_bytes(reader.array()?)),
        },
        _ => return None,
    };
    Some(Lease { group, vslice, ip, kind, phase })
}
