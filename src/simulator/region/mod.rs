//! A region: a share of the endpoints, with instances of all gateways of its own. What one thread runs, and what a test runs without any.
//!
//! Regions need nothing of each other but the ledger of addresses and the rendezvous at the end of a phase. An instance of a gateway in
//! another region has the same name and other source ports, as a gateway with several cards has.
//!
//! | the driver | the region |
//! |---|---|
//! | says what time it is | [`Region::poll`] lets everything happen that is due |
//! | hands over a datagram | [`Region::receive`] |
//! | sends | [`Region::outbound`], then clears it |
//! | sleeps until | [`Region::next_deadline`] |

mod answers;
mod attend;
mod mischief;
mod reply;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use self::attend::{Leaving, Waiting};
use self::mischief::{Fate, Mischief};
use super::chance::Chance;
use super::device::{Device, Event, Phase};
use super::gateway::{Gateway, Kind, Outbound, Ticket, acct_session_id};
use super::moment::Moment;
use super::plan::{Names, Plan, Reboot};
use super::referee::{Hold, Ledger, Referee, Standing};
use super::scenario::Load;
use super::schedule::{Begin, Schedule, Share};
use super::tally::{Interval, Tally};
use super::wheel::Wheel;

/// So much is begun at one go, before the sockets are looked after again.
const BATCH: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Region {
    plan: Arc<Plan>,
    share: Share,
    devices: Vec<Device>,
    timers: Wheel,
    gateways: Vec<Gateway>,
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
    phase_began: Moment,
    schedule: Schedule,
    served: bool,
    /// When the last phase ended.
    ended: Option<Moment>,
    /// What restarts do when, in that order.
    upheavals: VecDeque<Upheaval>,
    /// Who lost a session when a gateway went down, by gateway.
    bereft: Vec<Vec<Bereft>>,
    mischief: Option<Mischief>,
    chance: Chance,
    referee: Referee,
    tally: Tally,
    interval: Interval,
    /// What the gateways sent, before the network has had its way with it.
    raw: Outbound,
    out: Outbound,
    unanswered: Vec<Ticket>,
    names: Names,
}

/// A step of a gateway's restart.
#[derive(Debug)]
struct Upheaval {
    at: Moment,
    gateway: u16,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Down,
    /// It says Accounting-Off.
    Off,
    Up,
    /// It says Accounting-On.
    On,
}

/// A gateway that is shut down says so once what it sent before has arrived.
const BEFORE_OFF: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Bereft {
    local: u32,
    serial: u32,
    address: Ipv4Addr,
}

impl Region {
    /// The region `index` of the plan's.
    pub fn new(plan: Arc<Plan>, ledger: Arc<Ledger>, index: usize) -> Self {
        let of = plan.regions;
        let endpoints = (plan.population.len() as usize + of - 1 - index) / of;
        let share = Share { index, of, endpoints: endpoints as u32 };
        let stream = |purpose: u64| Chance::stream(plan.seed, u64::MAX - index as u64, purpose);
        let sites = plan.gateways.iter().enumerate();
        let gateways: Vec<Gateway> = sites
            .map(|(number, site)| Gateway::new(number as u16, site.profile.clone(), plan.settings.clone(), stream(16 + number as u64)))
            .collect();
        let mut order: Vec<u32> = (0..share.endpoints).collect();
        stream(0).shuffle(&mut order);
        let upheavals = upheavals(&plan);
        let mischief = (!plan.habits.is_perfect()).then(|| Mischief::new(plan.habits.clone(), stream(1)));
        let schedule = schedule(&plan, share, 0, Moment::START);
        Self {
            devices: (0..share.endpoints).map(|local| Device::new((local as usize % gateways.len().max(1)) as u16)).collect(),
            timers: Wheel::with_capacity(endpoints),
            down: vec![false; gateways.len()],
            bereft: vec![Vec::new(); gateways.len()],
            gateways,
            free: order.iter().copied().collect(),
            queued: vec![true; endpoints],
            order,
            waiting: VecDeque::new(),
            leaving: HashMap::new(),
            striving: 0,
            phase: 0,
            phase_began: Moment::START,
            schedule,
            served: false,
            ended: plan.phases.is_empty().then_some(Moment::START),
            upheavals,
            mischief,
            chance: stream(2),
            referee: Referee::new(plan.clone(), ledger),
            tally: Tally::default(),
            interval: Interval::default(),
            raw: Outbound::default(),
            out: Outbound::default(),
            unanswered: Vec::new(),
            names: Names::default(),
            plan,
            share,
        }
    }

    /// Lets everything happen that is due, or a good part of it: [`Self::next_deadline`] then says that there is more.
    pub fn poll(&mut self, now: Moment) {
        self.turn_phases(now);
        self.endure(now);
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
    pub fn next_deadline(&self) -> Option<Moment> {
        let gateways = self.gateways.iter().filter_map(Gateway::next_deadline);
        let network = self.mischief.as_ref().and_then(Mischief::next_deadline);
        let phase = match self.ended {
            None => self.plan.phases.get(self.phase).map(|phase| self.phase_began + phase.length),
            Some(ended) => (!self.is_over(ended)).then_some(ended + self.plan.settle),
        };
        let load = [self.schedule.next(), self.timers.next_due(), self.upheavals.front().map(|next| next.at)];
        let load = load.into_iter().flatten().filter(|_| self.ended.is_none());
        gateways.chain(network).chain(phase).chain(load).min()
    }

    /// Whether the run is over: nothing is owed any more, or it was waited for long enough.
    pub fn is_over(&self, now: Moment) -> bool {
        let nothing_owed = || self.outstanding() == 0 && self.mischief.as_ref().is_none_or(|network| network.next_deadline().is_none());
        self.ended.is_some_and(|ended| now >= ended + self.plan.settle || nothing_owed())
    }

    /// Ends the load now; answers are still waited for.
    pub fn stop(&mut self, now: Moment) {
        self.ended.get_or_insert(now);
        self.waiting.clear();
    }

    /// What is to be sent. Whoever sends it clears it.
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.out
    }

    pub const fn tally(&self) -> &Tally {
        &self.tally
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
        self.gateways.iter().map(Gateway::outstanding).sum()
    }

    /// How many devices do what.
    pub fn census(&self) -> HashMap<Phase, usize> {
        let mut census = HashMap::new();
        for device in &self.devices {
            *census.entry(device.phase()).or_default() += 1;
        }
        census
    }

    /// How each endpoint stands at the end, by ICCID.
    pub fn standings(&mut self) -> Vec<(String, Standing)> {
        let owed: std::collections::HashSet<u32> =
            self.gateways.iter().flat_map(Gateway::waiting).filter_map(|ticket| ticket.endpoint).collect();
        (0..self.devices.len() as u32)
            .map(|local| {
                let standing = self.standing(local);
                (self.names.shown(), if owed.contains(&local) { Standing::Unclear } else { standing })
            })
            .collect()
    }

    /// Also leaves the endpoint's identities in `names`.
    fn standing(&mut self, local: u32) -> Standing {
        self.plan.population.endpoint(self.global(local), self.plan.seed, &mut self.names);
        let device = &self.devices[local as usize];
        let nas_ip = self.gateways.get(usize::from(device.gateway)).map_or(Ipv4Addr::UNSPECIFIED, |gateway| gateway.profile().nas_ip);
        match (device.session(), device.address()) {
            (Some(session), Some(address)) => Standing::Live {
                acct_session_id: String::from_utf8_lossy(&acct_session_id(
                    nas_ip,
                    self.plan.charging_id(self.global(local), device.serial()),
                ))
                .into_owned(),
                address,
                reported: session.reported(),
            },
            _ if device.went_silently => Standing::Unclear,
            _ => Standing::Away,
        }
    }

    const fn global(&self, local: u32) -> u32 {
        local * self.share.of as u32 + self.share.index as u32
    }

    fn turn_phases(&mut self, now: Moment) {
        while self.ended.is_none() {
            let Some(phase) = self.plan.phases.get(self.phase) else { break };
            let is_storm = matches!(phase.load, Load::Storm { .. });
            if is_storm && !self.served && self.schedule.next().is_none() && self.striving == 0 && self.waiting.is_empty() {
                self.served = true;
                self.plan.rendezvous.arrive(self.phase);
            }
            if now < self.phase_began + phase.length && !(is_storm && self.plan.rendezvous.is_complete(self.phase)) {
                break;
            }
            self.phase += 1;
            self.served = false;
            self.phase_began = now;
            let takers = if self.is_draining() { self.present_first() } else { self.share.endpoints };
            self.schedule = schedule(&self.plan, Share { endpoints: takers, ..self.share }, self.phase, now);
            if self.phase == self.plan.phases.len() {
                self.stop(now);
            }
        }
    }

    fn is_draining(&self) -> bool {
        self.plan.phases.get(self.phase).is_some_and(|phase| phase.load == Load::Drain)
    }

    /// Brings those who have something to leave to the front of the order, and says how many they are: among all the others a drain
    /// would not be even.
    fn present_first(&mut self) -> u32 {
        let Self { order, devices, .. } = self;
        let (present, away): (Vec<u32>, Vec<u32>) = order.iter().copied().partition(|local| !devices[*local as usize].is_away());
        *order = [present.as_slice(), away.as_slice()].concat();
        present.len() as u32
    }

    fn wake_devices(&mut self, now: Moment) {
        for _ in 0..BATCH {
            let Some(local) = self.timers.pop(now) else { break };
            let scheduled = self.devices[local as usize].wakes().map_or(now, Wheel::rounded);
            self.attend(local, Event::Woken, now, scheduled);
        }
    }

    fn begin_scheduled(&mut self, now: Moment) {
        for _ in 0..BATCH {
            let Some((begin, due)) = self.schedule.take(now) else { break };
            let scheduled = if self.schedule.is_timed() { due } else { now };
            match begin {
                Begin::Attach => match self.next_free() {
                    Some(local) => self.attend(local, Event::Summoned, now, scheduled),
                    None => self.tally.starved += 1,
                },
                Begin::Storm(place) => {
                    let Some(local) = self.order.get(place as usize).copied() else { continue };
                    if !matches!(self.devices[local as usize].phase(), Phase::Attaching | Phase::Authorising) {
                        self.attend(local, Event::Silenced, now, scheduled);
                        self.attend(local, Event::Summoned, now, scheduled);
                    }
                }
                Begin::Dismiss(place) => {
                    if let Some(local) = self.order.get(place as usize).copied() {
                        self.attend(local, Event::Dismissed, now, scheduled);
                    }
                }
            }
        }
    }

    /// Closed loop: a new one begins when another is served.
    fn begin_closed(&mut self, now: Moment) {
        let Some(Load::Closed { in_flight }) = self.plan.phases.get(self.phase).map(|phase| phase.load) else { return };
        let share = (in_flight as usize + self.share.of - 1 - self.share.index) / self.share.of;
        while self.striving < share {
            let Some(local) = self.next_free() else { break };
            self.attend(local, Event::Summoned, now, now);
        }
    }

    /// A detached device that nobody else has summoned meanwhile.
    fn next_free(&mut self) -> Option<u32> {
        while let Some(local) = self.free.pop_front() {
            self.queued[local as usize] = false;
            let device = &self.devices[local as usize];
            if device.is_away() {
                return Some(local);
            }
        }
        None
    }

    fn poll_gateways(&mut self, now: Moment) {
        let mut unanswered = std::mem::take(&mut self.unanswered);
        for gateway in &mut self.gateways {
            let before = gateway.copies();
            gateway.poll(now, &mut self.raw, &mut unanswered);
            self.tally.copies += gateway.copies() - before;
            self.interval.copies += gateway.copies() - before;
        }
        for ticket in unanswered.drain(..) {
            self.unanswered(ticket, now);
        }
        self.unanswered = unanswered;
    }

    /// Gateways go down and come back.
    fn endure(&mut self, now: Moment) {
        while self.upheavals.front().is_some_and(|next| next.at <= now) && self.ended.is_none() {
            let Some(upheaval) = self.upheavals.pop_front() else { break };
            match upheaval.turn {
                Turn::Down => self.go_down(upheaval.gateway, now),
                Turn::Up => self.down[usize::from(upheaval.gateway)] = false,
                Turn::Off => self.say(upheaval.gateway, Kind::Off, now),
                Turn::On => self.say(upheaval.gateway, Kind::On, now),
            }
        }
    }

    fn go_down(&mut self, gateway: u16, now: Moment) {
        self.down[usize::from(gateway)] = true;
        self.gateways[usize::from(gateway)].forget();
        let mut bereft = Vec::new();
        for local in 0..self.devices.len() as u32 {
            let device = &self.devices[local as usize];
            if device.gateway != gateway || device.phase() == Phase::Detached {
                continue;
            }
            let address = device.session().and_then(|_| device.address());
            bereft.extend(address.map(|address| Bereft { local, serial: device.serial(), address }));
            self.attend(local, Event::Silenced, now, now);
        }
        self.leaving.retain(|_, leaving| leaving.gateway != gateway);
        self.bereft[usize::from(gateway)] = bereft;
    }

    /// A gateway tells the server that the sessions it had are over.
    fn say(&mut self, gateway: u16, kind: Kind, now: Moment) {
        for Bereft { local, serial, address } in self.bereft[usize::from(gateway)].iter().copied() {
            let endpoint = self.plan.population.endpoint(self.global(local), self.plan.seed, &mut self.names);
            // Whoever has come back elsewhere in the meantime keeps what it has.
            if self.referee.hold(&endpoint, address, now) == Some(Hold::Lingering) {
                self.referee.loosen(&endpoint, address, Hold::Released, now);
            }
            let device = &mut self.devices[local as usize];
            device.went_silently &= device.serial() != serial;
        }
        if self.share.index == 0 {
            self.announce(gateway, kind, now);
        }
    }

    /// Everything the gateways have sent goes out, as far as the network lets it.
    fn carry(&mut self, now: Moment) {
        let Some(mischief) = &mut self.mischief else {
            if self.out.is_empty() {
                std::mem::swap(&mut self.raw, &mut self.out);
            } else {
                self.raw.iter().for_each(|dispatch| self.out.push(dispatch));
                self.raw.clear();
            }
            return;
        };
        mischief.release(now, &mut self.out);
        for dispatch in self.raw.iter() {
            if mischief.pass(now, dispatch, &mut self.out) == Fate::Echoing {
                self.gateways[usize::from(dispatch.door.gateway)].expect_echo(dispatch.door, dispatch.octets);
            }
        }
        self.raw.clear();
    }
}

fn schedule(plan: &Plan, share: Share, phase: usize, now: Moment) -> Schedule {
    let chance = Chance::stream(plan.seed, u64::MAX - share.index as u64, 1 << 32 | phase as u64);
    let (load, length) = plan.phases.get(phase).map_or((Load::Rest, Duration::ZERO), |phase| (phase.load, phase.length));
    Schedule::new(load, now, length, share, chance)
}

fn upheavals(plan: &Plan) -> VecDeque<Upheaval> {
    let mut all: Vec<Upheaval> = plan.reboots.iter().flat_map(turns).collect();
    all.sort_by_key(|upheaval| upheaval.at);
    all.into()
}

fn turns(reboot: &Reboot) -> impl Iterator<Item = Upheaval> {
    let Reboot { gateway, down, up, planned, announced } = *reboot;
    let off = (down + BEFORE_OFF).min(up);
    let turns = [(true, down, Turn::Down), (planned, off, Turn::Off), (true, up, Turn::Up), (announced, up, Turn::On)];
    turns.into_iter().filter(|(happens, ..)| *happens).map(move |(_, at, turn)| Upheaval { at, gateway, turn })
}
