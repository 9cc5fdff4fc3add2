//! The journal as a worker sees it: batches go in, and some time later they are durable.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use crate::aaa::accounting_label;
use crate::aaa::{FreedAddress, Note, Recorder, RejectReason};
use crate::identity::{GatewayId, Iccid};
use crate::journal::{Admission, Batch, Journal, Pending, Submitter, Ticket, TooLarge, Wake};
use crate::network::{
    EndpointState, KeyPreset, OrderKey, OrderPhase, Outages, Restart, SessionOrder,
};
use crate::provisioning::{CatalogObject, Endpoint, Fingerprint, Revision, StockEntry};
use crate::record::{RecordSink, Topic};
use crate::time::Timestamp;

/// One worker's way into the journal.
///
/// Whatever is submitted becomes durable at some time; while the disk fails that time is unknown,
/// and [`Admission::Failing`] says so.
pub trait Committer {
    /// A batch being filled.
    type Records: Records;
    /// Stands for a submitted batch; later ones are greater.
    type Ticket: Copy + Ord;

    /// An empty batch.
    fn records(&mut self) -> Self::Records;

    fn admission(&self) -> Admission;

    /// Octets of records that may still wait for the disk, whoever writes them.
    fn room(&self) -> usize;

    /// Hands a batch over, without waiting. An empty one is durable when all is that anybody
    /// submitted before it.
    fn submit(&mut self, records: Self::Records) -> Self::Ticket;

    /// All batches up to this one are durable.
    fn durable(&self) -> Option<Self::Ticket>;
}

/// A batch being filled, which knows its length.
pub trait Records: Recorder {
    /// Octets written so far.
    fn octets(&self) -> usize;
}

/// The committer that writes to the journal.
#[derive(Debug)]
pub struct JournalCommitter(Submitter);

impl JournalCommitter {
    /// `wake` is called when batches became durable, or the journal began to fail.
    pub fn new(journal: &Journal, wake: Wake) -> Self {
        Self(journal.submitter(wake))
    }

    /// One without a wake-up, for callers that poll.
    pub fn unwoken(journal: &Journal) -> Self {
        Self::new(journal, Arc::new(|| {}))
    }

    /// What was submitted last, to be waited for.
    pub fn pending(&self) -> Pending {
        self.0.pending(self.0.last())
    }

    /// Waits until a batch is durable, at most so long; not for workers. Whether it is.
    pub fn wait(&self, ticket: Ticket, timeout: Duration) -> bool {
        self.0.wait(ticket, timeout)
    }
}

impl Committer for JournalCommitter {
    type Records = JournalRecorder;
    type Ticket = Ticket;

    fn records(&mut self) -> JournalRecorder {
        JournalRecorder { batch: self.0.batch(), at: Timestamp::EPOCH }
    }

    fn admission(&self) -> Admission {
        self.0.admission()
    }

    fn room(&self) -> usize {
        self.0.room()
    }

    fn submit(&mut self, records: JournalRecorder) -> Ticket {
        self.0.submit(records.batch)
    }

    fn durable(&self) -> Option<Ticket> {
        Some(self.0.durable())
    }
}

/// Writes what is recorded into a batch of the journal.
#[derive(Debug)]
pub struct JournalRecorder {
    batch: Batch,
    /// When, for the records that have no version of their own.
    pub at: Timestamp,
}

impl JournalRecorder {
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// A record of the shell's own: what a gateway's handle stands for.
    pub fn gateway(&mut self, id: GatewayId, name: &str) {
        log_too_large(self.batch.put_gateway(id, name));
    }

    /// Another: something that is told, and changes nothing.
    pub fn message(&mut self, topic: Topic, key: u64, at: Timestamp, octets: &[u8]) {
        log_too_large(self.batch.put_message(topic, key, at, octets));
    }

    /// Another: the outages of the server, until its start now.
    pub fn outages(&mut self, outages: &Outages) {
        log_too_large(self.batch.put_outages(self.at, outages));
    }

    /// Another: that it has sent a Message-Authenticator.
    pub fn signed(&mut self, id: GatewayId) {
        log_too_large(self.batch.put_signed(id));
    }
}

impl Records for JournalRecorder {
    fn octets(&self) -> usize {
        self.batch.octets().len()
    }
}

impl Recorder for JournalRecorder {
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState) {
        log_too_large(self.batch.put_endpoint(iccid, state));
    }

    fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>) {
        log_too_large(self.batch.put_provisioned(iccid, stamp, endpoint));
    }

    fn object(&mut self, object: &CatalogObject) {
        log_too_large(self.batch.put_object(object));
    }

    fn stock(&mut self, iccid: Iccid, version: u64, entry: Option<&StockEntry>) {
        log_too_large(self.batch.put_stock(iccid, version, entry));
    }

    fn inventory(&mut self, fingerprint: Option<Fingerprint>) {
        log_too_large(self.batch.put_inventory(self.at.micros(), fingerprint));
    }

    fn restart(&mut self, restart: &Restart) {
        log_too_large(self.batch.put_restart(restart));
    }

    fn order(&mut self, key: OrderKey, version: u64, order: Option<(&SessionOrder, OrderPhase)>) {
        log_too_large(self.batch.put_order(key, version, order));
    }

    fn learnt(&mut self, gateway: GatewayId, preset: KeyPreset) {
        log_too_large(self.batch.put_learnt(gateway, preset, self.at));
    }

    fn noted(&mut self, note: &Note) {
        log_too_large(self.batch.put_note(
            note.at,
            note.iccid,
            accounting_label(note.kind),
            note.refused.map(RejectReason::moniker),
        ));
    }

    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let key = iccid.map_or(0, Iccid::raw);
        log_too_large(self.batch.put_message_with(Topic::Event, key, at, write));
    }

    /// Nothing: the endpoint's own record says that the address is released.
    fn freed(&mut self, _: FreedAddress) {}
}

/// What is provisioned is refused before it is in force if its record would be too large, and an
/// endpoint's state has at most some kilobytes: that a record is too large is news.
fn log_too_large(put: Result<(), TooLarge>) {
    if let Err(too_large) = put {
        error!("{too_large}; it is not durable");
    }
}
