//! The configured addresses of an inventory: judged by what everybody has after the whole change,
//! and claimed before any of it is in force.

use foldhash::{HashMap, HashSet};

use super::address_plan::AddressPlan;
use super::compare::{Comparison, Contested, Fault, Found};
use super::{Aaa, EndpointEntry};
use crate::address::Address;
use crate::identity::{Iccid, VsliceId};
use crate::pool::Before;
use crate::provisioning::{Catalog, Endpoint, Inventory, ProvisioningState};

/// Who loses what in an adoption.
pub(super) struct Losers<'a> {
    pub(super) aaa: &'a Aaa,
    pub(super) plan: &'a AddressPlan,
    /// The one that comes into force.
    pub(super) catalog: &'a Catalog,
    /// In order.
    pub(super) pruned: &'a [Iccid],
    /// Endpoints that lose their names, and the place of the line that takes them.
    pub(super) replaced: &'a [(Iccid, usize)],
}

impl Losers<'_> {
    /// The contested addresses that nobody gives up.
    pub(super) fn faults(
        &self,
        inventory: &Inventory,
        comparison: &Comparison,
    ) -> Vec<Found<Fault>> {
        if comparison.addresses.is_empty() {
            return Vec::new();
        }
        let owners: HashSet<Iccid> =
            comparison.addresses.iter().map(|found| found.what.owner).collect();
        let listed = inventory.endpoints.iter().zip(&comparison.is_silent);
        let speaking =
            listed.filter(|((iccid, _), is_silent)| !**is_silent && owners.contains(iccid));
        let next: HashMap<Iccid, &Endpoint> =
            speaking.map(|((iccid, next), _)| (*iccid, next)).collect();
        let is_refused = |index| comparison.problems.iter().any(|problem| problem.index == index);
        let kept = comparison.addresses.iter().filter(|found| {
            !is_refused(found.index) && !self.gives_up(found, next.get(&found.what.owner).copied())
        });
        kept.map(|found| Found {
            index: found.index,
            what: fault(found.what.ip, Some(found.what.owner)),
        })
        .collect()
    }

    /// Whether the owner has the address no more when all lines are applied, or only as long as its
    /// session lasts. `next`: what its own line says, if that is applied.
    fn gives_up(&self, found: &Found<Contested>, next: Option<&Endpoint>) -> bool {
        let Contested { vslice, ip, owner } = found.what;
        if self.pruned.binary_search(&owner).is_ok()
            || self.replaced.contains(&(owner, found.index))
        {
            return true;
        }
        let is_configured =
            |entry: &EndpointEntry| self.plan.is_configured(&entry.endpoint, vslice, ip);
        let Some(is_configured) = self.aaa.tracker.read(owner, is_configured) else { return true };
        let leaves = |next: &Endpoint| {
            let is_assigned =
                matches!(next.state, ProvisioningState::Active | ProvisioningState::Suspended);
            !(is_assigned
                && next.groups().any(|group| {
                    self.catalog.group(group).is_some_and(|group| group.vslice == vslice)
                }))
        };
        next.is_some_and(|next| is_configured || leaves(next))
    }
}

fn fault(ip: Address, owner: Option<Iccid>) -> Fault {
    let whose = owner.map_or_else(String::new, |owner| format!(" ({owner})"));
    Fault {
        what: format!("its address {ip} is another endpoint's{whose}"),
        remedy: "choose a free address, or take it away from the other",
    }
}

/// Addresses claimed for endpoints whose lines are not applied yet; given back when this is
/// dropped, unless they are kept.
pub(super) struct Claims<'a> {
    plan: &'a AddressPlan,
    taken: Vec<(VsliceId, Address, Before)>,
    awaited: Vec<(VsliceId, Address, Iccid)>,
}

impl<'a> Claims<'a> {
    /// Claims the address of every line that is applied. An address that its owner gives up is
    /// awaited.
    ///
    /// # Errors
    /// The addresses that traffic has taken since they were compared; then none is claimed.
    pub(super) fn of(
        plan: &'a AddressPlan,
        inventory: &Inventory,
        comparison: &Comparison,
    ) -> Result<Self, Vec<Found<Fault>>> {
        let given_up: HashSet<(VsliceId, Address)> =
            comparison.addresses.iter().map(|found| (found.what.vslice, found.what.ip)).collect();
        let mut claims = Self { plan, taken: Vec::new(), awaited: Vec::new() };
        let mut faults = Vec::new();
        for (index, ((iccid, next), is_silent)) in
            inventory.endpoints.iter().zip(&comparison.is_silent).enumerate()
        {
            for (vslice, ip) in plan.configured(next).filter(|_| !is_silent) {
                match plan.configure(vslice, ip, *iccid) {
                    Ok(Before::Own) => {}
                    Ok(before) => claims.taken.push((vslice, ip, before)),
                    Err(_) if given_up.contains(&(vslice, ip)) => {
                        plan.await_release(vslice, ip, *iccid);
                        claims.awaited.push((vslice, ip, *iccid));
                    }
                    Err(_) => faults.push(Found { index, what: fault(ip, plan.owner(vslice, ip)) }),
                }
            }
        }
        if faults.is_empty() { Ok(claims) } else { Err(faults) }
    }

    pub(super) fn keep(mut self) {
        self.taken.clear();
        self.awaited.clear();
    }
}

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        for (vslice, ip, before) in self.taken.drain(..) {
            self.plan.undo(vslice, ip, before);
        }
        for (vslice, ip, iccid) in self.awaited.drain(..) {
            self.plan.await_no_longer(vslice, ip, iccid);
        }
    }
}
