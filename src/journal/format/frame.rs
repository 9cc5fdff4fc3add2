//! One record as it lies on disk: a head of fixed size with a checksum, then the payload.

use std::fmt;

/// Octets before the payload: checksum 4, payload length 3, kind 1, key 8, version 8, all
/// little-endian.
pub(crate) const HEAD: usize = 24;

/// What the three octets of the length can say.
const MAX_PAYLOAD: usize = (1 << 24) - 1;

/// The number of a sort of record. 0 and 255 are the engine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKind(pub u8);

impl RecordKind {
    /// Stands at the head of every group of records that were written together: see
    /// [`GroupHeader`].
    pub(crate) const GROUP: Self = Self(0);
    /// The last record of a snapshot; its version counts the records before it.
    pub(crate) const END: Self = Self(255);
}

/// A record as the engine sees it: the newest version of a key wins, and the payload is none of its
/// business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramedRecord<'a> {
    pub kind: RecordKind,
    pub key: u64,
    pub version: u64,
    pub payload: &'a [u8],
}

/// A payload of 16 MiB or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record of 16 MiB or more cannot be journalled")
    }
}

impl std::error::Error for TooLarge {}

/// Appends one record to `buffer`; `payload` writes its octets behind what is there. On an error
/// nothing is appended.
pub(crate) fn append(
    buffer: &mut Vec<u8>,
    kind: RecordKind,
    key: u64,
    version: u64,
    payload: impl FnOnce(&mut Vec<u8>),
) -> Result<(), TooLarge> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    payload(buffer);
    let length = buffer.len() - start - HEAD;
    if length > MAX_PAYLOAD {
        buffer.truncate(start);
        return Err(TooLarge);
    }
    let frame = &mut buffer[start..];
    frame[4..8].copy_from_slice(&(length as u32 | u32::from(kind.0) << 24).to_le_bytes());
    frame[8..16].copy_from_slice(&key.to_le_bytes());
    frame[16..24].copy_from_slice(&version.to_le_bytes());
    let checksum = crc32fast::hash(&frame[4..]);
    frame[..4].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// What stands at the front of some octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A whole record, checksum verified, and how many octets it takes.
    Whole(FramedRecord<'a>, usize),
    /// The record needs at least so many octets.
    Short(usize),
    /// No record: the checksum does not match.
    Bad,
}

/// Reads and verifies the record at the front of `octets`.
pub(crate) fn read(octets: &[u8]) -> Parsed<'_> {
    let Some(head) = octets.first_chunk::<HEAD>() else { return Parsed::Short(HEAD) };
    let total = HEAD + payload_length(head);
    let Some(frame) = octets.get(..total) else { return Parsed::Short(total) };
    if crc32fast::hash(&frame[4..]).to_le_bytes() != head[..4] {
        return Parsed::Bad;
    }
    Parsed::Whole(entry(head, &frame[HEAD..]), total)
}

/// The records of octets that [`read`] has verified before; ends at the first that is not whole.
pub(crate) fn verified(mut octets: &[u8]) -> impl Iterator<Item = (usize, FramedRecord<'_>)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let head = octets.first_chunk::<HEAD>()?;
        let total = HEAD + payload_length(head);
        let entry = entry(head, octets.get(HEAD..total)?);
        let at = offset;
        offset += total;
        octets = &octets[total..];
        Some((at, entry))
    })
}

fn payload_length(head: &[u8; HEAD]) -> usize {
    u32::from_le_bytes([head[4], head[5], head[6], 0]) as usize
}

fn entry<'a>(head: &[u8; HEAD], payload: &'a [u8]) -> FramedRecord<'a> {
    let word = |from: usize| u64::from_le_bytes(std::array::from_fn(|i| head[from + i]));
    FramedRecord { kind: RecordKind(head[7]), key: word(8), version: word(16), payload }
}

/// The head of a group: says which file this is and how much of it was already durable when the
/// group was written.
///
/// It is what tells a torn tail from damage: octets that a later group header vouches for had been
/// acknowledged, so a bad record among them is damage; a bad record that no group header vouches
/// for was never acknowledged, and is the tail of an interrupted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    /// The number of the segment or snapshot.
    pub file: u64,
    /// Octets of the file known to be durable, from its beginning.
    pub durable: u64,
}

impl GroupHeader {
    /// What a search for group headers looks for; no text or small number looks like it.
    pub(crate) const MAGIC: [u8; 8] = *b"\x89atd\r\n\x1a\xff";
    pub(crate) const SIZE: usize = HEAD + Self::MAGIC.len();

    pub(crate) fn append(self, buffer: &mut Vec<u8>) {
        // Eight octets are never too large.
        let _ = append(buffer, RecordKind::GROUP, self.file, self.durable, |buffer| {
            buffer.extend_from_slice(&Self::MAGIC);
        });
    }

    /// The group header that `octets` begin with.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        match read(octets) {
            Parsed::Whole(FramedRecord { kind: RecordKind::GROUP, key, version, payload }, _)
                if payload == Self::MAGIC =>
            {
                Some(Self { file: key, durable: version })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(kind: u8, key: u64, version: u64, payload: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        append(&mut buffer, RecordKind(kind), key, version, |b| b.extend_from_slice(payload))
            .unwrap();
        buffer
    }

    #[test]
    fn the_layout_is_what_the_format_says() {
        let golden: [&[u8]; 5] = [
            &[0x64, 0x25, 0x37, 0x9b],
            &[3, 0, 0, 7],
            &[0x2a, 0, 0, 0, 0, 0, 0, 0],
            &[0, 1, 0, 0, 0, 0, 0, 0],
            b"abc",
        ];
        assert_eq!(framed(7, 42, 256, b"abc"), golden.concat());
    }

    #[test]
    fn a_record_of_16_mib_is_refused_and_leaves_no_trace() {
        let mut buffer = b"before".to_vec();
        assert_eq!(
            append(&mut buffer, RecordKind(1), 1, 1, |b| b.resize(b.len() + (1 << 24), 0)),
            Err(TooLarge)
        );
        assert_eq!(buffer, b"before");
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(read(&[0; 64]), Parsed::Bad);
    }

    #[test]
    fn a_mark_is_found_again() {
        let group = GroupHeader { file: 9, durable: 4711 };
        let mut buffer = Vec::new();
        group.append(&mut buffer);
        assert_eq!(buffer.len(), GroupHeader::SIZE);
        assert_eq!(GroupHeader::read(&buffer), Some(group));
        assert_eq!(GroupHeader::read(&framed(0, 9, 4711, b"otherwise")), None);
    }

    proptest! {
        #[test]
        fn what_is_framed_comes_back(kind: u8, key: u64, version: u64, payload: Vec<u8>, rest: Vec<u8>) {
            let mut octets = framed(kind, key, version, &payload);
            let total = octets.len();
            octets.extend(rest);
            let entry = FramedRecord { kind: RecordKind(kind), key, version, payload: &payload };
            prop_assert_eq!(read(&octets), Parsed::Whole(entry, total));
            prop_assert_eq!(verified(&octets[..total]).collect::<Vec<_>>(), vec![(0, entry)]);
        }

        #[test]
        fn one_flipped_bit_never_passes(payload: Vec<u8>, bit: prop::sample::Index) {
            let mut octets = framed(1, 2, 3, &payload);
            let bit = bit.index(octets.len() * 8);
            octets[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(read(&octets), Parsed::Whole(..)));
        }

        #[test]
        fn any_octets_are_judged_without_a_panic(octets: Vec<u8>) {
            let _ = (read(&octets), GroupHeader::read(&octets), verified(&octets).count());
        }
    }
}
