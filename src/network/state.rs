//! The network state of an endpoint, and what every event does to it.

/// Where an endpoint stands in the network. The numbers are those of SIM platforms and of our JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum NetworkState {
    /// In no group, and so never seen.
    Unknown = 10,
    Detached = 20,
    /// Attached, without a session.
    Idle = 30,
    /// At least one session.
    Active = 40,
}

/// What can happen to an endpoint (PROTOCOL 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Placed in a group.
    Assigned,
    /// Removed from its group.
    Unassigned,
    /// Permission to attach was given, or an attach was reported.
    Attach,
    SessionOpen,
    SessionUpdate,
    /// A session closed, and it was the last one.
    SessionCloseLast,
    /// A session closed, others are still open.
    SessionCloseOthersLeft,
    Detach,
    /// Suspended or terminated.
    Barred,
    /// Nothing was heard for `detach_after`.
    Inactive,
}

/// What an event does in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    To(NetworkState),
    Stays,
    /// Does not fit: nothing moves, and it is counted.
    Refused,
}
