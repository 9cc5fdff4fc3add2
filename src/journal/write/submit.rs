//! The hand-over: a worker submits batches and never waits; the committer takes all there are, and
//! says when they are safe.

use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::shared::Shared;
use crate::journal::write::submission::{Admission, Submission, SubmitterState, Ticket, Wake};

/// One worker's way into the journal.
///
/// The order of a round: [`Self::admission`], then change state and put records, then
/// [`Self::submit`], then hold the replies until [`Self::durable`] reaches the ticket. `submit`
/// takes whatever it is given, because the state has already changed; so the backlog is bounded by
/// twice its limit and one batch of each worker.
///
/// When the disk fails, nothing that was submitted is given up: the committer keeps the octets and
/// writes them first when the disk is back. The replies that wait should be dropped
/// ([`Admission::Failing`]); the gateways ask again, and by then the state they are answered from
/// is on disk. What must follow the record rather than the reply, such as freeing an address, waits
/// for the ticket.
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

    /// Octets that may still wait for the disk: up to twice the limit from which on it is
    /// [`Admission::Overloaded`]. Who shares what is left among several takes from the upper half
    /// only what leaves room for others.
    #[must_use]
    pub fn room(&self) -> usize {
        self.shared.backpressure.room()
    }

    /// Hands a batch over. An empty one is as good: its ticket is durable when all is that was
    /// submitted before it, by anybody.
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
        self.pending(ticket).wait(timeout)
    }

    /// The ticket as something to wait for, while others submit.
    #[must_use]
    pub fn pending(&self, ticket: Ticket) -> Pending {
        Pending { state: Arc::clone(&self.state), ticket }
    }
}

/// What was submitted up to a ticket, until it is durable.
#[derive(Debug)]
pub struct Pending {
    state: Arc<SubmitterState>,
    ticket: Ticket,
}

impl Pending {
    /// Waits until it is durable, at most so long. Whether it is.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let is_waited_for = || self.state.durable() < self.ticket;
        let mut waiters = self.state.waiters.lock();
        if is_waited_for() {
            *waiters += 1;
            self.state.published.wait_while_for(&mut waiters, |_| is_waited_for(), timeout);
            *waiters -= 1;
        }
        !is_waited_for()
    }
}
