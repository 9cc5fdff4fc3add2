//! The inventory comes into force: checked against what is running, then applied object by object,
//! whole or not at all.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::{HashMap, HashSet};

use super::address_plan::AddressPlan;
use super::claims::{Claims, Losers};
use super::compare::{Comparing, Comparison, Fault, Found, line_of};
use super::provision::{Author, ChangeKind, Provisioner};
use super::{Aaa, Recorder, SIDE_BY_SIDE, StockAdoption};
use crate::identity::Iccid;
use crate::provisioning::{Authority, Endpoint, Inventory, InventoryProblem, ObjectName, Prune};
use crate::time::Timestamp;

/// What the adoption of an inventory changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoption {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
    /// Lines and sections that were applied.
    pub applied: usize,
    /// Endpoints that files made and the files no longer name; removed if that was asked for, else
    /// kept as they were.
    pub gone: Vec<Iccid>,
    pub pruned: bool,
    /// What was kept though the files do not have it, or lost what the files give to another.
    pub kept: Vec<InventoryProblem>,
    /// Objects that are other than the files have them, from now on.
    pub differing: usize,
    pub stock: StockAdoption,
}

/// Why an inventory that is right in itself does not fit what is running.
#[derive(Clone, PartialEq, Eq)]
pub struct Objection {
    /// Where it is written.
    pub file: PathBuf,
    pub line: Option<u32>,
    /// The endpoint that it is about; `None`: about all of them.
    pub iccid: Option<Iccid>,
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// More than this part of the fleet is not removed unless that is insisted on: one over it.
const FEW: usize = 10;

impl Aaa {
    /// Brings an inventory into force: what is new in it, or other than when it was last adopted.
    /// What the files no longer name is kept, unless `prune`.
    ///
    /// # Errors
    /// Everything that does not fit; then nothing has changed.
    pub fn adopt(
        &self,
        mut inventory: Inventory,
        prune: Prune,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<Adoption, Vec<Objection>> {
        let mut register = self.register.lock();
        let before = self.plan.load_full();
        let merged =
            before.catalog.merged(&inventory.catalog, self.settings.authority, prune, now.micros());
        refuse_missing(&inventory, &merged.missing)?;
        inventory.rename_groups(&merged.groups);
        let reinstated: HashSet<Iccid> = inventory.reinstated.iter().copied().collect();
        let comparing = Comparing {
            aaa: self,
            plan: &before,
            register: &register,
            catalog: &merged.catalog,
            reinstated: &reinstated,
        };
        let comparison = comparing.all(&inventory.endpoints);
        let unlisted = if comparison.known < self.tracker.len() {
            self.unlisted(&inventory.endpoints)
        } else {
            Unlisted::default()
        };
        let gone = unlisted.made_by_files;
        let pruned = if prune == Prune::No { &[][..] } else { &gone };
        let replaced = replaced(&inventory, &comparison, pruned);
        let losers = Losers {
            aaa: self,
            plan: &before,
            catalog: &merged.catalog,
            pruned,
            replaced: &replaced,
        };
        let faults = losers.faults(&inventory, &comparison);
        self.object(&inventory, comparison.problems.iter().chain(&faults), prune, gone.len())?;

        let after =
            Arc::new(AddressPlan::renewed(&before, merged.catalog, self.settings.hold_time));
        // Traffic goes on: what it has taken since the comparison is seen here, and what is claimed
        // here it does not take.
        match Claims::of(&after, &inventory, &comparison) {
            Ok(claims) => claims.keep(),
            Err(faults) => {
                // The subnets are shared: they are again what they were.
                drop(AddressPlan::renewed(
                    &before,
                    before.catalog.clone(),
                    self.settings.hold_time,
                ));
                self.object(&inventory, faults.iter(), Prune::No, 0)?;
            }
        }
        if register.fingerprint.take().is_some() {
            records.inventory(None);
        }
        merged.changed.iter().for_each(|object| records.object(object));
        // Before any record names a handle of them.
        records.hand_over();
        self.plan.store(Arc::clone(&after));
        self.events.demand.follow(&after.catalog);

        let mut adoption = Adoption {
            pruned: prune != Prune::No,
            kept: inventory.gone(&after.catalog),
            ..Adoption::default()
        };
        let mut provisioner =
            Provisioner { aaa: self, plan: &after, register: &mut register, now, records };
        if adoption.pruned {
            for iccid in &gone {
                provisioner.remove(*iccid, None);
                provisioner.records.wait_for_room();
            }
        }
        for (kept, index) in replaced {
            let (winner, next) = &inventory.endpoints[index];
            provisioner.strip(kept, next);
            adoption.kept.push(inventory.replaced(index, kept, *winner));
        }
        provisioner.forget_removed(&inventory.endpoints);
        adoption.unchanged = comparison.is_silent.iter().filter(|is_silent| **is_silent).count();
        let endpoints = std::mem::take(&mut inventory.endpoints);
        let speaking = endpoints
            .into_iter()
            .zip(comparison.is_silent)
            .filter_map(|(listed, is_silent)| (!is_silent).then_some(listed));
        provisioner.apply(speaking, &reinstated, &mut adoption);
        if let Some(listed) = &inventory.stock {
            adoption.stock = provisioner.adopt_stock(listed, prune);
        }

        adoption.applied =
            merged.applied + adoption.added + adoption.changed + adoption.stock.applied;
        self.gone.store(if adoption.pruned { 0 } else { gone.len() }, Ordering::Relaxed);
        adoption.gone = gone;
        adoption.differing = self.differing();
        // What is kept is told of at each start.
        let are_gone = adoption.gone.is_empty() && adoption.stock.gone == 0;
        let is_whole = adoption.kept.is_empty() && (are_gone || adoption.pruned);
        if let Some(fingerprint) = inventory.fingerprint.filter(|_| is_whole) {
            register.fingerprint = Some(fingerprint);
            records.inventory(Some(fingerprint));
        }
        Ok(adoption)
    }

    /// Known endpoints that are not among these.
    fn unlisted(&self, endpoints: &[(Iccid, Endpoint)]) -> Unlisted {
        let listed: HashSet<Iccid> = endpoints.iter().map(|(iccid, _)| *iccid).collect();
        let mut unlisted = Unlisted::default();
        self.tracker.for_each(|iccid, entry| {
            if !listed.contains(&iccid) && !entry.stamp.origin.is_by_person() {
                unlisted.made_by_files.push(iccid);
            }
        });
        unlisted.made_by_files.sort_unstable();
        unlisted
    }

    fn object<'f>(
        &self,
        inventory: &Inventory,
        faults: impl Iterator<Item = &'f Found<Fault>>,
        prune: Prune,
        gone: usize,
    ) -> Result<(), Vec<Objection>> {
        let of_line = |found: &Found<Fault>| {
            let (file, line) = inventory.place_of(found.index);
            let iccid = inventory.endpoints.get(found.index).map(|(iccid, _)| *iccid);
            Objection {
                file,
                line,
                iccid,
                what: found.what.what.clone(),
                remedy: found.what.remedy,
            }
        };
        let mut objections: Vec<Objection> = faults.map(of_line).collect();
        objections.sort_by_key(|objection| objection.line);
        let fleet = self.tracker.len();
        if prune == Prune::Yes
            && self.settings.authority == Authority::LastWriter
            && gone * FEW > fleet
        {
            objections.push(Objection {
                file: inventory.endpoint_file.clone(),
                line: None,
                iccid: None,
                what: format!("to prune would remove {gone} of {fleet} endpoints, more than a tenth of the fleet"),
                remedy: "complete the file, or insist with --prune=force",
            });
        }
        if objections.is_empty() { Ok(()) } else { Err(objections) }
    }
}

/// What sections that are applied refer to must be there.
fn refuse_missing(inventory: &Inventory, missing: &[ObjectName]) -> Result<(), Vec<Objection>> {
    let named = inventory.elsewhere.iter().filter(|named| missing.contains(&named.object));
    let objections: Vec<Objection> = named
        .map(|named| Objection {
            file: inventory.file.clone(),
            line: Some(named.line),
            iccid: None,
            what: named.what(),
            remedy: named.remedy(),
        })
        .collect();
    if objections.is_empty() { Ok(()) } else { Err(objections) }
}

#[derive(Default)]
struct Unlisted {
    /// In the order of their ICCIDs.
    made_by_files: Vec<Iccid>,
}

/// Endpoints that lose names to a line of the files, and the place of that line; each pair once.
/// Those whose own lines are applied have new names then, and those that are pruned need none.
fn replaced(
    inventory: &Inventory,
    comparison: &Comparison,
    pruned: &[Iccid],
) -> Vec<(Iccid, usize)> {
    if comparison.contests.is_empty() {
        return Vec::new();
    }
    let owners: HashSet<Iccid> = comparison.contests.iter().map(|contest| contest.what).collect();
    let listed = inventory
        .endpoints
        .iter()
        .zip(&comparison.is_silent)
        .filter(|((iccid, _), _)| owners.contains(iccid));
    let speaks: HashMap<Iccid, bool> =
        listed.map(|((iccid, _), is_silent)| (*iccid, !is_silent)).collect();
    let loses = |owner: &Iccid| {
        !speaks.get(owner).copied().unwrap_or_default() && pruned.binary_search(owner).is_err()
    };
    let mut replaced: Vec<_> = comparison
        .contests
        .iter()
        .filter(|contest| loses(&contest.what))
        .map(|contest| (contest.what, contest.index))
        .collect();
    replaced.sort_unstable();
    replaced.dedup();
    replaced
}

impl<R: Recorder> Provisioner<'_, R> {
    /// Puts one endpoint after the other, so that the memory of several can be asked for at once.
    fn apply(
        &mut self,
        mut listed: impl Iterator<Item = (Iccid, Endpoint)>,
        reinstated: &HashSet<Iccid>,
        adoption: &mut Adoption,
    ) {
        let mut some = Vec::with_capacity(SIDE_BY_SIDE);
        loop {
            some.extend(listed.by_ref().take(SIDE_BY_SIDE));
            if some.is_empty() {
                break;
            }
            self.aaa.prefetch_iccids(some.iter().map(|(iccid, _)| *iccid));
            let imsis = some.iter().flat_map(|(_, next): &(Iccid, Endpoint)| next.imsis());
            self.aaa.prefetch_index(imsis, some.iter().filter_map(|(_, next)| next.msisdn));
            for (iccid, next) in some.drain(..) {
                let line = line_of(iccid, &next, &self.plan.catalog, reinstated);
                match self.put(iccid, next, Author::Line(line)).kind {
                    ChangeKind::Added => adoption.added += 1,
                    ChangeKind::Changed => adoption.changed += 1,
                    ChangeKind::Unchanged | ChangeKind::Removed => adoption.unchanged += 1,
                }
            }
            self.records.wait_for_room();
        }
    }

    /// What a person removed, and the files do not have any more either, may come back by any line.
    fn forget_removed(&mut self, listed: &[(Iccid, Endpoint)]) {
        if self.register.removed_by_persons() == 0 {
            return;
        }
        let listed: HashSet<Iccid> = listed.iter().map(|(iccid, _)| *iccid).collect();
        for (iccid, stamp) in self.register.forget_lines(|iccid| !listed.contains(&iccid)) {
            self.aaa.count_differing(true, false);
            self.records.provisioned(iccid, stamp, None);
        }
    }
}

impl Inventory {
    /// The warning that a line has taken names of another endpoint.
    fn replaced(&self, index: usize, kept: Iccid, winner: Iccid) -> InventoryProblem {
        let (file, line) = self.place_of(index);
        InventoryProblem {
            file,
            line,
            what: format!(
                "endpoint {winner} has taken names of {kept}, which is kept without them; its sessions have ended"
            ),
            remedy: "remove the other with --prune if its SIM was replaced".to_owned(),
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.as_os_str().is_empty() {
            write!(f, "{}", self.file.display())?;
            self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
            f.write_str(": ")?;
        }
        if let Some(iccid) = self.iccid {
            write!(f, "endpoint {iccid}: ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl fmt::Debug for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.iccid, self.what)
    }
}
