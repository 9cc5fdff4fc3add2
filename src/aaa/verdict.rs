//! What was decided, and why.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::address::{Address, AddressKind, Ipv6Prefix};
use crate::identity::GroupId;
use crate::network::Few;
use crate::policy::PolicyReason;

/// Why an endpoint is refused. The order is that of the checks (PROTOCOL 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RejectReason {
    IdentityMissing,
    IdentityConflict,
    EndpointUnknown,
    EndpointPending,
    EndpointSuspended,
    EndpointTerminated,
    GroupMissing,
    GroupInvalid,
    ApnNotAllowed,
    LocationUnknown,
    CountryNotAllowed,
    OperatorNotAllowed,
    RadioNotAllowed,
    ImeiMissing,
    DeviceNotAllowed,
    ImeiMismatch,
    BadCredentials,
    AddressFamilyNotAllowed,
    PoolExhausted,
}

impl RejectReason {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 19] = [
        Self::IdentityMissing,
        Self::IdentityConflict,
        Self::EndpointUnknown,
        Self::EndpointPending,
        Self::EndpointSuspended,
        Self::EndpointTerminated,
        Self::GroupMissing,
        Self::GroupInvalid,
        Self::ApnNotAllowed,
        Self::LocationUnknown,
        Self::CountryNotAllowed,
        Self::OperatorNotAllowed,
        Self::RadioNotAllowed,
        Self::ImeiMissing,
        Self::DeviceNotAllowed,
        Self::ImeiMismatch,
        Self::BadCredentials,
        Self::AddressFamilyNotAllowed,
        Self::PoolExhausted,
    ];

    /// The reason as Reply-Message and metric label have it.
    #[must_use]
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::IdentityMissing => "identity-missing",
            Self::IdentityConflict => "identity-conflict",
            Self::EndpointUnknown => "endpoint-unknown",
            Self::EndpointPending => "endpoint-pending",
            Self::EndpointSuspended => "endpoint-suspended",
            Self::EndpointTerminated => "endpoint-terminated",
            Self::GroupMissing => "group-missing",
            Self::GroupInvalid => "group-invalid",
            Self::ApnNotAllowed => "apn-not-allowed",
            Self::LocationUnknown => PolicyReason::LocationUnknown.moniker(),
            Self::CountryNotAllowed => PolicyReason::CountryNotAllowed.moniker(),
            Self::OperatorNotAllowed => PolicyReason::OperatorNotAllowed.moniker(),
            Self::RadioNotAllowed => PolicyReason::RadioNotAllowed.moniker(),
            Self::ImeiMissing => PolicyReason::ImeiMissing.moniker(),
            Self::DeviceNotAllowed => PolicyReason::DeviceNotAllowed.moniker(),
            Self::ImeiMismatch => PolicyReason::ImeiMismatch.moniker(),
            Self::BadCredentials => "bad-credentials",
            Self::AddressFamilyNotAllowed => "address-family-not-allowed",
            Self::PoolExhausted => "pool-exhausted",
        }
    }
}

impl RejectReason {
    /// Whether the policy of the group refuses it (PROTOCOL 15).
    #[must_use]
    pub fn is_by_policy(self) -> bool {
        PolicyReason::ALL.into_iter().any(|reason| Self::from(reason) == self)
    }
}

impl From<PolicyReason> for RejectReason {
    fn from(reason: PolicyReason) -> Self {
        match reason {
            PolicyReason::LocationUnknown => Self::LocationUnknown,
            PolicyReason::CountryNotAllowed => Self::CountryNotAllowed,
            PolicyReason::OperatorNotAllowed => Self::OperatorNotAllowed,
            PolicyReason::RadioNotAllowed => Self::RadioNotAllowed,
            PolicyReason::ImeiMissing => Self::ImeiMissing,
            PolicyReason::DeviceNotAllowed => Self::DeviceNotAllowed,
            PolicyReason::ImeiMismatch => Self::ImeiMismatch,
        }
    }
}

/// The answer to an Access-Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accept(Accept),
    Reject(RejectReason),
}

/// What an accepted endpoint is given. Zero seconds are not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// At most one of each kind. None if it may only attach and has no static address, or has asked
    /// for none.
    pub addresses: Few<Address>,
    /// Ties the accounting to this authorisation.
    pub class: Class,
    pub group: GroupId,
    pub session_timeout_s: u32,
    pub idle_timeout_s: u32,
    /// With this endpoint's own jitter in it.
    pub interim_interval_s: u32,
    /// At most two, primary first; of a family that is not granted none.
    pub dns: [Option<Ipv4Addr>; 2],
    pub dns_ipv6: [Option<Ipv6Addr>; 2],
}

impl Accept {
    #[must_use]
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|ip| ip.ipv4())
    }

    /// The prefix of that kind.
    #[must_use]
    pub fn prefix(&self, kind: AddressKind) -> Option<Ipv6Prefix> {
        self.addresses.iter().find(|ip| ip.kind() == kind)?.prefix()
    }
}

/// The Class attribute (RFC 2865 5.25) that attachd sends: opaque to everyone else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class([u8; 16]);

impl Class {
    /// Tells our Class from those of other servers.
    const MARK: [u8; 4] = *b"atd1";

    #[must_use]
    pub fn new(authorisation: u64) -> Self {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&Self::MARK);
        octets[4..12].copy_from_slice(&authorisation.to_be_bytes());
        octets[12..].copy_from_slice(&Self::check(authorisation).to_be_bytes());
        Self(octets)
    }

    /// The authorisation that a Class attribute names, if it is one of ours.
    #[must_use]
    pub fn authorisation(octets: &[u8]) -> Option<u64> {
        let number = u64::from_be_bytes(octets.get(4..12)?.try_into().ok()?);
        (Self::new(number).0 == octets).then_some(number)
    }

    #[must_use]
    pub fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// Guards against a foreign Class that happens to begin like ours; it is no signature, for
    /// nothing is granted on its word.
    fn check(authorisation: u64) -> u32 {
        crc32fast::hash(&authorisation.to_be_bytes())
    }
}

/// What became of an accounting report. It is always answered, once its records are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounted {
    /// The endpoint may not be served: recorded, and nothing moved.
    pub refused: Option<RejectReason>,
    /// Nothing new was in it.
    pub duplicate: bool,
    /// A counter went down without being a wrap; it was ignored.
    pub counters_lowered: bool,
    /// The reported address is not this endpoint's to have.
    pub address_conflict: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_knows_its_own() {
        let class = Class::new(0x0123_4567_89ab_cdef);
        assert_eq!(Class::authorisation(class.octets()), Some(0x0123_4567_89ab_cdef));
        for foreign in [&b"sim:1"[..], b"", &[0; 16], &class.octets()[..15], b"atd1abcdefghijkl"] {
            assert_eq!(Class::authorisation(foreign), None, "{foreign:?}");
        }
    }
}
