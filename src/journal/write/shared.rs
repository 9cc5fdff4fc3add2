//! What the handles and the committer's thread have in common: the queue, the health, the figures.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::submission::{Admission, Backpressure, Submission, SubmitterState};
use crate::journal::tail::committed::Committed;
use crate::time::Timestamp;

/// Whether the disk takes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalHealth {
    Good,
    Failing(WriteFailure),
}

/// A disk that does not take records. The committer tries again until it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    pub reason: String,
    pub since: Timestamp,
    /// Failed tries so far.
    pub tries: u32,
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the journal cannot write since {}: {} ({} tries)",
            self.since, self.reason, self.tries
        )
    }
}

impl std::error::Error for WriteFailure {}

/// Numbers for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Records written since the start.
    pub records: u64,
    /// Groups that they were written in.
    pub commits: u64,
    /// Octets on disk that a recovery would read: the snapshot and the segments after it.
    pub octets: u64,
    /// Octets that wait for the disk.
    pub backlog: u64,
    /// Failed commits since the start.
    pub failures: u64,
}

#[derive(Debug, Default)]
pub(in crate::journal) struct JournalCounts {
    pub records: AtomicU64,
    pub commits: AtomicU64,
    pub failures: AtomicU64,
    /// Octets of segments not covered by the snapshot.
    pub log_octets: AtomicU64,
    pub snapshot_octets: AtomicU64,
    /// The number of the segment being written.
    pub segment: AtomicU64,
    /// The first segment that the snapshot does not cover.
    pub covered: AtomicU64,
    pub snapshotting: AtomicBool,
    /// Something was lost: until the next snapshot every start would find it again.
    pub snapshot_wanted: AtomicBool,
}

#[derive(Debug)]
pub(in crate::journal) struct Shared {
    queue: Mutex<SubmitQueue>,
    arrived: Condvar,
    rotated: Condvar,
    pub backpressure: Backpressure,
    submitters: Mutex<Vec<Weak<SubmitterState>>>,
    failure: Mutex<Option<WriteFailure>>,
    pub counts: JournalCounts,
    pub committed: Committed,
    /// Nothing is kept: every submission is complete at once.
    memory: bool,
}

#[derive(Debug, Default)]
struct SubmitQueue {
    waiting: Vec<Submission>,
    orders: Orders,
    /// The committer waits for work and must be woken.
    asleep: bool,
    rotation: Option<Result<Rotated, String>>,
}

/// What was asked of the committer besides writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::journal) struct Orders {
    /// Begin a new segment, for a snapshot that covers the old ones.
    pub rotate: bool,
    /// Write everything and end.
    pub stop: bool,
}

/// A segment was begun; everything written before lies in segments with a smaller number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct Rotated {
    pub segment: u64,
    /// Octets in the smaller ones that the last snapshot does not cover.
    pub octets: u64,
}

impl Shared {
    pub(in crate::journal) fn new(backlog: usize, memory: bool) -> Arc<Self> {
        let backpressure =
            Backpressure { backlog: 0.into(), limit: backlog, failing: false.into() };
        Arc::new(Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            rotated: Condvar::new(),
            backpressure,
            submitters: Mutex::default(),
            failure: Mutex::default(),
            counts: JournalCounts::default(),
            committed: Committed::default(),
            memory,
        })
    }

    pub(in crate::journal) fn admission(&self) -> Admission {
        self.backpressure.admission()
    }

    pub(in crate::journal) fn enrol(&self, state: &Arc<SubmitterState>) {
        let mut submitters = self.submitters.lock();
        submitters.retain(|state| state.strong_count() > 0);
        submitters.push(Arc::downgrade(state));
    }

    pub(in crate::journal) fn push(&self, submission: Submission) {
        if self.memory {
            self.counts.records.fetch_add(submission.batch.records().into(), Ordering::Relaxed);
            submission.state.publish(submission.ticket);
            submission.state.recycle(submission.batch);
            return;
        }
        self.backpressure.backlog.fetch_add(submission.batch.octets().len(), Ordering::Relaxed);
        let mut queue = self.queue.lock();
        queue.waiting.push(submission);
        let asleep = std::mem::take(&mut queue.asleep);
        drop(queue);
        if asleep {
            self.arrived.notify_one();
        }
    }

    /// Moves what waits behind `taken`.
    pub(in crate::journal) fn take(&self, taken: &mut Vec<Submission>) -> Orders {
        let mut queue = self.queue.lock();
        if taken.is_empty() {
            // Two vectors go back and forth; neither is ever allocated anew.
            std::mem::swap(taken, &mut queue.waiting);
        } else {
            taken.append(&mut queue.waiting);
        }
        queue.orders
    }

    /// Sleeps until something is submitted or ordered, at most so long.
    pub(in crate::journal) fn wait_for_work(&self, limit: Option<Duration>) {
        let mut queue = self.queue.lock();
        if !queue.waiting.is_empty() || queue.orders != Orders::default() {
            return;
        }
        queue.asleep = true;
        match limit {
            Some(limit) => {
                self.arrived.wait_for(&mut queue, limit);
            }
            None => self.arrived.wait(&mut queue),
        }
        queue.asleep = false;
    }

    /// Sleeps so long, whatever is submitted; only an order to stop ends it early.
    pub(in crate::journal) fn rest(&self, time: Duration) {
        let mut queue = self.queue.lock();
        if !queue.orders.stop {
            self.arrived.wait_for(&mut queue, time);
        }
    }

    pub(in crate::journal) fn order_stop(&self) {
        self.queue.lock().orders.stop = true;
        self.arrived.notify_one();
    }

    /// Asks for a new segment.
    pub(in crate::journal) fn order_rotation(&self) {
        let mut queue = self.queue.lock();
        queue.orders.rotate = true;
        queue.rotation = None;
        drop(queue);
        self.arrived.notify_one();
    }

    /// Waits for the answer to [`Self::order_rotation`].
    pub(in crate::journal) fn await_rotation(&self) -> Result<Rotated, String> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(rotation) = queue.rotation.take() {
                return rotation;
            }
            self.rotated.wait(&mut queue);
        }
    }

    /// Answers [`Self::order_rotation`].
    pub(in crate::journal) fn answer_rotation(&self, rotation: Result<Rotated, String>) {
        let mut queue = self.queue.lock();
        queue.orders.rotate = false;
        queue.rotation = Some(rotation);
        self.rotated.notify_one();
    }

    pub(in crate::journal) fn health(&self) -> JournalHealth {
        self.failure.lock().clone().map_or(JournalHealth::Good, JournalHealth::Failing)
    }

    /// Notes a failed try; the first one of a row wakes everybody, so that waiting replies are
    /// dropped.
    pub(in crate::journal) fn fail(&self, reason: String, now: Timestamp) {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        let mut failure = self.failure.lock();
        let (since, tries) =
            failure.as_ref().map_or((now, 0), |earlier| (earlier.since, earlier.tries));
        *failure = Some(WriteFailure { reason, since, tries: tries.saturating_add(1) });
        drop(failure);
        if !self.backpressure.failing.swap(true, Ordering::Relaxed) {
            let submitters: Vec<_> =
                self.submitters.lock().iter().filter_map(Weak::upgrade).collect();
            for state in submitters {
                state.call();
            }
        }
    }

    pub(in crate::journal) fn recovered(&self) {
        if self.backpressure.failing.load(Ordering::Relaxed) {
            *self.failure.lock() = None;
            self.backpressure.failing.store(false, Ordering::Relaxed);
        }
    }

    pub(in crate::journal) fn figures(&self) -> JournalFigures {
        let counts = &self.counts;
        JournalFigures {
            records: counts.records.load(Ordering::Relaxed),
            commits: counts.commits.load(Ordering::Relaxed),
            octets: counts.log_octets.load(Ordering::Relaxed)
                + counts.snapshot_octets.load(Ordering::Relaxed),
            backlog: self.backpressure.backlog.load(Ordering::Relaxed) as u64,
            failures: counts.failures.load(Ordering::Relaxed),
        }
    }
}
