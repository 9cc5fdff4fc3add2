//! One life of the server, without threads and sockets: gateways, pipeline, worker cores, decision,
//! journal, walk and snapshots are the real ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attachd::aaa::{Aaa, Walk};
use attachd::journal::{
    Admission, FramedRecord, Journal, JournalOptions, ManualJournal, OnDamage, OpenError, Ticket,
};
use attachd::keeping::BackgroundWriter;
use attachd::keeping::commit::{Committer, JournalCommitter, JournalRecorder};
use attachd::provisioning::{Inventory, Prune};
use attachd::radius::gateways::Gateways;
use attachd::radius::pipeline::{Arrival, Listener, PipelineConfig, Port};
use attachd::radius::replies::Route;
use attachd::radius::worker_core::WorkerCore;
use attachd::runtime::clock::Now as Clock;
use attachd::server::{Restored, Snapshot, restore_from};
use attachd::time::{SteadyClock, Timestamp};

use super::audit::{self, Memory};
use super::machine::Machine;
use super::mistake::Mistake;

/// Each with peers of its own, as the kernel deals them out.
pub const WORKERS: usize = 2;

/// Rejects wait a little.
const REJECT_DELAY: Duration = Duration::from_millis(200);

/// So much journal between two snapshots: a day has some dozens.
const SNAPSHOT_LEAST: u64 = 256 << 10;

/// Octets of a segment: a few of them to a snapshot.
const SEGMENT: u64 = 64 << 10;

/// Endpoints that a look of the walk sees, and that a slice of a snapshot copies.
const LOOK: usize = 200;
const SLICE: usize = 100;

pub struct Life {
    pub number: u32,
    pub aaa: Arc<Aaa>,
    /// A torn tail was found at its beginning.
    pub has_cut: bool,
    began: Timestamp,
    /// The time of day as the server knows it, whatever its machine's clock says.
    steady: SteadyClock,
    journal: Journal,
    manual: ManualJournal,
    gateways: Arc<Gateways>,
    workers: Vec<Worker>,
    background: BackgroundWriter,
    walk: Walk,
    snapshot: Option<Snapshot>,
}

struct Worker {
    core: WorkerCore<TestCommitter>,
    /// What the kernel has received.
    inbox: Vec<Datagram>,
}

/// A datagram that has reached the server.
pub struct Datagram {
    pub from: SocketAddr,
    pub listener: Listener,
    pub octets: Vec<u8>,
}

/// A datagram that leaves it.
pub struct Reply {
    pub to: SocketAddr,
    /// The place of the listener.
    pub listener: u8,
    pub octets: Vec<u8>,
}

impl Life {
    /// The server starts on its machine, as `attachd serve` does: memory first, then the inventory,
    /// then service.
    ///
    /// # Errors
    /// If the disk does not let it.
    pub fn begin(machine: &Machine, number: u32, now: Timestamp) -> Result<Self, OpenError> {
        let segments = JournalOptions { segment_size: SEGMENT, ..JournalOptions::default() };
        let options =
            JournalOptions { snapshot_least: SNAPSHOT_LEAST, snapshot_rate: u64::MAX, ..segments };
        let (storage, mistake, mut made) = (machine.disk.storage(), machine.mistake, None);
        let mut begun = None;
        let start = |newest| {
            let (steady, _) = SteadyClock::begin(Duration::ZERO, machine.wall(now), newest);
            let time = steady.line().at(Duration::ZERO);
            begun = Some(steady);
            time
        };
        let restored = restore_from(machine.aaa(), drop, start, |applier| {
            let mut read = |entry: FramedRecord<'_>| match mistake {
                Some(mistake) => mistake.read(&entry, applier),
                None => applier(entry),
            };
            let opened = Journal::open_manual(
                &storage,
                options,
                OnDamage::Refuse,
                std::slice::from_mut(&mut read),
            );
            let (journal, manual, recovered) = opened?;
            made = Some(manual);
            Ok((journal, recovered))
        })?;
        let Restored { aaa, journal, gateways, read, memory, .. } = restored;
        assert!(
            memory.contested == 0 || mistake.is_some(),
            "{} addresses have two owners after recovery",
            memory.contested
        );
        let (aaa, gateways) = (Arc::new(aaa), Arc::new(machine.gateways(gateways)));
        let worker = |_| {
            let committer = TestCommitter {
                committer: JournalCommitter::unwoken(&journal),
                last: None,
                is_hasty: mistake == Some(Mistake::HastyReplies),
            };
            Worker {
                core: WorkerCore::new(
                    Arc::clone(&aaa),
                    Arc::clone(&gateways),
                    config(mistake),
                    committer,
                ),
                inbox: Vec::new(),
            }
        };
        let mut life = Self {
            number,
            has_cut: read.cut.is_some(),
            began: now,
            steady: begun.expect("a server that was restored goes on"),
            manual: made.expect("a journal that was opened has a hand"),
            workers: (0..WORKERS).map(worker).collect(),
            background: BackgroundWriter::new(&journal),
            walk: aaa.walk(),
            snapshot: None,
            aaa,
            journal,
            gateways,
        };
        let inventory = read_inventory(machine);
        if life.aaa.inventory() != inventory.fingerprint {
            life.adopt(inventory, now);
        }
        life.record_gateways(now);
        Ok(life)
    }

    /// A datagram waits for its worker.
    pub fn receive(&mut self, worker: usize, datagram: Datagram) {
        self.workers[worker].inbox.push(datagram);
    }

    /// A worker takes what has arrived as one batch, and lets go what may leave.
    pub fn turn(&mut self, worker: usize, now: Timestamp) -> Vec<Reply> {
        let clock = self.clock(now);
        let Worker { core, inbox } = &mut self.workers[worker];
        core.begin(&self.gateways, clock, true);
        let arrivals = inbox.iter().map(|one| Arrival {
            listener: one.listener,
            from: one.from,
            to: None,
            octets: &one.octets,
            stream: None,
        });
        core.handle(arrivals, clock.wall);
        inbox.clear();
        let mut left = Vec::new();
        let mut send = |route: &Route, octets: &[u8]| {
            left.push(Reply { to: route.to, listener: route.listener, octets: octets.to_vec() });
        };
        core.end(clock, &mut send);
        core.settle(clock, &mut send);
        left
    }

    /// Whether a worker waits for the disk, or for the delay of a reject.
    pub fn is_waiting(&self, worker: usize) -> bool {
        !self.workers[worker].core.is_idle()
    }

    /// When the next delayed reject of a worker leaves.
    pub fn due(&self, worker: usize) -> Option<Timestamp> {
        self.workers[worker].core.due().map(|due| self.began + due)
    }

    /// The journal writes and syncs what waits. When it wants to do so again by itself.
    pub fn commit(&mut self, now: Timestamp) -> Option<Timestamp> {
        let Clock { running, wall } = self.clock(now);
        let next = self.manual.round(running, wall);
        self.background.settle(&self.aaa);
        next.map(|due| self.began + due)
    }

    /// The server compares its clocks.
    pub fn observe(&mut self, machine: &Machine, now: Timestamp) {
        self.steady.observe(now.since(self.began), machine.wall(now));
    }

    /// The walk looks at some more endpoints.
    pub fn housekeep(&mut self, now: Timestamp) {
        let wall = self.clock(now).wall;
        self.background.housekeep(&self.aaa, &mut self.walk, LOOK, wall);
    }

    /// The next segment is made ready; and a snapshot is begun if one is due, or the next slice of
    /// it written. Whether there is more to do; a disk that fails ends it.
    pub fn copy(&mut self, now: Timestamp) -> Step {
        self.manual.fill_spare();
        let Clock { running, wall } = self.clock(now);
        let Some(mut snapshot) = self.snapshot.take() else {
            if self.journal.snapshot_is_due()
                && let Ok(writer) = self.manual.begin_snapshot(&self.journal, running, wall)
            {
                self.snapshot = Some(Snapshot::begin(writer, &self.aaa, &self.gateways, wall));
                return Step::Copied;
            }
            return Step::Nothing;
        };
        match snapshot.copy(&self.aaa, SLICE) {
            Ok(true) => {
                self.snapshot = Some(snapshot);
                Step::Copied
            }
            Ok(false) if snapshot.finish(&self.aaa).is_ok() => Step::Finished,
            Ok(false) | Err(_) => Step::Nothing,
        }
    }

    /// The server reads its configuration and its inventory again.
    pub fn reload(&mut self, machine: &Machine, now: Timestamp) {
        let gateways = self.gateways.reloaded(&machine.gateway_settings());
        self.adopt(read_inventory(machine), now);
        self.gateways = Arc::new(gateways);
        self.record_gateways(now);
    }

    /// Before a session can name them.
    fn record_gateways(&mut self, now: Timestamp) {
        self.gateways.record(&mut self.background);
        self.background.submit();
        self.commit(now);
    }

    /// An inventory comes into force.
    fn adopt(&mut self, inventory: Inventory, now: Timestamp) {
        let wall = self.clock(now).wall;
        self.background.begin(wall);
        let adopted = self.aaa.adopt(inventory, Prune::No, wall, &mut self.background);
        assert!(
            adopted.is_ok(),
            "{:?}",
            adopted
                .err()
                .map(|objections| objections.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
        self.background.submit();
        self.commit(now);
    }

    /// An orderly end begins: nothing more is taken in, and what was is written and answered.
    pub fn drain(&mut self, now: Timestamp) -> Vec<Reply> {
        for worker in &mut self.workers {
            worker.inbox.clear();
            worker.core.hurry();
        }
        self.commit(now);
        (0..WORKERS).flat_map(|worker| self.turn(worker, now)).collect()
    }

    /// It ends. A disk that takes nothing just now has nothing acknowledged either.
    pub fn end(self, now: Timestamp) {
        let Clock { running, wall } = self.clock(now);
        self.manual.finish(running, wall);
        let _ = self.journal.close();
    }

    pub fn memory(&self) -> BTreeMap<String, Memory> {
        audit::memory(&self.aaa)
    }

    /// The time of day.
    pub fn wall(&self, now: Timestamp) -> Timestamp {
        self.clock(now).wall
    }

    fn clock(&self, now: Timestamp) -> Clock {
        let running = now.since(self.began);
        Clock { wall: self.steady.line().at(running), running }
    }
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// None is being written.
    Nothing,
    Copied,
    Finished,
}

fn read_inventory(machine: &Machine) -> Inventory {
    let mut inventory = machine.operator.inventory();
    machine.mistake.inspect(|mistake| mistake.adopt(&mut inventory));
    inventory
}

fn config(mistake: Option<Mistake>) -> PipelineConfig {
    let forgets = mistake == Some(Mistake::NoMemoryOfReplies);
    PipelineConfig {
        vendor: 32473,
        vendor_attributes: true,
        reject_delay: REJECT_DELAY,
        masks_identities: false,
        duplicate_lifetime: if forgets { Duration::ZERO } else { Duration::from_secs(30) },
        // So much that none of them ever gives way: which one does is left to chance.
        remembered: (1 << 16, 4 << 20),
    }
}

/// The way into the journal; can be made to say "durable" too early.
struct TestCommitter {
    committer: JournalCommitter,
    last: Option<Ticket>,
    is_hasty: bool,
}

impl Committer for TestCommitter {
    type Records = JournalRecorder;
    type Ticket = Ticket;

    fn records(&mut self) -> JournalRecorder {
        self.committer.records()
    }

    fn admission(&self) -> Admission {
        self.committer.admission()
    }

    fn room(&self) -> usize {
        self.committer.room()
    }

    fn submit(&mut self, records: JournalRecorder) -> Ticket {
        let ticket = self.committer.submit(records);
        self.last = Some(ticket);
        ticket
    }

    fn durable(&self) -> Option<Ticket> {
        if self.is_hasty { self.last } else { self.committer.durable() }
    }
}

/// The listeners of the server, accounting first, by the addresses they stand behind.
pub fn listeners(auth: &[SocketAddr], acct: &[SocketAddr]) -> Vec<(SocketAddr, Listener)> {
    let acct = acct.iter().map(|address| (*address, Port::Acct));
    let all = acct.chain(auth.iter().map(|address| (*address, Port::Auth)));
    all.enumerate()
        .map(|(place, (address, port))| (address, Listener { index: place as u8, port }))
        .collect()
}
