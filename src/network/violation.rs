//! A session that is used where, by what or with what its group's policy forbids, and the device
//! that an endpoint is locked to (PROTOCOL 15).

use std::time::Duration;

use super::EndpointState;
use crate::identity::Imei;
use crate::policy::PolicyReason;
use crate::time::Timestamp;

/// How long nothing more is asked of the gateway after a Disconnect was due.
const REPEATED_AFTER: Duration = Duration::from_secs(600);

/// A session is used against a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    pub reason: PolicyReason,
    /// By our time.
    pub since: Timestamp,
    /// When its gateway is to end it, unless it comes back before.
    pub disconnect_at: Timestamp,
}

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
            Some(known) => Violation { reason, ..known },
            None => Violation { reason, since: now, disconnect_at: now + grace },
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
        session.set_violation(Some(Violation { disconnect_at: now + REPEATED_AFTER, ..violation }));
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
