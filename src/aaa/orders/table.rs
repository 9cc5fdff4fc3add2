//! All orders that are not done, and what came of those that were done lately.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use parking_lot::Mutex;

use super::job::{Job, MOST_JOBS};
use crate::aaa::Recorder;
use crate::identity::{GatewayId, Iccid};
use crate::network::{
    KeyPreset, OrderAction, OrderAnswer, OrderKey, OrderPhase, OrderResult, SessionOrder,
};
use crate::time::Timestamp;

/// Orders that are remembered at most. At the rate that a gateway takes, these are hours of work;
/// the sessions of what is beyond end by their Stop or their time.
const MOST: usize = 1 << 18;

/// How long the outcome of an order is remembered for who asks: longer than anybody waits.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Outcomes that are remembered at most.
const MOST_DONE: usize = 1 << 16;

/// Which gateways can be told anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reachable {
    #[default]
    None,
    /// Some of those that are configured, it is not known yet which.
    Some,
    /// By handle; one that is not configured any more may have another name now.
    These(Vec<Option<bool>>),
}

/// What became of the wish to give an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    New(OrderKey),
    /// There was one for the same session already.
    Joined(OrderKey),
    /// Its gateway is not asked, or too much waits already: the session ends by itself.
    NoAddress,
}

/// How an order stands, for who waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStatus {
    pub phase: OrderPhase,
    /// The last answer.
    pub result: Option<OrderResult>,
}

/// An order as a record has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOrder {
    pub order: Arc<SessionOrder>,
    pub phase: OrderPhase,
    pub version: u64,
}

/// The orders of all endpoints. Its lock is the last that anybody takes.
#[derive(Default)]
pub struct SessionOrders {
    reachable: ArcSwap<Reachable>,
    /// How many entries there are, so that who only looks takes no lock for nothing.
    len: AtomicUsize,
    table: Mutex<Table>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<OrderKey, TableEntry>,
    /// Durable, and not fetched yet.
    ready: VecDeque<OrderKey>,
    /// In the order in which they were done.
    done: VecDeque<(Timestamp, OrderKey)>,
    cancelled: Vec<u64>,
    jobs: BTreeMap<u64, Job>,
    /// The keys by which each gateway was found to know its sessions, and since when.
    learnt: HashMap<GatewayId, (KeyPreset, Timestamp)>,
}

struct TableEntry {
    order: Arc<SessionOrder>,
    phase: OrderPhase,
    result: Option<OrderResult>,
    version: u64,
}

impl SessionOrders {
    /// Which gateways can be told anything from now on.
    pub fn reach(&self, reachable: Reachable) {
        self.reachable.store(Arc::new(reachable));
    }

    /// What is to be called when something is to be fetched. It counts once.
    pub fn wake_by(&self, wake: impl Fn() + Send + Sync + 'static) {
        // A second one would mean two who fetch.
        let _ = self.wake.set(Box::new(wake));
    }

    /// Whether a gateway can be told anything.
    #[must_use]
    pub fn reaches(&self, gateway: GatewayId) -> bool {
        match &**self.reachable.load() {
            Reachable::None => false,
            Reachable::Some => true,
            Reachable::These(these) => {
                let known = these.get(gateway.index()).copied().flatten();
                known.unwrap_or_else(|| these.contains(&Some(true)))
            }
        }
    }

    /// Takes an order, and has it recorded. One that is under way is joined.
    pub(in crate::aaa) fn issue(
        &self,
        order: SessionOrder,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Issued {
        let key = order.key();
        let mut table = self.table.lock();
        let known = table.entries.get(&key);
        let is_under_way = known.is_some_and(|entry| match entry.phase {
            OrderPhase::Requested => entry.order.action == order.action,
            OrderPhase::Acknowledged => order.action == OrderAction::Disconnect,
            OrderPhase::Unanswered | OrderPhase::Failed | OrderPhase::Done => false,
        });
        if is_under_way {
            return Issued::Joined(key);
        }
        if known.is_none() && table.entries.len() >= MOST {
            return Issued::NoAddress;
        }
        let version = known.map_or(0, |entry| entry.version + 1).max(now.micros());
        let entry = TableEntry {
            order: Arc::new(order),
            phase: OrderPhase::Requested,
            result: None,
            version,
        };
        records.order(key, version, Some((&entry.order, entry.phase)));
        if let Some(job) = entry.order.job.and_then(|job| table.jobs.get_mut(&job)) {
            job.total += 1;
        }
        table.entries.insert(key, entry);
        self.len.store(table.entries.len(), Ordering::Relaxed);
        Issued::New(key)
    }

    /// These are durable: they may be sent.
    pub fn release(&self, keys: &[OrderKey]) {
        if keys.is_empty() {
            return;
        }
        self.table.lock().ready.extend(keys);
        self.wake.get().into_iter().for_each(|wake| wake());
    }

    /// Those that may be sent and were not fetched yet.
    #[must_use]
    pub fn fetch(&self) -> Vec<(Arc<SessionOrder>, OrderPhase)> {
        let mut table = self.table.lock();
        let ready = std::mem::take(&mut table.ready);
        let order = |key| {
            let entry = table.entries.get(&key)?;
            Some((Arc::clone(&entry.order), entry.phase))
        };
        ready.into_iter().filter_map(order).collect()
    }

    /// What is not sent yet of a job is not to be sent.
    pub fn cancel(&self, job: u64) {
        let mut table = self.table.lock();
        table.cancelled.push(job);
        if let Some(job) = table.jobs.get_mut(&job) {
            job.is_cancelled = true;
        }
        drop(table);
        self.wake.get().into_iter().for_each(|wake| wake());
    }

    /// Begins a job; what is ordered for it carries its number.
    pub fn begin_job(&self, action: &'static str, now: Timestamp) -> u64 {
        let mut table = self.table.lock();
        let last = table.jobs.last_key_value().map_or(0, |(id, _)| *id);
        let id = now.millis().max(last + 1);
        table.jobs.insert(id, Job::new(id, action, now));
        while table.jobs.len() > MOST_JOBS {
            table.jobs.pop_first();
        }
        id
    }

    /// No more is ordered for a job. One that nothing was ordered for was none.
    pub fn close_job(&self, id: u64) -> Option<Job> {
        let mut table = self.table.lock();
        let job = table.jobs.get_mut(&id)?;
        job.is_open = false;
        let job = job.clone();
        if job.total == 0 {
            table.jobs.remove(&id);
            return None;
        }
        Some(job)
    }

    /// All jobs that are remembered, the oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        self.table.lock().jobs.values().cloned().collect()
    }

    /// The jobs that were cancelled since the last time.
    #[must_use]
    pub fn cancelled(&self) -> Vec<u64> {
        std::mem::take(&mut self.table.lock().cancelled)
    }

    /// An order has come so far. What must not be tried again after a restart is recorded.
    pub fn advance(
        &self,
        key: OrderKey,
        phase: OrderPhase,
        result: Option<OrderResult>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) {
        let mut table = self.table.lock();
        let Some(entry) = table.entries.get_mut(&key) else { return };
        let before = std::mem::replace(&mut entry.phase, phase);
        let answered = result.as_ref().filter(|_| entry.result.is_none());
        let answered = entry.order.job.zip(answered.map(|result| result.answer));
        entry.result = result.or(entry.result.take());
        let is_done = phase == OrderPhase::Done;
        if before != phase && (is_done || phase == OrderPhase::Failed) {
            entry.version = now.micros().max(entry.version + 1);
            let kept = (!is_done).then_some((&*entry.order, phase));
            records.order(key, entry.version, kept);
        }
        if is_done && before != phase {
            table.done.push_back((now, key));
        }
        if let Some((job, answer)) = answered
            && let Some(job) = table.jobs.get_mut(&job)
        {
            job.count(answer);
        }
        table.forget_done(now);
        self.len.store(table.entries.len(), Ordering::Relaxed);
    }

    /// How an order stands.
    #[must_use]
    pub fn status(&self, key: OrderKey) -> Option<OrderStatus> {
        let table = self.table.lock();
        let entry = table.entries.get(&key)?;
        Some(OrderStatus { phase: entry.phase, result: entry.result.clone() })
    }

    /// How far the Disconnect of a session is, if there is one.
    #[must_use]
    pub fn ending_phase(&self, iccid: Iccid, session: u64) -> Option<OrderPhase> {
        if self.len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let table = self.table.lock();
        let entry = table.entries.get(&OrderKey::of_disconnect(iccid, session))?;
        Some(entry.phase).filter(|phase| *phase != OrderPhase::Done)
    }

    /// The keys by which a gateway was found to know its sessions.
    #[must_use]
    pub fn learnt(&self, gateway: GatewayId) -> Option<KeyPreset> {
        self.table.lock().learnt.get(&gateway).map(|(preset, _)| *preset)
    }

    /// A gateway knows its sessions by these.
    pub fn learn(
        &self,
        gateway: GatewayId,
        preset: KeyPreset,
        now: Timestamp,
        records: &mut impl Recorder,
    ) {
        let mut table = self.table.lock();
        if table.learnt.get(&gateway).is_none_or(|(known, _)| *known != preset) {
            table.learnt.insert(gateway, (preset, now));
            records.learnt(gateway, preset);
        }
    }

    /// What was learnt of all gateways.
    #[must_use]
    pub fn all_learnt(&self) -> Vec<(GatewayId, KeyPreset, Timestamp)> {
        let table = self.table.lock();
        table.learnt.iter().map(|(gateway, (preset, at))| (*gateway, *preset, *at)).collect()
    }

    pub(in crate::aaa) fn recover_learnt(
        &self,
        gateway: GatewayId,
        preset: KeyPreset,
        at: Timestamp,
    ) {
        let mut table = self.table.lock();
        if table.learnt.get(&gateway).is_none_or(|(_, known)| *known <= at) {
            table.learnt.insert(gateway, (preset, at));
        }
    }

    /// All that a snapshot has to know.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingOrder> {
        let table = self.table.lock();
        let pending = table.entries.values().filter(|entry| entry.phase != OrderPhase::Done);
        let recorded = |entry: &TableEntry| PendingOrder {
            order: Arc::clone(&entry.order),
            phase: entry.phase,
            version: entry.version,
        };
        pending.map(recorded).collect()
    }

    /// An order from the journal; `None`: it is done. The newest version wins.
    pub(in crate::aaa) fn recover(
        &self,
        key: OrderKey,
        version: u64,
        order: Option<(SessionOrder, OrderPhase)>,
    ) {
        let mut table = self.table.lock();
        if table.entries.get(&key).is_some_and(|known| known.version > version) {
            return;
        }
        // Also who is done stays until all is read: an older record of it may come.
        let (order, phase) = order.map_or_else(
            || (None, OrderPhase::Done),
            |(order, phase)| (Some(Arc::new(order)), phase),
        );
        match (table.entries.get_mut(&key), order) {
            (Some(known), order) => {
                known.order = order.unwrap_or_else(|| Arc::clone(&known.order));
                (known.phase, known.version) = (phase, version);
            }
            (None, Some(order)) => {
                table.entries.insert(key, TableEntry { order, phase, result: None, version });
            }
            // The record that it answers stood before it, and is not in the journal any more.
            (None, None) => {}
        }
    }

    /// All is read: what waited for its answer is sent again, for the old answer is nobody's now.
    pub(in crate::aaa) fn recovered(&self) {
        let mut table = self.table.lock();
        table.entries.retain(|_, entry| entry.phase != OrderPhase::Done);
        let Table { entries, ready, jobs, .. } = &mut *table;
        for (key, entry) in entries.iter_mut() {
            if entry.phase != OrderPhase::Failed {
                entry.phase = OrderPhase::Requested;
            }
            if let Some(id) = entry.order.job {
                let begun = entry.order.since;
                let job = jobs.entry(id).or_insert_with(|| Job::new(id, "disconnect", begun));
                job.is_open = false;
                job.total += 1;
            }
            ready.push_back(*key);
        }
        ready.make_contiguous().sort_unstable();
        self.len.store(entries.len(), Ordering::Relaxed);
    }
}

impl Table {
    fn forget_done(&mut self, now: Timestamp) {
        let is_old = |(at, _): &(Timestamp, OrderKey)| *at + REMEMBERED <= now;
        while self.done.len() > MOST_DONE || self.done.front().is_some_and(is_old) {
            let Some((_, key)) = self.done.pop_front() else { return };
            // It may have been given again meanwhile.
            if self.entries.get(&key).is_some_and(|entry| entry.phase == OrderPhase::Done) {
                self.entries.remove(&key);
            }
        }
    }
}

impl OrderStatus {
    /// Whether who waits for the answer has it.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.result.is_some()
    }

    /// As people are told.
    #[must_use]
    pub fn told(&self) -> &'static str {
        self.result.as_ref().map_or("pending", |result| result.answer.name())
    }
}

impl OrderResult {
    /// The gateway has done, or will do, what it was told.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.answer == OrderAnswer::Ack
    }
}
