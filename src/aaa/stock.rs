//! The stock: SIMs that are listed, activated and removed. It changes where all that is provisioned
//! changes, under the register; activating one makes an endpoint.

use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::HashSet;
use parking_lot::Mutex;

use super::provision::Provisioner;
use super::unknown_attempts::UnknownAttempts;
use super::{Aaa, ChangeError, Recorder, RejectReason, Subject};
use crate::identity::{Iccid, Imsi, Msisdn};
use crate::provisioning::{
    Authority, CodeHash, LineHash, ListedSim, Origin, Prune, Revision, StockEntry, StockKey,
    StockSim, StockTable,
};
use crate::time::Timestamp;

/// All about the stock.
#[derive(Debug, Default)]
pub(super) struct Stock {
    key: StockKey,
    sims: Mutex<StockSims>,
    /// Whether there was ever a SIM in it, which workers ask without the lock.
    is_in_use: AtomicBool,
    pub(super) attempts: UnknownAttempts,
}

#[derive(Debug, Default)]
struct StockSims {
    table: StockTable,
    /// The highest version that any SIM ever had: the next one is above it, whatever the clock
    /// says.
    highest: u64,
}

/// What a file has changed in the stock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockAdoption {
    /// SIMs that are new, or whose line has changed.
    pub applied: usize,
    /// Made by a file, and named by it no more; removed if that was asked for.
    pub gone: usize,
}

impl Stock {
    /// The SIM that a code belongs to, whether it was activated or not.
    pub(super) fn matching(&self, iccid: Iccid, code: &CodeHash) -> Option<StockSim> {
        let known = self.sims.lock().table.get(iccid);
        // Computed whether the ICCID is known or not: the time tells nobody.
        let digest = self.key.digest(iccid, code);
        known.map(|entry| entry.sim).filter(|sim| sim.code == digest)
    }

    fn put(&self, iccid: Iccid, sim: StockSim, origin: Origin, now: Timestamp) -> StockEntry {
        let mut sims = self.sims.lock();
        let before = Revision { version: sims.highest, origin };
        let entry = StockEntry { sim, stamp: before.next(now.micros(), origin) };
        sims.highest = entry.stamp.version;
        sims.table.put(iccid, &entry);
        self.is_in_use.store(true, Ordering::Relaxed);
        entry
    }

    fn remove(&self, iccid: Iccid, now: Timestamp) -> Option<Revision> {
        let mut sims = self.sims.lock();
        let entry = sims.table.get(iccid).filter(|entry| !entry.sim.is_activated)?;
        sims.table.remove(iccid);
        let before = Revision { version: sims.highest, origin: entry.stamp.origin };
        let stamp = before.next(now.micros(), Origin::default());
        sims.highest = stamp.version;
        Some(stamp)
    }

    /// A record of the journal; the newest version wins.
    pub(super) fn recover(&mut self, iccid: Iccid, version: u64, entry: Option<&StockEntry>) {
        let StockSims { table, highest } = self.sims.get_mut();
        *highest = (*highest).max(version);
        if table.get(iccid).is_some_and(|known| known.stamp.version > version) {
            return;
        }
        match entry {
            Some(entry) => {
                table.put(iccid, entry);
                self.is_in_use.store(true, Ordering::Relaxed);
            }
            None => _ = table.remove(iccid),
        }
    }
}

impl Aaa {
    /// Keeps activation codes under this key from now on.
    #[must_use]
    pub fn with_stock_key(mut self, key: StockKey) -> Self {
        self.stock.key = key;
        self
    }

    /// How many SIMs wait for their activation.
    #[must_use]
    pub fn stock_len(&self) -> usize {
        self.stock.sims.lock().table.len()
    }

    /// A SIM that waits for its activation.
    #[must_use]
    pub fn stock_sim(&self, iccid: Iccid) -> Option<StockEntry> {
        let known = self.stock.sims.lock().table.get(iccid);
        known.filter(|entry| !entry.sim.is_activated)
    }

    /// Some SIMs behind one, activated ones, too, in an order that stays while others come and go.
    #[must_use]
    pub fn stock_behind(&self, last: Option<Iccid>, most: usize) -> Vec<(Iccid, StockEntry)> {
        self.stock.sims.lock().table.behind(last).take(most).collect()
    }

    /// When a SIM last asked for access in vain, if that was not long ago.
    #[must_use]
    pub fn last_attempt(&self, iccid: Iccid, sim: &StockSim) -> Option<Timestamp> {
        self.stock.attempts.last(iccid, sim.imsis(), sim.msisdn)
    }

    /// Whether a code belongs to a SIM of the stock that may be activated with it.
    #[must_use]
    pub fn is_code_of(&self, iccid: Iccid, code: &CodeHash) -> bool {
        self.stock.matching(iccid, code).is_some()
    }

    /// Puts SIMs into the stock, in the place of those that are there: all or none.
    ///
    /// # Errors
    /// Everything that stands against it, each with its place.
    pub fn stock_up(
        &self,
        listed: &[ListedSim],
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<(), Vec<(usize, ChangeError)>> {
        self.provision(now, records, |provisioner| provisioner.stock_up(listed))
    }

    /// Takes a SIM out of the stock.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove_from_stock(
        &self,
        iccid: Iccid,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<(), ChangeError> {
        self.provision(now, records, |provisioner| provisioner.remove_from_stock(iccid))
    }

    /// Somebody is refused: if nobody knows him, it may be a SIM of the stock that knocks.
    pub(super) fn note_refused(&self, subject: &Subject<'_>, why: RejectReason, now: Timestamp) {
        if why != RejectReason::EndpointUnknown || !self.stock.is_in_use.load(Ordering::Relaxed) {
            return;
        }
        let iccid = subject.iccid.and_then(|text| Iccid::parse(text).ok());
        let imsi = subject.imsi.and_then(|text| Imsi::parse(text).ok());
        let name = subject.user_name.and_then(|text| Imsi::parse(text).ok());
        let msisdn = subject.calling_station_id.and_then(|text| Msisdn::parse(text).ok());
        self.stock.attempts.note(iccid, imsi.or(name), msisdn, now);
    }
}

impl<R: Recorder> Provisioner<'_, R> {
    fn stock_up(&mut self, listed: &[ListedSim]) -> Result<(), Vec<(usize, ChangeError)>> {
        let errors: Vec<_> = listed
            .iter()
            .enumerate()
            .filter_map(|(place, sim)| self.judge_sim(sim).err().map(|error| (place, error)))
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        for listed in listed {
            let sim = StockSim::new(listed, &self.aaa.stock.key);
            let known = self.aaa.stock.sims.lock().table.get(listed.iccid);
            let origin = known
                .map_or(Origin::PERSON, |known| known.stamp.origin.changed(LineHash::of_sim(&sim)));
            self.put_sim(listed.iccid, sim, origin);
        }
        Ok(())
    }

    fn judge_sim(&self, sim: &ListedSim) -> Result<(), ChangeError> {
        let tracker = &self.aaa.tracker;
        if tracker.read(sim.iccid, |_| ()).is_some() {
            return Err(ChangeError::Exists);
        }
        for imsi in &sim.imsis {
            if let Some(owner) = tracker.resolve_imsi(*imsi) {
                return Err(ChangeError::ImsiTaken { imsi: *imsi, owner });
            }
        }
        if let Some((msisdn, owner)) =
            sim.msisdn.and_then(|msisdn| Some((msisdn, tracker.resolve_msisdn(msisdn)?)))
        {
            return Err(ChangeError::MsisdnTaken { msisdn, owner });
        }
        Ok(())
    }

    fn remove_from_stock(&mut self, iccid: Iccid) -> Result<(), ChangeError> {
        let stamp = self.aaa.stock.remove(iccid, self.now).ok_or(ChangeError::NotFound)?;
        self.records.stock(iccid, stamp.version, None);
        Ok(())
    }

    fn put_sim(&mut self, iccid: Iccid, sim: StockSim, origin: Origin) {
        let entry = self.aaa.stock.put(iccid, sim, origin, self.now);
        self.records.stock(iccid, entry.stamp.version, Some(&entry));
    }

    /// An endpoint of this ICCID was made: its SIM is in the stock no more, and its code is void.
    pub(super) fn leave_stock(&mut self, iccid: Iccid) {
        let known = self.aaa.stock.sims.lock().table.get(iccid);
        if let Some(known) = known.filter(|known| !known.sim.is_activated) {
            let sim = StockSim { is_activated: true, ..known.sim };
            self.put_sim(iccid, sim, known.stamp.origin);
        }
    }

    /// Takes in what a file lists. What is an endpoint is no stock any more, and a code that was
    /// used does not come back with its line.
    pub(super) fn adopt_stock(&mut self, listed: &[ListedSim], prune: Prune) -> StockAdoption {
        const ROOM: usize = 1024;
        let mut adoption = StockAdoption::default();
        let is_file_law = self.aaa.settings.authority == Authority::Files;
        for (number, listed) in listed.iter().enumerate() {
            let iccid = listed.iccid;
            let sim = StockSim::new(listed, &self.aaa.stock.key);
            let line = LineHash::of_sim(&sim);
            let known = self.aaa.stock.sims.lock().table.get(iccid);
            let is_silent = known.as_ref().is_some_and(|known| {
                known.stamp.origin.line() == Some(line) && !(is_file_law && known.sim != sim)
            });
            let is_endpoint = || self.aaa.tracker.read(iccid, |_| ()).is_some();
            if is_silent || is_endpoint() {
                continue;
            }
            let origin = known.map_or(Origin::file(line), |known| known.stamp.origin.adopted(line));
            self.put_sim(iccid, sim, origin);
            adoption.applied += 1;
            if number % ROOM == ROOM - 1 {
                self.records.wait_for_room();
            }
        }
        let gone = self.gone_from_stock(listed);
        adoption.gone = gone.len();
        if prune != Prune::No {
            for iccid in gone {
                // It was there a moment ago, under the same register.
                let _ = self.remove_from_stock(iccid);
                self.records.wait_for_room();
            }
        }
        adoption
    }

    /// SIMs that a file made and the file names no more.
    fn gone_from_stock(&self, listed: &[ListedSim]) -> Vec<Iccid> {
        let sims = self.aaa.stock.sims.lock();
        if sims.table.is_empty() {
            return Vec::new();
        }
        let listed: HashSet<Iccid> = listed.iter().map(|sim| sim.iccid).collect();
        let is_gone = |(iccid, entry): &(Iccid, StockEntry)| {
            let origin = entry.stamp.origin;
            !entry.sim.is_activated && !origin.is_by_person() && !listed.contains(iccid)
        };
        sims.table.behind(None).filter(is_gone).map(|(iccid, _)| iccid).collect()
    }
}
