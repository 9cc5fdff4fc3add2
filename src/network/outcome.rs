//! What a report or an event did to an endpoint.

use smallvec::SmallVec;

use super::{Event, NetworkState, ReleasedLease};
use crate::address::Address;
use crate::identity::GroupId;

/// A list that is nearly always empty or of one element, and allocates only from the second on.
pub type Few<T> = SmallVec<[T; 1]>;

/// The answer of every method that moves an endpoint. Whether a record is due is told by
/// [`EndpointState::version`](super::EndpointState).
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub effect: Effect,
    /// The session concerned, as a place in `EndpointState::sessions`; good until the next call.
    pub session: Option<usize>,
    pub before: NetworkState,
    pub after: NetworkState,
    /// The event the state table refused, if it did.
    pub refused: Option<Event>,
    /// A counter was lower than what is known, was no wrap, and was ignored.
    pub counters_lowered: bool,
    /// A counter without Gigawords has wrapped.
    pub counters_wrapped: bool,
    /// Sessions that ended, or began to.
    pub closed: Few<Closed>,
    /// A session that was ending is open again.
    pub resumed: bool,
    pub freed: Few<ReleasedLease>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing to do with a session; `before` and `after` tell the rest.
    None,
    /// A session is open that was not: a new one, or one that had been given up.
    Opened,
    /// News of an open session: a bearer opened or closed, counters, place.
    Updated,
    /// Known already. At most the time it was last heard moved.
    Duplicate,
    /// Older than what is known: at most counters rose.
    Outdated,
    /// Of a session that has ended: at most counters rose.
    TombstoneHolds,
    /// The session ended by this report.
    Closed,
    /// The end of a session of which nothing was known, or a Start that came after its successor's:
    /// a tombstone was set.
    TombstoneAdded,
    /// The state table refused it, or no group serves it: nothing moved.
    Refused,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseCause {
    Stop = 1,
    Detach,
    /// A newer session of the same endpoint and APN began.
    Superseded,
    /// Unheard for `stale_after`.
    Stale,
    GatewayRestart,
    Barred,
    Unassigned,
    /// Its gateway acknowledged our Disconnect-Request, and no Stop came.
    Disconnected,
    /// Its gateway says that it does not have it (RFC 5176 3.5, Error-Cause 503).
    NotOnGateway,
}

impl CloseCause {
    pub const ALL: [Self; 9] = [
        Self::Stop,
        Self::Detach,
        Self::Superseded,
        Self::Stale,
        Self::GatewayRestart,
        Self::Barred,
        Self::Unassigned,
        Self::Disconnected,
        Self::NotOnGateway,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Detach => "detach",
            Self::Superseded => "superseded",
            Self::Stale => "stale",
            Self::GatewayRestart => "gateway-restart",
            Self::Barred => "barred",
            Self::Unassigned => "unassigned",
            Self::Disconnected => "disconnected",
            Self::NotOnGateway => "not-on-gateway",
        }
    }

    /// Whether the endpoint itself has left, and not only its session ended.
    pub(super) const fn is_departure(self) -> bool {
        matches!(self, Self::Detach | Self::Barred | Self::Unassigned)
    }

    /// The inverse of `as u8`.
    #[must_use]
    pub fn from_key(key: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| *cause as u8 == key)
    }
}

/// What became of a session that is not open any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    Ended,
    /// Its gateway has it still.
    BeganEnding,
    /// It was ending, and was counted as closed when it began to.
    EndedAtLast,
}

/// A session that ended, or began to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub how: Close,
    pub cause: CloseCause,
    pub group: Option<GroupId>,
    /// What it used.
    pub addresses: Few<Address>,
}

impl Outcome {
    pub(super) fn new(state: NetworkState) -> Self {
        Self {
            effect: Effect::None,
            session: None,
            before: state,
            after: state,
            refused: None,
            counters_lowered: false,
            counters_wrapped: false,
            closed: Few::default(),
            resumed: false,
            freed: Few::default(),
        }
    }

    /// A report that tells of a session which is long over, and has the name of the one at
    /// `session`.
    pub(super) fn pass_over(&mut self, session: usize) {
        self.session = Some(session);
        self.effect = Effect::Outdated;
    }
}
