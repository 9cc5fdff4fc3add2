//! PROTOCOL 19: durations do not care what the wall clock does.

use std::net::IpAddr;
use std::time::Duration;

use crate::identity::GatewayId;
use crate::radius::duplicates::{DuplicateKey, Duplicates, Lookup};
use crate::radius::gateways::Gateways;
use crate::radius::{DynamicAuthorization, GatewaySettings, Requirement};
use crate::time::{SteadyClock, Timestamp};

const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);
const HOUR: Duration = Duration::from_secs(3600);

type Setting = fn(Timestamp) -> Timestamp;

/// A second passes, in looks of 20 ms, while the wall clock is where somebody has set it.
fn pass_a_second(steady: &mut SteadyClock, second: u64, set: Setting) -> Timestamp {
    let mut running = Duration::from_secs(second);
    for _ in 0..50 {
        running += Duration::from_millis(20);
        steady.observe(running, set(NOON + running));
    }
    steady.line().at(running)
}

/// Where the wall clock may be set; each a new table and a new gateway.
fn settings_of_the_clock() -> [(&'static str, Setting); 3] {
    [
        ("right", |right| right),
        ("an hour back", |right| right - HOUR),
        ("an hour ahead", |right| right + HOUR),
    ]
}

#[test]
fn a_rate_limit_goes_on_over_steps() {
    for (name, set) in settings_of_the_clock() {
        let (mut steady, _) = SteadyClock::begin(Duration::ZERO, NOON, Timestamp::EPOCH);
        let gateways = Gateways::new(&[gateway_of_rate(10)], Vec::new());
        let gateway = gateways.of(IpAddr::from([192, 0, 2, 1])).unwrap();
        let admitted = |now| (0..100).filter(|_| gateway.admits(now)).count();
        assert_eq!(admitted(NOON), 10);
        for second in 0..10 {
            let now = pass_a_second(&mut steady, second, set);
            assert!((9..=10).contains(&admitted(now)), "{name}: second {second}");
        }
    }
}

#[test]
fn a_retransmission_is_known_as_long_as_it_should_be() {
    for (name, set) in settings_of_the_clock() {
        let (mut steady, _) = SteadyClock::begin(Duration::ZERO, NOON, Timestamp::EPOCH);
        let mut duplicates = Duplicates::new(64, 4096, Duration::from_secs(30));
        let key = DuplicateKey {
            from: ([192, 0, 2, 1], 1).into(),
            listener: 0,
            code: 1,
            identifier: 7,
            gateway: GatewayId::new(0),
        };
        let Lookup::New(slot) = duplicates.look_up(&key, &[1; 16], NOON) else { panic!("not new") };
        duplicates.answer(slot, b"reply");
        for second in 0..29 {
            let now = pass_a_second(&mut steady, second, set);
            assert_eq!(
                duplicates.look_up(&key, &[1; 16], now),
                Lookup::Answered(b"reply"),
                "{name}: second {second}"
            );
        }
        pass_a_second(&mut steady, 29, set);
        let now = pass_a_second(&mut steady, 30, set);
        assert!(
            matches!(duplicates.look_up(&key, &[1; 16], now), Lookup::New(_)),
            "{name}: its lifetime is over"
        );
    }
}

fn gateway_of_rate(rate_limit: u32) -> GatewaySettings {
    GatewaySettings {
        name: "pgw-01".to_owned(),
        sources: vec!["192.0.2.0/24".parse().unwrap()],
        secrets: vec![Box::from(*b"xyzzy5461")],
        tls_names: Vec::new(),
        require_message_authenticator: Requirement::Auto,
        limit_proxy_state: true,
        absent_is_released: false,
        rate_limit,
        dynamic_authorization: DynamicAuthorization::default(),
    }
}
