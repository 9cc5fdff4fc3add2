//! A reader of the committed tail: the durable records from a position on, in the order in which
//! they were committed.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use super::committed::{JournalPosition, Located};
use crate::journal::disk::storage::Storage;
use crate::journal::format::frame::{FramedRecord, HEAD};
use crate::journal::format::header::FileName;
use crate::journal::recover::scan::{Block, ScanStep, Scanner};
use crate::journal::write::shared::Shared;

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailStart {
    /// Where it was the last time: what it passed, kept with its own data.
    At(JournalPosition),
    /// Behind all that is durable by now. To be kept at once, or a crash loses what follows.
    End,
}

/// What a reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailStep {
    /// So many records were handed over.
    Records(u64),
    /// Nothing new is durable.
    UpToDate,
    /// Records are missing here: they were given up because the reader was too slow, or cannot be
    /// read.
    Gap { from: JournalPosition, to: JournalPosition },
}

/// A reader of the committed records. While it lives, no segment is removed that it has not
/// [passed](Self::pass), as far as `JournalOptions::tail_limit` allows.
///
/// ```text
/// loop:  wait(…)  →  read(…) until UpToDate, each record once, in commit order
///                 →  write own data together with position(), sync  →  pass(position)
/// ```
pub struct Tail {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    limit: u64,
    reader: u64,
    position: JournalPosition,
    /// The end of what was durable when it was last read.
    seen: JournalPosition,
}

impl Tail {
    pub(in crate::journal) fn begin(
        shared: Arc<Shared>,
        storage: Arc<dyn Storage>,
        limit: u64,
        start: TailStart,
    ) -> Self {
        let position = match start {
            TailStart::At(position) => position,
            TailStart::End => shared.committed.frontier(),
        };
        let reader = shared.committed.enrol(position.segment);
        Self { shared, storage, limit, reader, position, seen: JournalPosition::default() }
    }

    /// Behind the last record that was handed over: to be kept with what was made of it.
    #[must_use]
    pub const fn position(&self) -> JournalPosition {
        self.position
    }

    /// Hands the next committed records over, about so many octets of them at most.
    ///
    /// # Errors
    /// If the disk cannot be read; what was handed over counts, and the next call goes on there.
    pub fn read(
        &mut self,
        octets: u64,
        mut take: impl FnMut(FramedRecord<'_>),
    ) -> io::Result<TailStep> {
        self.seen = self.shared.committed.frontier();
        loop {
            let (at, end, next) = match self.shared.committed.locate(self.position) {
                Located::Here { at, end, next } => (at, end, next),
                Located::Lost(to) => return Ok(self.skip(to)),
            };
            self.position = at;
            let name = FileName::segment(at.segment).to_string();
            let source = match self.storage.read(&name, at.offset) {
                Ok(source) => source,
                // It was removed just now.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && matches!(self.shared.committed.locate(at), Located::Lost(_)) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let scope = source.take(end - at.offset);
            let mut scanner = Scanner::new(scope, at.segment, at.offset);
            let mut block = Block::default();
            let mut records = 0;
            while self.position.offset - at.offset < octets {
                match scanner.next(&mut block)? {
                    ScanStep::Block => records += self.hand_over(&block, &mut take),
                    ScanStep::End => break,
                    ScanStep::Bad(_) if records > 0 => break,
                    ScanStep::Bad(_) => {
                        let found = scanner.next_group()?.map_or(end, |(offset, _)| offset);
                        return Ok(self.skip(JournalPosition { offset: found, ..at }));
                    }
                }
            }
            match next {
                _ if records > 0 => return Ok(TailStep::Records(records)),
                Some(next) => self.position = JournalPosition::beginning(next),
                None => return Ok(TailStep::UpToDate),
            }
        }
    }

    fn hand_over(&mut self, block: &Block, take: &mut impl FnMut(FramedRecord<'_>)) -> u64 {
        let mut records = 0;
        for (offset, record) in block.entries() {
            take(record);
            records += 1;
            // Not behind the group header that may follow: only records are carried by a start.
            self.position.offset = offset + (HEAD + record.payload.len()) as u64;
        }
        records
    }

    fn skip(&mut self, to: JournalPosition) -> TailStep {
        let from = std::mem::replace(&mut self.position, to);
        TailStep::Gap { from, to }
    }

    /// Waits until more is durable than at the last reading, at most so long. Whether it is.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        self.shared.committed.wait(self.seen, timeout)
    }

    /// Nothing before `position` is needed any more, also after a crash: what was made of it is
    /// durable. To be called now and then even if nothing was made of it.
    pub fn pass(&mut self, position: JournalPosition) {
        if self.shared.committed.hold(self.reader, position.segment) {
            self.shared.committed.sweep(&*self.storage, self.limit);
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.shared.committed.leave(self.reader);
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("position", &self.position).finish_non_exhaustive()
    }
}
