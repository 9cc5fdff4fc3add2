//! Frames out of a capture file, pcap or pcapng.
//!
//! The two formats are read here: the crate that writes captures refuses files that are in order,
//! such as those of `tcpdump -s 96`, and a comment that is not UTF-8 makes the whole file
//! unreadable to it.

use std::io::{self, Read};

use super::link::Link;
use crate::cli::outcome::CommandError;
use crate::time::Timestamp;

/// No frame and no block is longer; a length beyond it is damage, and must not become an
/// allocation.
const LONGEST: usize = 16 << 20;

/// The capture formats, with the first four octets of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaptureFormat {
    Pcap(Pcap),
    PcapNg,
}

/// The variants of pcap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pcap {
    order: Order,
    /// Of the second part of a time.
    nanoseconds: bool,
    /// Octets of the header of a record.
    header: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

/// One frame as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) link: Link,
    pub(super) at: Option<Timestamp>,
    pub(super) octets: &'a [u8],
}

impl CaptureFormat {
    /// What a file that begins like this is.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        let magic = *beginning.first_chunk()?;
        if u32::from_be_bytes(magic) == SECTION {
            return Some(Self::PcapNg);
        }
        let pcap = |order: Order| {
            let (nanoseconds, header) = match order.u32(magic) {
                0xA1B2_C3D4 => (false, 16),
                0xA1B2_3C4D => (true, 16),
                // With the interface and the kind of packet behind the lengths.
                0xA1B2_CD34 => (false, 24),
                _ => return None,
            };
            Some(Self::Pcap(Pcap { order, nanoseconds, header }))
        };
        pcap(Order::Big).or_else(|| pcap(Order::Little))
    }
}

impl Order {
    fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(octets),
            Self::Little => u16::from_le_bytes(octets),
        }
    }

    fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(octets),
            Self::Little => u32::from_le_bytes(octets),
        }
    }
}

/// What `read` hands every frame to.
trait Take: FnMut(Frame<'_>) -> Result<(), CommandError> {}

impl<F: FnMut(Frame<'_>) -> Result<(), CommandError>> Take for F {}

/// Hands every frame to `take`.
///
/// # Errors
/// A file that is damaged or ends within a frame, after its whole frames were handed over; and
/// whatever `take` gives.
pub(super) fn read(
    format: CaptureFormat,
    file: impl Read,
    mut take: impl FnMut(Frame<'_>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let source = Source { file };
    match format {
        CaptureFormat::Pcap(pcap) => source.pcap(pcap, &mut take),
        CaptureFormat::PcapNg => source.pcapng(&mut take),
    }
}

fn damaged(what: impl std::fmt::Display) -> CommandError {
    CommandError::failed(format!(
        "the capture is damaged or cut off here: {what}; packets before this point are complete"
    ))
}

struct Source<R> {
    file: R,
}

impl<R: Read> Source<R> {
    /// As many octets as wanted; `None` at the end of the file.
    fn fill(&mut self, room: &mut [u8]) -> Result<Option<()>, CommandError> {
        let mut filled = 0;
        while filled < room.len() {
            match self.file.read(&mut room[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => {
                    return Err(damaged(format_args!("{filled} of {} octets came", room.len())));
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(Some(()))
    }

    /// The octets that must follow, in `room`.
    fn expect(&mut self, room: &mut Vec<u8>, length: usize) -> Result<(), CommandError> {
        if length > LONGEST {
            return Err(damaged(format_args!("a length of {length} octets")));
        }
        room.resize(length, 0);
        match self.fill(room)? {
            None if length > 0 => Err(damaged(format_args!("0 of {length} octets came"))),
            _ => Ok(()),
        }
    }

    fn pcap(mut self, pcap: Pcap, take: &mut impl Take) -> Result<(), CommandError> {
        let Pcap { order, nanoseconds, header } = pcap;
        let mut room = Vec::new();
        self.expect(&mut room, 24)?;
        // The upper bits say whether frames have their check sequence behind them.
        let link = Link(word(order, &room, 20)? & 0x0FFF_FFFF);
        let mut head = vec![0; header];
        while self.fill(&mut head)?.is_some() {
            let (seconds, part) = (word(order, &head, 0)?, word(order, &head, 4)?);
            let micros = if nanoseconds { part / 1000 } else { part };
            self.expect(&mut room, word(order, &head, 8)? as usize)?;
            let at = Timestamp::from_micros(u64::from(seconds) * 1_000_000 + u64::from(micros));
            take(Frame { link, at: Some(at), octets: &room })?;
        }
        Ok(())
    }

    fn pcapng(mut self, take: &mut impl Take) -> Result<(), CommandError> {
        let mut section = Section { order: Order::Little, interfaces: Vec::new() };
        let mut head = [0; 8];
        let mut body = Vec::new();
        while self.fill(&mut head)?.is_some() {
            let [kind, length] =
                [[head[0], head[1], head[2], head[3]], [head[4], head[5], head[6], head[7]]];
            let begins_section = u32::from_be_bytes(kind) == SECTION;
            body.clear();
            if begins_section {
                // Its own byte order stands behind its length.
                self.expect(&mut body, 4)?;
                section = Section::beginning(&body)?;
            }
            let length = section.order.u32(length) as usize;
            let rest = length.checked_sub(12 + body.len());
            let rest = rest.ok_or_else(|| damaged(format_args!("a block of {length} octets")))?;
            // Blocks are multiples of four; whoever wrote another length has padded all the same.
            self.expect(&mut body, rest.next_multiple_of(4))?;
            self.fill(&mut [0; 4])?;
            if !begins_section {
                section.take(section.order.u32(kind), &body, take)?;
            }
        }
        Ok(())
    }
}

/// Types of pcapng blocks. All others say nothing about packets.
const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// What holds for the blocks of one section of a pcapng file.
struct Section {
    order: Order,
    interfaces: Vec<Interface>,
}

/// An interface of a pcapng section. Of its options only those that make times are read: the texts
/// are for people.
#[derive(Clone, Copy)]
struct Interface {
    link: Link,
    snap_length: usize,
    /// Ticks in a second.
    resolution: u128,
    offset_s: i64,
}

impl Section {
    fn beginning(magic: &[u8]) -> Result<Self, CommandError> {
        let order = match magic {
            [0x1A, 0x2B, 0x3C, 0x4D] => Order::Big,
            [0x4D, 0x3C, 0x2B, 0x1A] => Order::Little,
            _ => return Err(damaged("a section in no known byte order")),
        };
        Ok(Self { order, interfaces: Vec::new() })
    }

    fn take(&mut self, kind: u32, body: &[u8], take: &mut impl Take) -> Result<(), CommandError> {
        let word = |at| word(self.order, body, at);
        let half = |at| half(self.order, body, at);
        let (interface, ticks, length, at) = match kind {
            INTERFACE => {
                let interface = Interface::read(self.order, body)?;
                self.interfaces.push(interface);
                return Ok(());
            }
            ENHANCED_PACKET => {
                (word(0)? as usize, Some(ticks(word(4)?, word(8)?)), word(12)? as usize, 20)
            }
            OBSOLETE_PACKET => {
                (half(0)?.into(), Some(ticks(word(4)?, word(8)?)), word(12)? as usize, 20)
            }
            SIMPLE_PACKET => (0, None, word(0)? as usize, 4),
            _ => return Ok(()),
        };
        let Some(interface) = self.interfaces.get(interface) else {
            return Err(damaged(format_args!(
                "a packet of interface {interface}, which was not described"
            )));
        };
        let data = body.get(at..).unwrap_or_default();
        let length = match kind {
            SIMPLE_PACKET => length.min(interface.snap_length).min(data.len()),
            _ => length,
        };
        let octets = data.get(..length).ok_or_else(|| damaged("a packet longer than its block"))?;
        let at = ticks.map(|ticks| interface.time(ticks));
        take(Frame { link: interface.link, at, octets })
    }
}

fn ticks(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl Interface {
    fn read(order: Order, body: &[u8]) -> Result<Self, CommandError> {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        let snap_length = match word(order, body, 4)? {
            0 => LONGEST,
            snap_length => snap_length as usize,
        };
        let link = Link(half(order, body, 0)?.into());
        let mut interface = Self { link, snap_length, resolution: 1_000_000, offset_s: 0 };
        let mut rest = body.get(8..).unwrap_or_default();
        while let Some(([code_0, code_1, length_0, length_1], behind)) = rest.split_first_chunk() {
            let code = order.u16([*code_0, *code_1]);
            let length = usize::from(order.u16([*length_0, *length_1]));
            let Some(value) = behind.get(..length) else { break };
            match (code, value) {
                (0, _) => break,
                (RESOLUTION, [resolution]) => interface.resolution = ticks_of_a_second(*resolution),
                (OFFSET, [_, _, _, _, _, _, _, _]) => {
                    let halves = [word(order, value, 0)?, word(order, value, 4)?];
                    let [high, low] =
                        if order == Order::Big { halves } else { [halves[1], halves[0]] };
                    interface.offset_s = ticks(high, low).cast_signed();
                }
                _ => {}
            }
            rest = behind.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(interface)
    }

    fn time(&self, ticks: u64) -> Timestamp {
        let micros = u128::from(ticks) * 1_000_000 / self.resolution;
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        Timestamp::from_micros(
            micros.saturating_add_signed(self.offset_s.saturating_mul(1_000_000)),
        )
    }
}

/// A power of ten, or with the highest bit a power of two. One that no clock has is taken as the
/// longest that fits.
fn ticks_of_a_second(resolution: u8) -> u128 {
    const BINARY: u8 = 0x80;
    let exponent = u32::from(resolution & !BINARY);
    let base: u128 = if resolution & BINARY == 0 { 10 } else { 2 };
    base.checked_pow(exponent).unwrap_or(u128::MAX)
}

fn word(order: Order, octets: &[u8], at: usize) -> Result<u32, CommandError> {
    let chunk = octets.get(at..).and_then(<[u8]>::first_chunk);
    chunk.map(|chunk| order.u32(*chunk)).ok_or_else(|| damaged("a block that is too short"))
}

fn half(order: Order, octets: &[u8], at: usize) -> Result<u16, CommandError> {
    let chunk = octets.get(at..).and_then(<[u8]>::first_chunk);
    chunk.map(|chunk| order.u16(*chunk)).ok_or_else(|| damaged("a block that is too short"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was read: link, time in microseconds, octets.
    type Seen = Vec<(u32, Option<u64>, Vec<u8>)>;

    fn seen(file: &[u8]) -> (Seen, Result<(), CommandError>) {
        let mut seen = Vec::new();
        let format = CaptureFormat::of(file).expect("a capture");
        let end = read(format, file, |Frame { link, at, octets }| {
            seen.push((link.0, at.map(Timestamp::micros), octets.to_vec()));
            Ok(())
        });
        (seen, end)
    }

    fn pcap(
        magic: u32,
        snap_length: u32,
        link: u32,
        part: u32,
        original: u32,
        frame: &[u8],
    ) -> Vec<u8> {
        let head =
            [magic, 0x0004_0002, 0, 0, snap_length, link, 1, part, frame.len() as u32, original];
        let mut file: Vec<u8> = head.into_iter().flat_map(u32::to_le_bytes).collect();
        if magic == 0xA1B2_CD34 {
            file.extend([0; 8]);
        }
        file.extend(frame);
        file
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut padded = body.to_vec();
        padded.resize(body.len().next_multiple_of(4), 0);
        let length = (padded.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &padded, &length].concat()
    }

    fn section() -> Vec<u8> {
        block(SECTION, b"\x4D\x3C\x2B\x1A\x01\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")
    }

    /// Codes of options and their values.
    type Options<'a> = &'a [(u16, &'a [u8])];

    fn interface(options: Options<'_>) -> Vec<u8> {
        let mut body = vec![101, 0, 0, 0, 0, 0, 0, 0];
        for (code, value) in options {
            body.extend(code.to_le_bytes());
            body.extend((value.len() as u16).to_le_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        block(INTERFACE, &body)
    }

    fn enhanced(ticks: u64, original: u32, frame: &[u8]) -> Vec<u8> {
        let words = [0, (ticks >> 32) as u32, ticks as u32, frame.len() as u32, original];
        let body: Vec<u8> =
            words.into_iter().flat_map(u32::to_le_bytes).chain(frame.iter().copied()).collect();
        block(ENHANCED_PACKET, &body)
    }

    #[test]
    fn every_variant_of_pcap_is_read_whatever_the_snap_length() {
        let cases = [
            (0xA1B2_C3D4, 65_535, 500_000, 5),
            (0xA1B2_3C4D, 65_535, 500_000_000, 5),
            (0xA1B2_CD34, 65_535, 500_000, 5),
            // A frame longer than the snap length, one cut by it, and none given.
            (0xA1B2_C3D4, 3, 500_000, 5),
            (0xA1B2_C3D4, 5, 500_000, 9000),
            (0xA1B2_C3D4, 0, 500_000, 5),
        ];
        for (magic, snap_length, part, original) in cases {
            let file = pcap(magic, snap_length, 0xF000_0001, part, original, b"hello");
            let expected = vec![(1, Some(1_500_000), b"hello".to_vec())];
            assert_eq!(seen(&file), (expected, Ok(())), "{magic:x}, {snap_length}");
        }
        let mut swapped = pcap(0xA1B2_C3D4, 0, 1, 0, 5, b"");
        swapped[..40].as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
        assert_eq!(seen(&swapped), (vec![(1, Some(1_000_000), vec![])], Ok(())));
    }

    #[test]
    fn texts_of_pcapng_may_hold_anything() {
        const NAME: u16 = 2;
        const ZONE: u16 = 10;
        const COMMENT: u16 = 1;
        let options: [Options<'_>; 4] = [
            &[(COMMENT, b"caf\xE9")],
            &[(NAME, b"\xFF\xFE")],
            &[(ZONE, b"\0\0\0\0")],
            &[(ZONE, b"\0"), (NAME, b"lo")],
        ];
        for options in options {
            let file = [section(), interface(options), enhanced(1_500_000, 5, b"hello")].concat();
            assert_eq!(
                seen(&file),
                (vec![(101, Some(1_500_000), b"hello".to_vec())], Ok(())),
                "{options:?}"
            );
        }
    }

    #[test]
    fn ticks_are_as_long_as_the_interface_says() {
        let cases: [(Options<'_>, u64, u64); 5] = [
            (&[], 1_500_000, 1_500_000),
            (&[(9, &[9])], 1_500_000_000, 1_500_000),
            (&[(9, &[3])], 1500, 1_500_000),
            (&[(9, &[0x81])], 3, 1_500_000),
            (&[(14, &[2, 0, 0, 0, 0, 0, 0, 0])], 1_500_000, 3_500_000),
        ];
        for (options, ticks, micros) in cases {
            let file = [section(), interface(options), enhanced(ticks, 5, b"hello")].concat();
            assert_eq!(seen(&file).0[0].1, Some(micros), "{options:?}");
        }
    }

    #[test]
    fn every_kind_of_pcapng_packet_is_read_and_other_blocks_are_not_minded() {
        let simple = block(SIMPLE_PACKET, b"\x05\0\0\0hello");
        let obsolete =
            block(OBSOLETE_PACKET, b"\0\0\0\0\0\0\0\0\x07\0\0\0\x05\0\0\0\x05\0\0\0hello");
        let other = block(0x0BAD, b"whatever");
        let file = [section(), interface(&[]), simple, other, obsolete, section(), interface(&[])]
            .concat();
        let hello = |at| (101, at, b"hello".to_vec());
        assert_eq!(seen(&file), (vec![hello(None), hello(Some(7))], Ok(())));
        // A section knows its own interfaces only.
        let (seen, end) = seen(&[file, section(), enhanced(1, 5, b"hello")].concat());
        assert_eq!(seen.len(), 2);
        assert!(matches!(end, Err(CommandError::Told(_, what)) if what.contains("interface 0")));
    }

    #[test]
    fn a_cut_file_gives_what_is_whole() {
        let file = pcap(0xA1B2_C3D4, 0, 101, 0, 5, b"hello");
        for kept in 1..file.len() - 24 {
            let (seen, end) = seen(&[&file[..], &file[24..24 + kept]].concat());
            assert_eq!(seen.len(), 1);
            assert_eq!(end.is_err(), kept < file.len() - 24);
        }
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic(at in 0_usize..400, octet: u8, cut in 4_usize..400) {
            let pcapng = [section(), interface(&[(9, &[9])]), enhanced(1, 5, b"hello")].concat();
            for mut file in [pcap(0xA1B2_C3D4, 0, 1, 1, 5, b"hello"), pcapng] {
                let format = CaptureFormat::of(&file).expect("a capture");
                let length = file.len();
                file[at % length] = octet;
                let _ = read(format, &file[..], |_| Ok(()));
                let _ = read(format, &file[..cut.min(length)], |_| Ok(()));
            }
        }
    }
}
