//! `/operators`: names and numbers of operators from `operators.csv`, and the countries of all mobile
//! country codes.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::get;
use serde_json::{Value, json};

use super::listing;
use crate::api::access::MayRead;
use crate::api::envelope::Answer;
use crate::api::http::HttpState;
use crate::policy::{countries, three_letters};
use crate::provisioning::{Catalog, KnownOperator};

const PROPERTIES: &[&str] = &["operatorId", "mcc", "iso3", "name"];

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/api/v1/operators", get(all))
}

/// Operators of the file first; then a row for each mobile country code.
async fn all(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    uri: Uri,
) -> Answer<Vec<Value>> {
    let query = listing::Query::of(&uri, PROPERTIES)?;
    let serving = state.serving()?;
    let named = |catalog: &Catalog| catalog.operators.0.iter().map(operator).collect();
    let mut rows: Vec<Value> = serving.aaa.with_catalog(named);
    for (mcc, countries) in countries() {
        let iso3: Vec<_> = countries.iter().filter_map(|country| three_letters(*country)).collect();
        rows.push(json!({
            "operatorId": null,
            "mcc": format!("{mcc:03}"),
            "plmns": [],
            "iso3": iso3.first(),
            "territories": iso3.get(1..).unwrap_or_default(),
            "name": null,
        }));
    }
    Ok(query.page(rows))
}

fn operator(known: &KnownOperator) -> Value {
    let plmns: Vec<String> = known.plmns.iter().map(ToString::to_string).collect();
    let mcc = known.plmns.first().map(|plmn| format!("{:03}", plmn.mcc()));
    json!({
        "operatorId": known.id,
        "mcc": mcc,
        "plmns": plmns,
        "iso3": known.country.and_then(three_letters),
        "territories": [],
        "name": known.name.as_str(),
    })
}
