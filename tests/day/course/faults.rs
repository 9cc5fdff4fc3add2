//! What happens to the server: its power fails, it is stopped and started, its disk fills, its
//! inventory is changed.

use std::time::Duration;

use super::{Day, Event, LOOK};
use crate::audit::{self, Memory};
use crate::disk::DiskState;
use crate::fault_plan::{CrashPoint, Fault};
use crate::life::{Life, WORKERS};

/// A server that could not start tries again after this.
const RETRY: Duration = Duration::from_secs(5);

impl Day {
    pub(super) fn start(&mut self) {
        let Some(life) = self.standby.take().or_else(|| self.new_life()) else {
            self.outcome.count.failed_starts += 1;
            self.queue.plan(self.now + RETRY, Event::Start);
            return;
        };
        self.outcome.count.torn_tails += u32::from(life.has_cut);
        let number = life.number;
        // Before anything is compared: pools hear of holds that are over only when asked.
        self.life.insert(life).housekeep(self.now);
        (self.called, self.is_committing) = ([false; WORKERS], false);
        self.queue.plan(self.now + LOOK, Event::Look(number));
        self.queue.plan(self.now + LOOK, Event::Copy(number));
        self.check();
    }

    /// Somebody sets the machine's clock.
    pub(super) fn set_clock(&mut self, wrong_s: i64) {
        self.machine.wrong_s = wrong_s;
        if let Some(life) = self.life.as_mut().or(self.standby.as_mut()) {
            life.observe(&self.machine, self.now);
        }
    }

    fn new_life(&mut self) -> Option<Life> {
        self.lives += 1;
        self.outcome.count.wrong_starts += u32::from(self.machine.wrong_s != 0);
        let begun = Life::begin(&self.machine, self.lives, self.now);
        if let Err(error) = &begun
            && self.machine.disk.is_working()
        {
            self.outcome
                .problems
                .push(format!("{:?}: the server does not start: {error}", self.now));
        }
        begun.ok()
    }

    pub(super) fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::PathDown(place, lasts) => {
                self.network.cut(self.listeners[place].0, self.now + lasts);
            }
            Fault::DiskFull(lasts) => {
                self.outcome.count.full_disks += 1;
                self.machine.disk.set_state(DiskState::Full);
                self.queue.plan(self.now + lasts, Event::DiskWorks);
            }
            Fault::Reload => {
                self.machine.operator.relay_subnets(self.now);
                self.reload();
            }
            Fault::Move => {
                self.machine.operator.move_endpoints(self.now);
                self.outcome.count.edits += 1;
                self.reload();
            }
            Fault::ReplaceSims => {
                self.machine.operator.replace_sims(self.now);
                self.outcome.count.edits += 1;
                self.reload();
            }
            Fault::EditGateways => {
                self.machine.edit_gateways();
                self.outcome.count.edits += 1;
                self.reload();
            }
            Fault::Suspend(lasts) => {
                self.machine.operator.suspend(self.now);
                self.outcome.count.suspensions += 1;
                self.queue.plan(self.now + lasts, Event::Resume);
                self.reload();
            }
            Fault::ClockStep(by_s, lasts) => {
                self.outcome.count.clock_steps += 1;
                self.set_clock(by_s);
                self.queue.plan(self.now + lasts, Event::ClockRight);
            }
            Fault::Crash(CrashPoint::Now, back) => self.crash(Some(back)),
            Fault::Crash(point, back) => self.pending_crash = Some((point, back)),
            Fault::Stop(back) => self.stop(back),
        }
    }

    /// The server, if it runs or has started and does not serve yet, reads its files again.
    pub(super) fn reload(&mut self) {
        let Some(life) = self.life.as_mut().or(self.standby.as_mut()) else { return };
        life.reload(&self.machine, self.now);
        self.outcome.count.reloads += 1;
        self.call_committer();
    }

    /// The power fails. `None`: nobody starts the server again.
    pub(super) fn crash(&mut self, back: Option<Duration>) {
        let Some(life) = self.life.take() else { return };
        self.pending_crash = None;
        drop(life);
        self.machine.disk.cut_power();
        self.outcome.count.crashes += 1;
        if let Some(back) = back {
            self.queue.plan(self.now + back, Event::Start);
        }
    }

    /// An orderly end. The next life is compared with it before anything else happens, and serves
    /// some time later.
    fn stop(&mut self, back: Duration) {
        let Some(mut life) = self.life.take() else { return };
        let left = life.drain(self.now);
        self.send(left);
        let (mut before, wall) = (life.memory(), life.wall(self.now));
        life.end(self.now);
        self.outcome.count.stops += 1;
        self.pending_crash = None;
        self.queue.plan(self.now + back, Event::Start);
        if self.machine.disk.is_working() {
            self.standby = self.new_life();
            let mut after = self.standby.as_ref().map(Life::memory).unwrap_or_default();
            for memory in [&mut before, &mut after] {
                audit::forget_ended_holds(memory, wall, self.machine.hold_time());
            }
            let differ = before.iter().filter(|(iccid, memory)| after.get(*iccid) != Some(memory));
            let shown = |(iccid, memory): (&String, &Memory)| {
                format!("{iccid} was {memory:?} and is {:?} after a restart", after.get(iccid))
            };
            self.outcome.problems.extend(differ.map(shown));
        }
    }
}
