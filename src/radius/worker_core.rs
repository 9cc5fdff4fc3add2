//! One worker without its sockets: datagrams come in batch by batch, and no receipt leaves before
//! its records are durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::gateways::Gateways;
use super::pipeline::{Arrival, BatchOutput, Pipeline, PipelineConfig};
use super::replies::{Replies, Route};
use crate::aaa::{Aaa, FreedAddress, SIDE_BY_SIDE};
use crate::journal::Admission;
use crate::keeping::commit::Committer;
use crate::metrics::Meters;
use crate::metrics::counters::Dropped;
use crate::network::OrderKey;
use crate::runtime::clock::Now;
use crate::time::Timestamp;

/// Emptied lists that are kept for the next batches: more than are on their way while the disk is
/// well. What a slow disk made wait beyond these is given back when it has left.
const SPARES: usize = 32;

/// A list that grew beyond this in a storm is given back, too.
const SPARE_OCTETS: usize = 256 << 10;

/// Everything of a worker but its sockets and its clock.
pub struct WorkerCore<C: Committer> {
    aaa: Arc<Aaa>,
    gateways: Arc<Gateways>,
    pub pipeline: Pipeline,
    committer: C,
    out: BatchOutput<C::Records>,
    in_flight: VecDeque<Submitted<C::Ticket>>,
    delayed: VecDeque<(Duration, Replies)>,
    reject_delay: Duration,
    spare_replies: Vec<Replies>,
    spare_freed: Vec<Vec<FreedAddress>>,
}

/// A batch that the journal has, and what waits for it.
struct Submitted<T> {
    ticket: T,
    receipts: Replies,
    freed: Vec<FreedAddress>,
    orders: Vec<OrderKey>,
}

impl<C: Committer> WorkerCore<C> {
    pub fn new(
        aaa: Arc<Aaa>,
        gateways: Arc<Gateways>,
        config: PipelineConfig,
        mut committer: C,
    ) -> Self {
        let records = committer.records();
        Self {
            pipeline: Pipeline::new(Arc::clone(&aaa), config),
            aaa,
            gateways,
            out: BatchOutput::new(records),
            committer,
            in_flight: VecDeque::new(),
            delayed: VecDeque::new(),
            reject_delay: config.reject_delay,
            spare_replies: Vec::new(),
            spare_freed: Vec::new(),
        }
    }

    /// Begins a batch: from here on `gateways` are those in force, and what may be taken in is
    /// settled.
    pub fn begin(&mut self, gateways: &Arc<Gateways>, now: Now, is_ready: bool) {
        if !Arc::ptr_eq(&self.gateways, gateways) {
            self.gateways = Arc::clone(gateways);
        }
        self.pipeline.is_ready = is_ready;
        self.pipeline.journal_fails = self.committer.admission() == Admission::Failing;
        self.pipeline.shares.set_room(self.committer.room());
        for replies in [&mut self.out.at_once, &mut self.out.receipts, &mut self.out.delayed] {
            replies.arrived = now.running;
        }
    }

    /// Serves datagrams of the batch.
    pub fn handle<'a>(&mut self, arrivals: impl IntoIterator<Item = Arrival<'a>>, now: Timestamp) {
        self.pipeline.handle(&self.gateways, arrivals, now, &mut self.out);
    }

    /// Ends the batch: what acknowledges nothing leaves, the records go to the journal, the
    /// receipts wait for them.
    pub fn end(&mut self, now: Now, mut send: impl FnMut(&Route, &[u8])) {
        release(&mut self.pipeline, &mut self.out.at_once, now, &mut send);
        if !self.out.delayed.is_empty() {
            let rejects = std::mem::replace(
                &mut self.out.delayed,
                self.spare_replies.pop().unwrap_or_default(),
            );
            self.delayed.push_back((now.running + self.reject_delay, rejects));
        }
        if self.out.pending.entries() > 0 || !self.out.receipts.is_empty() {
            let records = self.committer.records();
            let ticket = self.committer.submit(self.out.pending.take(records));
            let receipts = std::mem::replace(
                &mut self.out.receipts,
                self.spare_replies.pop().unwrap_or_default(),
            );
            let freed = std::mem::replace(
                &mut self.out.pending.freed,
                self.spare_freed.pop().unwrap_or_default(),
            );
            let orders = std::mem::take(&mut self.out.pending.orders);
            self.in_flight.push_back(Submitted { ticket, receipts, freed, orders });
        }
    }

    /// Lets go what has waited long enough: receipts whose records are durable, and rejects whose
    /// delay is over.
    pub fn settle(&mut self, now: Now, mut send: impl FnMut(&Route, &[u8])) {
        let durable = self.committer.durable();
        while self.in_flight.front().is_some_and(|submitted| Some(submitted.ticket) <= durable)
            && let Some(Submitted { mut receipts, mut freed, orders, .. }) =
                self.in_flight.pop_front()
        {
            release(&mut self.pipeline, &mut receipts, now, &mut send);
            self.keep(receipts);
            self.aaa.free(&freed);
            self.aaa.orders().release(&orders);
            freed.clear();
            if self.spare_freed.len() < SPARES {
                self.spare_freed.push(freed);
            }
        }
        if self.in_flight.is_empty() && self.in_flight.capacity() > 4 * SPARES {
            self.in_flight.shrink_to(SPARES);
        }
        if self.committer.admission() == Admission::Failing {
            self.give_up();
        }
        while self.delayed.front().is_some_and(|(due, _)| *due <= now.running)
            && let Some((_, mut rejects)) = self.delayed.pop_front()
        {
            release(&mut self.pipeline, &mut rejects, now, &mut send);
            self.keep(rejects);
        }
    }

    /// The disk fails: nobody knows when the records will be durable, and a receipt that comes too
    /// late is worth nothing. The gateways ask again. The addresses go on waiting.
    fn give_up(&mut self) {
        for submitted in &mut self.in_flight {
            let receipts = std::mem::take(&mut submitted.receipts);
            receipts.iter().for_each(|(route, _)| self.pipeline.lost(route, Dropped::Journal));
        }
    }

    /// Keeps an emptied list for a later batch, or gives its memory back.
    fn keep(&mut self, replies: Replies) {
        if self.spare_replies.len() < SPARES && replies.capacity() <= SPARE_OCTETS {
            self.spare_replies.push(replies);
        }
    }

    /// Octets of memory that wait for the disk, or for another use.
    pub fn memory(&self) -> usize {
        let waiting = self.in_flight.iter().map(|submitted| &submitted.receipts);
        let lists = waiting
            .chain(self.delayed.iter().map(|(_, rejects)| rejects))
            .chain(&self.spare_replies);
        lists.map(Replies::capacity).sum::<usize>()
            + self.in_flight.capacity() * size_of::<Submitted<C::Ticket>>()
    }

    /// The server stops: rejects need not wait any longer.
    pub fn hurry(&mut self) {
        self.delayed.iter_mut().for_each(|(due, _)| *due = Duration::ZERO);
    }

    /// Adds what was counted to the metrics.
    pub fn report(&mut self, now: Timestamp, meters: &mut Meters) {
        for gateway in self.pipeline.counters.heard() {
            self.gateways.note_heard(gateway, now);
        }
        meters.report(&mut self.pipeline.counters, |id| self.gateways.name(id));
    }

    /// Whether nothing waits.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.delayed.is_empty()
    }

    /// When the next delayed reject is due.
    pub fn due(&self) -> Option<Duration> {
        self.delayed.front().map(|(due, _)| *due)
    }

    /// The decision maker behind it.
    pub fn aaa(&self) -> &Aaa {
        &self.aaa
    }
}

fn release(
    pipeline: &mut Pipeline,
    replies: &mut Replies,
    now: Now,
    send: &mut impl FnMut(&Route, &[u8]),
) {
    let latency = now.running.saturating_sub(replies.arrived);
    for (nth, (route, octets)) in replies.iter().enumerate() {
        if let Some(soon) = replies.route(nth + SIDE_BY_SIDE) {
            pipeline.prefetch_sent(soon);
        }
        pipeline.sent(route, octets, latency);
        send(route, octets);
    }
    replies.clear();
}
