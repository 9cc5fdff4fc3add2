//! The events that a change of one endpoint's state amounts to: before and after are compared, so
//! that nothing that changes a session can be forgotten here.

use super::json::JsonObject;
use super::kind::EventKind;
use super::maker::{EventMaker, EventPlace, EventSink, EventSubject};
use super::session::{
    SessionChange, ShownChange, first_status, has_moved, octets, place, session_changes,
    session_keys,
};
use crate::identity::Imeisv;
use crate::network::{CloseCause, EndpointState, LocationInfo, NetworkState, Session, Status};
use crate::policy::country_of;
use crate::time::Timestamp;
use crate::wire::number::value::acct_terminate_cause;

/// Why an endpoint is not idle or active any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Nothing was heard of it.
    Silence,
    /// Its gateway says so.
    Detach,
    /// Somebody changed how it is provisioned.
    Forced { by: &'static str, reason: Option<Box<str>> },
}

/// An endpoint's state before a change, as far as events need it.
pub type EndpointBefore = EndpointState;

/// The endpoint after the change.
#[derive(Debug)]
pub struct EndpointNow<'a> {
    pub subject: EventSubject<'a>,
    pub state: &'a EndpointState,
    pub departure: Option<&'a Departure>,
}

impl EventMaker {
    /// Tells what has changed.
    pub fn tell_changes(
        &self,
        before: &EndpointBefore,
        now: &EndpointNow<'_>,
        sink: &mut impl EventSink,
    ) {
        self.tell_departure(before, now, sink);
        session_changes(before, now.state, |change| self.tell_session(before, now, change, sink));
    }

    fn tell_departure(
        &self,
        before: &EndpointBefore,
        now: &EndpointNow<'_>,
        sink: &mut impl EventSink,
    ) {
        let was_there = matches!(before.state, NetworkState::Idle | NetworkState::Active);
        let is_there = matches!(now.state.state, NetworkState::Idle | NetworkState::Active);
        if !was_there || is_there {
            return;
        }
        let subject = &now.subject;
        match now.departure {
            Some(Departure::Silence) => {
                self.about_endpoint(EventKind::Purged, subject, sink, |detail| {
                    detail.flag("inferred", true);
                    detail.plain("lastActivity", before.last_activity);
                });
            }
            Some(Departure::Detach) => {
                self.about_endpoint(EventKind::Detached, subject, sink, |detail| {
                    detail.text("old", before.state.moniker());
                    detail.text("new", now.state.state.moniker());
                });
            }
            Some(Departure::Forced { by, reason }) => {
                self.about_endpoint(EventKind::ForciblyDetached, subject, sink, |detail| {
                    detail.text("by", by);
                    detail.text_or_null("reason", reason.as_deref());
                });
            }
            None => {}
        }
    }

    fn tell_session(
        &self,
        before: &EndpointBefore,
        now: &EndpointNow<'_>,
        change: SessionChange<'_>,
        sink: &mut impl EventSink,
    ) {
        match change {
            SessionChange::Created { session, resumed } => {
                self.of_session(
                    EventKind::SessionCreated,
                    now,
                    session,
                    session.started,
                    sink,
                    |detail| {
                        if resumed {
                            detail.flag("resumed", true);
                        } else if first_status(session) == Some(Status::Interim) {
                            detail.flag("startLost", true);
                        }
                    },
                );
                self.tell_place(before, now, session, sink);
                self.tell_conflict(None, now, session, sink);
            }
            SessionChange::Updated { before: old, session } => {
                let at = session.updated().shown;
                if let Some(shown) = ShownChange::of(old, session) {
                    self.of_session(EventKind::SessionModified, now, session, at, sink, |detail| {
                        octets(detail, session);
                        detail.object("changed", |changed| shown.write(changed));
                    });
                    self.tell_place(before, now, session, sink);
                } else if old.octets() != session.octets() {
                    self.of_session(EventKind::SessionExtended, now, session, at, sink, |detail| {
                        octets(detail, session);
                    });
                }
                self.tell_conflict(Some(old), now, session, sink);
            }
            SessionChange::Deleted { session, start_lost } => {
                self.tell_deleted(now, session, start_lost, sink);
            }
        }
    }

    fn tell_deleted(
        &self,
        now: &EndpointNow<'_>,
        session: &Session,
        start_lost: bool,
        sink: &mut impl EventSink,
    ) {
        let (at, cause, terminate_cause) = match session.ended {
            Some(ended) => (ended.at, ended.cause, ended.terminate_cause),
            None => (now.subject.now, CloseCause::Unassigned, 0),
        };
        // Without one no Stop of it came.
        let inferred = terminate_cause == 0 && cause != CloseCause::Stop;
        self.of_session(EventKind::SessionDeleted, now, session, at, sink, |detail| {
            octets(detail, session);
            detail.number("seconds", at.since(session.started).as_secs());
            detail.text("closeCause", cause.name());
            match acct_terminate_cause::name(terminate_cause) {
                _ if terminate_cause == 0 => detail.null("terminateCause"),
                Some(name) => detail.text("terminateCause", name),
                None => detail.plain("terminateCause", terminate_cause),
            }
            if start_lost {
                detail.flag("startLost", true);
            }
            if inferred {
                detail.flag("inferred", true);
            }
        });
    }

    fn of_session(
        &self,
        kind: EventKind,
        now: &EndpointNow<'_>,
        session: &Session,
        at: Timestamp,
        sink: &mut impl EventSink,
        more: impl FnOnce(&mut JsonObject<'_>),
    ) {
        let place =
            EventPlace { at: Some(at), group: session.group, gateway: Some(session.gateway) };
        self.endpoint_event(kind, &now.subject, place, sink, |detail| {
            session_keys(detail, session);
            more(detail);
        });
    }

    /// Compares where the device is with what was last known of it, from whatever session.
    fn tell_place(
        &self,
        before: &EndpointBefore,
        now: &EndpointNow<'_>,
        session: &Session,
        sink: &mut impl EventSink,
    ) {
        let Some(last) = before.sessions.iter().max_by_key(|session| session.heard) else { return };
        let (old, new) = (known(last), known(session));
        let at = session.updated().shown;
        if has_moved(&old, &new) {
            self.of_session(EventKind::LocationUpdated, now, session, at, sink, |detail| {
                detail.object("changed", |changed| place(changed, &old, &new));
            });
        }
        if let (Some(from), Some(to)) = (old.plmn, new.plmn)
            && from != to
        {
            let countries = country_of(from).zip(country_of(to));
            if let Some((old, new)) = countries.filter(|(old, new)| old != new) {
                self.of_session(EventKind::CountryChanged, now, session, at, sink, |detail| {
                    detail.text("old", old);
                    detail.text("new", new);
                });
            }
            self.of_session(EventKind::OperatorChanged, now, session, at, sink, |detail| {
                detail.plain("old", from);
                detail.plain("new", to);
            });
        }
        if let (Some(from), Some(to)) = (old.imeisv, new.imeisv)
            && device(from) != device(to)
        {
            self.of_session(EventKind::ImeiChanged, now, session, at, sink, |detail| {
                detail.plain("old", from);
                detail.plain("new", to);
            });
        }
    }

    fn tell_conflict(
        &self,
        old: Option<&Session>,
        now: &EndpointNow<'_>,
        session: &Session,
        sink: &mut impl EventSink,
    ) {
        if !session.conflict || old.is_some_and(|old| old.conflict && old.ip == session.ip) {
            return;
        }
        let leased = session
            .group
            .and_then(|group| now.state.lease(group))
            .map(|lease| lease.ip)
            .filter(|ip| Some(*ip) != session.ip);
        let at = session.updated().shown;
        self.of_session(EventKind::AddressConflict, now, session, at, sink, |detail| {
            detail.plain_or_null("old", leased);
            detail.plain_or_null("new", session.ip);
        });
    }
}

fn known(session: &Session) -> LocationInfo<'_> {
    session.location_info()
}

/// The first 14 digits name the device, the others its software or a check digit.
fn device(imeisv: Imeisv) -> String {
    imeisv.to_string().chars().take(14).collect()
}
