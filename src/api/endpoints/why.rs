//! `GET /endpoints/{id}/why`: what an attach would come to, step by step.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::{Value, json};

use super::id;
use crate::aaa::{ExplainedStep, RejectReason};
use crate::api::access::MayRead;
use crate::api::envelope::{Answer, data};
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::identity::{Imeisv, Plmn};
use crate::policy::{Circumstances, serving_network};

pub(super) async fn why(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    let parameters = Parameters::of(&uri, &["apn", "gateway", "plmn", "rat", "imei"])?;
    let serving = state.serving()?;
    let iccid = id::named(&serving.aaa, &id)?;
    let now = state.common.clock.now().wall;
    let explanation = serving
        .aaa
        .explain(iccid, parameters.text("apn"), circumstances(&parameters)?, now)
        .ok_or_else(Refusal::not_found)?;
    let gateway = parameters.text("gateway").map(|name| {
        let is_known = state.common.gateways.load().configured().any(|known| known == name);
        let message = if is_known {
            "the gateway is configured"
        } else {
            "no [[gateway]] of attachd.toml has this name: its requests are dropped"
        };
        (is_known, step("gateway", is_known, name, message))
    });
    let is_heard = gateway.as_ref().is_none_or(|(is_known, _)| *is_known);
    let steps = explanation
        .steps
        .iter()
        .map(|one: &ExplainedStep| step(one.check, one.passed, &one.found, &one.message));
    let steps: Vec<Value> = gateway.into_iter().map(|(_, step)| step).chain(steps).collect();
    let verdict = match explanation.rejected {
        _ if !is_heard => "drop",
        Some(_) => "reject",
        None => "accept",
    };
    let last = serving.aaa.recent_refusals(iccid).into_iter().map(|refusal| {
        json!({
            "at": refusal.at,
            "reason": refusal.reason.moniker(),
            "request": if refusal.is_accounting { "accounting" } else { "access" },
            "times": refusal.times,
        })
    });
    let last: Vec<Value> = last.collect();
    Ok(data(json!({
        "iccid": iccid,
        "verdict": verdict,
        "reason": explanation.rejected.map(RejectReason::moniker),
        "steps": steps,
        "lastRefusals": last,
    })))
}

/// Where, by what and with what it is asked about; `None`: as it was last heard of.
fn circumstances(parameters: &Parameters) -> Result<Option<Circumstances>, Refusal> {
    let [plmn, rat, imei] = ["plmn", "rat", "imei"].map(|name| parameters.text(name));
    if [plmn, rat, imei] == [None; 3] {
        return Ok(None);
    }
    let plmn = plmn.map(|digits| Plmn::parse(digits.as_bytes())).transpose();
    let plmn = plmn.map_err(|error| Refusal::query(format!("plmn: {error}")))?;
    let rat = rat.map(str::parse).transpose();
    let rat = rat.map_err(|_| Refusal::query("rat: a number of 0 to 255".to_owned()))?;
    let imeisv = imei.map(|digits| Imeisv::parse(digits.as_bytes())).transpose();
    let imeisv = imeisv.map_err(|error| Refusal::query(format!("imei: {error}")))?;
    Ok(Some(Circumstances { plmn: serving_network(plmn, None, None), rat, imeisv }))
}

fn step(check: &str, passed: bool, found: &str, message: &str) -> Value {
    json!({"check": check, "passed": passed, "found": found, "message": message})
}
