//! Gateways that restart: where their sessions go, and what they say about it.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Shard;
use super::devices::Leaving;
use crate::simulator::device::{DevicePhase, Event};
use crate::simulator::gateway::RequestKind;
use crate::simulator::plan::{PlannedRestart, RunPlan};
use crate::simulator::referee::Hold;
use crate::time::Timestamp;

/// A step of a gateway's restart.
#[derive(Debug)]
pub(super) struct RestartStep {
    pub(super) at: Timestamp,
    gateway: u16,
    action: RestartAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RestartAction {
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
pub(super) struct LostSession {
    local: u32,
    /// The session that it lost with the gateway. None: it had ended without a word before, here as
    /// far as anybody knows.
    lost: Option<u32>,
    address: Ipv4Addr,
}

impl Shard {
    /// Gateways go down and come back.
    pub(super) fn carry_out_restarts(&mut self, now: Timestamp) {
        while self.restart_steps.front().is_some_and(|next| next.at <= now) && self.ended.is_none()
        {
            let Some(step) = self.restart_steps.pop_front() else { break };
            match step.action {
                RestartAction::Down => self.go_down(step.gateway, now),
                RestartAction::Up => self.down[usize::from(step.gateway)] = false,
                RestartAction::Off => self.say(step.gateway, RequestKind::Off, now),
                RestartAction::On => self.say(step.gateway, RequestKind::On, now),
            }
        }
    }

    fn go_down(&mut self, gateway: u16, now: Timestamp) {
        self.down[usize::from(gateway)] = true;
        self.forget(gateway, now);
        let mut lost_sessions = Vec::new();
        for local in 0..self.devices.len() as u32 {
            let device = &self.devices[local as usize];
            if device.gateway != gateway {
                continue;
            }
            let lost = device.session().map(|_| device.serial());
            let address = device.address().filter(|_| lost.is_some() || device.went_silently);
            lost_sessions.extend(address.map(|address| LostSession { local, lost, address }));
            if device.phase() != DevicePhase::Detached {
                self.drive_device(local, Event::Silenced, now, now);
            }
        }
        self.lost_sessions[usize::from(gateway)] = lost_sessions;
    }

    /// The gateway forgets what it asked. Whether its Stops have arrived, nobody knows, and those
    /// it has not sent yet never will.
    fn forget(&mut self, gateway: u16, now: Timestamp) {
        for ticket in self.gateways[usize::from(gateway)].forget(now) {
            self.counters[ticket.kind].forgotten += 1;
            if let (RequestKind::Stop, Some(local)) = (ticket.kind, ticket.endpoint) {
                let device = &mut self.devices[local as usize];
                // An open session has taken the place of the old one.
                device.went_silently |= device.session().is_none();
            }
        }
        let left_behind: Vec<(u32, Leaving)> =
            self.leaving.extract_if(|_, leaving| leaving.gateway == gateway).collect();
        for (local, leaving) in left_behind {
            self.vanish(local, leaving.address, now);
        }
    }

    /// A gateway tells the server that the sessions it had are over.
    fn say(&mut self, gateway: u16, kind: RequestKind, now: Timestamp) {
        for LostSession { local, lost, address } in
            self.lost_sessions[usize::from(gateway)].iter().copied()
        {
            let endpoint =
                self.plan.population.endpoint(self.global(local), self.plan.seed, &mut self.names);
            // Whoever has come back elsewhere in the meantime keeps what it has.
            if self.referee.hold(&endpoint, address, now) == Some(Hold::Lingering) {
                self.referee.loosen(&endpoint, address, Hold::Released, now);
            }
            let device = &mut self.devices[local as usize];
            device.went_silently &= lost != Some(device.serial());
        }
        if self.share.index == 0 {
            self.announce(gateway, kind, now);
        }
    }
}

/// All steps of all restarts, in the order of their times.
pub(super) fn restart_schedule(plan: &RunPlan) -> VecDeque<RestartStep> {
    let mut all: Vec<RestartStep> = plan.reboots.iter().flat_map(restart_steps).collect();
    all.sort_by_key(|step| step.at);
    all.into()
}

fn restart_steps(reboot: &PlannedRestart) -> impl Iterator<Item = RestartStep> {
    let PlannedRestart { gateway, down, up, planned, announced } = *reboot;
    let off = (down + BEFORE_OFF).min(up);
    let restart_steps = [
        (true, down, RestartAction::Down),
        (planned, off, RestartAction::Off),
        (true, up, RestartAction::Up),
        (announced, up, RestartAction::On),
    ];
    restart_steps
        .into_iter()
        .filter(|(happens, ..)| *happens)
        .map(move |(_, at, action)| RestartStep { at, gateway, action })
}
