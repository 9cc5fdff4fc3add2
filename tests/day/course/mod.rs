//! One day: the simulator's shards against the server's decision path, in one process, on one
//! virtual clock.

mod faults;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attachd::radius::pipeline::Listener;
use attachd::simulator::counters::RunCounters;
use attachd::simulator::plan::RunPlan;
use attachd::simulator::random::RandomStream;
use attachd::simulator::referee::{AddressModel, Violation};
use attachd::simulator::scenario::{SettingOverride, load};
use attachd::simulator::shard::Shard;
use attachd::time::Timestamp;

use super::audit::{self, Compared};
use super::disk::DiskState;
use super::event_queue::EventQueue;
use super::fault_plan::{self, CrashPoint, Fault};
use super::life::{Datagram, Life, Reply, Step, WORKERS, listeners};
use super::machine::Machine;
use super::mistake::Mistake;
use super::network::{Network, Way};
use super::usage::Meter;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/simulate/day.toml");

const EPOCH: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Shards share the endpoints, as the threads of a real run do.
const SHARDS: usize = 2;

/// How often the walk takes a look, and somebody looks whether a snapshot is due.
const LOOK: Duration = Duration::from_secs(10);

/// From one slice of a snapshot to the next: long enough that much happens in between.
const SLICE: Duration = Duration::from_secs(2);

/// How often everything is compared.
const CHECK: Duration = Duration::from_secs(1800);

/// What a day showed.
pub struct Outcome {
    /// Breaches of rules that the referee knows.
    pub violations: Vec<Violation>,
    /// What else was wrong.
    pub problems: Vec<String>,
    pub counters: RunCounters,
    pub count: Count,
    /// Of all datagrams, both ways, with their times.
    pub digest: u64,
}

/// What the day was like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub datagrams: u64,
    pub crashes: u32,
    pub torn_tails: u32,
    pub stops: u32,
    pub snapshots: u32,
    pub halves_of_snapshots: u32,
    pub reloads: u32,
    pub suspensions: u32,
    /// Times that endpoints were moved, SIMs replaced, gateways renamed and split.
    pub edits: u32,
    /// Sessions whose usage was compared with what their gateways were told.
    pub metered: u64,
    pub full_disks: u32,
    pub clock_steps: u32,
    pub failed_starts: u32,
    /// Starts while the machine's clock was wrong.
    pub wrong_starts: u32,
    /// At the end, after a last crash.
    pub compared: Compared,
}

enum Event {
    Request(Way, SocketAddr, Vec<u8>),
    Reply(Way, Vec<u8>),
    /// Of this life of the server.
    Turn(u32, usize),
    Commit(u32),
    Look(u32),
    Copy(u32),
    Start,
    DiskWorks,
    ClockRight,
    /// The suspended may come back.
    Resume,
    Fault(Fault),
    Check,
}

struct Day {
    now: Timestamp,
    queue: EventQueue<Event>,
    random: RandomStream,
    shards: Vec<Shard>,
    /// When each shard wants to be polled.
    due: Vec<Option<Timestamp>>,
    network: Network,
    listeners: Vec<(SocketAddr, Listener)>,
    machine: Machine,
    meter: Meter,
    life: Option<Life>,
    lives: u32,
    /// The next life, which does not serve yet.
    standby: Option<Life>,
    /// Workers that have been called, and the committer.
    called: [bool; WORKERS],
    is_committing: bool,
    /// A crash that waits for its point.
    pending_crash: Option<(CrashPoint, Duration)>,
    outcome: Outcome,
}

/// Plays the day of this seed. `changes` are those of the scenario.
pub fn play(seed: u64, changes: &[(&str, &str)], mistake: Option<Mistake>) -> Outcome {
    let change = |(key, value): &(&str, &str)| SettingOverride {
        key: (*key).into(),
        value: (*value).into(),
    };
    let mut changes: Vec<SettingOverride> = changes.iter().map(change).collect();
    changes.push(change(&("seed", &seed.to_string())));
    let clocks = fault_plan::gateway_clocks(&mut RandomStream::stream(seed, 6, 0xDA1));
    changes.push(change(&("clock", &clocks)));
    let loaded = load(SCENARIO, &changes).unwrap_or_else(|error| panic!("{error}"));
    let plan = Arc::new(RunPlan::new(&loaded, EPOCH, SHARDS).unwrap());
    let addresses = Arc::new(AddressModel::new(
        Duration::from_secs_f64(plan.expect.hold_s),
        Duration::from_secs_f64(plan.expect.stale_s),
    ));
    let stream = |who| RandomStream::stream(seed, who, 0xDA1);
    let target = &loaded.scenario.target;
    let mut day = Day {
        now: Timestamp::EPOCH,
        queue: EventQueue::new(),
        random: stream(1),
        shards: (0..SHARDS)
            .map(|index| Shard::new(plan.clone(), addresses.clone(), index))
            .collect(),
        due: vec![Some(Timestamp::EPOCH); SHARDS],
        network: Network::new(stream(2)),
        listeners: listeners(&target.auth, &target.acct),
        machine: Machine::new(&loaded.scenario, EPOCH, [stream(3), stream(5), stream(7)], mistake),
        meter: Meter::new(target.secret.as_bytes()),
        life: None,
        lives: 0,
        standby: None,
        called: [false; WORKERS],
        is_committing: false,
        pending_crash: None,
        outcome: Outcome {
            violations: Vec::new(),
            problems: Vec::new(),
            counters: RunCounters::default(),
            count: Count::default(),
            digest: 0,
        },
    };
    let length = plan.phases.iter().map(|phase| phase.length).sum();
    for (at, fault) in fault_plan::faults(length, day.listeners.len(), &mut stream(4)) {
        day.queue.plan(at, Event::Fault(fault));
    }
    day.queue.plan(Timestamp::EPOCH + CHECK, Event::Check);
    day.start();
    day.run();
    day.finish()
}

impl Day {
    fn run(&mut self) {
        while !self.shards.iter().all(|shard| shard.is_over(self.now)) {
            let shards = self.due.iter().flatten().copied();
            let Some(next) = shards.chain(self.queue.next()).min() else { break };
            self.now = self.now.max(next);
            while let Some(event) = self.queue.take(self.now) {
                self.handle(event);
            }
            for shard in 0..SHARDS {
                if self.due[shard].is_some_and(|due| due <= self.now) {
                    self.shards[shard].poll(self.now);
                    self.post(shard);
                }
            }
        }
    }

    /// Compares once more, cuts the power, and compares what is left.
    fn finish(mut self) -> Outcome {
        self.machine.disk.set_state(DiskState::Working);
        if self.life.is_none() {
            self.start();
        }
        self.commit();
        self.check();
        self.crash(None);
        self.start();
        self.outcome.count.compared = self.check();
        for shard in &self.shards {
            self.outcome.counters.merge(shard.counters());
            self.outcome.violations.extend_from_slice(shard.referee().violations());
        }
        self.outcome.count.metered = self.meter.compared;
        self.outcome.violations.retain(|violation| !self.machine.operator.excuses(violation));
        self.outcome.violations.sort_by_key(|violation| violation.at);
        self.outcome
    }

    fn handle(&mut self, event: Event) {
        let life = self.life.as_ref().map(|life| life.number);
        let is_present = |number: u32| life == Some(number);
        match event {
            Event::Request(way, from, octets) => self.request(way, from, octets),
            Event::Reply(way, octets) => {
                self.meter.answered(way, &octets, self.now);
                self.shards[way.shard].receive(self.now, way.socket, way.server, &octets);
                self.post(way.shard);
            }
            Event::Turn(number, worker) if is_present(number) => self.turn(worker),
            Event::Commit(number) if is_present(number) => self.commit_or_die(),
            Event::Look(number) if is_present(number) => self.look(),
            Event::Copy(number) if is_present(number) => self.copy(),
            Event::Turn(..) | Event::Commit(_) | Event::Look(_) | Event::Copy(_) => {}
            Event::Start => self.start(),
            Event::ClockRight => self.set_clock(0),
            Event::Resume => {
                self.machine.operator.resume(self.now);
                self.reload();
            }
            Event::DiskWorks => self.machine.disk.set_state(DiskState::Working),
            Event::Fault(fault) => self.apply(fault),
            Event::Check => {
                self.check();
                self.queue.plan(self.now + CHECK, Event::Check);
            }
        }
    }

    /// What a shard wants sent goes into the network.
    fn post(&mut self, shard: usize) {
        let out = std::mem::take(self.shards[shard].outbound());
        for dispatch in out.iter() {
            let way = Way { shard, socket: dispatch.socket, server: dispatch.to };
            let from = self.network.address(shard, dispatch.socket);
            self.digest(dispatch.octets);
            self.meter.sent(way, dispatch.octets);
            for arrival in self.network.arrivals(self.now, dispatch.to) {
                self.queue.plan(arrival, Event::Request(way, from, dispatch.octets.to_vec()));
            }
        }
        self.due[shard] = self.shards[shard].next_deadline();
    }

    /// A datagram has arrived; if the server is down, nobody hears it.
    fn request(&mut self, way: Way, from: SocketAddr, octets: Vec<u8>) {
        let Some(life) = &mut self.life else { return };
        let listener = self
            .listeners
            .iter()
            .find(|(address, _)| *address == way.server)
            .map(|(_, listener)| *listener)
            .unwrap();
        let worker = usize::from(way.socket.port + u16::from(way.socket.server)) % WORKERS;
        life.receive(worker, Datagram { from, listener, octets });
        self.call(worker);
    }

    /// A worker turns to its work a little later, and finds what has arrived by then.
    fn call(&mut self, worker: usize) {
        if let Some(life) = &self.life
            && !std::mem::replace(&mut self.called[worker], true)
        {
            let soon = Duration::from_micros(20 + self.random.below(200) as u64);
            self.queue.plan(self.now + soon, Event::Turn(life.number, worker));
        }
    }

    fn turn(&mut self, worker: usize) {
        let Some(life) = &mut self.life else { return };
        self.called[worker] = false;
        let left = life.turn(worker, self.now);
        let (due, is_waiting) = (life.due(worker), life.is_waiting(worker));
        if let Some(due) = due {
            let number = life.number;
            self.queue
                .plan(due.max(self.now + Duration::from_micros(1)), Event::Turn(number, worker));
        }
        self.send(left);
        if is_waiting {
            self.call_committer();
        }
    }

    fn send(&mut self, left: Vec<Reply>) {
        for reply in left {
            self.digest(&reply.octets);
            let server = self
                .listeners
                .iter()
                .find(|(_, listener)| listener.index == reply.listener)
                .map(|(address, _)| *address)
                .unwrap();
            let Some((shard, socket)) = self.network.whose(reply.to) else { continue };
            for arrival in self.network.arrivals(self.now, server) {
                self.queue.plan(
                    arrival,
                    Event::Reply(Way { shard, socket, server }, reply.octets.clone()),
                );
            }
        }
    }

    /// The disk takes its time, and whatever is submitted meanwhile goes along.
    fn call_committer(&mut self) {
        if let Some(life) = &self.life
            && !std::mem::replace(&mut self.is_committing, true)
        {
            let slow = if self.random.happens(0.002) { 400_000 } else { 3000 };
            let took = Duration::from_micros(200 + self.random.below(slow) as u64);
            self.queue.plan(self.now + took, Event::Commit(life.number));
        }
    }

    fn commit_or_die(&mut self) {
        let has_work = self
            .life
            .as_ref()
            .is_some_and(|life| (0..WORKERS).any(|worker| life.is_waiting(worker)));
        match self.pending_crash.filter(|_| has_work) {
            Some((CrashPoint::Writing(octets), back)) => {
                self.machine.disk.set_state(DiskState::Failing { octets });
                self.commit();
                self.crash(Some(back));
            }
            Some((CrashPoint::Synced, back)) => {
                self.commit();
                self.crash(Some(back));
            }
            _ => self.commit(),
        }
    }

    fn commit(&mut self) {
        self.is_committing = false;
        let Some(life) = &mut self.life else { return };
        let number = life.number;
        if let Some(again) = life.commit(self.now) {
            self.is_committing = true;
            self.queue.plan(again.max(self.now + Duration::from_micros(1)), Event::Commit(number));
        }
        for worker in 0..WORKERS {
            if self.life.as_ref().is_some_and(|life| life.is_waiting(worker)) {
                self.call(worker);
            }
        }
    }

    fn look(&mut self) {
        let Some(life) = &mut self.life else { return };
        life.observe(&self.machine, self.now);
        life.housekeep(self.now);
        let number = life.number;
        self.queue.plan(self.now + LOOK, Event::Look(number));
        self.call_committer();
    }

    fn copy(&mut self) {
        let Some(life) = &mut self.life else { return };
        let (step, number) = (life.copy(self.now), life.number);
        match (step, self.pending_crash) {
            (Step::Copied, Some((CrashPoint::Copying, back))) => {
                self.outcome.count.halves_of_snapshots += 1;
                return self.crash(Some(back));
            }
            (Step::Finished, _) => self.outcome.count.snapshots += 1,
            (Step::Copied | Step::Nothing, _) => {}
        }
        let pause = if step == Step::Copied { SLICE } else { LOOK };
        self.queue.plan(self.now + pause, Event::Copy(number));
    }

    /// Everything is compared.
    fn check(&mut self) -> Compared {
        let mut compared = Compared::default();
        let Some(life) = &self.life else { return compared };
        let mut found = Vec::new();
        for shard in &mut self.shards {
            compared.add(audit::compare_views(
                &life.aaa,
                life.wall(self.now),
                shard,
                self.now,
                &self.machine.operator,
                &mut found,
            ));
        }
        found.extend(audit::wrong_owners(&life.aaa, &self.machine.operator));
        self.meter.compare(&life.aaa, &self.machine.operator, &mut found);
        found.extend(audit::contradictions(&life.aaa, self.machine.disk.is_working()));
        self.outcome
            .problems
            .extend(found.into_iter().map(|what| format!("{:?}: {what}", self.now)));
        compared
    }

    fn digest(&mut self, octets: &[u8]) {
        self.outcome.count.datagrams += 1;
        let mix = |sum: u64, octet: u64| (sum ^ octet).wrapping_mul(0x0100_0000_01b3);
        let sum = mix(self.outcome.digest, self.now.micros());
        let words = octets
            .chunks(8)
            .map(|chunk| chunk.iter().fold(0, |word, octet| word << 8 | u64::from(*octet)));
        self.outcome.digest = words.fold(sum, mix);
    }
}
