//! Changes of endpoints, one or many at once: all are judged and all they claim is claimed, or
//! nothing has changed.

use foldhash::HashMap;

use super::super::Recorder;
use super::super::provision::{Author, ChangeKind, Changed, Provisioner};
use super::error::{BatchErrors, ChangeError};
use super::mutation::{EndpointMutation, EndpointStep, Transition};
use super::objects::demand;
use crate::address::Address;
use crate::identity::{Iccid, Imsi, Msisdn, VsliceId};
use crate::pool::{Before, ClaimError};
use crate::provisioning::{
    Allocation, Catalog, Endpoint, ProvisioningChange, ProvisioningState, Revision,
};

/// What is to be done about an endpoint, once all of a batch can be.
enum Judged {
    Put(Iccid, Endpoint),
    Remove(Iccid),
    Unchanged(Changed),
}

/// What earlier changes of a batch have taken.
#[derive(Default)]
struct Taken {
    places: HashMap<Iccid, usize>,
    imsis: HashMap<Imsi, Iccid>,
    msisdns: HashMap<Msisdn, Iccid>,
}

/// An address that was claimed for an endpoint, and what it was before.
struct ClaimedAddress {
    vslice: VsliceId,
    ip: Address,
    before: Before,
}

impl<R: Recorder> Provisioner<'_, R> {
    /// Changes one.
    pub(super) fn change_endpoint(
        &mut self,
        mutation: EndpointMutation,
    ) -> Result<Changed, ChangeError> {
        // The claim of an address is the last thing that can fail: it need not be given back.
        let judged = self.judge_one(mutation, &mut Taken::default(), &mut Vec::new())?;
        Ok(self.carry_out(judged))
    }

    /// Changes all of these endpoints, or none.
    ///
    /// # Errors
    /// All that cannot be done, each with its place.
    pub(super) fn change_endpoints(
        &mut self,
        mutations: Vec<EndpointMutation>,
    ) -> Result<Vec<Changed>, BatchErrors> {
        let (judged, _) = self.judge(mutations)?;
        Ok(judged.into_iter().map(|judged| self.carry_out(judged)).collect())
    }

    /// Whether [`Self::change_endpoints`] would do it; nothing changes.
    ///
    /// # Errors
    /// The same.
    pub(super) fn judge_endpoints(
        &mut self,
        mutations: Vec<EndpointMutation>,
    ) -> Result<(), BatchErrors> {
        let (_, claimed) = self.judge(mutations)?;
        self.give_back(claimed);
        Ok(())
    }

    fn judge(
        &mut self,
        mutations: Vec<EndpointMutation>,
    ) -> Result<(Vec<Judged>, Vec<ClaimedAddress>), BatchErrors> {
        let (mut judged, mut claimed) = (Vec::with_capacity(mutations.len()), Vec::new());
        let (mut taken, mut errors) = (Taken::default(), Vec::new());
        for (place, mutation) in mutations.into_iter().enumerate() {
            let one = match taken.places.insert(mutation.iccid, place) {
                Some(first) => Err(ChangeError::Repeated { first }),
                None => self.judge_one(mutation, &mut taken, &mut claimed),
            };
            match one {
                Ok(one) => judged.push(one),
                Err(error) => errors.push((place, error)),
            }
        }
        if errors.is_empty() {
            return Ok((judged, claimed));
        }
        self.give_back(claimed);
        Err(errors)
    }

    fn judge_one(
        &self,
        EndpointMutation { iccid, step, reason, expected }: EndpointMutation,
        taken: &mut Taken,
        claimed: &mut Vec<ClaimedAddress>,
    ) -> Result<Judged, ChangeError> {
        let known: Option<(Endpoint, Revision)> =
            self.aaa.tracker.read(iccid, |entry| (entry.endpoint.clone(), entry.stamp));
        demand(expected, known.as_ref().map(|(_, stamp)| *stamp))?;
        let next = match (step, &known) {
            (EndpointStep::Add(_), Some(_)) => return Err(ChangeError::Exists),
            (EndpointStep::Put(next) | EndpointStep::Add(next), _) => next,
            (EndpointStep::Activate(code, next), known) => {
                let sim = self.aaa.stock.matching(iccid, &code).ok_or(ChangeError::Activation)?;
                if known.is_some() {
                    return Err(ChangeError::Exists);
                }
                if sim.is_activated {
                    return Err(ChangeError::Activation);
                }
                let mut next = sim.imsis().fold(next, Endpoint::with_imsi);
                next.msisdn = sim.msisdn;
                next
            }
            (EndpointStep::Step(_) | EndpointStep::Remove, None) => {
                return Err(ChangeError::NotFound);
            }
            (EndpointStep::Remove, Some(_)) => return Ok(Judged::Remove(iccid)),
            (EndpointStep::Step(transition), Some((endpoint, stamp))) => {
                match after(endpoint, transition, &self.plan.catalog)? {
                    Some(next) => next,
                    None => {
                        return Ok(Judged::Unchanged(Changed {
                            kind: ChangeKind::Unchanged,
                            version: stamp.version,
                        }));
                    }
                }
            }
        };
        let known = known.map(|(endpoint, _)| endpoint);
        let next = self.with_history(known.as_ref(), next, reason);
        self.permit(known.as_ref(), &next)?;
        next.record_fits().map_err(ChangeError::TooLarge)?;
        self.take_names(iccid, &next, taken)?;
        let had = |vslice, ip| {
            known.as_ref().is_some_and(|known| self.plan.is_configured(known, vslice, ip))
        };
        for (vslice, ip) in self.plan.configured(&next).filter(|(vslice, ip)| !had(*vslice, *ip)) {
            let before = self.claim_address(iccid, vslice, ip)?;
            claimed.push(ClaimedAddress { vslice, ip, before });
        }
        Ok(Judged::Put(iccid, next))
    }

    /// When it was activated, and why it is in its state: whatever the change says of both.
    fn with_history(
        &self,
        known: Option<&Endpoint>,
        next: Endpoint,
        reason: Option<Box<str>>,
    ) -> Endpoint {
        use ProvisioningState::{Active, Pending};

        let mut history = known.map(|known| known.history().clone()).unwrap_or_default();
        let was = known.map(|known| known.state);
        if was != Some(next.state) {
            history.state_reason = reason;
        }
        match (was, next.state) {
            (None | Some(Pending), Active) => history.activated_at = Some(self.now),
            (_, Pending) => history.activated_at = None,
            _ => {}
        }
        next.with_history(history)
    }

    fn carry_out(&mut self, judged: Judged) -> Changed {
        match judged {
            Judged::Put(iccid, next) => self.put(iccid, next, Author::Person),
            Judged::Unchanged(changed) => changed,
            Judged::Remove(iccid) => self
                .remove(iccid, Some(Author::Person))
                .unwrap_or(Changed { kind: ChangeKind::Unchanged, version: 0 }),
        }
    }

    fn give_back(&self, claimed: Vec<ClaimedAddress>) {
        for ClaimedAddress { vslice, ip, before } in claimed.into_iter().rev() {
            self.plan.undo(vslice, ip, before);
        }
    }

    /// Names change hands only where the register is held, as it is here: what is free now is free
    /// until this batch is done.
    fn take_names(
        &self,
        iccid: Iccid,
        next: &Endpoint,
        taken: &mut Taken,
    ) -> Result<(), ChangeError> {
        let tracker = &self.aaa.tracker;
        for imsi in next.imsis() {
            let owner = tracker.resolve_imsi(imsi).or_else(|| taken.imsis.get(&imsi).copied());
            if let Some(owner) = owner.filter(|owner| *owner != iccid) {
                return Err(ChangeError::ImsiTaken { imsi, owner });
            }
            taken.imsis.insert(imsi, iccid);
        }
        if let Some(msisdn) = next.msisdn {
            let owner =
                tracker.resolve_msisdn(msisdn).or_else(|| taken.msisdns.get(&msisdn).copied());
            if let Some(owner) = owner.filter(|owner| *owner != iccid) {
                return Err(ChangeError::MsisdnTaken { msisdn, owner });
            }
            taken.msisdns.insert(msisdn, iccid);
        }
        Ok(())
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

    fn claim_address(
        &self,
        iccid: Iccid,
        vslice: VsliceId,
        ip: Address,
    ) -> Result<Before, ChangeError> {
        if !self.plan.offers(vslice, Allocation::Static, ip) {
            return Err(ChangeError::AddressOutside { ip });
        }
        self.plan.claim_undoably(vslice, ip, iccid, self.now).map_err(|error| match error {
            ClaimError::Leased | ClaimError::Held { .. } => {
                ChangeError::AddressTaken { ip, owner: self.plan.owner(vslice, ip) }
            }
            ClaimError::Outside | ClaimError::Reserved => ChangeError::AddressOutside { ip },
        })
    }
}

/// What an endpoint is after a step; `None`: what it is already.
fn after(
    endpoint: &Endpoint,
    transition: Transition,
    catalog: &Catalog,
) -> Result<Option<Endpoint>, ChangeError> {
    use ProvisioningState::{Active, Pending, Suspended, Terminated};

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
            if !(stays && gives) {
                next = next.without_configured_addresses();
            }
            next
        }
        Transition::Unassign | Transition::Terminate | Transition::Reinstate => {
            endpoint.in_groups(None, []).without_configured_addresses()
        }
        Transition::Suspend | Transition::Resume => endpoint.clone(),
    };
    next.state = state;
    Ok(Some(next))
}
