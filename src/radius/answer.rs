//! From a verdict to the octets of a reply, still to be signed.

use crate::aaa::{Accept, RejectReason};
use crate::address::{AddressKind, Ipv6Prefix};
use crate::identity::Moniker;
use crate::wire::number::value::error_cause;
use crate::wire::number::{self, attachd, microsoft, tgpp};
use crate::wire::{
    Code, Datagram, Draft, Encoder, LONGEST, MessageAuthenticator, RadiusVersion, TooLong,
};

use std::net::{Ipv4Addr, Ipv6Addr};

/// A host's own netmask: what the endpoint has is this address and no network around it.
const HOST: Ipv4Addr = Ipv4Addr::BROADCAST;

/// What an Access-Accept says beyond its verdict, if `vendor_attributes` is on.
#[derive(Clone, Copy, Debug)]
pub struct VendorNames<'a> {
    /// The number of our dictionary.
    pub vendor: u32,
    pub vslice: &'a str,
    pub group: &'a str,
}

/// The octets of the longest Access-Accept, its Proxy-States and our own attributes apart: header,
/// Message-Authenticator, address and netmask, two prefixes, Class, three times, two DNS servers of
/// each family, those of IPv6 in two ways.
const LONGEST_ACCEPT: usize =
    20 + 18 + 2 * 6 + 2 * (2 + LONGEST_PREFIX) + 18 + 3 * 6 + 2 * 12 + 2 * 18 + (8 + 2 * 16);

/// The value of a prefix of 64 bits.
const LONGEST_PREFIX: usize = 2 + 8;

/// Our own two attributes, each with the longest moniker.
const NAMES: usize = 2 * (8 + Moniker::MAX);

/// An Accounting-Response with a Message-Authenticator.
const LONGEST_RECEIPT: usize = 20 + 18;

/// Whether every reply that this request may get has room for its Proxy-States. Most requests have
/// none.
pub fn has_room(request: &Datagram<'_>, vendor_attributes: bool) -> bool {
    if !request.contains(number::PROXY_STATE) {
        return true;
    }
    let longest = match request.code() {
        Code::ACCESS_REQUEST if vendor_attributes => LONGEST_ACCEPT + NAMES,
        Code::ACCESS_REQUEST => LONGEST_ACCEPT,
        _ => LONGEST_RECEIPT,
    };
    let proxy_states =
        request.attributes().filter(|attribute| attribute.number == number::PROXY_STATE);
    longest + proxy_states.map(|attribute| 2 + attribute.value.len()).sum::<usize>() <= LONGEST
}

/// Access-Accept. The Message-Authenticator is its first attribute, against BlastRADIUS, as in
/// every reply of this family.
pub fn accept(
    buf: &mut [u8],
    request: &Datagram<'_>,
    accept: &Accept,
    names: Option<VendorNames<'_>>,
) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(buf, Code::ACCESS_ACCEPT, request.identifier());
    reply.message_authenticator();
    if let Some(ip) = accept.ip() {
        reply.address(number::FRAMED_IP_ADDRESS, ip).address(number::FRAMED_IP_NETMASK, HOST);
    }
    for (number, kind) in [
        (number::FRAMED_IPV6_PREFIX, AddressKind::Link),
        (number::DELEGATED_IPV6_PREFIX, AddressKind::Delegated),
    ] {
        if let Some(prefix) = accept.prefix(kind) {
            let (octets, length) = prefix_octets(prefix);
            reply.attribute(number, &octets[..length]);
        }
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
    for (number, server) in
        [microsoft::PRIMARY_DNS_SERVER, microsoft::SECONDARY_DNS_SERVER].into_iter().zip(accept.dns)
    {
        if let Some(server) = server {
            reply.vendor(microsoft::VENDOR, number, &server.octets());
        }
    }
    ipv6_servers(&mut reply, accept.dns_ipv6);
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

/// Reserved octet, length in bits, and the octets that have one of those bits (RFC 3162 2.3); and
/// how many that are.
fn prefix_octets(prefix: Ipv6Prefix) -> ([u8; LONGEST_PREFIX], usize) {
    let mut octets = [0; LONGEST_PREFIX];
    octets[1] = prefix.prefix_len();
    octets[2..].copy_from_slice(&prefix.bits().to_be_bytes());
    (octets, 2 + usize::from(prefix.prefix_len()).div_ceil(8))
}

/// All in one attribute for 3GPP gateways (TS 29.061 16.4.7.2-17), one in each for others (RFC 6911
/// 3.2).
fn ipv6_servers(reply: &mut Encoder<'_>, servers: [Option<Ipv6Addr>; 2]) {
    let mut all = [0; 32];
    let mut length = 0;
    for server in servers.into_iter().flatten() {
        all[length..length + 16].copy_from_slice(&server.octets());
        length += 16;
        reply.attribute(number::DNS_SERVER_IPV6_ADDRESS, &server.octets());
    }
    if length > 0 {
        reply.vendor(tgpp::VENDOR, tgpp::IPV6_DNS_SERVERS, &all[..length]);
    }
}

/// Access-Reject: the reason, and nothing of the request but its Proxy-States. RADIUS/1.1 has an
/// Error-Cause beside it, 501: administratively prohibited (RFC 9765 6.4).
pub fn reject(
    buf: &mut [u8],
    request: &Datagram<'_>,
    reason: RejectReason,
    version: RadiusVersion,
) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(buf, Code::ACCESS_REJECT, request.identifier());
    reply.message_authenticator().attribute(number::REPLY_MESSAGE, reason.moniker().as_bytes());
    if reason.is_by_policy() || version == RadiusVersion::V1_1 {
        reply.integer(number::ERROR_CAUSE, error_cause::ADMINISTRATIVELY_PROHIBITED);
    }
    reply.copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

/// Accounting-Response: a receipt and nothing else; signed twice only if the request was.
pub fn receipt(buf: &mut [u8], request: &Datagram<'_>) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(buf, Code::ACCOUNTING_RESPONSE, request.identifier());
    if request.message_authenticator() == MessageAuthenticator::Present {
        reply.message_authenticator();
    }
    reply.copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

/// The answer to Status-Server: the code that the port is used to, a Message-Authenticator, and the
/// Proxy-States (RFC 5997 3).
pub fn alive(buf: &mut [u8], request: &Datagram<'_>, code: Code) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(buf, code, request.identifier());
    reply.message_authenticator().copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

/// What a stream is answered where no other reply fits (RFC 7930 4): why not, and to which code. A
/// packet of RADIUS/1.1 needs no code, its Token says enough (RFC 9765 6.3).
pub fn protocol_error(
    buf: &mut [u8],
    request: &Datagram<'_>,
    cause: u32,
    version: RadiusVersion,
) -> Result<Draft, TooLong> {
    let mut reply = Encoder::new(buf, Code::PROTOCOL_ERROR, request.identifier());
    reply.message_authenticator();
    if version == RadiusVersion::V1_0 {
        let (parent, original) = (number::EXTENDED_ATTRIBUTE_1, number::ORIGINAL_PACKET_CODE);
        reply.extended(parent, original, &u32::from(request.code().0).to_be_bytes());
    }
    reply.integer(number::ERROR_CAUSE, cause).copy(request, number::PROXY_STATE);
    reply.draft_reply(request.authenticator())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aaa::Class;
    use crate::identity::GroupId;
    use crate::wire::Secret;

    /// A request with so many octets of Proxy-State.
    fn request(code: Code, octets: usize) -> Vec<u8> {
        let mut buffer = vec![0; LONGEST];
        let mut packet = Encoder::new(&mut buffer, code, 7);
        packet.message_authenticator();
        let mut left = octets;
        while left > 0 {
            // None may be left for which two octets of head are too much.
            let one = if left > 255 { 200 } else { left };
            packet.attribute(number::PROXY_STATE, &vec![0x5a; one - 2]);
            left -= one;
        }
        let length = packet.finish_request(&Secret::new(b"secret"), [9; 16]).unwrap();
        buffer.truncate(length);
        buffer
    }

    /// Judging in advance must say what writing the longest reply would.
    #[test]
    fn room_is_judged_as_the_longest_replies_need_it() {
        let ip = Ipv4Addr::new(100, 64, 0, 1);
        let fullest = Accept {
            addresses: [
                ip.into(),
                "2001:db8:1:2::/64".parse().unwrap(),
                "2001:db8:1:fffe::/63".parse().unwrap(),
            ]
            .into_iter()
            .collect(),
            class: Class::new(1),
            group: GroupId::new(0),
            session_timeout_s: 1,
            idle_timeout_s: 1,
            interim_interval_s: 60,
            dns: [Some(ip); 2],
            dns_ipv6: [Some(Ipv6Addr::LOCALHOST); 2],
        };
        let moniker = "m".repeat(Moniker::MAX);
        let names = VendorNames { vendor: 32473, vslice: &moniker, group: &moniker };
        let mut buf = [0; LONGEST];
        for octets in [0, 3, 100, 1000].into_iter().chain(3800..=4050) {
            let datagram = request(Code::ACCESS_REQUEST, octets);
            let datagram = Datagram::frame(&datagram).unwrap();
            assert_eq!(
                has_room(&datagram, false),
                accept(&mut buf, &datagram, &fullest, None).is_ok(),
                "{octets}"
            );
            assert_eq!(
                has_room(&datagram, true),
                accept(&mut buf, &datagram, &fullest, Some(names)).is_ok(),
                "{octets} with names"
            );
            if has_room(&datagram, false) {
                for reason in RejectReason::ALL {
                    assert!(
                        reject(&mut buf, &datagram, reason, RadiusVersion::V1_1).is_ok(),
                        "{octets} {reason:?}"
                    );
                }
            }
            let datagram = request(Code::ACCOUNTING_REQUEST, octets);
            let datagram = Datagram::frame(&datagram).unwrap();
            assert_eq!(
                has_room(&datagram, false),
                receipt(&mut buf, &datagram).is_ok(),
                "{octets} of accounting"
            );
        }
    }
}
