//! The accounting part of the conformance checklist (reference/standards.md 6 E), as far as it is
//! about state.

use super::*;

#[test]
fn e8_gigawords_make_64_bits() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let counters = Counters {
        input_gigawords: Some(1),
        output_gigawords: Some(2),
        ..octets(5, 4_294_967_295)
    };
    tracker.stop(&Report { counters, ..report("a", 2) });
    assert_eq!(tracker.session("a").octets(), (4_294_967_301, 12_884_901_887));
}

#[test]
fn e9_a_lower_value_near_the_limit_is_a_wrap() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.interim(&Report { counters: octets(4_294_967_000, 7), ..report("a", 2) });
    let wrap = tracker.interim(&Report { counters: octets(500, 7), ..report("a", 3) });
    assert!(wrap.counters_wrapped && !wrap.counters_lowered);
    assert_eq!(tracker.session("a").octets(), (4_294_967_796, 7));

    let lower = tracker.interim(&Report { counters: octets(400, 9), ..report("a", 4) });
    assert!(lower.counters_lowered && !lower.counters_wrapped);
    assert_eq!(tracker.session("a").octets(), (4_294_967_796, 9));
}

#[test]
fn e10_a_stop_closes_with_its_cause() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let outcome = tracker.stop(&Report {
        terminate_cause: Some(1),
        last_bearer: true,
        counters: octets(10, 20),
        ..report("a", 5)
    });
    assert_eq!(outcome.effect, Effect::Closed);
    assert_eq!(causes(&outcome), ["stop"]);
    assert_eq!((outcome.before, outcome.after), (NetworkState::Active, NetworkState::Idle));
    assert_eq!(
        tracker.session("a").ended,
        Some(Ended::new(EventTime::at(at(5)), 1, CloseCause::Stop))
    );
    assert_eq!(tracker.session("a").octets(), (10, 20));
}

#[test]
fn e11_two_bearers_are_one_session_until_the_last_is_gone() {
    let of = |id, secs| Report { acct_multi_session_id: Some(b"m"), ..report(id, secs) };
    // The last Stop says so itself, or is simply the last.
    for last_bearer in [true, false] {
        let mut tracker = TestTracker::new();
        assert_eq!(tracker.start(&of("a", 1)).effect, Effect::Opened);
        let second = tracker.start(&of("b", 2));
        assert_eq!(
            (second.effect, second.closed.len()),
            (Effect::Updated, 0),
            "a bearer of the same session supersedes nothing"
        );
        assert_eq!(
            tracker.stop(&Report { counters: octets(1, 2), ..of("a", 3) }).effect,
            Effect::Updated
        );
        assert_eq!(tracker.state(), NetworkState::Active);
        assert_eq!(tracker.start(&of("a", 1)).effect, Effect::TombstoneHolds);
        assert_eq!(
            tracker.stop(&Report { counters: octets(10, 20), last_bearer, ..of("b", 4) }).effect,
            Effect::Closed
        );
        assert_eq!((tracker.state(), tracker.open()), (NetworkState::Idle, vec![]));
        assert_eq!(tracker.session("m").octets(), (11, 22));
    }
}

#[test]
fn e11_the_indicator_ends_all_bearers_at_once() {
    let of = |id, secs| Report { acct_multi_session_id: Some(b"m"), ..report(id, secs) };
    let mut tracker = TestTracker::new();
    tracker.start(&of("a", 1));
    tracker.start(&of("b", 2));
    assert_eq!(tracker.stop(&Report { last_bearer: true, ..of("b", 4) }).effect, Effect::Closed);
    assert_eq!(tracker.state(), NetworkState::Idle);
    // The other's own Stop still brings its counters.
    assert_eq!(
        tracker.stop(&Report { counters: octets(7, 8), ..of("a", 5) }).effect,
        Effect::TombstoneHolds
    );
    assert_eq!(tracker.session("m").octets(), (7, 8));
}

/// Sessions a (apn iot) and b (apn web) of NAS 1, c of NAS 2; all begun before.
fn three_sessions() -> TestTracker {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.start(&Report { apn: Some(b"Web.mnc001.mcc001.gprs"), ..report("b", 2) });
    tracker.start(&Report { reporter: reporter(2), apn: Some(b"vpn"), ..report("c", 3) });
    tracker
}

#[test]
fn e12_a_restart_of_one_apn_ends_the_sessions_of_that_apn() {
    let mut tracker = three_sessions();
    let restarts = Restarts::default();
    restarts.note(Restart::of(&Report { apn: Some(b"WEB"), ..report("", 10) }, at(10)));
    let outcome = tracker.endpoint.gateway_restart(&restarts, at(11));
    assert_eq!(causes(&outcome), ["gateway-restart"]);
    assert_eq!((tracker.open(), tracker.state()), (vec!["a", "c"], NetworkState::Active));
}

#[test]
fn e13_a_restart_ends_all_sessions_of_that_nas_and_of_no_other() {
    let mut tracker = three_sessions();
    let restarts = Restarts::default();
    restarts.note(Restart::of(&Report { apn: None, ..report("", 10) }, at(10)));
    let outcome = tracker.endpoint.gateway_restart(&restarts, at(11));
    assert_eq!(causes(&outcome), ["gateway-restart"; 2]);
    assert_eq!((tracker.open(), tracker.state()), (vec!["c"], NetworkState::Active));
    assert_eq!(tracker.session("a").ended.map(|ended| ended.at), Some(at(10)));

    let mut on_other_gateway = TestTracker::new();
    on_other_gateway.start(&Report { reporter: stranger(), ..report("a", 1) });
    assert!(on_other_gateway.endpoint.gateway_restart(&restarts, at(11)).closed.is_empty());
}

#[test]
fn e14_a_late_interim_from_before_the_restart_opens_nothing() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let restarts = Restarts::default();
    restarts.note(Restart::of(&report("", 10), at(10)));
    tracker.endpoint.gateway_restart(&restarts, at(11));
    let late = tracker.endpoint.interim(&report("a", 9), GROUP, at(12));
    assert_eq!((late.effect, tracker.state()), (Effect::TombstoneHolds, NetworkState::Idle));
    // The gateway is back, and gives the same identifier again.
    let again = tracker.start(&report("a", 13));
    assert_eq!((again.effect, tracker.open()), (Effect::Opened, vec!["a"]));
    assert!(
        tracker.endpoint.gateway_restart(&restarts, at(14)).closed.is_empty(),
        "the restart is over for it"
    );
}

#[test]
fn e15_an_interim_without_start_opens_and_a_stop_without_start_is_recorded() {
    let mut tracker = TestTracker::new();
    let outcome = tracker.interim(&Report {
        session_time_s: Some(30),
        counters: octets(5, 6),
        ..report("a", 100)
    });
    assert_eq!((outcome.effect, outcome.after), (Effect::Opened, NetworkState::Active));
    assert_eq!(tracker.session("a").started, at(70));
    assert_eq!(tracker.start(&report("a", 70)).effect, Effect::Duplicate, "the Start at last");

    let outcome = tracker.stop(&Report {
        counters: octets(1, 2),
        session_time_s: Some(10),
        ..report("b", 101)
    });
    assert_eq!((outcome.effect, outcome.closed.len()), (Effect::TombstoneAdded, 0));
    assert_eq!((tracker.session("b").octets(), tracker.session("b").started), ((1, 2), at(91)));
    assert_eq!(tracker.open(), ["a"]);
    assert_eq!(tracker.start(&report("b", 91)).effect, Effect::TombstoneHolds);
}

#[test]
fn e16_a_start_that_comes_after_its_stop_opens_nothing() {
    let mut tracker = TestTracker::new();
    tracker.stop(&report("a", 20));
    let late = tracker.endpoint.start(&report("a", 10), GROUP, at(21));
    assert_eq!((late.effect, late.after), (Effect::Outdated, NetworkState::Detached));
    assert_eq!(
        tracker.endpoint.start(&report("a", 20), GROUP, at(21)).effect,
        Effect::TombstoneHolds,
        "not newer either"
    );
    assert_eq!(
        tracker.endpoint.start(&report("a", 22), GROUP, at(22)).effect,
        Effect::Opened,
        "identifiers are used again"
    );
    assert_eq!(tracker.session("a").octets(), (0, 0));
}

/// The event time is worked out before the machine sees it; here it only must be the one that
/// counts, and not the arrival.
#[test]
fn e17_e18_the_event_time_orders_and_not_the_arrival() {
    let mut tracker = TestTracker::new();
    tracker.endpoint.start(&report("a", 40), GROUP, at(100));
    assert_eq!((tracker.session("a").started, tracker.session("a").heard), (at(40), at(100)));
    tracker.endpoint.interim(&Report { location_info: rat(6), ..report("a", 60) }, GROUP, at(101));
    let overtaken = tracker.endpoint.interim(
        &Report { location_info: rat(1), counters: octets(9, 9), ..report("a", 50) },
        GROUP,
        at(102),
    );
    assert_eq!(overtaken.effect, Effect::Outdated);
    assert_eq!(
        (tracker.session("a").location_info().rat, tracker.session("a").updated().order),
        (Some(6), at(60))
    );
    assert_eq!(
        tracker.session("a").octets(),
        (9, 9),
        "counters may only rise, and so they may come late"
    );
}

#[test]
fn e23_without_a_usable_address_in_the_report_the_lease_is_shown() {
    let mut tracker = TestTracker::new();
    leases::authorise(&mut tracker, 0, LeaseKind::Pooled);
    tracker.start(&Report { ip: None, ..report("a", 1) });
    assert_eq!(tracker.session("a").ip, Some(leases::ip(0)));
    tracker.interim(&Report { ip: Some([10, 9, 9, 9].into()), ..report("a", 2) });
    assert_eq!(
        tracker.session("a").ip,
        Some([10, 9, 9, 9].into()),
        "the gateway is right about what is in use"
    );
}

#[test]
fn e24_the_class_ties_the_session_to_its_authorisation() {
    let mut tracker = TestTracker::new();
    tracker.start(&Report { authorisation: Some(77), ..report("a", 1) });
    tracker.interim(&Report { authorisation: None, ..report("a", 2) });
    assert_eq!(tracker.session("a").authorisation.map(u64::from), Some(77));
}

#[test]
fn e25_place_moves_and_counters_stay() {
    let mut tracker = TestTracker::new();
    tracker.start(&Report {
        location_info: LocationInfo {
            rat: Some(6),
            time_zone: Some([1, 0]),
            ..LocationInfo::default()
        },
        ..report("a", 1)
    });
    tracker.interim(&Report { counters: octets(100, 200), ..report("a", 2) });
    tracker.interim(&Report {
        location_info: LocationInfo {
            rat: Some(8),
            location: Some(&[0x82, 1, 2]),
            ..LocationInfo::default()
        },
        ..report("a", 3)
    });
    let session = tracker.session("a");
    let location_info = LocationInfo {
        rat: Some(8),
        time_zone: Some([1, 0]),
        location: Some(&[0x82, 1, 2]),
        ..LocationInfo::default()
    };
    assert_eq!((session.location_info(), session.octets()), (location_info, (100, 200)));
}

#[test]
fn e26_a_location_of_any_length_and_an_ipv6_node_are_kept() {
    let long = [0x42; 40];
    let node = "2001:db8::5".parse().ok();
    let mut tracker = TestTracker::new();
    tracker.start(&Report {
        location_info: LocationInfo {
            location: Some(&long),
            serving_node: node,
            ..LocationInfo::default()
        },
        ..report("a", 1)
    });
    assert_eq!(
        (
            tracker.session("a").location_info().location,
            tracker.session("a").location_info().serving_node
        ),
        (Some(&long[..]), node)
    );
    let short = LocationInfo {
        location: Some(&[0x18]),
        serving_node: "192.0.2.1".parse().ok(),
        ..LocationInfo::default()
    };
    tracker.interim(&Report { location_info: short, ..report("a", 2) });
    assert_eq!(tracker.session("a").location_info(), short);
}

#[test]
fn e27_the_same_identifier_at_two_gateways_is_two_sessions() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    let other = tracker.start(&Report { reporter: reporter(2), ..report("a", 2) });
    assert_eq!((other.effect, other.closed.len(), tracker.open().len()), (Effect::Opened, 0, 2));
    let stop = tracker.stop(&Report { reporter: reporter(2), ..report("a", 3) });
    assert_eq!(
        (stop.effect, tracker.state(), tracker.open().len()),
        (Effect::Closed, NetworkState::Active, 1)
    );
}

#[test]
fn e28_a_new_session_of_the_apn_supersedes_the_old_one() {
    let mut tracker = TestTracker::new();
    tracker.start(&report("a", 1));
    tracker.start(&Report { apn: Some(b"web"), ..report("w", 2) });
    let outcome = tracker.start(&Report { apn: Some(b"IOT"), ..report("b", 10) });
    assert_eq!((outcome.effect, causes(&outcome)), (Effect::Opened, vec!["superseded"]));
    assert_eq!(tracker.open(), ["w", "b"]);
    assert_eq!(outcome.session.map(|at| tracker.endpoint.sessions[at].key()), Some("b"));
    // Its own Stop, when it comes, brings the last counters and changes no cause.
    let stop = tracker.endpoint.stop(
        &Report { counters: octets(3, 4), terminate_cause: Some(2), ..report("a", 9) },
        GROUP,
        at(11),
    );
    assert_eq!((stop.effect, tracker.session("a").octets()), (Effect::TombstoneHolds, (3, 4)));
    assert_eq!(
        tracker.session("a").ended.map(|ended| (ended.cause, ended.terminate_cause)),
        Some((CloseCause::Superseded, 2))
    );
}

fn rat(number: u8) -> LocationInfo<'static> {
    LocationInfo { rat: Some(number), ..LocationInfo::default() }
}
