//! Who sent what is seen: requests by themselves, replies by the request they answer.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

use crate::wire::{Code, Datagram, Forged, MessageAuthenticator, Secret};

/// From whom to whom; `None` where nobody can know, as with octets typed in.
pub(super) type Path = Option<(SocketAddr, SocketAddr)>;

/// What the secret says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerifyResult {
    /// An Access-Request or Status-Server without Message-Authenticator proves nothing.
    Nothing,
    Authenticator,
    MessageAuthenticator,
    Both,
    /// A reply whose request was not seen.
    NoRequest,
    Failed(Forged),
}

/// The requests seen so far, as far as their replies need them.
#[derive(Default)]
pub(super) struct SeenRequests(HashMap<(Path, u8), [u8; 16]>);

impl SeenRequests {
    /// Keeps the authenticator of a request for its reply.
    pub(super) fn remember(&mut self, path: Path, datagram: &Datagram<'_>) {
        if is_request(datagram.code()) {
            self.0.insert((path, datagram.identifier()), *datagram.authenticator());
        }
    }

    pub(super) fn verify(
        &self,
        path: Path,
        datagram: &Datagram<'_>,
        secret: &Secret,
    ) -> VerifyResult {
        let verified = if is_request(datagram.code()) {
            datagram.verify_request(secret)
        } else {
            let back = path.map(|(source, destination)| (destination, source));
            let Some(request) = self.0.get(&(back, datagram.identifier())) else {
                return VerifyResult::NoRequest;
            };
            datagram.verify_reply(request, secret)
        };
        // RFC 2865 3 and RFC 5997 3: the authenticator of these two is random.
        let is_random = matches!(datagram.code(), Code::ACCESS_REQUEST | Code::STATUS_SERVER);
        let is_sealed = datagram.message_authenticator() == MessageAuthenticator::Present;
        match verified {
            Err(forged) => VerifyResult::Failed(forged),
            Ok(()) => match (is_random, is_sealed) {
                (true, false) => VerifyResult::Nothing,
                (true, true) => VerifyResult::MessageAuthenticator,
                (false, false) => VerifyResult::Authenticator,
                (false, true) => VerifyResult::Both,
            },
        }
    }
}

impl VerifyResult {
    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

impl fmt::Display for VerifyResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing to verify: no Message-Authenticator",
            Self::Authenticator => "authenticator verified",
            Self::MessageAuthenticator => "Message-Authenticator verified",
            Self::Both => "authenticator and Message-Authenticator verified",
            Self::NoRequest => "not verified: its request was not seen",
            Self::Failed(Forged::Authenticator) => {
                "WRONG authenticator: another secret, or changed on the way"
            }
            Self::Failed(Forged::MessageAuthenticator) => {
                "WRONG Message-Authenticator: another secret, or changed on the way"
            }
        })
    }
}

/// Every other code with a name is a reply.
pub(super) fn is_request(code: Code) -> bool {
    matches!(
        code,
        Code::ACCESS_REQUEST
            | Code::ACCOUNTING_REQUEST
            | Code::STATUS_SERVER
            | Code::DISCONNECT_REQUEST
            | Code::COA_REQUEST
    )
}
