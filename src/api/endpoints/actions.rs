//! `POST /endpoints/actions`: one step for many.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tracing::info;

use super::change::STEPS;
use super::filter::Filter;
use super::read::short_text;
use super::{MOST, SMALL};
use crate::aaa::{Aaa, EndpointMutation, EndpointStep, Transition};
use crate::api::access::MayWrite;
use crate::api::audit::{Audit, AuditTarget};
use crate::api::changes::carry_out;
use crate::api::envelope::{Answer, Envelope, data};
use crate::api::families::body::{self, Fields, Given, Problems};
use crate::api::http::HttpState;
use crate::api::refusal::Refusal;
use crate::identity::Iccid;
use crate::tokens::TokenRole;

/// One step for many, refused unless exactly as many match as expected.
pub(super) async fn actions(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(body::json(&headers, body)?, "", &mut problems);
    let words = STEPS.map(|(word, ..)| word).join(", ");
    let action = fields.parsed("action", |text| {
        let known = STEPS.into_iter().find(|(word, ..)| *word == text);
        known.map(|(_, step, _)| step).ok_or_else(|| format!("unknown; write one of {words}"))
    });
    let reason = fields.parsed("reason", short_text).value();
    let expect = fields.number("expect", u32::MAX).value();
    let iccids = fields.array("iccids").value();
    let filter = fields.text("filter").value();
    let Given::Value(action) = action else {
        fields.invalid("action", format!("missing; write one of {words}"));
        fields.finish();
        problems.result()?;
        return Err(Refusal::not_found());
    };
    if iccids.is_some() == filter.is_some() {
        fields.invalid("iccids", "give either iccids or a filter");
    }
    fields.finish();
    problems.result()?;
    let serving = state.serving()?;
    let meant: Vec<Iccid> = match (iccids, filter) {
        (Some(list), _) => {
            let read = list.iter().map(|one| one.as_str().and_then(|text| text.parse().ok()));
            let read: Option<Vec<Iccid>> = read.collect();
            read.ok_or_else(|| Refusal::invalid(vec!["/iccids: a list of ICCIDs".to_owned()]))?
        }
        (None, filter) => matching(&state, &serving.aaa, filter.as_deref())?,
    };
    if meant.len() > SMALL || matches!(action, Transition::Reinstate | Transition::Terminate) {
        bearer.needs(TokenRole::Admin)?;
    }
    if meant.len() > MOST {
        return Err(Refusal::too_many(MOST, meant.len()));
    }
    if let Some(expect) = expect.filter(|expect| *expect as usize != meant.len()) {
        let message = format!("/expect: {} endpoints match, not {expect}", meant.len());
        return Err(Refusal::conflict("precondition", message));
    }
    let count = meant.len();
    let mutations: Vec<EndpointMutation> = meant
        .into_iter()
        .map(|iccid| EndpointMutation {
            reason: reason.as_deref().map(Into::into),
            ..EndpointMutation::new(iccid, EndpointStep::Step(action))
        })
        .collect();
    let iccids = mutations.iter().map(|one| one.iccid).collect();
    let audit = Audit::of_many(&bearer, AuditTarget::many("endpoint", iccids));
    let word = STEPS.into_iter().find(|(_, step, _)| *step == action).map_or("", |(word, ..)| word);
    let (errors, job) = carry_out(&state, audit, move |aaa, now, writer| {
        let job = aaa.orders().begin_job(word, now);
        writer.begin_job(job);
        let errors = aaa.change_endpoints(mutations, now, writer).err().unwrap_or_default();
        Ok((errors, aaa.orders().close_job(job)))
    })
    .await?;
    if !errors.is_empty() {
        let messages = errors.iter().map(|(at, error)| format!("/iccids/{at}: {error}"));
        return Err(Refusal::conflict_of_many("state", messages.collect()));
    }
    info!(token = bearer.token, endpoints = count, "a step of many endpoints by the API");
    let answer: Envelope<Value> =
        data(json!({"changed": count, "job": job.map(|job| job.id.to_string())}));
    Ok(answer)
}

/// All endpoints that a filter holds for, if they are not too many.
fn matching(state: &HttpState, aaa: &Aaa, filter: Option<&str>) -> Result<Vec<Iccid>, Refusal> {
    let filter = Filter::parse(filter, None)?;
    if filter.is_empty() {
        return Err(Refusal::invalid(vec!["/filter: say which endpoints are meant".to_owned()]));
    }
    let gateways = state.common.gateways.load();
    let catalog = aaa.catalog();
    let mut found = Vec::new();
    for piece in 0..Aaa::PIECES {
        aaa.look_at_piece(piece, &catalog, |iccid, entry, catalog| {
            if filter.holds(iccid, entry, catalog, &gateways) {
                found.push(iccid);
            }
        });
    }
    Ok(found)
}
