//! Start, Interim-Update and Stop: what each does to the sessions of its endpoint (PROTOCOL 5 and 6).

use std::cmp::Reverse;

use super::bearer::Tally;
use super::outcome::{CloseCause, Effect, Outcome};
use super::session::{Ended, Standing};
use super::{Bearer, EndpointState, Event, Report, Session, Status};
use crate::identity::GroupId;
use crate::time::Timestamp;

/// The session a report tells of, as a place in the list.
enum Found {
    Open(usize),
    Ended(usize),
}

/// Who may tell of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only who began it.
    Reporter,
    /// Also another of the gateways behind the same configured one, if there is no doubt which session is meant: pairs of gateways take over
    /// from one another.
    Gateway,
}

impl EndpointState {
    /// Start: the session is open, and older ones of the same endpoint and APN are superseded. `group` is the one that serves its APN.
    pub fn start(&mut self, report: &Report<'_>, group: Option<GroupId>, now: Timestamp) -> Outcome {
        let mut outcome = self.hear(now);
        match self.find(report, Reach::Reporter) {
            Some(Found::Open(at)) => self.start_again(at, report, now, &mut outcome),
            Some(Found::Ended(at)) if self.sessions[at].has_ended_by(report.event_time) => {
                outcome.session = Some(at);
                outcome.effect = self.recall(at, report, Status::Start, Effect::TombstoneHolds);
            }
            _ => self.open(report, Status::Start, group, now, &mut outcome),
        }
        self.finish(outcome)
    }

    /// Interim-Update: the session lives. Opens it if its Start was lost.
    pub fn interim(&mut self, report: &Report<'_>, group: Option<GroupId>, now: Timestamp) -> Outcome {
        let mut outcome = self.hear(now);
        match self.find(report, Reach::Gateway) {
            Some(Found::Open(at)) => self.update(at, report, now, &mut outcome),
            Some(Found::Ended(at)) if self.sessions[at].has_ended_by(report.event_time) => {
                outcome.session = Some(at);
                outcome.effect = self.recall(at, report, Status::Interim, Effect::TombstoneHolds);
            }
            _ => self.open(report, Status::Interim, group, now, &mut outcome),
        }
        self.finish(outcome)
    }

    /// Stop: the bearer is closed, and the session if it was its last. Of an unknown session it leaves the tombstone.
    pub fn stop(&mut self, report: &Report<'_>, group: Option<GroupId>, now: Timestamp) -> Outcome {
        let mut outcome = self.hear(now);
        match self.find(report, Reach::Gateway) {
            Some(Found::Open(at)) => self.close_bearer(at, report, now, &mut outcome),
            Some(Found::Ended(at)) if !began_after_end(&self.sessions[at], report) => self.confirm_end(at, report, &mut outcome),
            _ => {
                let mut session = Session::first_seen(report, Status::Stop, group, now);
                session.ended = Some(stopped(report));
                self.entomb(session, &mut outcome);
            }
        }
        self.finish(outcome)
    }

    fn find(&self, report: &Report<'_>, reach: Reach) -> Option<Found> {
        let exact = |session: &Session| session.reporter == report.reporter && session.is_named_by(report);
        let open = self.places(|session| session.is_open() && exact(session));
        let open = open.min_by_key(|at| !self.sessions[*at].is_named_in_full_by(report));
        if let Some(at) = open.filter(|at| report.event_time >= self.sessions[*at].started) {
            return Some(Found::Open(at));
        }
        match (open, self.ended_before(report, exact)) {
            // Gateways use identifiers again: an event from before the open session may belong to an ended one of the same name.
            (Some(_), Some(at)) if self.sessions[at].has_ended_by(report.event_time) => Some(Found::Ended(at)),
            (Some(at), _) => Some(Found::Open(at)),
            (None, Some(at)) => Some(Found::Ended(at)),
            (None, None) if reach == Reach::Gateway => self.find_near(report),
            (None, None) => None,
        }
    }

    /// The session of another reporter behind the same configured gateway, if only one can be meant.
    fn find_near(&self, report: &Report<'_>) -> Option<Found> {
        let near = |session: &Session| session.reporter.gateway == report.reporter.gateway && session.is_named_by(report);
        let mut open = self.places(|session| session.is_open() && near(session));
        match (open.next(), open.next()) {
            (Some(at), None) => Some(Found::Open(at)),
            (None, _) => self.ended_before(report, near).map(Found::Ended),
            (Some(_), Some(_)) => None,
        }
    }

    /// Of the ended sessions meant, the one that the report belongs to: one that knows the bearer before one that does not; then the first that
    /// ended since, or else the last of all.
    fn ended_before(&self, report: &Report<'_>, is_meant: impl Fn(&Session) -> bool) -> Option<usize> {
        let ended = || self.places(|session| !session.is_open() && is_meant(session));
        let end = |at: usize| self.sessions[at].ended.map(|ended| ended.at);
        let knows = |at: usize| self.sessions[at].knows(report.acct_session_id);
        let since = ended().filter(|at| self.sessions[*at].has_ended_by(report.event_time));
        since.min_by_key(|at| (!knows(*at), end(*at), Reverse(*at))).or_else(|| ended().max_by_key(|at| (knows(*at), end(*at))))
    }

    fn places(&self, is_meant: impl Fn(&Session) -> bool) -> impl Iterator<Item = usize> {
        self.sessions.iter().enumerate().filter(move |(_, session)| is_meant(session)).map(|(at, _)| at)
    }

    fn open(&mut self, report: &Report<'_>, status: Status, group: Option<GroupId>, now: Timestamp, outcome: &mut Outcome) {
        let event = if status == Status::Start { Event::SessionOpen } else { Event::SessionUpdate };
        if !self.step(event, outcome) {
            return;
        }
        let mut session = Session::first_seen(report, status, group, now);
        if status == Status::Start
            && let Some(at) = self.superseded_since(&session)
        {
            session.ended = Some(Ended { at, terminate_cause: 0, cause: CloseCause::Superseded });
            return self.entomb(session, outcome);
        }
        self.make_room(now, outcome);
        let leased = group.and_then(|group| self.occupy_lease(group));
        session.ip = session.ip.or(leased);
        let at = self.push_session(session);
        outcome.effect = Effect::Opened;
        outcome.session = Some(at);
        if status == Status::Start {
            self.supersede(at, now, outcome);
        }
    }

    /// When a younger session took the place of this one, whose Start was held up.
    fn superseded_since(&self, late: &Session) -> Option<Timestamp> {
        let successor = |open: &&Session| open.is_rival_of(late) && open.is_younger_than(late.started);
        self.open_sessions().find(successor).map(|open| open.started)
    }

    /// Ends the sessions that the one at `by` takes the place of.
    fn supersede(&mut self, by: usize, now: Timestamp, outcome: &mut Outcome) {
        for other in 0..self.sessions.len() {
            let (old, new) = (&self.sessions[other], &self.sessions[by]);
            if old.is_open() && old.is_rival_of(new) {
                let ended = Ended { at: new.started, terminate_cause: 0, cause: CloseCause::Superseded };
                self.end(other, ended, now, outcome);
            }
        }
    }

    fn entomb(&mut self, session: Session, outcome: &mut Outcome) {
        let at = self.push_session(session);
        outcome.effect = Effect::Entombed;
        outcome.session = Some(at);
    }

    /// A Start of an open session: a repetition, or one more bearer of it.
    fn start_again(&mut self, at: usize, report: &Report<'_>, now: Timestamp, outcome: &mut Outcome) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        session.heard = session.heard.max(now);
        match session.standing(report, Status::Start) {
            Standing::New => self.add_bearer(at, report, Status::Start, outcome),
            Standing::BearerEnded => outcome.effect = self.recall(at, report, Status::Start, Effect::TombstoneHolds),
            // Gateways that were cut off from us start their living sessions once more.
            Standing::News => {
                session.advance(report, Status::Start);
                self.version += 1;
                outcome.effect = Effect::Duplicate;
            }
            Standing::Earlier | Standing::Repeated | Standing::Older => outcome.effect = Effect::Duplicate,
        }
    }

    /// An Interim-Update of an open session.
    fn update(&mut self, at: usize, report: &Report<'_>, now: Timestamp, outcome: &mut Outcome) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        let standing = session.standing(report, Status::Interim);
        if standing != Standing::Earlier {
            session.heard = session.heard.max(now);
        }
        outcome.effect = match standing {
            Standing::New => return self.add_bearer(at, report, Status::Interim, outcome),
            Standing::News => {
                note(session.advance(report, Status::Interim), outcome);
                self.version += 1;
                self.step(Event::SessionUpdate, outcome);
                Effect::Updated
            }
            Standing::Repeated => self.recall(at, report, Status::Interim, Effect::Duplicate),
            Standing::Older => self.recall(at, report, Status::Interim, Effect::Outdated),
            Standing::BearerEnded => self.recall(at, report, Status::Interim, Effect::TombstoneHolds),
            Standing::Earlier => Effect::Outdated,
        };
    }

    /// A Stop of an open session.
    fn close_bearer(&mut self, at: usize, report: &Report<'_>, now: Timestamp, outcome: &mut Outcome) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        match session.standing(report, Status::Stop) {
            Standing::New => self.add_bearer(at, report, Status::Stop, outcome),
            Standing::News => note(session.advance(report, Status::Stop), outcome),
            Standing::Repeated | Standing::Older => session.close_bearer(report),
            Standing::BearerEnded => return outcome.effect = self.recall(at, report, Status::Stop, Effect::Duplicate),
            Standing::Earlier => return outcome.effect = Effect::Outdated,
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

    fn add_bearer(&mut self, at: usize, report: &Report<'_>, status: Status, outcome: &mut Outcome) {
        let session = &mut self.sessions[at];
        let is_newest = report.event_time >= session.updated();
        session.add_bearer(Bearer::first_seen(report, status));
        if is_newest {
            session.follow(report);
        }
        self.version += 1;
        outcome.effect = Effect::Updated;
    }

    /// The Stop of a session that has ended: a repetition, or at last the Stop of one that was given up for lost, with its final counters.
    fn confirm_end(&mut self, at: usize, report: &Report<'_>, outcome: &mut Outcome) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        match session.standing(report, Status::Stop) {
            Standing::New => session.add_bearer(Bearer::first_seen(report, Status::Stop)),
            Standing::News => note(session.advance(report, Status::Stop), outcome),
            Standing::Repeated | Standing::Older => session.close_bearer(report),
            Standing::Earlier => return outcome.effect = Effect::Outdated,
            Standing::BearerEnded => {
                outcome.effect = self.recall(at, report, Status::Stop, Effect::Duplicate);
                // Of two different Stops the later is the end.
                let ends_later = self.sessions[at].ended.is_some_and(|ended| report.event_time.secs() > ended.at.secs());
                self.version += u64::from(ends_later && self.sessions[at].ended_not_before(report.event_time));
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

    /// Takes from a report that is no news what it can still tell: higher counters, those of a bearer nobody mentioned before the end, and of a
    /// bearer that has ended how long reports of it came.
    fn recall(&mut self, at: usize, report: &Report<'_>, status: Status, effect: Effect) -> Effect {
        let session = &mut self.sessions[at];
        let (is_open, is_earlier) = (session.is_open(), session.is_preceded_by(report));
        if let Some(bearer) = session.bearer_mut(report.acct_session_id).filter(|_| !is_earlier) {
            let rose = status != Status::Start && bearer.raise(&report.counters);
            let lasts = is_open && !bearer.is_open() && report.event_time.secs() > bearer.event_time.secs();
            if lasts {
                bearer.event_time = report.event_time;
            }
            self.version += u64::from(rose || lasts);
        } else if status == Status::Interim && !is_open && !session.knows(report.acct_session_id) {
            session.add_bearer(Bearer::first_seen(report, status));
            self.version += 1;
        }
        effect
    }
}

fn note(tally: Tally, outcome: &mut Outcome) {
    outcome.counters_wrapped |= tally.wrapped;
    outcome.counters_lowered |= tally.lowered;
}

fn stopped(report: &Report<'_>) -> Ended {
    Ended { at: report.event_time, terminate_cause: report.terminate_cause.unwrap_or(0), cause: CloseCause::Stop }
}

/// Whether a Stop tells of a later session than the ended one of the same name, of which nothing else was ever heard.
fn began_after_end(session: &Session, report: &Report<'_>) -> bool {
    report.session_time_s.is_some() && session.ended.is_some_and(|ended| report.began().secs() > ended.at.secs())
}
