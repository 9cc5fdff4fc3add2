//! Where the shards of a run wait for each other: a phase that ends when everyone is served ends
//! for all of them together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many shards have served everyone, for each phase.
#[derive(Debug)]
pub struct PhaseBarrier {
    arrived: Vec<AtomicUsize>,
    shards: usize,
}

impl PhaseBarrier {
    pub(super) fn new(phases: usize, shards: usize) -> Self {
        Self { arrived: (0..phases).map(|_| AtomicUsize::new(0)).collect(), shards }
    }

    /// One shard is done with `phase`; it says so once.
    pub fn arrive(&self, phase: usize) {
        if let Some(arrived) = self.arrived.get(phase) {
            arrived.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether all of them are.
    pub fn is_complete(&self, phase: usize) -> bool {
        self.arrived.get(phase).is_none_or(|arrived| arrived.load(Ordering::Relaxed) >= self.shards)
    }
}
