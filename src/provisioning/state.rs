//! The provisioning state of an endpoint: whether it is meant to be used at all.

use std::fmt;

/// Whether an endpoint may use the network. The numbers are those of SIM platforms and of our JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ProvisioningState {
    /// Known, but not in use: placed in no group yet, or taken out of it.
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
pub enum ProvisioningChange {
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

impl ProvisioningState {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Suspended, Self::Terminated];

    /// The state after `change`. Every pair (rows: now; `x` refused):
    ///
    /// | now \ change | Assign    | Unassign | Suspend   | Resume | Terminate  | Reinstate |
    /// |--------------|-----------|----------|-----------|--------|------------|-----------|
    /// | pending      | active    | x        | x         | x      | terminated | x         |
    /// | active       | active    | pending  | suspended | x      | terminated | x         |
    /// | suspended    | suspended | pending  | x         | active | terminated | x         |
    /// | terminated   | x         | x        | x         | x      | x          | pending   |
    ///
    /// To assign an endpoint that is in a group already is to move it, which is no change of its
    /// state (PROTOCOL 11).
    pub fn on(self, change: ProvisioningChange) -> Result<Self, Refused> {
        use ProvisioningChange::{Assign, Reinstate, Resume, Suspend, Terminate, Unassign};
        use ProvisioningState::{Active, Pending, Suspended, Terminated};

        match (self, change) {
            (Pending | Active, Assign) | (Suspended, Resume) => Ok(Active),
            (Active | Suspended, Unassign) | (Terminated, Reinstate) => Ok(Pending),
            (Active, Suspend) | (Suspended, Assign) => Ok(Suspended),
            (Pending | Active | Suspended, Terminate) => Ok(Terminated),
            (Pending, Unassign | Suspend | Resume | Reinstate)
            | (Active, Resume | Reinstate)
            | (Suspended, Suspend | Reinstate)
            | (Terminated, Assign | Unassign | Suspend | Resume | Terminate) => {
                Err(Refused { state: self, change })
            }
        }
    }

    /// The state after a reload in which the file says `wanted`. A file moves an endpoint freely,
    /// as if by several changes at once; only out of termination it must say `reinstated`, and that
    /// leads to pending (PROTOCOL 10).
    pub fn imported(self, wanted: Self, reinstated: bool) -> Result<Self, Refused> {
        let change = match wanted {
            Self::Terminated => return Ok(wanted),
            Self::Pending if reinstated => ProvisioningChange::Reinstate,
            Self::Pending => ProvisioningChange::Unassign,
            Self::Active => ProvisioningChange::Assign,
            Self::Suspended => ProvisioningChange::Suspend,
        };
        if self == Self::Terminated { self.on(change) } else { Ok(wanted) }
    }

    /// The number by which SIM platforms and our JSON know the state.
    pub const fn key(self) -> u8 {
        self as u8
    }

    /// The name in files, metrics and JSON.
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
        }
    }

    /// The name as people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Terminated => "Terminated",
        }
    }

    /// The state with this moniker.
    pub fn parse(moniker: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.moniker() == moniker)
    }
}

impl fmt::Display for ProvisioningState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.moniker())
    }
}

/// A change that does not fit the state; nothing has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub state: ProvisioningState,
    pub change: ProvisioningChange,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = match self.change {
            ProvisioningChange::Assign => "assigned to a group",
            ProvisioningChange::Unassign => "removed from its group",
            ProvisioningChange::Suspend => "suspended",
            ProvisioningChange::Resume => "resumed",
            ProvisioningChange::Terminate => "terminated",
            ProvisioningChange::Reinstate => "reinstated",
        };
        let instead = match self.state {
            ProvisioningState::Pending => "assign it to a group, or terminate it",
            ProvisioningState::Active => "remove it from its group, suspend it, or terminate it",
            ProvisioningState::Suspended => "resume it, or terminate it",
            ProvisioningState::Terminated => "reinstate it first",
        };
        write!(f, "an endpoint that is {} cannot be {done}; {instead}", self.state)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_specification() {
        const CHANGES: [ProvisioningChange; 6] = [
            ProvisioningChange::Assign,
            ProvisioningChange::Unassign,
            ProvisioningChange::Suspend,
            ProvisioningChange::Resume,
            ProvisioningChange::Terminate,
            ProvisioningChange::Reinstate,
        ];
        let table = [
            ("pending", ["active", "x", "x", "x", "terminated", "x"]),
            ("active", ["active", "pending", "suspended", "x", "terminated", "x"]),
            ("suspended", ["suspended", "pending", "x", "active", "terminated", "x"]),
            ("terminated", ["x", "x", "x", "x", "x", "pending"]),
        ];
        for (now, row) in table {
            let state = ProvisioningState::parse(now).unwrap();
            for (change, wanted) in CHANGES.into_iter().zip(row) {
                let wanted = ProvisioningState::parse(wanted).ok_or(Refused { state, change });
                assert_eq!(state.on(change), wanted, "{now} on {change:?}");
            }
        }
    }

    #[test]
    fn a_file_leads_out_of_termination_only_by_reinstatement() {
        use ProvisioningState::{Active, Pending, Suspended, Terminated};

        let all = ProvisioningState::ALL;
        for (now, wanted) in all.into_iter().flat_map(|now| all.map(|wanted| (now, wanted))) {
            let is_free = now != Terminated || wanted == Terminated;
            assert_eq!(
                now.imported(wanted, false).ok(),
                is_free.then_some(wanted),
                "{now} to {wanted}"
            );
            assert_eq!(now.imported(Pending, true), Ok(Pending), "{now} reinstated");
        }
        let refused = [Pending, Active, Suspended]
            .map(|wanted| Terminated.imported(wanted, false).unwrap_err().change);
        assert_eq!(
            refused,
            [ProvisioningChange::Unassign, ProvisioningChange::Assign, ProvisioningChange::Suspend]
        );
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = ProvisioningState::Terminated.on(ProvisioningChange::Resume).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "an endpoint that is terminated cannot be resumed; reinstate it first"
        );
    }

    #[test]
    fn the_keys_are_those_of_sim_platforms() {
        let keys = ProvisioningState::ALL.map(|state| (state.key(), state.moniker(), state.name()));
        let wanted = [
            (30, "pending", "Pending"),
            (50, "active", "Active"),
            (60, "suspended", "Suspended"),
            (70, "terminated", "Terminated"),
        ];
        assert_eq!(keys, wanted);
    }
}
