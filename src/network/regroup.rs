//! What a change of groups does to sessions and leases.

use super::outcome::Outcome;
use super::{CloseCause, EndpointState, Event};
use crate::identity::GroupId;
use crate::time::Timestamp;

impl EndpointState {
    /// The group goes on under another handle: its sessions and its lease stay. The successor must
    /// not have a lease of its own.
    pub fn rename_group(&mut self, group: GroupId, successor: GroupId) {
        let sessions = self.sessions.iter_mut().filter_map(|session| session.group.as_mut());
        let leases = self.leases.iter_mut().map(|lease| &mut lease.group);
        for own in sessions.chain(leases).filter(|own| **own == group) {
            *own = successor;
            self.version += 1;
        }
    }

    /// The endpoint has left the group: its open sessions there are ending as unassigned.
    pub fn leave_group(&mut self, group: GroupId, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::new(self.state);
        self.begin_ending(
            |session| session.group == Some(group),
            CloseCause::Unassigned,
            now,
            &mut outcome,
        );
        if self.open_sessions().next().is_none() {
            self.step(Event::SessionCloseLast, &mut outcome);
        }
        self.finish(outcome)
    }
}
