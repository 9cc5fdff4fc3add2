//! The decision: a typed request, the state of one endpoint and the time go in; a verdict and
//! records come out.
//!
//! No bytes, no socket, no clock. Everything that changes an endpoint happens here, under that
//! endpoint's entry, whoever asks for it: a gateway ([`Aaa::authorize`], [`Aaa::account`]), an
//! operator ([`Aaa::adopt`]) or time itself ([`Aaa::housekeep`]).

mod access;
mod accounting;
mod address_plan;
mod admission;
mod adopt;
mod change;
mod claims;
mod compare;
mod departed;
mod explain;
mod grant;
mod housekeep;
mod identify;
mod members;
mod orders;
mod parallel;
mod policies;
mod policing;
mod pool_watch;
mod prefetch;
mod provision;
mod recent_refusals;
mod recorder;
mod recover;
mod register;
mod request;
mod state_counts;
mod steering;
mod stock;
mod transaction;
mod unknown_attempts;
mod verdict;
mod view;

pub use address_plan::PoolFill;
pub use adopt::{Adoption, Objection};
pub use change::{
    BatchErrors, ChangeError, EndpointMutation, EndpointStep, Mutation, Put, PutTarget, Transition,
};
pub use departed::Departed;
pub use explain::{ExplainedStep, Explanation};
pub use housekeep::Walk;
pub use members::GroupMembers;
pub use orders::{Issued, Job, OrderStatus, PendingOrder, Reachable, SessionOrders, Sight};
pub use policies::PolicyStats;
pub use pool_watch::PoolWatch;
pub use prefetch::SIDE_BY_SIDE;
pub use provision::{ChangeKind, Changed};
pub use recent_refusals::RecentRefusal;
pub use recorder::{FreedAddress, Note, Recorder};
pub use recover::{Recovered, Recovery};
pub use request::{
    AccessRequest, AccountingKind, AccountingRequest, AskedFamilies, IdentityKind, Subject,
    accounting_label,
};
pub use stock::StockAdoption;
pub use verdict::{Accept, Accounted, Class, RejectReason, Verdict};
pub use view::{Stats, VsliceStats};

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::event::{EventMaker, TypeSet};
use crate::identity::{Iccid, Imsi, Msisdn};
use crate::network::{EndpointState, Outages, Restarts, SessionLimits, Tracker};
use crate::provisioning::{Authority, Catalog, Endpoint, Fingerprint, Operators, Revision};
use crate::time::Timestamp;

use address_plan::AddressPlan;
use departed::DepartedList;
use identify::IdentityIndex;
use members::MemberCounts;
use recent_refusals::RecentRefusals;
use register::Register;
use state_counts::StateCounts;
use steering::Steering;
use stock::Stock;

/// What an operator may set about decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AaaSettings {
    /// Which attribute is believed first.
    pub identity_order: Vec<IdentityKind>,
    /// An open session unheard for this long is lost. `None`: three interim intervals, at least an
    /// hour; a day if none are asked for.
    pub stale_after: Option<Duration>,
    /// How long a session is waited for that its endpoint may not have any more.
    pub ending: Duration,
    /// An idle endpoint unheard for this long is detached.
    pub detach_after: Duration,
    /// How long an ended session guards against late reports of it.
    pub tombstone: Duration,
    /// How long an authorisation waits for its Start.
    pub authorization_hold: Duration,
    /// How long a released address is nobody else's.
    pub hold_time: Duration,
    /// How long a session may be used against the policy of its group before its gateway is to end
    /// it.
    pub policy_grace: Duration,
    /// Whether a line of the files speaks when it changes, or at every load.
    pub authority: Authority,
    /// Types of events that are recorded though no map and no stream wants them.
    pub kept_events: TypeSet,
    /// How long the Stop of a session is waited for after its gateway has agreed to end it.
    pub disconnect_grace: Duration,
}

impl Default for AaaSettings {
    fn default() -> Self {
        Self {
            identity_order: vec![
                IdentityKind::Iccid,
                IdentityKind::Imsi,
                IdentityKind::Msisdn,
                IdentityKind::UserName,
            ],
            stale_after: None,
            ending: Duration::from_secs(3600),
            detach_after: Duration::from_secs(172_800),
            tombstone: Duration::from_secs(3600),
            authorization_hold: Duration::from_secs(120),
            hold_time: Duration::from_secs(60),
            policy_grace: Duration::from_secs(60),
            authority: Authority::default(),
            kept_events: TypeSet::default(),
            disconnect_grace: Duration::from_secs(60),
        }
    }
}

/// Everything that is known of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointEntry {
    pub endpoint: Endpoint,
    /// Of how it is provisioned; its network state has a version of its own.
    pub stamp: Revision,
    pub state: EndpointState,
}

/// Everything provisioned but the endpoints.
#[derive(Debug)]
pub struct Provisioned {
    pub catalog: Catalog,
    pub fingerprint: Option<Fingerprint>,
    /// Endpoints that were removed, which a snapshot has to say.
    pub removed: Vec<(Iccid, Revision)>,
    /// Endpoints that were removed long ago, of which it need not say anything.
    pub forgotten: Vec<(Iccid, Revision)>,
}

/// The decision maker, shared by all workers.
pub struct Aaa {
    settings: AaaSettings,
    plan: ArcSwap<AddressPlan>,
    tracker: Tracker<EndpointEntry>,
    restarts: Restarts,
    state_counts: StateCounts,
    steering: Steering,
    /// Requests and reports whose serving network and cell are in different countries, where a
    /// policy looked.
    location_mismatches: AtomicU64,
    members: MemberCounts,
    departed: DepartedList,
    stock: Stock,
    refusals: RecentRefusals,
    orders: SessionOrders,
    /// Before this start.
    outages: Outages,
    /// Held while anything provisioned changes: one change at a time.
    register: Mutex<Register>,
    /// Endpoints that are other than the files have them.
    differing: AtomicI64,
    /// Endpoints that files made, and the files read last do not have.
    gone: AtomicUsize,
    events: EventMaker,
}

impl Aaa {
    #[must_use]
    pub fn new(settings: AaaSettings) -> Self {
        let events = EventMaker::new([0, 0]);
        events.demand.keep(settings.kept_events);
        Self {
            settings,
            plan: ArcSwap::default(),
            tracker: Tracker::with_capacity(0),
            restarts: Restarts::default(),
            state_counts: StateCounts::default(),
            steering: Steering::default(),
            location_mismatches: AtomicU64::new(0),
            members: MemberCounts::default(),
            departed: DepartedList::default(),
            stock: Stock::default(),
            refusals: RecentRefusals::default(),
            orders: SessionOrders::default(),
            outages: Outages::default(),
            register: Mutex::default(),
            differing: AtomicI64::new(0),
            gone: AtomicUsize::new(0),
            events,
        }
    }

    /// The same, with random numbers for the ids of its events.
    #[must_use]
    pub fn seeded(mut self, seed: [u64; 2]) -> Self {
        self.events.seed(seed);
        self
    }

    /// What makes events, and knows which are wanted.
    #[must_use]
    pub const fn events(&self) -> &EventMaker {
        &self.events
    }

    /// How long the Stop of a session is waited for after its gateway has agreed to end it.
    #[must_use]
    pub const fn disconnect_grace(&self) -> Duration {
        self.settings.disconnect_grace
    }

    /// The files whose adoption would change nothing, and say nothing. Waits for one that is at
    /// work.
    #[must_use]
    pub fn inventory(&self) -> Option<Fingerprint> {
        self.register.lock().fingerprint
    }

    /// Endpoints, groups and VSlices that are other than the files have them (PROTOCOL 11).
    #[must_use]
    pub fn differing(&self) -> usize {
        let endpoints = usize::try_from(self.differing.load(Ordering::Relaxed)).unwrap_or_default();
        endpoints + self.gone.load(Ordering::Relaxed) + self.plan.load().catalog.differing()
    }

    fn count_differing(&self, before: bool, after: bool) {
        self.differing.fetch_add(i64::from(after) - i64::from(before), Ordering::Relaxed);
    }

    /// Everything provisioned but the endpoints, as it is between two changes; for a snapshot.
    #[must_use]
    pub fn provisioned(&self, now: Timestamp) -> Provisioned {
        let register = self.register.lock();
        let (removed, forgotten) = register.all(now);
        Provisioned {
            catalog: self.catalog(),
            fingerprint: register.fingerprint,
            removed,
            forgotten,
        }
    }

    /// No record that was ever written of these removed endpoints is on the disk any more.
    pub fn forget(&self, removed: &[(Iccid, Revision)]) {
        self.register.lock().forget(removed);
    }

    /// What does not count of the time until this start; to be recorded before anything else, and
    /// in snapshots.
    #[must_use]
    pub const fn outages(&self) -> &Outages {
        &self.outages
    }

    /// Takes over the names of operators, when no inventory is adopted that brings them.
    pub fn know_operators(&self, operators: Operators) {
        let _one_at_a_time = self.register.lock();
        let before = self.plan.load_full();
        let mut catalog = before.catalog.clone();
        catalog.operators = Arc::new(operators);
        let hold_time = self.settings.hold_time;
        self.plan.store(Arc::new(AddressPlan::with_one_changed(&before, catalog, None, hold_time)));
    }

    /// The catalog in force.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        self.plan.load().catalog.clone()
    }

    /// Shows the catalog in force; for those who only look.
    pub fn with_catalog<T>(&self, see: impl FnOnce(&Catalog) -> T) -> T {
        see(&self.plan.load().catalog)
    }

    /// How many endpoints are known.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.tracker.len()
    }

    /// Makes addresses free whose release is durable. Not before: else a crash could leave one with
    /// two owners (PROTOCOL 8).
    pub fn free(&self, freed: &[FreedAddress]) {
        let plan = self.plan.load();
        for some in freed.chunks(SIDE_BY_SIDE) {
            self.prefetch_freed(some);
            for freed in some {
                self.free_one(freed, &plan);
            }
        }
    }

    fn free_one(&self, freed: &FreedAddress, plan: &AddressPlan) {
        use crate::network::LeasePhase::Released;

        let is_taken_back = |entry: &mut EndpointEntry| {
            let lease = entry
                .state
                .leases
                .iter()
                .find(|lease| lease.vslice == freed.vslice && lease.ip == freed.ip);
            let is_wanted = lease.is_some_and(|lease| lease.phase != Released { at: freed.at });
            if !is_wanted {
                plan.release(freed.vslice, freed.ip, freed.iccid, freed.at);
            }
        };
        // Under the endpoint's entry, so that it cannot take the address back between the look and
        // the release.
        if self.tracker.with(freed.iccid, is_taken_back).is_none() {
            plan.release(freed.vslice, freed.ip, freed.iccid, freed.at);
        }
    }

    fn index(&self, iccid: Iccid, imsis: impl IntoIterator<Item = Imsi>, msisdn: Option<Msisdn>) {
        for imsi in imsis {
            self.tracker.index_imsi(imsi, iccid);
        }
        if let Some(msisdn) = msisdn {
            self.tracker.index_msisdn(msisdn, iccid);
        }
    }

    fn plan(&self) -> arc_swap::Guard<Arc<AddressPlan>> {
        self.plan.load()
    }

    fn limits(&self, plan: &AddressPlan, endpoint: &Endpoint) -> SessionLimits<'_> {
        SessionLimits {
            stale_after: self
                .settings
                .stale_after
                .unwrap_or_else(|| default_stale_after(plan, endpoint)),
            ending: self.settings.ending,
            detach_after: self.settings.detach_after,
            tombstone: self.settings.tombstone,
            promise: self.settings.authorization_hold,
            hold: self.settings.hold_time,
            outages: &self.outages,
        }
    }
}

/// Three interim intervals of the slowest of its groups, at least an hour (PROTOCOL 6). Where none
/// are asked for, silence says nothing for a day (PROTOCOL 19).
fn default_stale_after(plan: &AddressPlan, endpoint: &Endpoint) -> Duration {
    const LEAST: Duration = Duration::from_secs(3600);
    const WITHOUT_INTERIMS: Duration = Duration::from_secs(24 * 3600);
    let after = |interval_s: u32| match interval_s {
        0 => WITHOUT_INTERIMS,
        interval_s => Duration::from_secs(3 * u64::from(interval_s)),
    };
    let groups = endpoint.groups().filter_map(|id| plan.catalog.group(id));
    groups.map(|group| after(group.interim_interval_s)).max().unwrap_or(LEAST).max(LEAST)
}

impl IdentityIndex for Tracker<EndpointEntry> {
    fn knows(&self, iccid: Iccid) -> bool {
        self.read(iccid, |_| ()).is_some()
    }

    fn by_imsi(&self, imsi: Imsi) -> Option<Iccid> {
        self.resolve_imsi(imsi)
    }

    fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid> {
        self.resolve_msisdn(msisdn)
    }
}

#[cfg(test)]
mod tests;
