//! Retransmissions (checklist D).

use super::test_server::*;
use crate::metrics::counters::Dropped;
use crate::radius::pipeline::{Arrival, Listener, Port};
use crate::wire::number::tgpp;
use crate::wire::{Code, Encoder};

/// D1, D5, D8.
#[test]
fn a_retransmission_gets_the_same_octets_and_nothing_happens_twice() {
    let mut server = TestServer::new();
    let (asked, started) = (access(1, TILL), start(2, TILL));
    let (accept, receipt) = (server.auth(&asked).reply(), server.acct(&started).reply());
    let records = server.out.pending.records.records;
    server.later(29);
    assert_eq!(server.auth(&asked), Response::AtOnce(accept.clone()));
    assert_eq!(server.acct(&started), Response::AtOnce(receipt));
    assert_eq!(server.out.pending.records.records, records);
    assert_eq!(server.pipeline.counters.duplicates, [1, 1, 0]);
    server.later(2);
    assert_ne!(server.auth(&asked).reply(), accept, "another authorisation, another Class");
}

/// D2.
#[test]
fn a_retransmission_of_what_still_waits_is_dropped() {
    let mut server = TestServer::new();
    let asked = access(1, TILL);
    let listener = Listener { index: 0, port: Port::Auth };
    let arrival = Arrival { listener, from: server.from, to: None, octets: &asked, stream: None };
    server.pipeline.handle(&server.gateways, [arrival], NOW, &mut server.out);
    server.pipeline.handle(&server.gateways, [arrival], NOW, &mut server.out);
    assert_eq!(server.out.receipts.len(), 1);
    assert_eq!(server.pipeline.counters.drops()[Dropped::DuplicateInFlight as usize], 1);
}

/// D3, C-3.
#[test]
fn another_authenticator_is_another_request() {
    let mut server = TestServer::new();
    let with = |authenticator: u8, imsi: &str| {
        let mut buffer = [0; 256];
        let mut packet = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 1);
        packet.message_authenticator().vendor(tgpp::VENDOR, tgpp::IMSI, imsi.as_bytes());
        let len = packet.finish_request(&secret(), [authenticator; 16]).unwrap();
        buffer[..len].to_vec()
    };
    let (first, second) = (with(1, TILL), with(2, STOLEN));
    verified(&server.auth(&first).reply(), Code::ACCESS_ACCEPT, &first);
    let mut forged = second.clone();
    forged[30] ^= 1;
    assert_eq!(server.auth(&forged), Response::Silence(Dropped::BadMessageAuthenticator));
    assert!(
        matches!(server.auth(&first), Response::AtOnce(_)),
        "a forged packet leaves the memory alone"
    );
    let reply = server.auth(&second).reply();
    verified(&reply, Code::ACCESS_REJECT, &second);
    assert_eq!(server.auth(&second), Response::AtOnce(reply));
}

/// D4, D6.
#[test]
fn every_port_has_identifiers_of_its_own() {
    let mut server = TestServer::new();
    for port in 1000..1004 {
        server.from.set_port(port);
        for identifier in 0..=255 {
            let asked = access(identifier, STOLEN);
            verified(&server.auth(&asked).reply(), Code::ACCESS_REJECT, &asked);
        }
    }
    assert_eq!(server.pipeline.counters.duplicates, [0; 3]);
    assert_eq!(server.pipeline.counters.drops(), [0; Dropped::ALL.len()]);
}
