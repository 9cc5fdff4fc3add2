//! `GET /events`: the events that are kept, the newest first or the oldest.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::filter::EventFilter;
use super::log;
use crate::api::access::MayRead;
use crate::api::endpoints::named;
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::message_log::{LogCursor, LogItem, LogView, StoredMessage};
use crate::time::Timestamp;

const DEFAULT_LIMIT: usize = 100;
const LONGEST_LIST: usize = 1_000;

/// Workers decide side by side: an event may lie so far behind one that was decided later.
const DISORDER: Duration = Duration::from_secs(60);

/// What is asked for.
struct EventQuery {
    filter: EventFilter,
    from: Timestamp,
    to: Timestamp,
    newest_first: bool,
    limit: usize,
    /// The last one of the page before.
    cursor: Option<u64>,
}

/// A page of events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventPage {
    success: bool,
    messages: Vec<String>,
    data: Vec<Value>,
    /// How many are shown, and whether there are more.
    total_items: usize,
    total_is_lower_bound: bool,
    limit: usize,
    offset: usize,
    next_cursor: Option<String>,
    /// Before it nothing is kept; `None`: nothing is kept at all.
    earliest: Option<Timestamp>,
    earliest_cursor: String,
}

pub(super) async fn list(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    uri: Uri,
) -> Result<Response, Refusal> {
    let query = EventQuery::of(&state, &uri, &EventFilter::PARAMETERS)?;
    answer(state, query).await
}

pub(super) async fn of_endpoint(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let Path(id) = id.map_err(|_| Refusal::not_found())?;
    let mut query = EventQuery::of(&state, &uri, &["type"])?;
    let serving = state.serving()?;
    let iccid = named(&serving.aaa, &id)?;
    serving.aaa.look(iccid, Timestamp::EPOCH, |_, _| ()).ok_or_else(Refusal::not_found)?;
    query.filter.iccid = Some(iccid);
    answer(state, query).await
}

async fn answer(state: Arc<HttpState>, query: EventQuery) -> Result<Response, Refusal> {
    let view = log(&state)?.clone();
    let walk = state.walk()?;
    let page = spawn_blocking(move || {
        let _walk = walk;
        page(&view, &query)
    });
    let page = page.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    Ok(axum::Json(page).into_response())
}

impl EventQuery {
    fn of(state: &HttpState, uri: &Uri, filters: &[&str]) -> Result<Self, Refusal> {
        let known: Vec<&str> = ["from", "to", "order", "limit", "offset", "cursor"]
            .into_iter()
            .chain(filters.iter().copied())
            .collect();
        let parameters = Parameters::of(uri, &known)?;
        if parameters.number("offset", usize::MAX)?.is_some_and(|offset| offset > 0) {
            let message = "events are paged by cursor, not by offset: take nextCursor";
            return Err(Refusal::query(message));
        }
        let newest_first = match parameters.text("order") {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(_) => return Err(Refusal::query("order is asc or desc")),
        };
        let cursor = parameters.text("cursor").map(|text| {
            let foreign = || Refusal::query("cursor is none of ours; take nextCursor");
            text.parse::<u64>().map_err(|_| foreign())
        });
        let limit = parameters.number("limit", LONGEST_LIST)?.filter(|limit| *limit > 0);
        Ok(Self {
            filter: EventFilter::of(state, &parameters)?,
            from: time(&parameters, "from")?.unwrap_or(Timestamp::EPOCH),
            to: time(&parameters, "to")?.unwrap_or(Timestamp::from_micros(u64::MAX)),
            newest_first,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            cursor: cursor.transpose()?,
        })
    }
}

/// An instant, as RFC 3339 writes it.
fn time(parameters: &Parameters, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = parameters.text(name) else { return Ok(None) };
    let wrong =
        |_| Refusal::query(format!("{name} is a time of RFC 3339 in UTC, as 2026-07-04T21:15:00Z"));
    humantime::parse_rfc3339_weak(text).map_err(wrong).map(|time: SystemTime| Some(time.into()))
}

fn page(view: &LogView, query: &EventQuery) -> Result<EventPage, Refusal> {
    let unreadable =
        |error| Refusal::not_ready(vec![format!("the log of events cannot be read: {error}")]);
    let mut found: Vec<Value> = Vec::new();
    let mut missing = false;
    let mut last = None;
    let mut has_more = false;
    let mut visit = |item: LogItem<'_>| {
        let LogItem::Message(message) = item else {
            missing = true;
            return ControlFlow::Continue(());
        };
        if is_over(query, &message) {
            return ControlFlow::Break(());
        }
        if !(query.from..query.to).contains(&message.at) {
            return ControlFlow::Continue(());
        }
        let Some(event) = query.filter.meant(&message) else { return ControlFlow::Continue(()) };
        if found.len() == query.limit {
            has_more = true;
            return ControlFlow::Break(());
        }
        let mut shown: Value = serde_json::from_slice(event.payload).unwrap_or_default();
        shown["cursor"] = json!(message.sequence.to_string());
        found.push(shown);
        last = Some(message.sequence);
        ControlFlow::Continue(())
    };
    if query.newest_first {
        view.backward(query.cursor.unwrap_or(u64::MAX), visit).map_err(unreadable)?;
    } else {
        let mut cursor = LogCursor::at(query.cursor.map_or(0, |last| last.saturating_add(1)));
        let mut is_over = false;
        while !is_over && cursor.next < view.end() {
            let visited = view.forward(&mut cursor, |item| {
                let flow = visit(item);
                is_over = flow.is_break();
                flow
            });
            visited.map_err(unreadable)?;
        }
    }
    let messages = if missing {
        vec![
            "events are missing in between: the server could not keep up, or its disk failed"
                .into(),
        ]
    } else {
        Vec::new()
    };
    Ok(EventPage {
        success: true,
        messages,
        total_items: found.len(),
        total_is_lower_bound: has_more,
        data: found,
        limit: query.limit,
        offset: 0,
        next_cursor: last.filter(|_| has_more).map(|last| last.to_string()),
        earliest: earliest(view).map_err(unreadable)?,
        earliest_cursor: view.earliest().to_string(),
    })
}

/// Whether nothing that is asked for can come any more.
fn is_over(query: &EventQuery, message: &StoredMessage<'_>) -> bool {
    if query.newest_first {
        query.from.since(message.at) > DISORDER
    } else {
        message.at.since(query.to) > DISORDER
    }
}

/// When the oldest event that is kept was recorded.
fn earliest(view: &LogView) -> std::io::Result<Option<Timestamp>> {
    let mut at = None;
    view.forward(&mut LogCursor::at(view.earliest()), |item| {
        at = Some(match item {
            LogItem::Message(message) => message.at,
            LogItem::Missing { at, .. } => at,
        });
        ControlFlow::Break(())
    })?;
    Ok(at)
}
