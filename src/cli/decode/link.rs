//! What a captured frame holds: the headers of the link, of IP and of UDP are taken off here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice, UdpSlice};

/// The kind of link a frame was captured on: a LINKTYPE number of the registry at tcpdump.org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link(pub(super) u32);

impl Link {
    pub(super) const NULL: Self = Self(0);
    pub(super) const ETHERNET: Self = Self(1);
    pub(super) const RAW: Self = Self(101);
    pub(super) const LOOP: Self = Self(108);
    pub(super) const LINUX_SLL: Self = Self(113);
    pub(super) const IPV4: Self = Self(228);
    pub(super) const IPV6: Self = Self(229);
    pub(super) const LINUX_SLL2: Self = Self(276);
    /// What RAW was called on BSD systems, and still is on some.
    const RAW_BSD: [Self; 2] = [Self(12), Self(14)];
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link type {}", self.0)
    }
}

/// What a frame turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Udp(Udp<'a>),
    /// A piece of a UDP datagram; pieces are not put together.
    Fragment(Fragment),
    /// UDP, but what was captured ends before its ports.
    TooShort {
        source: IpAddr,
        destination: IpAddr,
    },
    /// Anything that is not UDP.
    Other,
    /// A link whose headers are not known here.
    UnknownLink,
}

/// A UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Udp<'a> {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) vlans: Vec<u16>,
    pub(super) payload: &'a [u8],
    /// Octets of the payload when it was sent: more than were captured, if a snap length has cut
    /// it.
    pub(super) length: usize,
}

/// A piece of a UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Of its first octet within the datagram.
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// Takes off the headers.
pub(super) fn open(link: Link, frame: &[u8]) -> Content<'_> {
    let sliced = match link {
        Link::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok(),
        Link::LINUX_SLL => cooked(frame, 14, 16),
        Link::LINUX_SLL2 => cooked(frame, 0, 20),
        Link::RAW | Link::IPV4 | Link::IPV6 => LaxSlicedPacket::from_ip(frame).ok(),
        link if Link::RAW_BSD.contains(&link) => LaxSlicedPacket::from_ip(frame).ok(),
        // Four octets name the protocol, in an order that depends on the machine; the IP version
        // says the same.
        Link::NULL | Link::LOOP => frame.get(4..).and_then(|ip| LaxSlicedPacket::from_ip(ip).ok()),
        _ => return Content::UnknownLink,
    };
    sliced.map_or(Content::Other, |packet| content(&packet))
}

/// The datagram in a frame of which nobody has said the link, as in a hex dump.
pub(super) fn guess(frame: &[u8]) -> Option<Content<'_>> {
    let is_ip = frame.first().is_some_and(|first| matches!(first >> 4, 4 | 6));
    let with_a_link = [Link::ETHERNET, Link::LINUX_SLL, Link::LINUX_SLL2, Link::NULL];
    let links = is_ip.then_some(Link::RAW).into_iter().chain(with_a_link);
    links.map(|link| open(link, frame)).find(|content| *content != Content::Other)
}

/// A Linux cooked header: where it keeps the EtherType, and how long it is.
fn cooked(frame: &[u8], protocol_at: usize, length: usize) -> Option<LaxSlicedPacket<'_>> {
    let protocol = u16::from_be_bytes(*frame.get(protocol_at..)?.first_chunk()?);
    Some(LaxSlicedPacket::from_ether_type(EtherType(protocol), frame.get(length..)?))
}

fn content<'a>(packet: &LaxSlicedPacket<'a>) -> Content<'a> {
    let Some(net) = &packet.net else { return Content::Other };
    let (source, destination, offset): (IpAddr, IpAddr, usize) = match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let offset = usize::from(header.fragments_offset().value()) * 8;
            (header.source_addr().into(), header.destination_addr().into(), offset)
        }
        LaxNetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
            offset_of_ipv6(ip),
        ),
        LaxNetSlice::Arp(_) => return Content::Other,
    };
    let Some(payload) = net.ip_payload_ref() else { return Content::Other };
    if payload.ip_number != IpNumber::UDP {
        return Content::Other;
    }
    if payload.fragmented {
        return Content::Fragment(Fragment {
            source,
            destination,
            offset,
            length: payload.payload.len(),
        });
    }
    match &packet.transport {
        Some(TransportSlice::Udp(udp)) => Content::Udp(Udp {
            source: (source, udp.source_port()).into(),
            destination: (destination, udp.destination_port()).into(),
            vlans: packet.vlan_ids().iter().map(|vlan| vlan.value()).collect(),
            payload: udp.payload(),
            length: length(udp),
        }),
        _ => Content::TooShort { source, destination },
    }
}

fn length(udp: &UdpSlice<'_>) -> usize {
    const HEADER: usize = 8;
    usize::from(udp.length()).saturating_sub(HEADER).max(udp.payload().len())
}

fn offset_of_ipv6(ip: &etherparse::LaxIpv6Slice<'_>) -> usize {
    let fragments = ip.extensions().clone().into_iter().filter_map(|extension| match extension {
        etherparse::Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment.fragment_offset()),
        _ => None,
    });
    fragments.last().map_or(0, |offset| usize::from(offset.value()) * 8)
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn ip(payload: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(40000, 1812);
        builder.write(&mut octets, payload).unwrap();
        octets
    }

    #[test]
    fn every_link_is_taken_off() {
        let plain = ip(b"hello");
        let behind = |header: &[u8]| [header, &plain].concat();
        let cases = [
            (Link::RAW, plain.clone(), vec![]),
            (Link(12), plain.clone(), vec![]),
            (Link(14), plain.clone(), vec![]),
            (Link::IPV4, plain.clone(), vec![]),
            (Link::ETHERNET, behind(b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x00"), vec![]),
            (
                Link::ETHERNET,
                behind(b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x81\x00\x00\x07\x08\x00"),
                vec![7],
            ),
            (Link::LINUX_SLL, behind(b"\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\x00"), vec![]),
            (
                Link::LINUX_SLL2,
                behind(b"\x08\x00\0\0\0\0\0\x01\0\x01\0\x06\x02\0\0\0\0\x01\0\0"),
                vec![],
            ),
            (Link::NULL, behind(b"\x02\0\0\0"), vec![]),
            (Link::LOOP, behind(b"\0\0\0\x02"), vec![]),
        ];
        for (link, frame, vlans) in cases {
            let expected = Udp {
                source: "192.0.2.1:40000".parse().unwrap(),
                destination: "192.0.2.2:1812".parse().unwrap(),
                vlans,
                payload: b"hello",
                length: 5,
            };
            assert_eq!(open(link, &frame), Content::Udp(expected.clone()), "{link}");
            assert_eq!(guess(&frame), Some(Content::Udp(expected)), "{link}");
        }
        assert_eq!(open(Link(105), &plain), Content::UnknownLink);
    }

    #[test]
    fn ipv6_is_ip_too() {
        let mut frame = Vec::new();
        PacketBuilder::ipv6([0xFE; 16], [0xFD; 16], 64)
            .udp(40000, 1813)
            .write(&mut frame, b"hello")
            .unwrap();
        let Content::Udp(udp) = open(Link::IPV6, &frame) else { panic!("no UDP") };
        assert_eq!(udp.destination.to_string(), "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:1813");
    }

    #[test]
    fn what_a_snap_length_has_cut_is_known_as_cut() {
        let frame = ip(b"hello");
        let Content::Udp(udp) = open(Link::RAW, &frame[..frame.len() - 2]) else {
            panic!("no UDP")
        };
        assert_eq!((udp.payload, udp.length), (&b"hel"[..], 5));
        let too_short = open(Link::RAW, &frame[..24]);
        assert!(matches!(too_short, Content::TooShort { .. }), "{too_short:?}");
    }

    #[test]
    fn a_fragment_is_known_by_its_place() {
        let mut frame = ip(b"hello");
        let [source, destination] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        // More fragments follow the first; the other is the last.
        for (flags, offset) in [([0x20, 0], 0), ([0, 185], 1480)] {
            frame[6..8].copy_from_slice(&flags);
            let fragment = Fragment { source, destination, offset, length: 13 };
            assert_eq!(open(Link::RAW, &frame), Content::Fragment(fragment));
        }
    }

    #[test]
    fn other_traffic_is_none_of_ours() {
        let mut frame = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .tcp(1812, 1812, 0, 0)
            .write(&mut frame, b"")
            .unwrap();
        assert_eq!(open(Link::RAW, &frame), Content::Other);
        assert_eq!(open(Link::ETHERNET, b"short"), Content::Other);
    }
}
