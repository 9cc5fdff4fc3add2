//! What is remembered of a session that is used where, by what or with what its group's policy
//! forbids (PROTOCOL 15).

use crate::policy::PolicyReason;
use crate::time::Timestamp;

/// A session is used against a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyViolation {
    pub reason: PolicyReason,
    /// By our time.
    pub since: Timestamp,
    /// When its gateway is to end it, unless it comes back before.
    pub disconnect_at: Timestamp,
}
