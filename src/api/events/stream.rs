//! `GET /events/stream`: events as they happen, as server-sent events. A reader that is too slow is
//! told of the gap, and nobody waits for it.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::filter::EventFilter;
use super::log;
use crate::api::access::MayRead;
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::event::{EventEnvelope, StreamDemand};
use crate::message_log::{LogCursor, LogItem, LogView};

/// How many streams may be open at a time.
const STREAMS: usize = 32;

/// Often enough for a proxy that closes quiet connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Pieces that wait for a slow reader; the rest stays in the log.
const WAITING: usize = 8;

/// Octets of a piece, about.
const PIECE: usize = 32 << 10;

/// The places of streams.
pub(crate) struct StreamPlaces(Arc<Semaphore>);

impl Default for StreamPlaces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS)))
    }
}

pub(super) async fn stream(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let known: Vec<&str> = std::iter::once("cursor").chain(EventFilter::PARAMETERS).collect();
    let parameters = Parameters::of(&uri, &known)?;
    let mut filter = EventFilter::of(&state, &parameters)?;
    let view = log(&state)?.clone();
    let place = Arc::clone(&state.streams.0).try_acquire_owned().map_err(|_| {
        Refusal::busy(format!("{STREAMS} streams are open already; close one, or ask later"))
    })?;
    let demand = &state.serving()?.aaa.events().demand;
    // Without a type it shows what is kept anyway.
    let types = filter.types.unwrap_or_else(|| demand.kept());
    filter.types = Some(types);
    let demand = demand.stream(types);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.or_else(|| parameters.text("cursor")).map(str::to_owned);
    let (sender, receiver) = mpsc::channel(WAITING);
    let reader = StreamReader { view, filter, sender, _place: place, _demand: demand };
    tokio::spawn(reader.run(last));
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(StreamBody(receiver))).into_response())
}

/// Reads the log for one stream.
struct StreamReader {
    view: LogView,
    filter: EventFilter,
    sender: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
    _demand: StreamDemand,
}

impl StreamReader {
    /// Until the reader has gone.
    async fn run(self, last: Option<String>) {
        let appended = Arc::new(Notify::new());
        let waker = Arc::clone(&appended);
        let _watch = self.view.subscribe(move || waker.notify_one());
        let (mut cursor, gap) = self.beginning(last.as_deref());
        // At once, so that a client sees that it is connected.
        let mut text = String::from(":\n\n");
        if let Some(from) = gap {
            tell_gap(&mut text, &from, cursor.next);
        }
        loop {
            let has_more = match self.read(&mut cursor, &mut text) {
                Ok(has_more) => has_more,
                Err(error) => {
                    tracing::warn!("a stream of events ends: {error}");
                    return;
                }
            };
            if !text.is_empty() && self.sender.send(std::mem::take(&mut text).into()).await.is_err()
            {
                return;
            }
            if has_more {
                // Others are served in between.
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = appended.notified() => {}
                () = tokio::time::sleep(KEEP_ALIVE) => text.push_str(":\n\n"),
                () = self.sender.closed() => return,
            }
        }
    }

    /// Where to begin: behind the last event that the reader has seen, else with the next one. An
    /// id that is none of ours is a gap.
    fn beginning(&self, last: Option<&str>) -> (LogCursor, Option<String>) {
        let end = self.view.end();
        let Some(last) = last else { return (LogCursor::at(end), None) };
        match last.parse::<u64>() {
            Ok(seen) if seen < end => (LogCursor::at(seen + 1), None),
            _ => (LogCursor::at(end), Some(last.chars().take(40).collect())),
        }
    }

    /// Writes the next events. Whether there may be more.
    fn read(&self, cursor: &mut LogCursor, text: &mut String) -> std::io::Result<bool> {
        let gap = self.view.forward(cursor, |item| {
            match item {
                LogItem::Message(message) => {
                    if let Some(event) = self.filter.meant(&message) {
                        tell(text, message.sequence, &event);
                    }
                }
                LogItem::Missing { sequence, .. } => {
                    tell_gap(text, &sequence.to_string(), sequence + 1);
                }
            }
            if text.len() < PIECE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if let Some(gap) = gap {
            tell_gap(text, &gap.from.to_string(), gap.to);
        }
        Ok(cursor.next < self.view.end())
    }
}

/// A payload is one line of JSON.
fn tell(text: &mut String, sequence: u64, event: &EventEnvelope<'_>) {
    let payload = String::from_utf8_lossy(event.payload);
    let lines = ["id: ", &sequence.to_string(), "\nevent: ", event.event.moniker, "\ndata: "];
    text.extend(lines.into_iter().chain([&*payload, "\n\n"]));
}

/// Events from `from` up to `to` are not to be had.
fn tell_gap(text: &mut String, from: &str, to: u64) {
    let ends = serde_json::json!({"from": from, "to": to.to_string()});
    let id = to.saturating_sub(1).to_string();
    text.extend(["id: ", &id, "\nevent: gap\ndata: ", &ends.to_string(), "\n\n"]);
}

/// What a stream sends.
struct StreamBody(mpsc::Receiver<Bytes>);

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
