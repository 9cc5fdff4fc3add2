//! What the replies look like (checklist B, E1, E5).

use super::test_server::*;
use crate::aaa::{Class, RejectReason};
use crate::radius::pipeline::PipelineConfig;
use crate::wire::number::attachd::DEFAULT_VENDOR;
use crate::wire::number::{self, attachd, microsoft, tgpp};
use crate::wire::{Code, Datagram, FlatKey};
use std::time::Duration;

const STANDARD: u32 = 0;

fn value(reply: &[u8], vendor: u32, number: u8) -> Option<Vec<u8>> {
    let datagram = Datagram::frame(reply).unwrap();
    datagram
        .values()
        .find(|value| value.key == FlatKey { vendor, number })
        .map(|value| value.octets.to_vec())
}

/// B23: everything the group and the VSlice set, in the order of PROTOCOL 5.
#[test]
fn an_accept_says_what_the_group_sets() {
    let mut server = TestServer::new();
    let asked = access(1, TILL);
    let got = server.auth(&asked);
    assert!(matches!(got, Response::Receipt(_)), "it rests on state that must be durable");
    let reply = got.reply();
    let numbers = verified(&reply, Code::ACCESS_ACCEPT, &asked);
    assert_eq!(
        numbers,
        [
            number::MESSAGE_AUTHENTICATOR,
            number::FRAMED_IP_ADDRESS,
            number::FRAMED_IP_NETMASK,
            number::CLASS,
            number::SESSION_TIMEOUT,
            number::IDLE_TIMEOUT,
            number::ACCT_INTERIM_INTERVAL,
            number::VENDOR_SPECIFIC,
            number::VENDOR_SPECIFIC,
        ]
    );
    assert_eq!(value(&reply, STANDARD, number::FRAMED_IP_ADDRESS).unwrap(), [100, 64, 0, 2]);
    assert_eq!(value(&reply, STANDARD, number::FRAMED_IP_NETMASK).unwrap(), [255; 4]);
    assert_eq!(value(&reply, STANDARD, number::SESSION_TIMEOUT).unwrap(), 86_400u32.to_be_bytes());
    assert_eq!(value(&reply, STANDARD, number::IDLE_TIMEOUT).unwrap(), 3600u32.to_be_bytes());
    assert!(Class::authorisation(&value(&reply, STANDARD, number::CLASS).unwrap()).is_some());
    assert_eq!(
        value(&reply, microsoft::VENDOR, microsoft::PRIMARY_DNS_SERVER).unwrap(),
        [9, 9, 9, 9]
    );
    assert_eq!(
        value(&reply, microsoft::VENDOR, microsoft::SECONDARY_DNS_SERVER).unwrap(),
        [149, 112, 112, 112]
    );
}

#[test]
fn vendor_attributes_name_vslice_and_group_if_wanted() {
    let mut server = TestServer::with(PipelineConfig { vendor_attributes: true, ..config() });
    let reply = server.auth(&access(1, TILL)).reply();
    assert_eq!(value(&reply, DEFAULT_VENDOR, attachd::VSLICE).unwrap(), b"festival");
    assert_eq!(value(&reply, DEFAULT_VENDOR, attachd::ENDPOINT_GROUP).unwrap(), b"epos");
    let reply = TestServer::new().auth(&access(1, TILL)).reply();
    assert_eq!(value(&reply, DEFAULT_VENDOR, attachd::VSLICE), None);
}

/// B13, B14, C-11.
#[test]
fn a_reject_says_why_and_nothing_else() {
    let mut server = TestServer::new();
    for (identifier, imsi, reason) in [
        (1, STOLEN, "endpoint-suspended"),
        (2, "234500000000099", "endpoint-unknown"),
        (3, "", "identity-missing"),
    ] {
        let asked = access(identifier, imsi);
        let got = server.auth(&asked);
        assert!(matches!(got, Response::AtOnce(_)));
        let reply = got.reply();
        assert_eq!(
            verified(&reply, Code::ACCESS_REJECT, &asked),
            [number::MESSAGE_AUTHENTICATOR, number::REPLY_MESSAGE]
        );
        assert_eq!(value(&reply, STANDARD, number::REPLY_MESSAGE).unwrap(), reason.as_bytes());
    }
    assert_eq!(server.pipeline.counters.rejects[RejectReason::EndpointSuspended as usize], 1);
}

#[test]
fn a_reject_may_be_delayed_and_an_accept_never_is() {
    let mut server =
        TestServer::with(PipelineConfig { reject_delay: Duration::from_secs(1), ..config() });
    assert!(matches!(server.auth(&access(1, STOLEN)), Response::Delayed(_)));
    assert!(matches!(server.auth(&access(2, TILL)), Response::Receipt(_)));
}

/// B15, B16, E5.
#[test]
fn proxy_states_come_back_in_order() {
    let states: [&[u8]; 3] = [b"p1", b"p2", &[7; 253]];
    let with_states = |code, identifier, imsi: &str| {
        request(code, identifier, |packet| {
            packet.message_authenticator().attribute(number::PROXY_STATE, states[0]);
            packet
                .vendor(tgpp::VENDOR, tgpp::IMSI, imsi.as_bytes())
                .integer(number::ACCT_STATUS_TYPE, 9);
            packet
                .attribute(number::PROXY_STATE, states[1])
                .attribute(number::PROXY_STATE, states[2]);
        })
    };
    let mut server = TestServer::new();
    let returned = |reply: &[u8]| -> Vec<Vec<u8>> {
        let datagram = Datagram::frame(reply).unwrap();
        datagram
            .attributes()
            .filter(|attribute| attribute.number == number::PROXY_STATE)
            .map(|attribute| attribute.value.to_vec())
            .collect()
    };
    let status = with_states(Code::STATUS_SERVER, 3, "");
    for reply in [
        server.auth(&with_states(Code::ACCESS_REQUEST, 1, TILL)).reply(),
        server.auth(&with_states(Code::ACCESS_REQUEST, 2, STOLEN)).reply(),
        server.auth(&status).reply(),
        server.acct(&with_states(Code::ACCOUNTING_REQUEST, 4, TILL)).reply(),
    ] {
        assert_eq!(returned(&reply), states);
    }
}

/// B7, B17, and PAP as the cameras' group demands it.
#[test]
fn credentials_are_proven_by_password() {
    let camera = |identifier, password: &[u8], more: u8, value: &[u8]| {
        request(Code::ACCESS_REQUEST, identifier, |packet| {
            packet
                .message_authenticator()
                .attribute(number::USER_NAME, b"nemo")
                .vendor(tgpp::VENDOR, tgpp::IMSI, CAMERA.as_bytes())
                .user_password(password, &secret(), &[identifier; 16])
                .attribute(more, value);
        })
    };
    let mut server = TestServer::new();
    let cases = [
        (1, camera(1, b"arctangent", number::NAS_PORT, &[0; 4]), Code::ACCESS_ACCEPT),
        (2, camera(2, b"arcsine", number::NAS_PORT, &[0; 4]), Code::ACCESS_REJECT),
        (3, camera(3, b"arctangent", number::CHAP_PASSWORD, &[1; 17]), Code::ACCESS_REJECT),
        (4, camera(4, b"arctangent", number::EAP_MESSAGE, &[2, 1, 0, 4]), Code::ACCESS_REJECT),
        (5, access(5, CAMERA), Code::ACCESS_REJECT),
    ];
    for (identifier, packet, code) in cases {
        let reply = server.auth(&packet).reply();
        verified(&reply, code, &packet);
        let reason = value(&reply, STANDARD, number::REPLY_MESSAGE);
        assert_eq!(
            reason.is_some_and(|reason| reason == b"bad-credentials"),
            code == Code::ACCESS_REJECT,
            "{identifier}"
        );
    }
}

/// E1: twenty octets, no attributes. E20, E21: also for what has no effect.
#[test]
fn every_report_gets_a_bare_receipt() {
    let mut server = TestServer::new();
    let without_status = request(Code::ACCOUNTING_REQUEST, 4, |packet| {
        _ = packet.attribute(number::USER_NAME, b"till");
    });
    for (packet, refused) in [
        (start(1, TILL), 0),
        (start(2, STOLEN), 1),
        (accounting(3, TILL, 99), 1),
        (without_status, 1),
    ] {
        let records = server.out.pending.records.records;
        let got = server.acct(&packet);
        assert!(matches!(got, Response::Receipt(_)), "{got:?}");
        assert_eq!(verified(&got.reply(), Code::ACCOUNTING_RESPONSE, &packet), [0u8; 0]);
        assert_eq!(server.out.pending.records.records, records + 1, "recorded");
        assert_eq!(server.pipeline.counters.rejects.iter().sum::<u32>(), refused);
    }
    let counted: Vec<(usize, u32)> = server
        .pipeline
        .counters
        .accounting
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(counted, [(1, 2), (6, 1), (7, 1)], "two starts, another status, an invalid one");
}

/// E19: an odd Event-Timestamp is counted.
#[test]
fn an_odd_timestamp_is_counted() {
    let mut server = TestServer::new();
    let odd = request(Code::ACCOUNTING_REQUEST, 1, |packet| {
        packet.integer(number::ACCT_STATUS_TYPE, 7).integer(number::EVENT_TIMESTAMP, 0);
    });
    server.acct(&odd).reply();
    assert_eq!(server.pipeline.counters.odd_times, [1, 0, 0]);
}
