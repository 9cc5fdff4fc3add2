//! The thread that sends events to their handlers, and what others may ask of it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Completions, Sender, channel};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use tracing::{error, warn};
use uuid::Uuid;

use super::marks_file::{AllMarks, MarksFile, PreviousSecret, ReceiverMarks};
use super::post::PostAnswer;
use super::receiver::{Receiver, ReceiverCounts, Routes, Served, event_id};
use crate::aaa::Aaa;
use crate::delivery::{DeadLetter, DeliveryMarks, DeliveryOutcome, GivenUp};
use crate::event::{EventEnvelope, EventKind};
use crate::identity::EventHandlerId;
use crate::keeping::{BackgroundWriter, WriterSink};
use crate::message_log::{LogCursor, LogItem, LogView};
use crate::provisioning::EventHandler;
use crate::radius::context::ServerContext;
use crate::runtime::watch::Pulse;
use crate::time::Timestamp;

/// Requests under way at a time, over all handlers: each has a thread.
const MOST_THREADS: usize = 64;

/// The longest sleep: how soon changes of handlers are seen.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// How often marks are written, if they have changed.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// How long the secret before the last rotation signs as well.
const BOTH_SECRETS: Duration = Duration::from_secs(24 * 3600);

/// What the thread and those who ask share.
pub struct Webhooks {
    view: LogView,
    file: MarksFile,
    own: Vec<SocketAddr>,
    receivers: Mutex<Receivers>,
}

#[derive(Default)]
struct Receivers {
    by_id: BTreeMap<EventHandlerId, Receiver>,
    /// What the file says of handlers that are not served yet.
    known: AllMarks,
    has_changed: bool,
}

/// A request for a thread of the pool.
struct Job {
    handler: EventHandlerId,
    sequence: u64,
    target: super::post::HookTarget,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

struct Completion {
    handler: EventHandlerId,
    sequence: u64,
    answer: PostAnswer,
}

impl Webhooks {
    /// Reads what the last life has left in the data folder.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(view: LogView, data_dir: &Path, own: Vec<SocketAddr>) -> io::Result<Self> {
        let file = MarksFile::in_folder(data_dir);
        let receivers = Receivers { known: file.read()?, ..Receivers::default() };
        Ok(Self { view, file, own, receivers: Mutex::new(receivers) })
    }

    /// Of each handler.
    #[must_use]
    pub fn counts(&self) -> Vec<ReceiverCounts> {
        self.receivers.lock().by_id.values().map(Receiver::counted).collect()
    }

    /// The addresses on which this server listens itself.
    #[must_use]
    pub fn own_listeners(&self) -> &[SocketAddr] {
        &self.own
    }

    /// The headers of a message that is no event, signed.
    #[must_use]
    pub fn headers(
        &self,
        handler: EventHandlerId,
        id: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(&'static str, String)> {
        let receivers = self.receivers.lock();
        let headers = receivers.by_id.get(&handler).map(|one| one.headers(id, 0, body, now));
        headers.unwrap_or_default()
    }

    /// The dead letters of a handler, the oldest first, each with the event while it is kept.
    #[must_use]
    pub fn dead_letters(&self, handler: EventHandlerId) -> Vec<(DeadLetter, Option<Vec<u8>>)> {
        let receivers = self.receivers.lock();
        let dead = receivers.by_id.get(&handler).map(|receiver| receiver.machine.dead().clone());
        drop(receivers);
        let with_event = |letter: DeadLetter| {
            let kept =
                self.event(letter.sequence).filter(|(_, body)| event_id(body) == letter.event_id);
            (letter, kept.map(|(_, body)| body))
        };
        dead.unwrap_or_default().into_iter().map(with_event).collect()
    }

    pub fn forget_dead_letters(&self, handler: EventHandlerId) -> usize {
        let mut receivers = self.receivers.lock();
        receivers.has_changed = true;
        let Some(receiver) = receivers.by_id.get_mut(&handler) else { return 0 };
        let forgotten = receiver.machine.dead().len();
        receiver.machine.forget_dead();
        forgotten
    }

    /// Sends dead letters once more: one, or all. How many; those that are not kept any more stay.
    pub fn redeliver(&self, handler: EventHandlerId, only: Option<&str>, now: Timestamp) -> usize {
        let letters = self.dead_letters(handler);
        let wanted =
            letters.into_iter().filter(|(letter, _)| only.is_none_or(|id| id == letter.event_id));
        let mut sent = 0;
        for (letter, body) in wanted {
            let (Some(body), Some((key, _))) = (body, self.event(letter.sequence)) else {
                continue;
            };
            let mut receivers = self.receivers.lock();
            receivers.has_changed = true;
            let Some(receiver) = receivers.by_id.get_mut(&handler) else { continue };
            if let Some(letter) = receiver.machine.take_dead(&letter.event_id) {
                receiver.machine.requeue(letter, key, now, body);
                sent += 1;
            }
        }
        sent
    }

    /// The secret before the last rotation while it signs, and until when.
    #[must_use]
    pub fn previous_secret(
        &self,
        handler: EventHandlerId,
        now: Timestamp,
    ) -> Option<(String, Timestamp)> {
        let receivers = self.receivers.lock();
        let previous = receivers.by_id.get(&handler)?.previous.clone()?;
        (now.millis() < previous.until_ms)
            .then(|| (previous.secret, Timestamp::from_millis(previous.until_ms)))
    }

    /// Goes on signing with `secret` as well for a day, which is being replaced.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub fn keep_signing_with(
        &self,
        (handler, uuid): (EventHandlerId, Uuid),
        secret: &str,
        now: Timestamp,
    ) -> io::Result<()> {
        let until_ms = (now + BOTH_SECRETS).millis();
        let previous = Some(PreviousSecret { secret: secret.to_owned(), until_ms });
        let mut receivers = self.receivers.lock();
        match receivers.by_id.get_mut(&handler) {
            Some(receiver) => receiver.previous = previous,
            None => receivers.known.entry(uuid).or_default().previous = previous,
        }
        self.file.write(&receivers.marks())
    }

    /// An event of the log, with its key.
    fn event(&self, sequence: u64) -> Option<(u64, Vec<u8>)> {
        let mut found = None;
        let mut cursor = LogCursor::at(sequence);
        let gap = self.view.forward(&mut cursor, |item| {
            if let LogItem::Message(message) = item {
                let event = EventEnvelope::read(message.octets);
                found = event.map(|event| (message.key, event.payload.to_vec()));
            }
            std::ops::ControlFlow::Break(())
        });
        found.filter(|_| matches!(gap, Ok(None)))
    }
}

impl Receivers {
    fn marks(&self) -> AllMarks {
        let mut marks = self.known.clone();
        marks.extend(self.by_id.values().map(|receiver| (receiver.uuid, receiver.marks())));
        marks
    }

    /// Serves exactly these handlers.
    fn follow(
        &mut self,
        handlers: Vec<Served>,
        mut routes: std::collections::HashMap<EventHandlerId, Routes>,
        webhooks: &Webhooks,
    ) {
        self.by_id.retain(|id, _| handlers.iter().any(|(kept, ..)| kept == id));
        self.known.retain(|uuid, _| handlers.iter().any(|(_, kept, ..)| kept == uuid));
        for (id, uuid, made, handler) in handlers {
            let known = self.known.remove(&uuid);
            let receiver = self.by_id.entry(id).or_insert_with(|| {
                let marks = known.unwrap_or_else(|| ReceiverMarks {
                    marks: DeliveryMarks {
                        done_before: Receiver::beginning(&webhooks.view, made),
                        ..DeliveryMarks::default()
                    },
                    ..ReceiverMarks::default()
                });
                Receiver::new(uuid, &handler, marks, &webhooks.own)
            });
            receiver.follow(&handler, routes.remove(&id).unwrap_or_default(), &webhooks.own);
        }
        self.has_changed = true;
    }
}

/// What the thread works with.
pub struct WebhookThread {
    webhooks: Arc<Webhooks>,
    aaa: Arc<Aaa>,
    writer: BackgroundWriter,
    common: Arc<ServerContext>,
    pool: PostPool,
    completions: Completions<Option<Completion>>,
    generation: Option<u64>,
    marked_at: Timestamp,
    /// Completions beyond the first of a round.
    settled: VecDeque<Completion>,
}

impl WebhookThread {
    #[must_use]
    pub(crate) fn new(
        webhooks: Arc<Webhooks>,
        aaa: Arc<Aaa>,
        writer: BackgroundWriter,
        common: Arc<ServerContext>,
    ) -> Self {
        let (done, completions) = channel();
        Self {
            webhooks,
            aaa,
            writer,
            common,
            pool: PostPool::new(done),
            completions,
            generation: None,
            marked_at: Timestamp::EPOCH,
            settled: VecDeque::new(),
        }
    }

    /// Until told to stop. What is under way then is sent again by the next start, if it was not
    /// taken.
    pub(crate) fn run(mut self, pulse: &Pulse, stop: &watch::Receiver<()>) {
        let waker = self.pool.done.clone();
        // Nothing is completed by it: only the sleep.
        let _watch = self.webhooks.view.subscribe(move || _ = waker.send(None));
        while !stop.has_changed().unwrap_or(true) {
            let now = self.common.clock.now();
            pulse.beat(now.running);
            let due = self.round(now.wall);
            self.sleep(due.map_or(LONGEST_WAIT, |due| due.since(now.wall).min(LONGEST_WAIT)));
        }
        self.mark(self.common.clock.now().wall, true);
    }

    /// Sleeps until something is completed, appended or due.
    fn sleep(&mut self, longest: Duration) {
        if !self.settled.is_empty() {
            return;
        }
        if let Ok(Some(first)) = self.completions.recv_timeout(longest) {
            self.settled.push_back(first);
        }
        self.settled.extend(std::iter::from_fn(|| self.completions.try_recv().ok()).flatten());
    }

    /// Returns when something is due.
    fn round(&mut self, now: Timestamp) -> Option<Timestamp> {
        let webhooks = Arc::clone(&self.webhooks);
        let mut receivers = webhooks.receivers.lock();
        self.complete(&mut receivers, now);
        // In this order: what was recorded before the maps were looked at leads where they say.
        let end = webhooks.view.end();
        self.follow_catalog(&mut receivers);
        let mut due = None;
        for (id, receiver) in &mut receivers.by_id {
            match receiver.fill(&webhooks.view, end) {
                Ok(true) => due = Some(now),
                Ok(false) => {}
                Err(error) => warn!("the log of events cannot be read: {error}"),
            }
            while self.pool.has_room()
                && let Some(attempt) = receiver.machine.next_attempt(now)
            {
                let headers =
                    receiver.headers(&attempt.event_id, attempt.number, &attempt.body, now);
                self.pool.send(Job {
                    handler: *id,
                    sequence: attempt.sequence,
                    target: receiver.target.clone(),
                    headers,
                    body: attempt.body,
                });
            }
            due = [due, receiver.machine.due()].into_iter().flatten().min();
        }
        drop(receivers);
        self.mark(now, false);
        due
    }

    fn complete(&mut self, receivers: &mut Receivers, now: Timestamp) {
        for Completion { handler, sequence, answer } in self.settled.drain(..) {
            self.pool.under_way -= 1;
            let Some(receiver) = receivers.by_id.get_mut(&handler) else { continue };
            receivers.has_changed = true;
            let counts = &mut receiver.counts;
            match answer.outcome {
                DeliveryOutcome::Taken => counts.taken += 1,
                _ => counts.failed += 1,
            }
            match receiver.machine.finish(sequence, answer.outcome, now, rand::random()) {
                GivenUp::No => {}
                GivenUp::Event => counts.dead += 1,
                GivenUp::Off => {
                    warn!(handler = receiver.moniker, "a handler wants no events any more (410)");
                }
                GivenUp::Failing => {
                    warn!(handler = receiver.moniker, "a handler takes no events; it is probed");
                    let moniker = receiver.moniker.clone();
                    self.writer.begin(now);
                    let sink = &mut WriterSink(&mut self.writer);
                    self.aaa.events().about(EventKind::HandlerFailing, None, now, sink, |detail| {
                        detail.text("eventHandler", &moniker);
                    });
                    self.writer.submit();
                }
            }
        }
    }

    fn follow_catalog(&mut self, receivers: &mut Receivers) {
        let generation = self.aaa.events().demand.generation();
        if self.generation.replace(generation) == Some(generation) {
            return;
        }
        let (handlers, routes) = self.aaa.with_catalog(|catalog| {
            let present =
                catalog.entries::<EventHandler>().filter(|(_, entry)| entry.present().is_some());
            let handlers: Vec<Served> = present
                .map(|(id, entry)| {
                    let made = Timestamp::from_micros(entry.stamp.version);
                    (id, entry.uuid, made, Arc::clone(&entry.thing))
                })
                .collect();
            (handlers, Routes::of_all(catalog))
        });
        let webhooks = Arc::clone(&self.webhooks);
        receivers.follow(handlers, routes, &webhooks);
    }

    fn mark(&mut self, now: Timestamp, is_last: bool) {
        if now.since(self.marked_at) < MARK_EVERY && !is_last {
            return;
        }
        self.marked_at = now;
        let mut receivers = self.webhooks.receivers.lock();
        if !std::mem::take(&mut receivers.has_changed) {
            return;
        }
        let marks = receivers.marks();
        drop(receivers);
        if let Err(error) = self.webhooks.file.write(&marks) {
            error!("what was delivered cannot be kept, and is sent again after a restart: {error}");
        }
    }
}

/// Threads that wait for answers, as many as are needed.
struct PostPool {
    queue: Arc<PoolQueue>,
    done: Sender<Option<Completion>>,
    /// Handed over and not completed.
    under_way: usize,
    threads: usize,
}

#[derive(Default)]
struct PoolQueue {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    arrived: Condvar,
}

impl PostPool {
    fn new(done: Sender<Option<Completion>>) -> Self {
        Self { queue: Arc::default(), done, under_way: 0, threads: 0 }
    }

    const fn has_room(&self) -> bool {
        self.under_way < MOST_THREADS
    }

    fn send(&mut self, job: Job) {
        self.under_way += 1;
        if self.under_way > self.threads {
            let (queue, done) = (Arc::clone(&self.queue), self.done.clone());
            // Without another thread the others take the job in turn.
            let thread = thread::Builder::new().name("post".to_owned()).spawn(move || {
                while let Some(job) = queue.next() {
                    let answer = job.target.post(&job.headers, &job.body);
                    let completion =
                        Completion { handler: job.handler, sequence: job.sequence, answer };
                    if done.send(Some(completion)).is_err() {
                        return;
                    }
                }
            });
            self.threads += usize::from(thread.is_ok());
        }
        self.queue.jobs.lock().0.push_back(job);
        self.queue.arrived.notify_one();
    }
}

impl PoolQueue {
    /// Waits for one; `None`: there will be no more.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        loop {
            if jobs.1 {
                return None;
            }
            if let Some(job) = jobs.0.pop_front() {
                return Some(job);
            }
            self.arrived.wait(&mut jobs);
        }
    }
}

impl Drop for PostPool {
    fn drop(&mut self) {
        self.queue.jobs.lock().1 = true;
        self.queue.arrived.notify_all();
    }
}
