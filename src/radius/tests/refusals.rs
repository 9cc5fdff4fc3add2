//! Which datagrams are met with silence, and under which name each is counted (checklist A and C).

use super::test_server::*;
use crate::metrics::counters::Dropped;
use crate::radius::pipeline::Port;
use crate::radius::shares::InFlightLoad;
use crate::wire::number::{self, tgpp};
use crate::wire::{Code, Encoder, Secret};

fn silence(reason: Dropped) -> Response {
    Response::Silence(reason)
}

/// A13, A14.
#[test]
fn the_source_address_says_whose_secret_it_is() {
    let mut server = TestServer::new();
    let till = access(1, TILL);
    assert_eq!(server.from("203.0.113.1").auth(&till), silence(Dropped::UnknownGateway));
    let claims_another = request(Code::ACCESS_REQUEST, 1, |packet| {
        packet
            .message_authenticator()
            .address(number::NAS_IP_ADDRESS, [203, 0, 113, 1].into())
            .vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
    });
    let reply = server.from("192.0.2.9").auth(&claims_another).reply();
    verified(&reply, Code::ACCESS_ACCEPT, &claims_another);
}

/// A2, A3, A4, A7, A9, A10.
#[test]
fn what_does_not_tile_is_malformed() {
    let good = access(1, TILL);
    let with_length = |length: u16, octets: &[u8]| {
        let mut packet = octets.to_vec();
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let longer = [&good[..], &[0; 4096]].concat();
    let cases = [
        ("no header", good[..19].to_vec()),
        ("Length 19", with_length(19, &good)),
        ("Length beyond the datagram", with_length(good.len() as u16 + 1, &good)),
        ("Length 4097", with_length(4097, &longer)),
        ("Length 65535", with_length(65535, &longer)),
        ("attribute of length 0", with_length(22, &[&good[..20], &[1, 0]].concat())),
        ("attribute of length 1", with_length(22, &[&good[..20], &[1, 1]].concat())),
        ("attribute beyond the end", with_length(23, &[&good[..20], &[1, 4, 0]].concat())),
    ];
    for (what, packet) in cases {
        for port in [Port::Auth, Port::Acct] {
            assert_eq!(
                TestServer::new().send(port, &packet),
                silence(Dropped::Malformed),
                "{what}"
            );
        }
    }
}

/// A5, A6, A8.
#[test]
fn padding_is_ignored_and_4096_octets_are_not_too_many() {
    let mut server = TestServer::new();
    let padded = [&access(1, TILL)[..], &[0xff; 30]].concat();
    verified(&server.auth(&padded).reply(), Code::ACCESS_ACCEPT, &padded);
    let fill = |packet: &mut Encoder<'_>, used: usize| {
        let mut left = 4096 - used;
        while left > 0 {
            // The last one takes what is left, never one or two octets.
            let length = if left > 255 { left.min(255).min(left - 3) } else { left };
            packet.attribute(192, &vec![7; length - 2]);
            left -= length;
        }
    };
    let (small_access, small_start) = (access(2, TILL).len(), start(3, TILL).len());
    let large = request(Code::ACCESS_REQUEST, 2, |packet| {
        packet.message_authenticator().vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
        fill(packet, small_access);
    });
    assert_eq!(large.len(), 4096);
    verified(&server.auth(&large).reply(), Code::ACCESS_ACCEPT, &large);
    let large = request(Code::ACCOUNTING_REQUEST, 3, |packet| {
        packet
            .integer(number::ACCT_STATUS_TYPE, 1)
            .attribute(number::ACCT_SESSION_ID, b"S1")
            .vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
        fill(packet, small_start);
    });
    assert_eq!(large.len(), 4096);
    verified(&server.acct(&large).reply(), Code::ACCOUNTING_RESPONSE, &large);
}

/// A11, A12.
#[test]
fn other_codes_and_codes_on_the_wrong_port_are_unknown() {
    for code in [0, 2, 3, 5, 6, 11, 13, 40, 41, 43, 44, 52, 99, 255] {
        let packet = request(Code(code), 1, |packet| _ = packet.message_authenticator());
        for port in [Port::Auth, Port::Acct] {
            assert_eq!(
                TestServer::new().send(port, &packet),
                silence(Dropped::UnknownCode),
                "code {code}"
            );
        }
    }
    assert_eq!(TestServer::new().acct(&access(1, TILL)), silence(Dropped::UnknownCode));
    assert_eq!(TestServer::new().auth(&start(1, TILL)), silence(Dropped::UnknownCode));
}

/// A15 to A19: what is unknown or spoilt costs nothing but itself.
#[test]
fn odd_attributes_do_not_keep_an_answer_back() {
    let odd = request(Code::ACCESS_REQUEST, 1, |packet| {
        packet
            .message_authenticator()
            .vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes())
            .attribute(17, b"unassigned")
            .attribute(192, b"implementation specific")
            .attribute(241, &[200, 1])
            .vendor(32473, 250, b"nobody knows")
            .attribute(number::NAS_PORT, &[1, 2, 3])
            .attribute(number::FRAMED_IPV6_PREFIX, &[0, 129, 0x20, 1])
            .attribute(number::VENDOR_SPECIFIC, &[0, 0, 0x28, 0xaf])
            .attribute(number::VENDOR_SPECIFIC, &[0, 0, 0x28, 0xaf, 1, 0])
            .attribute(number::CONNECT_INFO, b"\xff\0\xfe")
            .attribute(245, &[1, 0x80, 7])
            .attribute(33, b"p1");
    });
    verified(&TestServer::new().auth(&odd).reply(), Code::ACCESS_ACCEPT, &odd);
}

/// E2, E3, E4.
#[test]
fn an_accounting_request_must_be_signed() {
    let good = start(1, TILL);
    let with_authenticator =
        |authenticator: [u8; 16]| [&good[..4], &authenticator, &good[20..]].concat();
    let mut flipped = good.clone();
    flipped[22] ^= 1;
    for packet in [with_authenticator([0; 16]), with_authenticator([7; 16]), flipped] {
        assert_eq!(TestServer::new().acct(&packet), silence(Dropped::BadAuthenticator));
    }
}

/// C-1 to C-4.
#[test]
fn a_message_authenticator_must_be_right_wherever_it_stands() {
    let imsi =
        |packet: &mut Encoder<'_>| _ = packet.vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
    let user = |packet: &mut Encoder<'_>| _ = packet.attribute(number::USER_NAME, b"till");
    let first = request(Code::ACCESS_REQUEST, 1, |packet| {
        packet.message_authenticator();
        imsi(packet);
        user(packet);
    });
    let middle = request(Code::ACCESS_REQUEST, 2, |packet| {
        imsi(packet);
        packet.message_authenticator();
        user(packet);
    });
    let last = request(Code::ACCESS_REQUEST, 3, |packet| {
        imsi(packet);
        user(packet);
        packet.message_authenticator();
    });
    let mut server = TestServer::new();
    for packet in [&first, &middle, &last] {
        verified(&server.auth(packet).reply(), Code::ACCESS_ACCEPT, packet);
    }

    let good = access(4, TILL);
    let mut flipped = good.clone();
    flipped[30] ^= 1;
    assert_eq!(server.auth(&flipped), silence(Dropped::BadMessageAuthenticator));
    verified(&server.auth(&good).reply(), Code::ACCESS_ACCEPT, &good);

    for length in [15, 17] {
        let packet = request(Code::ACCESS_REQUEST, 5, |packet| {
            _ = packet.attribute(number::MESSAGE_AUTHENTICATOR, &vec![0; length]);
        });
        assert_eq!(server.auth(&packet), silence(Dropped::BadMessageAuthenticator));
    }
    let twice = request(Code::ACCESS_REQUEST, 6, |packet| {
        _ = packet.message_authenticator().attribute(number::MESSAGE_AUTHENTICATOR, &[0; 16]);
    });
    assert_eq!(server.auth(&twice), silence(Dropped::BadMessageAuthenticator));
}

/// C-6, C-9, B8, B18: who must sign an Access-Request. Columns: by setting yes, auto, no.
#[test]
fn the_gateways_setting_says_who_must_sign() {
    let with =
        |write: &dyn Fn(&mut Encoder<'_>)| request(Code::ACCESS_REQUEST, 1, |packet| write(packet));
    let bare = with(&|packet| _ = packet.attribute(number::USER_NAME, b"till"));
    let pap = with(&|packet| {
        _ = packet.attribute(number::USER_NAME, b"till").user_password(b"x", &secret(), &[1; 16]);
    });
    let chap = with(&|packet| _ = packet.attribute(number::CHAP_PASSWORD, &[1; 17]));
    let eap = with(&|packet| _ = packet.attribute(number::EAP_MESSAGE, &[2, 1, 0, 4]));
    let eap_and_pap = with(&|packet| {
        _ = packet
            .attribute(number::EAP_MESSAGE, &[2, 1, 0, 4])
            .attribute(number::USER_PASSWORD, &[0; 16]);
    });
    let cases = [
        ("nothing", bare, [false, false, true]),
        ("PAP", pap, [false, true, true]),
        ("CHAP", chap, [false, true, true]),
        ("EAP", eap, [false, false, false]),
        ("EAP and PAP", eap_and_pap, [false, false, false]),
    ];
    for (what, packet, answered) in cases {
        for (source, is_answered) in
            ["198.51.100.1", "192.0.2.1", "198.51.100.2"].into_iter().zip(answered)
        {
            let got = TestServer::new().from(source).auth(&packet);
            assert_eq!(
                got != silence(Dropped::MissingMessageAuthenticator),
                is_answered,
                "{what} from {source}: {got:?}"
            );
        }
    }
    let unsigned = start(1, TILL);
    verified(
        &TestServer::new().from("198.51.100.1").acct(&unsigned).reply(),
        Code::ACCOUNTING_RESPONSE,
        &unsigned,
    );
}

/// PROTOCOL 1 and 10: "auto" learns from Access-Requests, and only from those.
#[test]
fn auto_asks_for_a_signature_from_the_first_one_on() {
    let unsigned = |identifier| {
        request(Code::ACCESS_REQUEST, identifier, |packet| {
            _ = packet.attribute(number::USER_PASSWORD, &[0; 16]);
        })
    };
    let mut server = TestServer::new();
    let status = request(Code::STATUS_SERVER, 1, |packet| _ = packet.message_authenticator());
    let signed_start = request(Code::ACCOUNTING_REQUEST, 2, |packet| {
        _ = packet.integer(number::ACCT_STATUS_TYPE, 7).message_authenticator();
    });
    server.auth(&status).reply();
    server.acct(&signed_start).reply();
    let mut forged = access(3, TILL);
    forged[30] ^= 1;
    server.auth(&forged);
    server.auth(&unsigned(4)).reply();
    server.auth(&access(5, TILL)).reply();
    assert_eq!(server.auth(&unsigned(6)), silence(Dropped::MissingMessageAuthenticator));
    assert_eq!(
        server.from("192.0.2.77").auth(&unsigned(6)),
        silence(Dropped::MissingMessageAuthenticator),
        "the same gateway"
    );
}

/// C-7, C-8. Sources: limited and lenient, both without required signatures.
#[test]
fn proxy_state_without_a_signature_may_be_limited() {
    let with = |is_signed: bool, has_proxy_state: bool| {
        request(Code::ACCESS_REQUEST, 1, |packet| {
            if is_signed {
                packet.message_authenticator();
            }
            if has_proxy_state {
                packet.attribute(number::PROXY_STATE, b"p1");
            }
            packet.vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
        })
    };
    assert_eq!(
        TestServer::new().from("198.51.100.3").auth(&with(false, true)),
        silence(Dropped::ProxyStateLimited)
    );
    for (source, packet) in [
        ("198.51.100.3", with(true, true)),
        ("198.51.100.3", with(false, false)),
        ("198.51.100.2", with(false, true)),
    ] {
        verified(
            &TestServer::new().from(source).auth(&packet).reply(),
            Code::ACCESS_ACCEPT,
            &packet,
        );
    }
}

/// C-10.
#[test]
fn a_signed_accounting_request_follows_the_zero_rule() {
    let write = |packet: &mut Encoder<'_>| {
        _ = packet.integer(number::ACCT_STATUS_TYPE, 7).message_authenticator();
    };
    let good = request(Code::ACCOUNTING_REQUEST, 1, write);
    let numbers =
        verified(&TestServer::new().acct(&good).reply(), Code::ACCOUNTING_RESPONSE, &good);
    assert_eq!(numbers, [number::MESSAGE_AUTHENTICATOR], "signed, for the request was");
    // The same, but with the Message-Authenticator of an Access-Request; then the authenticator
    // over that.
    let mut wrong = good.clone();
    let at = wrong.len() - 16;
    wrong[at..].fill(7);
    let resigned = request(Code::ACCOUNTING_REQUEST, 1, |packet| {
        packet
            .integer(number::ACCT_STATUS_TYPE, 7)
            .attribute(number::MESSAGE_AUTHENTICATOR, &wrong[at..]);
    });
    assert_eq!(TestServer::new().acct(&resigned), silence(Dropped::BadMessageAuthenticator));
}

#[test]
fn a_gateway_may_be_held_to_its_rate() {
    let mut server = TestServer::new();
    server.from("198.51.100.4");
    server.auth(&access(1, TILL)).reply();
    server.auth(&access(2, TILL)).reply();
    assert_eq!(server.auth(&access(3, TILL)), silence(Dropped::RateLimited));
    server.later(1);
    server.auth(&access(3, TILL)).reply();
}

#[test]
fn under_overload_reports_are_taken_longer_than_requests() {
    let mut server = TestServer::new();
    server.auth(&access(1, TILL)).reply();
    let gateway = server.gateways.of(server.from.ip()).unwrap().id;
    server.pipeline.shares.charge(gateway, InFlightLoad::receipt(1000));
    server.pipeline.shares.set_room(2000);
    assert_eq!(server.auth(&access(2, TILL)), silence(Dropped::Overload));
    server.acct(&start(3, TILL)).reply();
    server.pipeline.shares.set_room(1000);
    assert_eq!(server.acct(&start(4, TILL)), silence(Dropped::Overload));
    server.from("198.51.100.2").acct(&start(4, TILL)).reply();
    server.from("192.0.2.1").pipeline.shares.set_room(4000);
    server.auth(&access(2, TILL)).reply();
}

#[test]
fn while_the_disk_fails_nothing_new_is_acknowledged_but_what_is_known_is_repeated() {
    let mut server = TestServer::new();
    let (known, new) = (start(1, TILL), start(2, CAMERA));
    let reply = server.acct(&known).reply();
    server.pipeline.journal_fails = true;
    let before = server.out.pending.records.records;
    assert_eq!(server.acct(&known), Response::AtOnce(reply));
    assert_eq!(server.acct(&new), silence(Dropped::Journal));
    assert_eq!(server.auth(&access(3, TILL)), silence(Dropped::Journal));
    assert_eq!(server.out.pending.records.records, before, "no state has moved");
    server.pipeline.journal_fails = false;
    verified(&server.acct(&new).reply(), Code::ACCOUNTING_RESPONSE, &new);
}

#[test]
fn the_cheaper_refusal_comes_first() {
    let unknown_secret = Secret::new(b"another");
    let mut buffer = [0; 64];
    let mut packet = Encoder::new(&mut buffer, Code(99), 1);
    packet.message_authenticator();
    let len = packet.finish_request(&unknown_secret, [1; 16]).unwrap();
    let mut everything_wrong = buffer[..len].to_vec();
    everything_wrong[21] = 1;
    let mut server = TestServer::new();
    assert_eq!(
        server.from("203.0.113.1").auth(&everything_wrong),
        silence(Dropped::UnknownGateway)
    );
    assert_eq!(server.from("192.0.2.1").auth(&everything_wrong), silence(Dropped::Malformed));
    everything_wrong[21] = 18;
    assert_eq!(server.auth(&everything_wrong), silence(Dropped::UnknownCode));
    everything_wrong[0] = Code::ACCOUNTING_REQUEST.0;
    assert_eq!(server.acct(&everything_wrong), silence(Dropped::BadAuthenticator));
    everything_wrong[0] = Code::ACCESS_REQUEST.0;
    assert_eq!(server.auth(&everything_wrong), silence(Dropped::BadMessageAuthenticator));
}

#[test]
fn proxy_states_that_leave_no_room_for_the_reply_are_counted() {
    let packet = request(Code::ACCESS_REQUEST, 1, |packet| {
        packet.message_authenticator().vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
        (0..15).for_each(|_| _ = packet.attribute(number::PROXY_STATE, &[7; 253]));
        packet.attribute(number::PROXY_STATE, &[7; 190]);
    });
    let mut server = TestServer::new();
    assert_eq!(server.auth(&packet), silence(Dropped::ReplyTooLong));
    assert_eq!(
        server.auth(&packet),
        silence(Dropped::ReplyTooLong),
        "not taken for a duplicate in flight"
    );
    assert_eq!(server.out.pending.entries(), 0, "nothing has been decided");
}
