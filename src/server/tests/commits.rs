//! A reply is a receipt: with a journal that takes its time, or fails.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::scene::*;
use crate::journal::Admission;
use crate::server::clock::Moment;
use crate::server::commit::Committer;
use crate::server::desk::Desk;
use crate::server::pipeline::{Arrival, Conduct, Listener, Port};
use crate::server::tally::Dropped;
use crate::wire::Code;
use crate::wire::number::value::acct_status_type;

/// A journal that does what the test says.
#[derive(Clone)]
struct Slow(Rc<RefCell<SlowState>>);

struct SlowState {
    submitted: u64,
    durable: u64,
    admission: Admission,
}

impl Committer for Slow {
    type Records = Tape;
    type Ticket = u64;

    fn records(&mut self) -> Tape {
        Tape::default()
    }

    fn admission(&self) -> Admission {
        self.0.borrow().admission
    }

    fn submit(&mut self, _: Tape) -> u64 {
        let mut state = self.0.borrow_mut();
        state.submitted += 1;
        state.submitted
    }

    fn durable(&self) -> Option<u64> {
        Some(self.0.borrow().durable)
    }
}

/// A desk, its journal, and what has left it.
struct Office {
    desk: Desk<Slow>,
    journal: Slow,
    now: Moment,
    sent: Vec<Vec<u8>>,
}

impl Office {
    fn new(conduct: Conduct) -> Self {
        let journal = Slow(Rc::new(RefCell::new(SlowState { submitted: 0, durable: 0, admission: Admission::Open })));
        let desk = Desk::new(aaa(), Arc::new(gateways()), conduct, journal.clone());
        Self { desk, journal, now: Moment { wall: NOW, running: Duration::ZERO }, sent: Vec::new() }
    }

    /// One batch.
    fn receive(&mut self, batch: &[(Port, &[u8])]) {
        self.desk.begin(&Arc::new(gateways()), self.now, true);
        for (port, octets) in batch {
            let listener = Listener { place: u8::from(*port == Port::Acct), port: *port };
            let arrival = Arrival { listener, from: "192.0.2.1:40000".parse().unwrap(), to: None, octets };
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
    let mut office = Office::new(conduct());
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
    let mut office = Office::new(conduct());
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
    let mut office = Office::new(conduct());
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
    let mut office = Office::new(conduct());
    let pooled = |octets: &[u8]| octets.windows(6).any(|window| window == [8, 6, 100, 65, 0, 2]);
    let camera = |identifier| {
        request(Code::ACCESS_REQUEST, identifier, |packet| {
            packet.message_authenticator().attribute(1, b"nemo").user_password(b"arctangent", &secret(), &[identifier; 16]).vendor(
                10415,
                1,
                CAMERA.as_bytes(),
            );
        })
    };
    office.receive(&[(Port::Auth, &camera(1))]);
    office.durable(1);
    assert!(pooled(&office.sent[0]), "the one address of the pool");
    let leased = |office: &Office| office.desk.aaa().stats().vslices[0].pools[1].counts.leased;
    assert_eq!(leased(&office), 1);
    office.receive(&[(Port::Acct, &start(2, CAMERA)), (Port::Acct, &accounting(3, CAMERA, acct_status_type::STOP))]);
    assert_eq!(leased(&office), 1, "not before the Stop is on disk");
    office.durable(2);
    assert_eq!(leased(&office), 0);
}

#[test]
fn a_delayed_reject_holds_nobody_up() {
    let mut office = Office::new(Conduct { reject_delay: Duration::from_secs(1), ..conduct() });
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
    let mut office = Office::new(conduct());
    let reports: Vec<Vec<u8>> = (0..64).map(|identifier| start(identifier, TILL)).collect();
    let mut rounds = 0;
    while !office.desk.is_full() {
        // Always new requests: the clock makes the packets of the round before old.
        office.later(31_000);
        let batch: Vec<(Port, &[u8])> = reports.iter().map(|octets| (Port::Acct, octets.as_slice())).collect();
        office.receive(&batch);
        office.receive(&[(Port::Auth, &access(99, STOLEN))]);
        rounds += 1;
    }
    let shed = office.dropped(Dropped::Overload);
    assert!((rounds / 2 - 2..=rounds / 2 + 2).contains(&shed), "from half full on: {shed} of {rounds}");
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
    let mut office = Office::new(conduct());
    let asked = start(1, TILL);
    let listener = Listener { place: 1, port: Port::Acct };
    for port in 1..=RECEIPTS {
        office.desk.begin(&Arc::new(gateways()), office.now, true);
        let arrival = Arrival { listener, from: ([192, 0, 2, 1], port).into(), to: None, octets: &asked };
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
