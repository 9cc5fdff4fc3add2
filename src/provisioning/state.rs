//! The provisioning state of an endpoint: whether it is meant to be used at all.

/// Whether an endpoint may use the network. The numbers are those of SIM platforms and of our JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ProvisioningState {
    /// Known, but not placed in a group.
    Pending = 30,
    /// Usable, if its group is valid.
    Active = 50,
    /// Barred for a while.
    Suspended = 60,
    /// Barred for good; only an explicit reinstatement leads out.
    Terminated = 70,
}

/// What can be done to an endpoint's provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Placed in a valid group.
    Assign,
    /// Removed from its group.
    Unassign,
    Suspend,
    Resume,
    Terminate,
    /// Brought back from termination.
    Reinstate,
}
