//! `POST /endpoints/batch`: many endpoints made at once, activated from the stock or, by an
//! administrator, without codes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tracing::info;

use super::activate::{admit_code, read_code};
use super::read::read;
use super::{MOST, SMALL};
use crate::aaa::{ChangeError, EndpointMutation, EndpointStep, Mutation};
use crate::api::access::{MayWrite, TokenBearer};
use crate::api::audit::{Audit, AuditTarget};
use crate::api::changes::carry_out;
use crate::api::envelope::{Answer, data};
use crate::api::families::body::{self, Body, Fields, Given, Problems};
use crate::api::http::HttpState;
use crate::api::refusal::Refusal;
use crate::identity::Iccid;
use crate::provisioning::{Catalog, Endpoint, ProvisioningState, read_endpoints};
use crate::tokens::TokenRole;

/// A batch, as it was sent.
struct Batch {
    is_dry: bool,
    is_atomic: bool,
    rows: Vec<Row>,
}

/// One endpoint of a batch: what is to be done, and why it cannot be.
struct Row {
    iccid: Option<Iccid>,
    step: Option<EndpointStep>,
    wrong: Option<(&'static str, String)>,
}

pub(super) async fn batch(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Vec<Value>> {
    let serving = state.serving()?;
    let Batch { is_dry, is_atomic, mut rows } = match body::of_either_kind(&headers, body)? {
        Body::Csv(octets) => {
            let rows = serving.aaa.with_catalog(|catalog| from_csv(&octets, catalog))?;
            Batch { is_dry: false, is_atomic: true, rows }
        }
        Body::Json(body) => serving.aaa.with_catalog(|catalog| from_json(body, catalog))?,
    };
    let needs_no_code = |row: &Row| !matches!(row.step, Some(EndpointStep::Activate(..)) | None);
    if rows.len() > SMALL || rows.iter().any(needs_no_code) {
        bearer.needs(TokenRole::Admin)?;
    }
    admit_codes(&state, &bearer, &mut rows)?;
    let places: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].wrong.is_none()).collect();
    let mutations: Vec<EndpointMutation> = places
        .iter()
        .filter_map(|at| {
            let row = rows.get_mut(*at)?;
            Some(EndpointMutation::new(row.iccid?, row.step.take()?))
        })
        .collect();
    let may_be_done = !is_atomic || mutations.len() == rows.len();
    let iccids = mutations.iter().map(|one| one.iccid).collect();
    let audit = Audit::of_many(&bearer, AuditTarget::many("endpoint", iccids));
    let errors = carry_out(&state, audit, move |aaa, now, writer| {
        if is_dry || !may_be_done {
            return Ok(aaa.judge_endpoints(mutations, now, writer).err().unwrap_or_default());
        }
        if is_atomic {
            return Ok(aaa.change_endpoints(mutations, now, writer).err().unwrap_or_default());
        }
        let one = |(at, mutation)| {
            let done = aaa.change(Mutation::Endpoint(mutation), None, now, writer);
            done.err().map(|error| (at, error))
        };
        Ok(mutations.into_iter().enumerate().filter_map(one).collect())
    })
    .await?;
    for (at, error) in errors {
        if let Some(row) = places.get(at).and_then(|at| rows.get_mut(*at)) {
            row.wrong = Some(told(&error));
        }
    }
    let failed = rows.iter().filter(|row| row.wrong.is_some()).count();
    if is_atomic && failed > 0 && !is_dry {
        let messages = rows.iter().enumerate().filter_map(|(at, row)| {
            row.wrong.as_ref().map(|(_, wrong)| format!("/items/{at}: {wrong}"))
        });
        return Err(Refusal::invalid(messages.collect()));
    }
    let count = rows.len();
    info!(token = bearer.token, rows = count, failed, is_dry, "a batch of endpoints by the API");
    Ok(data(rows.into_iter().enumerate().map(shown).collect()))
}

fn shown((at, row): (usize, Row)) -> Value {
    json!({
        "row": at,
        "iccid": row.iccid,
        "ok": row.wrong.is_none(),
        "code": row.wrong.as_ref().map(|(code, _)| code),
        "message": row.wrong.as_ref().map(|(_, message)| message),
    })
}

fn told(error: &ChangeError) -> (&'static str, String) {
    (Refusal::from(error.clone()).code(), error.to_string())
}

/// Judges all codes before anything is done: a batch is no way to guess more of them.
fn admit_codes(state: &HttpState, bearer: &TokenBearer, rows: &mut [Row]) -> Result<(), Refusal> {
    for row in rows {
        if let (Some(iccid), Some(EndpointStep::Activate(code, _)), None) =
            (row.iccid, &row.step, &row.wrong)
            && let Err(refusal) = admit_code(state, bearer, iccid, code)
        {
            if refusal.code() != "activation" {
                return Err(refusal);
            }
            row.wrong = Some((refusal.code(), refusal.words()));
        }
    }
    Ok(())
}

fn from_json(body: Value, catalog: &Catalog) -> Result<Batch, Refusal> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(body, "", &mut problems);
    let is_dry = fields.flag("dryRun").value().unwrap_or(false);
    let is_atomic = fields.flag("atomic").value().unwrap_or(true);
    let items = fields.array("items").value().unwrap_or_default();
    if items.is_empty() {
        fields.invalid("items", "missing; give a list of endpoints");
    }
    fields.finish();
    problems.result()?;
    if items.len() > MOST {
        return Err(Refusal::too_many(MOST, items.len()));
    }
    let rows = items.into_iter().map(|item| item_of(item, catalog)).collect();
    Ok(Batch { is_dry, is_atomic, rows })
}

/// Rows as `endpoints.csv` has them.
fn from_csv(octets: &[u8], catalog: &Catalog) -> Result<Vec<Row>, Refusal> {
    let listed = read_endpoints(octets, catalog)
        .map_err(|problems| Refusal::invalid(problems.iter().map(ToString::to_string).collect()))?;
    if listed.len() > MOST {
        return Err(Refusal::too_many(MOST, listed.len()));
    }
    let row = |(iccid, endpoint)| Row {
        iccid: Some(iccid),
        step: Some(EndpointStep::Add(endpoint)),
        wrong: None,
    };
    Ok(listed.into_iter().map(row).collect())
}

fn item_of(item: Value, catalog: &Catalog) -> Row {
    let shown = item.get("iccid").and_then(Value::as_str).and_then(|text| text.parse().ok());
    match read_item(item, catalog) {
        Ok((iccid, step)) => Row { iccid: Some(iccid), step: Some(step), wrong: None },
        Err(refusal) => {
            Row { iccid: shown, step: None, wrong: Some((refusal.code(), refusal.words())) }
        }
    }
}

fn read_item(item: Value, catalog: &Catalog) -> Result<(Iccid, EndpointStep), Refusal> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(item, "", &mut problems);
    let iccid =
        fields.parsed("iccid", |text| text.parse::<Iccid>().map_err(|error| error.rule.to_owned()));
    let code = read_code(&mut fields);
    let mut endpoint = Endpoint::new(ProvisioningState::Pending);
    if code.is_none() {
        for imsi in body::imsis(&mut fields) {
            endpoint = endpoint.with_imsi(imsi);
        }
        let msisdn =
            fields.parsed("msisdn", |text| text.parse().map_err(|_| "no MSISDN".to_owned()));
        endpoint.msisdn = msisdn.value();
    }
    let next = read(&mut fields, &endpoint, catalog);
    if matches!(iccid, Given::Absent | Given::Null) {
        fields.invalid("iccid", "missing or wrong");
    }
    fields.finish();
    problems.result()?;
    let next = next?;
    let iccid = iccid.value().ok_or_else(Refusal::not_found)?;
    let step = match code {
        Some(code) => EndpointStep::Activate(code, next),
        None => EndpointStep::Add(next),
    };
    Ok((iccid, step))
}
