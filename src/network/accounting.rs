//! Start, Interim-Update and Stop: what each does to the sessions of its endpoint (PROTOCOL 5 and
//! 6).

use std::cell::Cell;
use std::cmp::Reverse;
use std::num::NonZeroU64;

use smallvec::SmallVec;

use super::bearer::BearerCounters;
use super::matching::{self, Age, Belongs, Match};
use super::outcome::{CloseCause, Effect, Outcome};
use super::session::{Ended, ReportOrder};
use super::{
    Bearer, EndpointState, Event, EventTime, NetworkState, Report, Reporter, Session, Stamp, Status,
};
use crate::identity::GroupId;
use crate::time::Timestamp;

/// The session a report tells of, as a place in the list.
enum Found {
    /// Open or ending.
    Live(usize),
    Ended(usize),
    /// It has the name of this one, and tells of another that is long over.
    Past(usize),
}

/// Sessions as places in the list, and what a report that has their name is to each. Room for all
/// tombstones and some live ones without the heap.
type Named = SmallVec<[(usize, Match); 20]>;

/// Who may tell of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only who began it.
    Reporter,
    /// Also another of the gateways behind the same configured one, if there is no doubt which
    /// session is meant: pairs of gateways take over from one another.
    Gateway,
}

impl EndpointState {
    /// Whether a report tells of a session that is known, open or not: it is applied whatever the
    /// endpoint may do now (PROTOCOL 11).
    #[must_use]
    pub fn knows(&self, report: &Report<'_>, now: Timestamp) -> bool {
        self.find(report, Status::Stop, Reach::Gateway, now).is_some()
    }

    /// Start: the session is open, and older ones of the same endpoint and APN are superseded.
    /// `group` is the one that serves its APN; without one nothing is opened.
    pub fn start(
        &mut self,
        report: &Report<'_>,
        group: Option<GroupId>,
        now: Timestamp,
    ) -> Outcome {
        let mut outcome = self.touch(now);
        match self.find(report, Status::Start, Reach::Reporter, now) {
            Some(Found::Live(at)) => self.start_again(at, report, group, now, &mut outcome),
            Some(Found::Past(at)) => outcome.pass_over(at),
            Some(Found::Ended(at)) if self.sessions[at].has_ended_by(report, now) => {
                outcome.session = Some(at);
                outcome.effect = self.recall(at, report, Status::Start, Effect::TombstoneHolds);
            }
            Some(Found::Ended(at)) if self.lives_on(at, report, Status::Start, group, now) => {
                self.resume(at, report, Status::Start, now, &mut outcome);
            }
            _ => self.open(report, Status::Start, group, now, &mut outcome),
        }
        self.finish(outcome)
    }

    /// Interim-Update: the session lives. Opens it if its Start was lost.
    pub fn interim(
        &mut self,
        report: &Report<'_>,
        group: Option<GroupId>,
        now: Timestamp,
    ) -> Outcome {
        let mut outcome = self.touch(now);
        match self.find(report, Status::Interim, Reach::Gateway, now) {
            Some(Found::Live(at)) => self.update(at, report, group, now, &mut outcome),
            Some(Found::Past(at)) => outcome.pass_over(at),
            Some(Found::Ended(at)) if self.sessions[at].has_ended_by(report, now) => {
                outcome.session = Some(at);
                outcome.effect = self.recall(at, report, Status::Interim, Effect::TombstoneHolds);
            }
            Some(Found::Ended(at)) if self.lives_on(at, report, Status::Interim, group, now) => {
                self.resume(at, report, Status::Interim, now, &mut outcome);
            }
            _ => self.open(report, Status::Interim, group, now, &mut outcome),
        }
        self.finish(outcome)
    }

    /// Stop: the bearer is closed, and the session if it was its last. Of an unknown session it
    /// leaves the tombstone.
    pub fn stop(&mut self, report: &Report<'_>, group: Option<GroupId>, now: Timestamp) -> Outcome {
        let mut outcome = self.touch(now);
        match self.find(report, Status::Stop, Reach::Gateway, now) {
            Some(Found::Live(at)) => self.close_bearer(at, report, now, &mut outcome),
            Some(Found::Past(at)) => outcome.pass_over(at),
            Some(Found::Ended(at)) if !is_of_later(&self.sessions[at], report, now) => {
                self.confirm_end(at, report, now, &mut outcome);
            }
            _ => {
                let mut session = Session::first_seen(report, Status::Stop, group, now);
                session.ended = Some(stopped(report));
                self.insert_tombstone(session, &mut outcome);
            }
        }
        self.finish(outcome)
    }

    fn find(
        &self,
        report: &Report<'_>,
        status: Status,
        reach: Reach,
        now: Timestamp,
    ) -> Option<Found> {
        let named = self.named_by(report, now, is_from(&report.reporter));
        let live = named.iter().filter(|(at, _)| self.sessions[*at].is_live());
        let live = live.max_by_key(|(at, matching)| {
            (*matching, self.sessions[*at].is_named_in_full_by(report), Reverse(*at))
        });
        match (live, self.ended_before(&named, report, now)) {
            (Some(live), ended) => Some(self.weigh(*live, ended, report, status, now)),
            (None, Some(at)) => Some(self.ended_or_past(at, report, now)),
            (None, None) if reach == Reach::Gateway => self.find_near(report, now),
            (None, None) => None,
        }
    }

    /// Whether a report belongs to the live session whose name it has, or to an ended one of that
    /// name.
    fn weigh(
        &self,
        (live, matching): (usize, Match),
        ended: Option<usize>,
        report: &Report<'_>,
        status: Status,
        now: Timestamp,
    ) -> Found {
        let session = &self.sessions[live];
        let age = match session.age(report, now) {
            // Without a stamp it could be the Stop of the earlier session, replayed.
            Age::Since if status == Status::Stop && !session.may_be_ended_by(report, now) => {
                Age::Before
            }
            age => age,
        };
        let is_of_ended = |at: &usize| {
            let ended = &self.sessions[*at];
            ended.has_ended_by(report, now)
                || age == Age::Before && report.stamp == Stamp::Absent && ended.could_repeat(report)
        };
        let ended = ended.filter(is_of_ended);
        match (matching::belongs(matching, age, ended.is_some()), ended) {
            (Belongs::Tombstone, Some(at)) => self.ended_or_past(at, report, now),
            (Belongs::Past, _) => Found::Past(live),
            (Belongs::Session | Belongs::Tombstone, _) => Found::Live(live),
        }
    }

    /// The session of another reporter behind the same configured gateway, if only one can be
    /// meant.
    fn find_near(&self, report: &Report<'_>, now: Timestamp) -> Option<Found> {
        let named = self.named_by(report, now, |session| session.is_near(&report.reporter));
        let mut live = named.iter().copied().filter(|(at, _)| self.sessions[*at].is_live());
        let ended = self.ended_before(&named, report, now);
        match (live.next(), live.next()) {
            (Some(live), None) => Some(self.weigh(live, ended, report, Status::Interim, now)),
            (None, _) => ended.map(|at| self.ended_or_past(at, report, now)),
            (Some(_), Some(_)) => None,
        }
    }

    /// Whether a report is of an ended session of its name, or tells of a time before that began.
    /// One that was given up is not over until its Stop has come, and a clock may have been set
    /// back meanwhile.
    fn ended_or_past(&self, at: usize, report: &Report<'_>, now: Timestamp) -> Found {
        let session = &self.sessions[at];
        let was_stopped = session.ended.is_some_and(|ended| ended.cause == CloseCause::Stop);
        match (session.matches(report, now), session.age(report, now)) {
            (Match::Proven, _) | (_, Age::Since) => Found::Ended(at),
            (_, Age::Before) if !was_stopped => Found::Ended(at),
            (_, Age::Before | Age::LongBefore) => Found::Past(at),
        }
    }

    /// The sessions that have the name a report gives, of those that are meant, and what the report
    /// is to each.
    fn named_by(
        &self,
        report: &Report<'_>,
        now: Timestamp,
        is_meant: impl Fn(&Session) -> bool,
    ) -> Named {
        let named = |(at, session): (usize, &Session)| {
            let matching = session.matches(report, now);
            (matching != Match::Other && is_meant(session)).then_some((at, matching))
        };
        self.sessions.iter().enumerate().filter_map(named).collect()
    }

    /// Of the ended sessions meant, the one that the report belongs to: one that knows the bearer
    /// before one that does not; then the first that ended since, or else the last of all.
    fn ended_before(
        &self,
        named: &[(usize, Match)],
        report: &Report<'_>,
        now: Timestamp,
    ) -> Option<usize> {
        let ended = || named.iter().map(|(at, _)| *at).filter(|at| !self.sessions[*at].is_live());
        let end = |at: usize| self.sessions[at].ended.map(|ended| ended.time().order);
        let knows = |at: usize| self.sessions[at].knows(report.acct_session_id);
        let since = ended().filter(|at| self.sessions[*at].has_ended_by(report, now));
        since
            .min_by_key(|at| (!knows(*at), end(*at), Reverse(*at)))
            .or_else(|| ended().max_by_key(|at| (knows(*at), end(*at))))
    }

    fn open(
        &mut self,
        report: &Report<'_>,
        status: Status,
        group: Option<GroupId>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let event = if status == Status::Start { Event::SessionOpen } else { Event::SessionUpdate };
        if group.is_none() && self.state != NetworkState::Unknown {
            return outcome.effect = Effect::Refused;
        }
        if !self.step(event, outcome) {
            return;
        }
        let mut session = Session::first_seen(report, status, group, now);
        if let Some(at) = self.superseded_since(&session, report, now) {
            session.ended = Some(Ended::new(at, 0, CloseCause::Superseded));
            return self.insert_tombstone(session, outcome);
        }
        self.make_room(now, outcome);
        if let Some(group) = group.filter(|_| !report.is_without_ip) {
            let leased = self.occupy_leases(group, session.families, report.authorisation);
            session.is_given(&leased);
        }
        let at = self.push_session(session);
        outcome.effect = Effect::Opened;
        outcome.session = Some(at);
        if status == Status::Start {
            self.supersede(at, report, now, outcome);
        }
    }

    /// Whether a report that is newer than the end of a session tells that it lives on: it was
    /// given up, not stopped. A name alone does not prove it for a Start, nor with counters that
    /// begin anew; and where a live session has its name by now, that one has taken its place.
    fn lives_on(
        &self,
        at: usize,
        report: &Report<'_>,
        status: Status,
        group: Option<GroupId>,
        now: Timestamp,
    ) -> bool {
        let session = &self.sessions[at];
        let was_given_up = session
            .ended
            .is_some_and(|ended| ended.cause != CloseCause::Stop && ended.terminate_cause == 0);
        let continues = || {
            let bearer = session
                .bearers()
                .find(|bearer| bearer.is_named_by(report.acct_session_id) && bearer.is_open());
            bearer.is_some_and(|bearer| {
                status == Status::Interim && bearer.is_continued_by(&report.counters)
            })
        };
        let is_of_group = group.is_some() && session.group == group;
        let is_replaced = || {
            self.sessions.iter().any(|other| other.is_live() && other.is_replacement_of(session))
        };
        was_given_up
            && is_of_group
            && !is_replaced()
            && (session.matches(report, now) == Match::Proven || continues())
    }

    /// A session that had been given up lives on: it is the same one, and its counters go on.
    fn resume(
        &mut self,
        at: usize,
        report: &Report<'_>,
        status: Status,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        outcome.session = Some(at);
        if self.superseded_since(&self.sessions[at], report, now).is_some() {
            outcome.effect = self.recall(at, report, status, Effect::TombstoneHolds);
            // It lived until then at least: the same report must not be another session's, nor open
            // this one, when it comes again.
            let moved = self.sessions[at].ended_not_before(report.event_time);
            self.version += u64::from(moved);
            return;
        }
        if !self.reopen(at, outcome) {
            return;
        }
        if status == Status::Start {
            self.start_again(at, report, None, now, outcome);
            self.supersede(at, report, now, outcome);
        } else {
            self.update(at, report, None, now, outcome);
        }
        outcome.effect = Effect::Opened;
    }

    /// Makes an ended or ending session an open one. `false` if the state table refuses it.
    fn reopen(&mut self, at: usize, outcome: &mut Outcome) -> bool {
        if !self.step(Event::SessionUpdate, outcome) {
            return false;
        }
        let session = &mut self.sessions[at];
        outcome.resumed |= session.is_live();
        session.ended = None;
        session.set_ending(None);
        let families = session.families;
        let authorisation = session.authorisation.map(NonZeroU64::get);
        if let Some(group) = session.group {
            self.occupy_leases(group, families, authorisation);
        }
        self.version += 1;
        true
    }

    /// When a younger session took the place of this one, whose report was held up.
    fn superseded_since(
        &self,
        late: &Session,
        report: &Report<'_>,
        now: Timestamp,
    ) -> Option<EventTime> {
        let is_successor = |open: &&Session| {
            let age = open.age(report, now);
            let is_older = age == Age::Before
                || age == Age::LongBefore && open.is_reported_by(&report.reporter);
            is_older && open.is_rival_of(late)
        };
        let began =
            |open: &Session| late.own_time(open.is_reported_by(&report.reporter), open.began());
        self.open_sessions().find(is_successor).map(began)
    }

    /// Ends the sessions that the one at `by` takes the place of.
    fn supersede(&mut self, by: usize, report: &Report<'_>, now: Timestamp, outcome: &mut Outcome) {
        for other in 0..self.sessions.len() {
            let (old, new) = (&self.sessions[other], &self.sessions[by]);
            if other != by
                && old.is_live()
                && old.is_rival_of(new)
                && old.may_be_ended_by(report, now)
            {
                let began = old.own_time(old.is_reported_by(&report.reporter), new.began());
                let ended = Ended::new(began, 0, CloseCause::Superseded);
                self.end(other, ended, now, outcome);
            }
        }
    }

    fn insert_tombstone(&mut self, session: Session, outcome: &mut Outcome) {
        let at = self.push_session(session);
        outcome.effect = Effect::TombstoneAdded;
        outcome.session = Some(at);
    }

    /// Whether a session that is ending may be open again: its endpoint is served by the same group
    /// as before.
    fn reopen_if_served(
        &mut self,
        at: usize,
        group: Option<GroupId>,
        outcome: &mut Outcome,
    ) -> bool {
        let session = &self.sessions[at];
        let is_served = !session.is_open() && group.is_some() && session.group == group;
        is_served && self.reopen(at, outcome)
    }

    /// A Start of a live session: a repetition, or one more bearer of it.
    fn start_again(
        &mut self,
        at: usize,
        report: &Report<'_>,
        group: Option<GroupId>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        outcome.session = Some(at);
        let is_reopened = self.reopen_if_served(at, group, outcome);
        let session = &mut self.sessions[at];
        session.heard = session.heard.max(now);
        match session.report_order(report, Status::Start, now) {
            ReportOrder::New => self.add_bearer(at, report, Status::Start, outcome),
            ReportOrder::BearerEnded => {
                outcome.effect = self.recall(at, report, Status::Start, Effect::TombstoneHolds);
            }
            // Gateways that were cut off from us start their living sessions once more.
            ReportOrder::Newer => {
                session.advance(report, Status::Start);
                self.version += 1;
                outcome.effect = Effect::Duplicate;
            }
            ReportOrder::Repeated | ReportOrder::Older => outcome.effect = Effect::Duplicate,
        }
        if is_reopened {
            outcome.effect = Effect::Opened;
        }
    }

    /// An Interim-Update of a live session.
    fn update(
        &mut self,
        at: usize,
        report: &Report<'_>,
        group: Option<GroupId>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        outcome.session = Some(at);
        let is_reopened = self.reopen_if_served(at, group, outcome);
        let session = &mut self.sessions[at];
        session.heard = session.heard.max(now);
        outcome.effect = match session.report_order(report, Status::Interim, now) {
            ReportOrder::New => {
                self.add_bearer(at, report, Status::Interim, outcome);
                Effect::Updated
            }
            ReportOrder::Newer => {
                note(session.advance(report, Status::Interim), outcome);
                self.version += 1;
                Effect::Updated
            }
            ReportOrder::Repeated => self.recall(at, report, Status::Interim, Effect::Duplicate),
            ReportOrder::Older => self.recall(at, report, Status::Interim, Effect::Outdated),
            ReportOrder::BearerEnded => {
                self.recall(at, report, Status::Interim, Effect::TombstoneHolds)
            }
        };
        if is_reopened {
            outcome.effect = Effect::Opened;
        }
    }

    /// A Stop of a live session.
    fn close_bearer(
        &mut self,
        at: usize,
        report: &Report<'_>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        match session.report_order(report, Status::Stop, now) {
            ReportOrder::New => self.add_bearer(at, report, Status::Stop, outcome),
            ReportOrder::Newer => note(session.advance(report, Status::Stop), outcome),
            ReportOrder::Repeated | ReportOrder::Older => session.close_bearer(report),
            ReportOrder::BearerEnded => {
                return outcome.effect = self.recall(at, report, Status::Stop, Effect::Duplicate);
            }
        }
        let session = &mut self.sessions[at];
        session.heard = session.heard.max(now);
        self.version += 1;
        if report.last_bearer || !session.bearers().any(Bearer::is_open) {
            self.end(at, stopped(report), now, outcome);
            outcome.effect = Effect::Closed;
        } else {
            outcome.effect = Effect::Updated;
        }
    }

    fn add_bearer(
        &mut self,
        at: usize,
        report: &Report<'_>,
        status: Status,
        outcome: &mut Outcome,
    ) {
        let session = &mut self.sessions[at];
        let is_newest = session.is_newest(report);
        session.add_bearer(Bearer::first_seen(report, status));
        if is_newest {
            session.follow(report);
        }
        self.version += 1;
        outcome.effect = Effect::Updated;
    }

    /// The Stop of a session that has ended: a repetition, or at last the Stop of one that was
    /// given up for lost, with its final counters.
    fn confirm_end(
        &mut self,
        at: usize,
        report: &Report<'_>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        match session.report_order(report, Status::Stop, now) {
            ReportOrder::New => session.add_bearer(Bearer::first_seen(report, Status::Stop)),
            ReportOrder::Newer => note(session.advance(report, Status::Stop), outcome),
            ReportOrder::Repeated | ReportOrder::Older => session.close_bearer(report),
            ReportOrder::BearerEnded => {
                outcome.effect = self.recall(at, report, Status::Stop, Effect::Duplicate);
                // Of two different Stops the later is the end.
                let session = &mut self.sessions[at];
                let ends_later =
                    |ended: Ended| report.event_time.order.secs() > ended.time().order.secs();
                let moved = session.ended.is_some_and(ends_later)
                    && session.ended_not_before(report.event_time);
                self.version += u64::from(moved);
                return;
            }
        }
        let end = session.updated();
        session.ended_not_before(end);
        if let Some(ended) = &mut session.ended
            && ended.terminate_cause == 0
        {
            ended.terminate_cause = report.terminate_cause.unwrap_or(0);
        }
        self.version += 1;
        outcome.effect = Effect::TombstoneHolds;
    }

    /// Takes from a report that is no news what it can still tell: higher counters, those of a
    /// bearer nobody mentioned before the end, and of a bearer that has ended how long reports of
    /// it came.
    fn recall(&mut self, at: usize, report: &Report<'_>, status: Status, effect: Effect) -> Effect {
        let session = &mut self.sessions[at];
        let is_live = session.is_live();
        if let Some(bearer) = session.bearer_mut(report.acct_session_id) {
            let rose = status != Status::Start && bearer.raise(&report.counters);
            let order = report.event_time.order;
            let lasts = is_live && !bearer.is_open() && order.secs() > bearer.event_time.secs();
            if lasts {
                bearer.event_time = order;
            }
            self.version += u64::from(rose || lasts);
        } else if status == Status::Interim && !is_live && !session.knows(report.acct_session_id) {
            session.add_bearer(Bearer::first_seen(report, status));
            self.version += 1;
        }
        effect
    }
}

/// Whether a session is reported by this sender. The sessions of an endpoint are nearly all of one
/// NAS, which is compared once.
fn is_from(reporter: &Reporter<'_>) -> impl Fn(&Session) -> bool {
    let last = Cell::new(None);
    move |session| match (session.sender(), last.get()) {
        (Some(sender), Some((known, is_it))) if sender == known => is_it,
        (sender, _) => {
            let is_it = session.is_reported_by(reporter);
            last.set(sender.map(|sender| (sender, is_it)));
            is_it
        }
    }
}

fn note(counters: BearerCounters, outcome: &mut Outcome) {
    outcome.counters_wrapped |= counters.wrapped;
    outcome.counters_lowered |= counters.lowered;
}

fn stopped(report: &Report<'_>) -> Ended {
    Ended::new(report.event_time, report.terminate_cause.unwrap_or(0), CloseCause::Stop)
}

/// Whether a Stop tells of a later session than the ended one of the same name, of which nothing
/// else was ever heard. Not if Class or Charging-Id agree, whatever its time says (PROTOCOL 19).
fn is_of_later(session: &Session, report: &Report<'_>, now: Timestamp) -> bool {
    let ends_before =
        |ended: Ended| report.began().order.secs() > ended.time().order_for(report.stamp).secs();
    report.session_time_s.is_some()
        && session.ended.is_some_and(ends_before)
        && session.matches(report, now) != Match::Proven
}
