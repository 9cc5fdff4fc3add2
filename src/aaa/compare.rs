//! An inventory held against what is known: what has to be done about each endpoint, and whether it
//! can be.

use foldhash::HashSet;

use super::address_plan::AddressPlan;
use super::parallel::parallel_chunks;
use super::register::Register;
use super::{Aaa, SIDE_BY_SIDE};
use crate::address::Address;
use crate::identity::{Iccid, VsliceId};
use crate::provisioning::{Authority, Catalog, Endpoint, Group, LineHash, ProvisioningState};

/// What is compared, and with what.
#[derive(Clone, Copy)]
pub(super) struct Comparing<'a> {
    pub(super) aaa: &'a Aaa,
    pub(super) plan: &'a AddressPlan,
    pub(super) register: &'a Register,
    /// The one that comes into force.
    pub(super) catalog: &'a Catalog,
    pub(super) reinstated: &'a HashSet<Iccid>,
}

/// What an inventory is to what is known.
#[derive(Default)]
pub(super) struct Comparison {
    /// How many of its endpoints are known.
    pub(super) known: usize,
    /// Of each endpoint, in the order of the inventory: its line has nothing new to say.
    pub(super) is_silent: Vec<bool>,
    /// What stands against it, in that order, too.
    pub(super) problems: Vec<Found<Fault>>,
    /// Names that another endpoint has at present.
    pub(super) contests: Vec<Found<Iccid>>,
    /// Configured addresses that another endpoint has at present.
    pub(super) addresses: Vec<Found<Contested>>,
}

/// Something about the endpoint at a place of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<T> {
    pub(super) index: usize,
    pub(super) what: T,
}

/// A configured address, and whose it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contested {
    pub(super) vslice: VsliceId,
    pub(super) ip: Address,
    pub(super) owner: Iccid,
}

/// Why an endpoint cannot become what its line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

impl Comparing<'_> {
    /// Every endpoint of an inventory, on all cores.
    pub(super) fn all(self, endpoints: &[(Iccid, Endpoint)]) -> Comparison {
        let mut comparison =
            Comparison { is_silent: Vec::with_capacity(endpoints.len()), ..Comparison::default() };
        for part in parallel_chunks(endpoints, |some| self.some(some)) {
            let before = comparison.is_silent.len();
            comparison.known += part.known;
            comparison.is_silent.extend(part.is_silent);
            comparison.problems.extend(
                part.problems
                    .into_iter()
                    .map(|found| Found { index: before + found.index, ..found }),
            );
            comparison.contests.extend(
                part.contests
                    .into_iter()
                    .map(|found| Found { index: before + found.index, ..found }),
            );
            comparison.addresses.extend(
                part.addresses
                    .into_iter()
                    .map(|found| Found { index: before + found.index, ..found }),
            );
        }
        comparison
    }

    fn some(self, endpoints: &[(Iccid, Endpoint)]) -> Comparison {
        let mut comparison =
            Comparison { is_silent: Vec::with_capacity(endpoints.len()), ..Comparison::default() };
        for (some, from) in endpoints.chunks(SIDE_BY_SIDE).zip((0..).step_by(SIDE_BY_SIDE)) {
            self.aaa.prefetch_iccids(some.iter().map(|(iccid, _)| *iccid));
            for ((iccid, next), index) in some.iter().zip(from..) {
                self.one(*iccid, next, index, &mut comparison);
            }
        }
        comparison
    }

    fn one(self, iccid: Iccid, next: &Endpoint, index: usize, comparison: &mut Comparison) {
        let line = line_of(iccid, next, self.catalog, self.reinstated);
        let known = self.aaa.tracker.read(iccid, |entry| {
            let is_silent = self.is_silent(
                entry.stamp.origin.line(),
                line,
                entry.endpoint.is_written_like(next),
            );
            (is_silent, (!is_silent).then_some(entry.endpoint.state))
        });
        comparison.known += usize::from(known.is_some());
        let (is_silent, known) = known.unwrap_or_else(|| {
            (self.is_silent(self.register.removed_line(iccid), line, false), None)
        });
        comparison.is_silent.push(is_silent);
        if is_silent {
            return;
        }
        comparison.contests.extend(self.contests(iccid, next).map(|what| Found { index, what }));
        comparison
            .addresses
            .extend(self.contested_addresses(iccid, next).map(|what| Found { index, what }));
        let faults = self.faults(iccid, known, next);
        comparison.problems.extend(faults.map(|what| Found { index, what }));
    }

    /// `remembered`: what the line said when it was last adopted; `None`: no line was, or nothing
    /// is known of the endpoint.
    fn is_silent(self, remembered: Option<LineHash>, line: LineHash, is_same: bool) -> bool {
        remembered == Some(line)
            && (is_same || self.aaa.settings.authority == Authority::LastWriter)
    }

    /// Who else has its names at present. In a first inventory nobody has.
    fn contests(self, iccid: Iccid, next: &Endpoint) -> impl Iterator<Item = Iccid> {
        let tracker = &self.aaa.tracker;
        let is_first = self.plan.catalog.places::<Group>() == 0;
        let imsis =
            next.imsis().filter(move |_| !is_first).filter_map(|imsi| tracker.resolve_imsi(imsi));
        let msisdn =
            next.msisdn.filter(|_| !is_first).and_then(|msisdn| tracker.resolve_msisdn(msisdn));
        imsis.chain(msisdn).filter(move |owner| *owner != iccid)
    }

    /// Whose its configured addresses are at present, where they are another's. Whether that one
    /// gives them up is seen when all lines are known.
    fn contested_addresses(self, iccid: Iccid, next: &Endpoint) -> impl Iterator<Item = Contested> {
        let vslice = next
            .group
            .filter(|_| next.state != ProvisioningState::Terminated)
            .and_then(|group| self.catalog.group(group))
            .map(|group| group.vslice);
        let configured = vslice
            .into_iter()
            .flat_map(|vslice| next.configured_addresses().map(move |ip| (vslice, ip)));
        configured.filter_map(move |(vslice, ip)| {
            let owner = self.plan.owner(vslice, ip).filter(|owner| *owner != iccid)?;
            Some(Contested { vslice, ip, owner })
        })
    }

    /// Why an endpoint of that state cannot become `next`.
    fn faults(
        self,
        iccid: Iccid,
        known: Option<ProvisioningState>,
        next: &Endpoint,
    ) -> impl Iterator<Item = Fault> + use<> {
        let refused = known
            .and_then(|state| state.imported(next.state, self.reinstated.contains(&iccid)).err());
        let refused = refused.map(|refused| Fault {
            what: refused.to_string(),
            remedy: "write the state `reinstated` to bring it back as pending",
        });
        let removed =
            next.groups().find(|group| self.catalog.group(*group).is_none()).map(|_| Fault {
                what: "a group of it was removed since the files were adopted".to_owned(),
                remedy: "name another group, or edit the section of the group to bring it back",
            });
        refused.into_iter().chain(removed)
    }
}

/// The hash of an endpoint's line.
pub(super) fn line_of(
    iccid: Iccid,
    next: &Endpoint,
    catalog: &Catalog,
    reinstated: &HashSet<Iccid>,
) -> LineHash {
    let line = LineHash::of_endpoint(next, catalog);
    if reinstated.contains(&iccid) { line.reinstated() } else { line }
}
