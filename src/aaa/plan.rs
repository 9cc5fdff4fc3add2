//! The plan in force: the catalog, and the address pools of its VSlices. Replaced as a whole on reload, pools carried over.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ipnet::Ipv4Net;
use parking_lot::Mutex;

use crate::identity::{GroupId, VsliceId};
use crate::pool::{Claim, Counts, Pool};
use crate::provisioning::{Allocation, Catalog, Endpoint, ProvisioningState, Vslice};
use crate::time::Timestamp;

/// What every decision reads besides its endpoint.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) catalog: Catalog,
    /// By [`VsliceId::index`].
    vslices: Vec<VslicePlan>,
}

#[derive(Default)]
struct VslicePlan {
    ranges: Vec<Range>,
    meters: Arc<VsliceMeters>,
}

/// One subnet's addresses. The pool outlives the plan: the next plan takes it over.
#[derive(Clone)]
struct Range {
    cidr: Ipv4Net,
    allocation: Allocation,
    pool: Arc<Mutex<Pool>>,
}

/// What is counted for one VSlice.
#[derive(Default)]
pub(super) struct VsliceMeters {
    pub(super) sessions: AtomicI64,
    pub(super) allocations: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) conflicts: AtomicU64,
}

/// The fill of one subnet, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFill {
    pub cidr: Ipv4Net,
    pub counts: Counts,
}

impl Plan {
    /// The plan for `catalog` that keeps the pools of `previous` where the same subnet is still there.
    pub(super) fn renewed(previous: &Self, catalog: Catalog, hold_time: Duration) -> Self {
        let mut vslices = Vec::new();
        for (id, vslice) in catalog.vslices() {
            let old = previous.vslices.get(id.index());
            vslices.resize_with(vslices.len().max(id.index() + 1), VslicePlan::default);
            vslices[id.index()] = VslicePlan::renewed(old, vslice, hold_time);
        }
        Self { catalog, vslices }
    }

    /// The next free address for a group of this kind: subnets in order, each oldest-released first.
    pub(super) fn allocate(&self, vslice: VsliceId, allocation: Allocation, now: Timestamp) -> Option<Ipv4Addr> {
        let of_kind = self.ranges(vslice).iter().filter(|range| range.allocation == allocation);
        of_kind.into_iter().find_map(|range| range.pool.lock().allocate(now).ok())
    }

    /// Takes a given address, if it is free. `None`: no subnet of the VSlice has it.
    pub(super) fn claim(&self, vslice: VsliceId, ip: Ipv4Addr, now: Timestamp) -> Option<Result<Allocation, Claim>> {
        let range = self.range_of(vslice, ip)?;
        Some(range.pool.lock().claim(ip, now).map(|()| range.allocation))
    }

    /// Gives an endpoint back the address that it released at `released_at` and that is still held for it.
    pub(super) fn reclaim(&self, vslice: VsliceId, ip: Ipv4Addr, released_at: Timestamp, now: Timestamp) -> bool {
        let Some(range) = self.range_of(vslice, ip) else { return false };
        let mut pool = range.pool.lock();
        match pool.reclaim(ip, released_at, now) {
            Ok(()) => true,
            // If the pool has not heard of the release, its record is not durable yet, and the address has been the endpoint's all the time.
            // Else somebody else has it: a worker whose batch began a little later saw the hold pass before this one does.
            Err(Claim::Leased) => !pool.has_heard(ip, released_at),
            Err(Claim::Outside | Claim::Reserved | Claim::Held { .. }) => false,
        }
    }

    pub(super) fn release(&self, vslice: VsliceId, ip: Ipv4Addr, at: Timestamp) {
        if let Some(range) = self.range_of(vslice, ip) {
            // The address may belong to a subnet that was taken out and put back: then it is free already.
            let _ = range.pool.lock().release(ip, at);
        }
    }

    /// Whether an address is one that sessions of the VSlice may have, whoever has it now.
    pub(super) fn covers(&self, vslice: VsliceId, ip: Ipv4Addr) -> bool {
        self.range_of(vslice, ip).is_some()
    }

    /// Whether nobody has the address, or has had it within the hold time. An address of no subnet is nobody's.
    pub(super) fn is_free(&self, vslice: VsliceId, ip: Ipv4Addr, now: Timestamp) -> bool {
        self.range_of(vslice, ip).is_none_or(|range| range.pool.lock().is_free(ip, now))
    }

    /// Sets the address configured for an endpoint aside, so that the pool gives it to nobody else. Its own lease may have done so before.
    pub(super) fn set_aside(&self, endpoint: &Endpoint, now: Timestamp) {
        if let Some((vslice, ip)) = self.configured(endpoint) {
            self.claim(vslice, ip, now);
        }
    }

    /// The address that is set aside for an endpoint, and where. A terminated one has given its up.
    pub(super) fn configured(&self, endpoint: &Endpoint) -> Option<(VsliceId, Ipv4Addr)> {
        let vslice = endpoint.group.and_then(|id| self.catalog.group(id))?.vslice;
        endpoint.static_ip.filter(|_| endpoint.state != ProvisioningState::Terminated).map(|ip| (vslice, ip))
    }

    /// Recovery: whether the address could be marked as leased, or is in no pool any more.
    pub(super) fn restore_leased(&self, vslice: VsliceId, ip: Ipv4Addr) -> bool {
        self.range_of(vslice, ip).is_none_or(|range| range.pool.lock().restore_leased(ip).is_ok())
    }

    /// Recovery: a hold that is still running is put back. That somebody has the address since then is no contest.
    pub(super) fn restore_held(&self, vslice: VsliceId, ip: Ipv4Addr, released_at: Timestamp) {
        if let Some(range) = self.range_of(vslice, ip) {
            let _ = range.pool.lock().restore_held(ip, released_at);
        }
    }

    pub(super) fn count_session(&self, group: Option<GroupId>, change: i64) {
        let vslice = group.and_then(|id| self.catalog.group(id)).map(|group| group.vslice);
        if let Some(meters) = vslice.and_then(|vslice| self.meters(vslice)) {
            meters.sessions.fetch_add(change, Ordering::Relaxed);
        }
    }

    /// Counts released addresses as free whose hold has passed, some in each pool; for pools that nobody asks anything.
    pub(super) fn ripen(&self, now: Timestamp) {
        /// What a housekeeper's look may cost one pool: some tens of microseconds under its lock.
        const BUDGET: usize = 1_000;
        for range in self.vslices.iter().flat_map(|vslice| &vslice.ranges) {
            range.pool.lock().ripen(now, BUDGET);
        }
    }

    pub(super) fn meters(&self, vslice: VsliceId) -> Option<&VsliceMeters> {
        self.vslices.get(vslice.index()).map(|plan| &*plan.meters)
    }

    pub(super) fn fills(&self, vslice: VsliceId) -> impl Iterator<Item = PoolFill> {
        self.ranges(vslice).iter().map(|range| PoolFill { cidr: range.cidr, counts: range.pool.lock().counts() })
    }

    fn ranges(&self, vslice: VsliceId) -> &[Range] {
        self.vslices.get(vslice.index()).map_or(&[], |plan| &plan.ranges)
    }

    fn range_of(&self, vslice: VsliceId, ip: Ipv4Addr) -> Option<&Range> {
        self.ranges(vslice).iter().find(|range| range.cidr.contains(&ip))
    }
}

impl VslicePlan {
    fn renewed(previous: Option<&Self>, vslice: &Vslice, hold_time: Duration) -> Self {
        let known = |cidr: Ipv4Net| previous.and_then(|old| old.ranges.iter().find(|range| range.cidr == cidr));
        let ranges = vslice.subnets.iter().map(|subnet| match known(subnet.cidr) {
            Some(range) => {
                let mut pool = range.pool.lock();
                pool.set_excluded(&subnet.exclude);
                Range { allocation: subnet.allocation, ..range.clone() }
            }
            None => Range {
                cidr: subnet.cidr,
                allocation: subnet.allocation,
                pool: Arc::new(Mutex::new(Pool::new(subnet.cidr, &subnet.exclude, hold_time))),
            },
        });
        Self { ranges: ranges.collect(), meters: previous.map(|old| Arc::clone(&old.meters)).unwrap_or_default() }
    }
}
