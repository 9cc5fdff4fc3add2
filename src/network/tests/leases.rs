//! The life of a lease beside its sessions.

use crate::address::AddressKind;
use std::net::Ipv4Addr;

use super::*;

pub(super) fn ip(group: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, group as u8, 2)
}

/// An Access-Accept at second 0, good for two minutes.
pub(super) fn authorise(tracker: &mut TestTracker, group: usize, kind: LeaseKind) {
    let phase = LeasePhase::Authorised { until: at(120), authorisation: AuthorisationNumber(7) };
    let lease = Lease {
        group: GroupId::new(group),
        vslice: VsliceId::new(0),
        ip: ip(group).into(),
        kind,
        phase,
    };
    assert_eq!(tracker.endpoint.grant(lease), None);
}

fn phase(tracker: &TestTracker, group: usize) -> Option<LeasePhase> {
    tracker.endpoint.lease(GroupId::new(group), AddressKind::Ipv4).map(|lease| lease.phase)
}

fn freed(outcome: &Outcome) -> Vec<ReleasedLease> {
    outcome.freed.iter().copied().collect()
}

#[test]
fn a_pooled_lease_lives_as_long_as_the_last_session_of_its_group() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    tracker.start(&report("a", 1));
    assert_eq!(phase(&tracker, 0), Some(LeasePhase::InUse));
    tracker.start(&Report { apn: Some(b"web"), ..report("b", 2) });
    assert!(freed(&tracker.stop(&report("a", 3))).is_empty(), "b is of the same group");
    let last = tracker.stop(&report("b", 4));
    assert_eq!(
        freed(&last),
        [ReleasedLease { vslice: VsliceId::new(0), ip: ip(0).into(), at: at(4) }]
    );
    assert_eq!(phase(&tracker, 0), Some(LeasePhase::Released { at: at(4) }));
}

#[test]
fn a_static_lease_is_kept() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Static);
    tracker.start(&report("a", 1));
    assert!(tracker.stop(&report("a", 4)).freed.is_empty());
    assert_eq!(phase(&tracker, 0), Some(LeasePhase::Kept));
    tracker.start(&report("b", 5));
    assert_eq!(
        (phase(&tracker, 0), tracker.session("b").ip),
        (Some(LeasePhase::InUse), Some(ip(0)))
    );
}

#[test]
fn the_session_that_supersedes_keeps_the_address() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    tracker.start(&report("a", 1));
    let outcome = tracker.start(&report("b", 10));
    assert_eq!((causes(&outcome), freed(&outcome)), (vec!["superseded"], vec![]));
    assert_eq!(
        (phase(&tracker, 0), tracker.session("b").ip),
        (Some(LeasePhase::InUse), Some(ip(0)))
    );
}

#[test]
fn an_authorisation_without_start_lapses() {
    for (kind, after) in [
        (LeaseKind::Pooled, LeasePhase::Released { at: at(120) }),
        (LeaseKind::Static, LeasePhase::Kept),
    ] {
        let mut tracker = TestTracker::new();
        authorise(&mut tracker, 0, kind);
        let (early, next) = tracker.endpoint.settle(at(119), &limits(), &Restarts::default());
        assert_eq!((early.freed.len(), next), (0, Some(at(120))));
        let before = tracker.endpoint.version;
        let (outcome, _) = tracker.endpoint.settle(at(120), &limits(), &Restarts::default());
        assert_eq!(phase(&tracker, 0), Some(after));
        assert_eq!(outcome.freed.len(), usize::from(kind == LeaseKind::Pooled));
        assert!(tracker.endpoint.version > before);
    }
}

#[test]
fn an_expired_hold_is_forgotten_without_a_record() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    tracker.start(&report("a", 1));
    tracker.stop(&report("a", 4));
    let version = tracker.endpoint.version;
    assert_eq!(tracker.endpoint.settle(at(63), &limits(), &Restarts::default()).1, Some(at(64)));
    tracker.endpoint.settle(at(64), &limits(), &Restarts::default());
    assert_eq!((phase(&tracker, 0), tracker.endpoint.version), (None, version));
}

#[test]
fn a_released_lease_is_not_taken_into_use_unasked() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    tracker.start(&report("a", 1));
    tracker.stop(&report("a", 4));
    tracker.start(&report("b", 5));
    assert_eq!(
        (phase(&tracker, 0), tracker.session("b").ip),
        (Some(LeasePhase::Released { at: at(4) }), None)
    );
    assert!(!tracker.endpoint.take_into_use(GroupId::new(0), AddressKind::Ipv4));
    let granted = Lease {
        phase: LeasePhase::Kept,
        ..*tracker.endpoint.lease(GroupId::new(0), AddressKind::Ipv4).unwrap()
    };
    tracker.endpoint.grant(granted);
    assert!(tracker.endpoint.take_into_use(GroupId::new(0), AddressKind::Ipv4));
    assert_eq!(tracker.stop(&report("b", 6)).freed.len(), 1);
}

/// Session a is open, and at second 80 there was an Access-Accept for another one.
fn reauthorised(kind: LeaseKind) -> TestTracker {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, kind);
    tracker.start(&report("a", 1));
    let before = tracker.endpoint.version;
    assert!(tracker.endpoint.authorise(GroupId::new(0), AddressKind::Ipv4, at(200), 8));
    assert!(tracker.endpoint.version > before, "a promise is worth a record");
    tracker
}

const AUTHORISED: LeasePhase =
    LeasePhase::Authorised { until: at(200), authorisation: AuthorisationNumber(8) };
const REAUTHORISED: LeasePhase =
    LeasePhase::Reauthorised { until: at(200), authorisation: AuthorisationNumber(8) };

#[test]
fn asking_again_leaves_a_lease_in_use() {
    let mut tracker = reauthorised(LeaseKind::Pooled);
    assert_eq!(phase(&tracker, 0), Some(REAUTHORISED));
    assert!(!tracker.endpoint.authorise(GroupId::new(1), AddressKind::Ipv4, at(200), 8));
    assert!(tracker.endpoint.settle(at(201), &limits(), &Restarts::default()).0.freed.is_empty());
    assert_eq!(freed(&tracker.stop(&report("a", 202))).len(), 1, "the promise has run out");
}

#[test]
fn what_was_promised_meanwhile_outlives_the_session_but_not_the_endpoints_leaving() {
    for cause in CloseCause::ALL {
        let mut tracker = reauthorised(LeaseKind::Pooled);
        let outcome = tracker.endpoint.close_all(cause, at(199));
        let wanted = match cause {
            CloseCause::Stop
            | CloseCause::Superseded
            | CloseCause::Stale
            | CloseCause::GatewayRestart
            | CloseCause::Disconnected
            | CloseCause::NotOnGateway => (AUTHORISED, 0),
            CloseCause::Detach => (LeasePhase::Released { at: at(199) }, 1),
            // The session is ending, and the address stays its.
            CloseCause::Barred | CloseCause::Unassigned => (LeasePhase::InUse, 0),
        };
        assert_eq!(
            (phase(&tracker, 0), outcome.freed.len()),
            (Some(wanted.0), wanted.1),
            "{cause:?}"
        );
    }
}

#[test]
fn a_promise_left_by_a_session_lapses_like_any_other() {
    for (kind, after) in [
        (LeaseKind::Pooled, LeasePhase::Released { at: at(200) }),
        (LeaseKind::Static, LeasePhase::Kept),
    ] {
        let mut tracker = reauthorised(kind);
        tracker.stop(&report("a", 100));
        assert_eq!(
            tracker.endpoint.settle(at(199), &limits(), &Restarts::default()).1,
            Some(at(200))
        );
        assert_eq!(phase(&tracker, 0), Some(AUTHORISED));
        tracker.endpoint.settle(at(200), &limits(), &Restarts::default());
        assert_eq!(phase(&tracker, 0), Some(after));
    }
}

#[test]
fn the_session_that_begins_has_what_was_promised() {
    let mut tracker = reauthorised(LeaseKind::Pooled);
    tracker.start(&Report { apn: Some(b"web"), ..report("b", 90) });
    assert_eq!(phase(&tracker, 0), Some(LeasePhase::InUse));
    assert!(freed(&tracker.stop(&report("a", 91))).is_empty());
    assert_eq!(freed(&tracker.stop(&report("b", 92))).len(), 1);
}

#[test]
fn news_of_an_older_session_is_not_what_the_promise_waits_for() {
    let mut tracker = reauthorised(LeaseKind::Pooled);
    tracker.start(&report("a", 1));
    tracker.interim(&report("a", 90));
    assert!(tracker.endpoint.take_into_use(GroupId::new(0), AddressKind::Ipv4));
    assert_eq!(phase(&tracker, 0), Some(REAUTHORISED));

    // Also if it had no lease when the promise was given, and uses this one from now on.
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    assert!(tracker.endpoint.take_into_use(GroupId::new(0), AddressKind::Ipv4));
    tracker.stop(&report("a", 2));
    assert_eq!(
        phase(&tracker, 0),
        Some(LeasePhase::Authorised { until: at(120), authorisation: AuthorisationNumber(7) })
    );
}

#[test]
fn a_lease_in_the_place_of_another_hands_the_former_back() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    let former = *tracker.endpoint.lease(GroupId::new(0), AddressKind::Ipv4).unwrap();
    let other = Lease { ip: ip(9).into(), ..former };
    assert_eq!(tracker.endpoint.grant(other), Some(former));
    assert_eq!(tracker.endpoint.drop_lease(GroupId::new(0), AddressKind::Ipv4), Some(other));
    assert_eq!(tracker.endpoint.drop_lease(GroupId::new(0), AddressKind::Ipv4), None);
}

#[test]
fn addresses_given_up_stand_behind_the_own_lease_until_there_is_no_more_room() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Pooled);
    for secs in 1..=64 {
        assert!(tracker.endpoint.has_room_for_hold(), "{secs}");
        let next = Lease {
            ip: ip(secs as usize).into(),
            ..*tracker.endpoint.lease(GroupId::new(0), AddressKind::Ipv4).unwrap()
        };
        let former = tracker.endpoint.grant(next).unwrap();
        tracker.endpoint.remember_hold(former, at(secs));
        assert_eq!(
            tracker.endpoint.own_leases().map(|lease| lease.ip).collect::<Vec<_>>(),
            [next.ip]
        );
    }
    assert!(
        !tracker.endpoint.has_room_for_hold(),
        "rather no other address than a hold that is forgotten"
    );
    let holds = |tracker: &TestTracker| {
        tracker.endpoint.leases.iter().filter(|lease| lease.phase.is_released()).count()
    };
    assert_eq!(holds(&tracker), 64);

    let again = Lease {
        ip: ip(15).into(),
        ..*tracker.endpoint.lease(GroupId::new(0), AddressKind::Ipv4).unwrap()
    };
    tracker.endpoint.grant(again);
    assert_eq!(holds(&tracker), 63, "what it has again is in no hold");
}

#[test]
fn an_address_given_up_for_another_stays_while_a_session_uses_it() {
    let mut tracker = TestTracker::new();
    authorise(&mut tracker, 0, LeaseKind::Static);
    tracker.start(&report("a", 1));
    let own = *tracker.endpoint.lease(GroupId::new(0), AddressKind::Ipv4).unwrap();
    let former = tracker.endpoint.grant(Lease { ip: ip(9).into(), ..own }).unwrap();
    assert!(tracker.endpoint.is_used(&former));
    tracker.endpoint.remember_use(former);
    assert_eq!(tracker.endpoint.own_leases().count(), 2);

    let limits = limits();
    tracker.endpoint.settle(at(2), &limits, &Restarts::default());
    assert!(tracker.endpoint.has_leased(GroupId::new(0), own.vslice, own.ip));
    tracker.endpoint.sessions[0].ip = Some(ip(9));
    let (settled, _) = tracker.endpoint.settle(at(3), &limits, &Restarts::default());
    assert_eq!(settled.freed.iter().map(|freed| freed.ip).collect::<Vec<_>>(), [own.ip]);
    assert!(!tracker.endpoint.has_leased(GroupId::new(0), own.vslice, own.ip));
}
