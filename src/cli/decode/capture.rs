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
        DataLink::LINUX_SLL2 => cooked(frame, 0, 20),
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use etherparse::PacketBuilder;
    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use proptest::prelude::*;

    use super::*;

    const FROM: &str = "192.0.2.1:40000";
    const TO: &str = "192.0.2.2:1812";

    /// What was read: times in microseconds, addresses, payloads; and the fragments passed over.
    type Seen = (Vec<(Option<u64>, String, String, Vec<u8>)>, usize);

    fn seen(format: Format, file: &[u8]) -> Result<Seen, Failure> {
        let mut seen = Vec::new();
        let fragments = read(format, file, |Captured { at, source, destination, payload }| {
            seen.push((at.map(Timestamp::micros), source.to_string(), destination.to_string(), payload.to_vec()));
            Ok(())
        })?;
        Ok((seen, fragments))
    }

    fn ip(payload: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(40000, 1812).write(&mut octets, payload).unwrap();
        octets
    }

    fn pcap(link: DataLink, frame: &[u8]) -> Vec<u8> {
        let header = PcapHeader { datalink: link, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        let length = frame.len() as u32;
        writer.write_packet(&PcapPacket::new(std::time::Duration::from_micros(1_735_689_600_123_456), length, frame)).unwrap();
        writer.into_writer()
    }

    fn pcapng(resolution: Option<u8>, ticks: u64) -> Vec<u8> {
        let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
        let options = resolution.map(InterfaceDescriptionOption::IfTsResol).into_iter().collect();
        writer.write_pcapng_block(InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options }).unwrap();
        let data = ip(b"hello");
        let original_len = data.len() as u32;
        let timestamp = std::time::Duration::from_nanos(ticks);
        let block = EnhancedPacketBlock { interface_id: 0, timestamp, original_len, data: Cow::Owned(data), options: vec![] };
        writer.write_pcapng_block(block).unwrap();
        writer.into_inner()
    }

    #[test]
    fn every_link_is_taken_off() {
        let plain = ip(b"hello");
        let behind = |header: &[u8]| [header, &plain].concat();
        let cases = [
            (DataLink::RAW, plain.clone()),
            (DataLink::IPV4, plain.clone()),
            (DataLink::ETHERNET, behind(b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x00")),
            // A VLAN between.
            (DataLink::ETHERNET, behind(b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x81\x00\x00\x07\x08\x00")),
            (DataLink::LINUX_SLL, behind(b"\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\x00")),
            (DataLink::LINUX_SLL2, behind(b"\x08\x00\0\0\0\0\0\x01\0\x01\0\x06\x02\0\0\0\0\x01\0\0")),
            (DataLink::NULL, behind(b"\x02\0\0\0")),
            (DataLink::LOOP, behind(b"\0\0\0\x02")),
        ];
        for (link, frame) in cases {
            let expected = (Some(1_735_689_600_123_456), FROM.to_owned(), TO.to_owned(), b"hello".to_vec());
            assert_eq!(seen(Format::Pcap, &pcap(link, &frame)), Ok((vec![expected], 0)), "{link:?}");
        }
        assert_eq!(seen(Format::Pcap, &pcap(DataLink::IEEE802_11, &plain)), Ok((vec![], 0)));
    }

    #[test]
    fn ipv6_is_ip_too() {
        let mut frame = Vec::new();
        let (from, to) = ([0xFE; 16], [0xFD; 16]);
        PacketBuilder::ipv6(from, to, 64).udp(40000, 1813).write(&mut frame, b"hello").unwrap();
        let (seen, _) = seen(Format::Pcap, &pcap(DataLink::RAW, &frame)).unwrap();
        assert_eq!(seen[0].2, "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:1813");
    }

    #[test]
    fn a_fragment_is_counted() {
        let mut frame = ip(b"hello");
        // More fragments follow.
        frame[6] |= 0x20;
        assert_eq!(seen(Format::Pcap, &pcap(DataLink::RAW, &frame)), Ok((vec![], 1)));
    }

    #[test]
    fn ticks_are_as_long_as_the_interface_says() {
        let cases =
            [(None, 1_500_000, 1_500_000), (Some(9), 1_500_000_000, 1_500_000), (Some(3), 1500, 1_500_000), (Some(0x81), 3, 1_500_000)];
        for (resolution, ticks, micros) in cases {
            let (seen, _) = seen(Format::PcapNg, &pcapng(resolution, ticks)).unwrap();
            assert_eq!((seen[0].0, &seen[0].3[..]), (Some(micros), &b"hello"[..]), "{resolution:?}");
        }
    }

    #[test]
    fn a_cut_file_gives_what_is_whole() {
        let file = pcap(DataLink::RAW, &ip(b"hello"));
        let twice = [&file[..], &file[24..file.len() - 1]].concat();
        let mut count = 0;
        let cut = read(Format::Pcap, &twice[..], |_| {
            count += 1;
            Ok(())
        });
        assert!(matches!(cut, Err(Failure::Told(..))));
        assert_eq!(count, 1);
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0_usize..400, octet: u8, cut in 0_usize..400) {
            for (format, mut file) in [(Format::Pcap, pcap(DataLink::ETHERNET, &ip(b"hello"))), (Format::PcapNg, pcapng(Some(9), 1))] {
                let length = file.len();
                file[at % length] = octet;
                let _ = seen(format, &file);
                let _ = seen(format, &file[..cut % length]);
            }
        }
    }
}
