//! Records changes that no gateway asked for: imports, reloads, what falls due. Like all others,
//! only that no reply waits for them.

use std::collections::VecDeque;
use std::time::Duration;

use super::commit::{Committer, JournalCommitter, JournalRecorder, Records};
use crate::aaa::{Aaa, FreedAddress, Note, Recorder, Walk};
use crate::event::EventSink;
use crate::identity::{GatewayId, Iccid};
use crate::journal::{Admission, Journal, Pending, Ticket};
use crate::network::{EndpointState, Outages, Restart};
use crate::provisioning::{CatalogObject, Endpoint, Fingerprint, Revision, StockEntry};
use crate::record::Topic;
use crate::time::Timestamp;

/// A batch is handed over when it has so many octets: an import of ten million endpoints is not one
/// write.
const BATCH: usize = 1 << 20;

/// How long a change waits, at most, for the journal to have room again; a disk that takes nothing
/// is told of elsewhere.
const ROOM: Duration = Duration::from_secs(5);

/// Records on their way, and the addresses that become free when they are durable.
#[derive(Debug)]
pub struct BackgroundWriter {
    committer: JournalCommitter,
    recorder: JournalRecorder,
    freed: Vec<FreedAddress>,
    waiting: VecDeque<(Ticket, Vec<FreedAddress>)>,
}

impl BackgroundWriter {
    pub fn new(journal: &Journal) -> Self {
        let mut committer = JournalCommitter::unwoken(journal);
        Self {
            recorder: committer.records(),
            committer,
            freed: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether the journal takes changes at present. To be asked before anything is changed.
    fn may_begin(&self) -> bool {
        self.committer.admission() == Admission::Open
    }

    /// From here on it is `now`.
    pub fn begin(&mut self, now: Timestamp) {
        self.recorder.at = now;
    }

    /// What a gateway's handle stands for: without it nobody could read its sessions after a
    /// restart.
    pub fn gateway(&mut self, id: GatewayId, name: &str) {
        self.recorder.gateway(id, name);
    }

    /// That a gateway has sent a Message-Authenticator: "auto" asks for one after a restart, too.
    pub fn signed(&mut self, id: GatewayId) {
        self.recorder.signed(id);
    }

    /// Tells readers of a topic something, in the same commit as what was recorded before it.
    pub fn message(&mut self, topic: Topic, key: u64, at: Timestamp, octets: &[u8]) {
        self.recorder.message(topic, key, at, octets);
    }

    /// The outages of the server, until its start now.
    pub fn outages(&mut self, outages: &Outages) {
        self.recorder.outages(outages);
    }

    /// Carries out what time has brought to about `budget` more endpoints, and frees what is free
    /// by now.
    pub fn housekeep(&mut self, aaa: &Aaa, walk: &mut Walk, budget: usize, now: Timestamp) {
        if self.may_begin() {
            self.begin(now);
            aaa.housekeep(walk, budget, now, self);
        }
        self.submit();
        self.settle(aaa);
    }

    /// Hands over what has been recorded.
    pub fn submit(&mut self) {
        if self.recorder.is_empty() && self.freed.is_empty() {
            return;
        }
        let mut fresh = self.committer.records();
        fresh.at = self.recorder.at;
        let ticket = self.committer.submit(std::mem::replace(&mut self.recorder, fresh));
        self.waiting.push_back((ticket, std::mem::take(&mut self.freed)));
    }

    /// Hands over what has been recorded. To be waited for: all that was handed over so far.
    pub fn submit_all(&mut self) -> Pending {
        self.submit();
        self.committer.pending()
    }

    /// Frees the addresses whose release is durable.
    pub fn settle(&mut self, aaa: &Aaa) {
        let durable = self.committer.durable();
        while self.waiting.front().is_some_and(|(ticket, _)| Some(*ticket) <= durable)
            && let Some((_, freed)) = self.waiting.pop_front()
        {
            aaa.free(&freed);
        }
    }

    /// Waits until everything handed over is durable, at most so long. Whether it is.
    pub fn finish(&mut self, aaa: &Aaa, timeout: Duration) -> bool {
        self.submit();
        let is_durable =
            self.waiting.back().is_none_or(|(ticket, _)| self.committer.wait(*ticket, timeout));
        self.settle(aaa);
        is_durable
    }

    fn hand_over_if_large(&mut self) {
        if self.recorder.octets() >= BATCH {
            self.submit();
        }
    }
}

/// Puts events of the server's own among its records.
#[derive(Debug)]
pub struct WriterSink<'w>(pub &'w mut BackgroundWriter);

impl EventSink for WriterSink<'_> {
    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        Recorder::event(self.0, iccid, at, write);
    }
}

impl Recorder for BackgroundWriter {
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState) {
        self.recorder.endpoint(iccid, state);
        self.hand_over_if_large();
    }

    fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>) {
        self.recorder.provisioned(iccid, stamp, endpoint);
        self.hand_over_if_large();
    }

    fn object(&mut self, object: &CatalogObject) {
        self.recorder.object(object);
    }

    fn stock(&mut self, iccid: Iccid, version: u64, entry: Option<&StockEntry>) {
        self.recorder.stock(iccid, version, entry);
        self.hand_over_if_large();
    }

    fn inventory(&mut self, fingerprint: Option<Fingerprint>) {
        self.recorder.inventory(fingerprint);
    }

    fn hand_over(&mut self) {
        self.submit();
    }

    fn wait_for_room(&mut self) {
        if self.committer.admission() == Admission::Overloaded {
            self.submit();
            if let Some((last, _)) = self.waiting.back() {
                self.committer.wait(*last, ROOM);
            }
        }
    }

    fn restart(&mut self, restart: &Restart) {
        self.recorder.restart(restart);
    }

    fn noted(&mut self, note: &Note) {
        self.recorder.noted(note);
    }

    fn event(&mut self, iccid: Option<Iccid>, at: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        self.recorder.event(iccid, at, write);
        self.hand_over_if_large();
    }

    fn freed(&mut self, freed: FreedAddress) {
        self.freed.push(freed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_ahead_is_in_the_journal_at_once() {
        let journal = Journal::in_memory();
        let mut writer = BackgroundWriter::new(&journal);
        writer.gateway(GatewayId::new(0), "pgw-01");
        assert_eq!(journal.figures().records, 0);
        writer.hand_over();
        assert_eq!(journal.figures().records, 1);
    }
}
