//! Marks sessions that are used against a policy, and locks an endpoint to its device (PROTOCOL 15).

use std::time::Duration;

use super::{EndpointState, PolicyViolation};
use crate::identity::Imei;
use crate::policy::PolicyReason;
use crate::time::Timestamp;

/// How long nothing more is asked of the gateway after a Disconnect was due.
const REPEATED_AFTER: Duration = Duration::from_secs(600);

impl EndpointState {
    /// Marks a session as used against a policy, or as used well again. Returns whether a violation
    /// has begun.
    pub fn mark_use(
        &mut self,
        session: usize,
        refused: Option<PolicyReason>,
        grace: Duration,
        now: Timestamp,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(session) else { return false };
        let before = session.violation();
        let after = refused.map(|reason| match before {
            Some(known) => PolicyViolation { reason, ..known },
            None => PolicyViolation { reason, since: now, disconnect_at: now + grace },
        });
        if after != before {
            session.set_violation(after);
            self.version += 1;
        }
        before.is_none() && after.is_some()
    }

    /// Whether the gateway is to end a session now. Asked again, it says so only after some time.
    pub fn take_due_disconnect(&mut self, session: usize, now: Timestamp) -> bool {
        let Some(session) = self.sessions.get_mut(session) else { return false };
        let Some(violation) = session.violation().filter(|known| known.disconnect_at <= now) else {
            return false;
        };
        session.set_violation(Some(PolicyViolation {
            disconnect_at: now + REPEATED_AFTER,
            ..violation
        }));
        self.version += 1;
        true
    }

    /// From now on this is the one device; `None`: the next that is seen is.
    pub fn lock_to(&mut self, device: Option<Imei>) {
        if self.device != device {
            self.device = device;
            self.version += 1;
        }
    }
}
