//! What one accounting packet says about a session, in borrowed form.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::identity::{GatewayId, Imeisv, Plmn};
use crate::time::Timestamp;

/// Which of the gateways behind one configured prefix speaks: the NAS-IP-Address, else a fingerprint of NAS-IPv6-Address
/// or NAS-Identifier, else of the source address (RFC 2866 4.1 wants one of the first three).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nas(pub u32);

impl Nas {
    /// All behind the configured prefix: for them speaks an Accounting-On that names none. No NAS has the address 0.0.0.0.
    pub const EVERY: Self = Self(0);
}

/// The sender of a report. Sessions of different reporters are different sessions, even under one Acct-Session-Id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reporter {
    pub gateway: GatewayId,
    pub nas: Nas,
}

/// Octet counters as sent: 32-bit values, and how often they have wrapped (RFC 2866 5.3, RFC 2869 5.1).
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
pub struct Place<'a> {
    /// 3GPP-RAT-Type; unknown numbers are kept.
    pub rat: Option<u8>,
    /// 3GPP-SGSN-MCC-MNC: the serving network.
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
    pub reporter: Reporter,
    /// Acct-Session-Id: names the bearer. Empty in reports that need none (On, Off, attach, detach).
    pub acct_session_id: &'a [u8],
    /// Acct-Multi-Session-Id: names the session where it is sent.
    pub acct_multi_session_id: Option<&'a [u8]>,
    /// Called-Station-Id.
    pub apn: Option<&'a [u8]>,
    /// When it happened: Event-Timestamp if sane, else arrival less Acct-Delay-Time.
    pub event_time: Timestamp,
    /// Framed-IP-Address, if it is an address.
    pub ip: Option<Ipv4Addr>,
    pub counters: Counters,
    pub place: Place<'a>,
    /// Acct-Session-Time, seconds.
    pub session_time_s: Option<u32>,
    /// Acct-Terminate-Cause (RFC 2866 5.10).
    pub terminate_cause: Option<u32>,
    /// 3GPP-Session-Stop-Indicator: no bearer of the session is left.
    pub last_bearer: bool,
    /// Class, if it is one of ours.
    pub authorisation: Option<u64>,
}

impl Report<'_> {
    /// When the session began, as far as Acct-Session-Time tells.
    pub(super) fn began(&self) -> Timestamp {
        self.event_time - Duration::from_secs(u64::from(self.session_time_s.unwrap_or(0)))
    }
}
