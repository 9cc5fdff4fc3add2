//! What time does by itself: a walk over all endpoints in slices, so that stale sessions end though nobody speaks of them.

use super::turn::Turn;
use super::{Aaa, Entry, Recorder};
use crate::network::{Cursor, Mark, NetworkState};
use crate::time::Timestamp;

/// Where the walk stands; kept by whoever walks.
#[derive(Debug)]
pub struct Walk {
    cursor: Cursor,
    /// Gateway restarts noted before this walk began are carried out when it ends.
    restarts: Mark,
}

impl Aaa {
    /// The beginning of a walk.
    #[must_use]
    pub fn walk(&self) -> Walk {
        Walk { cursor: Cursor::default(), restarts: self.restarts.mark() }
    }

    /// Settles about `budget` more endpoints. Returns whether the walk has come round.
    pub fn housekeep(&self, walk: &mut Walk, budget: usize, now: Timestamp, records: &mut impl Recorder) -> bool {
        let plan = self.plan();
        let next = self.tracker.walk(walk.cursor, budget, |iccid, entry| {
            if may_be_due(entry) {
                Turn::begin(self, &plan, iccid, entry, now, records).end();
            }
        });
        if let Some(cursor) = next {
            walk.cursor = cursor;
            return false;
        }
        self.restarts.forget(walk.restarts);
        *walk = self.walk();
        true
    }
}

/// Most of a fleet is quiet: neither sessions nor leases, and not waiting to be found inactive.
fn may_be_due(entry: &Entry) -> bool {
    !entry.state.sessions.is_empty() || !entry.state.leases.is_empty() || entry.state.state == NetworkState::Idle
}
