//! What is durable: the chain of segments up to the last synced octet, who reads it, and which
//! segments are held for them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::journal::disk::storage::Storage;
use crate::journal::format::header::{FileHeader, FileKind, FileName, SegmentEnd};

/// A place between two records of the journal. It means the same after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPosition {
    /// The number of the segment.
    pub segment: u64,
    /// Octets from the beginning of its file.
    pub offset: u64,
}

impl JournalPosition {
    /// In front of the first record of a segment.
    pub(in crate::journal) const fn beginning(segment: u64) -> Self {
        Self { segment, offset: FileHeader::SIZE as u64 }
    }
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} offset {}", self.segment, self.offset)
    }
}

/// The durable part of the journal, kept by the committer and asked by readers.
#[derive(Debug, Default)]
pub(in crate::journal) struct Committed {
    chain: Mutex<Chain>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Chain {
    /// The earlier segments that are kept, the oldest first.
    whole: BTreeMap<u64, WholeSegment>,
    /// The end of what is durable.
    frontier: JournalPosition,
    /// The segment before that of the frontier; 0: there was none.
    before_frontier: u64,
    /// The first segment that the newest snapshot does not cover.
    covered: u64,
    /// From which segment on each reader still needs them.
    holds: BTreeMap<u64, u64>,
    next_reader: u64,
    /// How many wait for the frontier to move.
    waiters: usize,
}

#[derive(Clone, Copy, Debug)]
struct WholeSegment {
    /// Octets that count.
    end: u64,
    /// The segment before it, as its header says; 0: there was none.
    before: u64,
}

/// Where a position lies in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Located {
    /// There, in a segment that counts up to `end`; behind a whole one comes segment `next`.
    Here { at: JournalPosition, end: u64, next: Option<u64> },
    /// What comes next is not kept any more, or never was; the oldest that is kept is there.
    Lost(JournalPosition),
}

impl Committed {
    /// What a start found: the segment that was begun, durable up to `active.end`, and everything
    /// before it that is still in the folder.
    pub(in crate::journal) fn begin(
        &self,
        storage: &dyn Storage,
        active: SegmentEnd,
        covered: u64,
    ) {
        let mut chain = self.chain.lock();
        chain.frontier = JournalPosition { segment: active.number, offset: active.end };
        chain.covered = covered;
        let mut before = previous(storage, active.number);
        chain.before_frontier = before.map_or(0, |sealed| sealed.number);
        while let Some(sealed) = before {
            let name = FileName::segment(sealed.number).to_string();
            if storage.read(&name, 0).is_err() || chain.whole.contains_key(&sealed.number) {
                break;
            }
            before = previous(storage, sealed.number);
            let number = before.map_or(0, |sealed| sealed.number);
            chain.whole.insert(sealed.number, WholeSegment { end: sealed.end, before: number });
        }
    }

    /// The active segment is durable so far, and `sealed` is the one before it.
    pub(in crate::journal) fn advance(&self, active: SegmentEnd, sealed: Option<SegmentEnd>) {
        let mut chain = self.chain.lock();
        if active.number != chain.frontier.segment {
            if let Some(sealed) = sealed {
                let segment = WholeSegment { end: sealed.end, before: chain.before_frontier };
                chain.whole.insert(sealed.number, segment);
            }
            chain.before_frontier = sealed.map_or(0, |sealed| sealed.number);
        }
        chain.frontier = JournalPosition { segment: active.number, offset: active.end };
    }

    /// Wakes who waits for the frontier to move.
    pub(in crate::journal) fn wake(&self) {
        if self.chain.lock().waiters > 0 {
            self.moved.notify_all();
        }
    }

    /// A snapshot stands for all segments before `segment`.
    pub(in crate::journal) fn cover(&self, segment: u64) {
        self.chain.lock().covered = segment;
    }

    pub(in crate::journal) fn frontier(&self) -> JournalPosition {
        self.chain.lock().frontier
    }

    /// Finds a position, also one that a start has carried into a later segment: see
    /// `ReadJournal::carried`.
    pub(in crate::journal) fn locate(&self, at: JournalPosition) -> Located {
        self.chain.lock().locate(at)
    }

    /// Waits until the frontier is another than `seen`, at most so long. Whether it is.
    pub(in crate::journal) fn wait(&self, seen: JournalPosition, timeout: Duration) -> bool {
        let mut chain = self.chain.lock();
        if chain.frontier == seen {
            chain.waiters += 1;
            self.moved.wait_while_for(&mut chain, |chain| chain.frontier == seen, timeout);
            chain.waiters -= 1;
        }
        chain.frontier != seen
    }

    /// A reader that needs everything from `segment` on.
    pub(in crate::journal) fn enrol(&self, segment: u64) -> u64 {
        let mut chain = self.chain.lock();
        let reader = chain.next_reader;
        chain.next_reader += 1;
        chain.holds.insert(reader, segment);
        reader
    }

    /// The reader needs nothing before `segment` any more. Whether that lets a segment go.
    pub(in crate::journal) fn hold(&self, reader: u64, segment: u64) -> bool {
        let mut chain = self.chain.lock();
        let before = chain.holds.insert(reader, segment);
        before.is_some_and(|before| before < segment.min(chain.covered))
    }

    pub(in crate::journal) fn leave(&self, reader: u64) {
        self.chain.lock().holds.remove(&reader);
    }

    /// Removes the segments that a snapshot stands for and nobody reads; those that somebody reads
    /// only beyond `limit` octets, the oldest first. What cannot be removed now is removed by the
    /// next sweep.
    pub(in crate::journal) fn sweep(&self, storage: &dyn Storage, limit: u64) {
        let (covered, held) = {
            let chain = self.chain.lock();
            (chain.covered, chain.holds.values().copied().min().unwrap_or(u64::MAX))
        };
        let mut segments: Vec<(u64, u64)> = storage
            .list()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|file| Some((FileName::parse(&file.name)?, file.size)))
            .filter(|(name, _)| name.kind == FileKind::Segment && name.number < covered)
            .map(|(name, size)| (name.number, size))
            .collect();
        segments.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        let mut kept: u64 = 0;
        let mut first_kept = covered;
        for (number, size) in segments.iter().take_while(|(number, _)| *number >= held) {
            kept = kept.saturating_add(*size);
            if kept > limit {
                break;
            }
            first_kept = *number;
        }
        // Before the files go: whoever finds none then finds none in the chain either.
        let mut chain = self.chain.lock();
        chain.whole = chain.whole.split_off(&first_kept);
        drop(chain);
        for (number, _) in segments.iter().filter(|(number, _)| *number < first_kept) {
            let _ = storage.remove(&FileName::segment(*number).to_string());
        }
    }
}

impl Chain {
    fn locate(&self, mut at: JournalPosition) -> Located {
        loop {
            if at > self.frontier {
                return Located::Lost(self.oldest());
            }
            if at.segment == self.frontier.segment {
                return Located::Here { at, end: self.frontier.offset, next: None };
            }
            let next = self.after(at.segment);
            at = match self.whole.get(&at.segment).map(|segment| segment.end) {
                Some(end) if at.offset < end => {
                    return Located::Here { at, end, next: Some(next) };
                }
                // A start carries what nothing vouched for into the next segment, as it lies.
                Some(end) => {
                    let beginning = JournalPosition::beginning(next);
                    JournalPosition { offset: beginning.offset + at.offset - end, ..beginning }
                }
                // A segment that was carried whole is not kept, and the next one names that before.
                None if self.before(next) < at.segment => JournalPosition { segment: next, ..at },
                None => return Located::Lost(self.oldest()),
            };
        }
    }

    fn after(&self, segment: u64) -> u64 {
        let next = self.whole.range(segment + 1..).next();
        next.map_or(self.frontier.segment, |(number, _)| *number)
    }

    fn before(&self, segment: u64) -> u64 {
        self.whole.get(&segment).map_or(self.before_frontier, |segment| segment.before)
    }

    fn oldest(&self) -> JournalPosition {
        let first = self.whole.keys().next().copied();
        JournalPosition::beginning(first.unwrap_or(self.frontier.segment))
    }
}

/// What the header of a segment says of the one before it.
fn previous(storage: &dyn Storage, number: u64) -> Option<SegmentEnd> {
    let mut octets = Vec::with_capacity(FileHeader::SIZE);
    let source = storage.read(&FileName::segment(number).to_string(), 0).ok()?;
    source.take(FileHeader::SIZE as u64).read_to_end(&mut octets).ok()?;
    FileHeader::read(&octets).ok()?.previous
}
