//! One attaching endpoint: what it does next, told by what has happened. Owns no socket, timer or
//! clock.
//!
//! `.` stays as it is; "ask" is to ask leave to attach where the fleet does so, else to open a
//! session at once.
//!
//! | now \ event | Summoned | Woken | Granted | Refused | Unanswered | Released | Silenced | Dismissed |
//! |---|---|---|---|---|---|---|---|---|
//! | detached | ask | ask, if it meant to return | . | . | . | . | . | stays away |
//! | attaching | . | ask, if backing off | authorising | detached | backs off | . | backs off | detached, if backing off |
//! | authorising | . | . | active | detached | attaching, backs off | . | attaching, backs off | . |
//! | idle | authorising | authorising or detaches | . | . | . | . | detached, returns | detaches |
//! | active | . | reports, or its end: closing, roaming, gone | . | . | . | . | detached, returns | closing |
//! | closing | . | . | . | . | . | idle or detached | detached, returns | closing for good |

mod session;

#[cfg(test)]
mod tests;

pub use session::{Cause, Classes, DeviceSession, Grant, Usage};

use std::net::Ipv4Addr;
use std::time::Duration;

use self::session::SessionEnding;
use super::random::RandomStream;
use super::scenario::Distribution;
use crate::time::Timestamp;

/// How the endpoints of a fleet behave.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Asks leave to attach before it opens a session, and reports its detach.
    pub network_events: bool,
    /// Between interim reports where the server does not say; 0: none.
    pub interim_s: u32,
    pub session_s: Distribution,
    /// Rests between sessions; none: detaches after each.
    pub idle_s: Option<Distribution>,
    pub octets_s: Distribution,
    /// The first and the longest wait after a failed attempt.
    pub back_off_s: (f64, f64),
    /// Shares of sessions.
    pub roaming: f64,
    pub flapping: f64,
    pub lost_stops: f64,
}

/// What happens to an endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It is to attach now.
    Summoned,
    /// The time of [`Device::wakes`] has come.
    Woken,
    /// The server accepts.
    Granted(&'a Grant),
    /// The server rejects.
    Refused,
    /// The server has not answered, and the gateway has given up.
    Unanswered,
    /// Its last report is acknowledged.
    Released,
    /// The radio or the gateway is gone, without a word to anybody.
    Silenced,
    /// It is to leave, in good order.
    Dismissed,
}

/// What its gateway must do about it.
#[derive(Debug, PartialEq)]
pub enum Action {
    Nothing,
    /// Ask leave to attach (Attachd-Network-Event).
    AskToAttach,
    /// Ask for a session.
    Authorise,
    /// Report that the session has begun.
    ReportStart,
    /// Report that it lives.
    ReportInterim,
    /// Report that it has ended.
    ReportStop(DeviceSession, Cause),
    /// Report the detach.
    ReportDetach,
    /// Open the session at another gateway; this was the old one.
    Roam(DeviceSession),
    /// Nothing is reported: this session is over, and only the endpoint knows.
    Vanish(DeviceSession),
}

/// What an endpoint is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DevicePhase {
    Detached,
    Attaching,
    Authorising,
    Idle,
    Active,
    Closing,
}

/// One endpoint. A million of them are held in memory, so it is small.
#[derive(Debug)]
pub struct Device {
    state: State,
    /// How many sessions it has asked for; also the step of its random stream.
    serial: u32,
    /// The address it has, or had last.
    address: u32,
    /// Its gateway, by number.
    pub gateway: u16,
    /// Attempts that failed one after the other.
    failures: u8,
    /// Its last session ended without a word, and the server may still show it.
    pub went_silently: bool,
}

/// Each state owns its data. A time of `NEVER` means that only an answer or a summons leads on.
#[derive(Debug)]
enum State {
    Detached { returns: CompactTime },
    Attaching { retries: CompactTime },
    Authorising,
    Idle { until: CompactTime },
    Active(DeviceSession),
    Closing { leaving: bool },
}

/// Milliseconds since the beginning of the run, in four octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompactTime(u32);

impl Device {
    pub const fn new(gateway: u16) -> Self {
        Self {
            state: State::Detached { returns: CompactTime::NEVER },
            serial: 0,
            address: 0,
            gateway,
            failures: 0,
            went_silently: false,
        }
    }

    pub const fn phase(&self) -> DevicePhase {
        match self.state {
            State::Detached { .. } => DevicePhase::Detached,
            State::Attaching { .. } => DevicePhase::Attaching,
            State::Authorising => DevicePhase::Authorising,
            State::Idle { .. } => DevicePhase::Idle,
            State::Active(_) => DevicePhase::Active,
            State::Closing { .. } => DevicePhase::Closing,
        }
    }

    /// Whether it stays detached until somebody summons it.
    pub const fn is_away(&self) -> bool {
        matches!(self.state, State::Detached { returns: CompactTime::NEVER })
    }

    /// When it wants to be woken.
    pub const fn wakes(&self) -> Option<Timestamp> {
        let at = match &self.state {
            State::Detached { returns } => *returns,
            State::Attaching { retries } => *retries,
            State::Idle { until } => *until,
            State::Active(session) => session.wakes(),
            State::Authorising | State::Closing { .. } => CompactTime::NEVER,
        };
        at.time()
    }

    pub const fn session(&self) -> Option<&DeviceSession> {
        if let State::Active(session) = &self.state { Some(session) } else { None }
    }

    pub const fn session_mut(&mut self) -> Option<&mut DeviceSession> {
        if let State::Active(session) = &mut self.state { Some(session) } else { None }
    }

    /// The number of the session it asks for or has.
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// The address it has, or had last.
    pub fn address(&self) -> Option<Ipv4Addr> {
        (self.address != 0).then(|| Ipv4Addr::from(self.address))
    }

    /// Lets one event happen. `random` is the stream of this endpoint for the present session.
    pub fn on(
        &mut self,
        event: Event<'_>,
        now: Timestamp,
        rules: &Rules,
        random: &mut RandomStream,
    ) -> Action {
        let state = std::mem::replace(&mut self.state, State::Authorising);
        let (next, action) = self.step(state, event, now, rules, random);
        self.state = next;
        action
    }

    #[allow(clippy::match_same_arms, reason = "every pair of the table stands for itself")]
    fn step(
        &mut self,
        state: State,
        event: Event<'_>,
        now: Timestamp,
        rules: &Rules,
        random: &mut RandomStream,
    ) -> (State, Action) {
        match (state, event) {
            (State::Detached { .. }, Event::Summoned) => self.ask(rules),
            (State::Detached { returns }, Event::Woken) if returns.is_set() => self.ask(rules),
            (State::Detached { .. }, Event::Dismissed) => (State::AWAY, Action::Nothing),
            (
                state @ State::Detached { .. },
                Event::Woken
                | Event::Granted(_)
                | Event::Refused
                | Event::Unanswered
                | Event::Released
                | Event::Silenced,
            ) => (state, Action::Nothing),

            (State::Attaching { retries }, Event::Woken) if retries.is_set() => self.ask(rules),
            (State::Attaching { .. }, Event::Granted(_)) => (State::Authorising, Action::Authorise),
            (State::Attaching { .. }, Event::Refused) => self.give_up(),
            (State::Attaching { .. }, Event::Unanswered | Event::Silenced) => {
                self.back_off(now, rules, random)
            }
            (State::Attaching { retries }, Event::Dismissed) if retries.is_set() => self.give_up(),
            (
                state @ State::Attaching { .. },
                Event::Woken | Event::Dismissed | Event::Summoned | Event::Released,
            ) => (state, Action::Nothing),

            (State::Authorising, Event::Granted(grant)) => self.open(grant, now, rules, random),
            (State::Authorising, Event::Refused) => self.give_up(),
            (State::Authorising, Event::Unanswered | Event::Silenced) => {
                self.back_off(now, rules, random)
            }
            (
                State::Authorising,
                Event::Summoned | Event::Woken | Event::Released | Event::Dismissed,
            ) => (State::Authorising, Action::Nothing),

            (State::Idle { .. }, Event::Summoned) => self.authorise(),
            (State::Idle { .. }, Event::Woken) => {
                if random.happens(0.5) {
                    self.authorise()
                } else {
                    Self::leave(rules)
                }
            }
            (State::Idle { .. }, Event::Silenced) => {
                (Self::away_for_a_moment(now, random), Action::Nothing)
            }
            (State::Idle { .. }, Event::Dismissed) => Self::leave(rules),
            (
                state @ State::Idle { .. },
                Event::Granted(_) | Event::Refused | Event::Unanswered | Event::Released,
            ) => (state, Action::Nothing),

            (State::Active(session), Event::Woken) => self.wake(session, now, random),
            (State::Active(session), Event::Silenced) => {
                (Self::away_for_a_moment(now, random), Action::Vanish(session))
            }
            (State::Active(session), Event::Dismissed) => {
                (State::Closing { leaving: true }, Action::ReportStop(session, Cause::USER_REQUEST))
            }
            (
                state @ State::Active(_),
                Event::Summoned
                | Event::Granted(_)
                | Event::Refused
                | Event::Unanswered
                | Event::Released,
            ) => (state, Action::Nothing),

            (State::Closing { leaving }, Event::Released) => {
                (Self::rest(leaving, now, rules, random), Action::Nothing)
            }
            (State::Closing { .. }, Event::Silenced) => {
                (Self::away_for_a_moment(now, random), Action::Nothing)
            }
            (State::Closing { .. }, Event::Dismissed) => {
                (State::Closing { leaving: true }, Action::Nothing)
            }
            (
                state @ State::Closing { .. },
                Event::Summoned
                | Event::Woken
                | Event::Granted(_)
                | Event::Refused
                | Event::Unanswered,
            ) => (state, Action::Nothing),
        }
    }

    fn ask(&mut self, rules: &Rules) -> (State, Action) {
        if rules.network_events {
            self.serial += 1;
            (State::Attaching { retries: CompactTime::NEVER }, Action::AskToAttach)
        } else {
            self.authorise()
        }
    }

    fn authorise(&mut self) -> (State, Action) {
        self.serial += 1;
        (State::Authorising, Action::Authorise)
    }

    /// RFC 5080 2.6.1: after a reject nothing more is asked for this session.
    const fn give_up(&mut self) -> (State, Action) {
        self.failures = 0;
        (State::AWAY, Action::Nothing)
    }

    /// Twice as long after each failure, anywhere between nothing and that: so that a crowd does
    /// not come back as a crowd.
    fn back_off(
        &mut self,
        now: Timestamp,
        rules: &Rules,
        random: &mut RandomStream,
    ) -> (State, Action) {
        let (first, longest) = rules.back_off_s;
        let most = (first * f64::from(1u32 << self.failures.min(31))).min(longest);
        self.failures = self.failures.saturating_add(1);
        (
            State::Attaching { retries: CompactTime::after(now, most * random.unit()) },
            Action::Nothing,
        )
    }

    fn open(
        &mut self,
        grant: &Grant,
        now: Timestamp,
        rules: &Rules,
        random: &mut RandomStream,
    ) -> (State, Action) {
        self.failures = 0;
        // PROTOCOL 6: its Start supersedes whatever was left.
        self.went_silently = false;
        self.address = u32::from(grant.address);
        (State::Active(DeviceSession::open(grant, now, rules, random)), Action::ReportStart)
    }

    /// Either a report is due, or the session's fate.
    fn wake(
        &mut self,
        mut session: DeviceSession,
        now: Timestamp,
        random: &mut RandomStream,
    ) -> (State, Action) {
        if !session.is_over(now) {
            let due = session.report(now, random);
            return (
                State::Active(session),
                if due { Action::ReportInterim } else { Action::Nothing },
            );
        }
        match session.fate() {
            SessionEnding::Stop(cause) => {
                (State::Closing { leaving: false }, Action::ReportStop(session, cause))
            }
            SessionEnding::Flap => (
                Self::away_for_a_moment(now, random),
                Action::ReportStop(session, Cause::LOST_CARRIER),
            ),
            SessionEnding::Vanish => (State::AWAY, Action::Vanish(session)),
            SessionEnding::Roam => {
                self.serial += 1;
                (State::Authorising, Action::Roam(session))
            }
        }
    }

    fn leave(rules: &Rules) -> (State, Action) {
        if rules.network_events {
            (State::Closing { leaving: true }, Action::ReportDetach)
        } else {
            (State::AWAY, Action::Nothing)
        }
    }

    fn rest(leaving: bool, now: Timestamp, rules: &Rules, random: &mut RandomStream) -> State {
        match rules.idle_s {
            Some(idle) if !leaving => {
                State::Idle { until: CompactTime::after(now, idle.draw(random)) }
            }
            Some(_) | None => State::AWAY,
        }
    }

    /// A device that lost its network looks for it again.
    fn away_for_a_moment(now: Timestamp, random: &mut RandomStream) -> State {
        const LONGEST_S: f64 = 10.0;
        State::Detached { returns: CompactTime::after(now, LONGEST_S * random.unit()) }
    }
}

impl State {
    const AWAY: Self = Self::Detached { returns: CompactTime::NEVER };
}

impl CompactTime {
    pub const NEVER: Self = Self(u32::MAX);

    pub const fn of(moment: Timestamp) -> Self {
        let millis = moment.millis();
        if millis < u32::MAX as u64 { Self(millis as u32) } else { Self::NEVER }
    }

    fn after(now: Timestamp, seconds: f64) -> Self {
        Self::of(now + Duration::from_secs_f64(seconds.min(1e9)))
    }

    const fn is_set(self) -> bool {
        self.0 != u32::MAX
    }

    /// None if it never comes.
    pub const fn time(self) -> Option<Timestamp> {
        if self.is_set() { Some(Timestamp::from_millis(self.0 as u64)) } else { None }
    }
}
