//! The conformance checklist as far as one packet decides it; each test names its cases (reference
//! standards, section 6).

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use attachd::wire::dictionary::Dictionary;
use attachd::wire::{
    Attribute, Code, Datagram, Encoder, FlatKey, Forged, Malformed, MessageAuthenticator, Secret,
    TooLong, number, pap_matches, pap_password,
};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use number::tgpp;

const AUTHENTICATOR: [u8; 16] = *b"0123456789abcdef";
const KEY: &[u8] = b"xyzzy5461";

fn secret() -> Secret {
    Secret::new(KEY)
}

fn request(code: Code, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut encoder = Encoder::new(&mut buffer, code, 7);
    write(&mut encoder);
    let length = encoder.finish_request(&secret(), AUTHENTICATOR).unwrap();
    buffer.truncate(length);
    buffer
}

/// A header with these octets for attributes, of the length they have, and of no authenticity.
fn unsigned(attributes: &[u8]) -> Vec<u8> {
    let length = (20 + attributes.len() as u16).to_be_bytes();
    [&[1, 7, length[0], length[1]], &AUTHENTICATOR[..], attributes].concat()
}

fn with_length(mut packet: Vec<u8>, length: u16) -> Vec<u8> {
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet
}

#[test]
fn a2_a3_a4_a7_length_must_be_what_came() {
    let cases = [
        ("A2: 19 octets", vec![1; 19], Malformed::NoHeader { received: 19 }),
        ("nothing at all", vec![], Malformed::NoHeader { received: 0 }),
        (
            "A3: Length 19 of 20",
            with_length(unsigned(&[]), 19),
            Malformed::LengthOutOfRange { length: 19 },
        ),
        (
            "A3: Length 19 of 38",
            with_length(unsigned(&[0; 18]), 19),
            Malformed::LengthOutOfRange { length: 19 },
        ),
        ("Length 0", with_length(unsigned(&[]), 0), Malformed::LengthOutOfRange { length: 0 }),
        (
            "A4: one more than came",
            with_length(unsigned(b"\x01\x06nemo"), 27),
            Malformed::Truncated { length: 27, received: 26 },
        ),
        (
            "A7: 4097",
            with_length(unsigned(&[0; 4077]), 4097),
            Malformed::LengthOutOfRange { length: 4097 },
        ),
        (
            "A7: 65535",
            with_length(unsigned(&vec![0; 65_515]), 65_535),
            Malformed::LengthOutOfRange { length: 65_535 },
        ),
    ];
    for (case, octets, reason) in cases {
        assert_eq!(Datagram::frame(&octets).unwrap_err(), reason, "{case}");
    }
}

#[test]
fn a5_padding_is_no_part_of_the_packet() {
    let signed = request(Code::ACCOUNTING_REQUEST, |encoder| {
        encoder.integer(number::ACCT_STATUS_TYPE, 1).message_authenticator();
    });
    let padded = [&signed[..], &[0x5a; 30]].concat();
    let datagram = Datagram::frame(&padded).unwrap();
    assert_eq!(datagram.octets(), signed);
    assert_eq!(datagram.verify_request(&secret()), Ok(()));
    assert_eq!(datagram.attributes().count(), 2);
}

#[test]
fn a6_a8_a_packet_may_have_4096_octets_and_no_more() {
    for code in [Code::ACCESS_REQUEST, Code::ACCOUNTING_REQUEST] {
        let full = request(code, |encoder| {
            encoder.message_authenticator();
            for _ in 0..15 {
                encoder.vendor(32473, 200, &[b'x'; 247]);
            }
            encoder.vendor(32473, 200, &[b'x'; 225]);
        });
        assert_eq!(full.len(), 4096);
        assert_eq!(Datagram::frame(&full).unwrap().verify_request(&secret()), Ok(()));
    }
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    type Write = fn(&mut Encoder<'_>);
    let cases: [(&str, usize, Write); 6] = [
        ("a buffer without room for a header", 19, |_| {}),
        ("a buffer without room for the attribute", 25, |encoder| {
            _ = encoder.integer(number::NAS_PORT, 1);
        }),
        ("more than 4096 octets", 8192, |encoder| {
            (0..17).for_each(|_| _ = encoder.attribute(25, &[0; 253]));
        }),
        ("an attribute of more than 253 octets", 4096, |encoder| {
            _ = encoder.attribute(25, &[0; 254]);
        }),
        ("a vendor's of more than 247", 4096, |encoder| _ = encoder.vendor(9, 1, &[0; 248])),
        ("a password of more than 128", 4096, |encoder| {
            _ = encoder.user_password(&[b'x'; 129], &secret(), &AUTHENTICATOR);
        }),
    ];
    for (case, size, write) in cases {
        let mut buffer = vec![0; size];
        let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 0);
        write(&mut encoder);
        // What comes after does fit, and makes nothing good.
        encoder.attribute(number::USER_NAME, b"");
        assert_eq!(encoder.finish_request(&secret(), AUTHENTICATOR), Err(TooLong), "{case}");
    }
}

#[test]
fn a9_a10_attributes_must_tile_the_packet() {
    let cases: [(&str, &[u8], Malformed); 6] = [
        (
            "A9: attribute of length 0",
            b"\x01\x06nemo\x01\x00",
            Malformed::AttributeTooShort { offset: 26 },
        ),
        ("A9: attribute of length 1", b"\x01\x01", Malformed::AttributeTooShort { offset: 20 }),
        ("one octet left", b"\x01\x06nemo\x01", Malformed::AttributeOverruns { offset: 26 }),
        ("one octet too few", b"\x01\x07nemo", Malformed::AttributeOverruns { offset: 20 }),
        (
            "longest attribute, nothing in it",
            b"\x01\xff",
            Malformed::AttributeOverruns { offset: 20 },
        ),
        // RFC 2865 section 7.3 as it is printed: the length of State says 16 where 10 octets are
        // left.
        (
            "A10: State of the RFC",
            b"\x04\x06\xc0\xa8\x01\x10\x05\x06\0\0\0\x07\x18\x1032769430",
            Malformed::AttributeOverruns { offset: 32 },
        ),
    ];
    for (case, attributes, reason) in cases {
        assert_eq!(Datagram::frame(&unsigned(attributes)).unwrap_err(), reason, "{case}");
    }
    let empty = unsigned(b"\x01\x02");
    assert_eq!(
        Datagram::frame(&empty).unwrap().first(number::USER_NAME),
        Some(&b""[..]),
        "an attribute may be empty"
    );
}

#[test]
fn a15_what_nobody_knows_is_kept() {
    let packet = request(Code::ACCESS_REQUEST, |encoder| {
        encoder
            .attribute(17, b"x")
            .attribute(192, b"y")
            .attribute(240, b"z")
            .extended(241, 200, b"w")
            .vendor(32473, 250, b"v");
    });
    let datagram = Datagram::frame(&packet).unwrap();
    let keys: Vec<FlatKey> = datagram.values().map(|value| value.key).collect();
    let rfc = |number| FlatKey { vendor: 0, number };
    assert_eq!(
        keys,
        [rfc(17), rfc(192), rfc(240), rfc(241), FlatKey { vendor: 32473, number: 250 }]
    );
    let names: Vec<String> = datagram
        .readable(Dictionary::default())
        .lines()
        .into_iter()
        .map(|line| line.name)
        .collect();
    assert_eq!(names, ["Attr-17", "Attr-192", "Attr-240", "Attr-241.200", "Attr-26.32473.250"]);
}

#[test]
fn a16_a_value_of_the_wrong_size_spoils_itself_only() {
    let packet = unsigned(b"\x05\x05\0\0\x01\x61\x06\x00\x81\x20\x01\x01\x06nemo");
    let shown: Vec<String> = Datagram::frame(&packet)
        .unwrap()
        .readable(Dictionary::default())
        .lines()
        .into_iter()
        .map(|line| line.name + "=" + &line.value)
        .collect();
    assert_eq!(shown, ["Attr-5=0x000001", "Attr-97=0x00812001", "User-Name=\"nemo\""]);
}

#[test]
fn a17_a_spoilt_vendor_specific_is_passed_over_and_kept() {
    let cases: [(&str, &[u8]); 7] = [
        ("inner length 0", b"\x00\x00\x28\xaf\x01\x00"),
        ("inner length 1", b"\x00\x00\x28\xaf\x01\x01"),
        ("inner length overruns", b"\x00\x00\x28\xaf\x01\x0900101"),
        ("good, then overrun", b"\x00\x00\x28\xaf\x15\x03\x06\x01\x09"),
        ("vendor only", b"\x00\x00\x28\xaf"),
        ("half a vendor", b"\x00\x00"),
        ("vendor 0 posing as the RFCs", b"\x00\x00\x00\x00\x01\x06root"),
    ];
    for (case, value) in cases {
        let packet = request(Code::ACCESS_REQUEST, |encoder| {
            encoder.attribute(number::VENDOR_SPECIFIC, value).attribute(number::USER_NAME, b"nemo");
        });
        let datagram = Datagram::frame(&packet).unwrap();
        let values: Vec<&[u8]> = datagram.values().map(|value| value.octets).collect();
        assert_eq!(values, [b"nemo"], "{case}");
        assert_eq!(datagram.first(number::VENDOR_SPECIFIC), Some(value), "{case}");
        assert_eq!(
            datagram.readable(Dictionary::default()).lines()[0].name,
            "Vendor-Specific",
            "{case}"
        );
    }
}

#[test]
fn a18_text_is_neither_cut_nor_trusted() {
    let packet = request(Code::ACCESS_REQUEST, |encoder| {
        encoder.attribute(number::USER_NAME, b"ne\0mo\xff\xc3\xbc\x1b[2J");
    });
    let datagram = Datagram::frame(&packet).unwrap();
    assert_eq!(datagram.first(number::USER_NAME), Some(&b"ne\0mo\xff\xc3\xbc\x1b[2J"[..]));
    assert_eq!(
        datagram.readable(Dictionary::default()).lines()[0].value,
        r#""ne\000mo\377ü\033[2J""#
    );
}

#[test]
fn a19_fragments_with_another_attribute_between_are_one_value() {
    let long = request(Code::ACCESS_REQUEST, |encoder| _ = encoder.extended(245, 9, &[b'x'; 300]));
    let whole = [&long[20..275], b"\x01\x06nemo", &long[275..]].concat();
    let broken = [&long[20..275], b"\x01\x06nemo"].concat();
    let names = |attributes: &[u8]| -> Vec<String> {
        Datagram::frame(&unsigned(attributes))
            .unwrap()
            .readable(Dictionary::default())
            .lines()
            .into_iter()
            .map(|line| line.name)
            .collect()
    };
    assert_eq!(names(&whole), ["Attr-245.9", "User-Name"]);
    assert_eq!(names(&broken), ["Extended-Attribute-5", "User-Name"]);
}

#[test]
fn a20_several_values_in_one_vendor_specific_are_all_read() {
    let inside = b"\x00\x00\x28\xaf\x01\x11001010000000001\x08\x0700101\x15\x03\x06";
    let packet = request(Code::ACCESS_REQUEST, |encoder| {
        _ = encoder.attribute(number::VENDOR_SPECIFIC, inside).attribute(number::USER_NAME, b"n");
    });
    let values: Vec<(FlatKey, Vec<u8>)> = Datagram::frame(&packet)
        .unwrap()
        .values()
        .map(|value| (value.key, value.octets.to_vec()))
        .collect();
    let of_3gpp = |number| FlatKey { vendor: tgpp::VENDOR, number };
    let expected = [
        (of_3gpp(tgpp::IMSI), b"001010000000001".to_vec()),
        (of_3gpp(tgpp::IMSI_MCC_MNC), b"00101".to_vec()),
        (of_3gpp(tgpp::RAT_TYPE), vec![6]),
        (FlatKey { vendor: 0, number: number::USER_NAME }, b"n".to_vec()),
    ];
    assert_eq!(values, expected);
}

#[test]
fn b4_passwords_of_any_length_up_to_128() {
    for length in [0, 1, 15, 16, 17, 127, 128] {
        let password = vec![b'p'; length];
        let packet = request(Code::ACCESS_REQUEST, |encoder| {
            _ = encoder.user_password(&password, &secret(), &AUTHENTICATOR);
        });
        let datagram = Datagram::frame(&packet).unwrap();
        let hidden = datagram.first(number::USER_PASSWORD).unwrap();
        assert_eq!(hidden.len(), length.div_ceil(16).max(1) * 16);
        assert_eq!(
            pap_password(hidden, &secret(), &AUTHENTICATOR, &mut [0; 128]),
            Some(&password[..])
        );
        assert!(pap_matches(hidden, &secret(), &AUTHENTICATOR, &password));
        assert!(
            !pap_matches(hidden, &secret(), &AUTHENTICATOR, &[&password[..], b"x"].concat()),
            "{length}"
        );
        assert!(
            length == 0 || !pap_matches(hidden, &secret(), &AUTHENTICATOR, &password[1..]),
            "{length}"
        );
    }
}

#[test]
fn b5_hidden_passwords_come_in_one_to_eight_blocks() {
    for length in [0, 15, 17, 144, 253] {
        let hidden = vec![0x5a; length];
        assert_eq!(
            pap_password(&hidden, &secret(), &AUTHENTICATOR, &mut [0; 128]),
            None,
            "{length}"
        );
        assert!(!pap_matches(&hidden, &secret(), &AUTHENTICATOR, b""), "{length}");
    }
}

#[test]
fn b6_another_secret_yields_another_password() {
    let packet = request(Code::ACCESS_REQUEST, |encoder| {
        _ = encoder.user_password(b"arctangent", &Secret::new(b"other"), &AUTHENTICATOR);
    });
    let datagram = Datagram::frame(&packet).unwrap();
    assert!(!pap_matches(
        datagram.first(number::USER_PASSWORD).unwrap(),
        &secret(),
        &AUTHENTICATOR,
        b"arctangent"
    ));
}

#[test]
fn c1_c2_message_authenticator_is_proved_wherever_it_stands() {
    for code in [
        Code::ACCESS_REQUEST,
        Code::STATUS_SERVER,
        Code::ACCOUNTING_REQUEST,
        Code::COA_REQUEST,
        Code::DISCONNECT_REQUEST,
    ] {
        for position in 0..3 {
            let packet = request(code, |encoder| {
                for index in 0..3 {
                    if index == position {
                        encoder.message_authenticator();
                    }
                    encoder.integer(number::NAS_PORT, index);
                }
            });
            let datagram = Datagram::frame(&packet).unwrap();
            assert_eq!(datagram.message_authenticator(), MessageAuthenticator::Present);
            assert_eq!(datagram.verify_request(&secret()), Ok(()), "C-1: {code} {position}");
            assert!(datagram.verify_request(&Secret::new(b"other")).is_err());

            let mut flipped = packet.clone();
            flipped[20 + position as usize * 6 + 2] ^= 0x10;
            assert!(
                Datagram::frame(&flipped).unwrap().verify_request(&secret()).is_err(),
                "C-2: {code} {position}"
            );
        }
    }
}

#[test]
fn a_message_authenticator_is_written_once() {
    let packet = request(Code::ACCESS_REQUEST, |encoder| {
        _ = encoder.message_authenticator().integer(number::NAS_PORT, 1).message_authenticator();
    });
    assert_eq!(packet.len(), 20 + 18 + 6);
    assert_eq!(Datagram::frame(&packet).unwrap().verify_request(&secret()), Ok(()));
}

#[test]
fn c4_message_authenticator_of_another_length_or_twice_is_invalid() {
    let once = [&[80, 18][..], &[0; 16]].concat();
    let cases = [
        ("15 octets", [&[80, 17][..], &[0; 15]].concat()),
        ("17", [&[80, 19][..], &[0; 17]].concat()),
        ("twice", once.repeat(2)),
        ("empty", vec![80, 2]),
    ];
    for (case, attributes) in cases {
        let packet = unsigned(&attributes);
        let datagram = Datagram::frame(&packet).unwrap();
        assert_eq!(datagram.message_authenticator(), MessageAuthenticator::Invalid, "{case}");
        assert_eq!(datagram.verify_request(&secret()), Err(Forged::MessageAuthenticator), "{case}");
    }
}

#[test]
fn c5_replies_have_it_first_and_prove_themselves() {
    for code in
        [Code::ACCESS_ACCEPT, Code::ACCESS_REJECT, Code::ACCESS_CHALLENGE, Code::PROTOCOL_ERROR]
    {
        let asked = request(Code::ACCESS_REQUEST, |encoder| {
            _ = encoder.attribute(number::PROXY_STATE, b"p1").attribute(number::PROXY_STATE, b"");
        });
        let asked = Datagram::frame(&asked).unwrap();
        let mut buffer = [0; 4096];
        let mut encoder = Encoder::new(&mut buffer, code, asked.identifier());
        encoder
            .message_authenticator()
            .attribute(number::REPLY_MESSAGE, b"text")
            .copy(&asked, number::PROXY_STATE);
        let length = encoder.finish_reply(&secret(), asked.authenticator()).unwrap();
        assert_eq!(buffer[20..22], [0x50, 0x12], "{code}");
        let reply = Datagram::frame(&buffer[..length]).unwrap();
        assert_eq!(reply.verify_reply(asked.authenticator(), &secret()), Ok(()), "{code}");
        assert_eq!(reply.verify_reply(&[0; 16], &secret()), Err(Forged::Authenticator), "{code}");
        assert_eq!(
            reply.verify_request(&secret()),
            Err(Forged::Authenticator),
            "a reply is no request"
        );
        assert_eq!(
            asked.verify_reply(&AUTHENTICATOR, &secret()),
            Err(Forged::Authenticator),
            "a request is no reply"
        );
        let last: Vec<Attribute<'_>> = reply.attributes().skip(2).collect();
        let proxy_state = |value| Attribute { number: number::PROXY_STATE, value };
        assert_eq!(last, [proxy_state(b"p1"), proxy_state(b"")], "{code}");
    }
}

/// The commonest mistake: a Message-Authenticator over the final authenticator instead of over
/// zeros.
#[test]
fn c10_message_authenticator_of_accounting_is_over_zeros() {
    let right = request(Code::ACCOUNTING_REQUEST, |encoder| {
        encoder
            .message_authenticator()
            .integer(number::ACCT_STATUS_TYPE, 1)
            .attribute(number::ACCT_SESSION_ID, b"S1");
    });
    assert_eq!(Datagram::frame(&right).unwrap().verify_request(&secret()), Ok(()));

    let sign = |packet: &mut Vec<u8>| {
        packet[4..20].fill(0);
        let digest = Md5::new().chain_update(&packet[..]).chain_update(KEY).finalize();
        packet[4..20].copy_from_slice(&digest);
    };
    let mut wrong = right;
    wrong[22..38].fill(0);
    sign(&mut wrong);
    let over_final =
        Hmac::<Md5>::new_from_slice(KEY).unwrap().chain_update(&wrong).finalize().into_bytes();
    wrong[22..38].copy_from_slice(&over_final);
    sign(&mut wrong);
    assert_eq!(
        Datagram::frame(&wrong).unwrap().verify_request(&secret()),
        Err(Forged::MessageAuthenticator)
    );
}
