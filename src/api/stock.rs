//! `/stock`: the SIMs that wait for their activation. Their codes are shown to nobody.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::access::{MayAdminister, MayRead};
use super::audit::{Audit, AuditTarget};
use super::changes::carry_out;
use super::endpoints::{LONGEST_BATCH, MOST};
use super::envelope::{Answer, CursorPage, data};
use super::families::body::{self, Body, Fields, Given, Problems};
use super::families::terms;
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::refusal::Refusal;
use crate::aaa::Aaa;
use crate::identity::Iccid;
use crate::provisioning::{ActivationCode, ListedSim, StockEntry, read_stock};

const PROPERTIES: [&str; 3] = ["iccid", "imsi", "msisdn"];
const DEFAULT_LIMIT: usize = 100;
const LONGEST_LIST: usize = 1_000;

/// SIMs that are looked at while the stock is held.
const SLICE: usize = 10_000;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .route("/api/v1/stock", get(list).post(add))
        .route("/api/v1/stock/{iccid}", get(show).delete(remove))
        .layer(DefaultBodyLimit::max(LONGEST_BATCH))
}

fn shown(aaa: &Aaa, iccid: Iccid, entry: &StockEntry) -> Value {
    let StockEntry { sim, stamp } = entry;
    let attempt = aaa.last_attempt(iccid, sim);
    json!({
        "iccid": iccid,
        "imsis": sim.imsis().collect::<Vec<_>>(),
        "msisdn": sim.msisdn,
        "origin": if stamp.origin.is_by_person() { "api" } else { "file" },
        "lastAttempt": attempt.map(|at| json!({"at": at, "reason": "endpoint-unknown"})),
        "version": stamp.version,
    })
}

async fn show(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(iccid): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    let aaa = &state.serving()?.aaa;
    let iccid = iccid.parse().map_err(|_| Refusal::not_found())?;
    let entry = aaa.stock_sim(iccid).ok_or_else(Refusal::not_found)?;
    Ok(data(shown(aaa, iccid, &entry)).versioned(entry.stamp.version))
}

async fn list(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["filter", "limit", "offset", "sortBy", "cursor"])?;
    if parameters.number("offset", usize::MAX)?.is_some_and(|offset| offset > 0) {
        return Err(Refusal::query("the stock is paged by cursor, not by offset: take nextCursor"));
    }
    if parameters.text("sortBy").is_some() {
        return Err(Refusal::query("the stock is not sorted; leave sortBy out"));
    }
    let wanted = parameters.text("filter").map(terms).transpose()?.unwrap_or_default();
    if let Some((name, _)) = wanted.iter().find(|(name, _)| !PROPERTIES.contains(&name.as_str())) {
        let known = PROPERTIES.join(", ");
        return Err(Refusal::query(format!("unknown property {name:.40?}; known are {known}")));
    }
    let limit =
        parameters.number("limit", LONGEST_LIST)?.filter(|n| *n > 0).unwrap_or(DEFAULT_LIMIT);
    let behind = parameters.text("cursor").map(str::parse::<Iccid>).transpose();
    let behind = behind.map_err(|_| Refusal::query("cursor is none of ours; take nextCursor"))?;
    let walk = state.walk(&caller.token)?;
    let page = tokio::task::spawn_blocking(move || {
        let _walk = walk;
        let aaa = &state.serving()?.aaa;
        let holds = |iccid: Iccid, entry: &StockEntry| {
            wanted.iter().all(|(name, text)| match name.as_str() {
                "iccid" => iccid.to_string() == *text,
                "imsi" => entry.sim.imsis().any(|imsi| imsi.to_string().starts_with(text)),
                _ => entry.sim.msisdn.is_some_and(|own| own.to_string().starts_with(text)),
            })
        };
        let (found, next) = page(aaa, behind, limit, holds);
        let data = found.iter().map(|(iccid, entry)| shown(aaa, *iccid, entry)).collect();
        let page = CursorPage::new(data, aaa.stock_len(), limit);
        Ok(page.lower_bound(!wanted.is_empty()).next(next.map(|iccid| iccid.to_string())))
    });
    let page = page.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    Ok(axum::Json(page).into_response())
}

/// So many SIMs behind one that a filter holds for, and the last of them if there are more.
fn page(
    aaa: &Aaa,
    mut behind: Option<Iccid>,
    limit: usize,
    holds: impl Fn(Iccid, &StockEntry) -> bool,
) -> (Vec<(Iccid, StockEntry)>, Option<Iccid>) {
    let mut found = Vec::new();
    loop {
        let slice = aaa.stock_behind(behind, SLICE);
        let Some((end, _)) = slice.last() else { return (found, None) };
        behind = Some(*end);
        for (iccid, entry) in slice {
            if entry.sim.is_activated || !holds(iccid, &entry) {
                continue;
            }
            if found.len() == limit {
                let last = found.last().map(|(iccid, _)| *iccid);
                return (found, last);
            }
            found.push((iccid, entry));
        }
    }
}

/// Puts SIMs into the stock, from JSON or as `stock.csv`; all or none.
async fn add(
    State(state): State<Arc<HttpState>>,
    MayAdminister(bearer): MayAdminister,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let listed = match body::of_either_kind(&headers, body)? {
        Body::Csv(octets) => read_stock(&octets).map_err(|problems| {
            Refusal::invalid(problems.iter().map(ToString::to_string).collect())
        })?,
        Body::Json(body) => from_json(body)?,
    };
    if listed.len() > MOST {
        return Err(Refusal::too_many(MOST, listed.len()));
    }
    let count = listed.len();
    let iccids = listed.iter().map(|sim| sim.iccid).collect();
    let audit = Audit::of_many(&bearer, AuditTarget::many("stock", iccids));
    let errors = carry_out(&state, audit, move |aaa, now, writer| {
        Ok(aaa.stock_up(&listed, now, writer).err().unwrap_or_default())
    })
    .await?;
    if !errors.is_empty() {
        let told = errors.iter().map(|(at, error)| format!("/items/{at}: {error}"));
        return Err(Refusal::invalid(told.collect()));
    }
    tracing::info!(token = bearer.token, sims = count, "put into the stock by the API");
    Ok(data(json!({"added": count})))
}

fn from_json(body: Value) -> Result<Vec<ListedSim>, Refusal> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(body, "", &mut problems);
    let items = fields.array("items").value().unwrap_or_default();
    if items.is_empty() {
        fields.invalid("items", "missing; give a list of SIMs");
    }
    fields.finish();
    let mut listed: Vec<ListedSim> = Vec::with_capacity(items.len());
    let mut places = std::collections::HashMap::new();
    for (at, item) in items.into_iter().enumerate() {
        let pointer = format!("/items/{at}");
        let Some(sim) = sim(item, &pointer, &mut problems) else { continue };
        if let Some(first) = places.insert(sim.iccid, at) {
            problems.invalid(&format!("{pointer}/iccid"), format!("also in item {first}"));
        }
        listed.push(sim);
    }
    problems.result()?;
    Ok(listed)
}

fn sim(item: Value, pointer: &str, problems: &mut Problems) -> Option<ListedSim> {
    let mut fields = Fields::new(item, pointer, problems);
    let iccid =
        fields.parsed("iccid", |text| text.parse::<Iccid>().map_err(|error| error.rule.to_owned()));
    let imsis = body::imsis(&mut fields);
    let msisdn = fields.parsed("msisdn", |text| text.parse().map_err(|_| "no MSISDN".to_owned()));
    let code = fields.parsed("activationCode", |text| {
        ActivationCode::hash(text.as_bytes()).map_err(str::to_owned)
    });
    if matches!(iccid, Given::Absent | Given::Null) {
        fields.invalid("iccid", "missing");
    }
    if matches!(code, Given::Absent | Given::Null) {
        fields.invalid("activationCode", "missing");
    }
    fields.finish();
    Some(ListedSim { iccid: iccid.value()?, imsis, msisdn: msisdn.value(), code: code.value()? })
}

async fn remove(
    State(state): State<Arc<HttpState>>,
    MayAdminister(bearer): MayAdminister,
    Path(iccid): Path<String>,
) -> Answer<String> {
    let iccid: Iccid = iccid.parse().map_err(|_| Refusal::not_found())?;
    let audit = Audit::of_many(&bearer, AuditTarget::many("stock", vec![iccid]));
    carry_out(&state, audit, move |aaa, now, writer| aaa.remove_from_stock(iccid, now, writer))
        .await?;
    tracing::info!(token = bearer.token, "a SIM was taken out of the stock by the API");
    Ok(data(iccid.to_string()))
}
