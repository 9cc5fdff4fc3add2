//! The load of each phase: who begins when, as the schedule says, and when the next phase comes.

use std::time::Duration;

use super::Shard;
use crate::simulator::device::{DevicePhase, Event};
use crate::simulator::plan::RunPlan;
use crate::simulator::random::RandomStream;
use crate::simulator::scenario::Load;
use crate::simulator::schedule::{Begin, Schedule, Share};
use crate::time::Timestamp;
use crate::timers::TimerWheel;

/// So much is begun at one go, before the sockets are looked after again.
const BATCH: usize = 64;

impl Shard {
    pub(super) fn advance_phases(&mut self, now: Timestamp) {
        while self.ended.is_none() {
            let Some(phase) = self.plan.phases.get(self.phase) else { break };
            let is_storm = matches!(phase.load, Load::Storm { .. });
            if is_storm
                && !self.served
                && self.schedule.next().is_none()
                && self.striving == 0
                && self.waiting.is_empty()
            {
                self.served = true;
                self.plan.barrier.arrive(self.phase);
            }
            if now < self.phase_began + phase.length
                && !(is_storm && self.plan.barrier.is_complete(self.phase))
            {
                break;
            }
            self.phase += 1;
            self.served = false;
            self.phase_began = now;
            let takers =
                if self.is_draining() { self.present_first() } else { self.share.endpoints };
            self.schedule =
                schedule(&self.plan, Share { endpoints: takers, ..self.share }, self.phase, now);
            if self.phase == self.plan.phases.len() {
                self.stop(now);
            }
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.plan.phases.get(self.phase).is_some_and(|phase| phase.load == Load::Drain)
    }

    /// Brings those who have something to leave to the front of the order, and says how many they
    /// are: among all the others a drain would not be even.
    fn present_first(&mut self) -> u32 {
        let Self { order, devices, .. } = self;
        let (present, away): (Vec<u32>, Vec<u32>) =
            order.iter().copied().partition(|local| !devices[*local as usize].is_away());
        *order = [present.as_slice(), away.as_slice()].concat();
        present.len() as u32
    }

    pub(super) fn wake_devices(&mut self, now: Timestamp) {
        for _ in 0..BATCH {
            let Some(local) = self.timers.pop(now) else { break };
            let scheduled = self.devices[local as usize].wakes().map_or(now, TimerWheel::rounded);
            self.drive_device(local, Event::Woken, now, scheduled);
        }
    }

    pub(super) fn begin_scheduled(&mut self, now: Timestamp) {
        for _ in 0..BATCH {
            let Some((begin, due)) = self.schedule.take(now) else { break };
            let scheduled = if self.schedule.is_timed() { due } else { now };
            match begin {
                Begin::Attach => match self.next_free() {
                    Some(local) => self.drive_device(local, Event::Summoned, now, scheduled),
                    None => self.counters.starved += 1,
                },
                Begin::Storm(place) => {
                    let Some(local) = self.order.get(place as usize).copied() else { continue };
                    if !matches!(
                        self.devices[local as usize].phase(),
                        DevicePhase::Attaching | DevicePhase::Authorising
                    ) {
                        self.drive_device(local, Event::Silenced, now, scheduled);
                        self.drive_device(local, Event::Summoned, now, scheduled);
                    }
                }
                Begin::Dismiss(place) => {
                    if let Some(local) = self.order.get(place as usize).copied() {
                        self.drive_device(local, Event::Dismissed, now, scheduled);
                    }
                }
            }
        }
    }

    /// Closed loop: a new one begins when another is served.
    pub(super) fn begin_closed(&mut self, now: Timestamp) {
        let Some(Load::Closed { in_flight }) =
            self.plan.phases.get(self.phase).map(|phase| phase.load)
        else {
            return;
        };
        let share = (in_flight as usize + self.share.of - 1 - self.share.index) / self.share.of;
        while self.striving < share {
            let Some(local) = self.next_free() else { break };
            self.drive_device(local, Event::Summoned, now, now);
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
}

/// What begins when in a phase.
pub(super) fn schedule(plan: &RunPlan, share: Share, phase: usize, now: Timestamp) -> Schedule {
    let random =
        RandomStream::stream(plan.seed, u64::MAX - share.index as u64, 1 << 32 | phase as u64);
    let (load, length) = plan
        .phases
        .get(phase)
        .map_or((Load::Rest, Duration::ZERO), |phase| (phase.load, phase.length));
    Schedule::new(load, now, length, share, random)
}
