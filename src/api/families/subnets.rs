//! `/vslices/{id}/subnets`: the address ranges of a VSlice, beside the first, which belongs to the
//! VSlice itself.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::routing::{delete, get};
use serde_json::{Value, json};

use super::body;
use super::body::{Fields, Given, Problems};
use super::groups::read_allocation;
use super::listing::Query;
use super::lookup::find;
use super::vslices::network;
use super::write::{Read, Revised, revise};
use crate::aaa::PoolFill;
use crate::address::AddressKind;
use crate::api::access::{MayRead, MayWrite, TokenBearer};
use crate::api::envelope::{Answer, data};
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::provisioning::{Allocation, Subnet, Vslice, subnet_block};

/// Subnets of one VSlice.
const MOST: usize = 64;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .route("/api/v1/vslices/{id}/subnets", get(list).post(add))
        .route("/api/v1/vslices/{id}/subnets/{*cidr}", delete(remove))
        .route("/api/v1/pools", get(pools))
}

async fn list(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Vec<Value>> {
    Parameters::of(&uri, &[])?;
    let serving = state.serving()?;
    let (id, vslice) = serving.aaa.with_catalog(|catalog| {
        find::<Vslice>(catalog, &id).map(|(id, entry)| (id, Arc::clone(&entry.thing)))
    })?;
    Ok(data(fills(&vslice, &serving.aaa.fills(id))))
}

/// How full all subnets of all VSlices are.
async fn pools(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    uri: Uri,
) -> Answer<Vec<Value>> {
    let query = Query::of(&uri, &["vslice", "subnet", "allocation"])?;
    let serving = state.serving()?;
    let vslices: Vec<_> = serving.aaa.with_catalog(|catalog| {
        let entries = catalog.entries::<Vslice>();
        let present = entries.filter(|(_, entry)| entry.present().is_some());
        present.map(|(id, entry)| (id, Arc::clone(&entry.thing))).collect()
    });
    let all = vslices.iter().flat_map(|(id, vslice)| fills(vslice, &serving.aaa.fills(*id)));
    Ok(query.page(all.collect()))
}

fn fills(vslice: &Vslice, fills: &[PoolFill]) -> Vec<Value> {
    let shown = |subnet: &Subnet| {
        let fill = fills.iter().find(|fill| fill.block == subnet.block)?;
        let counts = fill.counts;
        let usable = counts.leased + counts.held + counts.free;
        let utilisation = if usable == 0 { 1.0 } else { 1.0 - counts.free as f64 / usable as f64 };
        Some(json!({
            "vslice": vslice.moniker.as_str(),
            "subnet": subnet.block.cidr().to_string(),
            "allocation": subnet.allocation.moniker(),
            "size": subnet.block.size(),
            "prefixLength": length_of(subnet, AddressKind::Link),
            "delegatedLength": length_of(subnet, AddressKind::Delegated),
            "reserved": counts.reserved,
            "excluded": subnet.exclude.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "leased": counts.leased,
            "held": counts.held,
            "free": counts.free,
            "utilisation": (utilisation * 100.0).round() / 100.0,
        }))
    };
    vslice.subnets.iter().filter_map(shown).collect()
}

/// What its prefixes are long, if it gives any of that kind.
fn length_of(subnet: &Subnet, kind: AddressKind) -> Option<u8> {
    (subnet.block.kind() == kind).then_some(subnet.block.prefix_len())
}

async fn add(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    let mut problems = Problems::default();
    let mut fields = Fields::new(body, "", &mut problems);
    let cidr = fields.parsed("cidr", network);
    let cidr = match (cidr, fields.parsed("subnetAddress", network)) {
        (Given::Value(cidr), _) | (_, Given::Value(cidr)) => Some(cidr),
        _ => {
            fields.invalid("cidr", "missing; give a network, as 10.1.0.0/16 or 2001:db8:10::/48");
            None
        }
    };
    let allocation = read_allocation(&mut fields).map_or(Allocation::Static, |(own, _)| own);
    let mut exclude = Vec::new();
    for (at, range) in fields.array("exclude").value().unwrap_or_default().iter().enumerate() {
        match range.as_str().map(network) {
            Some(Ok(range)) => exclude.push(range),
            Some(Err(what)) => fields.invalid(&format!("exclude/{at}"), what),
            None => fields.invalid(&format!("exclude/{at}"), "a range is a text"),
        }
    }
    let mut length = |name| fields.number(name, 128).value().map(|length| length as u8);
    let (prefix_length, delegated_length) = (length("prefixLength"), length("delegatedLength"));
    let block = cidr.and_then(|cidr| {
        let block = subnet_block(cidr, prefix_length, delegated_length);
        let told = |(key, what): (&str, String)| {
            let key = match key {
                "prefix_length" => "prefixLength",
                "delegated_length" => "delegatedLength",
                other => other,
            };
            fields.invalid(key, what);
        };
        block.map_err(told).ok()
    });
    fields.finish();
    problems.result()?;
    let (Some(cidr), Some(block)) = (cidr, block) else { return Err(Refusal::not_found()) };
    let subnet = Subnet { block, allocation, exclude };
    change(&state, &caller, &id, &headers, move |vslice| {
        let overlapping = vslice
            .subnets
            .iter()
            .find(|own| own.block.cidr().contains(&cidr) || cidr.contains(&own.block.cidr()));
        if let Some(own) = overlapping {
            let message = format!("/cidr: {cidr} overlaps {}", own.block.cidr());
            return Err(Refusal::invalid(vec![message]));
        }
        if vslice.subnets.len() >= MOST {
            return Err(Refusal::invalid(vec![format!("/cidr: at most {MOST} subnets")]));
        }
        vslice.subnets.push(subnet.clone());
        Ok(())
    })
    .await
}

async fn remove(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path((id, cidr)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<String> {
    let cidr = network(&cidr).map_err(|_| Refusal::not_found())?;
    change(&state, &caller, &id, &headers, move |vslice| {
        let before = vslice.subnets.len();
        vslice.subnets.retain(|own| own.block.cidr() != cidr);
        if vslice.subnets.len() == before { Err(Refusal::not_found()) } else { Ok(()) }
    })
    .await
}

async fn change(
    state: &Arc<HttpState>,
    caller: &TokenBearer,
    id: &str,
    headers: &HeaderMap,
    act: impl Fn(&mut Vslice) -> Result<(), Refusal>,
) -> Answer<String> {
    revise::<Vslice>(state, caller, headers, |catalog| {
        let (target, entry) = find::<Vslice>(catalog, id)?;
        let mut thing = (*entry.thing).clone();
        act(&mut thing)?;
        let spelling = entry.spelling.clone();
        Ok(Revised::of(target, entry, Read { thing, spelling, advice: Vec::new() }))
    })
    .await
}
