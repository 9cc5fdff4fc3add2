//! One session of an endpoint: what the server granted, when it ends and how, and what has been
//! reported of it.

use std::net::Ipv4Addr;

use super::{CompactTime, Rules};
use crate::simulator::random::RandomStream;
use crate::time::Timestamp;
use crate::wire::number::value::acct_terminate_cause;

/// What an Access-Accept grants.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub address: Ipv4Addr,
    pub classes: Classes,
    /// 0: no end.
    pub session_timeout_s: u32,
    /// 0: not said.
    pub interim_s: u32,
}

/// Acct-Terminate-Cause (RFC 2866 5.10), in the one octet that all its values need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub u8);

impl Cause {
    pub const USER_REQUEST: Self = Self(acct_terminate_cause::USER_REQUEST as u8);
    pub const LOST_CARRIER: Self = Self(acct_terminate_cause::LOST_CARRIER as u8);
    pub const SESSION_TIMEOUT: Self = Self(acct_terminate_cause::SESSION_TIMEOUT as u8);
}

/// The Class attributes of an Accept, in their order, each after its length. Those of most servers
/// fit in without a heap block.
#[derive(Clone, Debug, PartialEq)]
pub enum Classes {
    Few { used: u8, octets: [u8; Self::INLINE] },
    Many(Box<[u8]>),
}

/// What a session has used by some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    pub seconds: u32,
}

/// How a session ends, when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionEnding {
    Stop(Cause),
    /// Comes back at once.
    Flap,
    /// Without a Stop.
    Vanish,
    Roam,
}

/// An open session.
#[derive(Debug, PartialEq)]
pub struct DeviceSession {
    classes: Classes,
    opened: CompactTime,
    ends: CompactTime,
    interim_s: u32,
    interim_due: CompactTime,
    octets_s: u32,
    fate: SessionEnding,
    /// An interim report is not answered yet.
    pub report_owed: bool,
    /// What the last report said.
    reported: CompactTime,
}

/// A device receives four times what it sends.
const DOWN_PER_UP: u64 = 4;

impl DeviceSession {
    pub(super) fn open(
        grant: &Grant,
        now: Timestamp,
        rules: &Rules,
        random: &mut RandomStream,
    ) -> Self {
        let (fate, length_s) = fate(rules, random);
        let timeout_s = f64::from(grant.session_timeout_s);
        // RFC 2865 5.27: the server's limit ends it, whatever the device means to do.
        let (fate, length_s) = if grant.session_timeout_s > 0 && timeout_s <= length_s {
            (SessionEnding::Stop(Cause::SESSION_TIMEOUT), timeout_s)
        } else {
            (fate, length_s)
        };
        let mut session = Self {
            classes: grant.classes.clone(),
            opened: CompactTime::of(now),
            ends: CompactTime::after(now, length_s),
            interim_s: if grant.interim_s > 0 { grant.interim_s } else { rules.interim_s },
            interim_due: CompactTime::NEVER,
            octets_s: rules.octets_s.draw(random).min(f64::from(u32::MAX)) as u32,
            fate,
            report_owed: false,
            reported: CompactTime::of(now),
        };
        session.plan_report(now, random);
        session
    }

    pub const fn classes(&self) -> &Classes {
        &self.classes
    }

    pub const fn opened(&self) -> CompactTime {
        self.opened
    }

    /// What it has used until `now`; cumulative (RFC 2869 2.1).
    pub fn usage(&self, now: Timestamp) -> Usage {
        self.usage_at(CompactTime::of(now))
    }

    /// What the last report said.
    pub fn reported(&self) -> Usage {
        self.usage_at(self.reported)
    }

    fn usage_at(&self, at: CompactTime) -> Usage {
        let millis = u64::from(at.0.saturating_sub(self.opened.0));
        let input = u64::from(self.octets_s) * millis / 1000;
        Usage { input, output: input * DOWN_PER_UP, seconds: (millis / 1000) as u32 }
    }

    pub(super) const fn fate(&self) -> SessionEnding {
        self.fate
    }

    pub(super) const fn wakes(&self) -> CompactTime {
        if self.interim_due.0 < self.ends.0 { self.interim_due } else { self.ends }
    }

    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        CompactTime::of(now) >= self.ends
    }

    /// Whether an interim report is due and none is on its way: only one is ever queued (RFC 2869
    /// 2.1).
    pub(super) fn report(&mut self, now: Timestamp, random: &mut RandomStream) -> bool {
        if CompactTime::of(now) < self.interim_due {
            return false;
        }
        self.plan_report(now, random);
        if self.report_owed {
            return false;
        }
        self.report_owed = true;
        self.reported = CompactTime::of(now);
        true
    }

    /// The next report comes after the interval, a twentieth sooner or later: gateways spread them
    /// (RFC 2869 2.1).
    fn plan_report(&mut self, now: Timestamp, random: &mut RandomStream) {
        const SPREAD: f64 = 0.05;
        if self.interim_s > 0 {
            self.interim_due = CompactTime::after(
                now,
                f64::from(self.interim_s) * SPREAD.mul_add(random.signed(), 1.0),
            );
        }
    }
}

/// What becomes of the session, and after how many seconds.
fn fate(rules: &Rules, random: &mut RandomStream) -> (SessionEnding, f64) {
    let length_s = rules.session_s.draw(random);
    let lot = random.unit();
    if lot < rules.flapping {
        (SessionEnding::Flap, 3.0 * random.unit())
    } else if lot < rules.flapping + rules.lost_stops {
        (SessionEnding::Vanish, length_s)
    } else if lot < rules.flapping + rules.lost_stops + rules.roaming {
        // Somewhere on its way.
        (SessionEnding::Roam, length_s * random.unit())
    } else {
        (SessionEnding::Stop(Cause::USER_REQUEST), length_s)
    }
}

impl Classes {
    const INLINE: usize = 22;

    pub const NONE: Self = Self::Few { used: 0, octets: [0; Self::INLINE] };

    /// Keeps the values, at most 255 octets each, as an attribute has them.
    pub fn new<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut all = Vec::new();
        for value in values {
            if let Ok(len) = u8::try_from(value.len()) {
                all.push(len);
                all.extend_from_slice(value);
            }
        }
        let mut octets = [0; Self::INLINE];
        match octets.get_mut(..all.len()) {
            Some(room) => {
                room.copy_from_slice(&all);
                Self::Few { used: all.len() as u8, octets }
            }
            None => Self::Many(all.into()),
        }
    }

    /// The values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = match self {
            Self::Few { used, octets } => &octets[..usize::from(*used)],
            Self::Many(octets) => octets,
        };
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first()?;
            let (value, after) = after.split_at_checked(usize::from(*len))?;
            rest = after;
            Some(value)
        })
    }
}
