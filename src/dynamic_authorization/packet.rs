//! The packets: what a Disconnect-Request and a CoA-Request say (RFC 5176 3), and how an answer is
//! read.

use crate::exchange::{Composer, Purpose, ServerRole};
use crate::network::{CoaChange, KeyPreset, OrderAction, OrderKey, SessionOrder};
use crate::time::Timestamp;
use crate::wire::number::{self, tgpp};
use crate::wire::{Code, Datagram, Encoder};

/// 3GPP-Teardown-Indicator: all bearers of the PDN connection (TS 29.061 16.4.7.2-19).
const ALL_BEARERS: u8 = 1;

/// What one packet is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayOrder {
    pub key: OrderKey,
    pub kind: GatewayOrderKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GatewayOrderKind {
    Disconnect,
    Change,
}

impl GatewayOrderKind {
    #[must_use]
    pub const fn of(action: &OrderAction) -> Self {
        match action {
            OrderAction::Disconnect => Self::Disconnect,
            OrderAction::Change(_) => Self::Change,
        }
    }

    /// As metrics have it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::Change => "coa",
        }
    }
}

impl Purpose for GatewayOrder {
    fn code(&self) -> Code {
        match self.kind {
            GatewayOrderKind::Disconnect => Code::DISCONNECT_REQUEST,
            GatewayOrderKind::Change => Code::COA_REQUEST,
        }
    }

    fn is_answered_by(&self, code: Code) -> bool {
        match self.kind {
            GatewayOrderKind::Disconnect => {
                matches!(code, Code::DISCONNECT_ACK | Code::DISCONNECT_NAK)
            }
            GatewayOrderKind::Change => matches!(code, Code::COA_ACK | Code::COA_NAK),
        }
    }

    fn role(&self) -> ServerRole {
        ServerRole::DynamicAuthorization
    }
}

/// Writes the attributes of a request. Copies of it are the same octets, so Event-Timestamp is the
/// time of the first (RFC 5176 6.3).
pub(super) fn compose(
    composer: &mut Composer<'_, '_>,
    order: &SessionOrder,
    preset: KeyPreset,
    now: Timestamp,
) {
    let encoder = &mut *composer.encoder;
    encoder.message_authenticator();
    write_keys(encoder, order, preset);
    if let OrderAction::Change(change) = &order.action {
        write_change(encoder, change);
    }
    // RFC 2869 5.3: 32 bits, until 2106.
    encoder.integer(number::EVENT_TIMESTAMP, now.secs() as u32);
}

/// Which session is meant. Each attribute that a gateway does not know is a reason to refuse (RFC
/// 5176 2.3).
fn write_keys(encoder: &mut Encoder<'_>, order: &SessionOrder, preset: KeyPreset) {
    let keys = &order.keys;
    let is_tgpp = preset == KeyPreset::Tgpp;
    if let Some(name) = keys.user_name.as_ref().filter(|_| is_tgpp) {
        encoder.attribute(number::USER_NAME, name);
    }
    if preset != KeyPreset::SessionId {
        if let Some(ip) = keys.nas_ip {
            encoder.address(number::NAS_IP_ADDRESS, ip);
        }
        if let Some(ip) = keys.nas_ipv6 {
            encoder.attribute(number::NAS_IPV6_ADDRESS, &ip.octets());
        }
        if let Some(identifier) = &keys.nas_identifier {
            encoder.attribute(number::NAS_IDENTIFIER, identifier);
        }
    }
    match (preset, keys.ip) {
        (KeyPreset::ApnIp, Some(ip)) => {
            if let Some(apn) = &keys.apn {
                encoder.attribute(number::CALLED_STATION_ID, apn.as_bytes());
            }
            encoder.address(number::FRAMED_IP_ADDRESS, ip);
        }
        _ => _ = encoder.attribute(number::ACCT_SESSION_ID, &keys.acct_session_id),
    }
    if is_tgpp {
        if let Some(imsi) = keys.imsi {
            encoder.vendor(tgpp::VENDOR, tgpp::IMSI, imsi.to_string().as_bytes());
        }
        if let Some(nsapi) = keys.nsapi {
            encoder.vendor(tgpp::VENDOR, tgpp::NSAPI, &[nsapi]);
        }
        // It is about ending; a gateway need not know it in a CoA-Request.
        if order.action == OrderAction::Disconnect {
            encoder.vendor(tgpp::VENDOR, tgpp::TEARDOWN_INDICATOR, &[ALL_BEARERS]);
        }
    }
}

fn write_change(encoder: &mut Encoder<'_>, change: &CoaChange) {
    let numbers = [
        (number::SESSION_TIMEOUT, change.session_timeout_s),
        (number::IDLE_TIMEOUT, change.idle_timeout_s),
        (number::ACCT_INTERIM_INTERVAL, change.interim_interval_s),
    ];
    for (attribute, value) in numbers {
        if let Some(value) = value {
            encoder.integer(attribute, value);
        }
    }
    if let Some(filter) = &change.filter_id {
        encoder.attribute(number::FILTER_ID, filter.as_bytes());
    }
}

/// What a gateway says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The code decides, whatever Error-Cause says (RFC 5176 3.5).
    pub(super) is_ack: bool,
    pub(super) error_cause: Option<u32>,
    pub(super) message: Option<String>,
}

impl Reply {
    /// Reads a reply that was accepted.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let reply = Datagram::frame(octets).ok()?;
        let integer = |number| reply.first(number)?.try_into().ok().map(u32::from_be_bytes);
        let message = reply.first(number::REPLY_MESSAGE);
        Some(Self {
            is_ack: matches!(reply.code(), Code::DISCONNECT_ACK | Code::COA_ACK),
            error_cause: integer(number::ERROR_CAUSE),
            message: message.map(|text| String::from_utf8_lossy(text).into_owned()),
        })
    }
}
