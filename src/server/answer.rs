//! From a verdict to the octets of a reply, still to be signed.

use crate::aaa::{Accept, RejectReason};
use crate::wire::number::{self, attachd, microsoft};
use crate::wire::{Code, Datagram, Draft, Encoder, MessageAuthenticator, TooLong};

use std::net::Ipv4Addr;

/// A host's own netmask: what the endpoint has is this address and no network around it.
const HOST: Ipv4Addr = Ipv4Addr::BROADCAST;

/// What an Access-Accept says beyond its verdict, if `vendor_attributes` is on.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The number of our dictionary.
    pub vendor: u32,
    pub vslice: &'a str,
    pub group: &'a str,
}

/// Access-Accept. The Message-Authenticator is its first attribute, against BlastRADIUS, as in every reply of this family.
pub fn accept(room: &mut [u8], request: &Datagram<'_>, accept: &Accept, names: Option<Names<'_>>) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(room, Code::ACCESS_ACCEPT, request.identifier());
    reply.message_authenticator();
    if let Some(ip) = accept.ip {
        reply.address(number::FRAMED_IP_ADDRESS, ip).address(number::FRAMED_IP_NETMASK, HOST);
    }
    reply.attribute(number::CLASS, accept.class.octets());
    for (number, seconds) in [
        (number::SESSION_TIMEOUT, accept.session_timeout_s),
        (number::IDLE_TIMEOUT, accept.idle_timeout_s),
        (number::ACCT_INTERIM_INTERVAL, accept.interim_interval_s),
    ] {
        if seconds > 0 {
            reply.integer(number, seconds);
        }
    }
    for (number, server) in [microsoft::PRIMARY_DNS_SERVER, microsoft::SECONDARY_DNS_SERVER].into_iter().zip(accept.dns) {
        if let Some(server) = server {
            reply.vendor(microsoft::VENDOR, number, &server.octets());
        }
    }
    if let Some(names) = names {
        reply.vendor(names.vendor, attachd::VSLICE, names.vslice.as_bytes()).vendor(
            names.vendor,
            attachd::ENDPOINT_GROUP,
            names.group.as_bytes(),
        );
    }
    reply.copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

/// Access-Reject: the reason, and nothing of the request but its Proxy-States.
pub fn reject(room: &mut [u8], request: &Datagram<'_>, reason: RejectReason) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(room, Code::ACCESS_REJECT, request.identifier());
    reply.message_authenticator().attribute(number::REPLY_MESSAGE, reason.moniker().as_bytes()).copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

/// Accounting-Response: a receipt and nothing else; signed twice only if the request was.
pub fn receipt(room: &mut [u8], request: &Datagram<'_>) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(room, Code::ACCOUNTING_RESPONSE, request.identifier());
    if request.message_authenticator() == MessageAuthenticator::Present {
        reply.message_authenticator();
    }
    reply.copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

/// The answer to Status-Server: the code that the port is used to, a Message-Authenticator, and the Proxy-States (RFC 5997 3).
pub fn alive(room: &mut [u8], request: &Datagram<'_>, code: Code) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(room, code, request.identifier());
    reply.message_authenticator().copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}
