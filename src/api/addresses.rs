//! `GET /addresses`: who has an address, or had it at an instant, from what is in memory: sessions
//! that are open or ended a while ago, and leases.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::get;
use serde_json::{Value, json};

use super::access::MayRead;
use super::envelope::{Answer, data};
use super::families::lookup::find;
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::refusal::Refusal;
use super::view::session_state;
use crate::aaa::{Aaa, EndpointEntry};
use crate::identity::{Iccid, VsliceId, endpoint_uuid};
use crate::network::{Lease, Session};
use crate::provisioning::{Catalog, Vslice};
use crate::radius::gateways::Gateways;
use crate::time::Timestamp;

pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/api/v1/addresses", get(owners))
}

/// Whose address is wanted.
struct Wanted {
    vslice: Option<VsliceId>,
    ip: IpAddr,
    /// `None`: now.
    at: Option<Timestamp>,
}

async fn owners(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    uri: Uri,
) -> Answer<Vec<Value>> {
    let parameters = Parameters::of(&uri, &["vslice", "address", "at"])?;
    let address = parameters
        .text("address")
        .ok_or_else(|| Refusal::query("say which address: ?vslice=...&address=..."))?;
    let ip = address.parse().map_err(|_| Refusal::query("address is no IP address"))?;
    let at = parameters.time("at")?;
    let catalog = state.serving()?.aaa.catalog();
    let vslice = parameters
        .text("vslice")
        .map(|moniker| {
            let found = find::<Vslice>(&catalog, moniker).map(|(id, _)| id);
            found.map_err(|_| Refusal::query(format!("there is no VSlice {moniker:.40?}")))
        })
        .transpose()?;
    let walk = state.walk(&caller.token)?;
    let wanted = Wanted { vslice, ip, at };
    let found = tokio::task::spawn_blocking(move || {
        let _walk = walk;
        let aaa = &state.serving()?.aaa;
        let gateways = state.common.gateways.load();
        let mut found = Vec::new();
        for piece in 0..Aaa::PIECES {
            aaa.look_at_piece(piece, &catalog, |iccid, entry, catalog| {
                wanted.look(iccid, entry, catalog, &gateways, &mut found);
            });
        }
        Ok(found)
    });
    let mut found = found.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    // The newest first.
    found.sort_by_key(|(since, _): &(Timestamp, Value)| std::cmp::Reverse(*since));
    Ok(data(found.into_iter().map(|(_, owner)| owner).collect()))
}

impl Wanted {
    fn look(
        &self,
        iccid: Iccid,
        entry: &EndpointEntry,
        catalog: &Catalog,
        gateways: &Gateways,
        found: &mut Vec<(Timestamp, Value)>,
    ) {
        let before = found.len();
        for session in entry.state.sessions.iter().filter(|session| self.is_meant(session, catalog))
        {
            let mut shown = self.owner(iccid, entry, catalog, vslice_of(session, catalog));
            shown["source"] = json!("session");
            shown["state"] = json!(session_state(session).moniker());
            shown["gateway"] = json!(gateways.name(session.gateway));
            shown["sessionId"] = json!(session.number().to_string());
            shown["acctSessionId"] =
                json!(session.bearers().next().map(|one| &*one.acct_session_id));
            shown["from"] = json!(session.started);
            shown["to"] = json!(session.ended.map(|ended| ended.at));
            shown["conflict"] = json!(session.is_in_conflict());
            found.push((session.started, shown));
        }
        // Since when somebody has a lease is not known: it tells of now.
        if found.len() > before || self.at.is_some() {
            return;
        }
        let is_meant = |lease: &&Lease| {
            lease.ip.contains(self.ip) && self.vslice.is_none_or(|vslice| lease.vslice == vslice)
        };
        for lease in entry.state.own_leases().filter(is_meant) {
            let mut shown = self.owner(iccid, entry, catalog, Some(lease.vslice));
            shown["source"] = json!("lease");
            shown["state"] = json!(if lease.phase.is_released() { "held" } else { "leased" });
            found.push((Timestamp::EPOCH, shown));
        }
    }

    fn is_meant(&self, session: &Session, catalog: &Catalog) -> bool {
        let is_in_time = match self.at {
            None => session.is_live(),
            Some(at) => session.started <= at && session.ended.is_none_or(|ended| at <= ended.at),
        };
        session.addresses().any(|own| own.contains(self.ip))
            && is_in_time
            && self.vslice.is_none_or(|wanted| vslice_of(session, catalog) == Some(wanted))
    }

    fn owner(
        &self,
        iccid: Iccid,
        entry: &EndpointEntry,
        catalog: &Catalog,
        vslice: Option<VsliceId>,
    ) -> Value {
        let endpoint = &entry.endpoint;
        let group = endpoint.group.and_then(|id| catalog.group(id));
        json!({
            "vslice": vslice.and_then(|id| catalog.vslice(id)).map(|one| one.moniker.as_str()),
            "address": self.ip,
            "id": endpoint_uuid(iccid),
            "iccid": iccid,
            "imsi": endpoint.imsi,
            "msisdn": endpoint.msisdn,
            "name": endpoint.name,
            "endpointGroup": group.map(|group| group.moniker.as_str()),
            "gateway": null,
            "sessionId": null,
            "acctSessionId": null,
            "from": null,
            "to": null,
            "conflict": false,
        })
    }
}

fn vslice_of(session: &Session, catalog: &Catalog) -> Option<VsliceId> {
    session.group.and_then(|id| catalog.group(id)).map(|group| group.vslice)
}
