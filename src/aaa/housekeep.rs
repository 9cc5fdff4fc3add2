//! What time does by itself: a walk over all endpoints in slices, so that stale sessions end though
//! nobody speaks of them.

use super::provision::first_state;
use super::transaction::EndpointTxn;
use super::{Aaa, EndpointEntry, Recorder};
use crate::identity::Iccid;
use crate::network::{Cursor, NetworkState, Restart, RestartMark};
use crate::time::Timestamp;

/// Where the walk stands; kept by whoever walks.
#[derive(Debug)]
pub struct Walk {
    cursor: Cursor,
    /// Gateway restarts noted before this walk began are carried out when it ends.
    restarts: RestartMark,
    /// Endpoints seen, over all rounds.
    pub seen: usize,
}

impl Aaa {
    /// The beginning of a walk.
    #[must_use]
    pub fn walk(&self) -> Walk {
        Walk { cursor: Cursor::default(), restarts: self.restarts.mark(), seen: 0 }
    }

    /// Settles about `budget` more endpoints. Returns whether the walk has come round.
    pub fn housekeep(
        &self,
        walk: &mut Walk,
        budget: usize,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> bool {
        let plan = self.plan();
        plan.expire_holds(now);
        let next = self.tracker.walk(walk.cursor, budget, |iccid, entry| {
            walk.seen += 1;
            if may_be_due(entry) {
                let mut txn = EndpointTxn::begin(self, &plan, iccid, entry, now, records);
                txn.judge_conflicts();
                txn.judge_uses();
                txn.end();
            }
        });
        if let Some(cursor) = next {
            walk.cursor = cursor;
            return false;
        }
        self.restarts.forget(walk.restarts);
        *walk = Walk { seen: walk.seen, ..self.walk() };
        true
    }
}

impl Aaa {
    /// Shows about `budget` more endpoints, as they are kept. Returns whether the walk has come
    /// round. What changes meanwhile is seen as it was or as it is. `see` runs while an entry is
    /// held: it should copy, and be quick.
    pub fn observe(
        &self,
        walk: &mut Walk,
        budget: usize,
        mut see: impl FnMut(Iccid, &EndpointEntry),
    ) -> bool {
        match self.tracker.walk(walk.cursor, budget, |iccid, entry| see(iccid, entry)) {
            Some(cursor) => {
                walk.cursor = cursor;
                false
            }
            None => true,
        }
    }

    /// Gateway restarts that have not ended all their sessions yet.
    #[must_use]
    pub fn pending_restarts(&self) -> Vec<Restart> {
        self.restarts.pending()
    }
}

impl EndpointEntry {
    /// Nothing has ever been heard of it: its state follows from how it is provisioned.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let is_silent = self.state.last_activity == Timestamp::EPOCH
            && self.state.sessions.is_empty()
            && self.state.leases.is_empty();
        is_silent && self.state.state == first_state(&self.endpoint)
    }
}

/// Most of a fleet is quiet: neither sessions nor leases, and not waiting to be found inactive.
fn may_be_due(entry: &EndpointEntry) -> bool {
    !entry.state.sessions.is_empty()
        || !entry.state.leases.is_empty()
        || entry.state.state == NetworkState::Idle
}
