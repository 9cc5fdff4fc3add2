//! The journal as the server holds it: opened once, written by many, closed at the end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::disk::directory::{FolderLock, JournalFolder};
use super::disk::spare::Spare;
use super::disk::storage::{PIECE, Storage};
use super::error::OpenError;
use super::format::header::{FileKind, FileName};
use super::recover::recovery::{ReadJournal, recover};
use super::recover::report::{Apply, OnDamage, RecoveryReport};
use super::tail::reader::{Tail, TailStart};
use super::write::group_commit::{GroupCommitter, SyncMode};
use super::write::segment::SegmentWriter;
use super::write::shared::{JournalFigures, JournalHealth, Shared, WriteFailure};
use super::write::snapshot::{SnapshotError, SnapshotPermit, SnapshotWriter};
use super::write::submission::Wake;
use super::write::submit::Submitter;
use super::write::thread::{Observer, Threads};

/// How a journal works.
#[derive(Clone)]
pub struct JournalOptions {
    pub sync: SyncMode,
    /// Octets after which a new segment is begun: a file that is quick to read and to remove.
    pub segment_size: u64,
    /// Octets that may wait for the disk before [`super::Admission::Overloaded`]: at full rate
    /// about a second's worth.
    pub backlog: usize,
    /// Under load, the least time from one commit to the next, so that many records share a sync.
    pub gather: Duration,
    /// A snapshot is due when the segments have so many octets, and more than the last snapshot.
    pub snapshot_least: u64,
    /// Octets a second at which a snapshot is written, and the next segment made ready.
    pub snapshot_rate: u64,
    /// Octets of segments that a snapshot stands for, kept for readers that have not passed them:
    /// see [`Tail`]. Beyond it the oldest go, and the reader is told of a gap.
    pub tail_limit: u64,
    pub observer: Observer,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            sync: SyncMode::Commit,
            segment_size: 64 << 20,
            backlog: 16 << 20,
            gather: Duration::from_micros(800),
            snapshot_least: 256 << 20,
            snapshot_rate: 32 << 20,
            tail_limit: 0,
            observer: Arc::new(|_| {}),
        }
    }
}

/// So many segments make a snapshot due, however small they are: each start and each failure begins
/// one.
const MANY_SEGMENTS: u64 = 64;

/// A journal that is being written.
pub struct Journal {
    pub(super) shared: Arc<Shared>,
    /// `None`: in memory, or the caller runs its rounds.
    threads: Option<(Threads, Arc<Spare>)>,
    /// `None`: in memory.
    disk: Option<Disk>,
    options: JournalOptions,
}

struct Disk {
    storage: Arc<dyn Storage>,
    /// Given back last.
    _claim: Option<FolderLock>,
}

impl Journal {
    /// Takes the folder for this process, gives every record in it to the appliers, and begins a
    /// new segment behind them.
    ///
    /// # Errors
    /// If the folder cannot be used, or acknowledged records cannot be read and `on_damage`
    /// refuses. Nothing is changed then.
    pub fn open<A: Apply>(
        folder: &Path,
        options: JournalOptions,
        on_damage: OnDamage,
        appliers: &mut [A],
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let (directory, claim) = JournalFolder::claim(folder)?;
        let storage: Arc<dyn Storage> = Arc::new(directory);
        Self::start(&storage, Some(claim), options, on_damage, appliers)
    }

    /// The same on any storage.
    pub fn open_on<A: Apply>(
        storage: &Arc<dyn Storage>,
        options: JournalOptions,
        on_damage: OnDamage,
        appliers: &mut [A],
    ) -> Result<(Self, RecoveryReport), OpenError> {
        Self::start(storage, None, options, on_damage, appliers)
    }

    /// Gives every record in the folder to the appliers, without taking it and without changing
    /// anything; beside a running server, too.
    pub fn read<A: Apply>(
        folder: &Path,
        on_damage: OnDamage,
        appliers: &mut [A],
    ) -> Result<RecoveryReport, OpenError> {
        let directory = JournalFolder::open(folder)?;
        recover(&directory, on_damage, appliers).map(|recovery| recovery.recovered)
    }

    /// A journal that forgets: every ticket is complete when it is given out. For measuring what
    /// durability costs.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            shared: Shared::new(usize::MAX, true),
            threads: None,
            disk: None,
            options: JournalOptions::default(),
        }
    }

    fn start<A: Apply>(
        storage: &Arc<dyn Storage>,
        claim: Option<FolderLock>,
        options: JournalOptions,
        on_damage: OnDamage,
        appliers: &mut [A],
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let (mut journal, committer, spare, recovered) =
            Self::prepare(storage, claim, options, on_damage, appliers)?;
        let segment = journal.shared.counts.segment.load(Ordering::Relaxed);
        let observer = Arc::clone(&journal.options.observer);
        let threads =
            Threads::spawn(committer, Arc::clone(&journal.shared), Arc::clone(&spare), observer);
        let threads = threads.map_err(|error| unwritable(&**storage, segment, error))?;
        journal.threads = Some((threads, spare));
        Ok((journal, recovered))
    }

    /// Reads what there is, and begins a segment behind it.
    pub(super) fn prepare<A: Apply>(
        storage: &Arc<dyn Storage>,
        claim: Option<FolderLock>,
        options: JournalOptions,
        on_damage: OnDamage,
        appliers: &mut [A],
    ) -> Result<(Self, GroupCommitter, Arc<Spare>, RecoveryReport), OpenError> {
        let recovery = recover(&**storage, on_damage, appliers)?;
        let JournalOptions { segment_size, snapshot_rate, .. } = options;
        // A segment is full when a group has gone beyond its size.
        let spare = Arc::new(Spare::new(
            Arc::clone(storage),
            segment_size.saturating_add(PIECE as u64),
            snapshot_rate,
        ));
        let ReadJournal { next, sealed, .. } = recovery;
        let mut log = SegmentWriter::new(
            Arc::clone(storage),
            Arc::clone(&spare),
            segment_size,
            next,
            sealed,
            recovery.carried.clone(),
        );
        let segment = log.open().map_err(|error| unwritable(&**storage, recovery.next, error))?;
        recovery.tidy(&**storage, options.tail_limit > 0);

        let shared = Shared::new(options.backlog, false);
        let counts = &shared.counts;
        let octets = |kind| {
            recovery
                .recovered
                .files
                .iter()
                .filter(move |file| file.name.kind == kind)
                .map(|file| file.octets)
                .sum()
        };
        counts.log_octets.store(octets(FileKind::Segment), Ordering::Relaxed);
        counts.snapshot_octets.store(octets(FileKind::Snapshot), Ordering::Relaxed);
        counts.segment.store(segment, Ordering::Relaxed);
        counts.covered.store(
            recovery.recovered.files.first().map_or(segment, |file| file.name.number),
            Ordering::Relaxed,
        );
        if let Some((active, _)) = log.durable() {
            let covered = counts.covered.load(Ordering::Relaxed);
            shared.committed.begin(&**storage, active, covered);
        }
        counts.snapshot_wanted.store(!recovery.recovered.lost.is_empty(), Ordering::Relaxed);

        let committer = GroupCommitter::new(Arc::clone(&shared), log, options.sync, options.gather);
        let disk = Disk { storage: Arc::clone(storage), _claim: claim };
        Ok((
            Self { shared, threads: None, disk: Some(disk), options },
            committer,
            spare,
            recovery.recovered,
        ))
    }

    /// A way in for one worker.
    #[must_use]
    pub fn submitter(&self, wake: Wake) -> Submitter {
        Submitter::new(Arc::clone(&self.shared), wake)
    }

    /// For /readyz.
    #[must_use]
    pub fn health(&self) -> JournalHealth {
        self.shared.health()
    }

    /// How long the commit in progress has taken so far. All that waits for the disk has waited at
    /// most that long, and the oldest of it has.
    #[must_use]
    pub fn commit_in_progress(&self) -> Option<Duration> {
        self.threads.as_ref().and_then(|(threads, _)| threads.commit_in_progress())
    }

    /// The name of a thread of the journal that has ended, which none does by itself.
    #[must_use]
    pub fn ended(&self) -> Option<&'static str> {
        self.threads.as_ref().and_then(|(threads, _)| threads.ended())
    }

    /// Whether the segment that is written is still in the folder: one that was removed takes
    /// records, and nobody will ever read them.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let Some(disk) = &self.disk else { return true };
        let name =
            FileName::segment(self.shared.counts.segment.load(Ordering::Relaxed)).to_string();
        match disk.storage.list() {
            Ok(files) => files.iter().any(|file| file.name == name),
            // Anything else says nothing of the file.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// For /metrics.
    #[must_use]
    pub fn figures(&self) -> JournalFigures {
        self.shared.figures()
    }

    /// Whether the segments have grown so much that a snapshot would make the next start quicker
    /// and the folder smaller.
    #[must_use]
    pub fn snapshot_is_due(&self) -> bool {
        let counts = &self.shared.counts;
        let log = counts.log_octets.load(Ordering::Relaxed);
        let least = self.options.snapshot_least.max(counts.snapshot_octets.load(Ordering::Relaxed));
        let segments = counts
            .segment
            .load(Ordering::Relaxed)
            .saturating_sub(counts.covered.load(Ordering::Relaxed));
        let is_wanted = log > least
            || segments >= MANY_SEGMENTS
            || counts.snapshot_wanted.load(Ordering::Relaxed);
        self.disk.is_some()
            && is_wanted
            && !counts.snapshotting.load(Ordering::Relaxed)
            && self.health() == JournalHealth::Good
    }

    /// A reader of what is committed, from `start` on. `None`: nothing is kept in memory.
    #[must_use]
    pub fn tail(&self, start: TailStart) -> Option<Tail> {
        let disk = self.disk.as_ref()?;
        let storage = Arc::clone(&disk.storage);
        Some(Tail::begin(Arc::clone(&self.shared), storage, self.options.tail_limit, start))
    }

    /// Begins a snapshot. Waits for the committer to begin a new segment, so not on a worker's
    /// thread.
    pub fn begin_snapshot(&self) -> Result<SnapshotWriter, SnapshotError> {
        self.begin_snapshot_after(|| {})
    }

    /// The same, where `round` has the committer begin the segment.
    pub(super) fn begin_snapshot_after(
        &self,
        round: impl FnOnce(),
    ) -> Result<SnapshotWriter, SnapshotError> {
        let disk = self.disk.as_ref().ok_or(SnapshotError::NotKept)?;
        let permit = SnapshotPermit::take(&self.shared)?;
        round();
        let JournalOptions { snapshot_rate, tail_limit, .. } = self.options;
        SnapshotWriter::begin(permit, Arc::clone(&disk.storage), snapshot_rate, tail_limit)
    }

    /// Writes everything submitted, and ends.
    ///
    /// # Errors
    /// If the disk did not take it: what waited is lost, and none of it was acknowledged.
    pub fn close(mut self) -> Result<(), WriteFailure> {
        self.stop();
        match self.health() {
            JournalHealth::Good => Ok(()),
            JournalHealth::Failing(failure) => Err(failure),
        }
    }

    fn stop(&mut self) {
        if let Some((threads, spare)) = self.threads.take() {
            threads.stop(&self.shared, &spare);
        }
    }
}

fn unwritable(storage: &dyn Storage, segment: u64, error: io::Error) -> OpenError {
    OpenError::Io { file: storage.describe(&FileName::segment(segment).to_string()), error }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("health", &self.health())
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}
