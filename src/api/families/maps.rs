//! `/EventMaps` and `/EventTypes`: which events go to which handlers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{Fields, Given, Problems};
use super::lookup::{find, link, reference};
use super::write::{Read, Revised, revise};
use super::{Family, Named, Shown, body, enumerated, handlers, listing};
use crate::aaa::{Mutation, Put};
use crate::api::access::{MayRead, MayWrite};
use crate::api::envelope::{Answer, data};
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::identity::EventMapId;
use crate::provisioning::{
    Catalog, CatalogEntry, CatalogKind, EventHandler, EventMap, EventScope, EventType, Spelling,
    Subscription,
};

/// Subscriptions of one map.
const MOST: usize = 1_000;

impl Family for EventMap {
    const PATH: &'static str = "eventmaps";
    const AUDITED: &'static str = "map";
    const PROPERTIES: &'static [&'static str] = &["id", "name", "moniker", "eventScope"];

    fn read(
        fields: &mut Fields<'_>,
        named: Option<Named>,
        before: Option<&CatalogEntry<Self>>,
        catalog: &Catalog,
    ) -> Option<(Self, Spelling)> {
        let old = before.map(|entry| &*entry.thing);
        let mut spelling = before.map(|entry| entry.spelling.clone()).unwrap_or_default();
        let scope = fields.parsed("eventScope", |text| {
            EventScope::parse(text)
                .map(|scope| (scope, text.to_owned()))
                .ok_or_else(|| "unknown; write endpoint, vslice or global".to_owned())
        });
        let scope = match (scope, old) {
            (Given::Value((scope, written)), _) => {
                spelling = spelling.with("eventScope", &written);
                scope
            }
            (_, Some(old)) => old.scope,
            (Given::Absent | Given::Null, None) => {
                fields.invalid("eventScope", "missing; write endpoint, vslice or global");
                return None;
            }
        };
        let pointer = fields.pointer("subscriptions");
        let subscriptions = match fields.array("subscriptions") {
            Given::Absent => old.map(|old| old.subscriptions.clone()).unwrap_or_default(),
            Given::Null => {
                spelling = spelling.without("subscriptions");
                Vec::new()
            }
            Given::Value(list) => {
                spelling = spelling.with("subscriptions", "[]");
                read_subscriptions(list, &pointer, scope, catalog, fields.problems)
            }
        };
        let Named { moniker, name } = named?;
        Some((Self { moniker, name: name.into(), scope, subscriptions }, spelling))
    }

    fn show(&self, of: &Shown<'_, Self>) -> Map<String, Value> {
        let spelled = of.entry.spelling.of("eventScope").unwrap_or(self.scope.moniker());
        let name = match self.scope {
            EventScope::Endpoint => "Endpoint",
            EventScope::Vslice => "VSlice",
            EventScope::Global => "Global",
        };
        let mut shown = Map::new();
        let scope = enumerated(self.scope.number().into(), spelled, name);
        shown.insert("eventScope".to_owned(), scope);
        shown.insert("subscriptions".to_owned(), subscriptions(of.catalog, of.id, of.entry));
        shown
    }

    fn advice(&self, _catalog: &Catalog) -> Vec<String> {
        let never = self.subscriptions.iter().filter(|one| !one.event.produced);
        let message = |one: &Subscription| {
            format!("{} is known, and never produced by this server", one.event.moniker)
        };
        never.map(message).collect()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn put(put: Put<Self>) -> Mutation {
        Mutation::PutEventMap(put)
    }

    fn remove(id: EventMapId) -> Mutation {
        Mutation::RemoveEventMap(id)
    }
}

/// The list of subscriptions, and of event types.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .route("/api/v1/eventmaps/{id}/subscriptions", get(list).post(add))
        .route("/api/v1/eventtypes", get(types))
        .route("/api/v1/eventtypes/{id}", get(event_type))
}

fn read_subscriptions(
    list: Vec<Value>,
    pointer: &str,
    scope: EventScope,
    catalog: &Catalog,
    problems: &mut Problems,
) -> Vec<Subscription> {
    if list.len() > MOST {
        problems.invalid(pointer, format!("at most {MOST} subscriptions, this has {}", list.len()));
        return Vec::new();
    }
    let mut all: Vec<Subscription> = Vec::new();
    for (at, value) in list.into_iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        let mut fields = Fields::new(value, &pointer, problems);
        let handler = reference::<EventHandler>(&mut fields, "eventEndpointId", catalog);
        let event = fields.parsed("eventTypeId", |text| {
            let known = EventType::parse(text).ok_or_else(|| {
                let shown: String = text.chars().take(60).collect();
                format!("there is no event type {shown:?}; GET /EventTypes lists them")
            })?;
            if !scope.includes(known) {
                return Err(format!(
                    "{} has scope {}; this map has scope {}",
                    known.moniker,
                    known.scope.moniker(),
                    scope.moniker()
                ));
            }
            Ok(known)
        });
        match (handler, event) {
            (Given::Value(handler), Given::Value(event)) => {
                let subscription = Subscription { handler, event };
                if all.contains(&subscription) {
                    fields.problems.invalid(&pointer, "the same handler and type are listed twice");
                } else {
                    all.push(subscription);
                }
            }
            (handler, event) => {
                if matches!(handler, Given::Null) {
                    fields.invalid(
                        "eventEndpointId",
                        "missing; give the id or moniker of an event handler",
                    );
                }
                if matches!(event, Given::Null) {
                    fields.invalid("eventTypeId", "missing; give an event type");
                }
                if matches!(handler, Given::Absent) && matches!(event, Given::Absent) {
                    fields.problems.invalid(&pointer, "give eventEndpointId and eventTypeId");
                }
            }
        }
        fields.finish();
    }
    all
}

/// The id of a subscription: it follows from what it says.
fn id_of(map: Uuid, handler: Uuid, event: EventType) -> Uuid {
    let name = [&handler.as_bytes()[..], event.moniker.as_bytes()].concat();
    Uuid::new_v5(&map, &name)
}

fn shown_type(event: EventType) -> Value {
    json!({
        "key": event.key,
        "moniker": event.moniker,
        "name": event.moniker,
        "active": event.produced,
    })
}

/// As they are shown in a map; null and empty as they were written.
fn subscriptions(catalog: &Catalog, id: EventMapId, entry: &CatalogEntry<EventMap>) -> Value {
    if entry.thing.subscriptions.is_empty() && entry.spelling.of("subscriptions").is_none() {
        return Value::Null;
    }
    let shown = |one: &Subscription| {
        let handler = catalog.place::<EventHandler>(one.handler)?;
        Some(json!({
            "id": id_of(entry.uuid, handler.uuid, one.event),
            "eventMap": link::<EventMap>(catalog, Some(id)),
            "eventEndpoint": {
                "id": handler.uuid,
                "name": &*handler.thing.name,
                "moniker": handler.thing.moniker.as_str(),
                "type": "webhook",
                "active": true,
                "summaryDescription": handlers::summary(&handler.thing),
            },
            "eventType": shown_type(one.event),
        }))
    };
    entry.thing.subscriptions.iter().filter_map(shown).collect()
}

async fn list(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    let serving = state.serving()?;
    serving.aaa.with_catalog(|catalog| {
        let (id, entry) = find::<EventMap>(catalog, &id)?;
        let shown = subscriptions(catalog, id, entry);
        Ok(data(if shown.is_null() { json!([]) } else { shown }))
    })
}

/// Sees to it that these are subscribed to, besides those that are; answers with all.
async fn add(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let list = match body::json(&headers, body)? {
        Value::Array(list) => list,
        one => vec![one],
    };
    let answer = revise::<EventMap>(&state, &caller, &headers, |catalog| {
        let (target, entry) = find::<EventMap>(catalog, &id)?;
        let mut problems = Problems::default();
        let list = list.clone();
        let added = read_subscriptions(list, "", entry.thing.scope, catalog, &mut problems);
        problems.result()?;
        let mut thing = (*entry.thing).clone();
        let is_new = |one: &Subscription| !entry.thing.subscriptions.contains(one);
        thing.subscriptions.extend(added.into_iter().filter(is_new));
        if thing.subscriptions.len() > MOST {
            let message = format!("/: at most {MOST} subscriptions");
            return Err(Refusal::invalid(vec![message]));
        }
        let spelling = entry.spelling.clone();
        Ok(Revised::of(target, entry, Read { thing, spelling, advice: Vec::new() }))
    })
    .await?;
    state.serving()?.aaa.with_catalog(|catalog| {
        let (_, entry) = find::<EventMap>(catalog, answer.data())?;
        let uuid = entry.uuid;
        let shown = |one: &Subscription| {
            let handler = catalog.place::<EventHandler>(one.handler)?;
            Some(json!({
                "eventSubscriptionId": id_of(uuid, handler.uuid, one.event),
                "eventEndpointId": handler.uuid,
                "eventType": shown_type(one.event),
                "eventHandler": {
                    "id": handler.uuid,
                    "moniker": handler.thing.moniker().as_str(),
                    "name": &*handler.thing.name,
                },
            }))
        };
        Ok(data(entry.thing.subscriptions.iter().filter_map(shown).collect()))
    })
}

fn whole_type(event: EventType) -> Value {
    json!({
        "key": event.key,
        "moniker": event.moniker,
        "name": event.moniker,
        "scope": event.scope.moniker(),
        "active": event.produced,
        "produced": event.produced,
    })
}

async fn types(_permission: MayRead, uri: Uri) -> Answer<Vec<Value>> {
    let query =
        listing::Query::of(&uri, &["key", "moniker", "name", "scope", "active", "produced"])?;
    Ok(query.page(EventType::ALL.iter().copied().map(whole_type).collect()))
}

async fn event_type(_permission: MayRead, Path(id): Path<String>) -> Answer<Value> {
    EventType::parse(&id).map(whole_type).map(data).ok_or_else(Refusal::not_found)
}
