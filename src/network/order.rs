//! What a gateway is to be told about a session (RFC 5176), and what came of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Bearer, CloseCause, Session};
use crate::identity::{GatewayId, Iccid, Imsi};
use crate::time::Timestamp;

/// Something to be told to the gateway of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOrder {
    pub iccid: Iccid,
    /// [`Session::number`].
    pub session: u64,
    pub gateway: GatewayId,
    pub action: OrderAction,
    pub reason: OrderReason,
    /// The job that it is a part of; without one somebody waits for it.
    pub job: Option<u64>,
    pub since: Timestamp,
    pub keys: SessionKeys,
}

/// What the gateway is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderAction {
    /// End the session (RFC 5176 2.1).
    Disconnect,
    /// Change it (RFC 5176 2.2).
    Change(CoaChange),
}

/// What a CoA-Request changes; what is absent stays as it is (RFC 5176 3.6 note 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoaChange {
    pub session_timeout_s: Option<u32>,
    pub idle_timeout_s: Option<u32>,
    pub interim_interval_s: Option<u32>,
    pub filter_id: Option<String>,
}

/// Why somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderReason {
    /// The endpoint was suspended or terminated.
    Barred = 1,
    /// The endpoint has left its group, or went into another VSlice.
    Unassigned,
    /// A person asked for it.
    Person,
    /// The policy of its group forbids where or in what it is used.
    Policy,
    /// Another static address was configured.
    AddressChanged,
    /// Its group or VSlice was disabled.
    Disabled,
}

/// What names a session to its gateway: what the gateway itself reported, taken when the order was
/// given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionKeys {
    /// Of the first bearer, as it came.
    pub acct_session_id: Vec<u8>,
    /// Of the session, which is not always the endpoint's first.
    pub imsi: Option<Imsi>,
    /// 3GPP-NSAPI, one character.
    pub nsapi: Option<u8>,
    pub user_name: Option<Vec<u8>>,
    pub apn: Option<String>,
    pub ip: Option<Ipv4Addr>,
    /// The address that its gateway's packets came from.
    pub source: Option<IpAddr>,
    pub nas_ip: Option<Ipv4Addr>,
    pub nas_ipv6: Option<Ipv6Addr>,
    pub nas_identifier: Option<Vec<u8>>,
}

/// By which attributes a gateway is told which session is meant (docs/dynamic-authorization.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyPreset {
    /// NAS identification and Acct-Session-Id.
    Generic = 1,
    /// Also User-Name, 3GPP-IMSI, 3GPP-NSAPI and 3GPP-Teardown-Indicator.
    Tgpp,
    /// Called-Station-Id and the address.
    ApnIp,
    /// Acct-Session-Id alone.
    SessionId,
}

impl KeyPreset {
    /// As configuration and records name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Tgpp => "3gpp",
            Self::ApnIp => "apn-ip",
            Self::SessionId => "session-id",
        }
    }

    /// The inverse of `as u8`.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        let all = [Self::Generic, Self::Tgpp, Self::ApnIp, Self::SessionId];
        all.into_iter().find(|preset| *preset as u8 == key)
    }
}

/// Names an order: there is one for each session and kind of action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(pub u64);

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderPhase {
    /// It waits to be sent, or for an answer.
    Requested = 1,
    /// The gateway has agreed; the session ends by its Stop.
    Acknowledged,
    /// The gateway was silent. It is asked again some times.
    Unanswered,
    /// The gateway has refused, and nothing more is tried.
    Failed,
    /// Nothing is left to do.
    Done,
}

/// What the gateway answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderResult {
    pub answer: OrderAnswer,
    /// Error-Cause (RFC 5176 3.5).
    pub error_cause: Option<u32>,
    pub reply_message: Option<String>,
    /// Packets sent.
    pub tries: u32,
    /// From the first packet to the answer.
    pub ms: u64,
    /// What the answer itself does not tell.
    pub note: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderAnswer {
    Ack,
    Nak,
    NoAnswer,
    /// The system says that nobody listens there.
    Unreachable,
    /// No address to ask is configured for the gateway.
    NoAddress,
    Cancelled,
}

impl SessionOrder {
    #[must_use]
    pub fn key(&self) -> OrderKey {
        OrderKey::of(self.iccid, self.session, &self.action)
    }

    /// Whether it waits behind those that somebody waits for.
    #[must_use]
    pub const fn is_paced(&self) -> bool {
        self.job.is_some()
    }
}

impl OrderKey {
    /// The same for ever: it is part of records.
    #[must_use]
    pub fn of(iccid: Iccid, session: u64, action: &OrderAction) -> Self {
        let kind = match action {
            OrderAction::Disconnect => 0,
            OrderAction::Change(_) => 1,
        };
        // The number of a session has 53 well mixed bits.
        Self(iccid.raw().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (session << 1 | kind))
    }

    /// Of the Disconnect of a session.
    #[must_use]
    pub fn of_disconnect(iccid: Iccid, session: u64) -> Self {
        Self::of(iccid, session, &OrderAction::Disconnect)
    }
}

impl SessionKeys {
    #[must_use]
    pub fn of(session: &Session, imsi: Option<Imsi>) -> Self {
        let nas = session.nas();
        Self {
            acct_session_id: session
                .bearers()
                .next()
                .map(Bearer::acct_session_id_octets)
                .unwrap_or_default(),
            imsi,
            nsapi: None,
            user_name: None,
            apn: session.apn().map(str::to_owned),
            ip: session.ip,
            source: nas.source,
            nas_ip: nas.ip,
            nas_ipv6: nas.ipv6,
            nas_identifier: nas.identifier.map(Into::into),
        }
    }
}

impl OrderReason {
    const ALL: [Self; 6] = [
        Self::Barred,
        Self::Unassigned,
        Self::Person,
        Self::Policy,
        Self::AddressChanged,
        Self::Disabled,
    ];

    /// Why a session that begins to end for this cause is disconnected.
    #[must_use]
    pub const fn of(cause: CloseCause) -> Self {
        match cause {
            CloseCause::Barred => Self::Barred,
            _ => Self::Unassigned,
        }
    }

    /// The inverse of `as u8`.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == key)
    }
}

impl OrderPhase {
    const ALL: [Self; 5] =
        [Self::Requested, Self::Acknowledged, Self::Unanswered, Self::Failed, Self::Done];

    /// As sessions are shown with it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Acknowledged => "acknowledged",
            Self::Unanswered => "unanswered",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// The inverse of `as u8`.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| *phase as u8 == key)
    }
}

impl OrderAnswer {
    /// As people and metrics are told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nak => "nak",
            Self::NoAnswer => "no-answer",
            Self::Unreachable => "unreachable",
            Self::NoAddress => "no-coa-address",
            Self::Cancelled => "cancelled",
        }
    }
}

impl OrderResult {
    /// An answer that no packet brought.
    #[must_use]
    pub const fn without_packet(answer: OrderAnswer) -> Self {
        Self { answer, error_cause: None, reply_message: None, tries: 0, ms: 0, note: None }
    }
}
