//! What a reply grants or refuses, read out of its attributes.

use std::net::Ipv4Addr;

use crate::printable;
use crate::simulator::device::Classes;
use crate::wire::number::{self, value};
use crate::wire::{Code, Datagram};

/// The content of a valid reply.
#[derive(Debug)]
pub(super) enum ServerReply {
    Accept(AcceptReply),
    Reject { reason: String },
    Acknowledgement,
}

#[derive(Debug)]
pub(super) struct AcceptReply {
    /// None: the gateway assigns one of its own.
    pub(super) address: Option<Ipv4Addr>,
    pub(super) classes: Classes,
    pub(super) session_timeout_s: u32,
    pub(super) interim_s: u32,
}

/// What of a Reply-Message is kept: attachd's longest reason has 26 octets, and whatever a server
/// writes has to fit a line.
const LONGEST_REASON: usize = 64;

impl ServerReply {
    pub(super) fn read(octets: &[u8]) -> Self {
        let Ok(reply) = Datagram::frame(octets) else { return Self::Acknowledgement };
        match reply.code() {
            Code::ACCESS_ACCEPT => accept(&reply),
            Code::ACCESS_REJECT => {
                let message = reply.first(number::REPLY_MESSAGE).unwrap_or_default();
                Self::Reject {
                    reason: printable::octets(&message[..message.len().min(LONGEST_REASON)])
                        .to_string(),
                }
            }
            // RFC 2865 4.4: whoever does not support a challenge treats it as a reject.
            Code::ACCESS_CHALLENGE => Self::Reject { reason: "Access-Challenge".to_owned() },
            _ => Self::Acknowledgement,
        }
    }
}

fn accept(reply: &Datagram<'_>) -> ServerReply {
    // RFC 2865 5.6: a service that the gateway does not offer is a reject.
    if let Some(service) = integer(reply, number::SERVICE_TYPE)
        .filter(|service| *service != value::service_type::FRAMED)
    {
        return ServerReply::Reject { reason: format!("Service-Type {service}") };
    }
    ServerReply::Accept(AcceptReply {
        address: address(reply),
        classes: Classes::new(
            reply
                .attributes()
                .filter(|attribute| attribute.number == number::CLASS)
                .map(|class| class.value),
        ),
        session_timeout_s: integer(reply, number::SESSION_TIMEOUT).unwrap_or_default(),
        interim_s: integer(reply, number::ACCT_INTERIM_INTERVAL).unwrap_or_default(),
    })
}

/// Checklist H10: 255.255.255.255 and .254 leave the choice to the user or the gateway (RFC 2865
/// 5.8).
fn address(reply: &Datagram<'_>) -> Option<Ipv4Addr> {
    const ANY_BY_GATEWAY: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 254);
    let octets: [u8; 4] = reply.first(number::FRAMED_IP_ADDRESS)?.try_into().ok()?;
    let address = Ipv4Addr::from(octets);
    (address != ANY_BY_GATEWAY && !address.is_broadcast() && !address.is_unspecified())
        .then_some(address)
}

fn integer(reply: &Datagram<'_>, number: u8) -> Option<u32> {
    Some(u32::from_be_bytes(reply.first(number)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::tests::HOSTILE;
    use crate::wire::{Encoder, LONGEST, Secret};

    #[test]
    fn a_reason_is_short_and_printable() {
        for message in [HOSTILE.to_owned(), HOSTILE.repeat(5), "x".repeat(253)] {
            let mut room = [0; LONGEST];
            let mut reply = Encoder::new(&mut room, Code::ACCESS_REJECT, 1);
            reply.attribute(number::REPLY_MESSAGE, message.as_bytes());
            let length = reply.finish_reply(&Secret::new(b"secret"), &[0; 16]).unwrap();
            let ServerReply::Reject { reason } = ServerReply::read(&room[..length]) else {
                panic!("no reject")
            };
            assert!(reason.chars().all(printable::is_printable), "{reason:?}");
            assert!(reason.len() <= 8 * LONGEST_REASON, "{reason}");
        }
    }
}
