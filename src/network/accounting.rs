//! Start, Interim-Update and Stop: what each does to the sessions of its endpoint (PROTOCOL 5 and 6).

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
            Some(Found::Ended(at)) if self.sessions[at].has_ended_by(report.event_time) => self.recall(at, report, &mut outcome),
            _ => self.open(report, Status::Start, group, now, &mut outcome),
        }
        self.finish(outcome)
    }

    /// Interim-Update: the session lives. Opens it if its Start was lost.
    pub fn interim(&mut self, report: &Report<'_>, group: Option<GroupId>, now: Timestamp) -> Outcome {
        let mut outcome = self.hear(now);
        match self.find(report, Reach::Gateway) {
            Some(Found::Open(at)) => self.update(at, report, now, &mut outcome),
            Some(Found::Ended(at)) if self.sessions[at].has_ended_by(report.event_time) => self.recall(at, report, &mut outcome),
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
        let named = |session: &Session| session.is_named_by(report);
        let exact = |session: &Session| session.reporter == report.reporter && named(session);
        let open = self.sessions.iter().position(|session| session.is_open() && exact(session));
        if let Some(at) = open
            && !self.sessions[at].is_younger_than(report.event_time)
        {
            return Some(Found::Open(at));
        }
        // Gateways use identifiers again: an event from before the open session may belong to an ended one of the same name.
        let ended = (0..self.sessions.len()).filter(|at| !self.sessions[*at].is_open() && exact(&self.sessions[*at]));
        let latest = ended.max_by_key(|at| self.sessions[*at].ended.map(|ended| ended.at));
        match (open, latest) {
            (Some(_), Some(at)) if self.sessions[at].has_ended_by(report.event_time) => Some(Found::Ended(at)),
            (Some(at), _) => Some(Found::Open(at)),
            (None, Some(at)) => Some(Found::Ended(at)),
            (None, None) if reach == Reach::Gateway => {
                let near = |session: &Session| session.reporter.gateway == report.reporter.gateway && named(session);
                let only = |is_open: bool| self.only(|session| session.is_open() == is_open && near(session));
                only(true).map(Found::Open).or_else(|| only(false).map(Found::Ended))
            }
            (None, None) => None,
        }
    }

    fn only(&self, is_meant: impl Fn(&Session) -> bool) -> Option<usize> {
        let mut meant = (0..self.sessions.len()).filter(|at| is_meant(&self.sessions[*at]));
        let first = meant.next();
        first.filter(|_| meant.next().is_none())
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
            Standing::BearerEnded => outcome.effect = Effect::TombstoneHolds,
            Standing::Earlier | Standing::News | Standing::Repeated | Standing::Older => outcome.effect = Effect::Duplicate,
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
            Standing::Repeated => self.raise(at, report, Effect::Duplicate),
            Standing::Older => self.raise(at, report, Effect::Outdated),
            Standing::BearerEnded => self.raise(at, report, Effect::TombstoneHolds),
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
            Standing::BearerEnded => return outcome.effect = self.raise(at, report, Effect::Duplicate),
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

    /// A Start or Interim-Update that came after the end of its session.
    fn recall(&mut self, at: usize, report: &Report<'_>, outcome: &mut Outcome) {
        outcome.session = Some(at);
        outcome.effect = self.raise(at, report, Effect::TombstoneHolds);
    }

    /// The Stop of a session that has ended: a repetition, or at last the Stop of one that was given up for lost, with its final counters.
    fn confirm_end(&mut self, at: usize, report: &Report<'_>, outcome: &mut Outcome) {
        outcome.session = Some(at);
        let session = &mut self.sessions[at];
        match session.standing(report, Status::Stop) {
            Standing::New => session.add_bearer(Bearer::first_seen(report, Status::Stop)),
            Standing::News => note(session.advance(report, Status::Stop), outcome),
            Standing::Repeated | Standing::Older | Standing::Earlier => session.close_bearer(report),
            Standing::BearerEnded => return outcome.effect = self.raise(at, report, Effect::Duplicate),
        }
        let last = session.updated();
        if let Some(ended) = &mut session.ended {
            ended.at = ended.at.max(last);
            if ended.terminate_cause == 0 {
                ended.terminate_cause = report.terminate_cause.unwrap_or(0);
            }
        }
        self.version += 1;
        outcome.effect = Effect::TombstoneHolds;
    }

    /// Takes from a report that is no news what it can still tell: counters that are higher than those known.
    fn raise(&mut self, at: usize, report: &Report<'_>, effect: Effect) -> Effect {
        let rose = self.sessions[at].bearer_mut(report.acct_session_id).is_some_and(|bearer| bearer.raise(&report.counters));
        self.version += u64::from(rose);
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
