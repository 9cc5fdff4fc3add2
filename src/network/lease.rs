//! The addresses an endpoint has been given, at most one of each kind for each of its groups.

use crate::address::{Address, AddressKind};
use crate::identity::{GroupId, VsliceId};
use crate::time::Timestamp;

/// An address of one endpoint in one group (PROTOCOL 7 and 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub group: GroupId,
    pub vslice: VsliceId,
    pub ip: Address,
    pub kind: LeaseKind,
    pub phase: LeasePhase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LeaseKind {
    /// The endpoint keeps it without a session.
    Static,
    /// Given back after the last session of the group. So is a static one whose endpoint has left
    /// the group.
    Pooled,
}

/// The number of an authorisation, which its Class carries. Aligned like a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub struct AuthorisationNumber(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeasePhase {
    /// Promised in an Access-Accept; lapses if no session begins.
    Authorised { until: Timestamp, authorisation: AuthorisationNumber },
    /// At least one session of the group is open.
    InUse,
    /// In use, and promised anew for a session still to come: authorised is what it is again if
    /// those that are open end before.
    Reauthorised { until: Timestamp, authorisation: AuthorisationNumber },
    /// Static, and no session is open.
    Kept,
    /// Pooled, and in the pool's hold: nobody but this endpoint may have it.
    Released { at: Timestamp },
}

/// A pooled address that is nobody's any more. The pool may hear of it only when the record that
/// says so is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasedLease {
    pub vslice: VsliceId,
    pub ip: Address,
    /// The beginning of its hold, and the stamp by which the endpoint may take it back.
    pub at: Timestamp,
}

impl LeasePhase {
    /// Whether an open session of the group has the address.
    #[must_use]
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::InUse | Self::Reauthorised { .. })
    }

    /// Whether the address is in its hold.
    #[must_use]
    pub const fn is_released(self) -> bool {
        matches!(self, Self::Released { .. })
    }
}

impl Lease {
    /// Whether it is one of the group's own or given-up addresses of that kind.
    pub(super) fn is_of(&self, group: GroupId, kind: AddressKind) -> bool {
        self.group == group && self.ip.kind() == kind
    }

    /// What becomes of the lease when nothing needs it any more.
    pub(super) fn give_back(&mut self, now: Timestamp) -> Option<ReleasedLease> {
        match self.kind {
            LeaseKind::Static => {
                self.phase = LeasePhase::Kept;
                None
            }
            LeaseKind::Pooled => {
                self.phase = LeasePhase::Released { at: now };
                Some(ReleasedLease { vslice: self.vslice, ip: self.ip, at: now })
            }
        }
    }
}

/// A record remembers so many holds, which are about a kilobyte. Who has given up so many addresses
/// within one hold time is given no other one before the first hold has passed: none is forgotten.
pub(super) const MAX_HELD: usize = 64;
