//! What others may see: one endpoint as it is now, and the numbers of the whole.

use std::sync::atomic::Ordering;

use super::{Aaa, EndpointEntry, PolicyStats, PoolFill};
use crate::address::{Address, AddressKind};
use crate::identity::{Iccid, Imsi, Moniker, Msisdn, VsliceId};
use crate::network::{CloseCause, Event, LeaseKind, LeasePhase, NetworkState, Tracker};
use crate::provisioning::{Allocation, Catalog, Endpoint, ProvisioningState};
use crate::time::Timestamp;

/// The numbers of the whole, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    pub provisioning: [(ProvisioningState, i64); ProvisioningState::ALL.len()],
    pub network: [(NetworkState, i64); NetworkState::ALL.len()],
    /// Sessions that their endpoints may not have any more, and their gateways have still.
    pub ending: i64,
    pub closed: [(CloseCause, u64); CloseCause::ALL.len()],
    /// Events that the state table refused.
    pub refused: [(Event, u64); Event::ALL.len()],
    pub vslices: Vec<VsliceStats>,
    pub policies: Vec<PolicyStats>,
    /// Serving network and cell in different countries, where a policy looked.
    pub location_mismatches: u64,
    /// Endpoints, groups and VSlices that are other than the files have them.
    pub differing: usize,
}

/// The numbers of one VSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VsliceStats {
    pub moniker: Moniker,
    pub sessions: i64,
    pub allocations: u64,
    pub failures: u64,
    pub conflicts: u64,
    pub pools: Vec<PoolFill>,
    /// Addresses that have an owner, or are in their hold, though no subnet has them any more.
    pub outside: u64,
}

impl Aaa {
    /// Shows one endpoint as it is at `now`, and the catalog. `None`: there is no such endpoint.
    ///
    /// What is due but not yet carried out (a stale session, a restarted gateway) is shown as
    /// carried out.
    pub fn look<T>(
        &self,
        iccid: Iccid,
        now: Timestamp,
        see: impl FnOnce(&EndpointEntry, &Catalog) -> T,
    ) -> Option<T> {
        let plan = self.plan();
        let mut entry = self.tracker.read(iccid, EndpointEntry::clone)?;
        entry.state.settle(now, &self.limits(&plan, &entry.endpoint), &self.restarts);
        Some(see(&entry, &plan.catalog))
    }

    /// Every endpoint in turn, as it is kept; the order means nothing.
    pub fn for_each(&self, see: impl FnMut(Iccid, &EndpointEntry)) {
        self.tracker.for_each(see);
    }

    /// How many pieces all endpoints are looked at in.
    pub const PIECES: usize = Tracker::<EndpointEntry>::PIECES;

    /// The endpoints of one piece as they are kept, in no order. An endpoint is always of the same
    /// piece; nobody waits longer than a piece takes.
    pub fn look_at_piece(
        &self,
        piece: usize,
        catalog: &Catalog,
        mut see: impl FnMut(Iccid, &EndpointEntry, &Catalog),
    ) {
        self.tracker.look_at_piece(piece, |iccid, entry| see(iccid, entry, catalog));
    }

    /// Which piece an endpoint is of.
    #[must_use]
    pub const fn piece_of(iccid: Iccid) -> usize {
        Tracker::<EndpointEntry>::piece_of(iccid)
    }

    /// Whose an IMSI is.
    #[must_use]
    pub fn by_imsi(&self, imsi: Imsi) -> Option<Iccid> {
        self.tracker.resolve_imsi(imsi)
    }

    /// Whose an MSISDN is.
    #[must_use]
    pub fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid> {
        self.tracker.resolve_msisdn(msisdn)
    }

    /// Every endpoint as a line of the files has to say it, to bring about what is there now: with
    /// the static address that it was given automatically, too. In no order.
    #[must_use]
    pub fn as_written(&self) -> Vec<(Iccid, Endpoint)> {
        let plan = self.plan();
        let mut written = Vec::with_capacity(self.tracker.len());
        self.tracker.for_each(|iccid, entry| {
            let mut endpoint = entry.endpoint.clone();
            let assigned = |kind| assigned_address(entry, &plan.catalog, kind);
            let static_ip = endpoint.static_ip.map(Address::V4);
            endpoint.static_ip =
                static_ip.or_else(|| assigned(AddressKind::Ipv4)).and_then(Address::ipv4);
            let mut prefixes = endpoint.configured_prefixes();
            prefixes.link =
                prefixes.link.or_else(|| assigned(AddressKind::Link).and_then(Address::prefix));
            prefixes.delegated = prefixes
                .delegated
                .or_else(|| assigned(AddressKind::Delegated).and_then(Address::prefix));
            let endpoint = endpoint.with_configured_prefixes(prefixes);
            written.push((iccid, endpoint));
        });
        written
    }

    /// How full each subnet of a VSlice is, in its order.
    #[must_use]
    pub fn fills(&self, vslice: VsliceId) -> Vec<PoolFill> {
        self.plan().fills(vslice)
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        let plan = self.plan();
        let vslices = plan.catalog.vslices().map(|(id, vslice)| {
            let count =
                |of: fn(&super::address_plan::VsliceMeters) -> u64| plan.meters(id).map_or(0, of);
            VsliceStats {
                moniker: vslice.moniker.clone(),
                sessions: plan
                    .meters(id)
                    .map_or(0, |meters| meters.sessions.load(Ordering::Relaxed)),
                allocations: count(|meters| meters.allocations.load(Ordering::Relaxed)),
                failures: count(|meters| meters.failures.load(Ordering::Relaxed)),
                conflicts: count(|meters| meters.conflicts.load(Ordering::Relaxed)),
                pools: plan.fills(id),
                outside: plan.outside(id),
            }
        });
        Stats {
            provisioning: ProvisioningState::ALL
                .map(|state| (state, self.state_counts.provisioning(state))),
            network: NetworkState::ALL.map(|state| (state, self.state_counts.network(state))),
            ending: self.state_counts.sessions_ending(),
            closed: CloseCause::ALL.map(|cause| (cause, self.state_counts.closures(cause))),
            refused: Event::ALL.map(|event| (event, self.state_counts.refusals(event))),
            vslices: vslices.collect(),
            policies: plan.policies.stats(),
            location_mismatches: self.location_mismatches.load(Ordering::Relaxed),
            differing: self.differing(),
        }
    }
}

/// The address of a kind that an endpoint keeps in its primary group without being configured, if it is one
/// that can be configured.
fn assigned_address(
    entry: &EndpointEntry,
    catalog: &Catalog,
    kind: AddressKind,
) -> Option<Address> {
    let home =
        entry.endpoint.group.filter(|_| entry.endpoint.state != ProvisioningState::Terminated)?;
    let group = catalog.group(home).filter(|group| group.allocation == Allocation::Static)?;
    let vslice = catalog.vslice(group.vslice)?;
    let lease = entry
        .state
        .lease(home, kind)
        .filter(|lease| lease.kind == LeaseKind::Static && lease.vslice == group.vslice)?;
    let is_kept = !matches!(lease.phase, LeasePhase::Released { .. });
    let is_offered = vslice.subnets_of(Allocation::Static).any(|subnet| subnet.offers(lease.ip));
    (is_kept && is_offered).then_some(lease.ip)
}
