//! What else there is to an event handler: its signing secret, dead letters, and a test.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::handlers::new_secret;
use super::lookup::find;
use super::write::finish;
use crate::aaa::{Mutation, Put, PutTarget};
use crate::api::access::{MayAdminister, MayRead, MayWrite};
use crate::api::envelope::{Answer, data};
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::delivery::DeliveryOutcome;
use crate::identity::EventHandlerId;
use crate::outlets::{HookTarget, Webhooks};
use crate::provisioning::{EventHandler, Spelling};
use crate::time::Timestamp;

/// Paths below a handler.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    const HANDLER: &str = "/api/v1/eventhandlers/{id}";
    let path = |rest: &str| format!("{HANDLER}/{rest}");
    Router::new()
        .route(&path("secret"), get(secret))
        .route(&path("secret/rotate"), post(rotate))
        .route(&path("test"), post(test))
        .route(&path("deadletters"), get(dead_letters).delete(forget))
        .route(&path("deadletters/redeliver"), post(redeliver_all))
        .route(&path("deadletters/{event}/redeliver"), post(redeliver))
}

fn webhooks(state: &HttpState) -> Result<&Arc<Webhooks>, Refusal> {
    state.webhooks.get().ok_or_else(|| state.not_ready())
}

/// The handler that a path names.
fn handler(
    state: &HttpState,
    named: &str,
) -> Result<(EventHandlerId, Uuid, EventHandler, Spelling, u64), Refusal> {
    state.serving()?.aaa.with_catalog(|catalog| {
        let (id, entry) = find::<EventHandler>(catalog, named)?;
        let spelling = entry.spelling.clone();
        Ok((id, entry.uuid, (*entry.thing).clone(), spelling, entry.stamp.version))
    })
}

async fn secret(
    State(state): State<Arc<HttpState>>,
    _permission: MayAdminister,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    let (id, _, handler, ..) = handler(&state, &id)?;
    shown(&state, id, &handler.webhook.signing_secret)
}

fn shown(state: &HttpState, id: EventHandlerId, secret: &str) -> Answer<Value> {
    let now = state.common.clock.now().wall;
    let previous = webhooks(state)?.previous_secret(id, now);
    let (previous, until) = previous.unzip();
    Ok(data(json!({"secret": secret, "previous": previous, "previousUntil": until})))
}

/// Both sign for a day.
async fn rotate(
    State(state): State<Arc<HttpState>>,
    MayAdminister(caller): MayAdminister,
    Path(id): Path<String>,
) -> Answer<Value> {
    let (id, uuid, mut handler, spelling, version) = handler(&state, &id)?;
    let now = state.common.clock.now().wall;
    let (hooks, old) = (Arc::clone(webhooks(&state)?), handler.webhook.signing_secret.clone());
    let kept = spawn_blocking(move || hooks.keep_signing_with((id, uuid), &old, now)).await;
    kept.map_err(|_| Refusal::ending())?.map_err(|error| {
        Refusal::not_ready(vec![format!("the present secret cannot be kept: {error}")])
    })?;
    handler.webhook.signing_secret = new_secret();
    let secret = handler.webhook.signing_secret.clone();
    let put = Put { target: PutTarget::Existing(id), thing: handler, spelling };
    let put = Mutation::PutEventHandler(put);
    finish::<EventHandler>(&state, &caller, put, Some(version), uuid, Vec::new()).await?;
    shown(&state, id, &secret)
}

/// Posts a message that is no event, and tells what came of it.
async fn test(
    State(state): State<Arc<HttpState>>,
    _permission: MayWrite,
    Path(id): Path<String>,
) -> Answer<Value> {
    let (id, _, handler, ..) = handler(&state, &id)?;
    let now = state.common.clock.now().wall;
    let hooks = Arc::clone(webhooks(&state)?);
    let sent = spawn_blocking(move || {
        const BODY: &[u8] = br#"{"message":"webhook test"}"#;
        let target = HookTarget::new(&handler.webhook, hooks.own_listeners());
        let message = format!("test-{}", Uuid::from_u128(rand::random()));
        let headers = hooks.headers(id, &message, BODY, now);
        target.post(&headers, BODY)
    });
    let answer = sent.await.map_err(|_| Refusal::ending())?;
    let ms = u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX);
    let why = match answer.outcome {
        DeliveryOutcome::Taken => None,
        DeliveryOutcome::Gone => Some("HTTP 410".to_owned()),
        DeliveryOutcome::Again { why, .. } | DeliveryOutcome::Refused { why } => Some(why),
    };
    match answer.status {
        Some(status) => Ok(data(json!({"status": status, "ms": ms}))),
        None => {
            Ok(data(json!({"status": null, "ms": ms, "error": why}))
                .telling(why.unwrap_or_default()))
        }
    }
}

async fn dead_letters(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Vec<Value>> {
    Parameters::of(&uri, &[])?;
    let (id, ..) = handler(&state, &id)?;
    let hooks = Arc::clone(webhooks(&state)?);
    let letters = spawn_blocking(move || hooks.dead_letters(id)).await;
    let shown = letters.map_err(|_| Refusal::ending())?.into_iter().map(|(letter, event)| {
        let event = event.and_then(|octets| serde_json::from_slice::<Value>(&octets).ok());
        json!({
            "eventId": letter.event_id,
            "sequence": letter.number,
            "cursor": letter.sequence.to_string(),
            "givenUpAt": Timestamp::from_millis(letter.given_up_ms),
            "tries": letter.tries,
            "error": letter.why,
            "event": event,
        })
    });
    Ok(data(shown.collect()))
}

async fn forget(
    State(state): State<Arc<HttpState>>,
    _permission: MayWrite,
    Path(id): Path<String>,
) -> Answer<Value> {
    let (id, ..) = handler(&state, &id)?;
    Ok(data(json!({"deleted": webhooks(&state)?.forget_dead_letters(id)})))
}

async fn redeliver_all(
    State(state): State<Arc<HttpState>>,
    _permission: MayWrite,
    Path(id): Path<String>,
) -> Answer<Value> {
    again(state, id, None).await
}

async fn redeliver(
    State(state): State<Arc<HttpState>>,
    _permission: MayWrite,
    Path((id, event)): Path<(String, String)>,
) -> Answer<Value> {
    again(state, id, Some(event)).await
}

async fn again(state: Arc<HttpState>, id: String, only: Option<String>) -> Answer<Value> {
    let (id, ..) = handler(&state, &id)?;
    let now = state.common.clock.now().wall;
    let hooks = Arc::clone(webhooks(&state)?);
    let is_one = only.is_some();
    let sent = spawn_blocking(move || hooks.redeliver(id, only.as_deref(), now)).await;
    let sent = sent.map_err(|_| Refusal::ending())?;
    if is_one && sent == 0 {
        return Err(Refusal::not_found());
    }
    Ok(data(json!({"redelivered": sent})))
}
