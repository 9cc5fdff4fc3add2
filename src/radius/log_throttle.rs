//! What goes wrong, told to people at a pace that they can read: each reason of each gateway once a
//! second, with the number of those kept back. What one gateway does wrong hides nothing of
//! another.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use tracing::{debug, info, warn};

use super::gateways::Gateway;
use crate::aaa::{RejectReason, Subject};
use crate::identity::GatewayId;
use crate::metrics::counters::Dropped;
use crate::printable;
use crate::time::Timestamp;

/// One worker's log lines about refused packets and requests.
pub(super) struct LogThrottle {
    masks_identities: bool,
    paces: HashMap<What, OncePerSecond, foldhash::fast::RandomState>,
}

/// A reason, and whose it is; none: of no gateway that is configured.
type What = (Reason, Option<GatewayId>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reason {
    Dropped(u8),
    Rejected(u8),
    Closed(&'static str),
}

/// When something was last said, and how often it would have been since.
#[derive(Clone, Copy, Default)]
struct OncePerSecond {
    second: u64,
    kept_back: u32,
}

impl LogThrottle {
    pub(super) fn new(masks_identities: bool) -> Self {
        Self { masks_identities, paces: HashMap::default() }
    }

    /// A datagram was not answered.
    pub(super) fn dropped(
        &mut self,
        reason: Dropped,
        from: SocketAddr,
        gateway: Option<&Gateway>,
        now: Timestamp,
    ) {
        let Some(kept_back) =
            self.admits((Reason::Dropped(reason as u8), gateway.map(|gateway| gateway.id)), now)
        else {
            return;
        };
        let (reason, gateway) = (reason.label(), gateway.map_or("-", |gateway| &gateway.name));
        if reason == Dropped::DuplicateInFlight.label() {
            debug!(reason, %from, gateway, kept_back, "dropped");
        } else {
            warn!(reason, %from, gateway, kept_back, "dropped");
        }
    }

    /// A TLS connection has ended, or never began.
    pub(super) fn closed(
        &mut self,
        reason: &'static str,
        from: SocketAddr,
        gateway: Option<&Gateway>,
        detail: &str,
        now: Timestamp,
    ) {
        let what = (Reason::Closed(reason), gateway.map(|gateway| gateway.id));
        let Some(kept_back) = self.admits(what, now) else { return };
        let detail = printable::octets(detail.as_bytes());
        if let Some(gateway) = gateway {
            let gateway = &gateway.name;
            info!(reason, %from, gateway, %detail, kept_back, "TLS connection closed");
        } else {
            warn!(reason, %from, %detail, kept_back, "TLS connection refused");
        }
    }

    /// An endpoint may not be served.
    pub(super) fn rejected(
        &mut self,
        reason: RejectReason,
        gateway: &Gateway,
        subject: &Subject<'_>,
        now: Timestamp,
    ) {
        if let Some(kept_back) =
            self.admits((Reason::Rejected(reason as u8), Some(gateway.id)), now)
        {
            let who = Shown { subject, masked: self.masks_identities };
            info!(reason = reason.moniker(), gateway = gateway.name, %who, kept_back, "refused");
        }
    }

    /// Whether a line is due, and how many were kept back before it. There are as many paces as
    /// gateways have given reasons.
    fn admits(&mut self, what: What, now: Timestamp) -> Option<u32> {
        self.paces.entry(what).or_default().admits(now)
    }
}

impl OncePerSecond {
    fn admits(&mut self, now: Timestamp) -> Option<u32> {
        if self.second == now.secs() {
            self.kept_back += 1;
            return None;
        }
        self.second = now.secs();
        Some(std::mem::take(&mut self.kept_back))
    }
}

/// The first identity of a subject, as a log line may show it.
struct Shown<'a> {
    subject: &'a Subject<'a>,
    masked: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject;
        let candidates = [
            ("iccid", subject.iccid),
            ("imsi", subject.imsi),
            ("calling-station-id", subject.calling_station_id),
            ("user-name", subject.user_name),
        ];
        let Some((name, text)) =
            candidates.iter().find_map(|(name, text)| text.map(|text| (name, text)))
        else {
            return f.write_str("nobody");
        };
        if self.masked {
            write!(f, "{name} ..{}", printable::octets(&text[text.len().saturating_sub(4)..]))
        } else {
            write!(f, "{name} {}", printable::octets(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::tests::HOSTILE;

    #[test]
    fn each_second_has_one_line_and_the_next_tells_of_the_rest() {
        let mut pace = OncePerSecond::default();
        let said: Vec<_> = [100, 100, 100, 101, 102, 102]
            .map(|second| pace.admits(Timestamp::from_secs(second)))
            .into();
        assert_eq!(said, [Some(0), None, None, Some(2), Some(0), None]);
    }

    #[test]
    fn what_one_gateway_does_wrong_hides_nothing_of_another() {
        let mut log = LogThrottle::new(true);
        let (a, b) = (Some(GatewayId::new(0)), Some(GatewayId::new(1)));
        let mut admits =
            |whose, second| log.admits((Reason::Dropped(0), whose), Timestamp::from_secs(second));
        assert_eq!(
            [(a, 100), (a, 100), (b, 100), (None, 100), (b, 100)]
                .map(|(whose, second)| admits(whose, second)),
            [Some(0), None, Some(0), Some(0), None]
        );
        assert_eq!([admits(a, 101), admits(b, 101)], [Some(1), Some(1)]);
    }

    #[test]
    fn an_identity_is_masked_and_can_forge_no_line() {
        let subject = Subject {
            imsi: Some(b"234500000000001"),
            user_name: Some(b"x\n"),
            ..Subject::default()
        };
        assert_eq!(Shown { subject: &subject, masked: true }.to_string(), "imsi ..0001");
        assert_eq!(Shown { subject: &subject, masked: false }.to_string(), "imsi 234500000000001");
        let subject = Subject { user_name: Some(b"a\nWARN all is lost"), ..Subject::default() };
        assert_eq!(
            Shown { subject: &subject, masked: false }.to_string(),
            "user-name a\\nWARN all is lost"
        );
        let hostile =
            Subject { calling_station_id: Some(HOSTILE.as_bytes()), ..Subject::default() };
        for masked in [false, true] {
            let shown = Shown { subject: &hostile, masked }.to_string();
            assert!(shown.chars().all(printable::is_printable), "{shown:?}");
        }
        assert_eq!(Shown { subject: &Subject::default(), masked: true }.to_string(), "nobody");
    }
}
