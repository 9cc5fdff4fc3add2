//! An inventory held against what is known: what has to be done about each endpoint, and whether it can be.

use std::net::Ipv4Addr;

use foldhash::HashSet;

use super::plan::Plan;
use super::sharing::share_out;
use super::{Aaa, Entry, Objection, SIDE_BY_SIDE};
use crate::identity::{Iccid, VsliceId};
use crate::provisioning::{Catalog, Endpoint};

impl Aaa {
    /// Holds an inventory against what is known: what has to be done, and whether it can be.
    pub(super) fn compare(
        &self,
        plan: &Plan,
        catalog: &Catalog,
        endpoints: &[(Iccid, Endpoint)],
        reinstated: &[Iccid],
    ) -> Result<Comparison, Vec<Objection>> {
        let reinstated = reinstated.iter().copied().collect();
        // A group that has moved into another VSlice moves its endpoints, though nothing is said of them.
        let comparing = Comparing { aaa: self, plan, catalog, may_be_same: plan.catalog == *catalog, reinstated };
        let mut comparison = Comparison { known: 0, is_same: Vec::with_capacity(endpoints.len()), objections: Vec::new() };
        for part in share_out(endpoints, |some| comparing.compare(some)) {
            comparison.known += part.known;
            comparison.is_same.extend(part.is_same);
            comparison.objections.extend(part.objections);
        }
        if comparison.objections.is_empty() { Ok(comparison) } else { Err(comparison.objections) }
    }
}

/// What an inventory is to what is known.
pub(super) struct Comparison {
    /// How many of its endpoints are known.
    pub(super) known: usize,
    /// Of each endpoint, in the order of the inventory: nothing has to be done about it.
    pub(super) is_same: Vec<bool>,
    /// In that order, too.
    objections: Vec<Objection>,
}

/// One comparison at work.
struct Comparing<'a> {
    aaa: &'a Aaa,
    plan: &'a Plan,
    /// The one that comes into force.
    catalog: &'a Catalog,
    may_be_same: bool,
    reinstated: HashSet<Iccid>,
}

impl Comparing<'_> {
    fn compare(&self, endpoints: &[(Iccid, Endpoint)]) -> Comparison {
        let mut comparison = Comparison { known: 0, is_same: Vec::with_capacity(endpoints.len()), objections: Vec::new() };
        for some in endpoints.chunks(SIDE_BY_SIDE) {
            self.aaa.foresee_iccids(some.iter().map(|(iccid, _)| *iccid));
            for (iccid, endpoint) in some {
                let known = self.aaa.tracker.read(*iccid, |entry| {
                    let is_same = self.may_be_same && entry.endpoint == *endpoint;
                    (is_same, (!is_same).then(|| entry.clone()))
                });
                comparison.known += usize::from(known.is_some());
                let (is_same, known) = known.unwrap_or_default();
                comparison.is_same.push(is_same);
                if !is_same {
                    let is_reinstated = self.reinstated.contains(iccid);
                    let standing = Standing { plan: self.plan, catalog: self.catalog, known: known.as_ref(), is_reinstated };
                    comparison.objections.extend(standing.objections(*iccid, endpoint));
                }
            }
        }
        comparison
    }
}

/// Where an endpoint stands before an inventory changes it.
struct Standing<'a> {
    plan: &'a Plan,
    /// The one that comes into force.
    catalog: &'a Catalog,
    known: Option<&'a Entry>,
    is_reinstated: bool,
}

impl Standing<'_> {
    /// Why it cannot become `next`.
    fn objections(&self, iccid: Iccid, next: &Endpoint) -> impl Iterator<Item = Objection> + use<> {
        let object = |what: String, remedy| Objection { iccid, what, remedy };
        let refused = self.known.and_then(|entry| entry.endpoint.state.imported(next.state, self.is_reinstated).err());
        let refused = refused.map(|refused| object(refused.to_string(), "write the state `reinstated` to bring it back as pending"));
        let taken = self.wanted(next).filter(|(vslice, ip)| self.plan.owner(*vslice, *ip).is_some_and(|owner| owner != iccid));
        let taken = taken.map(|(_, ip)| {
            let what = format!("its address {ip} is another endpoint's");
            object(what, "choose a free address, or take it away first and load again")
        });
        refused.into_iter().chain(taken)
    }

    fn wanted(&self, next: &Endpoint) -> Option<(VsliceId, Ipv4Addr)> {
        Some((self.catalog.group(next.group?)?.vslice, next.static_ip?))
    }
}
