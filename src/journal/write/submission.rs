//! What a submitter and the committer share: batches on their way, tickets, and whether more should
//! come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::journal::write::batch::Batch;

/// A submitted batch, numbered per submitter from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Whether the journal wants records at present. Ask before state is changed: what has been changed
/// is always taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Open,
    /// Too many octets wait for the disk.
    Overloaded,
    /// The disk does not take records.
    Failing,
}

/// Called after a submitter's tickets became durable, or the journal began to fail: on the
/// committer's thread, so it must only wake somebody.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A batch on its way.
#[derive(Debug)]
pub(in crate::journal) struct Submission {
    pub batch: Batch,
    pub state: Arc<SubmitterState>,
    pub ticket: Ticket,
}

/// What a submitter and the committer share.
pub(in crate::journal) struct SubmitterState {
    pub(super) durable: AtomicU64,
    /// Set from the moment something was published until the wake.
    pub(super) unannounced: AtomicBool,
    pub(super) wake: Wake,
    pub(super) spare: Mutex<Vec<Batch>>,
    /// How many wait in `Submitter::wait`.
    pub(super) waiters: Mutex<usize>,
    pub(super) published: Condvar,
}

impl SubmitterState {
    /// Batches kept for reuse: more than are in flight at once.
    const SPARES: usize = 32;
    /// A batch that grew beyond this in a storm gives its memory back.
    const SPARE_OCTETS: usize = 1 << 20;

    pub(super) fn new(wake: Wake) -> Self {
        Self {
            durable: AtomicU64::new(0),
            unannounced: AtomicBool::new(false),
            wake,
            spare: Mutex::default(),
            waiters: Mutex::new(0),
            published: Condvar::new(),
        }
    }

    pub(super) fn durable(&self) -> Ticket {
        Ticket(self.durable.load(Ordering::Acquire))
    }

    pub(in crate::journal) fn publish(&self, ticket: Ticket) {
        self.durable.fetch_max(ticket.0, Ordering::Release);
        self.unannounced.store(true, Ordering::Relaxed);
    }

    /// Wakes the submitter if something was published since the last time.
    pub(in crate::journal) fn announce(&self) {
        if self.unannounced.swap(false, Ordering::Relaxed) {
            self.call();
        }
    }

    /// Wakes the submitter.
    pub(in crate::journal) fn call(&self) {
        if *self.waiters.lock() > 0 {
            self.published.notify_all();
        }
        (self.wake)();
    }

    pub(in crate::journal) fn recycle(&self, mut batch: Batch) {
        batch.clear();
        let mut spare = self.spare.lock();
        if spare.len() < Self::SPARES && (1..=Self::SPARE_OCTETS).contains(&batch.capacity()) {
            spare.push(batch);
        }
    }
}

impl std::fmt::Debug for SubmitterState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("durable", &self.durable).finish_non_exhaustive()
    }
}

/// Octets that wait for the disk, and whether it takes them: what `Submitter::admission` reads
/// without a lock.
#[derive(Debug)]
pub(in crate::journal) struct Backpressure {
    pub backlog: AtomicUsize,
    pub limit: usize,
    pub failing: AtomicBool,
}

impl Backpressure {
    pub(in crate::journal) fn room(&self) -> usize {
        self.limit.saturating_mul(2).saturating_sub(self.backlog.load(Ordering::Relaxed))
    }

    pub(in crate::journal) fn admission(&self) -> Admission {
        if self.failing.load(Ordering::Relaxed) {
            Admission::Failing
        } else if self.backlog.load(Ordering::Relaxed) > self.limit {
            Admission::Overloaded
        } else {
            Admission::Open
        }
    }
}
