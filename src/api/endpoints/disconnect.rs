//! What the gateway of a session is told: to end it, or to change it (RFC 5176).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::id;
use super::read::short_text;
use super::told::{audit, reason, tell};
use crate::aaa::{Aaa, Issued, OrderStatus, SessionOrders};
use crate::api::access::{MayWrite, TokenBearer};
use crate::api::changes::carry_out;
use crate::api::envelope::{Answer, data};
use crate::api::families::body::{self, Fields, Problems};
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::identity::Iccid;
use crate::network::{CoaChange, OrderAction, OrderAnswer, OrderKey, OrderReason};
use crate::wire::dictionary::Dictionary;
use crate::wire::number;

/// How long the reply of a step waits for what gateways say about its sessions (platform-api 3).
const STEP_PATIENCE: Duration = Duration::from_secs(3);

/// How long somebody who asks for one session is waited with, if he does not say otherwise: a
/// gateway that is silent is known to be so after half a minute.
const PATIENCE_S: usize = 33;

/// How often it is looked whether an answer has come.
const PACE: Duration = Duration::from_millis(10);

/// `POST /endpoints/{id}/sessions/{n}/disconnect`.
pub(super) async fn disconnect(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path((id, session)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    reason(&headers, body)?;
    let wait = wait(&uri)?;
    let (iccid, session) = named(&state, &id, &session)?;
    let answer = order(&state, &bearer, (iccid, session), OrderAction::Disconnect, wait).await?;
    tell(&bearer, iccid, "disconnect");
    Ok(answer)
}

/// `POST /endpoints/{id}/sessions/{n}/coa`.
pub(super) async fn change(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path((id, session)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let wait = wait(&uri)?;
    let mut problems = Problems::default();
    let mut fields = Fields::new(body::json(&headers, body)?, "", &mut problems);
    let change = CoaChange {
        session_timeout_s: fields.number("sessionTimeoutS", u32::MAX).value(),
        idle_timeout_s: fields.number("idleTimeoutS", u32::MAX).value(),
        interim_interval_s: fields.number("interimIntervalS", u32::MAX).value(),
        filter_id: fields.parsed("filterId", filter).value(),
    };
    if change == CoaChange::default() {
        fields.invalid(
            "sessionTimeoutS",
            "give at least one of sessionTimeoutS, idleTimeoutS, interimIntervalS, filterId",
        );
    }
    fields.finish();
    problems.result()?;
    let (iccid, session) = named(&state, &id, &session)?;
    let answer =
        order(&state, &bearer, (iccid, session), OrderAction::Change(change), wait).await?;
    tell(&bearer, iccid, "coa");
    Ok(answer)
}

fn filter(text: &str) -> Result<String, String> {
    short_text(text).and_then(|text| match text.len() {
        1..=253 => Ok(text),
        _ => Err("1 to 253 octets".to_owned()),
    })
}

fn wait(uri: &Uri) -> Result<Duration, Refusal> {
    let seconds = Parameters::of(uri, &["wait"])?.number("wait", PATIENCE_S)?;
    Ok(Duration::from_secs(seconds.unwrap_or(PATIENCE_S) as u64))
}

fn named(state: &HttpState, id: &str, session: &str) -> Result<(Iccid, u64), Refusal> {
    let iccid = id::named(&state.serving()?.aaa, id)?;
    Ok((iccid, session.parse().map_err(|_| Refusal::not_found())?))
}

async fn order(
    state: &Arc<HttpState>,
    bearer: &TokenBearer,
    (iccid, session): (Iccid, u64),
    action: OrderAction,
    wait: Duration,
) -> Answer<Value> {
    let key = OrderKey::of(iccid, session, &action);
    let audit = audit(state, bearer, iccid);
    let issued = carry_out(state, audit, move |aaa, now, writer| {
        Ok(aaa.order(iccid, session, action, OrderReason::Person, now, writer))
    })
    .await?;
    let serving = state.serving()?;
    let issued = match issued {
        Some(issued) => issued,
        // Known, and ended: an order of it may have been answered.
        None if serving.aaa.knows_session(iccid, session) => {
            Issued::Joined(OrderKey::of_disconnect(iccid, session))
        }
        None => return Err(Refusal::not_found()),
    };
    if issued == Issued::NoAddress {
        return Ok(data(told(session, None, OrderAnswer::NoAddress.name())));
    }
    let orders = serving.aaa.orders();
    if orders.status(key).is_none() {
        let message = "the session has ended already";
        return Ok(data(told(session, None, OrderAnswer::Ack.name())).telling(message));
    }
    answered(orders, &[key], wait).await;
    let answer = data(shown(orders, session, key));
    Ok(match issued {
        Issued::Joined(_) => answer.telling("the gateway was told already"),
        Issued::New(_) | Issued::NoAddress => answer,
    })
}

/// What gateways say about these sessions of an endpoint, after waiting for it for a while.
pub(super) async fn outcomes(aaa: &Aaa, iccid: Iccid, sessions: &[u64]) -> Vec<Value> {
    let keys: Vec<OrderKey> =
        sessions.iter().map(|session| OrderKey::of_disconnect(iccid, *session)).collect();
    let orders = aaa.orders();
    answered(orders, &keys, STEP_PATIENCE).await;
    sessions.iter().zip(keys).map(|(session, key)| shown(orders, *session, key)).collect()
}

/// Waits until all of these are answered that there are, at most so long.
async fn answered(orders: &SessionOrders, keys: &[OrderKey], patience: Duration) {
    let is_answered =
        |key: &OrderKey| orders.status(*key).is_none_or(|status| status.is_answered());
    let all = async {
        while !keys.iter().all(is_answered) {
            tokio::time::sleep(PACE).await;
        }
    };
    // Who waits no longer is told that it is pending.
    let _ = tokio::time::timeout(patience, all).await;
}

/// Without an order nobody is asked.
fn shown(orders: &SessionOrders, session: u64, key: OrderKey) -> Value {
    let status = orders.status(key);
    let word = status.as_ref().map_or(OrderAnswer::NoAddress.name(), OrderStatus::told);
    told(session, status, word)
}

fn told(session: u64, status: Option<OrderStatus>, result: &str) -> Value {
    let details = status.and_then(|status| status.result);
    let cause = details.as_ref().and_then(|details| details.error_cause);
    json!({
        "session": session.to_string(),
        "result": result,
        "errorCause": cause.map(|cause| json!({"key": cause, "name": cause_name(cause)})),
        "replyMessage": details.as_ref().and_then(|details| details.reply_message.as_deref()),
        "note": details.as_ref().and_then(|details| details.note),
        "tries": details.as_ref().map_or(0, |details| details.tries),
        "ms": details.as_ref().map_or(0, |details| details.ms),
    })
}

/// As RFC 5176 3.5 names it; a number without a name is shown as such.
fn cause_name(cause: u32) -> String {
    let definition = Dictionary::default().definitions().find(|definition| {
        (definition.key.parent, definition.key.vendor, definition.key.number)
            == (0, 0, number::ERROR_CAUSE)
    });
    let name = definition
        .and_then(|definition| definition.values.iter().find(|(number, _)| *number == cause));
    name.map_or_else(|| cause.to_string(), |(_, name)| (*name).to_owned())
}
