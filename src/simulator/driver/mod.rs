//! The shell of the simulator: real clock, real sockets, a thread for each shard. Decides nothing.

mod capture;
mod clock;
mod sockets;
mod view;
mod worker;

pub use capture::CaptureOptions;
pub use clock::RunClock;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use self::capture::Capture;
use self::worker::{ShardMessage, ShardThread};
use super::counters::{Interval, LatencyHistogram, RunCounters, Second};
use super::gateway::RequestKind;
use super::plan::RunPlan;
use super::referee::{AddressModel, ExpectedState, Rule, ShownSession, Violation, compare};
use super::scenario::{Loaded, ScenarioError};
use super::shard::Shard;
use crate::time::Timestamp;

/// Endpoints whose sessions are asked for at the end, at most: a request each.
const MOST_VIEWED: usize = 2000;

/// What one run came to.
#[derive(Debug)]
pub struct RunOutcome {
    pub counters: RunCounters,
    pub seconds: Vec<Second>,
    /// The phases in their order, and the latencies of what was answered in each.
    pub phases: Vec<(String, LatencyHistogram)>,
    pub counts: BTreeMap<Rule, u64>,
    pub violations: Vec<Violation>,
    pub began: Timestamp,
    pub lasted: Duration,
    pub threads: usize,
    pub endpoints: u32,
    pub ending: RunEnding,
    /// What the final comparison with the server's own view came to.
    pub view: View,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnding {
    Finished,
    Interrupted,
    /// The target has not given one valid answer.
    Unanswered,
}

/// The comparison with what the server shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    NotAsked,
    /// So many endpoints were compared.
    Compared(usize),
    Failed(String),
}

/// Why a run could not begin.
#[derive(Debug)]
pub enum DriveError {
    Scenario(ScenarioError),
    /// A socket, a thread or a file.
    System(String),
}

/// How a run is watched.
pub struct Watch<'a> {
    /// Told of every second.
    pub on_second: &'a mut dyn FnMut(&Second),
    /// Ends the run early, once it is true.
    pub stop: Arc<AtomicBool>,
    pub capture: Option<CaptureOptions>,
}

/// Runs a scenario against its target.
///
/// # Errors
/// If it cannot begin. Whatever happens later is part of the outcome.
pub fn run(loaded: &Loaded, watch: Watch<'_>) -> Result<RunOutcome, DriveError> {
    let threads = match loaded.scenario.threads {
        0 => thread::available_parallelism().map_or(1, Into::into),
        threads => threads,
    };
    let clock = RunClock::start();
    let plan =
        Arc::new(RunPlan::new(loaded, clock.epoch(), threads).map_err(DriveError::Scenario)?);
    let hold = Duration::from_secs_f64(plan.expect.hold_s);
    let addresses = Arc::new(AddressModel::new(hold, Duration::from_secs_f64(plan.expect.stale_s)));
    let capture = watch
        .capture
        .as_ref()
        .map(|options| Capture::begin(options, clock.epoch()))
        .transpose()
        .map_err(|error| system("the capture file cannot be written", &error))?;
    sockets::permit_many();
    let (sender, messages) = channel();
    let mut handles = Vec::new();
    for index in 0..threads {
        let shard = Shard::new(plan.clone(), addresses.clone(), index);
        let worker = ShardThread::new(
            index,
            clock,
            &plan,
            shard,
            watch.stop.clone(),
            capture.as_ref().map(Capture::handle),
        );
        let sender = sender.clone();
        let thread = thread::Builder::new()
            .name(format!("region-{index}"))
            .spawn(move || worker.run(&sender));
        handles.push(thread.map_err(|error| system("a thread cannot be started", &error))?);
    }
    drop(sender);
    let observer = Observer::new(&plan, clock, watch.stop, threads);
    let (Told { seconds, phases }, ending) = observer.follow(&messages, watch.on_second);
    let shards: Vec<Shard> = handles.into_iter().filter_map(|handle| handle.join().ok()).collect();
    let lasted = clock.now().since(Timestamp::EPOCH);
    if let Some(capture) = capture {
        capture.finish().map_err(|error| system("the capture file cannot be written", &error))?;
    }
    if shards.len() < threads {
        return Err(DriveError::System(
            "a thread of the simulator has failed; this is a mistake in attachd".to_owned(),
        ));
    }
    Ok(conclude(
        &plan,
        loaded.scenario.target.http,
        clock,
        shards,
        RunParts { seconds, phases, ending, lasted },
    ))
}

/// What the observer saw.
struct RunParts {
    seconds: Vec<Second>,
    phases: Vec<(String, LatencyHistogram)>,
    ending: RunEnding,
    lasted: Duration,
}

/// Adds everything up, and asks the server for its own view.
fn conclude(
    plan: &RunPlan,
    http: Option<SocketAddr>,
    clock: RunClock,
    mut shards: Vec<Shard>,
    parts: RunParts,
) -> RunOutcome {
    let view = match http {
        Some(http) if parts.ending == RunEnding::Finished => {
            compare_views(http, clock.now(), &mut shards)
        }
        Some(_) | None => View::NotAsked,
    };
    let mut outcome = RunOutcome {
        counters: RunCounters::default(),
        seconds: parts.seconds,
        phases: parts.phases,
        counts: BTreeMap::new(),
        violations: Vec::new(),
        began: clock.epoch(),
        lasted: parts.lasted,
        threads: shards.len(),
        endpoints: plan.population.len(),
        ending: parts.ending,
        view,
    };
    for shard in &shards {
        outcome.counters.merge(shard.counters());
        for (rule, count) in shard.referee().counts() {
            *outcome.counts.entry(*rule).or_default() += count;
        }
        outcome.violations.extend_from_slice(shard.referee().violations());
    }
    outcome.violations.sort_by_key(|violation| violation.at);
    outcome
}

/// The final view of all endpoints about which something can be said; of very many, every
/// so-and-so-many-th.
fn compare_views(http: SocketAddr, now: Timestamp, shards: &mut [Shard]) -> View {
    let mut reader = match view::ViewClient::connect(http) {
        Ok(reader) => reader,
        Err(error) => return View::Failed(format!("{http}: {error}")),
    };
    let mut compared = 0;
    for shard in shards.iter_mut() {
        let expected_states: Vec<(String, ExpectedState)> = shard
            .expected_states()
            .into_iter()
            .filter(|(_, expected)| *expected != ExpectedState::Unclear)
            .collect();
        let stride = (expected_states.len() / MOST_VIEWED).max(1);
        for (iccid, expected) in expected_states.into_iter().step_by(stride) {
            let seen: Vec<ShownSession> = match reader.sessions(&iccid) {
                Ok(seen) => seen,
                Err(error) => return View::Failed(format!("{http}: {error}")),
            };
            compared += 1;
            for (rule, detail) in compare(&expected, &seen) {
                let violation = Violation {
                    rule,
                    at: now,
                    endpoint: Some(iccid.clone()),
                    detail,
                    packets: Vec::new(),
                };
                shard.referee_mut().report(violation);
            }
        }
    }
    View::Compared(compared)
}

/// Collects the seconds of all shards, and gives up a target that never answers.
struct Observer<'a> {
    plan: &'a RunPlan,
    clock: RunClock,
    stop: Arc<AtomicBool>,
    /// Seconds that not all shards have told yet.
    pending: BTreeMap<u64, (usize, Interval)>,
    /// How many seconds each shard has told; all of them, once it is done.
    told: Vec<u64>,
    collected: Told,
    heard: bool,
    asked: bool,
}

/// What all shards have told, added up.
#[derive(Default)]
struct Told {
    seconds: Vec<Second>,
    phases: Vec<(String, LatencyHistogram)>,
}

impl<'a> Observer<'a> {
    fn new(plan: &'a RunPlan, clock: RunClock, stop: Arc<AtomicBool>, shards: usize) -> Self {
        Self {
            plan,
            clock,
            stop,
            pending: BTreeMap::new(),
            told: vec![0; shards],
            collected: Told::default(),
            heard: false,
            asked: false,
        }
    }

    fn follow(
        mut self,
        messages: &Receiver<ShardMessage>,
        on_second: &mut dyn FnMut(&Second),
    ) -> (Told, RunEnding) {
        let mut ending = RunEnding::Finished;
        loop {
            match messages.recv_timeout(Duration::from_millis(100)) {
                Ok(ShardMessage::Second { shard, number, phase, interval }) => {
                    self.note(number, phase, &interval);
                    self.told[shard] = number + 1;
                }
                Ok(ShardMessage::Done { shard }) => self.told[shard] = u64::MAX,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.publish(on_second);
            if ending == RunEnding::Finished {
                ending = self.evaluate();
            }
        }
        // A thread that has failed leaves its part out.
        self.told.fill(u64::MAX);
        self.publish(on_second);
        (self.collected, ending)
    }

    fn evaluate(&self) -> RunEnding {
        if self.stop.load(Ordering::Relaxed) {
            return RunEnding::Interrupted;
        }
        if self.asked
            && !self.heard
            && self.clock.now().since(Timestamp::EPOCH) > self.plan.patience
        {
            self.stop.store(true, Ordering::Relaxed);
            return RunEnding::Unanswered;
        }
        RunEnding::Finished
    }

    fn note(&mut self, number: u64, phase: usize, interval: &Interval) {
        self.heard |= interval.answered > 0;
        self.asked |= interval.asked > 0;
        let (_, sum) = self.pending.entry(number).or_insert_with(|| (phase, Interval::default()));
        sum.merge(interval);
    }

    fn publish(&mut self, on_second: &mut dyn FnMut(&Second)) {
        let told_by_all = self.told.iter().copied().min().unwrap_or_default();
        while let Some(entry) = self.pending.first_entry()
            && *entry.key() < told_by_all
        {
            let (number, (phase, interval)) = entry.remove_entry();
            let name = self.plan.phases.get(phase).map_or("settle", |phase| &phase.name);
            let second = interval.shown(number, name.to_owned());
            on_second(&second);
            self.collected.seconds.push(second);
            match self.collected.phases.last_mut() {
                Some((last, latency)) if last == name => latency.merge(&interval.latency),
                _ => self.collected.phases.push((name.to_owned(), interval.latency)),
            }
        }
    }
}

impl RunOutcome {
    /// All requests about endpoints and gateways; signs of life do not count.
    pub fn requests() -> impl Iterator<Item = RequestKind> {
        RequestKind::ALL.into_iter().filter(|kind| *kind != RequestKind::Status)
    }
}

fn system(what: &str, error: &io::Error) -> DriveError {
    DriveError::System(format!("{what}: {error}"))
}
