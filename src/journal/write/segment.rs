//! The segment being written: groups of records at its end, and a fresh segment when it is full or
//! cannot be trusted any more.

use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::journal::disk::spare::Spare;
use crate::journal::disk::storage::{AppendFile, Storage, write_all};
use crate::journal::format::frame::GroupHeader;
use crate::journal::format::header::{CLEAN_END, FileHeader, FileName, SegmentEnd};

/// The writing end of the journal. Knows no clock, thread or queue.
///
/// After any failed write or sync the kernel may have thrown away what it could not write, and
/// reading back proves nothing. So a segment is given up at the first error: the next one states in
/// its header up to where the old one counts, and the caller writes again what was not yet durable.
pub(in crate::journal) struct SegmentWriter {
    storage: Arc<dyn Storage>,
    spare: Arc<Spare>,
    segment_size: u64,
    active: Option<OpenSegment>,
    /// The number of the next segment.
    next: u64,
    /// The end of the last segment that counts.
    sealed: Option<SegmentEnd>,
    /// What the next segment begins with.
    carried: Vec<u8>,
}

struct OpenSegment {
    file: Box<dyn AppendFile>,
    number: u64,
    written: u64,
    durable: u64,
    /// Once is enough: a disk that did not take it is not tried again at once.
    asked_for_next: bool,
}

/// How many batches go into one system call.
const SLICES: usize = 64;

/// The part of a segment after which the next is asked for: late enough that a quiet server never
/// has one, early enough that it is ready.
const WELL_BEGUN: u64 = 8;

impl SegmentWriter {
    /// A log that continues with segment `next` behind `sealed`. Nothing is written until the first
    /// call.
    ///
    /// `carried` are framed records that the next segment begins with.
    pub(in crate::journal) fn new(
        storage: Arc<dyn Storage>,
        spare: Arc<Spare>,
        segment_size: u64,
        next: u64,
        sealed: Option<SegmentEnd>,
        carried: Vec<u8>,
    ) -> Self {
        Self { storage, spare, segment_size, active: None, next, sealed, carried }
    }

    /// Begins a segment if none is open. Returns its number.
    pub(in crate::journal) fn open(&mut self) -> io::Result<u64> {
        if let Some(active) = &self.active {
            return Ok(active.number);
        }
        let name = FileName::segment(self.next);
        // A number is used once, whatever becomes of it.
        self.next += 1;
        let active = self.begin(name).inspect_err(|_| {
            // Nothing was acknowledged from it. If it cannot be removed either, recovery will find
            // that no other follows it.
            let _ = self.storage.remove(&name.draft());
            let _ = self.storage.remove(&name.to_string());
        })?;
        self.carried = Vec::new();
        self.active = Some(active);
        Ok(name.number)
    }

    /// The name is given when the contents are durable: so a segment with a bad header is damage,
    /// never an interrupted beginning.
    fn begin(&self, name: FileName) -> io::Result<OpenSegment> {
        let mut file = match self.spare.take(&name.draft()) {
            Some(file) => file,
            None => self.storage.create(&name.draft())?,
        };
        let header = FileHeader { name, previous: self.sealed }.octets();
        write_all(&mut *file, &mut [IoSlice::new(&header), IoSlice::new(&self.carried)])?;
        file.sync()?;
        self.storage.rename(&name.draft(), &name.to_string())?;
        self.storage.sync_directory()?;
        let written = (header.len() + self.carried.len()) as u64;
        Ok(OpenSegment {
            file,
            number: name.number,
            written,
            durable: written,
            asked_for_next: false,
        })
    }

    /// Writes one group of framed records. Returns the octets it took.
    pub(in crate::journal) fn append<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<u64> {
        self.open()?;
        let Some(active) = &mut self.active else { return Ok(0) };
        let before = active.written;
        match active.append(batches) {
            Ok(()) => {
                let octets = active.written - before;
                if active.written >= self.segment_size / WELL_BEGUN && !active.asked_for_next {
                    active.asked_for_next = true;
                    self.spare.want();
                }
                Ok(octets)
            }
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// Makes everything written durable.
    pub(in crate::journal) fn sync(&mut self) -> io::Result<()> {
        let Some(active) = self.active.as_mut().filter(|active| active.durable < active.written)
        else {
            return Ok(());
        };
        match active.file.sync() {
            Ok(()) => {
                active.durable = active.written;
                Ok(())
            }
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// The segment being written and how much of it is durable, and the one before it.
    pub(in crate::journal) fn durable(&self) -> Option<(SegmentEnd, Option<SegmentEnd>)> {
        let active = self.active.as_ref()?;
        Some((SegmentEnd { number: active.number, end: active.durable }, self.sealed))
    }

    /// Whether it is time for the next segment.
    pub(in crate::journal) fn is_full(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.written >= self.segment_size)
    }

    /// Ends this segment and begins the next; everything written must be durable. Returns the
    /// number of the new one.
    pub(in crate::journal) fn rotate(&mut self) -> io::Result<u64> {
        self.seal();
        self.open()
    }

    /// Writes a last group header, so that even damage to the last group will not pass for a torn
    /// tail.
    pub(in crate::journal) fn close(&mut self) -> io::Result<()> {
        if self.active.as_ref().is_some_and(|active| active.written > FileHeader::SIZE as u64) {
            self.append(std::iter::empty())?;
            self.sync()?;
        }
        if let Some(active) = self.active.take() {
            // Everything is durable already. Without the note the next start only knows less.
            let _ = self.note_clean_end(SegmentEnd { number: active.number, end: active.durable });
        }
        Ok(())
    }

    fn note_clean_end(&self, last: SegmentEnd) -> io::Result<()> {
        let draft = format!("{CLEAN_END}.tmp");
        // One of an earlier end that was not orderly in the end.
        let _ = self.storage.remove(&draft);
        let mut file = self.storage.create(&draft)?;
        let note =
            FileHeader { name: FileName::segment(last.number), previous: Some(last) }.octets();
        write_all(&mut *file, &mut [IoSlice::new(&note)])?;
        file.sync()?;
        self.storage.rename(&draft, CLEAN_END)?;
        self.storage.sync_directory()
    }

    fn give_up(&mut self, error: io::Error) -> io::Error {
        self.seal();
        error
    }

    fn seal(&mut self) {
        if let Some(active) = self.active.take() {
            self.sealed = Some(SegmentEnd { number: active.number, end: active.durable });
        }
    }
}

impl OpenSegment {
    fn append<'a>(&mut self, mut batches: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let mut group = Vec::with_capacity(GroupHeader::SIZE);
        GroupHeader { file: self.number, durable: self.durable }.append(&mut group);
        let mut slices = [IoSlice::new(&[]); SLICES];
        slices[0] = IoSlice::new(&group);
        let mut used = 1;
        loop {
            for octets in batches.by_ref().take(SLICES - used) {
                slices[used] = IoSlice::new(octets);
                used += 1;
            }
            if used == 0 {
                return Ok(());
            }
            let octets: usize = slices[..used].iter().map(|slice| slice.len()).sum();
            write_all(&mut *self.file, &mut slices[..used])?;
            self.written += octets as u64;
            used = 0;
        }
    }
}
