//! Reading a file of the journal in large blocks, every record verified.

use std::io::{self, Read};

use crate::journal::format::frame;
use crate::journal::format::frame::{FramedRecord, GroupHeader, Parsed, RecordKind};

/// Large enough that the kernel reads ahead, small enough to stay in the cache of a core.
const BLOCK: usize = 1 << 20;

/// A run of verified records.
#[derive(Debug, Default)]
pub(in crate::journal) struct Block {
    buffer: Vec<u8>,
    verified: usize,
    /// Records, without the engine's own.
    pub records: u64,
    /// Where in the file the block begins.
    offset: u64,
}

impl Block {
    /// The records with their offsets in the file; the engine's own are left out.
    pub(in crate::journal) fn entries(&self) -> impl Iterator<Item = (u64, FramedRecord<'_>)> {
        frame::verified(&self.buffer[..self.verified])
            .map(|(at, entry)| (self.offset + at as u64, entry))
            .filter(|(_, entry)| !matches!(entry.kind, RecordKind::GROUP | RecordKind::END))
    }
}

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::journal) enum ScanStep {
    /// The block was filled.
    Block,
    /// All octets were whole records.
    End,
    /// At this offset there is no whole record.
    Bad(u64),
}

/// Reads one file from some offset to its end.
pub(in crate::journal) struct Scanner<R> {
    source: R,
    /// Read, not yet handed out.
    carry: Vec<u8>,
    /// Where in the file `carry` begins.
    offset: u64,
    /// The number of the file, which its group headers must bear.
    number: u64,
    /// How much of the file the group headers so far vouch for.
    vouched: u64,
    /// The version of the last END record, and where it ended.
    end: Option<(u64, u64)>,
}

impl<R: Read> Scanner<R> {
    pub(in crate::journal) const fn new(source: R, number: u64, offset: u64) -> Self {
        Self { source, carry: Vec::new(), offset, number, vouched: offset, end: None }
    }

    /// Whether the file so far ended with an END record, and how many records it counted.
    pub(in crate::journal) fn count_at_end(&self) -> Option<u64> {
        self.end.filter(|(_, offset)| *offset == self.offset).map(|(count, _)| count)
    }

    /// Fills `block` with the next run of good records.
    pub(in crate::journal) fn next(&mut self, block: &mut Block) -> io::Result<ScanStep> {
        let mut wanted = BLOCK;
        loop {
            let ended = self.read_to(wanted)?;
            let VerifiedRun { good, records, needed } = self.verify();
            if good > 0 {
                std::mem::swap(&mut block.buffer, &mut self.carry);
                self.carry.clear();
                self.carry.extend_from_slice(&block.buffer[good..]);
                block.verified = good;
                block.records = records;
                block.offset = self.offset;
                self.offset += good as u64;
                return Ok(ScanStep::Block);
            }
            match needed {
                _ if self.carry.is_empty() => return Ok(ScanStep::End),
                Some(needed) if !ended => wanted = needed.max(BLOCK),
                Some(_) | None => return Ok(ScanStep::Bad(self.offset)),
            }
        }
    }

    /// Skips to the next group header of this file, beginning with the octet after the present one;
    /// `None` if there is none.
    ///
    /// Returns the offset of the group header, and what it vouches for.
    pub(in crate::journal) fn next_group(&mut self) -> io::Result<Option<(u64, GroupHeader)>> {
        // The group header on which the scanner may stand has its magic at HEAD.
        let mut from = frame::HEAD + 1;
        loop {
            let ended = self.read_to(BLOCK)?;
            while let Some(found) = find(&self.carry, from, &GroupHeader::MAGIC) {
                from = found + 1;
                let Some(at) = found.checked_sub(frame::HEAD) else { continue };
                if let Some(group) =
                    GroupHeader::read(&self.carry[at..]).filter(|group| group.file == self.number)
                {
                    self.skip(at);
                    return Ok(Some((self.offset, group)));
                }
            }
            if ended {
                self.skip(self.carry.len());
                return Ok(None);
            }
            // A group header may lie across the edge.
            let kept = GroupHeader::SIZE.min(self.carry.len());
            self.skip(self.carry.len() - kept);
            from = 0;
        }
    }

    /// So much of the file was durable when what was read last was written.
    pub(in crate::journal) const fn vouched(&self) -> u64 {
        self.vouched
    }

    /// Where the scanner stands.
    pub(in crate::journal) const fn offset(&self) -> u64 {
        self.offset
    }

    fn skip(&mut self, octets: usize) {
        self.carry.drain(..octets);
        self.offset += octets as u64;
    }

    /// Reads until so many octets are there; true at the end of the file.
    fn read_to(&mut self, wanted: usize) -> io::Result<bool> {
        let missing = wanted.saturating_sub(self.carry.len());
        self.carry.reserve(missing);
        let read = self.source.by_ref().take(missing as u64).read_to_end(&mut self.carry)?;
        Ok(read < missing)
    }

    fn verify(&mut self) -> VerifiedRun {
        let mut run = VerifiedRun { good: 0, records: 0, needed: None };
        loop {
            match frame::read(&self.carry[run.good..]) {
                Parsed::Whole(entry, size) => {
                    run.good += size;
                    match entry.kind {
                        RecordKind::GROUP if entry.key == self.number => {
                            self.vouched = self.vouched.max(entry.version);
                        }
                        RecordKind::GROUP => {}
                        RecordKind::END => {
                            self.end = Some((entry.version, self.offset + run.good as u64));
                        }
                        _ => run.records += 1,
                    }
                }
                Parsed::Short(needed) => return VerifiedRun { needed: Some(needed), ..run },
                Parsed::Bad => return run,
            }
        }
    }
}

/// Where the zeros at the end of a file begin, which is read from `offset` on.
pub(in crate::journal) fn end_of_contents(mut source: impl Read, offset: u64) -> io::Result<u64> {
    let mut block = Vec::with_capacity(BLOCK);
    let (mut at, mut end) = (offset, offset);
    while source.by_ref().take(BLOCK as u64).read_to_end(&mut block)? > 0 {
        end = block.iter().rposition(|octet| *octet != 0).map_or(end, |last| at + last as u64 + 1);
        at += block.len() as u64;
        block.clear();
    }
    Ok(end)
}

/// What stands at the front of the octets read.
struct VerifiedRun {
    /// Octets of whole records.
    good: usize,
    records: u64,
    /// What follows is the beginning of a record of so many octets; `None`: it is no record.
    needed: Option<usize>,
}

fn find(octets: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    octets
        .get(from..)?
        .windows(wanted.len())
        .position(|window| window == wanted)
        .map(|at| from + at)
}
