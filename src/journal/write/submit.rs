//! The hand-over: a worker submits batches and never waits; the committer takes all there are, and says when they are safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::batch::Batch;
use super::shared::Shared;

/// A submitted batch, numbered per submitter from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Whether the journal wants records at present. Ask before state is changed: what has been changed is always taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Open,
    /// Too many octets wait for the disk.
    Overloaded,
    /// The disk does not take records.
    Failing,
}

/// Called after a submitter's tickets became durable, or the journal began to fail: on the committer's thread, so it must only wake somebody.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// One worker's way into the journal.
///
/// The order of a round: [`Self::admission`], then change state and put records, then [`Self::submit`], then hold the replies until
/// [`Self::durable`] reaches the ticket. `submit` takes whatever it is given, because the state has already changed; so the backlog
/// is bounded by twice its limit and one batch of each worker.
///
/// When the disk fails, nothing that was submitted is given up: the committer keeps the octets and writes them first when the disk
/// is back. The replies that wait should be dropped ([`Admission::Failing`]); the gateways ask again, and by then the state they are
/// answered from is on disk. What must follow the record rather than the reply, such as freeing an address, waits for the ticket.
#[derive(Debug)]
pub struct Submitter {
    state: Arc<SubmitterState>,
    shared: Arc<Shared>,
    last: Ticket,
}

impl Submitter {
    pub(in crate::journal) fn new(shared: Arc<Shared>, wake: Wake) -> Self {
        let state = Arc::new(SubmitterState::new(wake));
        shared.enrol(&state);
        Self { state, shared, last: Ticket(0) }
    }

    /// An empty batch, with the memory of an earlier one if there is one.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.state.spare.lock().pop().unwrap_or_default()
    }

    #[must_use]
    pub fn admission(&self) -> Admission {
        self.shared.admission()
    }

    /// Octets that may still wait for the disk: up to twice the limit from which on it is [`Admission::Overloaded`]. Who shares
    /// what is left among several takes from the upper half only what leaves room for others.
    #[must_use]
    pub fn room(&self) -> usize {
        self.shared.backpressure.room()
    }

    /// Hands a batch over. An empty one is as good: its ticket is durable when all is that was submitted before it, by anybody.
    ///
    /// If [`Self::durable`] covers the ticket at once (a journal in memory), no wake follows.
    pub fn submit(&mut self, batch: Batch) -> Ticket {
        self.last.0 += 1;
        self.shared.push(Submission { batch, state: Arc::clone(&self.state), ticket: self.last });
        self.last
    }

    /// All tickets up to this one are durable.
    #[must_use]
    pub fn durable(&self) -> Ticket {
        self.state.durable()
    }

    /// The ticket last given out.
    #[must_use]
    pub const fn last(&self) -> Ticket {
        self.last
    }

    /// Waits until the ticket is durable, at most so long; for imports and tests, not for workers.
    #[must_use]
    pub fn wait(&self, ticket: Ticket, timeout: Duration) -> bool {
        let mut waiters = self.state.waiters.lock();
        if self.durable() < ticket {
            *waiters += 1;
            self.state.published.wait_while_for(
                &mut waiters,
                |_| self.state.durable() < ticket,
                timeout,
            );
            *waiters -= 1;
        }
        self.durable() >= ticket
    }
}

/// A batch on its way.
#[derive(Debug)]
pub(in crate::journal) struct Submission {
    pub batch: Batch,
    pub state: Arc<SubmitterState>,
    pub ticket: Ticket,
}

/// What a submitter and the committer share.
pub(in crate::journal) struct SubmitterState {
    durable: AtomicU64,
    /// Set from the moment something was published until the wake.
    unannounced: AtomicBool,
    wake: Wake,
    spare: Mutex<Vec<Batch>>,
    /// How many wait in [`Submitter::wait`].
    waiters: Mutex<usize>,
    published: Condvar,
}

impl SubmitterState {
    /// Batches kept for reuse: more than are in flight at once.
    const SPARES: usize = 32;
    /// A batch that grew beyond this in a storm gives its memory back.
    const SPARE_OCTETS: usize = 1 << 20;

    fn new(wake: Wake) -> Self {
        Self {
            durable: AtomicU64::new(0),
            unannounced: AtomicBool::new(false),
            wake,
            spare: Mutex::default(),
            waiters: Mutex::new(0),
            published: Condvar::new(),
        }
    }

    fn durable(&self) -> Ticket {
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

/// Octets that wait for the disk, and whether it takes them: what [`Submitter::admission`] reads without a lock.
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
