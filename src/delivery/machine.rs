//! One receiver's queue: in order for each endpoint, side by side across endpoints, with pauses after
//! failures, and an end to everything.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::DeliveryOutcome;
use crate::time::Timestamp;

/// Endpoints of which something is under way at a time.
const SIDE_BY_SIDE: usize = 8;

/// Events read ahead; what comes behind them waits on disk.
const WINDOW: usize = 1024;

/// Pauses after the first failures; then one of the last length.
const PAUSES_S: [u64; 7] = [1, 5, 30, 120, 600, 1_800, 3_600];

/// How long an event is tried, and how often one that is refused.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
const TRIES_IF_REFUSED: u32 = 3;

/// So many failures in a row, over so long, make a failing receiver.
const FAILING_AFTER: u32 = 20;
const FAILING_FOR: Duration = Duration::from_secs(60);

/// The longest pause between two probes of a failing receiver.
const PROBE_PAUSE: Duration = Duration::from_secs(60);

/// Dead letters kept; the oldest go.
const MOST_DEAD: usize = 10_000;

/// What of a queue outlives a restart. Written lazily: what was delivered since is delivered again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DeliveryMarks {
    /// Everything before this sequence of the log is done.
    pub done_before: u64,
    /// What the receiver sees as number of the first event from there on.
    pub number: u64,
    /// Done though not before that.
    pub done: BTreeSet<u64>,
    pub dead: VecDeque<DeadLetter>,
    /// The receiver said that it wants nothing any more.
    pub is_off: bool,
    pub lost: u64,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// In the log.
    pub sequence: u64,
    pub number: u64,
    pub event_id: String,
    pub given_up_ms: u64,
    pub tries: u32,
    pub why: String,
}

/// Something to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub sequence: u64,
    /// Counts what was queued for this receiver.
    pub number: u64,
    pub event_id: String,
    pub body: Vec<u8>,
}

/// What the end of a try has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// Nothing was.
    No,
    /// The event.
    Event,
    /// The receiver is failing from now on.
    Failing,
    /// The receiver is switched off.
    Off,
}

#[derive(Debug)]
struct QueuedEvent {
    /// Of its endpoint.
    key: u64,
    number: u64,
    event_id: String,
    body: Vec<u8>,
    since: Timestamp,
    tries: u32,
    /// It was given up before.
    is_requeued: bool,
}

/// The queue of one receiver.
#[derive(Debug)]
pub struct DeliveryMachine {
    queued: BTreeMap<u64, QueuedEvent>,
    /// Of each endpoint, the first is under way, ready or paused.
    by_key: HashMap<u64, VecDeque<u64>>,
    ready: VecDeque<u64>,
    paused: BTreeSet<(Timestamp, u64)>,
    under_way: BTreeSet<u64>,
    done: BTreeSet<u64>,
    dead: VecDeque<DeadLetter>,
    /// Of the next event that is queued, and where that is read.
    number: u64,
    next: u64,
    failures: u32,
    failing_since: Option<Timestamp>,
    is_failing: bool,
    not_before: Timestamp,
    is_off: bool,
    lost: u64,
}

impl DeliveryMachine {
    /// Goes on behind what is done.
    #[must_use]
    pub fn new(marks: DeliveryMarks) -> Self {
        Self {
            queued: BTreeMap::new(),
            by_key: HashMap::new(),
            ready: VecDeque::new(),
            paused: BTreeSet::new(),
            under_way: BTreeSet::new(),
            done: marks.done,
            dead: marks.dead,
            number: marks.number.max(1),
            next: marks.done_before,
            failures: 0,
            failing_since: None,
            is_failing: false,
            not_before: Timestamp::EPOCH,
            is_off: marks.is_off,
            lost: marks.lost,
        }
    }

    /// What a restart has to know.
    #[must_use]
    pub fn marks(&self) -> DeliveryMarks {
        let first = self.first();
        // What is being sent once more is a dead letter again after a restart.
        let requeued = self.queued.iter().filter(|(_, event)| event.is_requeued);
        let requeued = requeued.map(|(sequence, event)| DeadLetter {
            sequence: *sequence,
            number: event.number,
            event_id: event.event_id.clone(),
            given_up_ms: event.since.millis(),
            tries: event.tries,
            why: "it was being sent again when the server ended".to_owned(),
        });
        DeliveryMarks {
            done_before: first.map_or(self.next, |(sequence, _)| sequence),
            number: first.map_or(self.number, |(_, number)| number),
            done: self.done.clone(),
            dead: self.dead.iter().cloned().chain(requeued).collect(),
            is_off: self.is_off,
            lost: self.lost,
        }
    }

    /// Sequence and number of the first event that is not done.
    fn first(&self) -> Option<(u64, u64)> {
        let mut own = self.queued.iter().filter(|(_, event)| !event.is_requeued);
        own.next().map(|(sequence, event)| (*sequence, event.number))
    }

    /// The sequence of the log from which on it wants to be offered events; `None`: it has enough.
    #[must_use]
    pub fn wants_from(&self) -> Option<u64> {
        (!self.is_off && self.queued.len() < WINDOW).then_some(self.next)
    }

    /// All of the log before `next` was looked at.
    pub fn looked_until(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Events from here up to `to` are not kept any more: numbers that never come.
    pub fn lose(&mut self, to: u64) {
        let missing = to.saturating_sub(self.next);
        self.number += missing;
        self.lost += missing;
        self.next = self.next.max(to);
    }

    /// Queues an event for the receiver.
    pub fn offer(
        &mut self,
        sequence: u64,
        key: u64,
        since: Timestamp,
        event_id: String,
        body: Vec<u8>,
    ) {
        self.next = self.next.max(sequence + 1);
        let number = self.number;
        self.number += 1;
        if self.done.contains(&sequence) {
            return;
        }
        let is_requeued = false;
        let event = QueuedEvent { key, number, event_id, body, since, tries: 0, is_requeued };
        self.queue(sequence, event);
    }

    fn queue(&mut self, sequence: u64, event: QueuedEvent) {
        let line = self.by_key.entry(event.key).or_default();
        line.push_back(sequence);
        if line.len() == 1 {
            self.ready.push_back(sequence);
        }
        self.queued.insert(sequence, event);
    }

    /// What is to be sent now, one at a time until there is nothing.
    pub fn next_attempt(&mut self, now: Timestamp) -> Option<Attempt> {
        while let Some((due, sequence)) = self.paused.first().copied()
            && due <= now
        {
            self.paused.pop_first();
            self.ready.push_back(sequence);
        }
        // Who does not answer is not asked more than once at a time.
        let most = if self.is_in_doubt() { 1 } else { SIDE_BY_SIDE };
        if self.is_off || self.under_way.len() >= most || now < self.not_before {
            return None;
        }
        let sequence = self.ready.pop_front()?;
        let event = self.queued.get_mut(&sequence)?;
        event.tries += 1;
        self.under_way.insert(sequence);
        Some(Attempt {
            sequence,
            number: event.number,
            event_id: event.event_id.clone(),
            body: event.body.clone(),
        })
    }

    /// When something is due at the latest, if nothing else happens.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        if self.is_off {
            return None;
        }
        let ready =
            (!self.ready.is_empty() && self.under_way.is_empty()).then_some(Timestamp::EPOCH);
        let paused = self.paused.first().map(|(due, _)| *due);
        [ready, paused].into_iter().flatten().min().map(|due| due.max(self.not_before))
    }

    /// A try has ended. `random` is between 0 and 1.
    pub fn finish(
        &mut self,
        sequence: u64,
        outcome: DeliveryOutcome,
        now: Timestamp,
        random: f64,
    ) -> GivenUp {
        if !self.under_way.remove(&sequence) {
            return GivenUp::No;
        }
        let Some(event) = self.queued.get(&sequence) else { return GivenUp::No };
        let (tries, since) = (event.tries, event.since);
        match outcome {
            DeliveryOutcome::Taken => {
                self.recover();
                self.settle(sequence);
                GivenUp::No
            }
            DeliveryOutcome::Gone => {
                self.is_off = true;
                self.ready.push_front(sequence);
                GivenUp::Off
            }
            DeliveryOutcome::Refused { why } => {
                // It answers.
                self.recover();
                self.again_or_dead(sequence, tries >= TRIES_IF_REFUSED, why, None, now, random)
            }
            DeliveryOutcome::Again { why, retry_after } => {
                let has_begun = self.fail(now);
                let is_over = now.since(since) >= GIVE_UP_AFTER;
                let ended = self.again_or_dead(sequence, is_over, why, retry_after, now, random);
                if has_begun { GivenUp::Failing } else { ended }
            }
        }
    }

    fn again_or_dead(
        &mut self,
        sequence: u64,
        is_over: bool,
        why: String,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: f64,
    ) -> GivenUp {
        let Some(event) = self.queued.get(&sequence) else { return GivenUp::No };
        if is_over {
            self.dead.push_back(DeadLetter {
                sequence,
                number: event.number,
                event_id: event.event_id.clone(),
                given_up_ms: now.millis(),
                tries: event.tries,
                why,
            });
            while self.dead.len() > MOST_DEAD {
                self.dead.pop_front();
            }
            self.settle(sequence);
            return GivenUp::Event;
        }
        let nth = (event.tries as usize).saturating_sub(1).min(PAUSES_S.len() - 1);
        // A fifth more or less, so that what failed together does not come back together.
        let jitter = 0.8 + 0.4 * random.clamp(0.0, 1.0);
        let pause = Duration::from_secs(PAUSES_S[nth]).mul_f64(jitter);
        let due = now + retry_after.map_or(pause, |asked| asked.max(pause));
        self.paused.insert((due, sequence));
        GivenUp::No
    }

    /// The event is done, one way or the other: the next of its endpoint may go.
    fn settle(&mut self, sequence: u64) {
        let Some(event) = self.queued.remove(&sequence) else { return };
        if let Some(line) = self.by_key.get_mut(&event.key) {
            line.pop_front();
            match line.front() {
                Some(next) => self.ready.push_back(*next),
                None => _ = self.by_key.remove(&event.key),
            }
        }
        self.done.insert(sequence);
        let first = self.first().map_or(self.next, |(sequence, _)| sequence);
        self.done = self.done.split_off(&first);
    }

    /// Whether it begins to be failing with this.
    fn fail(&mut self, now: Timestamp) -> bool {
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now);
        if self.is_in_doubt() {
            let doublings = (self.failures - FAILING_AFTER).min(10);
            self.not_before = now + Duration::from_millis(100 << doublings).min(PROBE_PAUSE);
        }
        let is_failing = self.failures >= FAILING_AFTER && now.since(since) >= FAILING_FOR;
        is_failing && !std::mem::replace(&mut self.is_failing, true)
    }

    /// The receiver has answered: what waited for it need not wait longer.
    fn recover(&mut self) {
        if self.is_in_doubt() {
            let paused = std::mem::take(&mut self.paused);
            self.ready.extend(paused.into_iter().map(|(_, sequence)| sequence));
        }
        self.failures = 0;
        self.failing_since = None;
        self.is_failing = false;
        self.not_before = Timestamp::EPOCH;
    }

    const fn is_in_doubt(&self) -> bool {
        self.failures >= FAILING_AFTER
    }

    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.is_failing
    }

    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.is_off
    }

    /// It was changed: perhaps it wants events again.
    pub fn switch_on(&mut self) {
        self.is_off = false;
        self.recover();
    }

    /// Events queued and not done.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queued.len()
    }

    /// Events that were lost, at most.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    #[must_use]
    pub const fn dead(&self) -> &VecDeque<DeadLetter> {
        &self.dead
    }

    pub fn forget_dead(&mut self) {
        self.dead.clear();
    }

    /// Takes a dead letter out, to be queued again by [`Self::requeue`].
    pub fn take_dead(&mut self, event_id: &str) -> Option<DeadLetter> {
        let at = self.dead.iter().position(|letter| letter.event_id == event_id)?;
        self.dead.remove(at)
    }

    /// Queues an event that was given up once more, under its old number.
    pub fn requeue(&mut self, letter: DeadLetter, key: u64, now: Timestamp, body: Vec<u8>) {
        let DeadLetter { sequence, number, event_id, .. } = letter;
        if !self.queued.contains_key(&sequence) {
            let (since, tries, is_requeued) = (now, 0, true);
            let event = QueuedEvent { key, number, event_id, body, since, tries, is_requeued };
            self.queue(sequence, event);
        }
    }
}

#[cfg(test)]
mod tests;
