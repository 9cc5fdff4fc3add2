//! From files back to state: snapshot first, then every segment behind it, the owner keeping the
//! newest version of each key.

use std::io::{self, Read};

use super::feed::{Feed, Unapplied};
use super::recovery_plan::{PlannedFile, ReadLimit, RecoveryPlan, vouched_after};
use super::scan::{self, ScanStep, Scanner};
use crate::journal::disk::storage::Storage;
use crate::journal::error::{Damage, OpenError};
use crate::journal::format::frame::{self, RecordKind};
use crate::journal::format::header::{FileHeader, FileKind, FileName, SegmentEnd};
use crate::journal::recover::report::{Apply, FileReport, Loss, OnDamage, RecoveryReport};

/// A recovery that went well, and what the writing end needs to continue.
#[derive(Debug)]
pub(in crate::journal) struct ReadJournal {
    pub recovered: RecoveryReport,
    /// The number of the next segment.
    pub next: u64,
    pub sealed: Option<SegmentEnd>,
    /// Records behind the sealed end that nothing vouches for. They were read, but perhaps from the
    /// kernel's memory only: the process was killed before its sync, or the sync failed. They go
    /// into the next segment, and are durable with it.
    pub carried: Vec<u8>,
    leftovers: Vec<String>,
}

/// Reads everything and gives it to the appliers. Changes nothing.
pub(in crate::journal) fn recover<A: Apply>(
    storage: &dyn Storage,
    on_damage: OnDamage,
    appliers: &mut [A],
) -> Result<ReadJournal, OpenError> {
    let mut plan = RecoveryPlan::make(storage, on_damage)?;
    let mut recovered =
        RecoveryReport { lost: std::mem::take(&mut plan.lost), ..RecoveryReport::default() };
    let mut vouched = 0;
    let problems = Feed::run(appliers, |feed| {
        for (index, file) in plan.files.iter().enumerate() {
            let is_last = index + 1 == plan.files.len();
            let mut reading =
                FileReader { storage, file: *file, is_last, on_damage, recovered: &mut recovered };
            vouched = reading.read(index, feed)?;
            if on_damage == OnDamage::Refuse && feed.has_problems() {
                break;
            }
        }
        Ok(())
    })?;
    for Unapplied { file, offset, what } in problems {
        let name = storage.describe(&plan.files[file].name.to_string());
        match on_damage {
            OnDamage::Refuse => {
                return Err(OpenError::Damage(Damage { file: name, offset, what: what.into() }));
            }
            OnDamage::Continue => {
                recovered.lost.push(Loss { file: name, from: offset, to: None, what: what.into() });
            }
        }
    }
    let (sealed, carried) = match recovered.files.last() {
        Some(last) if last.name.kind == FileKind::Segment => {
            let name = last.name.to_string();
            let mut carried = read_range(storage, &name, vouched, last.octets)
                .map_err(|error| OpenError::Io { file: storage.describe(&name), error })?;
            if frame::verified(&carried).all(|(_, entry)| entry.kind == RecordKind::GROUP) {
                carried.clear();
            }
            let sealed = if let Some(before) = before_the_last(&plan, &recovered, vouched) {
                plan.leftovers.push(name);
                before
            } else {
                SegmentEnd { number: last.name.number, end: vouched }
            };
            (Some(sealed), carried)
        }
        Some(_) | None => (None, Vec::new()),
    };
    Ok(ReadJournal { recovered, next: plan.next, sealed, carried, leftovers: plan.leftovers })
}

/// The end of the segment before the last one, if the last can go because all it holds is carried
/// into the next. Else a server that is started again and again, and never gets far, would leave a
/// segment each time.
fn before_the_last(
    plan: &RecoveryPlan,
    recovered: &RecoveryReport,
    vouched: u64,
) -> Option<SegmentEnd> {
    let is_whole = recovered.cut.is_none() && recovered.lost.is_empty();
    match plan.files.as_slice() {
        [.., PlannedFile { name, end: ReadLimit::Sealed(end), .. }, _]
            if is_whole && vouched == FileHeader::SIZE as u64 =>
        {
            Some(SegmentEnd { number: name.number, end: *end })
        }
        _ => None,
    }
}

impl ReadJournal {
    /// Removes what is left over. Only after the next segment has begun.
    ///
    /// Whole segments that the snapshot stands for stay if there may be readers that have not
    /// passed them; the next snapshot removes them.
    pub(in crate::journal) fn tidy(&self, storage: &dyn Storage, may_be_read: bool) {
        let first = self.recovered.files.first().map(|file| file.name);
        for name in &self.leftovers {
            let is_covered = FileName::parse(name).is_some_and(|name| {
                name.kind == FileKind::Segment
                    && first.is_some_and(|first| name.number < first.number)
            });
            if is_covered && may_be_read {
                continue;
            }
            // What cannot be removed now is left over again the next time.
            let _ = storage.remove(name);
        }
    }
}

fn read_range(storage: &dyn Storage, name: &str, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    storage.read(name, from)?.take(to.saturating_sub(from)).read_to_end(&mut octets)?;
    Ok(octets)
}

/// The reading of one file.
struct FileReader<'a> {
    storage: &'a dyn Storage,
    file: PlannedFile,
    is_last: bool,
    on_damage: OnDamage,
    recovered: &'a mut RecoveryReport,
}

impl FileReader<'_> {
    /// Gives the file to the feed. Returns how much of it was certainly durable.
    fn read(&mut self, index: usize, feed: &Feed<'_>) -> Result<u64, OpenError> {
        let start = FileHeader::SIZE as u64;
        let stop = match self.file.end {
            ReadLimit::Sealed(end) => end,
            ReadLimit::Open | ReadLimit::Counted => u64::MAX,
        };
        let source = self.storage.read(&self.name(), start).map_err(|error| self.failed(error))?;
        let mut scanner =
            Scanner::new(source.take(stop.saturating_sub(start)), self.file.name.number, start);
        let mut records = 0;
        loop {
            let mut block = feed.empty_block();
            match scanner.next(&mut block).map_err(|error| self.failed(error))? {
                ScanStep::Block => {
                    records += block.records;
                    feed.send(index, block);
                }
                ScanStep::End => break,
                ScanStep::Bad(offset) => {
                    let written = self.written_until(offset)?;
                    if written == offset {
                        break;
                    }
                    if self.is_torn(offset)? {
                        let what =
                            "no whole record, and none behind it says that it was durable".into();
                        self.recovered.cut = Some(self.loss(offset, written, what));
                        break;
                    }
                    self.damage(offset, "no readable record")?;
                    let next = scanner.next_group().map_err(|error| self.failed(error))?;
                    self.note_lost(
                        offset,
                        next.map_or(self.file.size.min(stop), |(offset, _)| offset),
                        "no readable record",
                    );
                    if next.is_none() {
                        break;
                    }
                }
            }
        }
        self.check_end(scanner.offset(), scanner.count_at_end(), records)?;
        self.recovered.files.push(FileReport {
            name: self.file.name,
            records,
            octets: scanner.offset(),
        });
        Ok(scanner.vouched())
    }

    /// Where the zeros begin that the segment was made ready with, if it has any behind the bad
    /// record at `offset`.
    fn written_until(&self, offset: u64) -> Result<u64, OpenError> {
        if self.file.end != ReadLimit::Open {
            return Ok(self.file.size);
        }
        let source = self.storage.read(&self.name(), offset);
        source
            .and_then(|source| scan::end_of_contents(source, offset))
            .map_err(|error| self.failed(error))
    }

    /// Whether the bad record at `offset` was still being written: the file is the last, and
    /// nothing behind vouches for it.
    fn is_torn(&self, offset: u64) -> Result<bool, OpenError> {
        Ok(self.is_last
            && self.file.end == ReadLimit::Open
            && !vouched_after(self.storage, self.file.name, offset)?)
    }

    /// Whether the file went on as far as it should.
    fn check_end(
        &mut self,
        offset: u64,
        count: Option<u64>,
        records: u64,
    ) -> Result<(), OpenError> {
        let what = match self.file.end {
            ReadLimit::Sealed(end) if offset < end => "the file is shorter than it was",
            ReadLimit::Counted if count != Some(records) => "the snapshot is not complete",
            ReadLimit::Sealed(_) | ReadLimit::Open | ReadLimit::Counted => return Ok(()),
        };
        self.damage(offset, what)?;
        let to = if let ReadLimit::Sealed(end) = self.file.end { end } else { offset };
        self.note_lost(offset, to, what);
        Ok(())
    }

    fn damage(&self, offset: u64, what: &str) -> Result<(), OpenError> {
        match self.on_damage {
            OnDamage::Refuse => {
                Err(OpenError::Damage(Damage { file: self.path(), offset, what: what.into() }))
            }
            OnDamage::Continue => Ok(()),
        }
    }

    fn note_lost(&mut self, from: u64, to: u64, what: &str) {
        let loss = self.loss(from, to, what.into());
        self.recovered.lost.push(loss);
    }

    fn loss(&self, from: u64, to: u64, what: String) -> Loss {
        Loss { file: self.path(), from, to: Some(to), what }
    }

    fn name(&self) -> String {
        self.file.name.to_string()
    }

    fn path(&self) -> String {
        self.storage.describe(&self.name())
    }

    fn failed(&self, error: io::Error) -> OpenError {
        OpenError::Io { file: self.path(), error }
    }
}
