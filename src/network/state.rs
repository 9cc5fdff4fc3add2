//! The network state of an endpoint, and what every event does to it.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

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

impl NetworkState {
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Detached, Self::Idle, Self::Active];

    /// The table of PROTOCOL 6 (`.` stays, `x` refused):
    ///
    /// | now \ event | Assigned | Unassigned | Attach | Open | Update | Close, last | Close, others left | Detach | Barred | Inactive |
    /// |---|---|---|---|---|---|---|---|---|---|---|
    /// | unknown  | detached | .       | x    | x      | x      | .    | . | .        | .        | .        |
    /// | detached | .        | unknown | idle | active | active | .    | . | .        | .        | .        |
    /// | idle     | .        | unknown | .    | active | active | .    | . | detached | detached | detached |
    /// | active   | .        | unknown | .    | .      | .      | idle | . | detached | detached | .        |
    #[must_use]
    #[expect(clippy::match_same_arms, reason = "the arms of one row of the table stand together")]
    pub const fn on(self, event: Event) -> Step {
        use Event::{
            Assigned, Attach, Barred, Detach, Inactive, SessionCloseLast, SessionCloseOthersLeft,
            SessionOpen, SessionUpdate, Unassigned,
        };
        use NetworkState::{Active, Detached, Idle, Unknown};
        use Step::{Refused, Stays, To};
        match (self, event) {
            (Unknown, Assigned) => To(Detached),
            (Unknown, Attach | SessionOpen | SessionUpdate) => Refused,
            (
                Unknown,
                Unassigned | SessionCloseLast | SessionCloseOthersLeft | Detach | Barred | Inactive,
            ) => Stays,

            (Detached, Unassigned) => To(Unknown),
            (Detached, Attach) => To(Idle),
            (Detached, SessionOpen | SessionUpdate) => To(Active),
            (
                Detached,
                Assigned | SessionCloseLast | SessionCloseOthersLeft | Detach | Barred | Inactive,
            ) => Stays,

            (Idle, Unassigned) => To(Unknown),
            (Idle, SessionOpen | SessionUpdate) => To(Active),
            (Idle, Detach | Barred | Inactive) => To(Detached),
            (Idle, Assigned | Attach | SessionCloseLast | SessionCloseOthersLeft) => Stays,

            (Active, Unassigned) => To(Unknown),
            (Active, SessionCloseLast) => To(Idle),
            (Active, Detach | Barred) => To(Detached),
            (
                Active,
                Assigned | Attach | SessionOpen | SessionUpdate | SessionCloseOthersLeft | Inactive,
            ) => Stays,
        }
    }

    #[must_use]
    pub const fn key(self) -> u8 {
        self as u8
    }

    /// The inverse of [`Self::key`].
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.key() == key)
    }

    #[must_use]
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Detached => "detached",
            Self::Idle => "idle",
            Self::Active => "active",
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Detached => "Detached",
            Self::Idle => "Idle",
            Self::Active => "Active",
        }
    }
}

impl Serialize for NetworkState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut state = serializer.serialize_struct("NetworkState", 3)?;
        state.serialize_field("key", &self.key())?;
        state.serialize_field("moniker", self.moniker())?;
        state.serialize_field("name", self.name())?;
        state.end()
    }
}

impl Event {
    pub const ALL: [Self; 10] = [
        Self::Assigned,
        Self::Unassigned,
        Self::Attach,
        Self::SessionOpen,
        Self::SessionUpdate,
        Self::SessionCloseLast,
        Self::SessionCloseOthersLeft,
        Self::Detach,
        Self::Barred,
        Self::Inactive,
    ];

    /// The value of the label `event` in metrics.
    #[must_use]
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Unassigned => "unassigned",
            Self::Attach => "attach",
            Self::SessionOpen => "session-open",
            Self::SessionUpdate => "session-update",
            Self::SessionCloseLast => "session-close-last",
            Self::SessionCloseOthersLeft => "session-close-others-left",
            Self::Detach => "detach",
            Self::Barred => "barred",
            Self::Inactive => "inactive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROTOCOL 6, read as text: every pair of state and event, in the order of `ALL`.
    #[test]
    fn every_pair_does_what_the_table_says() {
        const TABLE: [(NetworkState, &str); 4] = [
            //                        Assigned Unassigned Attach Open   Update Close,last Close Detach   Barred   Inactive
            (
                NetworkState::Unknown,
                "detached  .          x      x      x      .          .     .        .        .",
            ),
            (
                NetworkState::Detached,
                ".        unknown    idle   active active .          .     .        .        .",
            ),
            (
                NetworkState::Idle,
                "    .        unknown    .      active active .          .     detached detached detached",
            ),
            (
                NetworkState::Active,
                "  .        unknown    .      .      .      idle       .     detached detached .",
            ),
        ];
        let mut pairs = 0;
        for (state, row) in TABLE {
            for (event, word) in Event::ALL.into_iter().zip(row.split_whitespace()) {
                let wanted = match word {
                    "." => Step::Stays,
                    "x" => Step::Refused,
                    moniker => Step::To(
                        NetworkState::ALL
                            .into_iter()
                            .find(|state| state.moniker() == moniker)
                            .unwrap(),
                    ),
                };
                assert_eq!(state.on(event), wanted, "{state:?} on {event:?}");
                pairs += 1;
            }
        }
        assert_eq!(pairs, 40);
    }

    #[test]
    fn has_the_numbers_of_sim_platforms() {
        assert_eq!(NetworkState::ALL.map(NetworkState::key), [10, 20, 30, 40]);
        for state in NetworkState::ALL {
            assert_eq!(NetworkState::from_key(state.key()), Some(state));
        }
        assert_eq!(NetworkState::from_key(11), None);
    }
}
