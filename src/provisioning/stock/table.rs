//! The SIMs of the stock by ICCID: sorted rows in many short runs, 56 octets a SIM and no pointer.

use std::cmp::Ordering;

use foldhash::HashMap;

use super::{CodeDigest, StockEntry, StockSim};
use crate::identity::{Iccid, Imsi, Msisdn};
use crate::provisioning::{Origin, Revision};

/// Runs, by hash. At ten million SIMs a run has about 600 rows: moved in a microsecond when one
/// comes in between.
pub(super) const RUNS: usize = 1 << 14;

/// A SIM, packed.
#[derive(Clone, Copy)]
struct Row {
    iccid: u64,
    /// Zero: none. Never a packed identity.
    imsi: u64,
    msisdn: u64,
    code: [u8; 16],
    /// The version above the bit that says whether it was activated.
    version: u64,
    origin: u64,
}

/// All SIMs of the stock.
#[derive(Default)]
pub struct StockTable {
    runs: Box<[Vec<Row>]>,
    /// Few SIMs have more than one.
    further_imsis: HashMap<u64, Box<[Imsi]>>,
    /// SIMs that were not activated.
    idle: usize,
}

impl std::fmt::Debug for StockTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StockTable({} idle)", self.idle)
    }
}

impl StockTable {
    /// SIMs that wait for their activation.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.idle
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.idle == 0
    }

    #[must_use]
    pub fn get(&self, iccid: Iccid) -> Option<StockEntry> {
        let run = self.runs.get(run_of(iccid.raw()))?;
        let at = run.binary_search_by(|row| row.iccid.cmp(&iccid.raw())).ok()?;
        run.get(at).map(|row| self.unpack(row))
    }

    /// Puts a SIM, in the place of what was there.
    pub fn put(&mut self, iccid: Iccid, entry: &StockEntry) {
        if self.runs.is_empty() {
            self.runs = vec![Vec::new(); RUNS].into_boxed_slice();
        }
        let row = pack(iccid, entry);
        if entry.sim.further_imsis.is_empty() {
            self.further_imsis.remove(&row.iccid);
        } else {
            self.further_imsis.insert(row.iccid, entry.sim.further_imsis.clone());
        }
        let run = &mut self.runs[run_of(row.iccid)];
        match run.binary_search_by(|other| other.iccid.cmp(&row.iccid)) {
            Ok(at) => {
                self.idle -= usize::from(!run[at].is_activated());
                run[at] = row;
            }
            Err(at) => {
                if run.len() == run.capacity() {
                    // Doubled, a quarter of the memory would lie idle.
                    run.reserve_exact(1 + run.len() / 16);
                }
                run.insert(at, row);
            }
        }
        self.idle += usize::from(!row.is_activated());
    }

    pub fn remove(&mut self, iccid: Iccid) -> Option<StockEntry> {
        let run = self.runs.get_mut(run_of(iccid.raw()))?;
        let at = run.binary_search_by(|row| row.iccid.cmp(&iccid.raw())).ok()?;
        let row = run.remove(at);
        self.idle -= usize::from(!row.is_activated());
        let entry = self.unpack(&row);
        self.further_imsis.remove(&row.iccid);
        Some(entry)
    }

    /// All, in an order that stays the same while others come and go, from behind one on.
    pub fn behind(&self, last: Option<Iccid>) -> impl Iterator<Item = (Iccid, StockEntry)> {
        let last = last.map(Iccid::raw);
        let first = last.map_or(0, run_of);
        let runs = self.runs.iter().enumerate().skip(first);
        runs.flat_map(move |(number, run)| {
            let begin = match last.filter(|_| number == first) {
                Some(last) => run.partition_point(|row| row.iccid.cmp(&last) != Ordering::Greater),
                None => 0,
            };
            run.get(begin..).unwrap_or_default()
        })
        .filter_map(|row| Some((Iccid::from_raw(row.iccid)?, self.unpack(row))))
    }

    fn unpack(&self, row: &Row) -> StockEntry {
        let further = self.further_imsis.get(&row.iccid).cloned();
        StockEntry {
            sim: StockSim {
                imsi: Imsi::from_raw(row.imsi),
                further_imsis: further.unwrap_or_default(),
                msisdn: Msisdn::from_raw(row.msisdn),
                code: CodeDigest(row.code),
                is_activated: row.is_activated(),
            },
            stamp: Revision { version: row.version >> 1, origin: Origin::from_bits(row.origin) },
        }
    }
}

impl Row {
    const fn is_activated(&self) -> bool {
        self.version & 1 == 1
    }
}

fn pack(iccid: Iccid, StockEntry { sim, stamp }: &StockEntry) -> Row {
    Row {
        iccid: iccid.raw(),
        imsi: sim.imsi.map_or(0, Imsi::raw),
        msisdn: sim.msisdn.map_or(0, Msisdn::raw),
        code: sim.code.0,
        version: stamp.version << 1 | u64::from(sim.is_activated),
        origin: stamp.origin.bits(),
    }
}

/// The same in every process, so that a page goes on behind a restart.
fn run_of(raw: u64) -> usize {
    // Fibonacci hashing: consecutive ICCIDs are spread over all runs.
    (raw.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50) as usize
}

#[cfg(test)]
mod tests {
    use super::super::StockKey;
    use super::*;
    use crate::provisioning::{ActivationCode, ListedSim};

    fn iccid(number: u64) -> Iccid {
        Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap()
    }

    fn entry(number: u64, imsis: &[&str]) -> StockEntry {
        let listed = ListedSim {
            iccid: iccid(number),
            imsis: imsis.iter().map(|imsi| imsi.parse().unwrap()).collect(),
            msisdn: Some("447700000001".parse().unwrap()),
            code: ActivationCode::hash(format!("code{number}").as_bytes()).unwrap(),
        };
        let stamp = Revision { version: 1_800_000_000_000_000, origin: Origin::PERSON };
        StockEntry { sim: StockSim::new(&listed, &StockKey([1; 32])), stamp }
    }

    #[test]
    fn what_was_put_is_found_listed_once_and_removed() {
        let mut table = StockTable::default();
        assert_eq!((table.len(), table.get(iccid(1)), table.remove(iccid(1))), (0, None, None));
        for number in 0..2_000 {
            table.put(iccid(number), &entry(number, &["234500000000001"]));
        }
        table.put(iccid(7), &entry(7, &["234500000000001", "901670000000001"]));
        assert_eq!((table.len(), table.get(iccid(7)).unwrap().sim.imsis().count()), (2_000, 2));
        let mut used = entry(8, &[]);
        used.sim.is_activated = true;
        table.put(iccid(8), &used);
        assert_eq!((table.len(), table.get(iccid(8))), (1_999, Some(used)));

        // Page by page, while one is removed and another one comes.
        let (mut seen, mut last) = (Vec::new(), None);
        loop {
            let page: Vec<Iccid> = table.behind(last).map(|(iccid, _)| iccid).take(100).collect();
            let Some(end) = page.last() else { break };
            last = Some(*end);
            seen.extend(page);
            table.remove(iccid(3));
            table.put(iccid(5_000), &entry(5_000, &[]));
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len());
        let stayed = (0..2_000).filter(|number| *number != 3).map(iccid);
        assert!(stayed.into_iter().all(|iccid| once.binary_search(&iccid).is_ok()));
    }

    #[test]
    fn a_sim_takes_56_octets_and_little_lies_idle() {
        assert_eq!(size_of::<Row>(), 56);
        let mut table = StockTable::default();
        let one = entry(1, &[]);
        for number in 0..400_000 {
            table.put(iccid(number), &one);
        }
        let run = table.runs.iter().map(Vec::capacity).sum::<usize>();
        assert!(run * size_of::<Row>() <= 400_000 * 64, "{run} rows of memory");
    }
}
