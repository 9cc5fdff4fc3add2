//! The inventory comes into force: checked against what is running, then applied endpoint by endpoint, whole or not at all.

use std::fmt;
use std::sync::Arc;

use foldhash::HashSet;

use super::plan::Plan;
use super::turn::Turn;
use super::{Aaa, Entry, Recorder, SIDE_BY_SIDE};
use crate::identity::{GroupId, Iccid, VsliceId};
use crate::network::{CloseCause, EndpointState, NetworkState};
use crate::provisioning::{Catalog, Endpoint, Inventory, Problem, ProvisioningState};
use crate::time::Timestamp;

/// What the adoption of an inventory changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoption {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
    /// Known, but gone from the files; removed if that was asked for, else kept as they were.
    pub gone: Vec<Iccid>,
    pub pruned: bool,
    /// VSlices and groups that are gone from the files and were kept.
    pub kept: Vec<Problem>,
}

/// Why an inventory that is right in itself does not fit what is running.
#[derive(Clone, PartialEq, Eq)]
pub struct Objection {
    pub iccid: Iccid,
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl Aaa {
    /// Brings an inventory into force. Endpoints that it does not name are kept, unless `prune`.
    ///
    /// # Errors
    /// Everything that does not fit; then nothing has changed.
    pub fn adopt(
        &self,
        inventory: Inventory,
        prune: bool,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<Adoption, Vec<Objection>> {
        let mut in_force = self.inventory.lock();
        let before = self.plan.load_full();
        let mut inventory = inventory.succeeding(&before.catalog);
        if prune {
            inventory.catalog.prune();
        }
        let kept = inventory.gone();
        let Inventory { catalog, endpoints, reinstated, fingerprint, .. } = inventory;
        let comparison = self.compare(&before, &catalog, &endpoints, &reinstated)?;
        let after = Arc::new(Plan::renewed(&before, catalog, self.settings.hold_time));
        *in_force = None;
        records.catalog(&after.catalog);
        self.plan.store(Arc::clone(&after));

        let mut adopting = Adopting { aaa: self, before: &before, after: &after, now, records };
        let mut adoption = Adoption { pruned: prune, kept, ..Adoption::default() };
        if comparison.known < self.tracker.len() {
            adoption.gone = self.unlisted(&endpoints);
        }
        for iccid in &adoption.gone {
            if prune {
                adopting.remove(*iccid);
            } else {
                adopting.keep(*iccid);
            }
        }
        adoption.unchanged = comparison.is_same.iter().filter(|is_same| **is_same).count();
        let mut news = endpoints.into_iter().zip(comparison.is_same).filter_map(|(listed, is_same)| (!is_same).then_some(listed));
        let mut some = Vec::with_capacity(SIDE_BY_SIDE);
        loop {
            some.extend(news.by_ref().take(SIDE_BY_SIDE));
            if some.is_empty() {
                break;
            }
            adopting.foresee(&some);
            for (iccid, endpoint) in some.drain(..) {
                match adopting.apply(iccid, endpoint) {
                    Arrival::Added => adoption.added += 1,
                    Arrival::Changed => adoption.changed += 1,
                    Arrival::Unchanged => adoption.unchanged += 1,
                }
            }
        }
        // What is kept is told of at each start.
        if let Some(fingerprint) = fingerprint.filter(|_| adoption.kept.is_empty() && adoption.gone.is_empty()) {
            *in_force = Some(fingerprint);
            records.inventory(fingerprint);
        }
        Ok(adoption)
    }

    /// Known endpoints that are not among these, in the order of their ICCIDs.
    fn unlisted(&self, endpoints: &[(Iccid, Endpoint)]) -> Vec<Iccid> {
        let listed: HashSet<Iccid> = endpoints.iter().map(|(iccid, _)| *iccid).collect();
        let mut unlisted = Vec::new();
        self.tracker.for_each(|iccid, _| {
            if !listed.contains(&iccid) {
                unlisted.push(iccid);
            }
        });
        unlisted.sort_unstable();
        unlisted
    }
}

enum Arrival {
    Added,
    Changed,
    Unchanged,
}

/// One adoption at work.
struct Adopting<'a, R> {
    aaa: &'a Aaa,
    before: &'a Plan,
    after: &'a Plan,
    now: Timestamp,
    records: &'a mut R,
}

impl<R: Recorder> Adopting<'_, R> {
    fn foresee(&self, endpoints: &[(Iccid, Endpoint)]) {
        self.aaa.foresee_iccids(endpoints.iter().map(|(iccid, _)| *iccid));
        let (imsis, msisdns) = (endpoints.iter().flat_map(|(_, next)| next.imsis()), endpoints.iter().filter_map(|(_, next)| next.msisdn));
        self.aaa.foresee_index(imsis, msisdns);
    }

    /// An endpoint that the files no longer name, and that stays: only its groups may have moved.
    fn keep(&mut self, iccid: Iccid) {
        self.aaa.tracker.with(iccid, |entry| {
            let next = entry.endpoint.clone();
            self.leave(iccid, entry, &next);
        });
    }

    fn remove(&mut self, iccid: Iccid) {
        // Pending from here on: what comes before it is gone is refused, and takes no address that nobody would give back.
        let old = self.aaa.tracker.with(iccid, |entry| {
            let pending = Endpoint::new(ProvisioningState::Pending);
            self.leave(iccid, entry, &pending);
            let mut turn = Turn::begin(self.aaa, self.before, iccid, entry, self.now, self.records);
            let ended = turn.entry.state.end_all(self.now);
            turn.follow(&ended);
            turn.end();
            std::mem::replace(&mut entry.endpoint, pending)
        });
        let Some((old, entry)) = old.zip(self.aaa.tracker.remove(iccid)) else { return };
        self.aaa.census.left(entry.state.state, old.state);
        self.unindex(iccid, &old);
        let end = entry.state.version + 1;
        self.records.provisioned(iccid, end, None);
        self.aaa.departed.add(iccid, entry.state.leases, end, self.now, self.aaa.settings.hold_time);
    }

    /// Puts an endpoint of the files in the place of what was known of it.
    fn apply(&mut self, iccid: Iccid, next: Endpoint) -> Arrival {
        let replaced = self.aaa.tracker.with(iccid, |entry| {
            self.leave(iccid, entry, &next);
            (entry.endpoint != next).then(|| self.replace(iccid, entry, next.clone()))
        });
        let (old, arrival) = match replaced {
            Some(None) => return Arrival::Unchanged,
            Some(Some(old)) => (Some(old), Arrival::Changed),
            None => (None, Arrival::Added),
        };
        if let Some(old) = old {
            self.unindex(iccid, &old);
        }
        self.aaa.index(iccid, next.imsis(), next.msisdn);
        self.after.set_aside(iccid, &next);
        if matches!(arrival, Arrival::Added) {
            self.add(iccid, next);
        }
        arrival
    }

    /// Ends what `next` will no longer allow: sessions, leases, the configured address.
    fn leave(&mut self, iccid: Iccid, entry: &mut Entry, next: &Endpoint) {
        let (before, after) = (self.before, self.after);
        if entry.endpoint == *next && entry.endpoint.groups().all(|group| same_vslice(before, after, group, group)) {
            return;
        }
        let mut turn = Turn::begin(self.aaa, before, iccid, entry, self.now, self.records);
        turn.give_up_groups(after, next);
        turn.change_state(next.state);
        turn.give_up_configured(after, next);
        turn.end();
    }

    /// Returns what was known before.
    fn replace(&mut self, iccid: Iccid, entry: &mut Entry, next: Endpoint) -> Endpoint {
        entry.state.version += 1;
        let old = std::mem::replace(&mut entry.endpoint, next);
        self.aaa.census.provisioned(old.state, entry.endpoint.state);
        self.records.provisioned(iccid, entry.state.version, Some(&entry.endpoint));
        if is_placed(entry.endpoint.state) && !is_placed(old.state) {
            let assigned = entry.state.assign();
            self.aaa.census.moved(assigned.before, assigned.after);
            self.records.endpoint(iccid, &entry.state);
        }
        old
    }

    fn add(&mut self, iccid: Iccid, endpoint: Endpoint) {
        let mut state = EndpointState::new(first_state(&endpoint));
        // Above every version that an endpoint of this ICCID may have had before it was removed.
        state.version = self.now.micros();
        self.aaa.census.joined(state.state, endpoint.state);
        self.records.provisioned(iccid, state.version, Some(&endpoint));
        self.aaa.tracker.insert(iccid, Entry { endpoint, state });
    }

    fn unindex(&self, iccid: Iccid, endpoint: &Endpoint) {
        for imsi in endpoint.imsis() {
            self.aaa.tracker.unindex_imsi(imsi, iccid);
        }
        if let Some(msisdn) = endpoint.msisdn {
            self.aaa.tracker.unindex_msisdn(msisdn, iccid);
        }
    }
}

/// Whether an endpoint of this state stands in the network at all. A pending one is in no group.
fn is_placed(state: ProvisioningState) -> bool {
    state != ProvisioningState::Pending
}

/// Where an endpoint stands of which nothing has been heard yet (PROTOCOL 10).
pub(super) fn first_state(endpoint: &Endpoint) -> NetworkState {
    if is_placed(endpoint.state) && endpoint.group.is_some() { NetworkState::Detached } else { NetworkState::Unknown }
}

/// Whether going from one group (of the old plan) to another (of the new one) stays inside one VSlice.
fn same_vslice(before: &Plan, after: &Plan, from: GroupId, to: GroupId) -> bool {
    let of = |catalog: &Catalog, group| catalog.group(group).map(|group| group.vslice);
    of(&before.catalog, from).is_some_and(|vslice: VsliceId| of(&after.catalog, to) == Some(vslice))
}

impl<R: Recorder> Turn<'_, R> {
    /// For each group: stays, goes on as another group of the same VSlice, or is left, with its sessions and its address (PROTOCOL 10).
    fn give_up_groups(&mut self, after: &Plan, next: &Endpoint) {
        let held: Vec<GroupId> = self.entry.endpoint.groups().collect();
        for group in &held {
            let stays = next.groups().any(|to| to == *group) && same_vslice(self.plan, after, *group, *group);
            if stays {
                continue;
            }
            let heir = next.groups().find(|to| !held.contains(to) && same_vslice(self.plan, after, *group, *to));
            if let Some(heir) = heir.filter(|heir| self.entry.state.lease(*heir).is_none()) {
                self.entry.state.rename_group(*group, heir);
                continue;
            }
            let left = self.entry.state.leave_group(*group, self.now);
            self.follow(&left);
            self.take_lease(*group);
        }
        // Without its primary group's VSlice the endpoint has left the network it was attached to.
        let left_home = self.entry.endpoint.group.is_some_and(|home| {
            is_placed(self.entry.endpoint.state) && next.group.is_some_and(|to| !same_vslice(self.plan, after, home, to))
        });
        if left_home {
            let unassigned = self.entry.state.close_all(CloseCause::Unassigned, self.now);
            self.follow(&unassigned);
            let assigned = self.entry.state.assign();
            self.follow(&assigned);
        }
    }

    fn change_state(&mut self, next: ProvisioningState) {
        if self.entry.endpoint.state == next {
            return;
        }
        let cause = match next {
            ProvisioningState::Active => return,
            ProvisioningState::Pending => CloseCause::Unassigned,
            ProvisioningState::Suspended | ProvisioningState::Terminated => CloseCause::Barred,
        };
        let closed = self.entry.state.close_all(cause, self.now);
        self.follow(&closed);
        if next != ProvisioningState::Suspended {
            let groups: Vec<GroupId> = self.entry.state.leases.iter().map(|lease| lease.group).collect();
            for group in groups {
                self.take_lease(group);
            }
        }
    }

    /// Takes the group's address away. The record of the endpoint remembers the hold; a configured address stays set aside.
    fn take_lease(&mut self, group: GroupId) {
        let configured = self.plan.configured(&self.entry.endpoint);
        let is_configured = self.entry.state.lease(group).is_some_and(|lease| configured == Some((lease.vslice, lease.ip)));
        if is_configured && !self.entry.state.has_live_lease(group) {
            self.entry.state.drop_lease(group);
        } else if let Some(freed) = self.entry.state.release_lease(group, self.now) {
            self.free(freed);
        }
    }

    /// The configured address, if another one or none is configured from now on. One in use is kept until its session ends.
    fn give_up_configured(&mut self, after: &Plan, next: &Endpoint) {
        let Some(ip) = self.entry.endpoint.static_ip else { return };
        let Some(home) = self.entry.endpoint.group else { return };
        let stays = next.static_ip == Some(ip)
            && next.state != ProvisioningState::Terminated
            && next.group.is_some_and(|to| same_vslice(self.plan, after, home, to));
        let Some(vslice) = self.plan.catalog.group(home).map(|group| group.vslice).filter(|_| !stays) else { return };
        self.give_up_configured_address(home, vslice, ip);
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "endpoint {}: {}; {}", self.iccid, self.what, self.remedy)
    }
}

impl fmt::Debug for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.iccid, self.what)
    }
}
