//! The packets of the RFCs and of the constructed set, read and written again octet by octet.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use std::collections::BTreeMap;
use std::fs;

use attachd::wire::dictionary::Dictionary;
use attachd::wire::{
    Code, Datagram, Encoder, MessageAuthenticator, Secret, chap_matches, number, pap_matches,
    pap_password,
};
use serde::Deserialize;

/// fixtures/packets/rfc.json; its README says where each packet comes from.
#[derive(Deserialize)]
struct Vectors {
    packets: Vec<Exchange>,
    user_password: UserPasswords,
}

#[derive(Deserialize)]
struct UserPasswords {
    secret: String,
    request_authenticator: String,
    cases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Exchange {
    id: String,
    secret: String,
    request: String,
    response: Option<String>,
    pap: Option<String>,
    chap: Option<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(&fs::read_to_string("fixtures/packets/rfc.json").unwrap()).unwrap()
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The same attributes in the same order through the encoder, signed again.
fn encoded_again(datagram: &Datagram<'_>, finish: impl FnOnce(Encoder<'_>) -> usize) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut encoder = Encoder::new(&mut buffer, datagram.code(), datagram.identifier());
    for attribute in datagram.attributes() {
        match attribute.number {
            number::MESSAGE_AUTHENTICATOR => encoder.message_authenticator(),
            other => encoder.attribute(other, attribute.value),
        };
    }
    let length = finish(encoder);
    buffer.truncate(length);
    buffer
}

#[test]
fn every_exchange_verifies_and_is_written_the_same() {
    for exchange in vectors().packets {
        let id = &exchange.id;
        let secret = Secret::new(exchange.secret.as_bytes());
        let request = octets(&exchange.request);
        let request =
            Datagram::frame(&request).unwrap_or_else(|malformed| panic!("{id}: {malformed}"));
        assert_eq!(request.verify_request(&secret), Ok(()), "{id}");
        let again = encoded_again(&request, |encoder| {
            encoder.finish_request(&secret, *request.authenticator()).unwrap()
        });
        assert_eq!(again, request.octets(), "{id}");

        let Some(response) = exchange.response else { continue };
        let response = octets(&response);
        let response =
            Datagram::frame(&response).unwrap_or_else(|malformed| panic!("{id}: {malformed}"));
        assert_eq!(response.identifier(), request.identifier(), "{id}");
        assert_eq!(response.verify_reply(request.authenticator(), &secret), Ok(()), "{id}");
        let again = encoded_again(&response, |encoder| {
            encoder.finish_reply(&secret, request.authenticator()).unwrap()
        });
        assert_eq!(again, response.octets(), "{id}");
    }
}

#[test]
fn passwords_are_proved() {
    for exchange in vectors().packets {
        let secret = Secret::new(exchange.secret.as_bytes());
        let request = octets(&exchange.request);
        let request = Datagram::frame(&request).unwrap();
        if let Some(password) = exchange.pap {
            let hidden = request.first(number::USER_PASSWORD).unwrap();
            let mut out = [0; 128];
            assert_eq!(
                pap_password(hidden, &secret, request.authenticator(), &mut out),
                Some(password.as_bytes())
            );
            assert!(
                pap_matches(hidden, &secret, request.authenticator(), password.as_bytes()),
                "{}",
                exchange.id
            );
            assert!(
                !pap_matches(hidden, &secret, request.authenticator(), b"another"),
                "{}",
                exchange.id
            );
        }
        if let Some(password) = exchange.chap {
            let (ident, response) =
                request.first(number::CHAP_PASSWORD).unwrap().split_first().unwrap();
            assert!(
                chap_matches(*ident, response, password.as_bytes(), request.chap_challenge()),
                "{}",
                exchange.id
            );
            assert!(
                !chap_matches(*ident, response, b"another", request.chap_challenge()),
                "{}",
                exchange.id
            );
        }
    }
}

#[test]
fn hidden_passwords_of_the_reference() {
    let UserPasswords { secret, request_authenticator, cases } = vectors().user_password;
    let (secret, authenticator) =
        (Secret::new(secret.as_bytes()), octets(&request_authenticator).try_into().unwrap());
    for (password, hidden) in cases {
        let password = if password == "'x'*128" { "x".repeat(128) } else { password };
        let mut buffer = [0; 4096];
        let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 0);
        encoder.user_password(password.as_bytes(), &secret, &authenticator);
        let length = encoder.finish_request(&secret, authenticator).unwrap();
        assert_eq!(
            Datagram::frame(&buffer[..length]).unwrap().first(number::USER_PASSWORD),
            Some(&octets(&hidden)[..]),
            "{password}"
        );
        assert!(
            pap_matches(&octets(&hidden), &secret, &authenticator, password.as_bytes()),
            "{password}"
        );
    }
}

/// Each `*.hex` of fixtures/packets with its twin `*.txt`, which is what a person is shown. A new
/// packet is two new files, no code.
#[test]
fn every_packet_is_shown_as_its_twin() {
    let mut shown = 0;
    for entry in fs::read_dir("fixtures/packets").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let (packet, twin) =
            (octets(&fs::read_to_string(&path).unwrap()), path.with_extension("txt"));
        let datagram = Datagram::frame(&packet)
            .unwrap_or_else(|malformed| panic!("{}: {malformed}", path.display()));
        assert_eq!(datagram.octets(), packet, "{}", path.display());
        let readable = datagram.readable(Dictionary::default()).to_string();
        // To write the twins anew: SHOW_AGAIN=1 cargo test --test golden; then read every change.
        if std::env::var_os("SHOW_AGAIN").is_some() {
            fs::write(&twin, &readable).unwrap();
        }
        assert_eq!(readable, fs::read_to_string(&twin).unwrap_or_default(), "{}", twin.display());
        shown += 1;
    }
    assert!(shown >= 25, "only {shown} packets were found");
}

/// The packets that radclient of FreeRADIUS sent, and what was asked of it.
#[test]
fn packets_of_freeradius_verify() {
    let secret = Secret::new(b"testing123");
    let read =
        |name: &str| octets(&fs::read_to_string(format!("fixtures/packets/{name}.hex")).unwrap());

    let attach = read("radclient-attach");
    let attach = Datagram::frame(&attach).unwrap();
    assert_eq!(
        (attach.message_authenticator(), attach.verify_request(&secret)),
        (MessageAuthenticator::Present, Ok(()))
    );
    assert!(pap_matches(
        attach.first(number::USER_PASSWORD).unwrap(),
        &secret,
        attach.authenticator(),
        b"bob"
    ));

    let chap = read("radclient-chap-ipv6");
    let chap = Datagram::frame(&chap).unwrap();
    let (ident, response) = chap.first(number::CHAP_PASSWORD).unwrap().split_first().unwrap();
    assert!(chap_matches(*ident, response, b"hello", chap.chap_challenge()));

    let interim = read("radclient-interim");
    assert_eq!(Datagram::frame(&interim).unwrap().verify_request(&secret), Ok(()));
}

#[test]
fn an_unnamed_code_is_never_verified() {
    let secret = Secret::new(b"xyzzy5461");
    let mut buffer = [0; 64];
    let length = Encoder::new(&mut buffer, Code(99), 1).finish_request(&secret, [7; 16]).unwrap();
    assert!(Datagram::frame(&buffer[..length]).unwrap().verify_request(&secret).is_err());
}
