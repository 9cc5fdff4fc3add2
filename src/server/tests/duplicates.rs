//! Retransmissions (checklist D).

use super::test_server::*;
use crate::server::counters::Dropped;
use crate::server::pipeline::{Arrival, Listener, Port};
use crate::wire::number::tgpp;
use crate::wire::{Code, Encoder};

/// D1, D5, D8.
#[test]
fn a_retransmission_gets_the_same_octets_and_nothing_happens_twice() {
    let mut scene = TestServer::new();
    let (asked, started) = (access(1, TILL), start(2, TILL));
    let (accept, receipt) = (scene.auth(&asked).reply(), scene.acct(&started).reply());
    let records = scene.out.ledger.records.records;
    scene.later(29);
    assert_eq!(scene.auth(&asked), Response::AtOnce(accept.clone()));
    assert_eq!(scene.acct(&started), Response::AtOnce(receipt));
    assert_eq!(scene.out.ledger.records.records, records);
    assert_eq!(scene.pipeline.tally.duplicates, [1, 1, 0]);
    scene.later(2);
    assert_ne!(scene.auth(&asked).reply(), accept, "another authorisation, another Class");
}

/// D2.
#[test]
fn a_retransmission_of_what_still_waits_is_dropped() {
    let mut scene = TestServer::new();
    let asked = access(1, TILL);
    let listener = Listener { place: 0, port: Port::Auth };
    let arrival = Arrival { listener, from: scene.from, to: None, octets: &asked };
    scene.pipeline.handle(&scene.gateways, [arrival], NOW, &mut scene.out);
    scene.pipeline.handle(&scene.gateways, [arrival], NOW, &mut scene.out);
    assert_eq!(scene.out.receipts.len(), 1);
    assert_eq!(scene.pipeline.tally.drops()[Dropped::DuplicateInFlight as usize], 1);
}

/// D3, C-3.
#[test]
fn another_authenticator_is_another_request() {
    let mut scene = TestServer::new();
    let with = |authenticator: u8, imsi: &str| {
        let mut buffer = [0; 256];
        let mut packet = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 1);
        packet.message_authenticator().vendor(tgpp::VENDOR, tgpp::IMSI, imsi.as_bytes());
        let len = packet.finish_request(&secret(), [authenticator; 16]).unwrap();
        buffer[..len].to_vec()
    };
    let (first, second) = (with(1, TILL), with(2, STOLEN));
    verified(&scene.auth(&first).reply(), Code::ACCESS_ACCEPT, &first);
    let mut forged = second.clone();
    forged[30] ^= 1;
    assert_eq!(scene.auth(&forged), Response::Silence(Dropped::BadMessageAuthenticator));
    assert!(
        matches!(scene.auth(&first), Response::AtOnce(_)),
        "a forged packet leaves the memory alone"
    );
    let reply = scene.auth(&second).reply();
    verified(&reply, Code::ACCESS_REJECT, &second);
    assert_eq!(scene.auth(&second), Response::AtOnce(reply));
}

/// D4, D6.
#[test]
fn every_port_has_identifiers_of_its_own() {
    let mut scene = TestServer::new();
    for port in 1000..1004 {
        scene.from.set_port(port);
        for identifier in 0..=255 {
            let asked = access(identifier, STOLEN);
            verified(&scene.auth(&asked).reply(), Code::ACCESS_REJECT, &asked);
        }
    }
    assert_eq!(scene.pipeline.tally.duplicates, [0; 3]);
    assert_eq!(scene.pipeline.tally.drops(), [0; Dropped::ALL.len()]);
}
