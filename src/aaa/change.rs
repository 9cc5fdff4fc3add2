//! One change of one object by a person or a program: what it claims is claimed first, then the
//! object changes, then it is recorded.
//!
//! What a change costs does not depend on the size of the fleet. Members of a group or VSlice that
//! changes follow when they are next touched, and by the background walk.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::address_plan::AddressPlan;
use super::provision::{Author, ChangeKind, Changed, Provisioner};
use super::{Aaa, Recorder};
use crate::identity::{GroupId, Iccid, Imsi, Moniker, Msisdn, VsliceId};
use crate::pool::ClaimError;
use crate::provisioning::{
    self, Allocation, Catalog, CatalogEntry, Endpoint, Group, LineHash, ListingStatus, Origin,
    ProvisioningState, RecordTooLarge, Refused, Revision, Vslice,
};
use crate::time::Timestamp;

/// What is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// An endpoint is to be so from now on; it may be new.
    PutEndpoint {
        iccid: Iccid,
        endpoint: Endpoint,
    },
    StepEndpoint {
        iccid: Iccid,
        transition: Transition,
    },
    RemoveEndpoint {
        iccid: Iccid,
    },
    /// Under its moniker, which may be new.
    PutVslice(Vslice),
    RemoveVslice(VsliceId),
    /// Under its moniker, which may be new.
    PutGroup(Group),
    RemoveGroup(GroupId),
}

/// A step of an endpoint's provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Into this group: a pending endpoint becomes active, any other keeps its state.
    Assign(GroupId),
    /// Out of its groups: it becomes pending, a suspended one, too.
    Unassign,
    Suspend,
    Resume,
    Terminate,
    Reinstate,
}

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeError {
    NotFound,
    /// The object has another version than was expected.
    Version {
        expected: u64,
        found: u64,
    },
    /// The state does not permit the step.
    Refused(Refused),
    ImsiTaken {
        imsi: Imsi,
        owner: Iccid,
    },
    MsisdnTaken {
        msisdn: Msisdn,
        owner: Iccid,
    },
    /// The address is another endpoint's; `None`: it was until a moment ago.
    AddressTaken {
        ip: Ipv4Addr,
        owner: Option<Iccid>,
    },
    /// No static subnet of the endpoint's VSlice gives the address.
    AddressOutside {
        ip: Ipv4Addr,
    },
    /// An active or suspended endpoint needs a group that exists, in a VSlice that exists.
    NoGroup,
    /// There is no VSlice of this handle.
    NoVslice,
    /// Groups live in the VSlice.
    InUse {
        groups: Vec<Moniker>,
    },
    TooLarge(RecordTooLarge),
}

impl Aaa {
    /// Changes one object, if it has the `expected` version (`None`: whatever version it has).
    ///
    /// # Errors
    /// Why not; then everything is as it was.
    pub fn change(
        &self,
        mutation: Mutation,
        expected: Option<u64>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<Changed, ChangeError> {
        let mut register = self.register.lock();
        let plan = self.plan.load_full();
        let mut provisioner =
            Provisioner { aaa: self, plan: &plan, register: &mut register, now, records };
        match mutation {
            Mutation::PutEndpoint { iccid, endpoint } => {
                provisioner.known(iccid, expected)?;
                provisioner.put_endpoint(iccid, endpoint)
            }
            Mutation::StepEndpoint { iccid, transition } => {
                let (endpoint, stamp) =
                    provisioner.known(iccid, expected)?.ok_or(ChangeError::NotFound)?;
                match after(&endpoint, transition, &plan.catalog)? {
                    Some(next) => provisioner.put_endpoint(iccid, next),
                    None => Ok(Changed { kind: ChangeKind::Unchanged, version: stamp.version }),
                }
            }
            Mutation::RemoveEndpoint { iccid } => {
                provisioner.known(iccid, expected)?.ok_or(ChangeError::NotFound)?;
                provisioner.remove(iccid, Some(Author::Person)).ok_or(ChangeError::NotFound)
            }
            Mutation::PutVslice(vslice) => provisioner.put_vslice(vslice, expected),
            Mutation::RemoveVslice(id) => provisioner.remove_vslice(id, expected),
            Mutation::PutGroup(group) => provisioner.put_group(group, expected),
            Mutation::RemoveGroup(id) => provisioner.remove_group(id, expected),
        }
    }
}

/// What an endpoint is after a step; `None`: what it is already.
fn after(
    endpoint: &Endpoint,
    transition: Transition,
    catalog: &Catalog,
) -> Result<Option<Endpoint>, ChangeError> {
    use ProvisioningState::{Active, Pending, Suspended, Terminated};
    use provisioning::ProvisioningChange;

    let repeats = match transition {
        Transition::Assign(group) => endpoint.group == Some(group) && endpoint.state != Pending,
        Transition::Unassign => endpoint.state == Pending,
        Transition::Suspend => endpoint.state == Suspended,
        Transition::Resume => endpoint.state == Active,
        Transition::Terminate => endpoint.state == Terminated,
        Transition::Reinstate => false,
    };
    if repeats {
        return Ok(None);
    }
    let change = match transition {
        Transition::Assign(_) => ProvisioningChange::Assign,
        Transition::Unassign => ProvisioningChange::Unassign,
        Transition::Suspend => ProvisioningChange::Suspend,
        Transition::Resume => ProvisioningChange::Resume,
        Transition::Terminate => ProvisioningChange::Terminate,
        Transition::Reinstate => ProvisioningChange::Reinstate,
    };
    let state = endpoint.state.on(change).map_err(ChangeError::Refused)?;
    let mut next = match transition {
        Transition::Assign(group) => {
            let vslice = |group| catalog.group(group).map(|group| group.vslice);
            let stays = endpoint.group.is_some_and(|from| vslice(from) == vslice(group));
            let gives =
                catalog.group(group).is_some_and(|group| group.allocation == Allocation::Static);
            let mut next = endpoint.in_groups(
                Some(group),
                endpoint.secondary_groups().iter().copied().filter(|other| *other != group),
            );
            next.static_ip = next.static_ip.filter(|_| stays && gives);
            next
        }
        Transition::Unassign | Transition::Terminate | Transition::Reinstate => {
            let mut next = endpoint.in_groups(None, []);
            next.static_ip = None;
            next
        }
        Transition::Suspend | Transition::Resume => endpoint.clone(),
    };
    next.state = state;
    Ok(Some(next))
}

impl<R: Recorder> Provisioner<'_, R> {
    /// The endpoint as it is, if it has the version that is expected.
    fn known(
        &self,
        iccid: Iccid,
        expected: Option<u64>,
    ) -> Result<Option<(Endpoint, Revision)>, ChangeError> {
        let known = self.aaa.tracker.read(iccid, |entry| (entry.endpoint.clone(), entry.stamp));
        demand(expected, known.as_ref().map(|(_, stamp)| *stamp))?;
        Ok(known)
    }

    fn put_endpoint(&mut self, iccid: Iccid, next: Endpoint) -> Result<Changed, ChangeError> {
        let known = self.aaa.tracker.read(iccid, |entry| entry.endpoint.clone());
        self.permit(known.as_ref(), &next)?;
        next.record_fits().map_err(ChangeError::TooLarge)?;
        let mut names = Names { aaa: self.aaa, iccid, imsis: Vec::new(), msisdn: None };
        names.claim(&next)?;
        let configured = |endpoint: &Endpoint| self.plan.configured(endpoint);
        if let Some((vslice, ip)) =
            configured(&next).filter(|wanted| known.as_ref().and_then(configured) != Some(*wanted))
        {
            self.claim_address(iccid, vslice, ip)?;
        }
        names.keep();
        Ok(self.put(iccid, next, Author::Person))
    }

    /// Whether an endpoint may become this, as far as nobody else is concerned.
    fn permit(&self, known: Option<&Endpoint>, next: &Endpoint) -> Result<(), ChangeError> {
        let was = known.map_or(ProvisioningState::Pending, |known| known.state);
        let is_step_out =
            was == ProvisioningState::Terminated && next.state == ProvisioningState::Pending;
        was.imported(next.state, is_step_out).map_err(ChangeError::Refused)?;
        let needs_group = next.state == ProvisioningState::Active;
        let was_so = known
            .is_some_and(|known| known.groups().eq(next.groups()) && known.state == next.state);
        let is_usable = |id| {
            self.plan
                .catalog
                .group(id)
                .is_some_and(|group| self.plan.catalog.vslice(group.vslice).is_some())
        };
        if !was_so && (needs_group && next.group.is_none() || !next.groups().all(is_usable)) {
            return Err(ChangeError::NoGroup);
        }
        Ok(())
    }

    /// The last thing that can fail: what was claimed need not be given back.
    fn claim_address(
        &self,
        iccid: Iccid,
        vslice: VsliceId,
        ip: Ipv4Addr,
    ) -> Result<(), ChangeError> {
        if !self.plan.offers(vslice, Allocation::Static, ip) {
            return Err(ChangeError::AddressOutside { ip });
        }
        match self.plan.claim(vslice, ip, iccid, self.now) {
            Ok(_) => Ok(()),
            Err(ClaimError::Leased | ClaimError::Held { .. }) => {
                Err(ChangeError::AddressTaken { ip, owner: self.plan.owner(vslice, ip) })
            }
            Err(ClaimError::Outside | ClaimError::Reserved) => {
                Err(ChangeError::AddressOutside { ip })
            }
        }
    }

    fn put_vslice(
        &mut self,
        vslice: Vslice,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        vslice.record_fits().map_err(ChangeError::TooLarge)?;
        let id = self.plan.catalog.vslice_handle(&vslice.moniker);
        let line = LineHash::of_vslice(&vslice);
        let old = self.plan.catalog.vslice_place(id);
        let Some((place, changed)) = self.next_place(old, vslice, line, expected)? else {
            return Ok(unchanged(old));
        };
        self.records.vslice(id, &place);
        self.bring_into_force(Some(id), |catalog| catalog.set_vslice(id, place));
        Ok(changed)
    }

    fn put_group(&mut self, group: Group, expected: Option<u64>) -> Result<Changed, ChangeError> {
        group.record_fits().map_err(ChangeError::TooLarge)?;
        self.plan.catalog.vslice(group.vslice).ok_or(ChangeError::NoVslice)?;
        let id = self.plan.catalog.group_handle(&group.moniker);
        let line = self.plan.catalog.hash_of_group(&group);
        let old = self.plan.catalog.group_place(id);
        let Some((place, changed)) = self.next_place(old, group, line, expected)? else {
            return Ok(unchanged(old));
        };
        self.records.group(id, &place);
        self.bring_into_force(None, |catalog| catalog.set_group(id, place));
        Ok(changed)
    }

    fn remove_vslice(
        &mut self,
        id: VsliceId,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        let place = self
            .plan
            .catalog
            .vslice_place(id)
            .filter(|place| place.present().is_some())
            .ok_or(ChangeError::NotFound)?;
        demand(expected, Some(place.stamp))?;
        let groups = self.plan.catalog.groups().filter(|(_, group)| group.vslice == id);
        let groups: Vec<Moniker> = groups.map(|(_, group)| group.moniker.clone()).collect();
        if !groups.is_empty() {
            return Err(ChangeError::InUse { groups });
        }
        let removed = self.removed_place(place);
        self.records.vslice(id, &removed);
        let version = removed.stamp.version;
        self.bring_into_force(Some(id), |catalog| catalog.set_vslice(id, removed));
        Ok(Changed { kind: ChangeKind::Removed, version })
    }

    fn remove_group(&mut self, id: GroupId, expected: Option<u64>) -> Result<Changed, ChangeError> {
        let place = self
            .plan
            .catalog
            .group_place(id)
            .filter(|place| place.present().is_some())
            .ok_or(ChangeError::NotFound)?;
        demand(expected, Some(place.stamp))?;
        let removed = self.removed_place(place);
        self.records.group(id, &removed);
        let version = removed.stamp.version;
        self.bring_into_force(None, |catalog| catalog.set_group(id, removed));
        Ok(Changed { kind: ChangeKind::Removed, version })
    }

    /// The place of a thing that a person puts there; `None`: it is there already.
    fn next_place<T: PartialEq>(
        &self,
        old: Option<&CatalogEntry<T>>,
        thing: T,
        line: LineHash,
        expected: Option<u64>,
    ) -> Result<Option<(CatalogEntry<T>, Changed)>, ChangeError> {
        let present = old.filter(|place| place.present().is_some());
        demand(expected, present.map(|place| place.stamp))?;
        if present.is_some_and(|place| *place.thing == thing) {
            return Ok(None);
        }
        let remembered = old
            .map(|place| place.stamp.origin)
            .filter(|origin| present.is_some() || origin.line().is_some());
        let origin = remembered.map_or(Origin::PERSON, |origin| origin.changed(line));
        let stamp =
            old.map_or_else(Revision::default, |place| place.stamp).next(self.now.micros(), origin);
        let status = present.map_or(ListingStatus::Listed, |place| place.status);
        let kind = if present.is_some() { ChangeKind::Changed } else { ChangeKind::Added };
        Ok(Some((
            CatalogEntry { thing: Arc::new(thing), status, stamp },
            Changed { kind, version: stamp.version },
        )))
    }

    /// The line is remembered, so that the same section does not bring the thing back.
    fn removed_place<T>(&self, place: &CatalogEntry<T>) -> CatalogEntry<T> {
        let remembers = place.status == ListingStatus::Listed;
        let line = place.stamp.origin.line().filter(|_| remembers);
        let origin = line.map_or(Origin::default(), Origin::file);
        CatalogEntry {
            thing: Arc::clone(&place.thing),
            status: ListingStatus::Removed,
            stamp: place.stamp.next(self.now.micros(), origin),
        }
    }

    fn bring_into_force(&mut self, vslice: Option<VsliceId>, change: impl FnOnce(&mut Catalog)) {
        // Before any record names its handle.
        self.records.hand_over();
        let mut catalog = self.plan.catalog.clone();
        change(&mut catalog);
        self.aaa.plan.store(
            AddressPlan::with_one_changed(self.plan, catalog, vslice, self.aaa.settings.hold_time)
                .into(),
        );
    }
}

fn unchanged<T>(place: Option<&CatalogEntry<T>>) -> Changed {
    Changed { kind: ChangeKind::Unchanged, version: place.map_or(0, |place| place.stamp.version) }
}

fn demand(expected: Option<u64>, found: Option<Revision>) -> Result<(), ChangeError> {
    let Some(expected) = expected else { return Ok(()) };
    let found = found.ok_or(ChangeError::NotFound)?.version;
    if found == expected { Ok(()) } else { Err(ChangeError::Version { expected, found }) }
}

/// The names claimed for an endpoint; given back when this is dropped, unless they are kept.
struct Names<'a> {
    aaa: &'a Aaa,
    iccid: Iccid,
    imsis: Vec<Imsi>,
    msisdn: Option<Msisdn>,
}

impl Names<'_> {
    fn claim(&mut self, next: &Endpoint) -> Result<(), ChangeError> {
        let tracker = &self.aaa.tracker;
        for imsi in next.imsis() {
            let is_new = tracker
                .claim_imsi(imsi, self.iccid)
                .map_err(|owner| ChangeError::ImsiTaken { imsi, owner })?;
            self.imsis.extend(is_new.then_some(imsi));
        }
        if let Some(msisdn) = next.msisdn {
            let is_new = tracker
                .claim_msisdn(msisdn, self.iccid)
                .map_err(|owner| ChangeError::MsisdnTaken { msisdn, owner })?;
            self.msisdn = is_new.then_some(msisdn);
        }
        Ok(())
    }

    fn keep(mut self) {
        self.imsis.clear();
        self.msisdn = None;
    }
}

impl Drop for Names<'_> {
    fn drop(&mut self) {
        for imsi in self.imsis.drain(..) {
            self.aaa.tracker.unindex_imsi(imsi, self.iccid);
        }
        if let Some(msisdn) = self.msisdn.take() {
            self.aaa.tracker.unindex_msisdn(msisdn, self.iccid);
        }
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such object"),
            Self::Version { expected, found } => write!(f, "version is {found}, not {expected}"),
            Self::Refused(refused) => write!(f, "{refused}"),
            Self::ImsiTaken { owner, .. } => write!(f, "the IMSI belongs to {owner}"),
            Self::MsisdnTaken { owner, .. } => write!(f, "the MSISDN belongs to {owner}"),
            Self::AddressTaken { ip, owner: Some(owner) } => write!(f, "{ip} belongs to {owner}"),
            Self::AddressTaken { ip, owner: None } => write!(f, "{ip} belonged to another endpoint until a moment ago"),
            Self::AddressOutside { ip } => write!(f, "{ip} is given by no static subnet of the endpoint's VSlice"),
            Self::NoGroup => f.write_str("an endpoint that is active or in a group needs a group that exists, in a VSlice that exists"),
            Self::NoVslice => f.write_str("there is no such VSlice"),
            Self::InUse { groups } => {
                let groups = groups.iter().map(Moniker::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "the VSlice is used by endpoint groups {groups}")
            }
            Self::TooLarge(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ChangeError {}
