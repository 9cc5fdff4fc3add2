//! One endpoint's turn: its entry held, everything that may change it in one place, and one record at the end.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use super::admission::Admission;
use super::plan::Plan;
use super::{Aaa, Entry, Freed, Recorder};
use crate::identity::{GroupId, Iccid, VsliceId};
use crate::network::{self, Effect, Lease, LeaseKind, LeasePhase, Outcome};
use crate::provisioning::Allocation;
use crate::time::Timestamp;

/// The entry of one endpoint while it is being changed. Dropping it without [`Turn::end`] would lose the record, so it is consumed.
#[must_use]
pub(super) struct Turn<'t, R> {
    pub(super) aaa: &'t Aaa,
    pub(super) plan: &'t Plan,
    pub(super) iccid: Iccid,
    pub(super) entry: &'t mut Entry,
    pub(super) now: Timestamp,
    records: &'t mut R,
    version: u64,
}

/// What the reported address turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// The endpoint's own, now if not before.
    Own,
    /// Somebody else's, or none that may be used here.
    Conflict,
}

impl<'t, R: Recorder> Turn<'t, R> {
    /// Begins by settling what time has brought since the endpoint was last touched.
    pub(super) fn begin(aaa: &'t Aaa, plan: &'t Plan, iccid: Iccid, entry: &'t mut Entry, now: Timestamp, records: &'t mut R) -> Self {
        let version = entry.state.version;
        let mut turn = Self { aaa, plan, iccid, entry, now, records, version };
        let limits = aaa.limits(plan, &turn.entry.endpoint);
        let (settled, _) = turn.entry.state.settle(now, &limits, &aaa.restarts);
        turn.follow(&settled);
        turn
    }

    /// Records what has changed, if anything has.
    pub(super) fn end(self) {
        if self.entry.state.version != self.version {
            self.attest();
        }
    }

    /// Records the state for the reply that will rest on it, changed or not: what another worker changed a moment ago may still be in that
    /// worker's own batch, and this reply must not be a receipt for what no disk has.
    pub(super) fn attest(self) {
        self.records.endpoint(self.iccid, &self.entry.state);
    }

    /// Counts an outcome and passes on the addresses it freed.
    pub(super) fn follow(&mut self, outcome: &Outcome) {
        let census = &self.aaa.census;
        census.moved(outcome.before, outcome.after);
        if let Some(event) = outcome.refused {
            census.refused(event);
        }
        if outcome.effect == Effect::Opened
            && let Some(group) = outcome.session.and_then(|at| self.entry.state.sessions.get(at)?.group)
        {
            self.plan.count_session(Some(group), 1);
        }
        for closed in &outcome.closed {
            census.closed(closed.cause);
            self.plan.count_session(closed.group, -1);
        }
        for freed in &outcome.freed {
            self.free(*freed);
        }
    }

    /// The address of the endpoint in this group, given now if it has none. `None`: there is no address to be had.
    pub(super) fn address(&mut self, admission: &Admission<'_>) -> Option<Ipv4Addr> {
        let configured = self.configured_address(admission.id);
        if let Some(ip) = self.own_address(admission, configured) {
            return Some(ip);
        }
        let vslice = admission.group.vslice;
        let meters = self.plan.meters(vslice);
        let Some(ip) = configured.or_else(|| self.plan.allocate(vslice, admission.group.allocation, self.now)) else {
            meters.inspect(|meters| _ = meters.failures.fetch_add(1, Ordering::Relaxed));
            return None;
        };
        meters.inspect(|meters| _ = meters.allocations.fetch_add(1, Ordering::Relaxed));
        self.grant(admission.id, vslice, ip, admission.group.allocation);
        Some(ip)
    }

    /// The address that the lease already holds, if it is the right one still. A released one is taken back out of its hold.
    fn own_address(&mut self, admission: &Admission<'_>, configured: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let lease = *self.entry.state.lease(admission.id)?;
        if lease.vslice != admission.group.vslice || !self.plan.covers(lease.vslice, lease.ip) {
            return None;
        }
        if configured.is_some_and(|ip| ip != lease.ip) && !lease.phase.is_in_use() {
            return None;
        }
        if let LeasePhase::Released { at } = lease.phase {
            self.plan.reclaim(lease.vslice, lease.ip, at, self.now).then_some(())?;
            self.entry.state.grant(Lease { phase: LeasePhase::Kept, ..lease });
        }
        Some(lease.ip)
    }

    /// The address configured by hand belongs to the primary group (PROTOCOL 10). The pool has set it aside since the inventory was adopted.
    fn configured_address(&self, group: GroupId) -> Option<Ipv4Addr> {
        self.entry.endpoint.static_ip.filter(|_| self.entry.endpoint.group == Some(group))
    }

    fn grant(&mut self, group: GroupId, vslice: VsliceId, ip: Ipv4Addr, allocation: Allocation) {
        let kind = match allocation {
            Allocation::Static => LeaseKind::Static,
            Allocation::Pooled => LeaseKind::Pooled,
        };
        self.take_over(Lease { group, vslice, ip, kind, phase: LeasePhase::Kept });
    }

    fn take_over(&mut self, lease: Lease) {
        let former = self.entry.state.grant(lease);
        if let Some(former) = former.filter(|former| (former.vslice, former.ip) != (lease.vslice, lease.ip)) {
            self.give_back(former);
        }
    }

    /// Makes a lease that the endpoint no longer has free again, unless it is still configured. Its hold begins now, if it has not before.
    fn give_back(&mut self, former: Lease) {
        if self.plan.configured(&self.entry.endpoint) == Some((former.vslice, former.ip)) {
            return;
        }
        if let LeasePhase::Released { at } = former.phase {
            self.entry.state.remember_hold(former, at);
        } else {
            self.entry.state.remember_hold(former, self.now);
            self.free(network::Freed { vslice: former.vslice, ip: former.ip, at: self.now });
        }
    }

    /// The gateway is right about what is in use (PROTOCOL 7): a free address inside the VSlice becomes this endpoint's.
    pub(super) fn adopt_reported(&mut self, admission: &Admission<'_>, ip: Ipv4Addr) -> Reported {
        let vslice = admission.group.vslice;
        match self.entry.state.lease(admission.id).copied() {
            Some(Lease { ip: own, vslice: of, phase, .. }) if own == ip && of == vslice => {
                let LeasePhase::Released { at } = phase else { return Reported::Own };
                if self.plan.reclaim(vslice, ip, at, self.now) {
                    return Reported::Own;
                }
            }
            _ if self.configured_address(admission.id) == Some(ip) => {
                self.grant(admission.id, vslice, ip, Allocation::Static);
                return Reported::Own;
            }
            _ => {
                if let Some(held) = self.given_up(vslice, ip) {
                    self.take_over(Lease { group: admission.id, phase: LeasePhase::Kept, ..held });
                    return Reported::Own;
                }
                if let Some(Ok(allocation)) = self.plan.claim(vslice, ip, self.now) {
                    self.grant(admission.id, vslice, ip, allocation);
                    return Reported::Own;
                }
            }
        }
        self.plan.meters(vslice).inspect(|meters| _ = meters.conflicts.fetch_add(1, Ordering::Relaxed));
        Reported::Conflict
    }

    /// An address that this endpoint gave up a moment ago, and has again: its hold keeps only others away.
    fn given_up(&self, vslice: VsliceId, ip: Ipv4Addr) -> Option<Lease> {
        let held = *self.entry.state.held(vslice, ip)?;
        let LeasePhase::Released { at } = held.phase else { return None };
        self.plan.reclaim(vslice, ip, at, self.now).then_some(held)
    }

    pub(super) fn free(&mut self, freed: network::Freed) {
        self.records.freed(Freed { iccid: self.iccid, vslice: freed.vslice, ip: freed.ip, at: freed.at });
    }
}
