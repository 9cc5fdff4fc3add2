//! What is shown of an endpoint and its sessions over HTTP.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::aaa::{EndpointEntry, SessionOrders};
use crate::address::{Address, Ipv6Prefix};
use crate::identity::{Iccid, Imeisv, Imsi, Moniker, Msisdn, Plmn};
use crate::network::{LeaseKind, LeasePhase, NetworkState, OrderPhase, PolicyViolation, Session};
use crate::policy::country_of;
use crate::provisioning::{Catalog, ProvisioningState};
use crate::radius::gateways::Gateways;
use crate::time::Timestamp;
use crate::wire::dictionary::Dictionary;
use crate::wire::number;
use crate::wire::tgpp::RatType;

/// An endpoint, whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointView {
    iccid: Iccid,
    imsis: Vec<Imsi>,
    msisdn: Option<Msisdn>,
    name: Option<Box<str>>,
    provisioning_state: Enumerated,
    network_state: NetworkState,
    endpoint_group: Option<Named>,
    vslice: Option<Named>,
    ip_addresses: Vec<AddressView>,
    last_activity: Option<Timestamp>,
    sessions: Vec<SessionView>,
}

/// One PDN connection, open or remembered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    id: String,
    state: Enumerated,
    gateway: Option<String>,
    acct_session_id: String,
    bearers: Vec<String>,
    apn: Option<String>,
    ip: Option<Ipv4Addr>,
    ipv6_prefix: Option<Ipv6Prefix>,
    delegated_prefix: Option<Ipv6Prefix>,
    /// Another endpoint has one of these addresses, or nobody may.
    conflict: bool,
    started_at: Timestamp,
    updated_at: Timestamp,
    ended_at: Option<Timestamp>,
    ending_since: Option<Timestamp>,
    /// Why its endpoint may not have it any more.
    ending_reason: Option<&'static str>,
    /// How far its gateway is with disconnecting it.
    ending_phase: Option<&'static str>,
    /// As RFC 2866 5.10 names it.
    terminate_cause: Option<String>,
    /// Why we hold it for ended.
    close_cause: Option<&'static str>,
    input_octets: u64,
    output_octets: u64,
    rat_type: Option<RatView>,
    plmn: Option<Plmn>,
    /// The primary country of the network, in two letters.
    country: Option<&'static str>,
    imeisv: Option<Imeisv>,
    /// How it is used against the policy of its group.
    policy_violation: Option<ViolationView>,
}

/// A use that a policy forbids.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ViolationView {
    reason: &'static str,
    since: Timestamp,
    disconnect_at: Timestamp,
}

/// A state with the number that SIM platforms give it.
#[derive(Debug, Serialize)]
pub(crate) struct Enumerated {
    key: u8,
    moniker: &'static str,
    name: &'static str,
}

impl Enumerated {
    pub(crate) const fn moniker(&self) -> &'static str {
        self.moniker
    }
}

#[derive(Debug, Serialize)]
struct Named {
    moniker: Moniker,
    name: String,
}

#[derive(Debug, Serialize)]
struct AddressView {
    vslice: Option<Moniker>,
    ip: Address,
    allocation: &'static str,
    state: &'static str,
}

/// A radio access; a number without a name is shown as such.
#[derive(Debug, Serialize)]
struct RatView {
    key: u8,
    name: String,
}

impl EndpointView {
    pub(crate) fn of(
        iccid: Iccid,
        entry: &EndpointEntry,
        catalog: &Catalog,
        gateways: &Gateways,
    ) -> Self {
        let EndpointEntry { endpoint, state, .. } = entry;
        let group = endpoint.group.and_then(|id| catalog.group(id));
        let vslice = group.and_then(|group| catalog.vslice(group.vslice));
        Self {
            iccid,
            imsis: endpoint.imsis().collect(),
            msisdn: endpoint.msisdn,
            name: endpoint.name.clone(),
            provisioning_state: enumerated(endpoint.state),
            network_state: state.state,
            endpoint_group: group.map(|group| Named {
                moniker: group.moniker.clone(),
                name: group.name.to_string(),
            }),
            vslice: vslice.map(|vslice| Named {
                moniker: vslice.moniker.clone(),
                name: vslice.name.to_string(),
            }),
            ip_addresses: addresses(entry, catalog),
            last_activity: Some(state.last_activity).filter(|time| *time > Timestamp::EPOCH),
            sessions: state
                .sessions
                .iter()
                .map(|session| SessionView::of(session, gateways))
                .collect(),
        }
    }

    /// Also how far the gateways are with what they were told about its sessions.
    pub(crate) fn with_phases(mut self, orders: &SessionOrders) -> Self {
        for session in &mut self.sessions {
            let number = session.id.parse().unwrap_or_default();
            let phase = orders.ending_phase(self.iccid, number);
            session.ending_phase =
                phase.filter(|_| session.ended_at.is_none()).map(OrderPhase::name);
        }
        self
    }
}

/// The leases, and the address configured by hand if it is not among them yet. What no subnet has
/// any more is `outside`.
fn addresses(entry: &EndpointEntry, catalog: &Catalog) -> Vec<AddressView> {
    let moniker = |id| catalog.vslice(id).map(|vslice| vslice.moniker.clone());
    let is_outside = |id, ip| {
        catalog
            .vslice(id)
            .is_none_or(|vslice| !vslice.subnets.iter().any(|subnet| subnet.block.contains(ip)))
    };
    let leases = entry.state.own_leases().map(|lease| AddressView {
        vslice: moniker(lease.vslice),
        ip: lease.ip,
        allocation: match lease.kind {
            LeaseKind::Static => "static",
            LeaseKind::Pooled => "pooled",
        },
        state: match lease.phase {
            _ if is_outside(lease.vslice, lease.ip) => "outside",
            LeasePhase::Authorised { .. } => "authorised",
            LeasePhase::InUse | LeasePhase::Reauthorised { .. } => "in-use",
            LeasePhase::Kept => "kept",
            LeasePhase::Released { .. } => "held",
        },
    });
    let mut addresses: Vec<AddressView> = leases.collect();
    for ip in entry.endpoint.configured_addresses() {
        if addresses.iter().any(|address| address.ip == ip) {
            continue;
        }
        let home = entry.endpoint.group.and_then(|id| catalog.group(id)).map(|group| group.vslice);
        let state =
            if home.is_some_and(|home| is_outside(home, ip)) { "outside" } else { "configured" };
        addresses.push(AddressView {
            vslice: home.and_then(moniker),
            ip,
            allocation: "static",
            state,
        });
    }
    addresses
}

impl SessionView {
    pub(crate) fn of(session: &Session, gateways: &Gateways) -> Self {
        let gateway = gateways.name(session.gateway);
        let (input_octets, output_octets) = session.octets();
        let location_info = session.location_info();
        let bearers: Vec<String> =
            session.bearers().map(|bearer| bearer.acct_session_id.to_string()).collect();
        Self {
            id: session.number().to_string(),
            state: session_state(session),
            gateway: gateway.map(str::to_owned),
            acct_session_id: bearers.first().cloned().unwrap_or_default(),
            bearers,
            apn: session.apn().map(str::to_owned),
            ip: session.ip,
            ipv6_prefix: session.prefixes().link,
            delegated_prefix: session.prefixes().delegated,
            conflict: session.is_in_conflict(),
            started_at: session.started,
            updated_at: session.heard,
            ended_at: session.ended.map(|ended| ended.at),
            ending_since: session.ending().map(|ending| ending.since),
            ending_phase: None,
            ending_reason: session.ending().map(|ending| ending.cause.name()),
            terminate_cause: session.ended.and_then(|ended| terminate_cause(ended.terminate_cause)),
            close_cause: session.ended.map(|ended| ended.cause.name()),
            input_octets,
            output_octets,
            rat_type: location_info
                .rat
                .map(|rat| RatView { key: rat, name: RatType(rat).to_string() }),
            plmn: location_info.plmn,
            country: location_info.plmn.and_then(country_of),
            policy_violation: session.violation().map(ViolationView::of),
            imeisv: location_info.imeisv,
        }
    }
}

impl ViolationView {
    const fn of(violation: PolicyViolation) -> Self {
        let PolicyViolation { reason, since, disconnect_at } = violation;
        Self { reason: reason.moniker(), since, disconnect_at }
    }
}

pub(crate) fn session_state(session: &Session) -> Enumerated {
    match (session.is_open(), session.is_live()) {
        (true, _) => Enumerated { key: 10, moniker: "open", name: "Open" },
        (false, true) => Enumerated { key: 20, moniker: "ending", name: "Ending" },
        (false, false) => Enumerated { key: 30, moniker: "ended", name: "Ended" },
    }
}

fn enumerated(state: ProvisioningState) -> Enumerated {
    Enumerated { key: state.key(), moniker: state.moniker(), name: state.name() }
}

/// 0: none was sent. A number without a name is shown as such.
fn terminate_cause(cause: u32) -> Option<String> {
    if cause == 0 {
        return None;
    }
    let definition = Dictionary::default().definitions().find(|definition| {
        (definition.key.parent, definition.key.vendor, definition.key.number)
            == (0, 0, number::ACCT_TERMINATE_CAUSE)
    });
    let name = definition
        .and_then(|definition| definition.values.iter().find(|(number, _)| *number == cause));
    Some(name.map_or_else(|| cause.to_string(), |(_, name)| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROTOCOL 20.
    #[test]
    fn a_session_is_open_ending_or_ended() {
        use crate::network::{Bearer, CloseCause, Ended, Ending, EventTime, Nas, Status};
        let at = Timestamp::from_secs(1_790_000_000);
        let bearer = Bearer {
            acct_session_id: "S1".into(),
            input: 0,
            output: 0,
            event_time: at,
            status: Status::Start,
        };
        let mut session = Session::new(
            crate::identity::GatewayId::new(0),
            &Nas::numbered(1),
            bearer,
            EventTime::at(at),
            at,
        );
        let shown = |session: &Session| {
            let view =
                serde_json::to_value(SessionView::of(session, &Gateways::new(&[], Vec::new())))
                    .unwrap();
            format!(
                "{} {} {} {}",
                view["state"]["key"],
                view["state"]["moniker"],
                view["endingSince"],
                view["endingReason"]
            )
        };
        assert_eq!(shown(&session), "10 \"open\" null null");
        session.set_ending(Some(Ending { since: at, cause: CloseCause::Barred }));
        assert_eq!(shown(&session), "20 \"ending\" \"2026-09-21T14:13:20.000Z\" \"barred\"");
        session.ended = Some(Ended::new(EventTime::at(at), 0, CloseCause::Barred));
        assert_eq!(shown(&session), "30 \"ended\" \"2026-09-21T14:13:20.000Z\" \"barred\"");
    }

    #[test]
    fn causes_have_the_names_of_the_rfc() {
        assert_eq!(terminate_cause(0), None);
        assert_eq!(terminate_cause(1).as_deref(), Some("User-Request"));
        assert_eq!(terminate_cause(11).as_deref(), Some("NAS-Reboot"));
        assert_eq!(terminate_cause(999).as_deref(), Some("999"));
    }
}
