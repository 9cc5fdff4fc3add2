//! The catalog: every VSlice and group, each under a handle that stays its own across reloads.

use std::fmt;
use std::net::Ipv4Addr;

use compact_str::CompactString;
use ipnet::Ipv4Net;

use crate::identity::{Apn, Moniker, VsliceId};

/// How long an address stays an endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// Once given, the endpoint keeps it.
    Static,
    /// Given for the length of a session.
    Pooled,
}

/// A range of addresses of a VSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub cidr: Ipv4Net,
    pub allocation: Allocation,
    /// Ranges inside `cidr` that are never handed out.
    pub exclude: Vec<Ipv4Net>,
}

/// An isolated private network. Its addresses mean nothing outside it: another VSlice may have the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vslice {
    pub moniker: Moniker,
    pub name: CompactString,
    pub enabled: bool,
    /// At most two servers, primary first.
    pub dns: Vec<Ipv4Addr>,
    /// In the order in which they are used.
    pub subnets: Vec<Subnet>,
}

/// How a group wants its users to prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialMethod {
    /// RFC 2865 5.2
    Pap,
    /// RFC 2865 5.3
    Chap,
}

/// The user name and password that a group demands.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub method: CredentialMethod,
    pub username: CompactString,
    pub password: CompactString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The configuration that every endpoint in it inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub moniker: Moniker,
    pub name: CompactString,
    pub vslice: VsliceId,
    pub enabled: bool,
    pub allocation: Allocation,
    /// Empty: any APN.
    pub apns: Vec<Apn>,
    /// Seconds; 0 is "not sent".
    pub session_timeout_s: u32,
    /// Seconds; 0 is "not sent".
    pub idle_timeout_s: u32,
    /// Seconds; 0 is "not sent".
    pub interim_interval_s: u32,
    /// `None`: the network has authenticated the SIM, and that is enough.
    pub credentials: Option<Credentials>,
}

/// Why a group cannot carry sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupFault {
    Disabled,
    VsliceMissing,
    VsliceDisabled,
    /// The VSlice has no subnet of the group's allocation kind.
    NoSubnet,
}

/// All VSlices and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    vslices: Vec<Vslice>,
    groups: Vec<Group>,
}
