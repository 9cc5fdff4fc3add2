//! The one place where what is provisioned for an endpoint changes: its sessions, leases, names and
//! counts follow, and one record each.

use super::address_plan::AddressPlan;
use super::recorder::RecorderSink;
use super::register::{Register, Removed};
use super::transaction::{EndpointTxn, subject};
use super::{Aaa, EndpointEntry, Recorder};
use crate::address::{Address, AddressKind};
use crate::event::{Departure, EventKind, EventSubject};
use crate::identity::{GroupId, Iccid, VsliceId};
use crate::network::{CloseCause, EndpointState, Few, Lease, NetworkState};
use crate::provisioning::{Endpoint, LineHash, Origin, ProvisioningState, Revision};
use crate::time::Timestamp;

/// Changes endpoints, while the register is held: so nobody else does. Traffic goes on.
pub(super) struct Provisioner<'a, R> {
    pub(super) aaa: &'a Aaa,
    pub(super) plan: &'a AddressPlan,
    pub(super) register: &'a mut Register,
    pub(super) now: Timestamp,
    pub(super) records: &'a mut R,
}

/// Who says how an endpoint is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// A line of the files, with this hash.
    Line(LineHash),
    Person,
}

impl Author {
    /// By whom, as events say it.
    const fn moniker(self) -> &'static str {
        match self {
            Self::Line(_) => "file",
            Self::Person => "api",
        }
    }
}

/// Why the endpoint is out of the network: somebody changed how it is provisioned.
fn forced(author: Option<Author>, reason: Option<&str>) -> Departure {
    Departure::Forced { by: author.map_or("file", Author::moniker), reason: reason.map(Into::into) }
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub kind: ChangeKind,
    /// Of the object, from now on.
    pub version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Added,
    Changed,
    Unchanged,
    Removed,
}

impl<R: Recorder> Provisioner<'_, R> {
    /// Puts an endpoint in the place of what was known of it. What it claims must have been claimed
    /// before.
    pub(super) fn put(&mut self, iccid: Iccid, next: Endpoint, author: Author) -> Changed {
        let replaced =
            self.aaa.tracker.with(iccid, |entry| self.replace(iccid, entry, &next, author));
        let Some((old, changed)) = replaced else { return self.add(iccid, next, author) };
        if let Some(old) = old {
            self.aaa.index(iccid, next.imsis(), next.msisdn);
            self.unindex(iccid, &old, Some(&next));
        }
        changed
    }

    /// Removes an endpoint. `author`: a person's removal is remembered with the line, so that the
    /// same line does not bring it back.
    pub(super) fn remove(&mut self, iccid: Iccid, author: Option<Author>) -> Option<Changed> {
        // Pending from here on: what comes before it is gone is refused, and takes no address that
        // nobody would give back.
        let old = self.aaa.tracker.with(iccid, |entry| {
            let pending = Endpoint::new(ProvisioningState::Pending);
            self.leave(iccid, entry, &pending, author);
            // Nobody will close what would go on as ending.
            let mut txn =
                EndpointTxn::begin(self.aaa, self.plan, iccid, entry, self.now, self.records);
            txn.departure = Some(forced(author, None));
            let ended = txn.entry.state.end_all(self.now);
            txn.follow(&ended);
            txn.end();
            std::mem::replace(&mut entry.endpoint, pending)
        })?;
        let entry = self.aaa.tracker.remove(iccid)?;
        self.aaa.state_counts.left(entry.state.state, old.state);
        self.aaa.members.moved(Some(&old), None);
        self.unindex(iccid, &old, None);
        let origin = match author {
            Some(Author::Person) => {
                entry.stamp.origin.line().map_or(Origin::default(), Origin::file)
            }
            Some(Author::Line(_)) | None => Origin::default(),
        };
        self.aaa.count_differing(entry.stamp.origin.differs(), origin.line().is_some());
        let highest = Revision { version: entry.state.version.max(entry.stamp.version), origin };
        let stamp = highest.next(self.now.micros(), origin);
        self.register.remove(iccid, Removed { stamp, at: self.now });
        self.aaa.departed.add(
            iccid,
            entry.state.leases,
            stamp.version,
            self.now,
            self.aaa.settings.hold_time,
            &self.aaa.outages,
        );
        self.records.provisioned(iccid, stamp, None);
        Some(Changed { kind: ChangeKind::Removed, version: stamp.version })
    }

    /// Another endpoint has taken these names and that address of a kept one: its SIM was replaced
    /// (PROTOCOL 20). Its sessions end.
    pub(super) fn strip(&mut self, iccid: Iccid, winner: &Endpoint) {
        let stripped = self.aaa.tracker.with(iccid, |entry| {
            let mut txn =
                EndpointTxn::begin(self.aaa, self.plan, iccid, entry, self.now, self.records);
            txn.departure = Some(forced(None, None));
            txn.leave_network();
            txn.end();
            let mut next = entry.endpoint.without_identities(winner);
            if next.static_ip.is_some() && next.static_ip == winner.static_ip {
                next.static_ip = None;
            }
            let taken = winner.configured_prefixes();
            let mut prefixes = next.configured_prefixes();
            prefixes.link = prefixes.link.filter(|prefix| taken.link != Some(*prefix));
            prefixes.delegated =
                prefixes.delegated.filter(|prefix| taken.delegated != Some(*prefix));
            next.with_configured_prefixes(prefixes)
        });
        if let Some(next) = stripped {
            self.put(iccid, next, Author::Person);
        }
    }

    /// Returns what was known before, if that was something else.
    fn replace(
        &mut self,
        iccid: Iccid,
        entry: &mut EndpointEntry,
        next: &Endpoint,
        author: Author,
    ) -> (Option<Endpoint>, Changed) {
        let before = entry.stamp.origin;
        let origin = match author {
            Author::Line(line) => before.adopted(line),
            Author::Person => before.changed(LineHash::of_endpoint(next, &self.plan.catalog)),
        };
        // No file says what persons have done to it.
        let history = entry.endpoint.history();
        let kept = (matches!(author, Author::Line(_)) && history != next.history())
            .then(|| next.clone().with_history(history.clone()));
        let next = kept.as_ref().unwrap_or(next);
        let is_same = entry.endpoint == *next;
        if !is_same || origin != before {
            self.tell(iccid, entry, next, author);
            self.leave(iccid, entry, next, Some(author));
            let highest =
                Revision { version: entry.stamp.version.max(entry.state.version), origin };
            entry.stamp = highest.next(self.now.micros(), origin);
            self.aaa.count_differing(before.differs(), origin.differs());
            self.records.provisioned(iccid, entry.stamp, Some(next));
        }
        let version = entry.stamp.version;
        if is_same {
            return (None, Changed { kind: ChangeKind::Unchanged, version });
        }
        let old = std::mem::replace(&mut entry.endpoint, next.clone());
        self.aaa.state_counts.provisioned(old.state, next.state);
        self.aaa.members.moved(Some(&old), Some(next));
        self.plan.set_aside(iccid, next);
        // Without a record of its own the state would follow from how the endpoint is provisioned.
        if entry.state.state != first_state(next) {
            entry.state.version += 1;
            self.records.endpoint(iccid, &entry.state);
        }
        (Some(old), Changed { kind: ChangeKind::Changed, version })
    }

    fn add(&mut self, iccid: Iccid, endpoint: Endpoint, author: Author) -> Changed {
        let removed = self.register.removed(iccid);
        let removed_line = removed.and_then(|removed| removed.stamp.origin.line());
        let origin = match (author, removed_line) {
            (Author::Line(line), _) => Origin::file(line),
            (Author::Person, Some(line)) => {
                Origin::file(line).changed(LineHash::of_endpoint(&endpoint, &self.plan.catalog))
            }
            (Author::Person, None) => Origin::PERSON,
        };
        self.aaa.count_differing(removed_line.is_some(), origin.differs());
        // Above every version that an endpoint of this ICCID had before it was removed.
        let stamp = removed
            .map_or_else(Revision::default, |removed| removed.stamp)
            .next(self.now.micros(), origin);
        self.register.returned(iccid);
        let mut state = EndpointState::new(first_state(&endpoint));
        state.version = stamp.version;
        self.aaa.index(iccid, endpoint.imsis(), endpoint.msisdn);
        self.plan.set_aside(iccid, &endpoint);
        self.aaa.state_counts.joined(state.state, endpoint.state);
        self.aaa.members.moved(None, Some(&endpoint));
        self.records.provisioned(iccid, stamp, Some(&endpoint));
        self.leave_stock(iccid);
        let entry = EndpointEntry { endpoint, stamp, state };
        // A file that brings a whole fleet is no news of each of it.
        if author == Author::Person {
            let after = subject(iccid, self.plan, &entry, self.now);
            let sink = &mut RecorderSink(&mut *self.records);
            let kind = EventKind::of_state(entry.endpoint.state);
            self.aaa.events.about_endpoint(kind, &after, sink, |detail| {
                detail.null("from");
                detail.text("by", author.moniker());
            });
        }
        self.aaa.tracker.insert(iccid, entry);
        Changed { kind: ChangeKind::Added, version: stamp.version }
    }

    /// Tells that its provisioning state or its group is to be another.
    fn tell(&mut self, iccid: Iccid, entry: &EndpointEntry, next: &Endpoint, author: Author) {
        let (events, now) = (&self.aaa.events, self.now);
        let known = &entry.endpoint;
        let after = EventSubject { endpoint: next, ..subject(iccid, self.plan, entry, now) };
        let sink = &mut RecorderSink(&mut *self.records);
        if known.state != next.state {
            events.about_endpoint(EventKind::of_state(next.state), &after, sink, |detail| {
                detail.text("from", known.state.moniker());
                detail.text("by", author.moniker());
                detail.text_or_null("reason", next.history().state_reason.as_deref());
            });
        }
        if known.group != next.group {
            let moniker = |id: Option<GroupId>| {
                id.and_then(|id| self.plan.catalog.group(id)).map(|group| group.moniker.as_str())
            };
            events.about_endpoint(EventKind::GroupChanged, &after, sink, |detail| {
                detail.text_or_null("old", moniker(known.group));
                detail.text_or_null("new", moniker(next.group));
            });
        }
    }

    /// Ends what `next` will no longer allow: sessions, leases, the configured address.
    fn leave(
        &mut self,
        iccid: Iccid,
        entry: &mut EndpointEntry,
        next: &Endpoint,
        author: Option<Author>,
    ) {
        if entry.endpoint == *next {
            return;
        }
        let mut txn = EndpointTxn::begin(self.aaa, self.plan, iccid, entry, self.now, self.records);
        txn.departure = Some(forced(author, next.history().state_reason.as_deref()));
        txn.give_up_groups(next);
        txn.change_state(next);
        txn.give_up_configured(next);
        txn.end();
    }

    /// Forgets the names that an endpoint had and has no more.
    fn unindex(&self, iccid: Iccid, old: &Endpoint, now: Option<&Endpoint>) {
        let has_imsi = |imsi| now.is_some_and(|now| now.imsis().any(|own| own == imsi));
        for imsi in old.imsis().filter(|imsi| !has_imsi(*imsi)) {
            self.aaa.tracker.unindex_imsi(imsi, iccid);
        }
        if let Some(msisdn) =
            old.msisdn.filter(|msisdn| now.and_then(|now| now.msisdn) != Some(*msisdn))
        {
            self.aaa.tracker.unindex_msisdn(msisdn, iccid);
        }
    }
}

/// Whether an endpoint has been assigned to a group, as the table of PROTOCOL 6 means it.
fn is_assigned(endpoint: &Endpoint) -> bool {
    matches!(endpoint.state, ProvisioningState::Active | ProvisioningState::Suspended)
        && endpoint.group.is_some()
}

/// Where an endpoint stands of which nothing has been heard yet (PROTOCOL 10).
pub(super) fn first_state(endpoint: &Endpoint) -> NetworkState {
    if is_assigned(endpoint) { NetworkState::Detached } else { NetworkState::Unknown }
}

impl<R: Recorder> EndpointTxn<'_, R> {
    /// A group that has moved into another VSlice, or was removed, takes its members along as they
    /// are touched.
    pub(super) fn follow_groups(&mut self) {
        let state = &self.entry.state;
        // What a session that is ending still uses was left before.
        let is_wanted = |lease: &Lease| {
            !lease.phase.is_in_use()
                || state.open_sessions().any(|session| session.group == Some(lease.group))
        };
        let is_left = |lease: &&Lease| {
            let home = self.plan.catalog.group(lease.group).map(|group| group.vslice);
            home != Some(lease.vslice) && !lease.phase.is_released() && is_wanted(lease)
        };
        let left: Vec<GroupId> =
            state.own_leases().filter(is_left).map(|lease| lease.group).collect();
        for group in left {
            self.leave_group(group);
            if self.entry.endpoint.group == Some(group) {
                self.departure = Some(forced(None, None));
                self.leave_network();
            }
        }
    }

    /// For each group: stays, goes on as another group of the same VSlice, or is left, with its
    /// sessions and its address (PROTOCOL 10).
    fn give_up_groups(&mut self, next: &Endpoint) {
        let vslice = |group| self.plan.catalog.group(group).map(|group| group.vslice);
        let same_vslice =
            |from, to| from == to || vslice(from).is_some_and(|from| vslice(to) == Some(from));
        let held: Vec<GroupId> = self.entry.endpoint.groups().collect();
        for group in &held {
            if next.groups().any(|to| to == *group) {
                continue;
            }
            let successor = next.groups().find(|to| !held.contains(to) && same_vslice(*group, *to));
            match successor.filter(|successor| !self.entry.state.has_lease(*successor)) {
                Some(successor) => self.entry.state.rename_group(*group, successor),
                None => self.leave_group(*group),
            }
        }
        // Without its primary group's VSlice the endpoint has left the network it was attached to.
        let has_left = |home| next.group.is_some_and(|to| !same_vslice(home, to));
        if is_assigned(&self.entry.endpoint) && self.entry.endpoint.group.is_some_and(has_left) {
            self.leave_network();
        }
    }

    fn leave_group(&mut self, group: GroupId) {
        let left = self.entry.state.leave_group(group, self.now);
        self.follow(&left);
        self.take_lease(group);
    }

    /// All sessions end as unassigned; the endpoint is assigned anew if it is in a group.
    fn leave_network(&mut self) {
        let unassigned = self.entry.state.close_all(CloseCause::Unassigned, self.now);
        self.follow(&unassigned);
        if is_assigned(&self.entry.endpoint) {
            let assigned = self.entry.state.assign();
            self.follow(&assigned);
        }
    }

    fn change_state(&mut self, next: &Endpoint) {
        use ProvisioningState::{Active, Pending, Suspended, Terminated};

        let (was, is) = (is_assigned(&self.entry.endpoint), is_assigned(next));
        let has_changed = self.entry.endpoint.state != next.state;
        let cause = match next.state {
            Suspended | Terminated if has_changed => Some(CloseCause::Barred),
            Pending if has_changed => Some(CloseCause::Unassigned),
            Active | Suspended if was && !is => Some(CloseCause::Unassigned),
            Active | Suspended | Pending | Terminated => None,
        };
        if let Some(cause) = cause {
            let closed = self.entry.state.close_all(cause, self.now);
            self.follow(&closed);
        }
        if cause.is_some() && next.state != Suspended {
            let groups: Vec<GroupId> =
                self.entry.state.leases.iter().map(|lease| lease.group).collect();
            for group in groups {
                self.take_lease(group);
            }
        }
        if is && !was {
            let assigned = self.entry.state.assign();
            self.follow(&assigned);
        }
    }

    /// Takes the group's addresses away. The record of the endpoint remembers the hold; a configured
    /// address stays set aside.
    fn take_lease(&mut self, group: GroupId) {
        for kind in AddressKind::ALL {
            let Some(lease) = self.entry.state.lease(group, kind) else { continue };
            let is_configured =
                self.plan.is_configured(&self.entry.endpoint, lease.vslice, lease.ip);
            if is_configured && !self.entry.state.has_live_lease(group, kind) {
                self.entry.state.drop_lease(group, kind);
            } else if let Some(freed) = self.entry.state.release_lease(group, kind, self.now) {
                self.free(freed);
            }
        }
    }

    /// The configured addresses, where another one or none is configured from now on. One in use is
    /// kept until its session ends.
    fn give_up_configured(&mut self, next: &Endpoint) {
        let given_up: Few<(VsliceId, Address)> = self
            .plan
            .configured(&self.entry.endpoint)
            .filter(|(vslice, ip)| !self.plan.is_configured(next, *vslice, *ip))
            .collect();
        for (vslice, ip) in given_up {
            if let Some(home) = self.entry.endpoint.group {
                self.give_up_configured_address(home, vslice, ip);
            }
        }
    }
}
