//! A reply is a receipt: with a journal that takes its time, or fails.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::test_server::*;
use crate::journal::{
    Admission, FramedRecord, Journal, JournalFolder, JournalOptions, OnDamage, Storage,
};
use crate::keeping::commit::{Committer, JournalCommitter};
use crate::metrics::counters::Dropped;
use crate::radius::pipeline::{Arrival, Listener, PipelineConfig, Port};
use crate::radius::shares::InFlightLoad;
use crate::radius::worker_core::WorkerCore;
use crate::runtime::clock::Now;
use crate::wire::Code;
use crate::wire::number::value::acct_status_type;
use crate::wire::number::{self, tgpp};

/// A journal that does what the test says.
#[derive(Clone)]
struct Slow(Rc<RefCell<SlowState>>);

struct SlowState {
    submitted: u64,
    durable: u64,
    admission: Admission,
    room: usize,
}

impl Committer for Slow {
    type Records = RecordingRecorder;
    type Ticket = u64;

    fn records(&mut self) -> RecordingRecorder {
        RecordingRecorder::default()
    }

    fn admission(&self) -> Admission {
        self.0.borrow().admission
    }

    fn room(&self) -> usize {
        self.0.borrow().room
    }

    fn submit(&mut self, _: RecordingRecorder) -> u64 {
        let mut state = self.0.borrow_mut();
        state.submitted += 1;
        state.submitted
    }

    fn durable(&self) -> Option<u64> {
        Some(self.0.borrow().durable)
    }
}

/// A worker without sockets, its journal, and what it has sent.
struct TestWorker {
    core: WorkerCore<Slow>,
    journal: Slow,
    now: Now,
    sent: Vec<Vec<u8>>,
}

impl TestWorker {
    fn new(config: PipelineConfig) -> Self {
        let journal = Slow(Rc::new(RefCell::new(SlowState {
            submitted: 0,
            durable: 0,
            admission: Admission::Open,
            room: usize::MAX,
        })));
        let core = WorkerCore::new(aaa(), Arc::new(gateways()), config, journal.clone());
        Self { core, journal, now: Now { wall: NOW, running: Duration::ZERO }, sent: Vec::new() }
    }

    /// One batch.
    fn receive(&mut self, batch: &[(Port, &[u8])]) {
        self.core.begin(&Arc::new(gateways()), self.now, true);
        for (port, octets) in batch {
            let listener = Listener { index: u8::from(*port == Port::Acct), port: *port };
            let arrival = Arrival {
                listener,
                from: "192.0.2.1:40000".parse().unwrap(),
                to: None,
                octets,
                stream: None,
            };
            self.core.handle([arrival], self.now.wall);
        }
        let sent = &mut self.sent;
        self.core.end(self.now, |_, octets| sent.push(octets.to_vec()));
    }

    fn settle(&mut self) {
        let sent = &mut self.sent;
        self.core.settle(self.now, |_, octets| sent.push(octets.to_vec()));
    }

    fn durable(&mut self, ticket: u64) {
        self.journal.0.borrow_mut().durable = ticket;
        self.settle();
    }

    fn admission(&mut self, admission: Admission) {
        self.journal.0.borrow_mut().admission = admission;
        self.settle();
    }

    fn later(&mut self, millis: u64) {
        self.now.wall = self.now.wall + Duration::from_millis(millis);
        self.now.running += Duration::from_millis(millis);
    }

    fn taken(&mut self) -> Vec<(Code, u8)> {
        self.sent.drain(..).map(|octets| (Code(octets[0]), octets[1])).collect()
    }

    fn dropped(&self, reason: Dropped) -> u32 {
        self.core.pipeline.counters.drops()[reason as usize]
    }
}

#[test]
fn receipts_wait_for_their_own_batch_and_rejects_for_none() {
    let mut worker = TestWorker::new(config());
    worker.receive(&[(Port::Auth, &access(1, TILL)), (Port::Auth, &access(2, STOLEN))]);
    worker.receive(&[(Port::Acct, &start(3, TILL))]);
    worker.settle();
    assert_eq!(worker.taken(), [(Code::ACCESS_REJECT, 2)]);
    worker.receive(&[(Port::Acct, &start(3, TILL))]);
    assert_eq!(worker.dropped(Dropped::DuplicateInFlight), 1);

    worker.durable(1);
    assert_eq!(worker.taken(), [(Code::ACCESS_ACCEPT, 1)]);
    worker.durable(2);
    assert_eq!(worker.taken(), [(Code::ACCOUNTING_RESPONSE, 3)]);
    assert!(worker.core.is_idle());

    worker.receive(&[(Port::Acct, &start(3, TILL))]);
    assert_eq!(worker.taken(), [(Code::ACCOUNTING_RESPONSE, 3)], "from memory, without waiting");
}

#[test]
fn a_report_in_which_nothing_is_new_waits_for_the_records_before_it() {
    let mut worker = TestWorker::new(config());
    worker.receive(&[(Port::Acct, &start(1, TILL))]);
    // The same session again under another identifier, as a gateway sends it that has changed
    // Acct-Delay-Time.
    worker.receive(&[(Port::Acct, &start(2, TILL))]);
    assert_eq!(worker.core.pipeline.counters.repeated, 1);
    worker.settle();
    assert_eq!(worker.taken(), []);
    worker.durable(2);
    assert_eq!(worker.taken(), [(Code::ACCOUNTING_RESPONSE, 1), (Code::ACCOUNTING_RESPONSE, 2)]);
}

/// E6.
#[test]
fn when_the_disk_fails_nobody_hears_of_what_may_be_lost_and_the_retransmission_is_served() {
    let mut worker = TestWorker::new(config());
    let started = start(1, TILL);
    worker.receive(&[(Port::Acct, &started)]);
    worker.admission(Admission::Failing);
    assert_eq!(worker.taken(), []);
    assert_eq!(worker.dropped(Dropped::Journal), 1);
    worker.receive(&[(Port::Acct, &started)]);
    assert_eq!(worker.dropped(Dropped::Journal), 2, "refused at the door");

    worker.admission(Admission::Open);
    worker.durable(1);
    assert_eq!(worker.taken(), [], "its receipt was given up");
    worker.receive(&[(Port::Acct, &started)]);
    worker.durable(2);
    assert_eq!(worker.taken(), [(Code::ACCOUNTING_RESPONSE, 1)]);
}

#[test]
fn an_address_is_free_only_when_its_release_is_durable() {
    let mut worker = TestWorker::new(config());
    let pooled = |octets: &[u8]| octets.windows(6).any(|window| window == [8, 6, 100, 65, 0, 2]);
    let camera = |identifier| {
        request(Code::ACCESS_REQUEST, identifier, |packet| {
            packet
                .message_authenticator()
                .attribute(1, b"nemo")
                .user_password(b"arctangent", &secret(), &[identifier; 16])
                .vendor(10415, 1, CAMERA.as_bytes());
        })
    };
    worker.receive(&[(Port::Auth, &camera(1))]);
    worker.durable(1);
    assert!(pooled(&worker.sent[0]), "the one address of the pool");
    let leased = |worker: &TestWorker| worker.core.aaa().stats().vslices[0].pools[1].counts.leased;
    assert_eq!(leased(&worker), 1);
    worker.receive(&[
        (Port::Acct, &start(2, CAMERA)),
        (Port::Acct, &accounting(3, CAMERA, acct_status_type::STOP)),
    ]);
    assert_eq!(leased(&worker), 1, "not before the Stop is on disk");
    worker.durable(2);
    assert_eq!(leased(&worker), 0);
}

#[test]
fn a_delayed_reject_holds_nobody_up() {
    let mut worker =
        TestWorker::new(PipelineConfig { reject_delay: Duration::from_secs(1), ..config() });
    worker.receive(&[(Port::Auth, &access(1, STOLEN)), (Port::Auth, &access(2, TILL))]);
    worker.durable(1);
    assert_eq!(worker.taken(), [(Code::ACCESS_ACCEPT, 2)]);
    assert_eq!(worker.core.due(), Some(Duration::from_secs(1)));
    worker.later(999);
    worker.receive(&[(Port::Auth, &access(1, STOLEN))]);
    worker.settle();
    assert_eq!((worker.taken(), worker.dropped(Dropped::DuplicateInFlight)), (vec![], 1));
    worker.later(1);
    worker.settle();
    assert_eq!(worker.taken(), [(Code::ACCESS_REJECT, 1)]);
}

#[test]
fn a_slow_disk_sheds_access_first_then_everything_and_recovers_at_once() {
    /// Rounds of 64 receipts until one gateway has all that it may have waiting.
    const FULL: u32 = 256;
    let mut worker = TestWorker::new(config());
    let reports: Vec<Vec<u8>> = (0..64).map(|identifier| start(identifier, TILL)).collect();
    let mut rounds = 0;
    while rounds < FULL {
        // Always new requests: the clock makes the packets of the round before old.
        worker.later(31_000);
        let batch: Vec<(Port, &[u8])> =
            reports.iter().map(|octets| (Port::Acct, octets.as_slice())).collect();
        worker.receive(&batch);
        worker.receive(&[(Port::Auth, &access(99, STOLEN))]);
        rounds += 1;
    }
    let shed = worker.dropped(Dropped::Overload);
    assert!((FULL / 2 - 2..=FULL / 2 + 2).contains(&shed), "from half full on: {shed} of {FULL}");
    worker.receive(&[(Port::Acct, &start(100, TILL))]);
    assert_eq!(worker.dropped(Dropped::Overload), shed + 1, "full");
    let submitted = worker.journal.0.borrow().submitted;
    worker.durable(submitted);
    assert!(worker.core.is_idle());
    worker.sent.clear();
    worker.later(31_000);
    worker.receive(&[(Port::Auth, &access(1, STOLEN))]);
    assert_eq!(worker.taken(), [(Code::ACCESS_REJECT, 1)]);
}

/// Each took 16 KiB, and kept them: 8,000 receipts of 20 octets behind a disk that stood still were
/// 128 MiB.
#[test]
fn what_waits_for_a_slow_disk_takes_its_own_octets_and_gives_them_back() {
    const RECEIPTS: u16 = 8_000;
    let mut worker = TestWorker::new(config());
    let asked = start(1, TILL);
    let listener = Listener { index: 1, port: Port::Acct };
    for port in 1..=RECEIPTS {
        worker.core.begin(&Arc::new(gateways()), worker.now, true);
        let arrival = Arrival {
            listener,
            from: ([192, 0, 2, 1], port).into(),
            to: None,
            octets: &asked,
            stream: None,
        };
        worker.core.handle([arrival], worker.now.wall);
        worker.core.end(worker.now, |_, _| panic!("nothing is durable"));
    }
    let waiting = worker.core.memory();
    assert!(waiting < usize::from(RECEIPTS) * 1024, "{waiting} octets");
    worker.durable(RECEIPTS.into());
    assert_eq!(worker.sent.len(), usize::from(RECEIPTS));
    let kept = worker.core.memory();
    assert!(kept < 64 << 10, "{kept} octets are kept");
}

/// How many of these reports of the gateway at `from` are taken.
fn flood<C: Committer>(core: &mut WorkerCore<C>, from: &str, packets: &[Vec<u8>], at: Now) -> u32 {
    let mut taken = 0;
    for (packet, port) in packets.iter().zip(1..) {
        core.begin(&Arc::new(gateways()), at, true);
        let arrival = Arrival {
            listener: Listener { index: 1, port: Port::Acct },
            from: (from.parse::<IpAddr>().unwrap(), port).into(),
            to: None,
            octets: packet,
            stream: None,
        };
        let before = core.pipeline.counters.accounting.iter().sum::<u32>();
        core.handle([arrival], at.wall);
        taken += core.pipeline.counters.accounting.iter().sum::<u32>() - before;
        core.end(at, |_, _| panic!("nothing is durable"));
    }
    taken
}

/// Interims of ever new sessions: the record of their endpoint grows to its bound, and is written
/// with each.
fn ever_new_sessions(imsi: &str, count: usize) -> Vec<Vec<u8>> {
    let report = |nth: usize| {
        request(Code::ACCOUNTING_REQUEST, nth as u8, |packet| {
            packet
                .integer(number::ACCT_STATUS_TYPE, acct_status_type::INTERIM_UPDATE)
                .attribute(number::ACCT_SESSION_ID, format!("{nth:0>200}").as_bytes())
                .vendor(tgpp::VENDOR, tgpp::IMSI, imsi.as_bytes());
        })
    };
    (0..count).map(report).collect()
}

/// With the real journal, whose disk stands still.
#[test]
fn a_gateway_that_writes_much_costs_its_neighbours_nothing() {
    const FLOOD: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(JournalFolder::open(folder.path()).unwrap());
    let options = JournalOptions { backlog: 256 << 10, ..JournalOptions::default() };
    let (journal, mut hand, _) = Journal::open_manual(
        &storage,
        options,
        OnDamage::Refuse,
        &mut [|_: FramedRecord<'_>| Ok(())],
    )
    .unwrap();
    let mut core =
        WorkerCore::new(aaa(), Arc::new(gateways()), config(), JournalCommitter::unwoken(&journal));
    let now = Now { wall: NOW, running: Duration::ZERO };

    let taken = flood(&mut core, "192.0.2.1", &ever_new_sessions(TILL, FLOOD), now);
    assert!((20..200).contains(&taken), "{taken} of {FLOOD}");
    let backlog = journal.figures().backlog as usize;
    assert!(
        (256 << 10..320 << 10).contains(&backlog),
        "its records come to the bound: {backlog} octets"
    );

    let neighbour = flood(&mut core, "198.51.100.2", &ever_new_sessions(CAMERA, 20), now);
    assert_eq!(neighbour, 20, "all are taken");
    assert_eq!(
        flood(&mut core, "192.0.2.1", &ever_new_sessions(STOLEN, 20), now),
        0,
        "the flood is still refused"
    );
    let mut overload = Vec::new();
    core.pipeline.counters.drain_gateways(|gateway, traffic| {
        overload.push((
            gateways().name(gateway).unwrap().to_owned(),
            traffic.dropped[Dropped::Overload as usize],
        ));
    });
    assert_eq!(
        overload,
        [("pgw".to_owned(), FLOOD as u32 + 20 - taken), ("lenient".to_owned(), 0)]
    );

    hand.round(Duration::ZERO, NOW);
    let mut sent = 0;
    core.settle(now, |_, _| sent += 1);
    assert_eq!(sent, taken + 20);
    assert_eq!(
        flood(&mut core, "192.0.2.1", &ever_new_sessions(STOLEN, 20), now),
        20,
        "the disk is back, and all have their share"
    );
}

#[test]
fn who_floods_with_rejects_loses_the_delay_and_not_his_neighbours() {
    let mut worker =
        TestWorker::new(PipelineConfig { reject_delay: Duration::from_secs(1), ..config() });
    let [ours, theirs] =
        ["192.0.2.1", "198.51.100.2"].map(|from| gateways().of(from.parse().unwrap()).unwrap().id);
    while worker.core.pipeline.shares.may_delay(ours) {
        worker.core.pipeline.shares.charge(ours, InFlightLoad::DELAYED);
    }
    worker.receive(&[(Port::Auth, &access(1, STOLEN))]);
    assert_eq!(worker.taken(), [(Code::ACCESS_REJECT, 1)], "at once");
    assert!(worker.core.pipeline.shares.may_delay(theirs));
    worker.core.pipeline.shares.give_back(ours, InFlightLoad::DELAYED);
    worker.receive(&[(Port::Auth, &access(2, STOLEN))]);
    assert_eq!(worker.taken(), [], "held back");
    worker.later(1_000);
    worker.settle();
    assert_eq!(worker.taken(), [(Code::ACCESS_REJECT, 2)]);
    assert!(worker.core.pipeline.shares.may_delay(ours), "its place is given back");
}
