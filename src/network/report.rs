//! What one accounting packet says about a session, in borrowed form.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::authorisation;
use super::event_time::{EventTime, Stamp};
use super::nas::Reporter;
use crate::address::{Address, AddressKind, Ipv6Prefix};
use crate::identity::{Iccid, Imeisv, Plmn};
use crate::time::Timestamp;

/// Octet counters as sent: 32-bit values, and how often they have wrapped (RFC 2866 5.3, RFC 2869
/// 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Acct-Input-Octets: from the device.
    pub input: Option<u32>,
    /// Acct-Output-Octets: to the device.
    pub output: Option<u32>,
    /// Acct-Input-Gigawords.
    pub input_gigawords: Option<u32>,
    /// Acct-Output-Gigawords.
    pub output_gigawords: Option<u32>,
}

/// Where and in what the device is (3GPP TS 29.061 16.4.7). An absent value leaves what was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocationInfo<'a> {
    /// 3GPP-RAT-Type; unknown numbers are kept.
    pub rat: Option<u8>,
    /// The serving network: 3GPP-SGSN-MCC-MNC, else that of the location.
    pub plmn: Option<Plmn>,
    /// 3GPP-SGSN-Address or 3GPP-SGSN-IPv6-Address.
    pub serving_node: Option<IpAddr>,
    /// 3GPP-User-Location-Info, raw.
    pub location: Option<&'a [u8]>,
    pub imeisv: Option<Imeisv>,
    /// 3GPP-MS-TimeZone, raw.
    pub time_zone: Option<[u8; 2]>,
    pub charging_id: Option<u32>,
}

/// One accounting packet about one bearer.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub reporter: Reporter<'a>,
    /// Whose report it is, once that is known.
    pub iccid: Option<Iccid>,
    /// Acct-Session-Id: names the bearer. Empty in reports that need none (On, Off, attach,
    /// detach).
    pub acct_session_id: &'a [u8],
    /// Acct-Multi-Session-Id: names the session where it is sent.
    pub acct_multi_session_id: Option<&'a [u8]>,
    /// Called-Station-Id.
    pub apn: Option<&'a [u8]>,
    pub event_time: EventTime,
    pub stamp: Stamp,
    /// Framed-IP-Address, if it is an address.
    pub ip: Option<Ipv4Addr>,
    /// Framed-IPv6-Prefix, if it is one of 64 bits.
    pub prefix: Option<Ipv6Prefix>,
    /// Delegated-IPv6-Prefix.
    pub delegated: Option<Ipv6Prefix>,
    pub families: Families,
    /// The connection carries no IP: no address is its (TS 29.061: Non-IP, Unstructured, Ethernet).
    pub is_without_ip: bool,
    /// Whether an address that is not said any more was given back (`absent_address`).
    pub absent_is_released: bool,
    pub counters: Counters,
    pub location_info: LocationInfo<'a>,
    /// Acct-Session-Time, seconds, if it can be.
    pub session_time_s: Option<u32>,
    /// Acct-Terminate-Cause (RFC 2866 5.10).
    pub terminate_cause: Option<u32>,
    /// 3GPP-Session-Stop-Indicator: no bearer of the session is left.
    pub last_bearer: bool,
    /// Class, if it is one of ours.
    pub authorisation: Option<u64>,
}

/// Which address families a session has; none is known if both are false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Families {
    pub ipv4: bool,
    pub ipv6: bool,
}

impl Families {
    /// Whether a session of these families may have an address of that kind. Of one whose families
    /// are not known, nothing is excluded.
    #[must_use]
    pub const fn may_have(self, kind: AddressKind) -> bool {
        let is_known = self.ipv4 || self.ipv6;
        !is_known || if kind.is_ipv6() { self.ipv6 } else { self.ipv4 }
    }

    /// Whether two sessions differ in family, as far as both are known.
    pub(super) const fn are_apart(self, other: Self) -> bool {
        let is_known = (self.ipv4 || self.ipv6) && (other.ipv4 || other.ipv6);
        is_known && !(self.ipv4 && other.ipv4) && !(self.ipv6 && other.ipv6)
    }
}

impl Report<'_> {
    /// All addresses that it says are in use.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        let prefixes = [self.prefix, self.delegated].into_iter().flatten().map(Address::V6);
        self.ip.into_iter().map(Address::V4).chain(prefixes)
    }

    /// When the session began, as far as Acct-Session-Time tells.
    pub(super) fn began(&self) -> EventTime {
        self.event_time - Duration::from_secs(u64::from(self.session_time_s.unwrap_or(0)))
    }

    /// When this server gave the endpoint the Class of the report. `None`: it has no Class of ours,
    /// or none that was ever given.
    pub(super) fn authorised_at(&self, now: Timestamp) -> Option<Timestamp> {
        Some(authorisation::given(self.authorisation?, self.iccid?)).filter(|given| *given <= now)
    }
}
