//! How many endpoints are in each state: counted as they change, read by the metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::network::{CloseCause, Event, NetworkState};
use crate::provisioning::ProvisioningState;

/// Counts that every worker moves; relaxed, because each is read alone and for people.
#[derive(Default)]
pub(super) struct StateCounts {
    network: [AtomicI64; NetworkState::ALL.len()],
    provisioning: [AtomicI64; ProvisioningState::ALL.len()],
    refused_events: [AtomicU64; Event::ALL.len()],
    closed: [AtomicU64; CloseCause::ALL.len()],
    ending: AtomicI64,
}

impl StateCounts {
    pub(super) fn moved(&self, from: NetworkState, to: NetworkState) {
        if from != to {
            self.network_cell(from).fetch_sub(1, Ordering::Relaxed);
            self.network_cell(to).fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn joined(&self, network: NetworkState, provisioning: ProvisioningState) {
        self.network_cell(network).fetch_add(1, Ordering::Relaxed);
        self.provisioning_cell(provisioning).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn left(&self, network: NetworkState, provisioning: ProvisioningState) {
        self.network_cell(network).fetch_sub(1, Ordering::Relaxed);
        self.provisioning_cell(provisioning).fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn provisioned(&self, from: ProvisioningState, to: ProvisioningState) {
        self.provisioning_cell(from).fetch_sub(1, Ordering::Relaxed);
        self.provisioning_cell(to).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, event: Event) {
        self.refused_events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, cause: CloseCause) {
        self.closed[cause as usize - 1].fetch_add(1, Ordering::Relaxed);
    }

    /// Sessions that began to end, or less of them.
    pub(super) fn ending(&self, change: i64) {
        self.ending.fetch_add(change, Ordering::Relaxed);
    }

    pub(super) fn sessions_ending(&self) -> i64 {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn closures(&self, cause: CloseCause) -> u64 {
        self.closed[cause as usize - 1].load(Ordering::Relaxed)
    }

    pub(super) fn network(&self, state: NetworkState) -> i64 {
        self.network_cell(state).load(Ordering::Relaxed)
    }

    pub(super) fn provisioning(&self, state: ProvisioningState) -> i64 {
        self.provisioning_cell(state).load(Ordering::Relaxed)
    }

    pub(super) fn refusals(&self, event: Event) -> u64 {
        self.refused_events[event as usize].load(Ordering::Relaxed)
    }

    fn network_cell(&self, state: NetworkState) -> &AtomicI64 {
        // The keys are 10, 20, 30, 40.
        &self.network[usize::from(state.key() / 10) - 1]
    }

    fn provisioning_cell(&self, state: ProvisioningState) -> &AtomicI64 {
        let place = match state {
            ProvisioningState::Pending => 0,
            ProvisioningState::Active => 1,
            ProvisioningState::Suspended => 2,
            ProvisioningState::Terminated => 3,
        };
        &self.provisioning[place]
    }
}
