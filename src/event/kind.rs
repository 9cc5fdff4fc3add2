//! The kinds of events that this server makes.

use crate::provisioning::{EventType, ProvisioningState};

/// One that this server makes. The number is the key of its [`EventType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// An Access-Accept was decided.
    Authenticated = 10,
    SessionCreated = 11,
    SessionModified = 12,
    /// Counters only.
    SessionExtended = 13,
    SessionDeleted = 14,
    /// An Access-Reject, or accounting of an endpoint that may not be served.
    CreateFailed = 15,
    LocationUpdated = 16,
    CountryChanged = 17,
    OperatorChanged = 18,
    ImeiChanged = 19,
    ForciblyDetached = 20,
    /// Nothing heard for a long time.
    Purged = 21,
    SetActive = 22,
    SetPending = 23,
    SetSuspended = 24,
    SetTerminated = 25,
    Steered = 26,
    KeyValueUpdated = 27,
    Detached = 40,
    GroupChanged = 41,
    AddressConflict = 42,
    PolicyViolated = 43,
    PoolNearlyFull = 60,
    PoolExhausted = 61,
    GatewayRestarted = 70,
    HandlerFailing = 71,
}

impl EventKind {
    /// The row of the table of types.
    #[must_use]
    pub fn event_type(self) -> Option<EventType> {
        EventType::from_key(self as u32)
    }

    /// The kind that tells of a provisioning state.
    #[must_use]
    pub const fn of_state(state: ProvisioningState) -> Self {
        match state {
            ProvisioningState::Active => Self::SetActive,
            ProvisioningState::Pending => Self::SetPending,
            ProvisioningState::Suspended => Self::SetSuspended,
            ProvisioningState::Terminated => Self::SetTerminated,
        }
    }
}
