//! All dynamic state of one endpoint, and what happens to it apart from accounting.

use std::time::Duration;

use thin_vec::ThinVec;

use super::event_time::EventTime;
use super::matching::{Age, Match};
use super::outcome::Close;
use super::outcome::{CloseCause, Closed, Effect, Few, Outcome};
use super::session::{Ended, Ending};
use super::{Event, Lease, NetworkState, Outages, Report, Restarts, Session, Stamp, Step};
use crate::address::AddressKind;
use crate::identity::Imei;
use crate::prefetch;
use crate::time::Timestamp;

/// A device has at most 11 PDN connections. More sessions than this, open or ending, is a gateway
/// that makes up identifiers.
const MAX_LIVE: usize = 64;

/// Tombstones guard against reports that come late, by seconds as a rule; an endpoint that ends
/// more sessions than this within the life of a tombstone is restarting in a loop, and the newest
/// matter.
const MAX_TOMBSTONES: usize = 16;

/// Nearly every endpoint has at most one, which then lies in its record.
pub type Leases = Few<Lease>;

/// What one endpoint does in the network. The record of an endpoint is this, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointState {
    pub state: NetworkState,
    /// The device that was seen first, where a policy locks the SIM to it. Beside the state, where
    /// it takes no room.
    pub device: Option<Imei>,
    /// When anything was last heard of it, by our time. On its own it makes no new version.
    pub last_activity: Timestamp,
    /// Rises with every change that is worth a record.
    pub version: u64,
    /// Open ones, those that are ending, and the tombstones of ended ones.
    pub sessions: ThinVec<Session>,
    /// At most one of each kind for each group; behind those, addresses given up for another one that are still
    /// in their hold.
    pub leases: Leases,
}

/// The times that end things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits<'a> {
    /// An open session unheard for this long is lost.
    pub stale_after: Duration,
    /// A session that is ending ends after this long.
    pub ending: Duration,
    /// An idle endpoint unheard for this long is detached.
    pub detach_after: Duration,
    /// The life of a tombstone.
    pub tombstone: Duration,
    /// How long a promised address waits for its session.
    pub promise: Duration,
    /// How long a released address is nobody else's.
    pub hold: Duration,
    /// What does not count.
    pub outages: &'a Outages,
}

impl Default for EndpointState {
    fn default() -> Self {
        Self::new(NetworkState::Unknown)
    }
}

impl EndpointState {
    #[must_use]
    pub fn new(state: NetworkState) -> Self {
        Self {
            state,
            device: None,
            last_activity: Timestamp::EPOCH,
            version: 0,
            sessions: ThinVec::new(),
            leases: Leases::new(),
        }
    }

    /// A hint before anything happens to it: its sessions lie elsewhere. How many there are is
    /// written there too, so the first is asked for.
    pub fn prefetch_sessions(&self) {
        prefetch::lines(self.sessions.as_ptr(), size_of::<Session>());
    }

    pub fn open_sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| session.is_open())
    }

    /// How many sessions it may not have any more, and its gateways have still.
    #[must_use]
    pub fn ending_sessions(&self) -> usize {
        self.sessions.iter().filter(|session| session.is_live() && !session.is_open()).count()
    }

    /// The endpoint was placed in a group.
    pub fn assign(&mut self) -> Outcome {
        let mut outcome = Outcome::new(self.state);
        self.step(Event::Assigned, &mut outcome);
        self.finish(outcome)
    }

    /// Permission to attach was given, or an attach was reported.
    pub fn attach(&mut self, now: Timestamp) -> Outcome {
        let mut outcome = self.touch(now);
        self.step(Event::Attach, &mut outcome);
        self.finish(outcome)
    }

    /// The gateway reports that the device has left: all sessions begun until then end. If a
    /// younger one is open the report is out of date, and the endpoint stays.
    pub fn detach(&mut self, report: &Report<'_>, now: Timestamp) -> Outcome {
        let mut outcome = self.touch(now);
        // One that names a live session is no old one, whether it has a stamp or not.
        let is_current = self
            .sessions
            .iter()
            .any(|session| session.is_live() && is_named_since(session, report, now));
        let ends = |session: &Session| {
            session.may_be_ended_by(report, now)
                || is_current && session.age(report, now) == Age::Since
        };
        // Of a time more than a week ago it tells only those who were there then.
        let is_heard = report.stamp != Stamp::Old || self.open_sessions().next().is_some();
        if is_heard && self.open_sessions().all(ends) {
            let ends_at = |session: &Session| {
                session.own_time(session.is_reported_by(&report.reporter), report.event_time)
            };
            self.leave(CloseCause::Detach, ends_at, now, &mut outcome);
        } else {
            outcome.effect = Effect::Outdated;
            self.close_where(
                |session| {
                    let is_own_clock = session.is_reported_by(&report.reporter);
                    ends(session).then(|| session.own_time(is_own_clock, report.event_time))
                },
                CloseCause::Detach,
                now,
                &mut outcome,
            );
        }
        self.finish(outcome)
    }

    /// Ends all sessions; the cause also says which event of the state table this is. What the
    /// endpoint may not have any more is ending until its gateway has heard of it.
    pub fn close_all(&mut self, cause: CloseCause, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::new(self.state);
        self.leave(cause, |_| EventTime::at(now), now, &mut outcome);
        self.finish(outcome)
    }

    /// Ends everything: nobody will know of the endpoint any more.
    pub fn end_all(&mut self, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::new(self.state);
        self.close_where(
            |session| Some(session.updated()),
            CloseCause::Unassigned,
            now,
            &mut outcome,
        );
        self.finish(outcome)
    }

    /// Ends one session, by its number: its gateway has it no more. Its address is nobody else's
    /// before `address_until`, if that is later than its hold.
    pub fn end_session(
        &mut self,
        number: u64,
        cause: CloseCause,
        now: Timestamp,
        address_until: Option<Timestamp>,
    ) -> Outcome {
        let mut outcome = Outcome::new(self.state);
        self.close_where(
            |session| (session.number() == number).then(|| session.updated()),
            cause,
            now,
            &mut outcome,
        );
        if let Some(until) = address_until {
            for freed in std::mem::take(&mut outcome.freed) {
                self.keep_back(freed, until);
            }
        }
        self.finish(outcome)
    }

    /// Ends the sessions of gateways that have restarted. Has to come before any report is taken,
    /// else a late Interim passes for news of a living session; [`Self::settle`] begins with it.
    pub fn gateway_restart(&mut self, restarts: &Restarts, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::new(self.state);
        self.close_restarted(restarts, now, &mut outcome);
        self.finish(outcome)
    }

    /// Does what time alone does. Returns also when it next wants to be called, if ever.
    pub fn settle(
        &mut self,
        now: Timestamp,
        limits: &SessionLimits<'_>,
        restarts: &Restarts,
    ) -> (Outcome, Option<Timestamp>) {
        let mut outcome = Outcome::new(self.state);
        self.close_restarted(restarts, now, &mut outcome);
        self.close_stale(now, limits, &mut outcome);
        self.forget_tombstones(now, limits);
        self.settle_leases(now, limits, |freed| outcome.freed.push(freed));
        if self.state == NetworkState::Idle
            && limits.outages.deadline(self.last_activity, limits.detach_after) <= now
        {
            self.step(Event::Inactive, &mut outcome);
        }
        (self.finish(outcome), self.next_deadline(limits))
    }

    /// Sets or clears the mark that a session uses an address of a kind that is not its own.
    pub fn mark_conflict(&mut self, session: usize, kind: AddressKind, conflict: bool) {
        if let Some(session) = self.sessions.get_mut(session)
            && session.has_conflict(kind) != conflict
        {
            session.set_conflict(kind, conflict);
            self.version += 1;
        }
    }

    pub(super) fn touch(&mut self, now: Timestamp) -> Outcome {
        self.last_activity = self.last_activity.max(now);
        Outcome::new(self.state)
    }

    /// Lets the state table decide. Returns whether it allowed the event.
    pub(super) fn step(&mut self, event: Event, outcome: &mut Outcome) -> bool {
        match self.state.on(event) {
            Step::To(state) => {
                self.state = state;
                self.version += 1;
                true
            }
            Step::Stays => true,
            Step::Refused => {
                outcome.refused = Some(event);
                outcome.effect = Effect::Refused;
                false
            }
        }
    }

    pub(super) fn push_session(&mut self, session: Session) -> usize {
        // Nearly every endpoint has exactly one session: no spare places.
        self.sessions.reserve_exact(1);
        self.sessions.push(session);
        self.version += 1;
        self.sessions.len() - 1
    }

    /// Ends one session, with the event that this is. One that was ending was none of the network
    /// state's any more.
    pub(super) fn end(&mut self, at: usize, ended: Ended, now: Timestamp, outcome: &mut Outcome) {
        let was_open = self.sessions[at].is_open();
        self.leave_tombstone(at, ended, now, outcome);
        if was_open {
            let others_left = self.open_sessions().next().is_some();
            self.step(
                if others_left { Event::SessionCloseOthersLeft } else { Event::SessionCloseLast },
                outcome,
            );
        }
    }

    /// Before another session is opened. What is ending goes first.
    pub(super) fn make_room(&mut self, now: Timestamp, outcome: &mut Outcome) {
        if self.sessions.iter().filter(|session| session.is_live()).count() < MAX_LIVE {
            return;
        }
        let live = (0..self.sessions.len()).filter(|at| self.sessions[*at].is_live());
        if let Some(longest_unheard) =
            live.min_by_key(|at| (self.sessions[*at].is_open(), self.sessions[*at].heard))
        {
            let ended =
                Ended::new(self.sessions[longest_unheard].updated(), 0, CloseCause::Superseded);
            self.leave_tombstone(longest_unheard, ended, now, outcome);
        }
    }

    /// The last act of every method: keeps the list of tombstones short, and the record small.
    pub(super) fn finish(&mut self, mut outcome: Outcome) -> Outcome {
        while self.sessions.len() > MAX_TOMBSTONES
            && self.sessions.iter().filter(|session| !session.is_live()).count() > MAX_TOMBSTONES
        {
            let ended = (0..self.sessions.len()).filter(|at| !self.sessions[*at].is_live());
            let Some(oldest) = ended.min_by_key(|at| self.sessions[*at].heard) else { break };
            self.forget(oldest, &mut outcome);
        }
        self.keep_within_bound(&mut outcome);
        outcome.after = self.state;
        outcome
    }

    /// Turns a session into its tombstone; gives back the lease if it was the group's last.
    pub(super) fn leave_tombstone(
        &mut self,
        at: usize,
        ended: Ended,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let session = &mut self.sessions[at];
        let how = if session.is_open() { Close::Ended } else { Close::EndedAtLast };
        session.end(ended, now);
        let group = session.group;
        let addresses = session.addresses().collect();
        outcome.closed.push(Closed { how, cause: ended.cause, group, addresses });
        if let Some(group) = group {
            self.vacate_leases(group, ended.cause, now)
                .into_iter()
                .for_each(|freed| outcome.freed.push(freed));
        }
        self.version += 1;
    }

    /// From now on those open sessions are ending: their gateway has them still, and their
    /// addresses stay theirs (PROTOCOL 11).
    pub(super) fn begin_ending(
        &mut self,
        concerns: impl Fn(&Session) -> bool,
        cause: CloseCause,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        for at in 0..self.sessions.len() {
            let session = &mut self.sessions[at];
            if !session.is_open() || !concerns(session) {
                continue;
            }
            session.set_ending(Some(Ending { since: now, cause }));
            let (group, addresses) = (session.group, session.addresses().collect());
            outcome.closed.push(Closed { how: Close::BeganEnding, cause, group, addresses });
            if let Some(group) = group {
                self.withdraw_promise(group);
            }
            self.version += 1;
        }
    }

    fn leave(
        &mut self,
        cause: CloseCause,
        ends_at: impl Fn(&Session) -> EventTime,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let event = match cause {
            CloseCause::Detach => Event::Detach,
            CloseCause::Barred => Event::Barred,
            CloseCause::Unassigned => Event::Unassigned,
            CloseCause::Stop
            | CloseCause::Superseded
            | CloseCause::Stale
            | CloseCause::GatewayRestart
            | CloseCause::Disconnected
            | CloseCause::NotOnGateway => Event::SessionCloseLast,
        };
        if matches!(cause, CloseCause::Barred | CloseCause::Unassigned) {
            self.begin_ending(|_| true, cause, now, outcome);
        } else {
            for index in 0..self.sessions.len() {
                if self.sessions[index].is_live() {
                    let at = ends_at(&self.sessions[index]);
                    self.leave_tombstone(index, Ended::new(at, 0, cause), now, outcome);
                }
            }
        }
        self.step(event, outcome);
    }

    fn close_restarted(&mut self, restarts: &Restarts, now: Timestamp, outcome: &mut Outcome) {
        if !restarts.is_empty() {
            self.close_where(
                |session| restarts.closes(session),
                CloseCause::GatewayRestart,
                now,
                outcome,
            );
        }
    }

    /// A session lost ended when it was last heard of, as far as anybody knows: reports that were
    /// held up on their way and tell of later times are news of a living session. One that is
    /// ending is waited for no longer than `ending`.
    fn close_stale(&mut self, now: Timestamp, limits: &SessionLimits<'_>, outcome: &mut Outcome) {
        let last_sign =
            |session: &Session| (live_until(session, limits) <= now).then(|| session.updated());
        self.close_where(last_sign, CloseCause::Stale, now, outcome);
    }

    /// Ends the sessions, open or ending, for which `ends_at` has a time.
    pub(super) fn close_where(
        &mut self,
        ends_at: impl Fn(&Session) -> Option<EventTime>,
        cause: CloseCause,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        for index in 0..self.sessions.len() {
            if self.sessions[index].is_live()
                && let Some(at) = ends_at(&self.sessions[index])
            {
                self.end(index, Ended::new(at, 0, cause), now, outcome);
            }
        }
    }

    /// No change worth a record: the time alone implies it.
    fn forget_tombstones(&mut self, now: Timestamp, limits: &SessionLimits<'_>) {
        let is_over =
            |session: &Session| !session.is_live() && tombstone_until(session, limits) <= now;
        if self.sessions.iter().any(is_over) {
            self.sessions.retain(|session| !is_over(session));
            if self.sessions.is_empty() {
                self.sessions = ThinVec::new();
            } else {
                self.sessions.shrink_to_fit();
            }
        }
    }

    fn next_deadline(&self, limits: &SessionLimits<'_>) -> Option<Timestamp> {
        let of_session = |session: &Session| {
            if session.is_live() {
                live_until(session, limits)
            } else {
                tombstone_until(session, limits)
            }
        };
        let is_idle = self.state == NetworkState::Idle;
        let inactive =
            is_idle.then(|| limits.outages.deadline(self.last_activity, limits.detach_after));
        self.sessions
            .iter()
            .map(of_session)
            .chain(self.next_lease_deadline(limits))
            .chain(inactive)
            .min()
    }
}

/// When a session that nothing more is heard of ends.
fn live_until(session: &Session, limits: &SessionLimits<'_>) -> Timestamp {
    let stale = limits.outages.deadline(session.heard, limits.stale_after);
    session
        .ending()
        .map_or(stale, |ending| stale.min(limits.outages.deadline(ending.since, limits.ending)))
}

fn tombstone_until(session: &Session, limits: &SessionLimits<'_>) -> Timestamp {
    limits.outages.deadline(session.heard, limits.tombstone)
}

/// Whether a report that needs no name has that of this session, and is not older.
fn is_named_since(session: &Session, report: &Report<'_>, now: Timestamp) -> bool {
    session.is_reported_by(&report.reporter)
        && session.matches(report, now) != Match::Other
        && session.age(report, now) == Age::Since
}
