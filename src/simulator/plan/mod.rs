//! A scenario made ready to run: everything looked up, numbered and checked once, then only read.

mod barrier;
mod population;

pub use barrier::PhaseBarrier;
pub use population::{IdentityBuffer, Population, SimEndpoint};

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use std::sync::Arc;

use ipnet::Ipv4Net;

use super::gateway::{GatewayMachineSettings, Profile};
use super::scenario::{
    AllocationSpec, Expect, Habits, IntegrityCheck, Load, Loaded, Repeat, Roam, Scenario,
    ScenarioError,
};
use crate::exchange::{ClientSettings, RetransmissionPolicy, Server, ServerRole};
use crate::time::Timestamp;
use crate::wire::Secret;

/// What all threads of a run read.
#[derive(Debug)]
pub struct RunPlan {
    pub seed: u64,
    /// The time of day at [`Timestamp::EPOCH`].
    pub epoch: Timestamp,
    /// How many shards share the work.
    pub shards: usize,
    pub population: Population,
    pub groups: Vec<PlannedGroup>,
    pub gateways: Vec<Site>,
    pub settings: Arc<GatewayMachineSettings>,
    pub phases: Vec<PlannedPhase>,
    pub reboots: Vec<PlannedRestart>,
    pub habits: NetworkHabits,
    pub roam: Roam,
    pub expect: Expect,
    pub vendor: u32,
    /// Requests on their way in each shard.
    pub outstanding: usize,
    pub settle: Duration,
    /// How late a request may begin.
    pub tolerance: Duration,
    pub patience: Duration,
    pub barrier: PhaseBarrier,
}

/// Where the addresses of a group come from.
#[derive(Clone, Debug)]
pub struct PlannedGroup {
    pub moniker: String,
    /// Groups of one VSlice have the same number. Addresses are unique only together with it.
    pub vslice: u16,
    pub allocation: AllocationSpec,
    pub subnets: Vec<Ipv4Net>,
    pub apn: String,
    pub refused: Option<String>,
}

/// A gateway, and where it sends from.
#[derive(Clone, Debug)]
pub struct Site {
    pub profile: Profile,
    pub source: Option<IpAddr>,
    /// How far its clock is ahead from when on, in seconds; in the order of the times.
    pub clock: Vec<(Timestamp, i64)>,
}

#[derive(Clone, Debug)]
pub struct PlannedPhase {
    pub name: String,
    pub load: Load,
    pub length: Duration,
}

/// A gateway is away from `down` to `up`.
#[derive(Clone, Copy, Debug)]
pub struct PlannedRestart {
    pub gateway: u16,
    pub down: Timestamp,
    pub up: Timestamp,
    /// Accounting-Off when it goes, Accounting-On when it is back.
    pub planned: bool,
    pub announced: bool,
}

/// What the network does to datagrams, as shares.
#[derive(Clone, Debug)]
pub struct NetworkHabits {
    pub lost: f64,
    pub duplicated: f64,
    pub reordered: f64,
    pub late: f64,
    pub late_by: Duration,
    pub corrupted: f64,
    pub wrong_secret: f64,
    pub lost_replies: f64,
}

/// Source ports of one gateway towards one server, at most: 65,536 requests.
const MAX_PORTS: u16 = 256;

impl RunPlan {
    /// Prepares a run that begins at `epoch` in so many shards. Reads the endpoint files that the
    /// scenario names.
    ///
    /// # Errors
    /// If one of them cannot be read or is wrong.
    pub fn new(loaded: &Loaded, epoch: Timestamp, shards: usize) -> Result<Self, ScenarioError> {
        let scenario = &loaded.scenario;
        let groups = groups(scenario);
        let phases: Vec<PlannedPhase> = scenario.phase.iter().filter_map(phase).collect();
        Ok(Self {
            seed: scenario.seed,
            epoch,
            shards,
            population: Population::read(loaded, &groups)?,
            groups,
            gateways: gateways(scenario),
            settings: Arc::new(settings(scenario)),
            reboots: reboots(scenario),
            habits: NetworkHabits::of(&scenario.habits),
            roam: scenario.habits.roam,
            expect: scenario.expect.clone(),
            vendor: scenario.target.vendor_id,
            outstanding: scenario.outstanding.div_ceil(shards.max(1)),
            settle: Duration::from_secs_f64(scenario.settle_s),
            tolerance: Duration::from_secs_f64(scenario.tolerance_ms / 1000.0),
            patience: Duration::from_secs_f64(scenario.target.patience_s),
            barrier: PhaseBarrier::new(phases.len(), shards),
            phases,
        })
    }

    /// Seconds since 1970 by the clock of this gateway, as Event-Timestamp has them.
    pub fn seconds(&self, gateway: u16, now: Timestamp) -> u32 {
        let right = ((self.epoch.micros() + now.micros()) / 1_000_000) as u32;
        let clock = self.gateways.get(usize::from(gateway)).map_or(&[][..], |site| &site.clock);
        let ahead_s = clock.iter().rev().find(|(since, _)| *since <= now).map_or(0, |set| set.1);
        right.wrapping_add(ahead_s as u32)
    }

    /// What names the bearer of an endpoint's session at its gateway. Other runs against the same
    /// server begin elsewhere.
    pub const fn charging_id(&self, endpoint: u32, serial: u32) -> u32 {
        let start = (self.epoch.secs() as u32).wrapping_mul(0x9E37_79B1);
        start.wrapping_add(serial.wrapping_mul(self.population.len())).wrapping_add(endpoint)
    }
}

impl NetworkHabits {
    fn of(habits: &Habits) -> Self {
        Self {
            lost: habits.lost,
            duplicated: habits.duplicated,
            reordered: habits.reordered,
            late: habits.late,
            late_by: Duration::from_secs_f64(habits.late_by_s),
            corrupted: habits.corrupted,
            wrong_secret: habits.wrong_secret,
            lost_replies: habits.lost_replies,
        }
    }

    /// Whether every datagram simply arrives.
    pub fn is_perfect(&self) -> bool {
        [self.lost, self.duplicated, self.reordered, self.late, self.corrupted, self.wrong_secret]
            .iter()
            .all(|share| *share == 0.0)
    }
}

fn groups(scenario: &Scenario) -> Vec<PlannedGroup> {
    let mut vslices: Vec<&str> = Vec::new();
    let mut groups = Vec::new();
    for group in &scenario.group {
        let known = vslices.iter().position(|vslice| *vslice == group.vslice);
        let vslice = known.unwrap_or_else(|| {
            vslices.push(&group.vslice);
            vslices.len() - 1
        });
        groups.push(PlannedGroup {
            moniker: group.moniker.clone(),
            vslice: vslice as u16,
            allocation: group.allocation,
            subnets: group.subnets.clone(),
            apn: group.apn.clone(),
            refused: group.refused.clone(),
        });
    }
    groups
}

fn gateways(scenario: &Scenario) -> Vec<Site> {
    let addresses = scenario.gateway.iter().flat_map(|gateway| {
        let first = u32::from(gateway.nas_ip);
        (0..u32::from(gateway.count))
            .map(move |number| (Ipv4Addr::from(first.wrapping_add(number)), gateway))
    });
    let site =
        |(name, (nas_ip, gateway)): (String, (Ipv4Addr, &super::scenario::GatewaySpec))| Site {
            clock: clock(scenario, &name),
            profile: Profile { name, nas_ip, plmn: gateway.plmn.clone() },
            source: gateway.source,
        };
    scenario.gateway_names().zip(addresses).map(site).collect()
}

fn clock(scenario: &Scenario, gateway: &str) -> Vec<(Timestamp, i64)> {
    let own = scenario.clock.iter().filter(|clock| clock.gateway == gateway);
    let mut set: Vec<(Timestamp, i64)> = own
        .map(|clock| (Timestamp::EPOCH + Duration::from_secs_f64(clock.at_s), clock.ahead_s))
        .collect();
    set.sort_by_key(|(since, _)| *since);
    set
}

fn settings(scenario: &Scenario) -> GatewayMachineSettings {
    let target = &scenario.target;
    let servers = |addresses: &[std::net::SocketAddr], role| {
        let server = move |address: &std::net::SocketAddr| Server { address: *address, role };
        addresses.iter().map(server).collect::<Vec<Server>>()
    };
    let policy = |repeat: Repeat| RetransmissionPolicy {
        initial: Duration::from_secs_f64(repeat.initial_s),
        transmissions: repeat.transmissions,
        ceiling: Duration::from_secs_f64(repeat.ceiling_s),
        total: Duration::from_secs_f64(repeat.total_s),
    };
    let client = ClientSettings {
        servers: [
            servers(&target.auth, ServerRole::Access),
            servers(&target.acct, ServerRole::Accounting),
        ]
        .concat(),
        secret: Secret::new(target.secret.as_bytes()),
        failover_after: scenario.retransmission.failover_after,
        dead_for: Duration::from_secs_f64(scenario.retransmission.dead_s),
        max_ports: MAX_PORTS,
        integrity_required: scenario.expect.message_authenticator != IntegrityCheck::Any,
        window: None,
    };
    GatewayMachineSettings {
        client: client.into(),
        access: policy(scenario.retransmission.access),
        accounting: policy(scenario.retransmission.accounting),
        status_interval: Duration::from_secs_f64(target.status_interval_s),
    }
}

/// The check of the scenario has seen that every phase is sound.
fn phase(phase: &super::scenario::PhaseSpec) -> Option<PlannedPhase> {
    let load = phase.load().ok()?;
    Some(PlannedPhase {
        name: phase.name.clone(),
        load,
        length: Duration::from_secs_f64(phase.for_s),
    })
}

fn reboots(scenario: &Scenario) -> Vec<PlannedRestart> {
    let number = |name: &str| {
        scenario.gateway_names().position(|gateway| gateway == name).map(|index| index as u16)
    };
    let moment = |seconds| Timestamp::EPOCH + Duration::from_secs_f64(seconds);
    let mut reboots: Vec<PlannedRestart> = scenario
        .reboot
        .iter()
        .filter_map(|reboot| {
            let (down, up) = (moment(reboot.at_s), moment(reboot.at_s + reboot.takes_s));
            Some(PlannedRestart {
                gateway: number(&reboot.gateway)?,
                down,
                up,
                planned: reboot.planned,
                announced: reboot.announced,
            })
        })
        .collect();
    reboots.sort_by_key(|reboot| reboot.down);
    reboots
}
