//! Whether the server is ready, and if not, why not.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where the server stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// The journal is read and the inventory loaded.
    Recovering,
    Serving,
    /// Told to stop.
    Stopping,
}

/// The phase, as all threads see it.
#[derive(Debug)]
pub(super) struct Health {
    phase: AtomicU8,
}

impl Default for Health {
    fn default() -> Self {
        Self { phase: AtomicU8::new(Phase::Recovering as u8) }
    }
}

impl Health {
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase() == Phase::Serving
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Serving as u8 => Phase::Serving,
            phase if phase == Phase::Stopping as u8 => Phase::Stopping,
            _ => Phase::Recovering,
        }
    }
}
