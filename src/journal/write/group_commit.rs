//! Group commit: everything that waits, in one write and one sync; then it is published. Time comes
//! in as an argument.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::segment::SegmentWriter;
use super::shared::{Orders, Rotated, Shared};
use super::submission::Submission;
use crate::time::Timestamp;

/// When a record counts as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// When the disk has it.
    Commit,
    /// When the kernel has it; the disk has it so much later. It survives a killed process, but no
    /// power cut.
    Interval(Duration),
}

/// The two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct RoundTime {
    /// Since the committer began; never goes back.
    pub running: Duration,
    pub wall: Timestamp,
}

/// What a round did, and when the next is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct Round {
    /// Records that became durable (or, between syncs, were written).
    pub records: u64,
    pub next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Next {
    /// When something is submitted; at the latest then, if given.
    Work(Option<Duration>),
    /// Not before then.
    Rest(Duration),
    /// Never.
    Stop,
}

/// After a round of fewer records the next one does not wait for more: the load is light, and
/// latency matters.
const FEW_RECORDS: u64 = 32;

/// The first pause after a failure, and the longest: quick enough for a hiccup, slow enough for a
/// full disk.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(5);

/// Takes batches from the queue to the log.
pub(in crate::journal) struct GroupCommitter {
    shared: Arc<Shared>,
    log: SegmentWriter,
    mode: SyncMode,
    /// Under load, the time from the end of one commit to the start of the next.
    gather: Duration,
    /// Taken from the queue, not written.
    waiting: Vec<Submission>,
    /// Written, not durable. Kept, because after a failed sync they have to be written again.
    unsynced: Vec<Submission>,
    /// How many of these have been published already.
    published: usize,
    synced_at: Duration,
    not_before: Duration,
    /// The pause after the next failure; `None` while all is well.
    retry: Option<Duration>,
}

impl GroupCommitter {
    pub(in crate::journal) fn new(
        shared: Arc<Shared>,
        log: SegmentWriter,
        mode: SyncMode,
        gather: Duration,
    ) -> Self {
        Self {
            shared,
            log,
            mode,
            gather,
            waiting: Vec::new(),
            unsynced: Vec::new(),
            published: 0,
            synced_at: Duration::ZERO,
            not_before: Duration::ZERO,
            retry: None,
        }
    }

    /// Writes what waits, if it is time.
    pub(in crate::journal) fn round(&mut self, now: RoundTime) -> Round {
        let orders = self.shared.take(&mut self.waiting);
        if now.running < self.not_before && !orders.stop {
            return Round { records: 0, next: Next::Rest(self.not_before) };
        }
        match self.attempt(now, orders) {
            Ok(records) => {
                self.retry = None;
                self.not_before =
                    if records >= FEW_RECORDS { now.running + self.gather } else { Duration::ZERO };
                Round { records, next: self.after_success(orders) }
            }
            Err(error) => {
                self.fail(now, orders, &error);
                // The last try of a server that ends; its caller learns of it from the health.
                let next = if orders.stop { Next::Stop } else { Next::Rest(self.not_before) };
                Round { records: 0, next }
            }
        }
    }

    fn attempt(&mut self, now: RoundTime, orders: Orders) -> io::Result<u64> {
        let segment = self.log.open()?;
        self.note_segment(segment);
        let records = self.write()?;
        let ends_segment = orders != Orders::default() || self.log.is_full();
        let syncs = ends_segment || self.sync_is_due(now);
        if syncs {
            self.log.sync()?;
            self.synced_at = now.running;
            // Before the submitters learn of it: what is acknowledged can be read.
            self.tell_readers();
        }
        // Before the wakes: whoever is woken finds the journal well.
        self.shared.recovered();
        if syncs || matches!(self.mode, SyncMode::Interval(_)) {
            self.publish();
        }
        if syncs {
            self.release();
            self.shared.committed.wake();
        }
        if orders.stop {
            self.log.close()?;
        } else if ends_segment {
            self.rotate(orders)?;
        }
        Ok(records)
    }

    /// Each segment is told of when it begins: so those that read behind know the whole chain, also
    /// of segments that were given up at once.
    fn note_segment(&self, segment: u64) {
        if self.shared.counts.segment.swap(segment, Ordering::Relaxed) != segment {
            self.tell_readers();
        }
    }

    fn tell_readers(&self) {
        if let Some((active, sealed)) = self.log.durable() {
            self.shared.committed.advance(active, sealed);
        }
    }

    fn write(&mut self) -> io::Result<u64> {
        if self.waiting.iter().all(|submission| submission.batch.is_empty()) {
            self.unsynced.append(&mut self.waiting);
            return Ok(0);
        }
        let octets =
            self.log.append(self.waiting.iter().map(|submission| submission.batch.octets()))?;
        self.shared.counts.log_octets.fetch_add(octets, Ordering::Relaxed);
        self.shared.counts.commits.fetch_add(1, Ordering::Relaxed);
        let records =
            self.waiting.iter().map(|submission| u64::from(submission.batch.records())).sum();
        self.unsynced.append(&mut self.waiting);
        Ok(records)
    }

    fn sync_is_due(&self, now: RoundTime) -> bool {
        match self.mode {
            SyncMode::Commit => !self.unsynced.is_empty(),
            SyncMode::Interval(interval) => {
                !self.unsynced.is_empty() && now.running >= self.synced_at + interval
            }
        }
    }

    /// Tells the submitters. First every watermark, then every wake, so that each is woken once.
    fn publish(&mut self) {
        let fresh = &self.unsynced[self.published..];
        let records: u64 =
            fresh.iter().map(|submission| u64::from(submission.batch.records())).sum();
        self.shared.counts.records.fetch_add(records, Ordering::Relaxed);
        for submission in fresh {
            submission.state.publish(submission.ticket);
        }
        for submission in fresh {
            submission.state.announce();
        }
        self.published = self.unsynced.len();
    }

    /// Gives the memory of durable batches back.
    fn release(&mut self) {
        self.published = 0;
        for Submission { batch, state, .. } in self.unsynced.drain(..) {
            self.shared.backpressure.backlog.fetch_sub(batch.octets().len(), Ordering::Relaxed);
            state.recycle(batch);
        }
    }

    fn rotate(&mut self, orders: Orders) -> io::Result<()> {
        let segment = self.log.rotate()?;
        self.note_segment(segment);
        if orders.rotate {
            let octets = self.shared.counts.log_octets.load(Ordering::Relaxed);
            self.shared.answer_rotation(Ok(Rotated { segment, octets }));
        }
        Ok(())
    }

    /// Nothing of the failed group was acknowledged; all of it goes back to the front of what
    /// waits.
    fn fail(&mut self, now: RoundTime, orders: Orders, error: &io::Error) {
        self.unsynced.append(&mut self.waiting);
        std::mem::swap(&mut self.waiting, &mut self.unsynced);
        self.published = 0;
        let pause = self.retry.map_or(RETRY_FIRST, |pause| (pause * 2).min(RETRY_LAST));
        self.retry = Some(pause);
        self.not_before = now.running + pause;
        self.shared.fail(error.to_string(), now.wall);
        if orders.rotate {
            self.shared.answer_rotation(Err(error.to_string()));
        }
    }

    fn after_success(&self, orders: Orders) -> Next {
        if orders.stop {
            return Next::Stop;
        }
        if !self.not_before.is_zero() {
            return Next::Rest(self.not_before);
        }
        match self.mode {
            SyncMode::Interval(interval) if !self.unsynced.is_empty() => {
                Next::Work(Some(self.synced_at + interval))
            }
            SyncMode::Interval(_) | SyncMode::Commit => Next::Work(None),
        }
    }
}
