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
use crate::server::clock::Now;
use crate::server::commit::{Committer, JournalCommitter};
use crate::server::counters::Dropped;
use crate::server::pipeline::{Arrival, Listener, PipelineConfig, Port};
use crate::server::shares::Load;
use crate::server::worker_core::WorkerCore;
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

/// A desk, its journal, and what has left it.
struct TestWorker {
    desk: WorkerCore<Slow>,
    journal: Slow,
    now: Now,
    sent: Vec<Vec<u8>>,
}

impl TestWorker {
    fn new(conduct: PipelineConfig) -> Self {
        let journal = Slow(Rc::new(RefCell::new(SlowState {
            submitted: 0,
            durable: 0,
            admission: Admission::Open,
            room: usize::MAX,
        })));
        let desk = WorkerCore::new(aaa(), Arc::new(gateways()), conduct, journal.clone());
        Self { desk, journal, now: Now { wall: NOW, running: Duration::ZERO }, sent: Vec::new() }
    }

    /// One batch.
    fn receive(&mut self, batch: &[(Port, &[u8])]) {
        self.desk.begin(&Arc::new(gateways()), self.now, true);
        for (port, octets) in batch {
            let listener = Listener { place: u8::from(*port == Port::Acct), port: *port };
            let arrival =
                Arrival { listener, from: "192.0.2.1:40000".parse().unwrap(), to: None, octets };
            self.desk.handle([arrival], self.now.wall);
        }
        let sent = &mut self.sent;
        self.desk.end(self.now, |_, octets| sent.push(octets.to_vec()));
    }

    fn settle(&mut self) {
        let sent = &mut self.sent;
        self.desk.settle(self.now, |_, octets| sent.push(octets.to_vec()));
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
        self.desk.pipeline.tally.drops()[reason as usize]
    }
}

#[test]
fn receipts_wait_for_their_own_batch_and_rejects_for_none() {
    let mut office = TestWorker::new(conduct());
    office.receive(&[(Port::Auth, &access(1, TILL)), (Port::Auth, &access(2, STOLEN))]);
    office.receive(&[(Port::Acct, &start(3, TILL))]);
    office.settle();
    assert_eq!(office.taken(), [(Code::ACCESS_REJECT, 2)]);
    office.receive(&[(Port::Acct, &start(3, TILL))]);
    assert_eq!(office.dropped(Dropped::DuplicateInFlight), 1);

    office.durable(1);
    assert_eq!(office.taken(), [(Code::ACCESS_ACCEPT, 1)]);
    office.durable(2);
    assert_eq!(office.taken(), [(Code::ACCOUNTING_RESPONSE, 3)]);
    assert!(office.desk.is_idle());

    office.receive(&[(Port::Acct, &start(3, TILL))]);
    assert_eq!(office.taken(), [(Code::ACCOUNTING_RESPONSE, 3)], "from memory, without waiting");
}

#[test]
fn a_report_in_which_nothing_is_new_waits_for_the_records_before_it() {
    let mut office = TestWorker::new(conduct());
    office.receive(&[(Port::Acct, &start(1, TILL))]);
    // The same session again under another identifier, as a gateway sends it that has changed Acct-Delay-Time.
    office.receive(&[(Port::Acct, &start(2, TILL))]);
    assert_eq!(office.desk.pipeline.tally.repeated, 1);
    office.settle();
    assert_eq!(office.taken(), []);
    office.durable(2);
    assert_eq!(office.taken(), [(Code::ACCOUNTING_RESPONSE, 1), (Code::ACCOUNTING_RESPONSE, 2)]);
}

/// E6.
#[test]
fn when_the_disk_fails_nobody_hears_of_what_may_be_lost_and_the_retransmission_is_served() {
    let mut office = TestWorker::new(conduct());
    let started = start(1, TILL);
    office.receive(&[(Port::Acct, &started)]);
    office.admission(Admission::Failing);
    assert_eq!(office.taken(), []);
    assert_eq!(office.dropped(Dropped::Journal), 1);
    office.receive(&[(Port::Acct, &started)]);
    assert_eq!(office.dropped(Dropped::Journal), 2, "refused at the door");

    office.admission(Admission::Open);
    office.durable(1);
    assert_eq!(office.taken(), [], "its receipt was given up");
    office.receive(&[(Port::Acct, &started)]);
    office.durable(2);
    assert_eq!(office.taken(), [(Code::ACCOUNTING_RESPONSE, 1)]);
}

#[test]
fn an_address_is_free_only_when_its_release_is_durable() {
    let mut office = TestWorker::new(conduct());
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
    office.receive(&[(Port::Auth, &camera(1))]);
    office.durable(1);
    assert!(pooled(&office.sent[0]), "the one address of the pool");
    let leased = |office: &TestWorker| office.desk.aaa().stats().vslices[0].pools[1].counts.leased;
    assert_eq!(leased(&office), 1);
    office.receive(&[
        (Port::Acct, &start(2, CAMERA)),
        (Port::Acct, &accounting(3, CAMERA, acct_status_type::STOP)),
    ]);
    assert_eq!(leased(&office), 1, "not before the Stop is on disk");
    office.durable(2);
    assert_eq!(leased(&office), 0);
}

#[test]
fn a_delayed_reject_holds_nobody_up() {
    let mut office =
        TestWorker::new(PipelineConfig { reject_delay: Duration::from_secs(1), ..conduct() });
    office.receive(&[(Port::Auth, &access(1, STOLEN)), (Port::Auth, &access(2, TILL))]);
    office.durable(1);
    assert_eq!(office.taken(), [(Code::ACCESS_ACCEPT, 2)]);
    assert_eq!(office.desk.due(), Some(Duration::from_secs(1)));
    office.later(999);
    office.receive(&[(Port::Auth, &access(1, STOLEN))]);
    office.settle();
    assert_eq!((office.taken(), office.dropped(Dropped::DuplicateInFlight)), (vec![], 1));
    office.later(1);
    office.settle();
    assert_eq!(office.taken(), [(Code::ACCESS_REJECT, 1)]);
}

#[test]
fn a_slow_disk_sheds_access_first_then_everything_and_recovers_at_once() {
    /// Rounds of 64 receipts until one gateway has all that it may have waiting.
    const FULL: u32 = 256;
    let mut office = TestWorker::new(conduct());
    let reports: Vec<Vec<u8>> = (0..64).map(|identifier| start(identifier, TILL)).collect();
    let mut rounds = 0;
    while rounds < FULL {
        // Always new requests: the clock makes the packets of the round before old.
        office.later(31_000);
        let batch: Vec<(Port, &[u8])> =
            reports.iter().map(|octets| (Port::Acct, octets.as_slice())).collect();
        office.receive(&batch);
        office.receive(&[(Port::Auth, &access(99, STOLEN))]);
        rounds += 1;
    }
    let shed = office.dropped(Dropped::Overload);
    assert!((FULL / 2 - 2..=FULL / 2 + 2).contains(&shed), "from half full on: {shed} of {FULL}");
    office.receive(&[(Port::Acct, &start(100, TILL))]);
    assert_eq!(office.dropped(Dropped::Overload), shed + 1, "full");
    let submitted = office.journal.0.borrow().submitted;
    office.durable(submitted);
    assert!(office.desk.is_idle());
    office.sent.clear();
    office.later(31_000);
    office.receive(&[(Port::Auth, &access(1, STOLEN))]);
    assert_eq!(office.taken(), [(Code::ACCESS_REJECT, 1)]);
}

/// Each took 16 KiB, and kept them: 8,000 receipts of 20 octets behind a disk that stood still were 128 MiB.
#[test]
fn what_waits_for_a_slow_disk_takes_its_own_octets_and_gives_them_back() {
    const RECEIPTS: u16 = 8_000;
    let mut office = TestWorker::new(conduct());
    let asked = start(1, TILL);
    let listener = Listener { place: 1, port: Port::Acct };
    for port in 1..=RECEIPTS {
        office.desk.begin(&Arc::new(gateways()), office.now, true);
        let arrival =
            Arrival { listener, from: ([192, 0, 2, 1], port).into(), to: None, octets: &asked };
        office.desk.handle([arrival], office.now.wall);
        office.desk.end(office.now, |_, _| panic!("nothing is durable"));
    }
    let waiting = office.desk.memory();
    assert!(waiting < usize::from(RECEIPTS) * 1024, "{waiting} octets");
    office.durable(RECEIPTS.into());
    assert_eq!(office.sent.len(), usize::from(RECEIPTS));
    let kept = office.desk.memory();
    assert!(kept < 64 << 10, "{kept} octets are kept");
}

/// How many of these reports of the gateway at `from` are taken.
fn flood<C: Committer>(desk: &mut WorkerCore<C>, from: &str, packets: &[Vec<u8>], at: Now) -> u32 {
    let mut taken = 0;
    for (packet, port) in packets.iter().zip(1..) {
        desk.begin(&Arc::new(gateways()), at, true);
        let arrival = Arrival {
            listener: Listener { place: 1, port: Port::Acct },
            from: (from.parse::<IpAddr>().unwrap(), port).into(),
            to: None,
            octets: packet,
        };
        let before = desk.pipeline.tally.accounting.iter().sum::<u32>();
        desk.handle([arrival], at.wall);
        taken += desk.pipeline.tally.accounting.iter().sum::<u32>() - before;
        desk.end(at, |_, _| panic!("nothing is durable"));
    }
    taken
}

/// Interims of ever new sessions: the record of their endpoint grows to its bound, and is written with each.
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
    let (journal, mut hand, _) = Journal::open_by_hand(
        &storage,
        options,
        OnDamage::Refuse,
        &mut [|_: FramedRecord<'_>| Ok(())],
    )
    .unwrap();
    let mut desk = WorkerCore::new(
        aaa(),
        Arc::new(gateways()),
        conduct(),
        JournalCommitter::unwoken(&journal),
    );
    let now = Now { wall: NOW, running: Duration::ZERO };

    let taken = flood(&mut desk, "192.0.2.1", &ever_new_sessions(TILL, FLOOD), now);
    assert!((20..200).contains(&taken), "{taken} of {FLOOD}");
    let backlog = journal.figures().backlog as usize;
    assert!(
        (256 << 10..320 << 10).contains(&backlog),
        "its records come to the bound: {backlog} octets"
    );

    let neighbour = flood(&mut desk, "198.51.100.2", &ever_new_sessions(CAMERA, 20), now);
    assert_eq!(neighbour, 20, "all are taken");
    assert_eq!(
        flood(&mut desk, "192.0.2.1", &ever_new_sessions(STOLEN, 20), now),
        0,
        "the flood is still refused"
    );
    let mut overload = Vec::new();
    desk.pipeline.tally.drain_gateways(|gateway, traffic| {
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
    desk.settle(now, |_, _| sent += 1);
    assert_eq!(sent, taken + 20);
    assert_eq!(
        flood(&mut desk, "192.0.2.1", &ever_new_sessions(STOLEN, 20), now),
        20,
        "the disk is back, and all have their share"
    );
}

#[test]
fn who_floods_with_rejects_loses_the_delay_and_not_his_neighbours() {
    let mut office =
        TestWorker::new(PipelineConfig { reject_delay: Duration::from_secs(1), ..conduct() });
    let [ours, theirs] =
        ["192.0.2.1", "198.51.100.2"].map(|from| gateways().of(from.parse().unwrap()).unwrap().id);
    while office.desk.pipeline.shares.may_delay(ours) {
        office.desk.pipeline.shares.charge(ours, Load::DELAYED);
    }
    office.receive(&[(Port::Auth, &access(1, STOLEN))]);
    assert_eq!(office.taken(), [(Code::ACCESS_REJECT, 1)], "at once");
    assert!(office.desk.pipeline.shares.may_delay(theirs));
    office.desk.pipeline.shares.give_back(ours, Load::DELAYED);
    office.receive(&[(Port::Auth, &access(2, STOLEN))]);
    assert_eq!(office.taken(), [], "held back");
    office.later(1_000);
    office.settle();
    assert_eq!(office.taken(), [(Code::ACCESS_REJECT, 2)]);
    assert!(office.desk.pipeline.shares.may_delay(ours), "its place is given back");
}
