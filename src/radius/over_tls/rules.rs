//! When a connection ends, and what follows when a packet of it is refused. Pure: the time is an
//! argument.

use std::time::Duration;

use crate::metrics::counters::Dropped;
use crate::radius::gateways::NobodyByCertificate;
use crate::tls::CertificateRefusal;
use crate::wire::number::value::error_cause;
use crate::wire::{Code, Datagram, RadiusVersion, Secret};

/// Why a connection ended, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A packet came that must not come, or could not be served in time.
    Packet(Dropped),
    /// The handshake failed, or took too long.
    Handshake,
    /// What came first was no TLS.
    Plain,
    /// No version of RADIUS is common.
    Alpn,
    UnknownName,
    ForbiddenSource,
    /// Its gateway has too many, and this one was silent for longest; or too many shake hands, and
    /// it is nobody we know.
    Limit,
    /// No progress within a packet, or in taking replies.
    Stalled,
    Idle,
    Revoked,
    Expired,
    /// What was reloaded knows it no more.
    Reload,
    Peer,
    Shutdown,
}

impl CloseReason {
    /// Every label, for the metrics.
    pub const LABELS: [&str; 22] = [
        "alpn",
        "bad-authenticator",
        "bad-message-authenticator",
        "expired",
        "forbidden-source",
        "handshake",
        "idle",
        "journal",
        "limit",
        "malformed",
        "missing-message-authenticator",
        "overload",
        "peer",
        "plain",
        "rate-limited",
        "reload",
        "revoked",
        "shutdown",
        "stalled",
        "unknown-code",
        "unknown-gateway",
        "unknown-name",
    ];

    pub const fn label(self) -> &'static str {
        match self {
            Self::Packet(reason) => reason.label(),
            Self::Handshake => "handshake",
            Self::Plain => "plain",
            Self::Alpn => "alpn",
            Self::UnknownName => "unknown-name",
            Self::ForbiddenSource => "forbidden-source",
            Self::Limit => "limit",
            Self::Stalled => "stalled",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Reload => "reload",
            Self::Peer => "peer",
            Self::Shutdown => "shutdown",
        }
    }
}

impl From<NobodyByCertificate> for CloseReason {
    fn from(nobody: NobodyByCertificate) -> Self {
        match nobody {
            NobodyByCertificate::UnknownName => Self::UnknownName,
            NobodyByCertificate::ForbiddenSource => Self::ForbiddenSource,
        }
    }
}

/// Why a certificate that was believed once is believed no more.
impl From<&CertificateRefusal> for CloseReason {
    fn from(refusal: &CertificateRefusal) -> Self {
        match refusal {
            CertificateRefusal::Revoked => Self::Revoked,
            CertificateRefusal::Expired => Self::Expired,
            CertificateRefusal::Untrusted(_) | CertificateRefusal::NotAdmitted => Self::Reload,
        }
    }
}

/// What follows when the pipeline has refused a packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It is dropped; its connection goes on.
    Nothing,
    /// It is answered with a Protocol-Error of this Error-Cause (RFC 7930 4).
    ProtocolError(u32),
    /// It is kept and served a little later: over TLS nobody asks twice.
    Later,
    Close(CloseReason),
}

/// How long a packet is kept that cannot be served now; then its connection is closed, so that its
/// client asks elsewhere or anew.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What follows a refusal (std2 2.1: "malformed"). `octets` are empty if the packet was decided and
/// its reply is lost; `waited` is how long it has been here.
pub fn consequence(
    reason: Dropped,
    octets: &[u8],
    version: RadiusVersion,
    waited: Duration,
    secret: &Secret,
) -> Consequence {
    match reason {
        Dropped::Malformed
        | Dropped::BadAuthenticator
        | Dropped::BadMessageAuthenticator
        | Dropped::MissingMessageAuthenticator => Consequence::Close(CloseReason::Packet(reason)),
        Dropped::UnknownCode => unwanted(octets, version, secret),
        Dropped::RateLimited | Dropped::Journal | Dropped::Overload => {
            if !octets.is_empty() && version == RadiusVersion::V1_1 {
                // RFC 9765 6.3: it must be answered.
                Consequence::ProtocolError(error_cause::RESOURCES_UNAVAILABLE)
            } else if !octets.is_empty() && waited < PATIENCE {
                Consequence::Later
            } else {
                Consequence::Close(CloseReason::Packet(reason))
            }
        }
        Dropped::ReplyTooLong if version == RadiusVersion::V1_1 => {
            Consequence::ProtocolError(error_cause::RESOURCES_UNAVAILABLE)
        }
        Dropped::ReplyTooLong
        | Dropped::DuplicateInFlight
        | Dropped::NotReady
        | Dropped::Unsent
        | Dropped::UnknownGateway
        | Dropped::ProxyStateLimited
        | Dropped::TlsOnly => Consequence::Nothing,
    }
}

/// A request that we do not serve is answered; a reply to nothing, and what nobody has defined, is
/// not.
fn unwanted(octets: &[u8], version: RadiusVersion, secret: &Secret) -> Consequence {
    let Ok(request) = Datagram::frame(octets) else { return Consequence::Nothing };
    let is_request = matches!(
        request.code(),
        Code::ACCESS_REQUEST
            | Code::ACCOUNTING_REQUEST
            | Code::DISCONNECT_REQUEST
            | Code::COA_REQUEST
    );
    if !is_request {
        return Consequence::Nothing;
    }
    if version == RadiusVersion::V1_0 && request.verify_request(secret).is_err() {
        return Consequence::Close(CloseReason::Packet(Dropped::BadAuthenticator));
    }
    Consequence::ProtocolError(error_cause::UNSUPPORTED_EXTENSION)
}

/// How long a packet, or the sending of replies, may stand still.
const STALLED: Duration = Duration::from_secs(10);

/// For how long a connection has been silent, or stood still.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    idle: Option<Duration>,
    /// When something last went either way.
    traffic: Duration,
    /// When a packet that has begun last grew.
    within_packet: Option<Duration>,
    /// When something that waits to be sent last moved.
    unsent: Option<Duration>,
}

impl Silence {
    pub fn new(now: Duration, idle: Option<Duration>) -> Self {
        Self { idle, traffic: now, within_packet: None, unsent: None }
    }

    /// Octets came; whether a packet has begun and is not whole.
    pub fn heard(&mut self, now: Duration, within_packet: bool) {
        self.traffic = now;
        self.within_packet = within_packet.then_some(now);
    }

    /// Nothing is read on purpose: what stands still is our doing.
    pub fn paused(&mut self, now: Duration) {
        self.traffic = now;
        self.within_packet = self.within_packet.map(|_| now);
    }

    /// Sending was tried: whether it moved, and whether something is left.
    pub fn sent(&mut self, now: Duration, moved: bool, is_left: bool) {
        if moved {
            self.traffic = now;
        }
        self.unsent = match self.unsent {
            _ if !is_left => None,
            Some(since) if !moved => Some(since),
            _ => Some(now),
        };
    }

    /// When the connection ends if nothing happens, and why.
    pub fn end(&self) -> Option<(Duration, CloseReason)> {
        let stalled = self.within_packet.into_iter().chain(self.unsent);
        let stalled = stalled.map(|since| (since + STALLED, CloseReason::Stalled));
        let idle = self.idle.map(|idle| (self.traffic + idle, CloseReason::Idle));
        stalled.chain(idle).min_by_key(|(when, _)| *when)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Encoder, LONGEST};

    const SECOND: Duration = Duration::from_secs(1);

    fn after(reason: Dropped, octets: &[u8], version: RadiusVersion, waited: u32) -> Consequence {
        consequence(reason, octets, version, SECOND * waited, &Secret::new(b"radsec"))
    }

    fn packet(code: Code, secret: &[u8]) -> Vec<u8> {
        let mut buf = [0; LONGEST];
        let length =
            Encoder::new(&mut buf, code, 7).finish_request(&Secret::new(secret), [7; 16]).unwrap();
        buf[..length].to_vec()
    }

    #[test]
    fn every_label_is_known() {
        let own = [
            CloseReason::Handshake,
            CloseReason::Plain,
            CloseReason::Alpn,
            CloseReason::UnknownName,
            CloseReason::ForbiddenSource,
            CloseReason::Limit,
            CloseReason::Stalled,
            CloseReason::Idle,
            CloseReason::Revoked,
            CloseReason::Expired,
            CloseReason::Reload,
            CloseReason::Peer,
            CloseReason::Shutdown,
        ];
        for version in RadiusVersion::ALL {
            let closes = Dropped::ALL.into_iter().filter_map(|reason| {
                match after(reason, &[], version, 99) {
                    Consequence::Close(reason) => Some(reason),
                    _ => None,
                }
            });
            for reason in closes.chain(own) {
                assert!(CloseReason::LABELS.contains(&reason.label()), "{reason:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_trusted_closes_and_what_is_unknown_does_not() {
        use RadiusVersion::{V1_0, V1_1};
        let nothing = Consequence::Nothing;
        let closes = |reason| Consequence::Close(CloseReason::Packet(reason));
        let answers = Consequence::ProtocolError;
        let (disconnect, forged) = (
            packet(Code::DISCONNECT_REQUEST, b"radsec"),
            packet(Code::DISCONNECT_REQUEST, b"other"),
        );
        let (unknown, reply) =
            (packet(Code(99), b"radsec"), packet(Code::ACCESS_ACCEPT, b"radsec"));
        let request = packet(Code::ACCESS_REQUEST, b"radsec");
        let cases = [
            (Dropped::Malformed, &request, V1_0, 0, closes(Dropped::Malformed)),
            (Dropped::BadAuthenticator, &request, V1_0, 0, closes(Dropped::BadAuthenticator)),
            (Dropped::UnknownCode, &unknown, V1_0, 0, nothing),
            (Dropped::UnknownCode, &reply, V1_0, 0, nothing),
            (Dropped::UnknownCode, &disconnect, V1_0, 0, answers(406)),
            (Dropped::UnknownCode, &forged, V1_0, 0, closes(Dropped::BadAuthenticator)),
            (Dropped::UnknownCode, &forged, V1_1, 0, answers(406)),
            (Dropped::DuplicateInFlight, &request, V1_0, 0, nothing),
            (Dropped::Journal, &request, V1_0, 29, Consequence::Later),
            (Dropped::Journal, &request, V1_0, 30, closes(Dropped::Journal)),
            (Dropped::Journal, &Vec::new(), V1_0, 0, closes(Dropped::Journal)),
            (Dropped::Overload, &request, V1_1, 0, answers(506)),
            (Dropped::ReplyTooLong, &request, V1_0, 0, nothing),
            (Dropped::ReplyTooLong, &request, V1_1, 0, answers(506)),
        ];
        for (reason, octets, version, waited, expected) in cases {
            assert_eq!(after(reason, octets, version, waited), expected, "{reason:?} {version:?}");
        }
    }

    #[test]
    fn silence_ends_a_connection_and_standing_still_sooner() {
        let mut silence = Silence::new(SECOND, Some(SECOND * 600));
        assert_eq!(silence.end(), Some((SECOND * 601, CloseReason::Idle)));
        silence.heard(SECOND * 2, true);
        assert_eq!(silence.end(), Some((SECOND * 12, CloseReason::Stalled)));
        silence.heard(SECOND * 11, true);
        assert_eq!(silence.end(), Some((SECOND * 21, CloseReason::Stalled)), "it grows");
        silence.heard(SECOND * 12, false);
        assert_eq!(silence.end(), Some((SECOND * 612, CloseReason::Idle)));
        silence.sent(SECOND * 20, false, true);
        silence.sent(SECOND * 25, false, true);
        assert_eq!(silence.end(), Some((SECOND * 30, CloseReason::Stalled)));
        silence.sent(SECOND * 29, true, true);
        assert_eq!(silence.end(), Some((SECOND * 39, CloseReason::Stalled)));
        silence.sent(SECOND * 30, true, false);
        assert_eq!(silence.end(), Some((SECOND * 630, CloseReason::Idle)));
        assert_eq!(Silence::new(SECOND, None).end(), None, "0 is never");
    }

    #[test]
    fn who_is_not_read_does_not_stand_still() {
        let mut silence = Silence::new(SECOND, Some(SECOND * 600));
        silence.heard(SECOND * 2, true);
        silence.paused(SECOND * 50);
        assert_eq!(silence.end(), Some((SECOND * 60, CloseReason::Stalled)));
    }
}
