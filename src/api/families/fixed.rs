//! Families that mean nothing to a RADIUS server, and are told so; and who a token is.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::routing::get;
use serde_json::{Value, json};

use super::groups::{AUTOMATIC, automatic_id, is_automatic};
use super::listing;
use crate::api::access::{MayRead, MayWrite, TokenBearer};
use crate::api::envelope::{Answer, Envelope, data};
use crate::api::http::HttpState;
use crate::api::refusal::Refusal;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    let mut routes = Router::new()
        .route("/api/v1/apitokens/verify", get(verify))
        .route("/api/v1/regionalpolicies", get(regional).post(no_regional))
        .route(
            "/api/v1/regionalpolicies/{id}",
            get(one_regional).put(no_regional).patch(no_regional).delete(no_regional),
        )
        .route("/api/v1/regionalpolicies/{id}/entries", get(no_entries).post(no_regional));
    for family in ["routingpolicies", "routingtargets"] {
        routes = routes.route(&format!("/api/v1/{family}"), get(none).post(no_routing)).route(
            &format!("/api/v1/{family}/{{id}}"),
            get(not_found).put(no_routing).patch(no_routing).delete(not_found),
        );
    }
    routes
}

async fn verify(MayRead(caller): MayRead) -> Envelope<Value> {
    let TokenBearer { token, role, expires, .. } = caller;
    let ends = expires.map_or_else(|| "never expires".to_owned(), |date| format!("expires {date}"));
    let message = format!("token \"{token}\" works: role {}, {ends}", role.as_str());
    data(json!({"name": token, "role": role.as_str()})).telling(message)
}

const PROPERTIES: &[&str] = &["id", "name", "moniker", "active"];

async fn none(_permission: MayRead, uri: Uri) -> Answer<Vec<Value>> {
    Ok(listing::Query::of(&uri, PROPERTIES)?.page(Vec::new()))
}

async fn not_found(_permission: MayRead) -> Refusal {
    Refusal::not_found()
}

async fn no_routing(_permission: MayWrite) -> Refusal {
    let message = "attachd does not route packets: a routing policy cannot be created; leave routing_policy out of the endpoint group";
    Refusal::refused("unsupported", vec![message.to_owned()])
}

fn automatic() -> Value {
    json!({
        "id": automatic_id(),
        "moniker": AUTOMATIC,
        "name": "Automatic",
        "isFixed": true,
        "active": true,
        "entries": [],
    })
}

async fn regional(_permission: MayRead, uri: Uri) -> Answer<Vec<Value>> {
    Ok(listing::Query::of(&uri, PROPERTIES)?.page(vec![automatic()]))
}

async fn one_regional(_permission: MayRead, Path(id): Path<String>) -> Answer<Value> {
    if is_automatic(&id) { Ok(data(automatic())) } else { Err(Refusal::not_found()) }
}

async fn no_entries(_permission: MayRead, Path(id): Path<String>) -> Answer<Value> {
    if is_automatic(&id) { Ok(data(json!([]))) } else { Err(Refusal::not_found()) }
}

async fn no_regional(_permission: MayWrite) -> Refusal {
    let message = "which gateway serves is chosen by the core network, before RADIUS: there is the one regional policy \"automatic\", and it cannot be changed";
    Refusal::refused("unsupported", vec![message.to_owned()])
}
