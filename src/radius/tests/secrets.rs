//! A gateway whose secret is being replaced: any of its secrets proves a request, and the one that
//! did signs the reply.

use super::test_server::*;
use crate::metrics::counters::Dropped;
use crate::radius::gateways::Gateways;
use crate::radius::{DynamicAuthorization, GatewaySettings, Requirement};
use crate::wire::number::{self, tgpp};
use crate::wire::{Code, Datagram, Encoder, Secret};

const NEW: &[u8] = b"the new secret";
const OLD: &[u8] = b"the old secret";

fn server() -> TestServer {
    let pgw = GatewaySettings {
        name: "pgw".to_owned(),
        sources: vec!["192.0.2.0/24".parse().unwrap()],
        secrets: vec![NEW.into(), OLD.into()],
        tls_names: Vec::new(),
        require_message_authenticator: Requirement::No,
        limit_proxy_state: true,
        absent_is_released: false,
        rate_limit: 0,
        dynamic_authorization: DynamicAuthorization::default(),
    };
    let mut server = TestServer::new();
    server.gateways = Gateways::new(&[pgw], Vec::new());
    server
}

fn sent(
    secret: &[u8],
    code: Code,
    identifier: u8,
    write: impl FnOnce(&mut Encoder<'_>),
) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut encoder = Encoder::new(&mut buffer, code, identifier);
    write(&mut encoder);
    let length = encoder.finish_request(&Secret::new(secret), [identifier; 16]).unwrap();
    buffer.truncate(length);
    buffer
}

fn access(secret: &[u8], identifier: u8) -> Vec<u8> {
    sent(secret, Code::ACCESS_REQUEST, identifier, |packet| {
        packet.message_authenticator().vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
    })
}

fn report(secret: &[u8], identifier: u8) -> Vec<u8> {
    sent(secret, Code::ACCOUNTING_REQUEST, identifier, |packet| {
        packet
            .integer(number::ACCT_STATUS_TYPE, 1)
            .attribute(number::ACCT_SESSION_ID, b"S1")
            .vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
    })
}

/// Without Message-Authenticator: nothing in it proves a secret.
fn unsigned(identifier: u8) -> Vec<u8> {
    sent(NEW, Code::ACCESS_REQUEST, identifier, |packet| {
        packet.vendor(tgpp::VENDOR, tgpp::IMSI, TILL.as_bytes());
    })
}

fn is_signed(reply: &[u8], request: &[u8], secret: &[u8]) -> bool {
    let [reply, request] = [reply, request].map(|octets| Datagram::frame(octets).unwrap());
    reply.verify_reply(request.authenticator(), &Secret::new(secret)).is_ok()
}

#[test]
fn the_secret_that_proves_a_request_signs_its_reply() {
    let mut server = server();
    for (identifier, secret) in [(1, NEW), (2, OLD), (3, NEW)] {
        let request = access(secret, identifier);
        assert!(is_signed(&server.auth(&request).reply(), &request, secret), "{identifier}");
        let request = report(secret, identifier);
        assert!(is_signed(&server.acct(&request).reply(), &request, secret), "{identifier}");
    }
    assert_eq!(
        server.auth(&access(b"a third secret", 4)),
        Response::Silence(Dropped::BadMessageAuthenticator)
    );
    assert_eq!(
        server.acct(&report(b"a third secret", 4)),
        Response::Silence(Dropped::BadAuthenticator)
    );
}

#[test]
fn a_request_that_proves_nothing_is_answered_under_the_secret_that_proved_one_last() {
    let mut server = server();
    for (identifier, secret) in [(1, None), (2, Some(OLD)), (3, Some(NEW))] {
        if let Some(secret) = secret {
            server.acct(&report(secret, identifier)).reply();
        }
        let request = unsigned(identifier);
        let reply = server.auth(&request).reply();
        assert!(is_signed(&reply, &request, secret.unwrap_or(NEW)), "{identifier}");
    }
}

#[test]
fn a_retransmission_gets_the_same_octets_under_the_same_secret() {
    let mut server = server();
    let request = access(OLD, 1);
    let reply = server.auth(&request).reply();
    assert_eq!(server.auth(&request).reply(), reply);
}
