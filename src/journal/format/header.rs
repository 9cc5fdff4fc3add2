//! The first octets of every file of the journal: what it is, which format, and what it follows.

use std::fmt;

/// The format this program writes, and the only one it reads.
pub(in crate::journal) const FORMAT: u16 = 1;

/// What a file is. Its name is its kind and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Every record in the order in which it was written.
    Segment,
    /// The last record of every key at one time; stands for all segments with a smaller number.
    Snapshot,
}

/// The name of a file of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    pub kind: FileKind,
    pub number: u64,
}

impl FileName {
    pub(in crate::journal) const fn segment(number: u64) -> Self {
        Self { kind: FileKind::Segment, number }
    }

    pub(in crate::journal) const fn snapshot(number: u64) -> Self {
        Self { kind: FileKind::Snapshot, number }
    }

    /// The name under which a file is written until it is whole.
    pub(in crate::journal) fn draft(self) -> String {
        format!("{self}.tmp")
    }

    /// The inverse of [`Self::draft`].
    pub(in crate::journal) fn parse_draft(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(".tmp")?)
    }

    /// `None` for files that are not ours.
    pub(in crate::journal) fn parse(name: &str) -> Option<Self> {
        let (kind, number) = name.split_once('-')?;
        let kind = match kind {
            "segment" => FileKind::Segment,
            "snapshot" => FileKind::Snapshot,
            _ => return None,
        };
        let name_of = Self { kind, number: number.parse().ok()? };
        (name_of.to_string() == name).then_some(name_of)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FileKind::Segment => "segment",
            FileKind::Snapshot => "snapshot",
        };
        write!(f, "{kind}-{:012}", self.number)
    }
}

/// The file that an orderly end leaves: a header whose previous segment is the last one, with its
/// end. Without it nobody could tell a last segment that was removed or cut from one that was never
/// written.
pub(in crate::journal) const CLEAN_END: &str = "clean-end";

/// The end of a segment, as the next one states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct SegmentEnd {
    pub number: u64,
    /// Octets that count; anything behind them was given up after a failed write and never
    /// acknowledged.
    pub end: u64,
}

/// The header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct FileHeader {
    pub name: FileName,
    /// The segment before this one; `None` for the first of a journal, and for snapshots.
    pub previous: Option<SegmentEnd>,
}

/// Why a header was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum HeaderFault {
    /// Too short, or its checksum does not match.
    Unreadable,
    /// Another program's file.
    Foreign,
    /// Written by a version of this program that knows more.
    Format(u16),
}

impl FileHeader {
    pub(in crate::journal) const SIZE: usize = 40;
    const MAGIC: [u8; 8] = *b"attachd\n";

    /// Layout: magic 8, format 2, kind 1, zero 1, number 8, previous number 8, previous end 8,
    /// checksum 4.
    pub(in crate::journal) fn octets(&self) -> [u8; Self::SIZE] {
        let previous = self.previous.unwrap_or(SegmentEnd { number: 0, end: 0 });
        let mut octets = [0; Self::SIZE];
        octets[..8].copy_from_slice(&Self::MAGIC);
        octets[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        octets[10] = self.name.kind as u8;
        octets[12..20].copy_from_slice(&self.name.number.to_le_bytes());
        octets[20..28].copy_from_slice(&previous.number.to_le_bytes());
        octets[28..36].copy_from_slice(&previous.end.to_le_bytes());
        let checksum = crc32fast::hash(&octets[..36]);
        octets[36..].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    pub(in crate::journal) fn read(octets: &[u8]) -> Result<Self, HeaderFault> {
        let octets: &[u8; Self::SIZE] = octets.first_chunk().ok_or(HeaderFault::Unreadable)?;
        let word = |from: usize| u64::from_le_bytes(std::array::from_fn(|i| octets[from + i]));
        if Self::is_ours_but_for_its_beginning(octets) {
            return Err(HeaderFault::Unreadable);
        }
        if octets[..8] != Self::MAGIC {
            // A crash may leave a file of zeros; anything else was not written by us.
            return Err(if octets.iter().all(|octet| *octet == 0) {
                HeaderFault::Unreadable
            } else {
                HeaderFault::Foreign
            });
        }
        // Before the checksum, which another format may keep elsewhere.
        let format = u16::from_le_bytes([octets[8], octets[9]]);
        if format != FORMAT {
            return Err(HeaderFault::Format(format));
        }
        if crc32fast::hash(&octets[..36]).to_le_bytes() != octets[36..] {
            return Err(HeaderFault::Unreadable);
        }
        let kind = if octets[10] == FileKind::Segment as u8 {
            FileKind::Segment
        } else {
            FileKind::Snapshot
        };
        let previous = SegmentEnd { number: word(20), end: word(28) };
        Ok(Self {
            name: FileName { kind, number: word(12) },
            previous: (previous.number != 0).then_some(previous),
        })
    }
}

impl FileHeader {
    /// Whether only the octets that say whose file it is and which format are damaged: the checksum
    /// is right for what should stand there.
    fn is_ours_but_for_its_beginning(octets: &[u8; Self::SIZE]) -> bool {
        let mut mended = *octets;
        mended[..8].copy_from_slice(&Self::MAGIC);
        mended[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        mended != *octets && crc32fast::hash(&mended[..36]).to_le_bytes() == octets[36..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FileHeader = FileHeader {
        name: FileName::segment(3),
        previous: Some(SegmentEnd { number: 2, end: 4096 }),
    };

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in
            [FileName::segment(1), FileName::snapshot(999_999_999_999), FileName::segment(u64::MAX)]
        {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(FileName::segment(7).to_string(), "segment-000000000007");
        for other in [
            "segment-7",
            "snapshot-000000000007.tmp",
            "pid",
            "lost+found",
            "segment-",
            "segment-00000000000x",
        ] {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_comes_back() {
        for header in [HEADER, FileHeader { name: FileName::snapshot(1), previous: None }] {
            assert_eq!(FileHeader::read(&header.octets()), Ok(header));
        }
    }

    #[test]
    fn one_flipped_bit_is_damage_wherever_it_is() {
        for bit in 0..FileHeader::SIZE * 8 {
            let mut octets = HEADER.octets();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::read(&octets), Err(HeaderFault::Unreadable), "bit {bit}");
        }
    }

    #[test]
    fn tells_what_is_wrong_with_a_header() {
        assert_eq!(
            FileHeader::read(b"\x7fELF of some other program, and so on"),
            Err(HeaderFault::Unreadable),
            "too short"
        );
        assert_eq!(FileHeader::read(&[b'x'; FileHeader::SIZE]), Err(HeaderFault::Foreign));
        let mut newer = HEADER.octets();
        newer[8] = 2;
        let checksum = crc32fast::hash(&newer[..36]);
        newer[36..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(FileHeader::read(&newer), Err(HeaderFault::Format(2)));
        assert_eq!(FileHeader::read(&[]), Err(HeaderFault::Unreadable));
        assert_eq!(FileHeader::read(&[0; FileHeader::SIZE]), Err(HeaderFault::Unreadable));
    }
}
