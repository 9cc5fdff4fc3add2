//! How much one endpoint may hold: names and bearers that a gateway makes up must not make its
//! record large.

use super::outcome::{CloseCause, Outcome};
use super::session::Ended;
use super::{Bearer, EndpointState, Session};

/// The most octets of one endpoint's record. Each report writes the record whole; without a bound,
/// a datagram of some hundred octets could write a thousand times as much, and other gateways would
/// wait for it. Eleven PDN connections, the most that a device can have, with usual names take a
/// tenth of this.
pub const MAX_RECORD: usize = 16 * 1024;

/// What an endpoint, a lease, a session and a bearer take in a record at most, the texts in them
/// apart.
const ENDPOINT: usize = 80;
const LEASE: usize = 48;
const SESSION: usize = 192;
const BEARER: usize = 44;

/// What few sessions have besides.
const VIOLATION: usize = 24;

/// What stands before a text at most.
const TEXT: usize = 2;

/// The most that APN, NAS-Identifier and location take in the record of a session that shares its
/// NAS with others and has nothing rare: a name of 100 octets (3GPP TS 23.003 9.1), a RADIUS value
/// (RFC 2865 5) and the location that fits.
const SHARED_TEXTS: usize = (TEXT + 100) + (TEXT + 253) + (TEXT + 15);

impl EndpointState {
    /// The octets that its record takes at most.
    #[must_use]
    pub fn weight(&self) -> usize {
        ENDPOINT + LEASE * self.leases.len() + self.sessions.iter().map(weight).sum::<usize>()
    }

    /// Makes it smaller until its record is within the bound. What goes first is what is missed
    /// least: bearers that have stopped, whose octets stay in their session's sum; tombstones;
    /// bearers of which no Stop was seen, likewise summed; and at last the sessions that were
    /// unheard for longest.
    pub(super) fn keep_within_bound(&mut self, outcome: &mut Outcome) {
        // One session alone, with 16 bearers and the longest names, is within it.
        if self.sessions.len() < 2 {
            return;
        }
        // Nearly always this is enough to know, and costs no look at names that are kept elsewhere.
        let fixed = ENDPOINT + LEASE * self.leases.len();
        if fixed + self.sessions.iter().map(weight_at_most).sum::<usize>() <= MAX_RECORD {
            return;
        }
        while self.weight() > MAX_RECORD {
            let is_smaller = self.fold_oldest(|bearer| !bearer.is_open())
                || self.forget_oldest_tombstone(outcome)
                || self.fold_oldest(Bearer::is_open)
                || self.end_longest_unheard(outcome);
            if !is_smaller {
                return;
            }
            self.version += 1;
        }
    }

    /// Takes a session out of the list.
    pub(super) fn forget(&mut self, gone: usize, outcome: &mut Outcome) {
        self.sessions.remove(gone);
        outcome.session =
            outcome.session.filter(|at| *at != gone).map(|at| at - usize::from(at > gone));
    }

    fn fold_oldest(&mut self, may_go: impl Fn(&Bearer) -> bool) -> bool {
        let oldest_of = |session: &Session| {
            session
                .bearers()
                .skip(1)
                .filter(|bearer| may_go(bearer))
                .map(|bearer| bearer.event_time)
                .min()
        };
        let oldest = self
            .sessions
            .iter_mut()
            .filter_map(|session| Some((oldest_of(session)?, session)))
            .min_by_key(|(time, _)| *time);
        oldest.is_some_and(|(_, session)| session.fold_oldest(&may_go))
    }

    fn forget_oldest_tombstone(&mut self, outcome: &mut Outcome) -> bool {
        let reported = outcome.session;
        let ended = (0..self.sessions.len())
            .filter(|at| Some(*at) != reported && !self.sessions[*at].is_live());
        let oldest = ended.min_by_key(|at| self.sessions[*at].heard);
        oldest.is_some_and(|oldest| {
            self.forget(oldest, outcome);
            true
        })
    }

    fn end_longest_unheard(&mut self, outcome: &mut Outcome) -> bool {
        let reported = outcome.session;
        let live = (0..self.sessions.len())
            .filter(|at| Some(*at) != reported && self.sessions[*at].is_live());
        let longest_unheard =
            live.min_by_key(|at| (self.sessions[*at].is_open(), self.sessions[*at].heard));
        longest_unheard.is_some_and(|longest_unheard| {
            let ended =
                Ended::new(self.sessions[longest_unheard].updated(), 0, CloseCause::Superseded);
            self.leave_tombstone(longest_unheard, ended, self.last_activity, outcome);
            true
        })
    }
}

/// Not less than [`weight`].
fn weight_at_most(session: &Session) -> usize {
    match session.plain_acct_session_id() {
        Some(id) => SESSION + BEARER + TEXT + id.len() + SHARED_TEXTS,
        None => weight(session),
    }
}

fn weight(session: &Session) -> usize {
    let text = |text: &str| TEXT + text.len();
    let bearers =
        session.bearers().map(|bearer| BEARER + text(&bearer.acct_session_id)).sum::<usize>();
    let names =
        [session.apn(), session.multi_session_id()].into_iter().flatten().map(text).sum::<usize>();
    let identifier = session.nas().identifier.map_or(0, <[u8]>::len);
    SESSION
        + if session.violation().is_some() { VIOLATION } else { 0 }
        + bearers
        + names
        + identifier
        + session.location().map_or(0, |location| TEXT + location.len())
}
