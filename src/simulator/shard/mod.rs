//! A shard: a share of the endpoints, with instances of all gateways of its own. What one thread
//! runs, and what a test runs without any.
//!
//! Shards need nothing of each other but the address model of addresses and the barrier at the end
//! of a phase. An instance of a gateway in another shard has the same name and other source ports,
//! as a gateway with several cards has.
//!
//! | the driver | the shard |
//! |---|---|
//! | says what time it is | [`Shard::poll`] lets everything happen that is due |
//! | hands over a datagram | [`Shard::receive`] |
//! | sends | [`Shard::outbound`], then clears it |
//! | sleeps until | [`Shard::next_deadline`] |

mod answers;
mod devices;
mod impairment;
mod load;
mod reply;
mod restarts;
#[cfg(test)]
mod tests;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use self::load::schedule;
use super::counters::{Interval, RunCounters};
use super::device::{Device, DevicePhase};
use super::gateway::{GatewayMachine, Ticket, acct_session_id};
use super::plan::{IdentityBuffer, RunPlan};
use super::random::RandomStream;
use super::referee::{AddressModel, ExpectedState, Referee};
use super::schedule::{Schedule, Share};
use crate::exchange::Outbound;
use crate::time::Timestamp;
use crate::timers::TimerWheel;
use devices::{Leaving, Waiting};
use impairment::{Impairment, ImpairmentOutcome};
use restarts::{LostSession, RestartStep, restart_schedule};

/// See the module.
#[derive(Debug)]
pub struct Shard {
    plan: Arc<RunPlan>,
    share: Share,
    devices: Vec<Device>,
    timers: TimerWheel,
    gateways: Vec<GatewayMachine>,
    /// Which gateways are away.
    down: Vec<bool>,
    /// All devices in the order of storms and drains.
    order: Vec<u32>,
    /// Those that an arrival may take; some have gone elsewhere since.
    free: VecDeque<u32>,
    queued: Vec<bool>,
    /// Requests that wait until others are answered.
    waiting: VecDeque<Waiting>,
    /// Roaming endpoints whose old session is still to be stopped.
    leaving: HashMap<u32, Leaving>,
    /// Devices on their way in.
    striving: usize,
    phase: usize,
    phase_began: Timestamp,
    schedule: Schedule,
    served: bool,
    /// When the last phase ended.
    ended: Option<Timestamp>,
    /// What restarts do when, in that order.
    restart_steps: VecDeque<RestartStep>,
    /// Who lost a session when a gateway went down, by gateway.
    lost_sessions: Vec<Vec<LostSession>>,
    impairment: Option<Impairment>,
    random: RandomStream,
    referee: Referee,
    counters: RunCounters,
    interval: Interval,
    /// What the gateways sent, before the network has had its way with it.
    raw: Outbound,
    out: Outbound,
    unanswered: Vec<Ticket>,
    names: IdentityBuffer,
}

impl Shard {
    /// The shard `index` of the plan's.
    pub fn new(plan: Arc<RunPlan>, addresses: Arc<AddressModel>, index: usize) -> Self {
        let of = plan.shards;
        let endpoints = (plan.population.len() as usize + of - 1 - index) / of;
        let share = Share { index, of, endpoints: endpoints as u32 };
        let stream =
            |purpose: u64| RandomStream::stream(plan.seed, u64::MAX - index as u64, purpose);
        let sites = plan.gateways.iter().enumerate();
        let gateways: Vec<GatewayMachine> = sites
            .map(|(number, site)| {
                GatewayMachine::new(
                    number as u16,
                    site.profile.clone(),
                    plan.settings.clone(),
                    stream(16 + number as u64),
                )
            })
            .collect();
        let mut order: Vec<u32> = (0..share.endpoints).collect();
        stream(0).shuffle(&mut order);
        let restart_steps = restart_schedule(&plan);
        let impairment =
            (!plan.habits.is_perfect()).then(|| Impairment::new(plan.habits.clone(), stream(1)));
        let schedule = schedule(&plan, share, 0, Timestamp::EPOCH);
        Self {
            devices: (0..share.endpoints)
                .map(|local| Device::new((local as usize % gateways.len().max(1)) as u16))
                .collect(),
            timers: TimerWheel::with_capacity(endpoints),
            down: vec![false; gateways.len()],
            lost_sessions: vec![Vec::new(); gateways.len()],
            gateways,
            free: order.iter().copied().collect(),
            queued: vec![true; endpoints],
            order,
            waiting: VecDeque::new(),
            leaving: HashMap::new(),
            striving: 0,
            phase: 0,
            phase_began: Timestamp::EPOCH,
            schedule,
            served: false,
            ended: plan.phases.is_empty().then_some(Timestamp::EPOCH),
            restart_steps,
            impairment,
            random: stream(2),
            referee: Referee::new(plan.clone(), addresses),
            counters: RunCounters::default(),
            interval: Interval::default(),
            raw: Outbound::default(),
            out: Outbound::default(),
            unanswered: Vec::new(),
            names: IdentityBuffer::default(),
            plan,
            share,
        }
    }

    /// Lets everything happen that is due, or a good part of it: [`Self::next_deadline`] then says
    /// that there is more.
    pub fn poll(&mut self, now: Timestamp) {
        self.advance_phases(now);
        self.carry_out_restarts(now);
        if self.ended.is_none() {
            self.wake_devices(now);
            self.begin_scheduled(now);
            self.begin_closed(now);
            self.admit_waiting(now);
        }
        self.poll_gateways(now);
        self.carry(now);
    }

    /// When [`Self::poll`] has something to do. None once everything is over.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let gateways = self.gateways.iter().filter_map(GatewayMachine::next_deadline);
        let network = self.impairment.as_ref().and_then(Impairment::next_deadline);
        let phase = match self.ended {
            None => self.plan.phases.get(self.phase).map(|phase| self.phase_began + phase.length),
            Some(ended) => (!self.is_over(ended)).then_some(ended + self.plan.settle),
        };
        let load = [
            self.schedule.next(),
            self.timers.next_due(),
            self.restart_steps.front().map(|next| next.at),
        ];
        let load = load.into_iter().flatten().filter(|_| self.ended.is_none());
        gateways.chain(network).chain(phase).chain(load).min()
    }

    /// Whether the run is over: nothing is owed any more, or it was waited for long enough.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let nothing_owed = || {
            self.outstanding() == 0
                && self.impairment.as_ref().is_none_or(|network| network.next_deadline().is_none())
        };
        self.ended.is_some_and(|ended| now >= ended + self.plan.settle || nothing_owed())
    }

    /// Ends the load now; answers are still waited for.
    pub fn stop(&mut self, now: Timestamp) {
        self.ended.get_or_insert(now);
        self.waiting.clear();
    }

    /// What is to be sent. Whoever sends it clears it.
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.out
    }

    pub const fn counters(&self) -> &RunCounters {
        &self.counters
    }

    pub const fn referee(&self) -> &Referee {
        &self.referee
    }

    pub const fn referee_mut(&mut self) -> &mut Referee {
        &mut self.referee
    }

    /// The number of the phase, from 0.
    pub const fn phase(&self) -> usize {
        self.phase
    }

    /// What happened since the last call.
    pub fn take_interval(&mut self) -> Interval {
        let mut interval = std::mem::take(&mut self.interval);
        interval.outstanding = self.outstanding() as u64;
        interval
    }

    /// Whether nothing has happened since then.
    pub const fn is_quiet(&self) -> bool {
        self.interval.asked == 0 && self.interval.answered == 0 && self.interval.copies == 0
    }

    /// Requests on their way.
    pub fn outstanding(&self) -> usize {
        self.gateways.iter().map(GatewayMachine::outstanding).sum()
    }

    /// How many devices do what.
    pub fn phase_counts(&self) -> HashMap<DevicePhase, usize> {
        let mut phase_counts = HashMap::new();
        for device in &self.devices {
            *phase_counts.entry(device.phase()).or_default() += 1;
        }
        phase_counts
    }

    /// How each endpoint stands at the end, by ICCID.
    pub fn expected_states(&mut self) -> Vec<(String, ExpectedState)> {
        let owed: std::collections::HashSet<u32> = self
            .gateways
            .iter()
            .flat_map(GatewayMachine::waiting)
            .filter_map(|ticket| ticket.endpoint)
            .collect();
        (0..self.devices.len() as u32)
            .map(|local| {
                let expected = self.expected(local);
                (
                    self.names.shown(),
                    if owed.contains(&local) { ExpectedState::Unclear } else { expected },
                )
            })
            .collect()
    }

    /// Also leaves the endpoint's identities in `names`.
    fn expected(&mut self, local: u32) -> ExpectedState {
        self.plan.population.endpoint(self.global(local), self.plan.seed, &mut self.names);
        let device = &self.devices[local as usize];
        let nas_ip = self
            .gateways
            .get(usize::from(device.gateway))
            .map_or(Ipv4Addr::UNSPECIFIED, |gateway| gateway.profile().nas_ip);
        match (device.session(), device.address()) {
            (Some(session), Some(address)) => ExpectedState::Live {
                acct_session_id: String::from_utf8_lossy(&acct_session_id(
                    nas_ip,
                    self.plan.charging_id(self.global(local), device.serial()),
                ))
                .into_owned(),
                address,
                reported: session.reported(),
            },
            // Of an endpoint that has not been here yet the server may still show what another run
            // left behind.
            _ if device.went_silently || device.serial() == 0 => ExpectedState::Unclear,
            _ => ExpectedState::Away,
        }
    }

    const fn global(&self, local: u32) -> u32 {
        local * self.share.of as u32 + self.share.index as u32
    }

    fn poll_gateways(&mut self, now: Timestamp) {
        let mut unanswered = std::mem::take(&mut self.unanswered);
        for gateway in &mut self.gateways {
            let before = gateway.copies();
            gateway.poll(now, &mut self.raw, &mut unanswered);
            self.counters.copies += gateway.copies() - before;
            self.interval.copies += gateway.copies() - before;
        }
        for ticket in unanswered.drain(..) {
            self.unanswered(ticket, now);
        }
        self.unanswered = unanswered;
    }

    /// Everything the gateways have sent goes out, as far as the network lets it.
    fn carry(&mut self, now: Timestamp) {
        let Some(impairment) = &mut self.impairment else {
            if self.out.is_empty() {
                std::mem::swap(&mut self.raw, &mut self.out);
            } else {
                self.raw.iter().for_each(|dispatch| self.out.push(dispatch));
                self.raw.clear();
            }
            return;
        };
        impairment.release(now, &mut self.out);
        for dispatch in self.raw.iter() {
            if impairment.pass(now, dispatch, &mut self.out) == ImpairmentOutcome::Echoing {
                self.gateways[usize::from(dispatch.socket.client)].expect_another_answer(
                    now,
                    dispatch.socket,
                    dispatch.octets,
                );
            }
        }
        self.raw.clear();
    }
}
