//! One SIM as it was provisioned.

use std::net::Ipv4Addr;

use super::ProvisioningState;
use crate::identity::{GroupId, Imsi, Msisdn};

/// What is provisioned for one ICCID. Kept small: there may be ten million of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub state: ProvisioningState,
    /// The primary group.
    pub group: Option<GroupId>,
    pub imsi: Option<Imsi>,
    pub msisdn: Option<Msisdn>,
    /// The address configured by hand, in a static subnet of the primary group's VSlice.
    pub static_ip: Option<Ipv4Addr>,
    /// Shown to people; nothing depends on it.
    pub name: Option<Box<str>>,
    /// What few endpoints have.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct More {
    imsis: Vec<Imsi>,
    secondary_groups: Vec<GroupId>,
}
