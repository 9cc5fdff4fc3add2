//! What becomes of one endpoint: changed by keys, or taken a step further.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::disconnect::outcomes;
use super::id;
use super::read::read;
use super::told::{audit, reason, tell};
use crate::aaa::{
    Aaa, ChangeError, ChangeKind, EndpointMutation, EndpointStep, Mutation, Transition,
};
use crate::api::access::MayWrite;
use crate::api::changes::{TRIES, carry_out};
use crate::api::envelope::{Answer, data};
use crate::api::families::body::{self, Fields, Problems};
use crate::api::http::HttpState;
use crate::api::http::precondition::expected;
use crate::api::refusal::Refusal;
use crate::identity::endpoint_uuid;
use crate::tokens::TokenRole;

/// The words of a path that are steps. Bringing many back, or ending many, is an administrator's.
pub(super) const STEPS: [(&str, Transition, &str); 4] = [
    ("suspend", Transition::Suspend, "already suspended"),
    ("resume", Transition::Resume, "already active"),
    ("terminate", Transition::Terminate, "already terminated"),
    ("reinstate", Transition::Reinstate, ""),
];

/// `POST /endpoints/{id}/suspend`, `resume`, `terminate`, `reinstate`.
pub(super) async fn step(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path((id, word)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let Some((_, transition, repeated)) = STEPS.into_iter().find(|(known, ..)| *known == word)
    else {
        let words = STEPS.map(|(word, ..)| word).join(", ");
        return Err(Refusal::query(format!("there is no step {word:.40}; there are {words}")));
    };
    if transition == Transition::Reinstate {
        bearer.needs(TokenRole::Admin)?;
    }
    let reason = reason(&headers, body)?;
    let expected = expected(&headers)?;
    let serving = state.serving()?;
    let iccid = id::named(&serving.aaa, &id)?;
    let open = move |aaa: &Aaa, now| {
        aaa.look(iccid, now, |entry, _| entry.state.open_sessions().count()).unwrap_or_default()
    };
    let step = EndpointStep::Step(transition);
    let mutation = EndpointMutation { reason, expected, ..EndpointMutation::new(iccid, step) };
    let (changed, closed, ending) =
        carry_out(&state, audit(&state, &bearer, iccid), move |aaa, now, writer| {
            let before = open(aaa, now);
            let changed = aaa.change(Mutation::Endpoint(mutation), expected, now, writer)?;
            let closed = before.saturating_sub(open(aaa, now));
            let ending = if closed > 0 { aaa.live_sessions(iccid, now) } else { Vec::new() };
            Ok((changed, closed, ending))
        })
        .await?;
    let disconnects = outcomes(&serving.aaa, iccid, &ending).await;
    let (mut shown, version) = super::one(&state, &iccid.to_string())?;
    let answer = data(json!({
        "provisioningState": shown["provisioningState"].take(),
        "networkState": shown["networkState"].take(),
        "closed": closed,
        "disconnects": disconnects,
    }));
    tell(&bearer, iccid, &word);
    let answer = answer.versioned(version);
    Ok(if changed.kind == ChangeKind::Unchanged { answer.telling(repeated) } else { answer })
}

/// `POST /endpoints/{id}/relearn`: the endpoint is locked to the next device that it is seen in.
pub(super) async fn relearn(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path(id): Path<String>,
) -> Answer<Value> {
    let serving = state.serving()?;
    let iccid = id::named(&serving.aaa, &id)?;
    let known = carry_out(&state, audit(&state, &bearer, iccid), move |aaa, now, writer| {
        Ok(aaa.relearn(iccid, now, writer))
    })
    .await?;
    let was_locked = known.ok_or_else(Refusal::not_found)?;
    let (shown, version) = super::one(&state, &iccid.to_string())?;
    tell(&bearer, iccid, "relearn");
    let answer = data(json!({"lockedImei": shown["lockedImei"]})).versioned(version);
    Ok(if was_locked { answer } else { answer.telling("it was locked to no device") })
}

/// `PATCH` and `PUT /endpoints/{id}`: what is absent keeps its value.
pub(super) async fn update(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    let wanted = expected(&headers)?;
    let serving = state.serving()?;
    let iccid = id::named(&serving.aaa, &id)?;
    for _ in 0..TRIES {
        let now = state.common.clock.now().wall;
        let (endpoint, version) = serving
            .aaa
            .look(iccid, now, |entry, _| (entry.endpoint.clone(), entry.stamp.version))
            .ok_or_else(Refusal::not_found)?;
        let next = serving.aaa.with_catalog(|catalog| {
            let mut problems = Problems::default();
            let mut fields = Fields::new(body.clone(), "", &mut problems);
            fields.take("id");
            fields.take("iccid");
            let next = read(&mut fields, &endpoint, catalog);
            fields.finish();
            problems.result()?;
            next
        })?;
        let step = EndpointStep::Put(next);
        let mutation = EndpointMutation {
            expected: Some(wanted.unwrap_or(version)),
            ..EndpointMutation::new(iccid, step)
        };
        let done = carry_out(&state, audit(&state, &bearer, iccid), move |aaa, now, writer| {
            match aaa.change(Mutation::Endpoint(mutation), None, now, writer) {
                Err(ChangeError::Version { .. }) if wanted.is_none() => Ok(None),
                done => done.map(Some),
            }
        })
        .await?;
        if let Some(changed) = done {
            tell(&bearer, iccid, "keys");
            return Ok(data(endpoint_uuid(iccid).to_string()).versioned(changed.version));
        }
    }
    Err(Refusal::busy("the endpoint changes all the time; ask again"))
}
