//! A journal without its thread: the caller runs the committer's rounds, on a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use super::disk::spare::Spare;
use super::disk::storage::Storage;
use super::error::OpenError;
use super::handle::{Journal, JournalOptions};
use super::recover::report::{Apply, OnDamage, RecoveryReport};
use super::write::group_commit::{GroupCommitter, Next, RoundTime};
use super::write::shared::Shared;
use super::write::snapshot::{SnapshotError, SnapshotWriter};
use crate::time::Timestamp;

/// Makes the rounds of a journal that was opened by [`Journal::open_manual`]. Dropping it is the
/// end of the process: what waits is lost.
pub struct ManualJournal {
    shared: Arc<Shared>,
    committer: GroupCommitter,
    spare: Arc<Spare>,
    /// The committer wants to be left alone until then.
    rests_until: Duration,
}

impl Journal {
    /// Opens a journal without a thread: nothing is written but in the rounds that the caller
    /// makes. For callers with a clock of their own.
    pub fn open_manual<A: Apply>(
        storage: &Arc<dyn Storage>,
        options: JournalOptions,
        on_damage: OnDamage,
        appliers: &mut [A],
    ) -> Result<(Self, ManualJournal, RecoveryReport), OpenError> {
        let (journal, committer, spare, recovered) =
            Self::prepare(storage, None, options, on_damage, appliers)?;
        let manual = ManualJournal::new(Arc::clone(&journal.shared), committer, spare);
        Ok((journal, manual, recovered))
    }
}

impl ManualJournal {
    pub(super) fn new(shared: Arc<Shared>, committer: GroupCommitter, spare: Arc<Spare>) -> Self {
        Self { shared, committer, spare, rests_until: Duration::ZERO }
    }

    /// Writes, syncs and publishes what waits, if it is time. Says when the next round is due;
    /// `None`: when something is submitted.
    ///
    /// `running` is the time since the journal was opened.
    pub fn round(&mut self, running: Duration, wall: Timestamp) -> Option<Duration> {
        let next = self.committer.round(RoundTime { running, wall }).next;
        self.rests_until = if let Next::Rest(until) = next { until } else { Duration::ZERO };
        match next {
            Next::Work(until) => until,
            Next::Rest(until) => Some(until),
            Next::Stop => None,
        }
    }

    /// Begins a snapshot of `journal`, which must be the one that was opened with this.
    pub fn begin_snapshot(
        &mut self,
        journal: &Journal,
        running: Duration,
        wall: Timestamp,
    ) -> Result<SnapshotWriter, SnapshotError> {
        // Resting, it would not begin the segment that the snapshot waits for.
        let running = running.max(self.rests_until);
        journal.begin_snapshot_after(|| _ = self.round(running, wall))
    }

    /// Makes the next segment ready, if one is wanted.
    pub fn fill_spare(&mut self) {
        self.spare.fill_if_wanted();
    }

    /// The last round: writes everything submitted. Whether the disk took it, [`Journal::close`]
    /// tells.
    pub fn finish(mut self, running: Duration, wall: Timestamp) {
        self.shared.order_stop();
        self.round(running, wall);
    }
}

impl std::fmt::Debug for ManualJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hand").field("rests_until", &self.rests_until).finish_non_exhaustive()
    }
}
