//! What a change did to sessions, and the keys by which an event tells of one.

use std::fmt;

use super::json::JsonObject;
use crate::network::{EndpointState, LocationInfo, Session, Status};
use crate::policy::country_of;
use crate::wire::tgpp::RatType;

/// What became of one session.
#[derive(Clone, Copy, Debug)]
pub(super) enum SessionChange<'s> {
    Created {
        session: &'s Session,
        resumed: bool,
    },
    /// Also where nothing is different that is shown.
    Updated {
        before: &'s Session,
        session: &'s Session,
    },
    /// Of a session that was not known before, its end may be all that was heard.
    Deleted {
        session: &'s Session,
        start_lost: bool,
    },
}

/// What became of each session that has changed.
pub(super) fn session_changes<'s>(
    before: &'s EndpointState,
    after: &'s EndpointState,
    mut tell: impl FnMut(SessionChange<'s>),
) {
    for (at, session) in after.sessions.iter().enumerate() {
        match find(before, at, session) {
            Some(known) if known == session => {}
            Some(known) => match (known.is_live(), session.is_live()) {
                (true, true) => tell(SessionChange::Updated { before: known, session }),
                (true, false) => tell(SessionChange::Deleted { session, start_lost: false }),
                (false, true) => tell(SessionChange::Created { session, resumed: true }),
                (false, false) => {}
            },
            None if session.is_live() => tell(SessionChange::Created { session, resumed: false }),
            // Its Stop is the only report that was heard of it.
            None if first_status(session) == Some(Status::Stop) => {
                tell(SessionChange::Deleted { session, start_lost: true });
            }
            None => {}
        }
    }
    let is_gone = |(at, session): &(usize, &Session)| find(after, *at, session).is_none();
    let live = before.sessions.iter().enumerate().filter(|(_, session)| session.is_live());
    for (_, session) in live.filter(is_gone) {
        tell(SessionChange::Deleted { session, start_lost: false });
    }
}

/// The same session in another state of the endpoint; nearly always in the same place.
fn find<'s>(state: &'s EndpointState, at: usize, session: &Session) -> Option<&'s Session> {
    let is_same = |other: &&Session| {
        other.started == session.started
            && other.gateway == session.gateway
            && other.number() == session.number()
    };
    state.sessions.get(at).filter(is_same).or_else(|| state.sessions.iter().find(is_same))
}

pub(super) fn first_status(session: &Session) -> Option<Status> {
    session.bearers().next().map(|bearer| bearer.status)
}

/// The keys that name a session.
pub(super) fn session_keys(detail: &mut JsonObject<'_>, session: &Session) {
    let place = session.location_info();
    detail.plain("sessionId", session.number());
    let first = session.bearers().next();
    detail.text("acctSessionId", first.map_or("", |bearer| &bearer.acct_session_id));
    detail.text_or_null("apn", session.apn());
    detail.plain_or_null("ip", session.ip);
    match place.rat {
        Some(rat) => detail.object("ratType", |shown| {
            shown.number("key", rat);
            shown.plain("name", RatType(rat));
        }),
        None => detail.null("ratType"),
    }
    detail.plain_or_null("plmn", place.plmn);
    detail.text_or_null("country", place.plmn.and_then(country_of));
    detail.plain_or_null("imeisv", place.imeisv);
    detail.plain("startedAt", session.started);
}

pub(super) fn octets(detail: &mut JsonObject<'_>, session: &Session) {
    let (input, output) = session.octets();
    detail.number("inputOctets", input);
    detail.number("outputOctets", output);
}

/// What is different in place, device or address.
pub(super) struct ShownChange<'s> {
    before: &'s Session,
    session: &'s Session,
}

impl<'s> ShownChange<'s> {
    /// `None`: nothing is.
    pub(super) fn of(before: &'s Session, session: &'s Session) -> Option<Self> {
        let (old, new) = (before.location_info(), session.location_info());
        let is_other = old.rat != new.rat
            || has_moved(&old, &new)
            || old.imeisv != new.imeisv
            || before.ip != session.ip;
        is_other.then_some(Self { before, session })
    }

    /// Each with its old and its new value.
    pub(super) fn write(&self, changed: &mut JsonObject<'_>) {
        let (old, new) = (self.before.location_info(), self.session.location_info());
        if old.rat != new.rat {
            changed.pair("ratType", old.rat.map(RatType), new.rat.map(RatType));
        }
        place(changed, &old, &new);
        if old.imeisv != new.imeisv {
            changed.pair("imeisv", old.imeisv, new.imeisv);
        }
        if self.before.ip != self.session.ip {
            changed.pair("ip", self.before.ip, self.session.ip);
        }
    }
}

pub(super) fn has_moved(old: &LocationInfo<'_>, new: &LocationInfo<'_>) -> bool {
    old.plmn != new.plmn || old.serving_node != new.serving_node || old.location != new.location
}

/// What of a place is different.
pub(super) fn place(changed: &mut JsonObject<'_>, old: &LocationInfo<'_>, new: &LocationInfo<'_>) {
    if old.plmn != new.plmn {
        changed.pair("plmn", old.plmn, new.plmn);
    }
    if old.serving_node != new.serving_node {
        changed.pair("servingNode", old.serving_node, new.serving_node);
    }
    if old.location != new.location {
        changed.pair("location", old.location.map(Hex), new.location.map(Hex));
    }
}

/// 3GPP-User-Location-Info as it was sent.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
