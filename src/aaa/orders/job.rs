//! A job: many orders that one wish made, with their progress.

use std::collections::BTreeMap;

use crate::network::OrderAnswer;
use crate::time::Timestamp;

/// Jobs that are remembered at most; the oldest go.
pub(super) const MOST_JOBS: usize = 1000;

/// Many orders of one wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: u64,
    /// What was wished.
    pub action: &'static str,
    pub since: Timestamp,
    /// Orders given.
    pub total: u64,
    /// How many had which answer.
    pub results: BTreeMap<&'static str, u64>,
    pub is_cancelled: bool,
    /// More orders may come.
    pub is_open: bool,
}

impl Job {
    pub(super) const fn new(id: u64, action: &'static str, since: Timestamp) -> Self {
        let results = BTreeMap::new();
        Self { id, action, since, total: 0, results, is_cancelled: false, is_open: true }
    }

    /// Orders that were answered, or will not be.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.results.values().sum()
    }

    /// As people are told.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.is_open || self.done() < self.total {
            if self.is_cancelled { "cancelling" } else { "running" }
        } else if self.is_cancelled {
            "cancelled"
        } else {
            "done"
        }
    }

    pub(super) fn count(&mut self, answer: OrderAnswer) {
        *self.results.entry(answer.name()).or_default() += 1;
    }
}
