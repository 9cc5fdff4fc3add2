//! What a gateway asks or reports, in the words of the domain. No bytes of a packet layout are left
//! in it.

use crate::identity::GatewayId;
use crate::network::{Families, LocationInfo, Report};
use crate::provisioning::Credentials;

/// Everything in a request that can name an endpoint, as it stood in the attributes; `aaa` reads
/// them in the configured order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Attachd-ICCID.
    pub iccid: Option<&'a [u8]>,
    /// 3GPP-IMSI.
    pub imsi: Option<&'a [u8]>,
    /// Calling-Station-Id, read as an MSISDN.
    pub calling_station_id: Option<&'a [u8]>,
    pub user_name: Option<&'a [u8]>,
}

/// Which of those attributes is believed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    Iccid,
    Imsi,
    Msisdn,
    UserName,
}

/// Which addresses a request asks for: 3GPP-PDP-Type and 3GPP-Allocate-IP-Type (TS 29.061 16.4.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AskedFamilies {
    /// Neither is there: what the group grants.
    #[default]
    Unsaid,
    /// Authenticate only, or a connection without IP.
    Nothing,
    Some {
        families: Families,
        /// Whether the connection has the other family, too, and its address is asked for
        /// separately (deferred IPv4).
        is_part: bool,
    },
}

/// May this SIM attach, and open a session?
pub struct AccessRequest<'a> {
    pub subject: Subject<'a>,
    /// Called-Station-Id.
    pub apn: Option<&'a [u8]>,
    /// Attachd-Network-Event = Attach: permission to attach only.
    pub attach_only: bool,
    /// Where and in what the device is. Called only if the group has a policy.
    pub located: &'a dyn Fn() -> LocationInfo<'a>,
    pub asked: AskedFamilies,
    /// Whether the request's User-Password or CHAP-Password proves these credentials. Called only
    /// if the group demands some.
    pub proves: &'a dyn Fn(&Credentials) -> bool,
    /// EAP, or two kinds of password at once: nothing that could be accepted (PROTOCOL 10; RFC 2865
    /// 4.1).
    pub unusable_credentials: bool,
}

/// Acct-Status-Type with Attachd-Network-Event, as far as they mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountingKind {
    /// Start with Network-Event = Attach.
    Attach,
    Start,
    Interim,
    Stop,
    /// Stop with Network-Event = Detach.
    Detach,
    /// Accounting-On or -Off.
    GatewayRestart,
    /// Any other status: recorded and answered.
    Other,
    /// No Acct-Status-Type, or no Acct-Session-Id where one is needed.
    Invalid,
}

/// What has happened at a gateway.
pub struct AccountingRequest<'a> {
    pub kind: AccountingKind,
    pub subject: Subject<'a>,
    pub gateway: GatewayId,
    pub report: Report<'a>,
}

pub const fn accounting_label(kind: AccountingKind) -> &'static str {
    match kind {
        AccountingKind::Attach => "attach",
        AccountingKind::Start => "start",
        AccountingKind::Interim => "interim",
        AccountingKind::Stop => "stop",
        AccountingKind::Detach => "detach",
        AccountingKind::GatewayRestart => "gateway-restart",
        AccountingKind::Other => "other",
        AccountingKind::Invalid => "invalid",
    }
}
