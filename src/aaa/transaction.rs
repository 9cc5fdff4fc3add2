//! One transaction on one endpoint: its entry is held, every change of it goes through here, and
//! one record is written at the end.

use std::sync::atomic::Ordering;

use super::address_plan::AddressPlan;
use super::recorder::RecorderSink;
use super::{Aaa, EndpointEntry, FreedAddress, Recorder, RejectReason};
use crate::address::Address;
use crate::event::{Departure, EndpointBefore, EndpointNow, EventKind, EventSubject, JsonObject};
use crate::identity::{GroupId, Iccid, VsliceId};
use crate::network::{
    self, Close, Effect, Few, Lease, LeaseKind, LeasePhase, NetworkState, Outcome,
};
use crate::pool::ClaimError;
use crate::provisioning::Allocation;
use crate::time::Timestamp;

/// The entry of one endpoint while it is being changed. Dropping it without [`EndpointTxn::end`]
/// would lose the record, so it is consumed.
#[must_use]
pub(super) struct EndpointTxn<'t, R> {
    pub(super) aaa: &'t Aaa,
    pub(super) plan: &'t AddressPlan,
    pub(super) iccid: Iccid,
    pub(super) entry: &'t mut EndpointEntry,
    pub(super) now: Timestamp,
    pub(super) records: &'t mut R,
    version: u64,
    /// How it was, if anybody wants to be told of changes.
    before: Option<EndpointBefore>,
    /// Why it is not in the network any more, if that is so.
    pub(super) departure: Option<Departure>,
}

/// What the reported address turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportedAddress {
    /// The endpoint's own, now if not before.
    Own,
    /// Somebody else's, or none that may be used here.
    Conflict,
}

impl<'t, R: Recorder> EndpointTxn<'t, R> {
    /// Begins by settling what time has brought since the endpoint was last touched.
    pub(super) fn begin(
        aaa: &'t Aaa,
        plan: &'t AddressPlan,
        iccid: Iccid,
        entry: &'t mut EndpointEntry,
        now: Timestamp,
        records: &'t mut R,
    ) -> Self {
        let version = entry.state.version;
        let before = aaa.events.demand.is_any().then(|| entry.state.clone());
        let departure = None;
        let mut txn = Self { aaa, plan, iccid, entry, now, records, version, before, departure };
        let limits = aaa.limits(plan, &txn.entry.endpoint);
        let (settled, _) = txn.entry.state.settle(now, &limits, &aaa.restarts);
        // Time alone leads there only from idle, be it that the last session has just ended.
        if settled.before != settled.after && settled.after == NetworkState::Detached {
            txn.departure = Some(Departure::Silence);
        }
        txn.follow(&settled);
        txn.follow_groups();
        txn
    }

    /// Records what has changed, if anything has.
    pub(super) fn end(mut self) {
        self.yield_awaited();
        if self.entry.state.version != self.version {
            self.record();
        }
    }

    /// Records the state for the reply that will rest on it, changed or not: what another worker
    /// changed a moment ago may still be in that worker's own batch, and this reply must not be a
    /// receipt for what no disk has.
    pub(super) fn attest(mut self) {
        self.yield_awaited();
        self.record();
    }

    fn record(self) {
        self.records.endpoint(self.iccid, &self.entry.state);
        if let Some(before) = &self.before {
            let now = EndpointNow {
                subject: subject(self.iccid, self.plan, self.entry, self.now),
                state: &self.entry.state,
                departure: self.departure.as_ref(),
            };
            self.aaa.events.tell_changes(before, &now, &mut RecorderSink(self.records));
        }
    }

    /// Tells something about the endpoint that its state does not show.
    pub(super) fn tell(&mut self, kind: EventKind, detail: impl FnOnce(&mut JsonObject<'_>)) {
        let subject = subject(self.iccid, self.plan, self.entry, self.now);
        let sink = &mut RecorderSink(&mut *self.records);
        self.aaa.events.about_endpoint(kind, &subject, sink, detail);
    }

    /// Tells that it was refused, once a minute for each reason.
    pub(super) fn tell_refusal(&mut self, reason: RejectReason, apn: Option<&[u8]>) {
        let events = &self.aaa.events;
        if !events.wants(EventKind::CreateFailed) {
            return;
        }
        if let Some(repeats) = events.untold_failures(self.iccid, reason as u8, self.now) {
            self.tell(EventKind::CreateFailed, |detail| {
                detail.text("reason", reason.moniker());
                let apn = apn.map(String::from_utf8_lossy);
                detail.text_or_null("apn", apn.as_deref());
                detail.number("repeats", repeats);
            });
        }
    }

    /// What is configured for another endpoint is kept only as long as a session uses it, or may be
    /// about to.
    fn yield_awaited(&mut self) {
        let (plan, iccid) = (self.plan, self.iccid);
        let is_due = |lease: &Lease| {
            lease.phase == LeasePhase::Kept
                && plan.is_awaited_by_another(lease.vslice, lease.ip, iccid)
        };
        for freed in self.entry.state.release_where(self.now, is_due) {
            self.free(freed);
        }
    }

    /// Counts an outcome and passes on the addresses it freed.
    pub(super) fn follow(&mut self, outcome: &Outcome) {
        let state_counts = &self.aaa.state_counts;
        state_counts.moved(outcome.before, outcome.after);
        if let Some(event) = outcome.refused {
            state_counts.refused(event);
        }
        if outcome.effect == Effect::Opened
            && let Some(group) =
                outcome.session.and_then(|at| self.entry.state.sessions.get(at)?.group)
        {
            self.plan.count_session(Some(group), 1);
        }
        if outcome.resumed {
            state_counts.ending(-1);
        }
        if let Some(begun) = outcome.closed.iter().find(|closed| closed.how == Close::BeganEnding) {
            self.disconnect_ending(begun.cause);
        }
        for closed in &outcome.closed {
            if closed.how == Close::EndedAtLast {
                state_counts.ending(-1);
                continue;
            }
            state_counts.closed(closed.cause);
            state_counts.ending(i64::from(closed.how == Close::BeganEnding));
            self.plan.count_session(closed.group, -1);
            let vslice = closed
                .group
                .and_then(|group| self.plan.catalog.group(group))
                .map(|group| group.vslice);
            for (ip, vslice) in closed.addresses.iter().filter_map(|ip| Some((*ip, vslice?))) {
                self.plan.uncontest(vslice, ip, self.iccid);
            }
        }
        self.free_or_keep(&outcome.freed);
    }

    /// What is configured for the endpoint stays its.
    pub(super) fn free_or_keep(&mut self, freed: &[network::ReleasedLease]) {
        for freed in freed {
            if self.is_configured(freed.vslice, freed.ip) {
                self.entry.state.keep_lease(freed.vslice, freed.ip);
            } else {
                self.free(*freed);
            }
        }
    }

    fn is_configured(&self, vslice: VsliceId, ip: Address) -> bool {
        self.plan.is_configured(&self.entry.endpoint, vslice, ip)
    }

    pub(super) fn take_over(&mut self, lease: Lease) {
        let former = self.entry.state.grant(lease);
        if let Some(former) =
            former.filter(|former| (former.vslice, former.ip) != (lease.vslice, lease.ip))
        {
            self.give_back(former);
        }
    }

    /// Makes a lease that the endpoint no longer has free again, unless it is still configured, or
    /// a session uses it. Its hold begins now, if it has not before.
    fn give_back(&mut self, former: Lease) {
        if self.is_configured(former.vslice, former.ip) {
            return;
        }
        if let LeasePhase::Released { at } = former.phase {
            self.entry.state.remember_hold(former, at);
        } else if former.phase.is_in_use() && self.entry.state.is_used(&former) {
            self.entry.state.remember_use(former);
        } else {
            self.entry.state.remember_hold(former, self.now);
            self.free(network::ReleasedLease {
                vslice: former.vslice,
                ip: former.ip,
                at: self.now,
            });
        }
    }

    /// Whether the address that a session uses, as the gateway says, is the endpoint's. The gateway
    /// is right about what is in use (PROTOCOL 7): a free one becomes the group's. One that is
    /// another's is given to nobody else while it is in use.
    pub(super) fn judge_address(
        &mut self,
        session: usize,
        group: GroupId,
        ip: Address,
    ) -> ReportedAddress {
        let was_in_conflict =
            self.entry.state.sessions.get(session).is_some_and(|one| one.has_conflict(ip.kind()));
        let reported = self.adopt_reported(group, ip);
        match reported {
            ReportedAddress::Own => _ = self.entry.state.take_into_use(group, ip.kind()),
            ReportedAddress::Conflict if was_in_conflict => {}
            ReportedAddress::Conflict => {
                let meters =
                    self.plan.catalog.group(group).and_then(|group| self.plan.meters(group.vslice));
                meters.inspect(|meters| _ = meters.conflicts.fetch_add(1, Ordering::Relaxed));
            }
        }
        self.entry.state.mark_conflict(session, ip.kind(), reported == ReportedAddress::Conflict);
        reported
    }

    /// An address that was another's when it was reported may be free by now.
    pub(super) fn judge_conflicts(&mut self) {
        for at in 0..self.entry.state.sessions.len() {
            let session = &self.entry.state.sessions[at];
            let Some(group) = session.group.filter(|_| session.is_open()) else { continue };
            let disputed: Few<Address> =
                session.addresses().filter(|ip| session.has_conflict(ip.kind())).collect();
            for ip in disputed {
                self.judge_address(at, group, ip);
            }
        }
    }

    fn adopt_reported(&mut self, id: GroupId, ip: Address) -> ReportedAddress {
        let Some(group) = self.plan.catalog.group(id) else { return ReportedAddress::Conflict };
        let vslice = group.vslice;
        if self.entry.state.has_leased(id, vslice, ip) {
            return ReportedAddress::Own;
        }
        if !self.entry.state.has_room_for_hold() || self.is_of_another_group(id, vslice, ip) {
            self.contest(vslice, ip);
            return ReportedAddress::Conflict;
        }
        match self.plan.claim(vslice, ip, self.iccid, self.now) {
            Ok(subnet) => {
                let is_kept =
                    group.allocation == Allocation::Static && subnet == Some(Allocation::Static);
                let is_static = is_kept || self.is_configured(vslice, ip);
                let kind = if is_static { LeaseKind::Static } else { LeaseKind::Pooled };
                self.take_over(Lease { group: id, vslice, ip, kind, phase: LeasePhase::Kept });
                ReportedAddress::Own
            }
            Err(ClaimError::Outside | ClaimError::Reserved) => ReportedAddress::Conflict,
            Err(ClaimError::Leased | ClaimError::Held { .. }) => {
                self.contest(vslice, ip);
                ReportedAddress::Conflict
            }
        }
    }

    /// As far as is known the gateway uses the address as long as it does not stand still.
    fn contest(&self, vslice: VsliceId, ip: Address) {
        let until = self.now + self.aaa.limits(self.plan, &self.entry.endpoint).stale_after;
        self.plan.contest(vslice, ip, self.iccid, until);
    }

    /// Each group has an address of its own: what another group of the endpoint has, or will have
    /// by configuration, is not this one's.
    fn is_of_another_group(&self, group: GroupId, vslice: VsliceId, ip: Address) -> bool {
        let mut others = self
            .entry
            .state
            .leases
            .iter()
            .filter(|lease| lease.group != group && !lease.phase.is_released());
        others.any(|lease| (lease.vslice, lease.ip) == (vslice, ip))
            || self.is_configured(vslice, ip) && self.entry.endpoint.group != Some(group)
    }

    /// The address is configured for the endpoint no more. One that a session uses stays until the
    /// next attach after it; any other is held from now on, which the endpoint's record remembers.
    pub(super) fn give_up_configured_address(
        &mut self,
        home: GroupId,
        vslice: VsliceId,
        ip: Address,
    ) {
        if self.plan.await_no_longer(vslice, ip, self.iccid)
            || self.plan.owner(vslice, ip) != Some(self.iccid)
        {
            return;
        }
        let leased = self
            .entry
            .state
            .leases
            .iter()
            .find(|lease| (lease.vslice, lease.ip) == (vslice, ip))
            .copied();
        let now = self.now;
        match leased.map(|lease| lease.phase) {
            Some(LeasePhase::InUse | LeasePhase::Reauthorised { .. }) => {}
            Some(LeasePhase::Released { at }) => {
                self.free(network::ReleasedLease { vslice, ip, at });
            }
            Some(LeasePhase::Kept | LeasePhase::Authorised { .. }) => {
                let freed = self
                    .entry
                    .state
                    .release_where(now, |lease| (lease.vslice, lease.ip) == (vslice, ip));
                freed.into_iter().for_each(|freed| self.free(freed));
            }
            None => {
                let lease = Lease {
                    group: home,
                    vslice,
                    ip,
                    kind: LeaseKind::Static,
                    phase: LeasePhase::Kept,
                };
                if self.entry.state.is_used(&lease) {
                    self.entry.state.remember_use(lease);
                    return;
                }
                self.entry.state.remember_hold(lease, now);
                self.free(network::ReleasedLease { vslice, ip, at: now });
            }
        }
    }

    pub(super) fn free(&mut self, freed: network::ReleasedLease) {
        self.records.freed(FreedAddress {
            iccid: self.iccid,
            vslice: freed.vslice,
            ip: freed.ip,
            at: freed.at,
        });
    }
}

/// The endpoint as an event is about it.
pub(super) fn subject<'a>(
    iccid: Iccid,
    plan: &'a AddressPlan,
    entry: &'a EndpointEntry,
    now: Timestamp,
) -> EventSubject<'a> {
    EventSubject {
        iccid,
        endpoint: &entry.endpoint,
        catalog: &plan.catalog,
        network: entry.state.state,
        now,
    }
}

pub(super) const fn kind_of(allocation: Allocation) -> LeaseKind {
    match allocation {
        Allocation::Static => LeaseKind::Static,
        Allocation::Pooled => LeaseKind::Pooled,
    }
}
