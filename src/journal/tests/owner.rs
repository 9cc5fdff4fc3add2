//! An owner of state, as the server is one: changes it, submits records, and is told what is
//! durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::faulty::FaultyDisk;
use crate::journal::disk::spare::Spare;
use crate::journal::handle::JournalOptions;
use crate::journal::recover::recovery::{ReadJournal, recover};
use crate::journal::write::group_commit::{GroupCommitter, Next, Round, RoundTime};
use crate::journal::write::segment::SegmentWriter;
use crate::journal::write::shared::Shared;
use crate::journal::write::snapshot::{SnapshotPermit, SnapshotWriter};
use crate::journal::{
    Batch, FramedRecord, OnDamage, OpenError, RecordKind, RecoveryReport, Storage, Submitter,
    SyncMode, Tail, TailStart, Ticket,
};
use crate::time::Timestamp;

pub(super) const KIND: RecordKind = RecordKind(1);

/// Octets of a segment: a few groups.
pub(super) const SEGMENT: u64 = 4096;

/// Key to version and payload.
pub(super) type State = BTreeMap<u64, (u64, Vec<u8>)>;

/// Keeps the newest version of every key, as every owner must.
pub(super) fn keep(state: &mut State, entry: FramedRecord<'_>) {
    let kept = state.entry(entry.key).or_default();
    if entry.version > kept.0 {
        *kept = (entry.version, entry.payload.to_vec());
    }
}

pub(super) fn recover_state(
    disk: &FaultyDisk,
    on_damage: OnDamage,
) -> Result<(State, ReadJournal), OpenError> {
    let mut state = State::new();
    let mut applier = |entry: FramedRecord<'_>| {
        keep(&mut state, entry);
        Ok(())
    };
    let recovery = recover(disk, on_damage, std::slice::from_mut(&mut applier))?;
    Ok((state, recovery))
}

/// The disk as the journal takes it.
pub(super) fn on(disk: &FaultyDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

/// A running server, without its thread: rounds are run by hand, at times of the test's choosing.
pub(super) struct TestOwner {
    disk: FaultyDisk,
    shared: Arc<Shared>,
    committer: GroupCommitter,
    spare: Arc<Spare>,
    workers: Vec<Worker>,
    pub state: State,
    /// What was acknowledged: the newest version of every key.
    pub acknowledged: BTreeMap<u64, u64>,
    pub now: Duration,
    snapshot: Option<(SnapshotWriter, Option<u64>)>,
}

struct Worker {
    submitter: Submitter,
    batch: Batch,
    in_batch: Vec<(u64, u64)>,
    in_flight: Vec<(Ticket, Vec<(u64, u64)>)>,
}

impl TestOwner {
    pub(super) fn start(
        disk: &FaultyDisk,
        mode: SyncMode,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let (state, recovery) = recover_state(disk, OnDamage::Refuse)?;
        let spare = Arc::new(Spare::new(on(disk), SEGMENT + 512, u64::MAX));
        let mut log = SegmentWriter::new(
            on(disk),
            Arc::clone(&spare),
            SEGMENT,
            recovery.next,
            recovery.sealed,
            recovery.carried.clone(),
        );
        log.open().unwrap();
        recovery.tidy(disk, true);
        let shared = Shared::new(1 << 20, false);
        let covered = recovery.recovered.files.first().map_or(0, |file| file.name.number);
        let active = log.durable().unwrap().0;
        shared.committed.begin(disk, active, covered);
        shared.counts.segment.store(active.number, std::sync::atomic::Ordering::Relaxed);
        let committer =
            GroupCommitter::new(Arc::clone(&shared), log, mode, JournalOptions::default().gather);
        let worker = || Worker {
            submitter: Submitter::new(Arc::clone(&shared), Arc::new(|| {})),
            batch: Batch::default(),
            in_batch: Vec::new(),
            in_flight: Vec::new(),
        };
        let workers = vec![worker(), worker(), worker()];
        let acknowledged = BTreeMap::new();
        let owner = Self {
            disk: disk.clone(),
            shared,
            committer,
            spare,
            workers,
            state,
            acknowledged,
            now: Duration::ZERO,
            snapshot: None,
        };
        Ok((owner, recovery.recovered))
    }

    pub(super) fn change(&mut self, worker: usize, key: u64, payload: &[u8]) {
        let kept = self.state.entry(key).or_default();
        *kept = (kept.0 + 1, payload.to_vec());
        let version = kept.0;
        let worker = &mut self.workers[worker];
        worker.batch.put(KIND, key, version, |buffer| buffer.extend_from_slice(payload)).unwrap();
        worker.in_batch.push((key, version));
    }

    pub(super) fn submit(&mut self, worker: usize) {
        let worker = &mut self.workers[worker];
        let batch = std::mem::replace(&mut worker.batch, worker.submitter.batch());
        let ticket = worker.submitter.submit(batch);
        worker.in_flight.push((ticket, std::mem::take(&mut worker.in_batch)));
    }

    pub(super) fn round(&mut self, later: Duration) -> Round {
        self.now += later;
        let wall = Timestamp::from_millis(self.now.as_millis() as u64);
        let round = self.committer.round(RoundTime { running: self.now, wall });
        for worker in &mut self.workers {
            let durable = worker.submitter.durable();
            for (_, records) in worker.in_flight.extract_if(.., |(ticket, _)| *ticket <= durable) {
                for (key, version) in records {
                    let newest = self.acknowledged.entry(key).or_default();
                    *newest = version.max(*newest);
                }
            }
        }
        round
    }

    /// Begins a snapshot, or goes on with it by a few keys, or finishes it.
    pub(super) fn advance_snapshot(&mut self) {
        let Some((mut writer, after)) = self.snapshot.take() else {
            let Ok(permit) = SnapshotPermit::take(&self.shared) else { return };
            if matches!(self.round(Duration::ZERO).next, Next::Rest(_)) {
                // A round in a pause leaves the order for the next one.
                self.round(Duration::from_secs(10));
            }
            let storage = on(&self.disk);
            self.snapshot = SnapshotWriter::begin(permit, storage, u64::MAX, u64::MAX)
                .ok()
                .map(|writer| (writer, None));
            return;
        };
        let slice: Vec<_> = self.state.range(after.map_or(0, |key| key + 1)..).take(8).collect();
        for (key, (version, payload)) in &slice {
            writer.put(KIND, **key, *version, |buffer| buffer.extend_from_slice(payload)).unwrap();
        }
        if let Some((key, _)) = slice.last() {
            if writer.settle().is_ok() {
                self.snapshot = Some((writer, Some(**key)));
            }
        } else {
            // An error leaves the journal as it was.
            let _ = writer.finish();
        }
    }

    /// A reader of what this owner has committed.
    pub(super) fn tail(&self, start: TailStart) -> Tail {
        Tail::begin(Arc::clone(&self.shared), on(&self.disk), u64::MAX, start)
    }

    pub(super) fn fill_spare(&self) {
        self.spare.fill_if_wanted();
    }

    pub(super) fn stop(mut self) {
        self.shared.order_stop();
        let round = self.round(Duration::ZERO);
        assert_eq!(round.next, Next::Stop);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.shared.health() != crate::journal::JournalHealth::Good
    }
}
