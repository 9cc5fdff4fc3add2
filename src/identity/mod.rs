//! Who is meant: the identifiers of SIMs and of the things around them. Parses, packs, orders,
//! masks; knows no RADIUS.
//!
//! Every digit identifier is one machine word, so that a million of them fit in a cache-friendly
//! index, and its `Debug` shows only the last four digits, so that a log line cannot leak a
//! subscriber by accident.

mod apn;
mod digits;
mod endpoint_uuid;
mod handles;
mod iccid;
mod imei;
mod moniker;
mod subscriber;

pub use apn::{Apn, network_identifier};
pub use endpoint_uuid::{endpoint_uuid, iccid_of_uuid};
pub use handles::{EventHandlerId, EventMapId, GatewayId, GroupId, PolicyId, VsliceId};
pub use iccid::Iccid;
pub use imei::Imei;
pub use moniker::Moniker;
pub use subscriber::{Imeisv, Imsi, Msisdn, Plmn};

use std::fmt;

/// Why a text is not the identifier it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError {
    /// What was wanted, in full: "an ICCID has 19 or 20 digits and begins with 89".
    pub rule: &'static str,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }
}

impl std::error::Error for IdentityError {}
