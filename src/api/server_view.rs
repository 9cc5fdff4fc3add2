//! `GET /server`: which version serves since when, how it is, and how much there is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use serde_json::{Map, Value, json};

use super::access::MayRead;
use super::envelope::{Answer, data};
use super::http::HttpState;
use super::http::parameters::Parameters;
use crate::provisioning::{Catalog, CatalogKind, EventHandler, EventMap, Group, Policy, Vslice};

pub(super) async fn server(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    let serving = state.serving()?;
    let now = state.common.clock.now();
    let stats = serving.aaa.stats();
    let by_state = stats.provisioning.map(|(state, count)| (state.moniker().to_owned(), count));
    let by_network = stats.network.map(|(state, count)| (state.moniker().to_owned(), count));
    let sessions: i64 = stats.vslices.iter().map(|vslice| vslice.sessions).sum();
    let mut counts = json!({
        "endpoints": serving.aaa.endpoints(),
        "endpointsByProvisioningState": object(by_state),
        "endpointsByNetworkState": object(by_network),
        "openSessions": sessions,
        "endingSessions": stats.ending,
        "gateways": state.common.gateways.load().configured().count(),
    });
    let objects = serving.aaa.with_catalog(|catalog| {
        [
            ("vslices", present::<Vslice>(catalog)),
            ("endpointGroups", present::<Group>(catalog)),
            ("operatorPolicies", present::<Policy>(catalog)),
            ("eventHandlers", present::<EventHandler>(catalog)),
            ("eventMaps", present::<EventMap>(catalog)),
        ]
    });
    if let Some(counts) = counts.as_object_mut() {
        counts.extend(objects.map(|(name, count)| (name.to_owned(), json!(count))));
    }
    let readiness = state.readiness();
    Ok(data(json!({
        "name": "attachd",
        "version": env!("CARGO_PKG_VERSION"),
        "time": now.wall,
        "startedAt": now.wall - now.running,
        "uptimeS": now.running.as_secs(),
        "readiness": readiness,
        "inventoryDiffers": stats.differing,
        "counts": counts,
    })))
}

fn object(pairs: impl IntoIterator<Item = (String, i64)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, count)| (name, json!(count))).collect()
}

fn present<T: CatalogKind>(catalog: &Catalog) -> usize {
    catalog.entries::<T>().filter(|(_, entry)| entry.present().is_some()).count()
}
