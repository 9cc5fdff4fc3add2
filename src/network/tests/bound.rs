//! What a gateway makes up does not make the record of an endpoint large, and costs no usage.

use proptest::prelude::*;

use super::*;

/// The longest name that an attribute can hold.
fn long(name: &str) -> String {
    format!("{name:x<253}")
}

fn usage(endpoint: &EndpointState) -> (u64, u64) {
    endpoint
        .sessions
        .iter()
        .map(Session::octets)
        .fold((0, 0), |sum, octets| (sum.0 + octets.0, sum.1 + octets.1))
}

/// 64 sessions with 16 bearers of the longest names under one endpoint.
#[test]
fn an_endpoint_stays_small_whatever_its_gateway_makes_up() {
    let mut tracker = TestTracker::new();
    for session in 0..64 {
        let (multi, apn) = (long(&format!("session {session} ")), long(&format!("apn {session} ")));
        for bearer in 0..16 {
            let name = long(&format!("{session} {bearer} "));
            let of_bearer = Report {
                acct_multi_session_id: Some(multi.as_bytes()),
                apn: Some(apn.as_bytes()),
                location_info: LocationInfo {
                    location: Some(&[1; 253]),
                    ..LocationInfo::default()
                },
                ..report(&name, session * 16 + bearer)
            };
            tracker.start(&of_bearer);
            assert!(
                tracker.endpoint.weight() <= MAX_RECORD,
                "session {session}, bearer {bearer}: {}",
                tracker.endpoint.weight()
            );
            let open = tracker
                .endpoint
                .open_sessions()
                .find(|session| session.multi_session_id() == Some(&multi));
            assert!(open.is_some_and(|open| open.knows(name.as_bytes())), "what is reported stays");
        }
    }
    assert!(tracker.endpoint.open_sessions().count() > 5);
}

/// The octets of bearers that are listed no more stay in the sum.
#[test]
fn a_bearer_that_makes_room_leaves_its_octets() {
    let mut tracker = TestTracker::new();
    let apns: Vec<String> = (0..4).map(|session| format!("apn-{session}")).collect();
    for (session, apn) in apns.iter().enumerate() {
        let multi = format!("session {session}");
        for bearer in 0..16 {
            let name = long(&format!("{session} {bearer} "));
            let of_bearer = |secs| Report {
                acct_multi_session_id: Some(multi.as_bytes()),
                apn: Some(apn.as_bytes()),
                ..report(&name, secs)
            };
            tracker.start(&of_bearer(100));
            if bearer > 0 {
                tracker.stop(&Report { counters: octets(1, 1000), ..of_bearer(200) });
            }
        }
    }
    assert_eq!(usage(&tracker.endpoint), (4 * 15, 4 * 15 * 1000));
    assert_eq!(tracker.endpoint.open_sessions().count(), 4, "none had to go");
    let listed =
        tracker.endpoint.sessions.iter().map(|session| session.bearers().count()).sum::<usize>();
    assert!((20..64).contains(&listed), "{listed}");
}

/// Eleven PDN connections with two bearers each and names as gateways make them.
#[test]
fn a_device_is_far_from_the_bound() {
    let mut tracker = TestTracker::new();
    for session in 0..11 {
        let apn = format!("apn-{session}.example.net");
        let multi = format!("C0A8010A0000{session:04X}");
        for bearer in 0..2 {
            let name = format!("C0A8010A{bearer:04X}{session:04X}");
            tracker.start(&Report {
                acct_multi_session_id: Some(multi.as_bytes()),
                apn: Some(apn.as_bytes()),
                ..report(&name, 1)
            });
        }
    }
    assert_eq!(tracker.endpoint.open_sessions().count(), 11);
    assert!(tracker.endpoint.weight() < MAX_RECORD / 2, "{}", tracker.endpoint.weight());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_makes_it_larger(reports in prop::collection::vec((0u8..3, 0u8..8, 0u8..32, 0usize..254, any::<bool>()), 1..200)) {
        let mut tracker = TestTracker::new();
        for (secs, (kind, session, bearer, length, has_multi)) in reports.into_iter().enumerate() {
            let multi = format!("{session}").repeat(length.max(1));
            // Octets beyond ASCII take two in a record.
            let name = [vec![b'0' + bearer], vec![0xff; length.max(1) - 1]].concat();
            let sent = Report {
                acct_session_id: &name,
                acct_multi_session_id: has_multi.then_some(multi.as_bytes()),
                apn: Some(multi.as_bytes()),
                counters: octets(secs as u32, 0),
                ..report("", secs as u64)
            };
            match kind {
                0 => tracker.start(&sent),
                1 => tracker.interim(&sent),
                _ => tracker.stop(&sent),
            };
            prop_assert!(tracker.endpoint.weight() <= MAX_RECORD, "{}", tracker.endpoint.weight());
        }
    }
}
