//! What was decided, and why.

use std::net::Ipv4Addr;

use crate::identity::GroupId;

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
    BadCredentials,
    PoolExhausted,
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
    /// Absent if it may only attach and has no static address.
    pub ip: Option<Ipv4Addr>,
    /// Ties the accounting to this authorisation.
    pub class: Class,
    pub group: GroupId,
    pub session_timeout_s: u32,
    pub idle_timeout_s: u32,
    /// With this endpoint's own jitter in it.
    pub interim_interval_s: u32,
    /// At most two, primary first.
    pub dns: [Option<Ipv4Addr>; 2],
}

/// The Class attribute (RFC 2865 5.25) that attachd sends: opaque to everyone else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(pub [u8; 16]);
