//! The rules of PROTOCOL 5, 6 and 10 that the checklist does not name.

use super::*;

#[test]
fn a_repeated_start_refreshes_and_changes_nothing() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let version = tracker.endpoint.version;
    let again = tracker.endpoint.start(&report("a", 1), GROUP, at(6));
    assert_eq!((again.effect, tracker.endpoint.version), (Effect::Duplicate, version));
    assert_eq!((tracker.session("a").heard, tracker.endpoint.last_activity), (at(6), at(6)));
}

#[test]
fn a_stop_without_counters_keeps_the_last_ones() {
    let mut tracker = TestTracker::new();
    tracker.interim(&Report { counters: octets(5, 6), ..report("a", 1) });
    tracker.stop(&report("a", 2));
    assert_eq!(tracker.session("a").octets(), (5, 6));
}

#[test]
fn a_start_counts_nothing() {
    let mut tracker = TestTracker::new();
    tracker.interim(&Report { counters: octets(4_000_000_000, 6), ..report("a", 1) });
    let again = tracker.start(&Report { counters: octets(0, 0), ..report("a", 2) });
    assert!(!again.counters_wrapped && !again.counters_lowered);
    assert_eq!(
        (tracker.session("a").octets(), tracker.session("a").updated().order),
        ((4_000_000_000, 6), at(2))
    );
}

#[test]
fn a_stop_overtaken_by_a_later_interim_still_closes() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.interim(&Report { counters: octets(50, 60), ..report("a", 9) });
    assert_eq!(tracker.endpoint.stop(&report("a", 8), GROUP, at(10)).effect, Effect::Closed);
    let repeated = tracker.endpoint.interim(&report("a", 9), GROUP, at(11));
    assert_eq!((repeated.effect, tracker.state()), (Effect::TombstoneHolds, NetworkState::Idle));
}

/// PROTOCOL 19: its gateway's clock was set back. Nothing says that there was an earlier session of
/// that name.
#[test]
fn a_stop_stamped_before_the_session_closes_it() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 100));
    let interim = tracker.endpoint.interim(
        &Report { counters: octets(5, 6), ..report("a", 60) },
        GROUP,
        at(700),
    );
    assert_eq!(
        (interim.effect, tracker.session("a").heard, tracker.session("a").octets()),
        (Effect::Outdated, at(700), (5, 6))
    );
    let late = tracker.endpoint.stop(
        &Report { counters: octets(7, 8), ..report("a", 50) },
        GROUP,
        at(701),
    );
    assert_eq!((late.effect, tracker.session("a").octets()), (Effect::Closed, (7, 8)));
}

/// What a stamp of more than a week ago may do depends on what the report proves.
fn of_last_week<'a>(report: &Report<'a>) -> Report<'a> {
    let order = Timestamp::from_secs(report.event_time.order.secs() - 8 * 24 * 3600);
    Report { event_time: EventTime { order, ..report.event_time }, stamp: Stamp::Old, ..*report }
}

#[test]
fn an_old_packet_ends_supersedes_and_raises_nothing_newer() {
    let replays: [fn(&mut EndpointState) -> Outcome; 5] = [
        |endpoint| {
            endpoint.stop(
                &of_last_week(&Report { counters: octets(9, 9), ..report("a", 10) }),
                GROUP,
                at(10),
            )
        },
        |endpoint| {
            endpoint.interim(
                &of_last_week(&Report { counters: octets(9, 9), ..report("a", 10) }),
                GROUP,
                at(10),
            )
        },
        |endpoint| endpoint.start(&of_last_week(&report("a", 10)), GROUP, at(10)),
        |endpoint| endpoint.start(&of_last_week(&report("b", 10)), GROUP, at(10)),
        |endpoint| endpoint.detach(&of_last_week(&report("", 10)), at(10)),
    ];
    for (number, replay) in replays.into_iter().enumerate() {
        let mut tracker = TestTracker::new();
        tracker.start(&report("a", 1));
        let outcome = replay(&mut tracker.endpoint);
        assert!(outcome.closed.is_empty(), "{number}");
        assert_eq!(
            (tracker.open(), tracker.session("a").octets()),
            (vec!["a"], (0, 0)),
            "{number}"
        );
    }
    let restarts = Restarts::default();
    restarts.note(Restart::of(&of_last_week(&report("", 10)), at(10)));
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    assert_eq!(restarts.closes(&tracker.endpoint.sessions[0]), None);
}

/// A clock that was never set orders its own reports, and is told from a replayed one by where it
/// stands.
#[test]
fn a_clock_that_was_never_set_orders_its_own_reports() {
    let unset = |report: Report<'static>, secs: u64| {
        let order = Timestamp::from_secs(secs);
        Report { event_time: EventTime { order, ..report.event_time }, stamp: Stamp::Old, ..report }
    };
    let mut tracker = TestTracker::new();
    tracker.start(&unset(report("a", 100), 50));
    assert_eq!(tracker.session("a").started, at(100));
    assert_eq!(
        tracker.interim(&unset(Report { counters: octets(5, 5), ..report("a", 160) }, 110)).effect,
        Effect::Updated
    );
    assert_eq!(
        tracker.interim(&unset(Report { counters: octets(4, 4), ..report("a", 161) }, 100)).effect,
        Effect::Outdated
    );
    // From before the clock was lost: in the days of that clock it is in the future.
    let replayed = of_last_week(&Report { counters: octets(9, 9), ..report("a", 162) });
    assert_eq!(
        (tracker.endpoint.stop(&replayed, GROUP, at(162)).effect, tracker.open()),
        (Effect::Outdated, vec!["a"])
    );
    let restarts = Restarts::default();
    restarts.note(Restart::of(&of_last_week(&report("", 163)), at(163)));
    assert_eq!(restarts.closes(&tracker.endpoint.sessions[0]), None);
    restarts.note(Restart::of(&unset(report("", 170), 120), at(170)));
    assert_eq!(restarts.closes(&tracker.endpoint.sessions[0]).map(|at| at.shown), Some(at(170)));
    assert_eq!(tracker.stop(&unset(report("a", 180), 130)).effect, Effect::Closed);
    assert_eq!(tracker.session("a").ended.map(|ended| ended.at), Some(at(180)));
}

/// PROTOCOL 19: a time in the future is treated as now.
#[test]
fn a_clock_that_was_ahead_holds_back_nothing_when_it_is_set_right() {
    let ahead = |report: Report<'static>| {
        let order = report.event_time.order + Duration::from_secs(365 * 24 * 3600);
        Report {
            event_time: EventTime { order, ..report.event_time },
            stamp: Stamp::Ahead,
            ..report
        }
    };
    let mut tracker = TestTracker::new();
    tracker.start(&ahead(report("a", 100)));
    tracker.interim(&ahead(Report { counters: octets(4_294_967_000, 0), ..report("a", 160) }));
    assert_eq!(
        tracker.interim(&Report { counters: octets(500, 0), ..report("a", 220) }).effect,
        Effect::Updated
    );
    assert_eq!(
        tracker.session("a").octets().0,
        4_294_967_796,
        "news, so a lower counter is a wrap"
    );
    assert_eq!(tracker.stop(&ahead(report("a", 230))).effect, Effect::Closed);
    assert_eq!(tracker.start(&report("a", 240)).effect, Effect::Opened);
}

#[test]
fn without_a_stamp_nothing_young_is_ended_by_what_does_not_name_it() {
    let unstamped = |report: Report<'static>| Report { stamp: Stamp::Absent, ..report };
    for (secs, ends) in [(299, false), (300, true)] {
        let begun = || {
            let mut tracker = TestTracker::new();
            tracker.start(&unstamped(report("a", 0)));
            tracker
        };
        let restarts = Restarts::default();
        restarts.note(Restart::of(&unstamped(report("", secs)), at(secs)));
        assert_eq!(restarts.closes(&begun().endpoint.sessions[0]).is_some(), ends, "{secs}");
        assert_eq!(!begun().start(&unstamped(report("b", secs))).closed.is_empty(), ends, "{secs}");
        assert_eq!(
            !begun().endpoint.detach(&unstamped(report("", secs)), at(secs)).closed.is_empty(),
            ends,
            "{secs}"
        );
        // What names it ends it.
        assert_eq!(begun().stop(&unstamped(report("a", secs))).effect, Effect::Closed, "{secs}");
        // Unless it could be the Stop of an earlier one.
        let mut tracker = TestTracker::new();
        tracker.stop(&unstamped(report("a", 0)));
        tracker.start(&unstamped(report("a", 1)));
        assert_eq!(
            tracker.stop(&unstamped(report("a", secs + 1))).effect == Effect::Closed,
            ends,
            "{secs}"
        );
    }
}

/// PROTOCOL 19: it names its session, and no earlier one of that name is known.
#[test]
fn a_stop_without_a_stamp_closes_the_session_that_it_names() {
    // The stamp of the Start: none, right, a clock that is ahead by a little, by much, behind by
    // much.
    for (order, stamp) in [
        (at(100), Stamp::Absent),
        (at(100), Stamp::Sane),
        (at(220), Stamp::Sane),
        (at(4000), Stamp::Ahead),
        (Timestamp::from_secs(50), Stamp::Old),
    ] {
        let shown = if stamp == Stamp::Sane { order } else { at(100) };
        let mut tracker = TestTracker::new();
        tracker.endpoint.start(
            &Report { event_time: EventTime { shown, order }, stamp, ..report("a", 0) },
            GROUP,
            at(100),
        );
        let stop = Report { stamp: Stamp::Absent, counters: octets(0, 0), ..report("a", 101) };
        assert_eq!(tracker.stop(&stop).effect, Effect::Closed, "{order:?} {stamp:?}");
    }
}

/// One way to hand a report over.
type Delivery = fn(&mut EndpointState, &Report<'_>, Timestamp) -> Outcome;

/// PROTOCOL 20: what arrives after an On or Off without a stamp is after it, however slow the clock
/// of the stamps is.
#[test]
fn what_arrives_after_a_restart_without_a_stamp_is_after_it() {
    for began_and_heard in [at(0), at(0) + Duration::from_millis(250)] {
        let begun = Report {
            event_time: EventTime::at(began_and_heard),
            counters: octets(10, 0),
            ..report("a", 0)
        };
        let deliveries: [(Delivery, u64, Effect); 3] = [
            (|endpoint, report, now| endpoint.start(report, GROUP, now), 340, Effect::Opened),
            (|endpoint, report, now| endpoint.interim(report, GROUP, now), 340, Effect::Opened),
            // Nothing is new in a repetition.
            (
                |endpoint, report, now| endpoint.interim(report, GROUP, now),
                0,
                Effect::TombstoneHolds,
            ),
        ];
        for (deliver, secs, effect) in deliveries {
            let mut tracker = TestTracker::new();
            tracker.endpoint.interim(&begun, GROUP, began_and_heard);
            let restarts = Restarts::default();
            restarts
                .note(Restart::of(&Report { stamp: Stamp::Absent, ..report("", 400) }, at(400)));
            assert_eq!(
                causes(&tracker.endpoint.gateway_restart(&restarts, at(401))),
                ["gateway-restart"]
            );
            assert_eq!(tracker.session("a").ended.map(|ended| ended.at), Some(at(400)));
            let event_time = if secs == 0 { begun.event_time } else { EventTime::at(at(secs)) };
            let outcome = deliver(&mut tracker.endpoint, &Report { event_time, ..begun }, at(405));
            assert_eq!(outcome.effect, effect, "{secs} {began_and_heard:?}");
            assert!(tracker.endpoint.gateway_restart(&restarts, at(406)).closed.is_empty());
        }
    }
}

/// PROTOCOL 6: one name is one session; what tells of another of that name does not open it again
/// beside it.
#[test]
fn a_session_whose_name_another_has_by_now_is_not_opened_again() {
    let multi = |id, secs| Report { acct_multi_session_id: Some(b"m"), ..report(id, secs) };
    let mut tracker = TestTracker::new();
    tracker.start(&multi("a", 1));
    assert_eq!(causes(&tracker.start(&report("c", 10))), ["superseded"]);
    assert_eq!(causes(&tracker.start(&multi("b", 11))), ["superseded"]);
    assert_eq!(tracker.endpoint.interim(&report("a", 12), GROUP, at(12)).effect, Effect::Opened);
    assert_eq!(tracker.open(), ["m", "a"]);
}

/// PROTOCOL 6 names a session without its APN.
#[test]
fn one_name_is_one_session_whatever_its_apn() {
    let web = |report: Report<'static>| Report { apn: Some(b"web"), ..report };
    let with = |charging_id, secs| Report {
        location_info: LocationInfo { charging_id: Some(charging_id), ..LocationInfo::default() },
        ..report("a", secs)
    };
    let mut tracker = TestTracker::new();
    tracker.start(&with(1, 1));
    assert_eq!(causes(&tracker.start(&web(with(2, 10)))), ["superseded"]);
    // It was given up too early: what Charging-Id tells apart may both live on.
    assert_eq!(tracker.interim(&with(1, 20)).effect, Effect::Opened);
    assert_eq!((tracker.open(), tracker.endpoint.sessions.len()), (vec!["a"; 2], 2));
}

/// PROTOCOL 19 and 20.
#[test]
fn the_same_name_with_another_class_or_charging_id_is_another_session() {
    let with = |class, charging_id, secs| Report {
        authorisation: class,
        location_info: LocationInfo { charging_id, ..LocationInfo::default() },
        counters: octets(500, 0),
        ..report("a", secs)
    };
    for (class, charging_id, sessions) in [
        (Some(2), None, 2),
        (Some(2), Some(7), 1),
        (None, Some(8), 2),
        (Some(1), Some(8), 2),
        (None, None, 1),
    ] {
        let mut tracker = TestTracker::new();
        tracker.start(&with(Some(1), Some(7), 1));
        tracker.interim(&with(class, charging_id, 400));
        assert_eq!(tracker.endpoint.sessions.len(), sessions, "{class:?} {charging_id:?}");
        let total: u64 = tracker.endpoint.sessions.iter().map(|session| session.octets().0).sum();
        assert_eq!(total, 500);
    }
    // At one gateway two of one name are not both alive.
    let mut tracker = TestTracker::new();
    tracker.start(&with(Some(1), Some(7), 1));
    assert_eq!(causes(&tracker.start(&with(Some(2), Some(8), 400))), ["superseded"]);
}

#[test]
fn a_class_that_was_given_since_may_be_the_sessions() {
    let iccid = crate::identity::Iccid::parse(b"8944500000000000014").unwrap();
    let given = |secs| Some(authorise(iccid, at(secs)));
    for (class, sessions) in [(given(0), 1), (given(5), 1), (Some(77), 2)] {
        let mut tracker = TestTracker::new();
        tracker.start(&Report { iccid: Some(iccid), authorisation: given(0), ..report("a", 1) });
        tracker.interim(&Report { iccid: Some(iccid), authorisation: class, ..report("a", 400) });
        assert_eq!(tracker.endpoint.sessions.len(), sessions, "{class:?}");
    }
}

/// An endpoint goes from one gateway to another whose clock is elsewhere: the first session's Stop is
/// its own, however its stamps lie to the end that the second one gave it (PROTOCOL 19).
#[test]
fn the_stop_of_a_superseded_session_counts_whatever_the_two_clocks_say() {
    for (first_ahead, second_ahead) in [(0, 0), (100_000, 0), (0, 100_000), (290, 10), (10, 290)] {
        let mut tracker = TestTracker::new();
        let report_at = |id, class, ahead, secs| Report {
            authorisation: Some(class),
            event_time: EventTime { shown: at(secs), order: at(secs + ahead) },
            stamp: if ahead > 300 { Stamp::Ahead } else { Stamp::Sane },
            ..report(id, secs)
        };
        tracker.start(&report_at("a", 1, first_ahead, 1000));
        let second = Report { reporter: stranger(), ..report_at("b", 2, second_ahead, 2000) };
        assert_eq!(causes(&tracker.start(&second)), ["superseded"], "{first_ahead} {second_ahead}");
        tracker.stop(&Report {
            counters: octets(70, 90),
            session_time_s: Some(0),
            ..report_at("a", 1, first_ahead, 2001)
        });
        assert_eq!(tracker.endpoint.sessions.len(), 2, "{first_ahead} {second_ahead}");
        assert_eq!(tracker.session("a").octets(), (70, 90));
    }
}

/// A server whose clock is hours ahead of the gateways': a Start that was held up does not end the
/// session that was authorised and begun after it (PROTOCOL 19).
#[test]
fn a_late_start_ends_nothing_newer_however_far_our_clock_is_ahead() {
    let iccid = crate::identity::Iccid::parse(b"8944500000000000014").unwrap();
    let ahead = 4 * 3600;
    let mut tracker = TestTracker::new();
    let with = |class, report| Report {
        iccid: Some(iccid),
        authorisation: Some(authorise(iccid, at(ahead + class))),
        ..report
    };
    tracker.endpoint.start(&with(11, report("newer", 12)), GROUP, at(ahead + 13));
    let late = tracker.endpoint.start(&with(1, report("older", 2)), GROUP, at(ahead + 14));
    assert_eq!((late.effect, tracker.open()), (Effect::TombstoneAdded, vec!["newer"]));
}

/// Issue 11, B7.
#[test]
fn what_is_told_apart_does_not_supersede() {
    let charging = |id, charging_id| Report {
        location_info: LocationInfo { charging_id: Some(charging_id), ..LocationInfo::default() },
        ..report(id, 1)
    };
    let multi = |id, multi: &'static str| Report {
        acct_multi_session_id: Some(multi.as_bytes()),
        ..report(id, 1)
    };
    let family = |id, ipv4, ipv6| Report { families: Families { ipv4, ipv6 }, ..report(id, 1) };
    let pairs = [
        (charging("a", 1), charging("b", 2), true),
        (charging("a", 1), charging("b", 1), false),
        (multi("a", "m"), multi("b", "n"), true),
        (multi("a", "m"), report("b", 1), false),
        (family("a", true, false), family("b", false, true), true),
        (family("a", true, true), family("b", false, true), false),
        (report("a", 1), report("b", 1), false),
    ];
    for (number, (one, other, is_apart)) in pairs.into_iter().enumerate() {
        let mut tracker = TestTracker::new();
        tracker.start(&one);
        let second = tracker.endpoint.start(
            &Report { event_time: EventTime::at(at(400)), ..other },
            GROUP,
            at(400),
        );
        assert_eq!(second.closed.is_empty(), is_apart, "pair {number}");
    }
}

/// PROTOCOL 11: barred, its gateway goes on to report it.
#[test]
fn a_session_that_is_ending_counts_until_its_stop() {
    for cause in [CloseCause::Barred, CloseCause::Unassigned] {
        let mut tracker = TestTracker::new();
        tracker.start(&report("a", 1));
        let outcome = tracker.endpoint.close_all(cause, at(2));
        assert_eq!(
            outcome.closed.iter().map(|closed| closed.how).collect::<Vec<_>>(),
            [Close::BeganEnding]
        );
        let interim = tracker.endpoint.interim(
            &Report { counters: octets(1000, 0), ..report("a", 3) },
            None,
            at(3),
        );
        assert_eq!(
            (interim.effect, interim.after == NetworkState::Active),
            (Effect::Updated, false)
        );
        let stop = tracker.endpoint.stop(
            &Report { counters: octets(5000, 777), terminate_cause: Some(1), ..report("a", 4) },
            None,
            at(4),
        );
        assert_eq!(
            stop.closed.iter().map(|closed| closed.how).collect::<Vec<_>>(),
            [Close::EndedAtLast]
        );
        let session = tracker.session("a");
        assert_eq!(
            (session.octets(), session.ended.map(|ended| (ended.cause, ended.terminate_cause))),
            ((5000, 777), Some((cause, 1)))
        );
        // Nothing new is opened for it.
        assert_eq!(tracker.endpoint.start(&report("b", 5), None, at(5)).closed.len(), 0);
        assert_eq!(tracker.open(), Vec::<&str>::new());
    }
}

#[test]
fn a_session_that_is_ending_ends_by_itself() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 0));
    tracker.endpoint.close_all(CloseCause::Barred, at(100));
    tracker.endpoint.interim(&report("a", 3000), None, at(3000));
    let short = SessionLimits { ending: Duration::from_secs(3000), ..limits() };
    assert_eq!(tracker.endpoint.settle(at(3099), &short, &Restarts::default()).1, Some(at(3100)));
    let (ended, _) = tracker.endpoint.settle(at(3100), &short, &Restarts::default());
    assert_eq!(
        (ended.closed.len(), tracker.session("a").ended.map(|ended| ended.cause)),
        (1, Some(CloseCause::Barred))
    );
}

/// Issue 11, B2; and what was given up for lost likewise.
#[test]
fn a_session_that_lives_on_is_the_same_one() {
    let proven = |secs, counted| Report {
        authorisation: Some(7),
        counters: octets(counted, 0),
        ..report("a", secs)
    };
    let lose: [fn(&mut EndpointState); 3] = [
        |endpoint| _ = endpoint.close_all(CloseCause::Barred, at(20)),
        |endpoint| _ = endpoint.close_all(CloseCause::Detach, at(20)),
        |endpoint| {
            _ = endpoint.settle(at(10) + limits().stale_after, &limits(), &Restarts::default());
        },
    ];
    for (number, lose) in lose.into_iter().enumerate() {
        for resumes_by in [Status::Start, Status::Interim] {
            let mut tracker = TestTracker::new();
            tracker.start(&proven(1, 0));
            tracker.interim(&proven(10, 1000));
            lose(&mut tracker.endpoint);
            let again = match resumes_by {
                Status::Start => tracker.endpoint.start(&proven(4000, 0), GROUP, at(4000)),
                _ => tracker.endpoint.interim(&proven(4000, 3000), GROUP, at(4000)),
            };
            assert_eq!(
                (again.effect, again.after),
                (Effect::Opened, NetworkState::Active),
                "{number}"
            );
            tracker.endpoint.stop(&proven(4001, 4000), GROUP, at(4001));
            let sessions: Vec<u64> =
                tracker.endpoint.sessions.iter().map(|session| session.octets().0).collect();
            assert_eq!(sessions, [4000], "{number}");
        }
    }
}

#[test]
fn a_repeated_stop_of_an_earlier_use_of_the_identifier_finds_its_own_tombstone() {
    let mut tracker = TestTracker::new();
    for (start, stop, counted) in [(1, 5, 1000), (7, 9, 10)] {
        tracker.start(&report("a", start));
        tracker.stop(&Report { counters: octets(counted, 0), ..report("a", stop) });
    }
    tracker.start(&report("a", 11));
    let before = tracker.endpoint.clone();
    let repeated = Report { counters: octets(1000, 0), ..report("a", 5) };
    assert_eq!(tracker.endpoint.stop(&repeated, GROUP, at(11)).effect, Effect::Duplicate);
    assert_eq!(tracker.endpoint, before);
}

#[test]
fn a_stop_of_a_later_session_of_the_same_name_is_recorded_beside_the_first() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.stop(&Report { counters: octets(100, 0), ..report("a", 5) });
    let other = Report { counters: octets(7, 0), session_time_s: Some(10), ..report("a", 60) };
    assert_eq!(tracker.stop(&other).effect, Effect::TombstoneAdded);
    assert_eq!(tracker.stop(&other).effect, Effect::Duplicate);
    assert_eq!(
        tracker.endpoint.sessions.iter().map(|session| session.octets().0).collect::<Vec<_>>(),
        [100, 7]
    );
}

#[test]
fn a_start_held_up_until_its_successor_has_begun_does_not_end_the_successor() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("new", 60));
    let late = tracker.endpoint.start(&report("old", 50), GROUP, at(61));
    assert_eq!(
        (late.effect, late.closed.len(), tracker.open()),
        (Effect::TombstoneAdded, 0, vec!["new"])
    );
    assert_eq!(
        tracker.session("old").ended,
        Some(Ended::new(EventTime::at(at(60)), 0, CloseCause::Superseded))
    );
}

/// PROTOCOL 2: a report that a superseded session has taken is nobody else's when it comes again.
#[test]
fn what_a_superseded_session_has_taken_comes_again_in_vain() {
    let later: [fn(&mut EndpointState) -> Outcome; 2] = [
        // A session of the same name, and the same second.
        |endpoint| {
            endpoint.start(&Report { apn: Some(b"web"), ..report("late", 4) }, GROUP, at(17))
        },
        // The end of the one that had taken its place.
        |endpoint| endpoint.stop(&report("new", 16), GROUP, at(17)),
    ];
    for (number, later) in later.into_iter().enumerate() {
        let mut tracker = TestTracker::new();
        tracker.start(&report("old", 2));
        tracker.interim(&report("new", 15));
        tracker.endpoint.start(&report("late", 0), GROUP, at(16));
        let taken = Report { counters: octets(1, 1), ..report("late", 4) };
        assert_eq!(
            tracker.endpoint.interim(&taken, GROUP, at(16)).effect,
            Effect::TombstoneHolds,
            "{number}"
        );
        later(&mut tracker.endpoint);
        let before = tracker.endpoint.version;
        assert_eq!(
            tracker.endpoint.interim(&taken, GROUP, at(18)).effect,
            Effect::TombstoneHolds,
            "{number}"
        );
        assert_eq!(
            (tracker.endpoint.version, tracker.session("late").octets()),
            (before, (1, 1)),
            "{number}"
        );
    }
}

#[test]
fn the_other_gateway_of_a_pair_may_tell_of_a_session_but_not_start_it() {
    let other = |report| Report { reporter: reporter(2), ..report };
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    assert_eq!(tracker.interim(&other(report("a", 2))).effect, Effect::Updated);
    assert_eq!(tracker.stop(&other(report("a", 3))).effect, Effect::Closed);
    assert_eq!(
        tracker.endpoint.interim(&other(report("a", 3)), GROUP, at(4)).effect,
        Effect::TombstoneHolds
    );

    // Two of that name: nobody can tell which, so it is a third.
    tracker.start(&report("b", 10));
    tracker.start(&other(report("b", 11)));
    assert_eq!(
        tracker.interim(&Report { reporter: reporter(3), ..report("b", 12) }).effect,
        Effect::Opened
    );
    assert_eq!(tracker.open(), ["b"; 3]);

    // Another configured gateway is never meant.
    tracker.start(&report("c", 20));
    assert_eq!(
        tracker.stop(&Report { reporter: stranger(), ..report("c", 21) }).effect,
        Effect::TombstoneAdded
    );
}

#[test]
fn identifiers_need_not_be_text() {
    let odd = |octets: &'static [u8], secs| Report { acct_session_id: octets, ..report("", secs) };
    let mut tracker = TestTracker::new();
    tracker.start(&odd(b"\xC3\xA9", 1));
    tracker.start(&Report { apn: Some(b"web"), ..odd(b"\xE9", 2) });
    assert_eq!(tracker.open(), ["\u{c3}\u{a9}", "\u{e9}"]);
    assert_eq!(tracker.stop(&odd(b"\xE9", 3)).effect, Effect::Closed);
    assert_eq!(tracker.open(), ["\u{c3}\u{a9}"]);
}

#[test]
fn a_session_learns_its_multi_session_id_late() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.interim(&Report { acct_multi_session_id: Some(b"m"), ..report("a", 2) });
    assert_eq!(tracker.open(), ["m"]);
    let number = tracker.session("m").number();
    assert_eq!(
        tracker.stop(&report("a", 3)).effect,
        Effect::Closed,
        "and is still found by its bearer"
    );
    assert_eq!(tracker.session("m").number(), number);
    assert!(number < 1 << 53);
}

#[test]
fn bearers_beyond_the_list_are_folded_and_their_octets_stay() {
    let ids: Vec<String> = (0..40).map(|number| format!("b{number}")).collect();
    let mut tracker = TestTracker::new();
    for (secs, id) in (0..).zip(&ids) {
        tracker.interim(&Report {
            acct_multi_session_id: Some(b"m"),
            counters: octets(1, 2),
            ..report(id, secs)
        });
    }
    let session = tracker.session("m");
    assert_eq!((session.bearers().count(), session.octets()), (16, (40, 80)));
    assert_eq!(session.bearers().next().map(|bearer| bearer.acct_session_id.as_str()), Some("b0"));
}

#[test]
fn detach_ends_everything_begun_until_then() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.start(&Report { apn: Some(b"web"), ..report("b", 2) });
    let outcome = tracker.endpoint.detach(&report("", 5), at(5));
    assert_eq!((causes(&outcome), outcome.after), (vec!["detach"; 2], NetworkState::Detached));
    assert_eq!(
        tracker.endpoint.interim(&report("a", 4), GROUP, at(6)).effect,
        Effect::TombstoneHolds
    );
}

#[test]
fn a_detach_from_before_a_session_leaves_the_endpoint_attached() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.start(&Report { apn: Some(b"web"), ..report("b", 10) });
    let outcome = tracker.endpoint.detach(&report("", 5), at(11));
    assert_eq!((causes(&outcome), outcome.after), (vec!["detach"], NetworkState::Active));
    assert_eq!(tracker.open(), ["b"]);
}

#[test]
fn every_cause_of_closing_all_is_an_event_of_the_table() {
    let after = [
        (CloseCause::Detach, NetworkState::Detached),
        (CloseCause::Barred, NetworkState::Detached),
        (CloseCause::Unassigned, NetworkState::Unknown),
        (CloseCause::Stale, NetworkState::Idle),
    ];
    for (cause, state) in after {
        let mut tracker = TestTracker::new();
        tracker.start(&report("a", 1));
        let outcome = tracker.endpoint.close_all(cause, at(2));
        assert_eq!((causes(&outcome), outcome.after), (vec![cause.name()], state));
        assert!(tracker.open().is_empty());
    }
}

#[test]
fn without_a_group_nothing_opens() {
    let mut endpoint = EndpointState::default();
    for outcome in [
        endpoint.attach(at(1)),
        endpoint.start(&report("a", 1), None, at(1)),
        endpoint.interim(&report("a", 2), None, at(2)),
    ] {
        assert_eq!((outcome.effect, outcome.after), (Effect::Refused, NetworkState::Unknown));
        assert!(outcome.refused.is_some());
    }
    assert_eq!((endpoint.version, endpoint.sessions.len()), (0, 0));
    assert_eq!(endpoint.assign().after, NetworkState::Detached);
    assert_eq!(endpoint.attach(at(3)).after, NetworkState::Idle);
}

#[test]
fn what_is_unheard_of_ends() {
    let mut tracker = TestTracker::new();
    let none = Restarts::default();
    tracker.start(&report("a", 0));
    tracker.start(&Report { apn: Some(b"web"), ..report("b", 1) });
    tracker.endpoint.interim(&report("a", 1000), GROUP, at(1005));
    assert_eq!(tracker.endpoint.settle(at(3600), &limits(), &none).1, Some(at(3601)));

    let (outcome, next) = tracker.endpoint.settle(at(3601), &limits(), &none);
    assert_eq!(
        (causes(&outcome), outcome.after, next),
        (vec!["stale"], NetworkState::Active, Some(at(4605)))
    );
    let (outcome, next) = tracker.endpoint.settle(at(4605), &limits(), &none);
    assert_eq!(
        (causes(&outcome), outcome.after, next),
        (vec!["stale"], NetworkState::Idle, Some(at(7201)))
    );
    assert_eq!(
        tracker.session("a").ended.map(|ended| ended.at),
        Some(at(1000)),
        "nothing is known of it since"
    );

    let version = tracker.endpoint.version;
    let (_, next) = tracker.endpoint.settle(at(9000), &limits(), &none);
    assert_eq!(
        (tracker.endpoint.sessions.len(), tracker.endpoint.version),
        (0, version),
        "tombstones go without a record"
    );
    assert_eq!(next, Some(at(1005) + limits().detach_after));
    let (outcome, next) =
        tracker.endpoint.settle(at(1005) + limits().detach_after, &limits(), &none);
    assert_eq!((outcome.after, next), (NetworkState::Detached, None));
}

#[test]
fn an_interim_that_was_held_up_revives_what_was_given_up_for_lost() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 0));
    tracker.endpoint.settle(at(4000), &limits(), &Restarts::default());
    let late = tracker.endpoint.interim(
        &Report { counters: octets(5, 5), ..report("a", 600) },
        GROUP,
        at(4010),
    );
    assert_eq!((late.effect, late.after), (Effect::Opened, NetworkState::Active));
}

#[test]
fn restarts_are_forgotten_after_a_whole_walk() {
    let restarts = Restarts::default();
    assert!(restarts.is_empty());
    restarts.note(Restart::of(&report("", 10), at(10)));
    let mark = restarts.mark();
    restarts.note(Restart::of(&Report { reporter: reporter(2), ..report("", 11) }, at(11)));
    restarts.forget(mark);

    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.start(&Report { reporter: reporter(2), ..report("b", 2) });
    assert_eq!(restarts.closes(&tracker.endpoint.sessions[0]), None);
    assert_eq!(restarts.closes(&tracker.endpoint.sessions[1]), Some(EventTime::at(at(11))));
    restarts.forget(restarts.mark());
    assert!(restarts.is_empty());
}

#[test]
fn within_the_second_of_a_restart_the_order_of_arrival_decides() {
    let millis = |millis| at(10) + Duration::from_millis(millis);
    for (opened, lives) in [(millis(100), false), (millis(900), true)] {
        let restarts = Restarts::default();
        restarts.note(Restart::of(&report("", 10), millis(500)));
        let mut endpoint = EndpointState::new(NetworkState::Idle);
        endpoint.start(&report("a", 10), GROUP, opened);
        assert_eq!(endpoint.gateway_restart(&restarts, at(11)).closed.is_empty(), lives);
    }
}

#[test]
fn an_older_restart_that_comes_later_ends_nothing_new() {
    let restarts = Restarts::default();
    restarts.note(Restart::of(&report("", 10), at(10)));
    restarts.note(Restart::of(&report("", 5), at(12)));
    let mut endpoint = EndpointState::new(NetworkState::Idle);
    endpoint.start(&report("a", 10), GROUP, at(11));
    assert!(endpoint.gateway_restart(&restarts, at(12)).closed.is_empty());
}

/// Its Accounting-On has no Event-Timestamp, its Starts have one that is an hour slow.
#[test]
fn a_restart_read_once_more_does_not_end_the_sessions_of_a_slow_clock() {
    let restarts = Restarts::default();
    restarts.note(Restart::of(&report("", 3600), at(3600)));
    for (opened, lives) in [(at(3600), false), (at(3610), true)] {
        let mut endpoint = EndpointState::new(NetworkState::Idle);
        endpoint.start(&report("a", 10), GROUP, opened);
        assert_eq!(endpoint.gateway_restart(&restarts, at(4000)).closed.is_empty(), lives);
    }
}

/// Issue 11, E3: one gateway's excess is not another's loss.
#[test]
fn each_gateway_has_its_share_of_the_restarts_noted() {
    let restarts = Restarts::default();
    restarts.note(Restart::of(&Report { reporter: stranger(), ..report("", 10) }, at(10)));
    for nas in 1..=4200 {
        restarts.note(Restart::of(&Report { reporter: reporter(nas), ..report("", 10) }, at(10)));
    }
    let closes = |reporter| {
        let mut tracker = TestTracker::new();
        tracker.start(&Report { reporter, ..report("a", 1) });
        restarts.closes(&tracker.endpoint.sessions[0]).is_some()
    };
    assert!(closes(stranger()));
    assert!(
        closes(reporter(4200)) && closes(reporter(4200 - 1023)) && !closes(reporter(4200 - 1024))
    );
}

/// Issue 11, B5.
#[test]
fn a_renamed_gateway_keeps_its_sessions() {
    let renamed = |report: Report<'static>| {
        let reporter = Reporter { gateway: GatewayId::new(9), ..report.reporter };
        Report { reporter, ..report }
    };
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let restarts = Restarts::default();
    restarts.note(Restart::of(&renamed(report("", 10)), at(10)));
    assert!(restarts.closes(&tracker.endpoint.sessions[0]).is_some());
    assert_eq!(tracker.interim(&renamed(report("a", 2))).effect, Effect::Updated);
    assert_eq!(tracker.session("a").gateway, GatewayId::new(9));
    assert_eq!(tracker.stop(&renamed(report("a", 3))).effect, Effect::Closed);
}

#[test]
fn tombstones_and_open_sessions_are_bounded() {
    let mut tracker = TestTracker::new();
    for number in 0..40 {
        let outcome = tracker.stop(&report(&format!("s{number}"), number));
        assert_eq!(
            outcome.session.map(|at| tracker.endpoint.sessions[at].key().to_owned()),
            Some(format!("s{number}"))
        );
    }
    assert_eq!((tracker.endpoint.sessions.len(), tracker.endpoint.sessions[0].key()), (16, "s24"));

    let mut tracker = TestTracker::new();
    for number in 0..70 {
        tracker.start(&Report {
            apn: Some(format!("apn{number}").as_bytes()),
            ..report(&format!("s{number}"), number)
        });
    }
    assert_eq!((tracker.open().len(), tracker.open()[0]), (64, "s6"));
}

/// Else a restart, which reads only what there is, would change it.
#[test]
fn a_resumed_session_is_as_if_it_had_never_been_ending() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let session = &mut tracker.endpoint.sessions[0];
    let before = session.clone();
    session.set_ending(Some(Ending { since: at(2), cause: CloseCause::Barred }));
    assert!(!session.is_open());
    session.set_ending(None);
    assert_eq!(*session, before);
}
