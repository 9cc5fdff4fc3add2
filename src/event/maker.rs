//! Makes events: asks whether anybody wants one, gives it an id, and writes what all have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use uuid::Builder;

use super::demand::EventDemand;
use super::envelope::EventEnvelope;
use super::json::JsonObject;
use super::kind::EventKind;
use super::throttle::FailureThrottle;
use crate::identity::{GatewayId, GroupId, Iccid, VsliceId, endpoint_uuid};
use crate::network::{NetworkState, mix};
use crate::provisioning::{Catalog, Endpoint, EventType};
use crate::time::Timestamp;

/// Where events are put: into the batch of what they tell of.
pub trait EventSink {
    /// An event decided at `at`; `write` appends its octets.
    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>));
}

/// Shared by all that decide.
#[derive(Debug)]
pub struct EventMaker {
    pub demand: Arc<EventDemand>,
    /// Random, so that no two lives of a server give the same ids.
    seed: [u64; 2],
    made: AtomicU64,
    /// By key.
    counts: [AtomicU64; 128],
    /// By handle.
    gateways: ArcSwap<Vec<String>>,
    failures: FailureThrottle,
}

/// The endpoint that an event is about.
#[derive(Clone, Copy, Debug)]
pub struct EventSubject<'a> {
    pub iccid: Iccid,
    pub endpoint: &'a Endpoint,
    pub catalog: &'a Catalog,
    pub network: NetworkState,
    pub now: Timestamp,
}

/// When and where it happened, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EventPlace {
    /// When it happened, if that was not just now.
    pub at: Option<Timestamp>,
    /// Of the session.
    pub group: Option<GroupId>,
    pub gateway: Option<GatewayId>,
}

impl EventMaker {
    /// Nobody wants anything yet. `seed` is random, where ids matter.
    #[must_use]
    pub fn new(seed: [u64; 2]) -> Self {
        Self {
            demand: Arc::default(),
            seed,
            made: AtomicU64::new(0),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            gateways: ArcSwap::default(),
            failures: FailureThrottle::new(),
        }
    }

    /// Other random numbers.
    pub const fn seed(&mut self, seed: [u64; 2]) {
        self.seed = seed;
    }

    /// The names that the handles of gateways stand for from now on.
    pub fn name_gateways(&self, names: Vec<String>) {
        self.gateways.store(Arc::new(names));
    }

    /// How many were made of each type that this server makes.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let made = EventType::ALL.iter().filter(|event| event.produced);
        made.filter_map(|event| {
            let count = self.counts.get(event.key as usize)?;
            Some((event.moniker, count.load(Ordering::Relaxed)))
        })
    }

    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        self.demand.wants(kind as u8)
    }

    /// Whether it is to be told that an endpoint was refused, and how often it was not since the
    /// last time: one a minute for each reason.
    #[must_use]
    pub fn untold_failures(&self, iccid: Iccid, reason: u8, now: Timestamp) -> Option<u32> {
        self.failures.ask(iccid, reason, now)
    }

    /// An event about an endpoint, which just happened; `detail` adds to what all have in common.
    pub fn about_endpoint(
        &self,
        kind: EventKind,
        subject: &EventSubject<'_>,
        sink: &mut impl EventSink,
        detail: impl FnOnce(&mut JsonObject<'_>),
    ) {
        self.endpoint_event(kind, subject, EventPlace::default(), sink, detail);
    }

    pub(super) fn endpoint_event(
        &self,
        kind: EventKind,
        subject: &EventSubject<'_>,
        place: EventPlace,
        sink: &mut impl EventSink,
        detail: impl FnOnce(&mut JsonObject<'_>),
    ) {
        if !self.wants(kind) {
            return;
        }
        let EventSubject { iccid, endpoint, catalog, network, now } = *subject;
        let group = place.group.or(endpoint.group);
        let known = group.and_then(|id| catalog.group(id));
        let vslice = known.map(|group| group.vslice);
        let mut detail = Some(detail);
        sink.event(Some(iccid), now, &mut |buffer| {
            EventEnvelope::head(buffer, kind as u8, group, vslice);
            let mut event = self.begin(buffer, kind, place.at.unwrap_or(now), now);
            event.plain("endpointId", endpoint_uuid(iccid));
            event.object("detail", |common| {
                common.plain("iccid", iccid);
                common.plain_or_null("imsi", endpoint.imsi);
                common.plain_or_null("msisdn", endpoint.msisdn);
                common.text_or_null("endpointGroup", known.map(|group| group.moniker.as_str()));
                let vslice = vslice.and_then(|id| catalog.vslice(id));
                common.text_or_null("vslice", vslice.map(|vslice| vslice.moniker.as_str()));
                self.gateway(common, place.gateway);
                common.object("networkState", |state| {
                    state.number("key", network.key());
                    state.text("moniker", network.moniker());
                    state.text("name", network.name());
                });
                if let Some(detail) = detail.take() {
                    detail(common);
                }
                common.plain("recordedAt", now);
            });
        });
    }

    /// An event of scope vslice or global, which just happened.
    pub fn about(
        &self,
        kind: EventKind,
        vslice: Option<VsliceId>,
        now: Timestamp,
        sink: &mut impl EventSink,
        detail: impl FnOnce(&mut JsonObject<'_>),
    ) {
        if !self.wants(kind) {
            return;
        }
        let mut detail = Some(detail);
        sink.event(None, now, &mut |buffer| {
            EventEnvelope::head(buffer, kind as u8, None, vslice);
            let mut event = self.begin(buffer, kind, now, now);
            event.object("detail", |common| {
                if let Some(detail) = detail.take() {
                    detail(common);
                }
                common.plain("recordedAt", now);
            });
        });
    }

    /// The name of a gateway under `gateway`.
    pub fn gateway(&self, detail: &mut JsonObject<'_>, gateway: Option<GatewayId>) {
        let names = self.gateways.load();
        let name = gateway.and_then(|id| names.get(id.index()));
        detail.text_or_null("gateway", name.map(String::as_str));
    }

    fn begin<'b>(
        &self,
        buffer: &'b mut Vec<u8>,
        kind: EventKind,
        at: Timestamp,
        now: Timestamp,
    ) -> JsonObject<'b> {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&mix(self.seed[0] ^ made).to_le_bytes());
        random[8..].copy_from_slice(&mix(self.seed[1] ^ made).to_le_bytes()[..2]);
        // Version 7: receivers that keep them sort them by time (RFC 9562 5.7).
        let id = Builder::from_unix_timestamp_millis(now.millis(), &random).into_uuid();
        let mut event = JsonObject::begin(buffer);
        event.plain("eventId", id);
        event.plain("eventTime", at);
        event.text("eventType", kind.event_type().map_or("", |event| event.moniker));
        event
    }
}
