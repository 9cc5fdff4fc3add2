//! The leases of an endpoint: granted, used, given back, held.

use crate::address::{Address, AddressKind};
use crate::identity::{GroupId, VsliceId};
use crate::network::lease::{
    AuthorisationNumber, Lease, LeaseKind, LeasePhase, MAX_HELD, ReleasedLease,
};
use crate::network::outcome::Few;
use crate::network::{CloseCause, EndpointState, Families, Report, SessionLimits};
use crate::time::Timestamp;

impl EndpointState {
    /// The group's own lease of a kind: what was given up for it stands behind it.
    #[must_use]
    pub fn lease(&self, group: GroupId, kind: AddressKind) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.is_of(group, kind))
    }

    /// Whether the group has a lease of any kind.
    #[must_use]
    pub fn has_lease(&self, group: GroupId) -> bool {
        self.leases.iter().any(|lease| lease.group == group)
    }

    /// Of each group its own lease of each kind, and what older sessions of the group still use; without the
    /// addresses that were given up and are in their hold.
    pub fn own_leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| lease.phase.is_in_use() || self.is_own(lease))
    }

    /// Whether it is the first of its group and kind.
    fn is_own(&self, lease: &Lease) -> bool {
        self.lease(lease.group, lease.ip.kind()).is_some_and(|own| std::ptr::eq(own, lease))
    }

    /// Whether the group has the address, in whatever phase but a hold.
    #[must_use]
    pub fn has_leased(&self, group: GroupId, vslice: VsliceId, ip: Address) -> bool {
        let mut leased = self.leases.iter().filter(|lease| !lease.phase.is_released());
        leased.any(|lease| (lease.group, lease.vslice, lease.ip) == (group, vslice, ip))
    }

    /// Whether one more address can be given up, so that its hold is remembered.
    #[must_use]
    pub fn has_room_for_hold(&self) -> bool {
        self.leases.len() < MAX_HELD
            || self.leases.iter().filter(|lease| lease.phase.is_released()).count() < MAX_HELD
    }

    /// Whether a session of the lease's group uses its address, open or ending.
    #[must_use]
    pub fn is_used(&self, lease: &Lease) -> bool {
        let uses =
            |session: &super::Session| session.group == Some(lease.group) && session.uses(lease.ip);
        self.sessions.iter().filter(|session| session.is_live()).any(uses)
    }

    /// The endpoint has left: what was promised to a session of `group` still to come is void. What
    /// one has that is ending stays its.
    pub(crate) fn withdraw_promise(&mut self, group: GroupId) {
        for lease in self.leases.iter_mut().filter(|lease| lease.group == group) {
            if matches!(lease.phase, LeasePhase::Reauthorised { .. }) {
                lease.phase = LeasePhase::InUse;
            }
        }
    }

    /// Puts `lease` in the place of the group's former one, which is returned: giving that back to
    /// its pool is the caller's.
    pub fn grant(&mut self, lease: Lease) -> Option<Lease> {
        self.version += 1;
        let own = self.leases.iter().position(|own| own.is_of(lease.group, lease.ip.kind()));
        let former = own.map(|at| std::mem::replace(&mut self.leases[at], lease));
        // What it has again is in no hold any more.
        self.leases.retain(|other| {
            *other == lease || (other.vslice, other.ip) != (lease.vslice, lease.ip)
        });
        if own.is_none() {
            self.leases.push(lease);
        }
        former
    }

    /// Remembers the hold of an address that was given up for another one: after a crash the pool
    /// must know of it. Ask [`Self::has_room_for_hold`] before.
    pub fn remember_hold(&mut self, former: Lease, at: Timestamp) {
        self.version += 1;
        self.leases.push(Lease { phase: LeasePhase::Released { at }, ..former });
    }

    /// Remembers an address that was given up for another one, though an open session uses it: it
    /// is released when none does any more.
    pub fn remember_use(&mut self, former: Lease) {
        self.version += 1;
        self.leases.push(Lease { kind: LeaseKind::Pooled, phase: LeasePhase::InUse, ..former });
    }

    /// An address that has just been released stays promised to the endpoint until then, and its
    /// hold begins after that: it may be in use still.
    pub(super) fn keep_back(&mut self, freed: ReleasedLease, until: Timestamp) {
        let released = LeasePhase::Released { at: freed.at };
        let is_it = |lease: &&mut Lease| {
            (lease.vslice, lease.ip, lease.phase) == (freed.vslice, freed.ip, released)
        };
        if let Some(lease) = self.leases.iter_mut().find(is_it) {
            lease.phase = LeasePhase::Authorised { until, authorisation: AuthorisationNumber(0) };
        }
    }

    /// A lease that has just been released stays, since its address is configured for the endpoint.
    pub fn keep_lease(&mut self, vslice: VsliceId, ip: Address) {
        if let Some(lease) =
            self.leases.iter_mut().find(|lease| (lease.vslice, lease.ip) == (vslice, ip))
        {
            (lease.kind, lease.phase) = (LeaseKind::Static, LeasePhase::Kept);
            self.version += 1;
        }
    }

    /// Promises the group's lease of a kind until `until`. A lease in use stays in use, and
    /// remembers it. `false` if the group has none.
    pub fn authorise(
        &mut self,
        group: GroupId,
        kind: AddressKind,
        until: Timestamp,
        authorisation: u64,
    ) -> bool {
        let Some(lease) = self.leases.iter_mut().find(|lease| lease.is_of(group, kind)) else {
            return false;
        };
        let authorisation = AuthorisationNumber(authorisation);
        lease.phase = if lease.phase.is_in_use() {
            LeasePhase::Reauthorised { until, authorisation }
        } else {
            LeasePhase::Authorised { until, authorisation }
        };
        self.version += 1;
        true
    }

    /// Marks the group's lease of a kind as in use. An opened session does it by itself, except with a
    /// released lease: that address is in the pool's hands, and has to be claimed there and granted
    /// anew. What was promised to a session still to come stays promised.
    pub fn take_into_use(&mut self, group: GroupId, kind: AddressKind) -> bool {
        let own = |lease: &&mut Lease| lease.is_of(group, kind) && !lease.phase.is_released();
        let Some(lease) = self.leases.iter_mut().find(own) else { return false };
        lease.phase = match lease.phase {
            LeasePhase::InUse | LeasePhase::Reauthorised { .. } => return true,
            LeasePhase::Authorised { until, authorisation } => {
                LeasePhase::Reauthorised { until, authorisation }
            }
            LeasePhase::Kept => LeasePhase::InUse,
            LeasePhase::Released { .. } => return false,
        };
        self.version += 1;
        true
    }

    /// Forgets the group's lease of a kind, which is returned: giving it back to its pool is the caller's.
    pub fn drop_lease(&mut self, group: GroupId, kind: AddressKind) -> Option<Lease> {
        let at = self.leases.iter().position(|lease| lease.is_of(group, kind))?;
        self.version += 1;
        let lease = self.leases.remove(at);
        self.leases.shrink_to_fit();
        Some(lease)
    }

    /// Whether a session that its gateway still has uses the group's lease of a kind.
    #[must_use]
    pub fn has_live_lease(&self, group: GroupId, kind: AddressKind) -> bool {
        let is_in_use = self.lease(group, kind).is_some_and(|lease| lease.phase.is_in_use());
        is_in_use && self.has_live_session(group, kind)
    }

    /// Whether a session of the group, open or ending, may use addresses of that kind.
    fn has_live_session(&self, group: GroupId, kind: AddressKind) -> bool {
        self.sessions.iter().any(|session| {
            session.is_live() && session.group == Some(group) && session.families.may_have(kind)
        })
    }

    /// Takes the group's lease of a kind away: from now on it is in its hold, where only this
    /// endpoint may fetch it back. What the pool is to hear of is returned; `None` if the lease was
    /// released before, or there is none. While a session is still ending on it, the address stays
    /// its, and is given back afterwards (PROTOCOL 11).
    pub fn release_lease(
        &mut self,
        group: GroupId,
        kind: AddressKind,
        now: Timestamp,
    ) -> Option<ReleasedLease> {
        if self.has_live_lease(group, kind) {
            let lease = self.leases.iter_mut().find(|lease| lease.is_of(group, kind))?;
            (lease.kind, lease.phase) = (LeaseKind::Pooled, LeasePhase::InUse);
            self.version += 1;
            return None;
        }
        let own = self
            .leases
            .iter()
            .position(|lease| lease.is_of(group, kind) && !lease.phase.is_released())?;
        let mut location_info = 0..;
        self.release_where(now, |_| location_info.next() == Some(own)).into_iter().next()
    }

    /// Takes away the leases that `is_due` chooses, each of them shown once and in order.
    pub fn release_where(
        &mut self,
        now: Timestamp,
        mut is_due: impl FnMut(&Lease) -> bool,
    ) -> Few<ReleasedLease> {
        let mut freed = Few::new();
        for lease in &mut self.leases {
            if is_due(lease) && !lease.phase.is_released() {
                lease.phase = LeasePhase::Released { at: now };
                freed.push(ReleasedLease { vslice: lease.vslice, ip: lease.ip, at: now });
            }
        }
        self.version += u64::from(!freed.is_empty());
        freed
    }

    /// A session of `group` was opened: its promised or kept leases are in use from now on, and
    /// nothing promised any more. Which: those of the families it has, and those that were promised
    /// with its Class. Returns the addresses.
    pub(crate) fn occupy_leases(
        &mut self,
        group: GroupId,
        families: Families,
        authorisation: Option<u64>,
    ) -> Few<Address> {
        let mut occupied = Few::new();
        for kind in AddressKind::ALL {
            let Some(lease) = self.leases.iter_mut().find(|lease| lease.is_of(group, kind)) else {
                continue;
            };
            let is_promised = match lease.phase {
                LeasePhase::Released { .. } => continue,
                LeasePhase::Authorised { authorisation: given, .. }
                | LeasePhase::Reauthorised { authorisation: given, .. } => {
                    authorisation == Some(given.0)
                }
                LeasePhase::InUse | LeasePhase::Kept => false,
            };
            if is_promised || families.may_have(kind) {
                lease.phase = LeasePhase::InUse;
                occupied.push(lease.ip);
            }
        }
        occupied
    }

    /// A session of `group` was closed: addresses of the kinds that no other one may use are given
    /// back. What was promised meanwhile stays so, unless the endpoint has left.
    pub(crate) fn vacate_leases(
        &mut self,
        group: GroupId,
        cause: CloseCause,
        now: Timestamp,
    ) -> Few<ReleasedLease> {
        let unused = AddressKind::ALL.map(|kind| (kind, !self.has_live_session(group, kind)));
        let mut freed = Few::new();
        for lease in
            self.leases.iter_mut().filter(|lease| lease.group == group && lease.phase.is_in_use())
        {
            if !unused.contains(&(lease.ip.kind(), true)) {
                continue;
            }
            match lease.phase {
                LeasePhase::Reauthorised { until, authorisation }
                    if now < until && !cause.is_departure() =>
                {
                    lease.phase = LeasePhase::Authorised { until, authorisation };
                }
                _ => freed.extend(lease.give_back(now)),
            }
        }
        freed
    }

    /// A session does not use any more what a report of it does not say: its gateway has given that
    /// back, unless it says nothing at all.
    pub fn release_absent(
        &mut self,
        session: usize,
        report: &Report<'_>,
        now: Timestamp,
    ) -> Few<ReleasedLease> {
        let Some(session) = self.sessions.get_mut(session).filter(|session| session.is_open())
        else {
            return Few::new();
        };
        let said: Few<AddressKind> = report.addresses().map(Address::kind).collect();
        let absent: Few<Address> =
            session.addresses().filter(|ip| !said.contains(&ip.kind())).collect();
        if said.is_empty() || absent.is_empty() {
            return Few::new();
        }
        absent.iter().for_each(|ip| session.lose_address(ip.kind()));
        let unused: Few<bool> = self
            .leases
            .iter()
            .map(|lease| {
                lease.phase.is_in_use() && absent.contains(&lease.ip) && !self.is_used(lease)
            })
            .collect();
        let gone = self.leases.iter_mut().zip(unused).filter(|(_, is_unused)| *is_unused);
        let freed = gone.filter_map(|(lease, _)| lease.give_back(now)).collect();
        self.version += 1;
        freed
    }

    /// Lets lapse what was promised and not used, and forgets what has left its hold. A forgotten
    /// hold is no change worth a record: the time alone implies it.
    pub(crate) fn settle_leases(
        &mut self,
        now: Timestamp,
        limits: &SessionLimits<'_>,
        mut freed: impl FnMut(ReleasedLease),
    ) {
        let mut lapsed = false;
        for lease in &mut self.leases {
            if let LeasePhase::Authorised { until, .. } = lease.phase
                && promised_until(until, limits) <= now
            {
                lapsed = true;
                lease.give_back(now).into_iter().for_each(&mut freed);
            }
        }
        self.version += u64::from(lapsed);
        if self.leases.len() > 1 {
            self.release_unused(now).into_iter().for_each(freed);
        }
        let is_over = |lease: &Lease| matches!(lease.phase, LeasePhase::Released { at } if limits.outages.deadline(at, limits.hold) <= now);
        if self.leases.iter().any(is_over) {
            self.leases.retain(|lease| !is_over(lease));
            self.leases.shrink_to_fit();
        }
    }

    /// What was given up for another address, and is used no more.
    fn release_unused(&mut self, now: Timestamp) -> Few<ReleasedLease> {
        let is_unused =
            |lease: &Lease| lease.phase.is_in_use() && !self.is_own(lease) && !self.is_used(lease);
        let unused: Few<bool> = self.leases.iter().map(is_unused).collect();
        let mut unused = unused.into_iter();
        self.release_where(now, |_| unused.next() == Some(true))
    }

    /// When the next lease lapses or leaves its hold.
    pub(crate) fn next_lease_deadline(&self, limits: &SessionLimits<'_>) -> Option<Timestamp> {
        let deadline = |lease: &Lease| match lease.phase {
            LeasePhase::Authorised { until, .. } => Some(promised_until(until, limits)),
            LeasePhase::Released { at } => Some(limits.outages.deadline(at, limits.hold)),
            LeasePhase::InUse | LeasePhase::Reauthorised { .. } | LeasePhase::Kept => None,
        };
        self.leases.iter().filter_map(deadline).min()
    }
}

/// When a promise lapses that was made until then.
fn promised_until(until: Timestamp, limits: &SessionLimits<'_>) -> Timestamp {
    limits.outages.deadline(until - limits.promise, limits.promise)
}
