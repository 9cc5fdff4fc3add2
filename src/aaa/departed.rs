//! Endpoints that were removed while addresses of theirs were in their hold: a snapshot, which has
//! only those that are there, must not cut it short.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use super::Aaa;
use crate::identity::Iccid;
use crate::network::{EndpointState, Lease, LeasePhase, Leases, NetworkState, Outages};
use crate::time::Timestamp;

/// What is left of a removed endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    pub iccid: Iccid,
    /// Its last state: the holds, and nothing else.
    pub state: EndpointState,
    /// The version of its removal, above that of the state.
    pub end: u64,
}

/// The removed endpoints with a hold that is not over, oldest first.
#[derive(Debug, Default)]
pub(super) struct DepartedList(Mutex<VecDeque<Departed>>);

impl DepartedList {
    /// `leases` are those the endpoint had at its end.
    pub(super) fn add(
        &self,
        iccid: Iccid,
        leases: impl IntoIterator<Item = Lease>,
        end: u64,
        now: Timestamp,
        hold: Duration,
        outages: &Outages,
    ) {
        let is_running = |lease: &Lease| is_held(lease, now, hold, outages);
        let leases: Leases = leases.into_iter().filter(is_running).collect();
        let mut list = self.0.lock();
        while list.front().is_some_and(|oldest| !oldest.state.leases.iter().any(is_running)) {
            list.pop_front();
        }
        if !leases.is_empty() {
            let mut state = EndpointState::new(NetworkState::Unknown);
            state.version = end.saturating_sub(1);
            state.leases = leases;
            list.push_back(Departed { iccid, state, end });
        }
    }
}

impl Aaa {
    /// What a snapshot has to put of removed endpoints, each its state and then its removal, before
    /// those that are there.
    #[must_use]
    pub fn departed(&self, now: Timestamp) -> Vec<Departed> {
        let hold = self.settings.hold_time;
        let is_running = |lease: &Lease| is_held(lease, now, hold, &self.outages);
        let list = self.departed.0.lock();
        list.iter()
            .filter(|departed| departed.state.leases.iter().any(is_running))
            .cloned()
            .collect()
    }
}

fn is_held(lease: &Lease, now: Timestamp, hold: Duration, outages: &Outages) -> bool {
    matches!(lease.phase, LeasePhase::Released { at } if outages.deadline(at, hold) > now)
}
