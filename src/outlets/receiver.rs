//! One event handler that is served: which events lead to it, its queue, and where it reads the log.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::marks_file::{PreviousSecret, ReceiverMarks};
use super::post::HookTarget;
use crate::delivery::{DeliveryMachine, SigningSecret};
use crate::event::{EventEnvelope, TypeSet};
use crate::identity::{EventHandlerId, EventMapId, GroupId, VsliceId};
use crate::message_log::{LogCursor, LogItem, LogView};
use crate::provisioning::{Catalog, EventHandler, EventMap, EventScope, Group, Vslice, Webhook};
use crate::time::Timestamp;

/// What the metrics show of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverCounts {
    pub handler: String,
    pub taken: u64,
    /// Tries that failed, and are repeated.
    pub failed: u64,
    pub dead: u64,
    pub lost: u64,
    pub waiting: u64,
    pub is_failing: bool,
}

pub(super) struct Receiver {
    pub uuid: Uuid,
    pub moniker: String,
    webhook: Webhook,
    pub target: HookTarget,
    pub machine: DeliveryMachine,
    routes: Routes,
    cursor: LogCursor,
    pub previous: Option<PreviousSecret>,
    pub counts: ReceiverCounts,
}

/// Which events lead to a handler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Routes {
    everywhere: TypeSet,
    groups: HashMap<GroupId, TypeSet>,
    vslices: HashMap<VsliceId, TypeSet>,
}

impl Routes {
    /// By all maps that are in force: those of scope global by themselves, the others where a group
    /// or a VSlice names them.
    pub(super) fn of_all(catalog: &Catalog) -> HashMap<EventHandlerId, Self> {
        let mut routes: HashMap<EventHandlerId, Self> = HashMap::new();
        let mut named: HashMap<EventMapId, (Vec<GroupId>, Vec<VsliceId>)> = HashMap::new();
        for (id, group) in catalog.all::<Group>() {
            if let Some(map) = group.event_map {
                named.entry(map).or_default().0.push(id);
            }
        }
        for (id, vslice) in catalog.all::<Vslice>() {
            if let Some(map) = vslice.event_map {
                named.entry(map).or_default().1.push(id);
            }
        }
        for (id, map) in catalog.all::<EventMap>() {
            for one in &map.subscriptions {
                let types = TypeSet::of(one.event);
                let of = routes.entry(one.handler).or_default();
                if map.scope == EventScope::Global {
                    of.everywhere = of.everywhere.union(types);
                }
                let Some((groups, vslices)) = named.get(&id) else { continue };
                for group in groups {
                    let known = of.groups.entry(*group).or_default();
                    *known = known.union(types);
                }
                for vslice in vslices {
                    let known = of.vslices.entry(*vslice).or_default();
                    *known = known.union(types);
                }
            }
        }
        routes
    }

    fn lead(&self, event: &EventEnvelope<'_>) -> bool {
        let of_group = event.group.and_then(|group| self.groups.get(&group));
        let of_vslice = event.vslice.and_then(|vslice| self.vslices.get(&vslice));
        let sets = [Some(&self.everywhere), of_group, of_vslice];
        sets.into_iter().flatten().any(|types| types.contains(event.event))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Receiver {
    pub(super) fn new(
        uuid: Uuid,
        handler: &EventHandler,
        marks: ReceiverMarks,
        own: &[SocketAddr],
    ) -> Self {
        let machine = DeliveryMachine::new(marks.marks);
        Self {
            uuid,
            moniker: handler.moniker.as_str().to_owned(),
            webhook: handler.webhook.clone(),
            target: HookTarget::new(&handler.webhook, own),
            cursor: LogCursor::at(machine.wants_from().unwrap_or_default()),
            machine,
            routes: Routes::default(),
            previous: marks.previous,
            counts: ReceiverCounts::default(),
        }
    }

    /// Where a handler begins that nothing is known of: with the first event since it was made.
    pub(super) fn beginning(view: &LogView, made: Timestamp) -> u64 {
        let mut first = view.end();
        // Unreadable, it begins with the next one.
        let _ = view.backward(first, |item| match item {
            LogItem::Message(message) if message.at < made => ControlFlow::Break(()),
            item => {
                first = item.sequence();
                ControlFlow::Continue(())
            }
        });
        first
    }

    /// The handler, and what leads to it, as they are from now on.
    pub(super) fn follow(&mut self, handler: &EventHandler, routes: Routes, own: &[SocketAddr]) {
        self.routes = routes;
        handler.moniker.as_str().clone_into(&mut self.moniker);
        if self.webhook != handler.webhook {
            self.webhook = handler.webhook.clone();
            self.target = HookTarget::new(&handler.webhook, own);
            if self.machine.is_off() {
                self.machine.switch_on();
            }
        }
    }

    /// Queues what is new in the log and leads here, up to `end`. Whether there is more to read.
    pub(super) fn fill(&mut self, view: &LogView, end: u64) -> std::io::Result<bool> {
        if self.routes.is_empty() {
            self.machine.looked_until(end);
            return Ok(false);
        }
        let Some(next) = self.machine.wants_from().filter(|next| *next < end) else {
            return Ok(false);
        };
        if self.cursor.next != next {
            self.cursor = LogCursor::at(next);
        }
        let (machine, routes) = (&mut self.machine, &self.routes);
        let gap = view.forward(&mut self.cursor, |item| {
            if item.sequence() >= end {
                return ControlFlow::Break(());
            }
            match item {
                LogItem::Message(message) => {
                    let event = EventEnvelope::read(message.octets);
                    match event.filter(|event| routes.lead(event)) {
                        Some(event) => machine.offer(
                            message.sequence,
                            message.key,
                            message.at,
                            event_id(event.payload).to_owned(),
                            event.payload.to_vec(),
                        ),
                        None => machine.looked_until(message.sequence + 1),
                    }
                }
                LogItem::Missing { sequence, .. } => machine.lose(sequence + 1),
            }
            if machine.wants_from().is_some() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if let Some(gap) = gap {
            self.machine.lose(gap.to);
        }
        Ok(self.machine.wants_from().is_some_and(|next| next < end))
    }

    /// All headers of a try.
    pub(super) fn headers(
        &self,
        event_id: &str,
        number: u64,
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(&'static str, String)> {
        let seconds = now.secs();
        let previous = self.previous.as_ref().filter(|previous| now.millis() < previous.until_ms);
        let secrets =
            [Some(&*self.webhook.signing_secret), previous.map(|previous| &*previous.secret)];
        let signatures: Vec<String> = secrets
            .into_iter()
            .flatten()
            .filter_map(SigningSecret::parse)
            .map(|secret| secret.sign(event_id, seconds, body))
            .collect();
        vec![
            ("webhook-id", event_id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures.join(" ")),
            ("attachd-sequence", number.to_string()),
        ]
    }

    pub(super) fn marks(&self) -> ReceiverMarks {
        ReceiverMarks { marks: self.machine.marks(), previous: self.previous.clone() }
    }

    pub(super) fn counted(&self) -> ReceiverCounts {
        ReceiverCounts {
            handler: self.moniker.clone(),
            lost: self.machine.lost(),
            waiting: self.machine.waiting() as u64,
            is_failing: self.machine.is_failing(),
            ..self.counts.clone()
        }
    }
}

/// A payload begins with its id.
pub(super) fn event_id(payload: &[u8]) -> &str {
    const BEFORE: &[u8] = b"{\"eventId\":\"";
    let id = payload.strip_prefix(BEFORE).and_then(|rest| rest.get(..36));
    id.and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default()
}

/// A handler of the catalog as the thread serves it.
pub(super) type Served = (EventHandlerId, Uuid, Timestamp, Arc<EventHandler>);
