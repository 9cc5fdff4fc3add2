//! UDP datagrams out of a capture file, whatever link it was taken on.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_file::DataLink;
use pcap_file::PcapError;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::{Block, PcapNgReader};

use crate::cli::outcome::Failure;
use crate::time::Timestamp;

/// pcap-file has no name for the second Linux cooked format (LINKTYPE_LINUX_SLL2).
const LINUX_SLL2: DataLink = DataLink::Unknown(276);

/// A capture file begins with one of these: pcap in either byte order, with micro- or nanoseconds; or pcapng.
const PCAP: [[u8; 4]; 4] = [[0xA1, 0xB2, 0xC3, 0xD4], [0xD4, 0xC3, 0xB2, 0xA1], [0xA1, 0xB2, 0x3C, 0x4D], [0x4D, 0x3C, 0xB2, 0xA1]];
const PCAPNG: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];

/// The two capture formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pcap,
    PcapNg,
}

impl Format {
    /// What a file that begins like this is.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        match beginning.first_chunk::<4>()? {
            magic if PCAP.contains(magic) => Some(Self::Pcap),
            magic if *magic == PCAPNG => Some(Self::PcapNg),
            _ => None,
        }
    }
}

/// One UDP datagram as it was seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Captured<'a> {
    pub(super) at: Option<Timestamp>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) payload: &'a [u8],
}

/// What a frame turned out to hold.
enum Frame<'a> {
    Datagram(SocketAddr, SocketAddr, &'a [u8]),
    /// A piece of a datagram; pieces are not put together here.
    Fragment,
    Other,
}

/// Hands every datagram to `take`, and says how many fragments were passed over.
pub(super) fn read(format: Format, file: impl Read, mut take: impl FnMut(Captured<'_>) -> Result<(), Failure>) -> Result<usize, Failure> {
    let mut fragments = 0;
    let mut sort = |link: DataLink, at: Option<Timestamp>, frame: &[u8]| match open(link, frame) {
        Frame::Datagram(source, destination, payload) => take(Captured { at, source, destination, payload }),
        Frame::Fragment => {
            fragments += 1;
            Ok(())
        }
        Frame::Other => Ok(()),
    };
    match format {
        Format::Pcap => {
            let mut reader = PcapReader::new(file).map_err(broken)?;
            let link = reader.header().datalink;
            while let Some(packet) = reader.next_packet() {
                let packet = packet.map_err(broken)?;
                let at = Timestamp::from_micros(packet.timestamp.as_micros() as u64);
                sort(link, Some(at), &packet.data)?;
            }
        }
        Format::PcapNg => {
            let mut reader = PcapNgReader::new(file).map_err(broken)?;
            while let Some(block) = reader.next_block() {
                let (interface, ticks, frame) = match block.map_err(broken)? {
                    Block::EnhancedPacket(packet) => (packet.interface_id, Some(packet.timestamp.as_nanos()), packet.data.into_owned()),
                    Block::SimplePacket(packet) => (0, None, packet.data.into_owned()),
                    _ => continue,
                };
                let Some(interface) = reader.interfaces().get(interface as usize) else { continue };
                sort(interface.linktype, ticks.map(|ticks| timestamp(ticks, interface)), &frame)?;
            }
        }
    }
    Ok(fragments)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn broken(error: PcapError) -> Failure {
    Failure::failed(format!("the capture is damaged or cut off here: {error}; packets before this point are complete"))
}

/// pcapng counts ticks of a length that the interface declares; pcap-file hands them on as nanoseconds.
fn timestamp(ticks: u128, interface: &InterfaceDescriptionBlock<'_>) -> Timestamp {
    const BINARY: u8 = 0x80;
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    // Microseconds unless said otherwise.
    let resolution = resolution.unwrap_or(6);
    let exponent = u32::from(resolution & !BINARY);
    let base: u128 = if resolution & BINARY == 0 { 10 } else { 2 };
    let micros = base.checked_pow(exponent).map_or(0, |a_second| ticks * 1_000_000 / a_second);
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

/// Takes off the headers of the link, of IP and of UDP.
fn open(link: DataLink, frame: &[u8]) -> Frame<'_> {
    let sliced = match link {
        DataLink::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok(),
        DataLink::LINUX_SLL => cooked(frame, 14, 16),
        LINUX_SLL2 => cooked(frame, 0, 20),
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => LaxSlicedPacket::from_ip(frame).ok(),
        // Four octets name the protocol, in an order that depends on the machine; the IP version says the same.
        DataLink::NULL | DataLink::LOOP => frame.get(4..).and_then(|ip| LaxSlicedPacket::from_ip(ip).ok()),
        _ => None,
    };
    sliced.map_or(Frame::Other, |packet| datagram(&packet))
}

/// A Linux cooked header: where it keeps the EtherType, and how long it is.
fn cooked(frame: &[u8], protocol_at: usize, length: usize) -> Option<LaxSlicedPacket<'_>> {
    let protocol = u16::from_be_bytes(*frame.get(protocol_at..)?.first_chunk()?);
    Some(LaxSlicedPacket::from_ether_type(EtherType(protocol), frame.get(length..)?))
}

fn datagram<'a>(packet: &LaxSlicedPacket<'a>) -> Frame<'a> {
    let (source, destination): (IpAddr, IpAddr) = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        Some(LaxNetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        _ => return Frame::Other,
    };
    match &packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            Frame::Datagram((source, udp.source_port()).into(), (destination, udp.destination_port()).into(), udp.payload())
        }
        _ if packet.net.as_ref().and_then(LaxNetSlice::ip_payload_ref).is_some_and(|payload| payload.fragmented) => Frame::Fragment,
        _ => Frame::Other,
    }
}
