//! Status-Server (checklist F).

use super::test_server::*;
use crate::metrics::counters::Dropped;
use crate::wire::number::{self};
use crate::wire::{Code, Encoder};

fn status(identifier: u8, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    request(Code::STATUS_SERVER, identifier, |packet| {
        packet.message_authenticator();
        write(packet);
    })
}

/// F1, F2, F5, F8.
#[test]
fn each_port_answers_in_its_own_way_and_looks_at_nothing_else() {
    let mut server = TestServer::new();
    let asked = status(1, |packet| {
        packet
            .attribute(number::USER_NAME, b"till")
            .attribute(number::USER_PASSWORD, &[0; 16])
            .integer(number::ACCT_STATUS_TYPE, 1);
    });
    let reply = server.auth(&asked).reply();
    assert_eq!(verified(&reply, Code::ACCESS_ACCEPT, &asked), [number::MESSAGE_AUTHENTICATOR]);
    let reply = server.acct(&asked).reply();
    assert_eq!(
        verified(&reply, Code::ACCOUNTING_RESPONSE, &asked),
        [number::MESSAGE_AUTHENTICATOR]
    );
    assert_eq!(server.out.pending.records.records, 0);
}

/// F3, F4.
#[test]
fn an_unsigned_one_or_a_stranger_hears_nothing() {
    let mut server = TestServer::new();
    let unsigned = request(Code::STATUS_SERVER, 1, |_| {});
    assert_eq!(server.auth(&unsigned), Response::Silence(Dropped::MissingMessageAuthenticator));
    assert_eq!(server.acct(&unsigned), Response::Silence(Dropped::MissingMessageAuthenticator));
    let mut forged = status(1, |_| {});
    forged[30] ^= 1;
    assert_eq!(server.auth(&forged), Response::Silence(Dropped::BadMessageAuthenticator));
    assert_eq!(
        server.from("203.0.113.1").auth(&status(1, |_| {})),
        Response::Silence(Dropped::UnknownGateway)
    );
}

/// F7: silence is the news.
#[test]
fn silent_while_not_ready_and_never_remembered() {
    let mut server = TestServer::new();
    let asked = status(1, |_| {});
    server.auth(&asked).reply();
    server.pipeline.is_ready = false;
    assert_eq!(server.auth(&asked), Response::Silence(Dropped::NotReady));
    server.pipeline.is_ready = true;
    server.pipeline.journal_fails = true;
    assert_eq!(server.auth(&asked), Response::Silence(Dropped::NotReady));
    server.pipeline.journal_fails = false;
    server.pipeline.shares.set_room(0);
    server.auth(&asked).reply();
    assert_eq!(server.pipeline.counters.duplicates, [0; 3]);
}
