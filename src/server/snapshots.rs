//! The thread that writes snapshots: all that is known, in slices, beside the traffic, so that the journal stays short.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::worker::Common;
use crate::aaa::Aaa;
use crate::journal::{Journal, Sink, SnapshotError, SnapshotReport, TooLarge};

/// How often it is asked whether a snapshot is due.
const PACE: Duration = Duration::from_millis(100);

/// After a snapshot that failed, the next is tried not before this.
const PAUSE: Duration = Duration::from_secs(30);

/// Endpoints per slice: what is gathered in memory before it is written. Their entries are held one lock at a time and only to be copied.
const SLICE: usize = 4_096;

pub(super) struct Snapshots {
    pub(super) common: Arc<Common>,
    pub(super) aaa: Arc<Aaa>,
    pub(super) journal: Arc<Journal>,
    pub(super) stop: watch::Receiver<()>,
}

impl Snapshots {
    /// Writes a snapshot whenever one is due, until told to stop. To be run on a runtime of its own.
    pub(super) async fn run(mut self) {
        let mut pause = PACE;
        while !self.must_stop() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.changed() => return,
            }
            pause = PACE;
            if !self.journal.snapshot_is_due() {
                continue;
            }
            match self.write() {
                Ok(Some(report)) => info!(records = report.records, octets = report.octets, "snapshot written"),
                Ok(None) => return,
                Err(error) => {
                    warn!("no snapshot was written: {error}; the journal goes on without");
                    pause = PAUSE;
                }
            }
        }
    }

    /// `None`: told to stop in the middle of it. What was begun is removed then, and the journal is as it was.
    fn write(&self) -> Result<Option<SnapshotReport>, SnapshotError> {
        // The new segment has begun when this returns: whatever changes from now on is in it.
        let mut snapshot = self.journal.begin_snapshot()?;
        let mut too_large = Ok(());
        let mut keep = |put: Result<(), TooLarge>| {
            if put.is_err() {
                too_large = put;
            }
        };
        {
            let _nothing_is_being_adopted = self.common.adopting.lock();
            let now = self.common.clock.now().wall;
            self.aaa.with_catalog(|catalog| keep(snapshot.put_catalog(now.micros(), catalog)));
        }
        for (id, name) in self.common.gateways.load().handles() {
            keep(snapshot.put_gateway(id, name));
        }
        for restart in self.aaa.pending_restarts() {
            keep(snapshot.put_restart(&restart));
        }
        let mut next = Some(self.aaa.walk());
        while let Some(mut walk) = next.take() {
            if self.must_stop() {
                return Ok(None);
            }
            let came_round = self.aaa.observe(&mut walk, SLICE, |iccid, entry| {
                keep(snapshot.put_provisioned(iccid, entry.state.version, Some(&entry.endpoint)));
                if !entry.is_untouched() {
                    keep(snapshot.put_endpoint(iccid, &entry.state));
                }
            });
            snapshot.settle()?;
            next = (!came_round).then_some(walk);
        }
        if let Err(too_large) = too_large {
            return Err(SnapshotError::TooLarge(too_large));
        }
        snapshot.finish().map(Some)
    }

    fn must_stop(&self) -> bool {
        self.stop.has_changed().unwrap_or(true)
    }
}
