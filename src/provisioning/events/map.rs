//! Event maps: which events go to which handlers.

use compact_str::CompactString;

use super::super::model::RecordTooLarge;
use super::event_type::{EventScope, EventType};
use crate::identity::{EventHandlerId, Moniker};

/// A set of subscriptions. One of scope global is in force by itself, the others where a group or a
/// VSlice names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMap {
    pub moniker: Moniker,
    pub name: CompactString,
    pub scope: EventScope,
    /// Each pair once.
    pub subscriptions: Vec<Subscription>,
}

/// Events of this type go to this handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    pub handler: EventHandlerId,
    pub event: EventType,
}

impl EventMap {
    /// Without subscriptions.
    #[must_use]
    pub fn new(moniker: Moniker, name: &str, scope: EventScope) -> Self {
        Self { moniker, name: name.into(), scope, subscriptions: Vec::new() }
    }

    /// Whether its record has a bounded size.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    pub fn record_fits(&self) -> Result<(), RecordTooLarge> {
        RecordTooLarge::check(
            "an event map",
            1024 + self.name.len() + 10 * self.subscriptions.len(),
            RecordTooLarge::MOST,
        )
    }
}
