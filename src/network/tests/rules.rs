//! The rules of PROTOCOL 5, 6 and 10 that the checklist does not name.

use super::*;

#[test]
fn a_repeated_start_refreshes_and_changes_nothing() {
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    let version = desk.endpoint.version;
    let again = desk.endpoint.start(&report("a", 1), GROUP, at(6));
    assert_eq!((again.effect, desk.endpoint.version), (Effect::Duplicate, version));
    assert_eq!((desk.session("a").heard, desk.endpoint.last_activity), (at(6), at(6)));
}

#[test]
fn a_stop_without_counters_keeps_the_last_ones() {
    let mut desk = Desk::new();
    desk.interim(&Report { counters: octets(5, 6), ..report("a", 1) });
    desk.stop(&report("a", 2));
    assert_eq!(desk.session("a").octets(), (5, 6));
}

#[test]
fn a_start_counts_nothing() {
    let mut desk = Desk::new();
    desk.interim(&Report { counters: octets(4_000_000_000, 6), ..report("a", 1) });
    let again = desk.start(&Report { counters: octets(0, 0), ..report("a", 2) });
    assert!(!again.counters_wrapped && !again.counters_lowered);
    assert_eq!((desk.session("a").octets(), desk.session("a").updated()), ((4_000_000_000, 6), at(2)));
}

#[test]
fn a_stop_overtaken_by_a_later_interim_still_closes() {
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    desk.interim(&Report { counters: octets(50, 60), ..report("a", 9) });
    assert_eq!(desk.endpoint.stop(&report("a", 8), GROUP, at(10)).effect, Effect::Closed);
    let repeated = desk.endpoint.interim(&report("a", 9), GROUP, at(11));
    assert_eq!((repeated.effect, desk.state()), (Effect::TombstoneHolds, NetworkState::Idle));
}

#[test]
fn a_stop_from_before_the_session_does_not_close_it() {
    let mut desk = Desk::new();
    desk.start(&report("a", 100));
    let late = desk.endpoint.stop(&report("a", 50), GROUP, at(101));
    assert_eq!((late.effect, desk.open()), (Effect::Outdated, vec!["a"]));
}

#[test]
fn a_repeated_stop_of_an_earlier_use_of_the_identifier_finds_its_own_tombstone() {
    let mut desk = Desk::new();
    for (start, stop, counted) in [(1, 5, 1000), (7, 9, 10)] {
        desk.start(&report("a", start));
        desk.stop(&Report { counters: octets(counted, 0), ..report("a", stop) });
    }
    desk.start(&report("a", 11));
    let before = desk.endpoint.clone();
    let repeated = Report { counters: octets(1000, 0), ..report("a", 5) };
    assert_eq!(desk.endpoint.stop(&repeated, GROUP, at(11)).effect, Effect::Duplicate);
    assert_eq!(desk.endpoint, before);
}

#[test]
fn a_stop_of_a_later_session_of_the_same_name_is_recorded_beside_the_first() {
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    desk.stop(&Report { counters: octets(100, 0), ..report("a", 5) });
    let other = Report { counters: octets(7, 0), session_time_s: Some(10), ..report("a", 60) };
    assert_eq!(desk.stop(&other).effect, Effect::Entombed);
    assert_eq!(desk.stop(&other).effect, Effect::Duplicate);
    assert_eq!(desk.endpoint.sessions.iter().map(|session| session.octets().0).collect::<Vec<_>>(), [100, 7]);
}

#[test]
fn a_start_held_up_until_its_successor_has_begun_does_not_end_the_successor() {
    let mut desk = Desk::new();
    desk.start(&report("new", 60));
    let late = desk.endpoint.start(&report("old", 50), GROUP, at(61));
    assert_eq!((late.effect, late.closed.len(), desk.open()), (Effect::Entombed, 0, vec!["new"]));
    assert_eq!(desk.session("old").ended, Some(Ended { at: at(60), terminate_cause: 0, cause: CloseCause::Superseded }));
}

#[test]
fn the_other_gateway_of_a_pair_may_tell_of_a_session_but_not_start_it() {
    let other = |report| Report { reporter: reporter(2), ..report };
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    assert_eq!(desk.interim(&other(report("a", 2))).effect, Effect::Updated);
    assert_eq!(desk.stop(&other(report("a", 3))).effect, Effect::Closed);
    assert_eq!(desk.endpoint.interim(&other(report("a", 3)), GROUP, at(4)).effect, Effect::TombstoneHolds);

    // Two of that name: nobody can tell which, so it is a third.
    desk.start(&report("b", 10));
    desk.start(&other(report("b", 11)));
    assert_eq!(desk.interim(&Report { reporter: reporter(3), ..report("b", 12) }).effect, Effect::Opened);
    assert_eq!(desk.open(), ["b"; 3]);

    // Another configured gateway is never meant.
    let stranger = Reporter { gateway: GatewayId::new(1), nas: Nas(1) };
    desk.start(&report("c", 20));
    assert_eq!(desk.stop(&Report { reporter: stranger, ..report("c", 21) }).effect, Effect::Entombed);
}

#[test]
fn identifiers_need_not_be_text() {
    let odd = |octets: &'static [u8], secs| Report { acct_session_id: octets, ..report("", secs) };
    let mut desk = Desk::new();
    desk.start(&odd(b"\xC3\xA9", 1));
    desk.start(&Report { apn: Some(b"web"), ..odd(b"\xE9", 2) });
    assert_eq!(desk.open(), ["\u{c3}\u{a9}", "\u{e9}"]);
    assert_eq!(desk.stop(&odd(b"\xE9", 3)).effect, Effect::Closed);
    assert_eq!(desk.open(), ["\u{c3}\u{a9}"]);
}

#[test]
fn a_session_learns_its_multi_session_id_late() {
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    desk.interim(&Report { acct_multi_session_id: Some(b"m"), ..report("a", 2) });
    assert_eq!(desk.open(), ["m"]);
    let number = desk.session("m").number();
    assert_eq!(desk.stop(&report("a", 3)).effect, Effect::Closed, "and is still found by its bearer");
    assert_eq!(desk.session("m").number(), number);
    assert!(number < 1 << 53);
}

#[test]
fn bearers_beyond_the_list_are_folded_and_their_octets_stay() {
    let ids: Vec<String> = (0..40).map(|number| format!("b{number}")).collect();
    let mut desk = Desk::new();
    for (secs, id) in (0..).zip(&ids) {
        desk.interim(&Report { acct_multi_session_id: Some(b"m"), counters: octets(1, 2), ..report(id, secs) });
    }
    let session = desk.session("m");
    assert_eq!((session.bearers().count(), session.octets()), (16, (40, 80)));
    assert_eq!(session.bearers().next().map(|bearer| bearer.acct_session_id.as_str()), Some("b0"));
}

#[test]
fn detach_ends_everything_begun_until_then() {
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    desk.start(&Report { apn: Some(b"web"), ..report("b", 2) });
    let outcome = desk.endpoint.detach(&report("", 5), at(5));
    assert_eq!((causes(&outcome), outcome.after), (vec!["detach"; 2], NetworkState::Detached));
    assert_eq!(desk.endpoint.interim(&report("a", 4), GROUP, at(6)).effect, Effect::TombstoneHolds);
}

#[test]
fn a_detach_from_before_a_session_leaves_the_endpoint_attached() {
    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    desk.start(&Report { apn: Some(b"web"), ..report("b", 10) });
    let outcome = desk.endpoint.detach(&report("", 5), at(11));
    assert_eq!((causes(&outcome), outcome.after), (vec!["detach"], NetworkState::Active));
    assert_eq!(desk.open(), ["b"]);
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
        let mut desk = Desk::new();
        desk.start(&report("a", 1));
        let outcome = desk.endpoint.close_all(cause, at(2));
        assert_eq!((causes(&outcome), outcome.after), (vec![cause.name()], state));
        assert!(desk.open().is_empty());
    }
}

#[test]
fn without_a_group_nothing_opens() {
    let mut endpoint = EndpointState::default();
    for outcome in [endpoint.attach(at(1)), endpoint.start(&report("a", 1), None, at(1)), endpoint.interim(&report("a", 2), None, at(2))] {
        assert_eq!((outcome.effect, outcome.after), (Effect::Refused, NetworkState::Unknown));
        assert!(outcome.refused.is_some());
    }
    assert_eq!((endpoint.version, endpoint.sessions.len()), (0, 0));
    assert_eq!(endpoint.assign().after, NetworkState::Detached);
    assert_eq!(endpoint.attach(at(3)).after, NetworkState::Idle);
}

#[test]
fn what_is_unheard_of_ends() {
    let mut desk = Desk::new();
    let none = Restarts::default();
    desk.start(&report("a", 0));
    desk.start(&Report { apn: Some(b"web"), ..report("b", 1) });
    desk.endpoint.interim(&report("a", 1000), GROUP, at(1005));
    assert_eq!(desk.endpoint.settle(at(3600), &limits(), &none).1, Some(at(3601)));

    let (outcome, next) = desk.endpoint.settle(at(3601), &limits(), &none);
    assert_eq!((causes(&outcome), outcome.after, next), (vec!["stale"], NetworkState::Active, Some(at(4605))));
    let (outcome, next) = desk.endpoint.settle(at(4605), &limits(), &none);
    assert_eq!((causes(&outcome), outcome.after, next), (vec!["stale"], NetworkState::Idle, Some(at(7201))));
    assert_eq!(desk.session("a").ended.map(|ended| ended.at), Some(at(1000)), "nothing is known of it since");

    let version = desk.endpoint.version;
    let (_, next) = desk.endpoint.settle(at(9000), &limits(), &none);
    assert_eq!((desk.endpoint.sessions.len(), desk.endpoint.version), (0, version), "tombstones go without a record");
    assert_eq!(next, Some(at(1005) + limits().detach_after));
    let (outcome, next) = desk.endpoint.settle(at(1005) + limits().detach_after, &limits(), &none);
    assert_eq!((outcome.after, next), (NetworkState::Detached, None));
}

#[test]
fn an_interim_that_was_held_up_revives_what_was_given_up_for_lost() {
    let mut desk = Desk::new();
    desk.start(&report("a", 0));
    desk.endpoint.settle(at(4000), &limits(), &Restarts::default());
    let late = desk.endpoint.interim(&Report { counters: octets(5, 5), ..report("a", 600) }, GROUP, at(4010));
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

    let mut desk = Desk::new();
    desk.start(&report("a", 1));
    desk.start(&Report { reporter: reporter(2), ..report("b", 2) });
    assert_eq!(restarts.closes(&desk.endpoint.sessions[0]), None);
    assert_eq!(restarts.closes(&desk.endpoint.sessions[1]), Some(at(11)));
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

#[test]
fn the_restarts_noted_are_bounded() {
    let restarts = Restarts::default();
    for nas in 0..5000 {
        restarts.note(Restart::of(&Report { reporter: reporter(nas), ..report("", 10) }, at(10)));
    }
    let closes = |nas| {
        let mut desk = Desk::new();
        desk.start(&Report { reporter: reporter(nas), ..report("a", 1) });
        restarts.closes(&desk.endpoint.sessions[0]).is_some()
    };
    assert!(!closes(5000 - 4097) && closes(5000 - 4096) && closes(4999));
}

#[test]
fn tombstones_and_open_sessions_are_bounded() {
    let mut desk = Desk::new();
    for number in 0..40 {
        let outcome = desk.stop(&report(&format!("s{number}"), number));
        assert_eq!(outcome.session.map(|at| desk.endpoint.sessions[at].key().to_owned()), Some(format!("s{number}")));
    }
    assert_eq!((desk.endpoint.sessions.len(), desk.endpoint.sessions[0].key()), (16, "s24"));

    let mut desk = Desk::new();
    for number in 0..70 {
        desk.start(&Report { apn: Some(format!("apn{number}").as_bytes()), ..report(&format!("s{number}"), number) });
    }
    assert_eq!((desk.open().len(), desk.open()[0]), (64, "s6"));
}
