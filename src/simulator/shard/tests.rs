//! What only shows when endpoint and gateway work together.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::exchange::SocketId;
use crate::simulator::gateway::RequestKind;
use crate::simulator::scenario::{SettingOverride, load};
use crate::time::Timestamp;
use crate::wire::number::{self, value};
use crate::wire::{Code, Datagram, Encoder, LONGEST, Secret};

fn shard(changes: &[(&str, &str)]) -> Shard {
    let changes: Vec<SettingOverride> = changes
        .iter()
        .map(|(key, value)| SettingOverride { key: (*key).into(), value: (*value).into() })
        .collect();
    let plan = Arc::new(
        RunPlan::new(&load("steady", &changes).unwrap(), Timestamp::from_secs(1_700_000_000), 1)
            .unwrap(),
    );
    Shard::new(
        plan,
        Arc::new(AddressModel::new(Duration::from_secs(60), Duration::from_secs(3600))),
        0,
    )
}

const ONE_AT_A_TIME: (&str, &str) =
    ("phase", "[{ name = \"one\", kind = \"closed\", in_flight = 1, for_s = 100 }]");

/// What was sent since the last time.
fn sent(shard: &mut Shard) -> Vec<(SocketId, SocketAddr, Vec<u8>)> {
    let sent =
        shard.outbound().iter().map(|sent| (sent.socket, sent.to, sent.octets.to_vec())).collect();
    shard.outbound().clear();
    sent
}

fn reply(request: &[u8], code: Code, attributes: impl Fn(&mut Encoder<'_>)) -> Vec<u8> {
    let request = Datagram::frame(request).unwrap();
    let mut buffer = [0; LONGEST];
    let mut encoder = Encoder::new(&mut buffer, code, request.identifier());
    if code != Code::ACCOUNTING_RESPONSE {
        encoder.message_authenticator();
    }
    attributes(&mut encoder);
    let len = encoder.finish_reply(&Secret::new(b"testing123"), request.authenticator()).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn h10_the_gateway_assigns_an_address_where_the_server_leaves_it_to_it() {
    let mut shard = shard(&[ONE_AT_A_TIME]);
    shard.poll(Timestamp::EPOCH);
    let (socket, server, request) = sent(&mut shard).remove(0);
    let accept = reply(&request, Code::ACCESS_ACCEPT, |encoder| {
        encoder
            .integer(number::FRAMED_IP_ADDRESS, 0xFFFF_FFFE)
            .attribute(number::CLASS, b"one")
            .attribute(number::CLASS, b"two");
    });
    shard.receive(Timestamp::from_millis(1), socket, server, &accept);
    let (_, _, start) = sent(&mut shard).remove(0);
    let start = Datagram::frame(&start).unwrap();
    assert_eq!(
        start.first(number::ACCT_STATUS_TYPE),
        Some(&value::acct_status_type::START.to_be_bytes()[..])
    );
    assert_eq!(
        start.first(number::FRAMED_IP_ADDRESS).map(|octets| octets[0]),
        Some(10),
        "one of its own"
    );
    let request = Datagram::frame(&request).unwrap();
    assert_eq!(
        start.first(number::ACCT_SESSION_ID),
        request.first(number::ACCT_SESSION_ID),
        "RFC 2866 5.5: the same in all"
    );
    assert_eq!(start.attributes().filter(|attribute| attribute.number == number::CLASS).count(), 2);
}

#[test]
fn no_more_is_outstanding_than_allowed_and_nobody_is_forgotten() {
    let storm =
        ("phase", "[{ name = \"all\", kind = \"storm\", share = 1.0, over_s = 0, for_s = 100 }]");
    let mut shard =
        shard(&[storm, ("outstanding", "10"), ("fleet.0.count", "300"), ("fleet.1.count", "200")]);
    let mut served = 0;
    for millis in 0..20_000 {
        let now = Timestamp::from_millis(millis);
        shard.poll(now);
        assert!(shard.outstanding() <= 20, "ten attaches and their Starts");
        for (socket, server, request) in sent(&mut shard) {
            let code = if Datagram::frame(&request).unwrap().code() == Code::ACCESS_REQUEST {
                served += 1;
                Code::ACCESS_ACCEPT
            } else {
                Code::ACCOUNTING_RESPONSE
            };
            shard.receive(now, socket, server, &reply(&request, code, |_| {}));
        }
        if shard.phase() == 1 {
            break;
        }
    }
    assert_eq!(
        (served, shard.phase(), shard.counters().attaches),
        (500, 1, 500),
        "the storm is over when everyone is served"
    );
    assert!(shard.counters().held_back > 400);
}

#[test]
fn a_generator_that_is_late_says_so() {
    let mut shard = shard(&[(
        "phase",
        "[{ name = \"steady\", kind = \"steady\", rate = 100, for_s = 10, arrival = \"uniform\" }]",
    )]);
    shard.poll(Timestamp::from_millis(9));
    assert_eq!((sent(&mut shard).len(), shard.counters().behind), (1, 0));
    shard.poll(Timestamp::from_millis(500));
    assert!(shard.counters().behind > 40);
    assert!(shard.counters().behind_most > Duration::from_millis(480));
}

/// Few of many are attached; their Stops are spread over the time all the same.
#[test]
fn a_drain_is_even() {
    let phases = "[{ name = \"in\", kind = \"steady\", rate = 100, for_s = 1 }, { name = \"out\", kind = \"drain\", for_s = 10 }]";
    let mut shard = shard(&[("phase", phases), ("fleet.*.session_s", "3600")]);
    let mut stops = [0; 12];
    for millis in 0..11_000 {
        let now = Timestamp::from_millis(millis);
        shard.poll(now);
        for (socket, server, request) in sent(&mut shard) {
            let framed = Datagram::frame(&request).unwrap();
            let stop = framed.first(number::ACCT_STATUS_TYPE)
                == Some(&value::acct_status_type::STOP.to_be_bytes()[..]);
            stops[now.secs() as usize] += usize::from(stop);
            let code = if framed.code() == Code::ACCESS_REQUEST {
                Code::ACCESS_ACCEPT
            } else {
                Code::ACCOUNTING_RESPONSE
            };
            shard.receive(now, socket, server, &reply(&request, code, |_| {}));
        }
    }
    let sessions = stops.iter().sum::<usize>();
    assert!(sessions > 70, "{stops:?}");
    // The last fifth of the time is for the answers.
    assert!(stops[1..9].iter().all(|count| count.abs_diff(sessions / 8) <= 2), "{stops:?}");
}

/// RFC 2866 5.1, TS 29.061 16.4.5: each is repeated until it is answered.
#[test]
fn a_gateway_that_is_shut_down_says_so_before_and_after() {
    let reboot = ("reboot", "[{ gateway = \"pgw-2\", at_s = 2, takes_s = 20, planned = true }]");
    let mut shard = shard(&[ONE_AT_A_TIME, reboot]);
    let mut said = Vec::new();
    for millis in 0..30_000 {
        let now = Timestamp::from_millis(millis);
        shard.poll(now);
        for (_, _, request) in sent(&mut shard) {
            let request = Datagram::frame(&request).unwrap();
            let status =
                request.first(number::ACCT_STATUS_TYPE).map_or(0, |octets| u32::from(octets[3]));
            if matches!(
                status,
                value::acct_status_type::ACCOUNTING_ON | value::acct_status_type::ACCOUNTING_OFF
            ) {
                assert_eq!(request.first(number::NAS_IDENTIFIER), Some(&b"pgw-2"[..]));
                said.push((now.secs(), status));
            }
        }
    }
    let first =
        |wanted| said.iter().find(|(_, status)| *status == wanted).map(|(second, _)| *second);
    assert_eq!(
        (
            first(value::acct_status_type::ACCOUNTING_OFF),
            first(value::acct_status_type::ACCOUNTING_ON)
        ),
        (Some(3), Some(22))
    );
    assert!(said.len() > 4, "{said:?}");
}

/// An earlier run may have left sessions of endpoints that this one has not come to.
#[test]
fn nothing_is_said_about_endpoints_that_were_never_there() {
    let mut shard = shard(&[ONE_AT_A_TIME]);
    shard.poll(Timestamp::EPOCH);
    let (socket, server, request) = sent(&mut shard).remove(0);
    shard.receive(
        Timestamp::from_millis(1),
        socket,
        server,
        &reply(&request, Code::ACCESS_REJECT, |_| {}),
    );
    let expected_states = shard.expected_states();
    let away =
        expected_states.iter().filter(|(_, expected)| *expected == ExpectedState::Away).count();
    assert_eq!(away, 1, "the one that was refused");
    let unclear =
        expected_states.iter().filter(|(_, expected)| *expected == ExpectedState::Unclear).count();
    assert_eq!(away + unclear, expected_states.len());
}

/// Device, timer, place in the queues and the address model's entry: a million of them below 200
/// MB.
#[test]
fn a_million_endpoints_fit() {
    let timer = 16;
    let queues = 4 + 4 + 1;
    // An entry of the hash map at its worst filling.
    let address = 2 * 24;
    assert!(size_of::<Device>() + timer + queues + address < 200, "{}", size_of::<Device>());
}

/// Every report has the stamp of its gateway's clock, whoever set that in the meantime.
#[test]
fn a_gateway_stamps_with_its_own_clock() {
    let clock = r#"[{ gateway = "pgw-1", ahead_s = -86400 }, { gateway = "pgw-1", at_s = 10, ahead_s = 300 }]"#;
    let mut shard = shard(&[ONE_AT_A_TIME, ("clock", clock)]);
    let stamp = |plan: &RunPlan, gateway, seconds| {
        i64::from(plan.seconds(gateway, Timestamp::from_secs(seconds))) - 1_700_000_000
    };
    let stamps =
        [(0, 0), (0, 9), (0, 10), (1, 10)].map(|(gateway, at)| stamp(&shard.plan, gateway, at));
    assert_eq!(stamps, [-86_400, -86_391, 310, 10]);
    shard.announce(0, RequestKind::On, Timestamp::from_secs(20));
    shard.poll(Timestamp::from_secs(20));
    let stamped = sent(&mut shard).iter().any(|(_, _, octets)| {
        let on = Datagram::frame(octets).unwrap();
        on.first(number::EVENT_TIMESTAMP) == Some(&1_700_000_320_u32.to_be_bytes()[..])
    });
    assert!(stamped);
}
