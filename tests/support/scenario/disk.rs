//! The journal of a scenario: durable when the file says so, and readable afterwards.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use attachd::aaa::{AccountingKind, FreedAddress, Note, Recorder};
use attachd::identity::Iccid;
use attachd::journal::Admission;
use attachd::keeping::commit::{Committer, Records};
use attachd::network::{EndpointState, Restart};
use attachd::provisioning::{CatalogObject, Endpoint, Fingerprint, Revision};

/// One record, as it was handed over.
#[derive(Clone)]
pub enum Record {
    Endpoint(Iccid, EndpointState),
    Provisioned(Iccid, Revision, Option<Endpoint>),
    Object(CatalogObject),
    Inventory(Option<Fingerprint>),
    Restart(Restart),
    Note(Note),
}

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// What is submitted is durable at once.
    Prompt,
    /// Only `commit` makes anything durable.
    Held,
    Failing,
    Overloaded,
}

/// Shared by the worker's worker core, the housekeeping and the runner.
#[derive(Clone)]
pub struct Disk(Rc<RefCell<State>>);

struct State {
    mood: Mood,
    submitted: u64,
    waiting: VecDeque<Pages>,
    durable: Vec<Record>,
    /// What has been handed over since the last look, in words.
    told: Vec<String>,
}

/// A batch.
#[derive(Default)]
pub struct Pages {
    records: Vec<Record>,
    freed: Vec<FreedAddress>,
}

impl Disk {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            mood: Mood::Prompt,
            submitted: 0,
            waiting: VecDeque::new(),
            durable: Vec::new(),
            told: Vec::new(),
        })))
    }

    pub fn set_mood(&self, mood: Mood) {
        self.0.borrow_mut().mood = mood;
        if mood == Mood::Prompt {
            self.commit();
        }
    }

    /// Everything handed over so far is durable.
    pub fn commit(&self) {
        let mut state = self.0.borrow_mut();
        let waiting = std::mem::take(&mut state.waiting);
        state.durable.extend(waiting.into_iter().flat_map(|pages| pages.records));
    }

    /// The records that survive a crash; what waited is lost.
    pub fn crash(&self) -> Vec<Record> {
        let mut state = self.0.borrow_mut();
        state.submitted -= state.waiting.len() as u64;
        state.waiting.clear();
        state.durable.clone()
    }

    pub fn told(&self) -> Vec<String> {
        self.0.borrow().told.clone()
    }

    pub fn forget_told(&self) {
        self.0.borrow_mut().told.clear();
    }
}

impl Committer for Disk {
    type Records = Pages;
    type Ticket = u64;

    fn records(&mut self) -> Pages {
        Pages::default()
    }

    fn admission(&self) -> Admission {
        match self.0.borrow().mood {
            Mood::Prompt | Mood::Held => Admission::Open,
            Mood::Failing => Admission::Failing,
            Mood::Overloaded => Admission::Overloaded,
        }
    }

    fn room(&self) -> usize {
        if self.0.borrow().mood == Mood::Overloaded { 0 } else { usize::MAX }
    }

    fn submit(&mut self, records: Pages) -> u64 {
        let mut state = self.0.borrow_mut();
        state.submitted += 1;
        state.told.extend(records.records.iter().filter_map(tell));
        state.waiting.push_back(records);
        let (mood, ticket) = (state.mood, state.submitted);
        drop(state);
        if mood == Mood::Prompt {
            self.commit();
        }
        ticket
    }

    fn durable(&self) -> Option<u64> {
        let state = self.0.borrow();
        Some(state.submitted - state.waiting.len() as u64)
    }
}

impl Records for Pages {
    fn octets(&self) -> usize {
        0
    }
}

impl Recorder for Pages {
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState) {
        self.records.push(Record::Endpoint(iccid, state.clone()));
    }

    fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>) {
        self.records.push(Record::Provisioned(iccid, stamp, endpoint.cloned()));
    }

    fn object(&mut self, object: &CatalogObject) {
        self.records.push(Record::Object(object.clone()));
    }

    fn inventory(&mut self, fingerprint: Option<Fingerprint>) {
        self.records.push(Record::Inventory(fingerprint));
    }

    fn restart(&mut self, restart: &Restart) {
        self.records.push(Record::Restart(restart.clone()));
    }

    fn noted(&mut self, note: &Note) {
        self.records.push(Record::Note(*note));
    }

    fn freed(&mut self, freed: FreedAddress) {
        self.freed.push(freed);
    }
}

/// What traffic records, in the words that a scenario uses.
fn tell(record: &Record) -> Option<String> {
    match record {
        Record::Endpoint(iccid, _) => Some(format!("endpoint {iccid}")),
        Record::Restart(restart) => {
            Some(restart.apn.as_ref().map_or("restart".to_owned(), |apn| format!("restart {apn}")))
        }
        Record::Note(note) => {
            let kind = match note.kind {
                AccountingKind::Attach => "attach",
                AccountingKind::Start => "start",
                AccountingKind::Interim => "interim",
                AccountingKind::Stop => "stop",
                AccountingKind::Detach => "detach",
                AccountingKind::GatewayRestart => "gateway-restart",
                AccountingKind::Other => "other",
                AccountingKind::Invalid => "invalid",
            };
            Some(note.refused.map_or(format!("note {kind}"), |reason| {
                format!("note {kind} {}", reason.moniker())
            }))
        }
        Record::Provisioned(..) | Record::Object(_) | Record::Inventory(_) => None,
    }
}
