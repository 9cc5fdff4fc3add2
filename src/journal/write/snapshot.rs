//! A snapshot: the last record of every key, written beside the running journal, slowly enough not
//! to be felt.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::shared::{Rotated, Shared};
use crate::journal::disk::storage::{AppendFile, PIECE, Storage, write_all};
use crate::journal::format::frame;
use crate::journal::format::frame::{GroupHeader, RecordKind, TooLarge};
use crate::journal::format::header::{FileHeader, FileKind, FileName};

/// A snapshot that could not be begun or finished. The journal is as it was before.
#[derive(Debug)]
pub enum SnapshotError {
    /// One is being written.
    Busy,
    /// There is nothing on disk to take one of.
    NotKept,
    /// The journal cannot write.
    Failing(String),
    /// A record that would be missing in it.
    TooLarge(TooLarge),
    Io(io::Error),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("a snapshot is being written already"),
            Self::NotKept => f.write_str("a journal in memory has no snapshots"),
            Self::Failing(reason) => {
                write!(f, "no snapshot while the journal cannot write: {reason}")
            }
            Self::TooLarge(error) => write!(f, "the snapshot would not be whole: {error}"),
            Self::Io(error) => write!(f, "the snapshot could not be written: {error}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// A snapshot being written, on a thread of the owner's that may sleep.
///
/// It stands for everything submitted before it was begun, so the owner goes through its state
/// *after* that: slice by slice, [`Self::put`] under the slice's lock (memory only),
/// [`Self::settle`] outside of it (writes, and rests). What changes meanwhile is in the segments
/// too, and the newer version wins. A key that was removed must be put as removed, unless its
/// removal is so old that no worker can still hold an unsubmitted record of it.
///
/// Dropped before [`Self::finish`], it leaves nothing behind.
pub struct SnapshotWriter {
    permit: SnapshotPermit,
    storage: Arc<dyn Storage>,
    file: Box<dyn AppendFile>,
    name: FileName,
    covers: Rotated,
    /// Not yet written.
    gathered: Vec<u8>,
    next_group: usize,
    written: u64,
    records: u64,
    /// Octets a second.
    rate: u64,
    /// Octets of covered segments that may be kept for readers.
    tail_limit: u64,
    finished: bool,
}

/// What a finished snapshot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotReport {
    pub number: u64,
    pub records: u64,
    pub octets: u64,
}

impl SnapshotWriter {
    /// Begins as soon as the committer has begun a new segment.
    pub(in crate::journal) fn begin(
        permit: SnapshotPermit,
        storage: Arc<dyn Storage>,
        rate: u64,
        tail_limit: u64,
    ) -> Result<Self, SnapshotError> {
        let covers = permit.0.await_rotation().map_err(SnapshotError::Failing)?;
        let name = FileName::snapshot(covers.segment);
        let file = storage.create(&name.draft()).map_err(SnapshotError::Io)?;
        let gathered = FileHeader { name, previous: None }.octets().to_vec();
        let finished = false;
        Ok(Self {
            permit,
            storage,
            file,
            name,
            covers,
            gathered,
            next_group: 0,
            written: 0,
            records: 0,
            rate: rate.max(1),
            tail_limit,
            finished,
        })
    }

    /// Adds a record, in memory.
    ///
    /// # Errors
    /// If the payload has 16 MiB or more.
    pub fn put(
        &mut self,
        kind: RecordKind,
        key: u64,
        version: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TooLarge> {
        if self.gathered.len() >= self.next_group {
            // So that damage to one place costs a reader only the records up to here.
            GroupHeader { file: self.name.number, durable: self.written }
                .append(&mut self.gathered);
            self.next_group = self.gathered.len() + PIECE;
        }
        frame::append(&mut self.gathered, kind, key, version, payload)?;
        self.records += 1;
        Ok(())
    }

    /// Writes what was put, piece by piece, resting in between. Never under a lock.
    pub fn settle(&mut self) -> Result<(), SnapshotError> {
        for piece in self.gathered.chunks(PIECE) {
            write_all(&mut *self.file, &mut [IoSlice::new(piece)]).map_err(SnapshotError::Io)?;
            self.file.sync().map_err(SnapshotError::Io)?;
            self.written += piece.len() as u64;
            thread::sleep(Duration::from_nanos(
                (piece.len() as u64).saturating_mul(1_000_000_000) / self.rate,
            ));
        }
        self.gathered.clear();
        self.next_group = 0;
        Ok(())
    }

    /// Puts the snapshot in the place of the older files, which are removed.
    pub fn finish(mut self) -> Result<SnapshotReport, SnapshotError> {
        // The payload is empty and so never too large.
        let _ = frame::append(
            &mut self.gathered,
            RecordKind::END,
            self.name.number,
            self.records,
            |_| {},
        );
        self.settle()?;
        self.storage
            .rename(&self.name.draft(), &self.name.to_string())
            .map_err(SnapshotError::Io)?;
        self.finished = true;
        self.storage.sync_directory().map_err(SnapshotError::Io)?;
        let counts = &self.permit.0.counts;
        counts.log_octets.fetch_sub(self.covers.octets, Ordering::Relaxed);
        counts.snapshot_octets.store(self.written, Ordering::Relaxed);
        counts.covered.store(self.covers.segment, Ordering::Relaxed);
        counts.snapshot_wanted.store(false, Ordering::Relaxed);
        self.remove_covered();
        Ok(SnapshotReport { number: self.name.number, records: self.records, octets: self.written })
    }

    /// What cannot be removed now is removed by the next recovery.
    fn remove_covered(&self) {
        for file in self.storage.list().unwrap_or_default() {
            let is_older = FileName::parse(&file.name).is_some_and(|name| {
                name.kind == FileKind::Snapshot && name.number < self.name.number
            });
            if is_older {
                let _ = self.storage.remove(&file.name);
            }
        }
        self.permit.0.committed.cover(self.name.number);
        self.permit.0.committed.sweep(&*self.storage, self.tail_limit);
    }
}

/// The right to write a snapshot: one at a time.
pub(in crate::journal) struct SnapshotPermit(Arc<Shared>);

impl SnapshotPermit {
    /// Takes it, and orders a new segment of the committer.
    pub(in crate::journal) fn take(shared: &Arc<Shared>) -> Result<Self, SnapshotError> {
        if shared.counts.snapshotting.swap(true, Ordering::Acquire) {
            return Err(SnapshotError::Busy);
        }
        shared.order_rotation();
        Ok(Self(Arc::clone(shared)))
    }
}

impl Drop for SnapshotPermit {
    fn drop(&mut self) {
        self.0.counts.snapshotting.store(false, Ordering::Release);
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.storage.remove(&self.name.draft());
        }
    }
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter")
            .field("name", &self.name)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}
