//! Every pair of the table, and what a gateway must keep of RFC 2865, 2869 and 5080.

use super::*;

fn rules() -> Rules {
    Rules {
        network_events: false,
        interim_s: 0,
        session_s: Distribution::Fixed(600.0),
        idle_s: Some(Distribution::Fixed(30.0)),
        octets_s: Distribution::Fixed(1_000_000.0),
        back_off_s: (1.0, 8.0),
        roaming: 0.0,
        flapping: 0.0,
        lost_stops: 0.0,
    }
}

fn grant() -> Grant {
    Grant {
        address: Ipv4Addr::new(10, 0, 0, 9),
        classes: Classes::NONE,
        session_timeout_s: 0,
        interim_s: 0,
    }
}

fn random() -> RandomStream {
    RandomStream::stream(1, 2, 3)
}

const NOW: Timestamp = Timestamp::from_secs(100);

/// A device in this phase; where a phase has two forms, in the one that waits for an answer.
fn device(phase: DevicePhase) -> Device {
    let at = |seconds| CompactTime::of(Timestamp::from_secs(seconds));
    let state = match phase {
        DevicePhase::Detached => State::AWAY,
        DevicePhase::Attaching => State::Attaching { retries: CompactTime::NEVER },
        DevicePhase::Authorising => State::Authorising,
        DevicePhase::Idle => State::Idle { until: at(100) },
        DevicePhase::Active => {
            State::Active(DeviceSession::open(&grant(), NOW, &rules(), &mut random()))
        }
        DevicePhase::Closing => State::Closing { leaving: false },
    };
    Device { state, ..Device::new(0) }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Nothing => ".",
        Action::AskToAttach => "ask",
        Action::Authorise => "authorise",
        Action::ReportStart => "start",
        Action::ReportInterim => "interim",
        Action::ReportStop(..) => "stop",
        Action::ReportDetach => "detach",
        Action::Roam(_) => "roam",
        Action::Vanish(_) => "vanish",
    }
}

#[test]
fn every_pair_of_state_and_event() {
    use DevicePhase::{Active, Attaching, Authorising, Closing, Detached, Idle};
    let grant = grant();
    let events = [
        Event::Summoned,
        Event::Woken,
        Event::Granted(&grant),
        Event::Refused,
        Event::Unanswered,
        Event::Released,
        Event::Silenced,
        Event::Dismissed,
    ];
    let table: [(DevicePhase, [(DevicePhase, &str); 8]); 6] = [
        (
            Detached,
            [
                (Authorising, "authorise"),
                (Detached, "."),
                (Detached, "."),
                (Detached, "."),
                (Detached, "."),
                (Detached, "."),
                (Detached, "."),
                (Detached, "."),
            ],
        ),
        (
            Attaching,
            [
                (Attaching, "."),
                (Attaching, "."),
                (Authorising, "authorise"),
                (Detached, "."),
                (Attaching, "."),
                (Attaching, "."),
                (Attaching, "."),
                (Attaching, "."),
            ],
        ),
        (
            Authorising,
            [
                (Authorising, "."),
                (Authorising, "."),
                (Active, "start"),
                (Detached, "."),
                (Attaching, "."),
                (Authorising, "."),
                (Attaching, "."),
                (Authorising, "."),
            ],
        ),
        (
            Idle,
            [
                (Authorising, "authorise"),
                (Authorising, "authorise"),
                (Idle, "."),
                (Idle, "."),
                (Idle, "."),
                (Idle, "."),
                (Detached, "."),
                (Detached, "."),
            ],
        ),
        (
            Active,
            [
                (Active, "."),
                (Active, "."),
                (Active, "."),
                (Active, "."),
                (Active, "."),
                (Active, "."),
                (Detached, "vanish"),
                (Closing, "stop"),
            ],
        ),
        (
            Closing,
            [
                (Closing, "."),
                (Closing, "."),
                (Closing, "."),
                (Closing, "."),
                (Closing, "."),
                (Idle, "."),
                (Detached, "."),
                (Closing, "."),
            ],
        ),
    ];
    for (before, row) in table {
        for (event, (after, action)) in events.iter().zip(row) {
            let mut device = device(before);
            // The stream decides whether an idle endpoint comes or goes; this one comes.
            let mut random = (0..99)
                .map(|step| RandomStream::stream(0, 0, step))
                .find(|random| random.clone().happens(0.5))
                .unwrap();
            let done = device.on(*event, NOW, &rules(), &mut random);
            assert_eq!((device.phase(), name(&done)), (after, action), "{before:?} on {event:?}");
        }
    }
}

#[test]
fn asks_leave_to_attach_and_reports_the_detach_where_the_fleet_does() {
    let rules = Rules { network_events: true, ..rules() };
    let mut device = Device::new(0);
    assert_eq!(device.on(Event::Summoned, NOW, &rules, &mut random()), Action::AskToAttach);
    assert_eq!(device.on(Event::Granted(&grant()), NOW, &rules, &mut random()), Action::Authorise);
    assert_eq!(
        device.on(Event::Granted(&grant()), NOW, &rules, &mut random()),
        Action::ReportStart
    );
    let mut idle = self::device(DevicePhase::Idle);
    assert_eq!(idle.on(Event::Dismissed, NOW, &rules, &mut random()), Action::ReportDetach);
    assert_eq!(idle.on(Event::Released, NOW, &rules, &mut random()), Action::Nothing);
    assert_eq!(idle.phase(), DevicePhase::Detached);
}

/// Checklist H7: the server's Session-Timeout ends the session, with cause 5.
#[test]
fn session_timeout_is_obeyed() {
    let mut device = device(DevicePhase::Authorising);
    device.on(
        Event::Granted(&Grant { session_timeout_s: 5, ..grant() }),
        NOW,
        &rules(),
        &mut random(),
    );
    assert_eq!(device.wakes(), Some(Timestamp::from_secs(105)));
    let Action::ReportStop(session, cause) =
        device.on(Event::Woken, Timestamp::from_secs(105), &rules(), &mut random())
    else {
        panic!("no Stop")
    };
    assert_eq!(cause, Cause::SESSION_TIMEOUT);
    assert_eq!(session.usage(Timestamp::from_secs(105)).seconds, 5);
}

/// Checklist H8: interim reports at the server's interval with some spread, cumulative, and never
/// two on their way.
#[test]
fn interim_reports_follow_the_server() {
    let mut device = device(DevicePhase::Authorising);
    let mut random = random();
    device.on(
        Event::Granted(&Grant { interim_s: 60, ..grant() }),
        NOW,
        &Rules { interim_s: 10, ..rules() },
        &mut random,
    );
    let (mut last, mut octets) = (NOW, 0);
    for _ in 0..5 {
        let now = device.wakes().unwrap();
        assert!((57..=63).contains(&now.since(last).as_secs()), "{:?}", now.since(last));
        assert_eq!(device.on(Event::Woken, now, &rules(), &mut random), Action::ReportInterim);
        let session = device.session_mut().unwrap();
        assert!(session.reported().input > octets, "cumulative");
        (last, octets) = (now, session.reported().input);
        session.report_owed = false;
    }
    assert!(octets > 1 << 28, "large enough to need Gigawords one day");
    let unanswered = device.wakes().unwrap();
    assert_eq!(device.on(Event::Woken, unanswered, &rules(), &mut random), Action::ReportInterim);
    let next = device.wakes().unwrap();
    assert_eq!(
        device.on(Event::Woken, next, &rules(), &mut random),
        Action::Nothing,
        "the last one is still on its way"
    );
}

/// Checklist H9: a rejected endpoint does not ask again by itself.
#[test]
fn a_reject_is_final() {
    let mut device = device(DevicePhase::Authorising);
    device.on(Event::Refused, NOW, &rules(), &mut random());
    assert_eq!((device.phase(), device.wakes()), (DevicePhase::Detached, None));
}

#[test]
fn an_unanswered_endpoint_backs_off_twice_as_long_each_time() {
    let mut device = device(DevicePhase::Authorising);
    for most in [1, 2, 4, 8, 8, 8] {
        let mut longest = 0;
        for step in 0..50 {
            let mut copy =
                Device { failures: device.failures, ..self::device(DevicePhase::Authorising) };
            copy.on(Event::Unanswered, NOW, &rules(), &mut RandomStream::stream(9, 9, step));
            longest = longest.max(copy.wakes().unwrap().since(NOW).as_millis());
        }
        assert!((most * 800..=most * 1000).contains(&longest), "{longest} of {most}");
        device.on(Event::Unanswered, NOW, &rules(), &mut random());
        device.on(Event::Woken, NOW, &rules(), &mut random());
    }
}

#[test]
fn habits_decide_how_a_session_ends() {
    let ends = |rules: Rules| {
        let mut device = device(DevicePhase::Authorising);
        device.on(Event::Granted(&grant()), NOW, &rules, &mut random());
        let end = device.wakes().unwrap();
        let action = name(&device.on(Event::Woken, end, &rules, &mut random()));
        (action, device.phase(), device.wakes().is_some())
    };
    assert_eq!(ends(rules()), ("stop", DevicePhase::Closing, false));
    assert_eq!(
        ends(Rules { lost_stops: 1.0, ..rules() }),
        ("vanish", DevicePhase::Detached, false)
    );
    assert_eq!(ends(Rules { flapping: 1.0, ..rules() }), ("stop", DevicePhase::Detached, true));
    assert_eq!(ends(Rules { roaming: 1.0, ..rules() }), ("roam", DevicePhase::Authorising, false));
}

/// Checklist H6: all Class attributes, in their order.
#[test]
fn classes_keep_number_and_order() {
    for values in
        [&[&b"one"[..], &b"two"[..]][..], &[], &[&b"x"[..]], &[&[7; 253][..], &b"after"[..]]]
    {
        let classes = Classes::new(values.iter().copied());
        assert_eq!(classes.iter().collect::<Vec<_>>(), values);
    }
    assert!(
        matches!(Classes::new([&[7; 16][..]].into_iter()), Classes::Few { .. }),
        "attachd's own needs no heap block"
    );
}

/// A million endpoints with their timers and addresses fit into 200 MB.
#[test]
fn a_device_is_small() {
    assert!(size_of::<Device>() <= 72, "{}", size_of::<Device>());
}
