//! Checklist H of the standards digest, on a virtual clock and without a network.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use super::*;
use crate::exchange::{Server, Stray};
use crate::simulator::device::{Cause, Classes, Usage};
use crate::simulator::scenario::Identify;
use crate::wire::number::{self, tgpp, value};
use crate::wire::{Datagram, Encoder, FlatKey, Forged, LONGEST, MessageAuthenticator, Secret};

const SECRET: &[u8] = b"xyzzy5461";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seconds(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6) as u64)
}

fn client_settings() -> ClientSettings {
    let server = |text, role| Server { address: address(text), role };
    ClientSettings {
        servers: vec![
            server("198.51.100.1:1812", ServerRole::Access),
            server("198.51.100.1:1813", ServerRole::Accounting),
        ],
        secret: Secret::new(SECRET),
        failover_after: 2,
        dead_for: Duration::from_secs(60),
        max_ports: 4,
        integrity_required: true,
        window: None,
    }
}

fn settings_of(client: ClientSettings) -> GatewayMachineSettings {
    GatewayMachineSettings {
        client: client.into(),
        access: RetransmissionPolicy {
            initial: Duration::from_secs(2),
            transmissions: 5,
            ceiling: Duration::from_secs(16),
            total: Duration::from_secs(30),
        },
        accounting: RetransmissionPolicy {
            initial: Duration::from_secs(2),
            transmissions: 0,
            ceiling: Duration::ZERO,
            total: Duration::ZERO,
        },
        status_interval: Duration::ZERO,
    }
}

fn settings() -> GatewayMachineSettings {
    settings_of(client_settings())
}

fn profile() -> Profile {
    Profile {
        name: "pgw-1".to_owned(),
        nas_ip: Ipv4Addr::new(192, 0, 2, 10),
        plmn: "23450".to_owned(),
    }
}

fn gateway(settings: GatewayMachineSettings) -> GatewayMachine {
    GatewayMachine::new(3, profile(), Arc::new(settings), RandomStream::stream(1, 2, 3))
}

fn caller() -> Caller<'static> {
    Caller {
        iccid: b"8944500000000000014",
        imsi: b"234500000000001",
        msisdn: b"447700000001",
        identify: Identify::Imsi,
        vendor: 32473,
        apn: "festival.iot",
        password: None,
        rat: 8,
        number: 1,
    }
}

fn ticket(kind: RequestKind) -> Ticket {
    Ticket { kind, endpoint: Some(7), serial: 1, scheduled: Timestamp::EPOCH }
}

/// A datagram that was sent.
#[derive(Clone, Debug)]
struct Sent {
    at: Timestamp,
    socket: SocketId,
    to: SocketAddr,
    octets: Vec<u8>,
}

impl Sent {
    fn datagram(&self) -> Datagram<'_> {
        Datagram::frame(&self.octets).unwrap()
    }

    fn identity(&self) -> (SocketId, u8, [u8; 16]) {
        (self.socket, self.datagram().identifier(), *self.datagram().authenticator())
    }

    fn reply(&self, code: Code, attributes: impl Fn(&mut Encoder<'_>)) -> Vec<u8> {
        let mut buffer = [0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, code, self.datagram().identifier());
        if code != Code::ACCOUNTING_RESPONSE {
            encoder.message_authenticator();
        }
        attributes(&mut encoder);
        let len =
            encoder.finish_reply(&Secret::new(SECRET), self.datagram().authenticator()).unwrap();
        buffer[..len].to_vec()
    }
}

fn drain(out: &mut Outbound, at: Timestamp) -> Vec<Sent> {
    let sent = out
        .iter()
        .map(|sent| Sent { at, socket: sent.socket, to: sent.to, octets: sent.octets.to_vec() })
        .collect();
    out.clear();
    sent
}

fn ask(gateway: &mut GatewayMachine, kind: RequestKind, now: Timestamp) -> Sent {
    let mut out = Outbound::default();
    let caller = caller();
    let profile = gateway.profile().clone();
    let bearer = BearerUsage {
        charging_id: 9,
        address: Ipv4Addr::new(10, 0, 0, 1),
        classes: &Classes::NONE,
    };
    let asked = gateway.ask(
        now,
        ticket(kind),
        |draft| match kind.role() {
            ServerRole::Access => draft.access(&profile, &caller, 9, None),
            ServerRole::Accounting | ServerRole::DynamicAuthorization => {
                draft.accounting(&profile, &caller, &bearer, ReportType::Start, 1_700_000_000);
            }
        },
        &mut out,
    );
    assert!(asked);
    drain(&mut out, now).remove(0)
}

/// Lets time pass until `end`; gives what was sent and who was given up.
fn run(gateway: &mut GatewayMachine, end: Timestamp) -> (Vec<Sent>, Vec<Ticket>) {
    let (mut out, mut sent, mut unanswered) = (Outbound::default(), Vec::new(), Vec::new());
    while let Some(now) = gateway.next_deadline().filter(|due| *due <= end) {
        gateway.poll(now, &mut out, &mut unanswered);
        sent.extend(drain(&mut out, now));
    }
    (sent, unanswered)
}

#[test]
fn h1_message_authenticator_stands_first_in_every_access_request() {
    let sent = ask(&mut gateway(settings()), RequestKind::Session, Timestamp::EPOCH);
    assert_eq!(
        sent.datagram().attributes().next().map(|first| first.number),
        Some(number::MESSAGE_AUTHENTICATOR)
    );
    assert_eq!(sent.datagram().verify_request(&Secret::new(SECRET)), Ok(()));
    assert_eq!(sent.to, address("198.51.100.1:1812"));
}

#[test]
fn h2_a_silent_server_is_asked_again_with_the_same_packet_and_given_up_after_thirty_seconds() {
    let mut gateway = gateway(settings());
    let first = ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH);
    let (copies, unanswered) = run(&mut gateway, seconds(100.0));
    assert!((3..=4).contains(&copies.len()));
    assert!(copies.iter().all(|copy| copy.octets == first.octets && copy.socket == first.socket));
    for (copy, (earliest, latest)) in
        copies.iter().zip([(1.8, 2.21), (5.4, 6.61), (12.6, 15.4), (27.0, 30.0)])
    {
        assert!((seconds(earliest)..=seconds(latest)).contains(&copy.at), "{:?}", copy.at);
    }
    assert_eq!(unanswered, [ticket(RequestKind::Session)]);
    assert_eq!(gateway.outstanding(), 0);
}

#[test]
fn h3_accounting_is_repeated_until_it_is_answered_and_each_copy_is_a_new_packet() {
    let mut gateway = gateway(settings());
    let first = ask(&mut gateway, RequestKind::Start, Timestamp::EPOCH);
    let (copies, unanswered) = run(&mut gateway, seconds(3600.0));
    assert!(copies.len() > 8 && unanswered.is_empty());
    let identities: HashSet<_> = copies.iter().chain([&first]).map(Sent::identity).collect();
    assert_eq!(
        identities.len(),
        copies.len() + 1,
        "every copy has an identifier and an authenticator of its own"
    );
    for copy in &copies {
        assert_eq!(copy.datagram().verify_request(&Secret::new(SECRET)), Ok(()));
        let delay = copy.at.secs() as u32;
        assert_eq!(copy.datagram().first(number::ACCT_DELAY_TIME), Some(&delay.to_be_bytes()[..]));
        assert_eq!(
            copy.datagram().first(number::EVENT_TIMESTAMP),
            first.datagram().first(number::EVENT_TIMESTAMP),
            "never changes"
        );
    }
    let last = copies.last().unwrap();
    let early = first.reply(Code::ACCOUNTING_RESPONSE, |_| {});
    assert_eq!(
        gateway.receive(last.at, first.socket, first.to, &early),
        Receipt::Obsolete,
        "RFC 5080 2.2.2"
    );
    let reply = last.reply(Code::ACCOUNTING_RESPONSE, |_| {});
    let receipt = gateway.receive(last.at, last.socket, last.to, &reply);
    assert!(
        matches!(receipt, Receipt::Answered(answered) if answered.transmissions as usize == copies.len() + 1)
    );
}

#[test]
fn h4_more_than_256_outstanding_take_more_source_ports() {
    let mut gateway = gateway(settings());
    let sent: Vec<Sent> =
        (0..600).map(|_| ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH)).collect();
    let places: HashSet<(u16, u8)> =
        sent.iter().map(|sent| (sent.socket.port, sent.datagram().identifier())).collect();
    assert_eq!(places.len(), 600);
    assert_eq!(sent.iter().map(|sent| sent.socket.port).max(), Some(2));
    let reply = sent[5].reply(Code::ACCESS_REJECT, |_| {});
    gateway.receive(Timestamp::EPOCH, sent[5].socket, sent[5].to, &reply);
    for _ in 0..168 {
        ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH);
    }
    let reused = ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH);
    assert_eq!(
        (reused.socket, reused.datagram().identifier()),
        (sent[5].socket, sent[5].datagram().identifier()),
        "the one that is free"
    );
}

#[test]
fn h5_a_forged_reply_changes_nothing_and_the_right_one_counts() {
    let mut gateway = gateway(settings());
    let sent = ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH);
    let right = sent.reply(Code::ACCESS_ACCEPT, |_| {});
    let mut wrong = right.clone();
    wrong[7] ^= 1;
    let deadline = gateway.next_deadline();
    let forged = gateway.receive(seconds(0.5), sent.socket, sent.to, &wrong);
    assert_eq!(forged, Receipt::Stray(Stray::Forged(Forged::Authenticator)));
    assert_eq!(gateway.next_deadline(), deadline);
    assert!(
        matches!(gateway.receive(seconds(0.6), sent.socket, sent.to, &right), Receipt::Answered(answered) if answered.purpose == ticket(RequestKind::Session))
    );
    let after = Duration::from_millis(100);
    assert_eq!(
        gateway.receive(seconds(0.7), sent.socket, sent.to, &right),
        Receipt::Repeated { identical: true, after }
    );
    let other = sent.reply(Code::ACCESS_REJECT, |_| {});
    assert_eq!(
        gateway.receive(seconds(0.7), sent.socket, sent.to, &other),
        Receipt::Repeated { identical: false, after }
    );
}

#[test]
fn h6_all_classes_are_in_every_report_and_the_stop_says_what_was_used() {
    let mut gateway = gateway(settings());
    let profile = profile();
    let classes = Classes::new([&b"one"[..], &b"two"[..]].into_iter());
    let bearer = BearerUsage {
        charging_id: 0x0102_0304,
        address: Ipv4Addr::new(10, 0, 0, 1),
        classes: &classes,
    };
    let usage = Usage { input: (7 << 32) + 5, output: 9, seconds: 60 };
    for (kind, report) in [
        (RequestKind::Start, ReportType::Start),
        (RequestKind::Interim, ReportType::Interim(usage)),
        (RequestKind::Stop, ReportType::Stop(usage, Cause::SESSION_TIMEOUT)),
    ] {
        let mut out = Outbound::default();
        gateway.ask(
            Timestamp::EPOCH,
            ticket(kind),
            |draft| draft.accounting(&profile, &caller(), &bearer, report, 1),
            &mut out,
        );
        let sent = drain(&mut out, Timestamp::EPOCH).remove(0);
        let datagram = sent.datagram();
        let echoed: Vec<&[u8]> =
            datagram.attributes().filter(|a| a.number == number::CLASS).map(|a| a.value).collect();
        assert_eq!(echoed, [b"one", b"two"]);
        assert_eq!(datagram.first(number::ACCT_SESSION_ID), Some(&b"C000020A01020304"[..]));
        assert_eq!(datagram.message_authenticator(), MessageAuthenticator::Absent, "RFC 3579 3.3");
        let counted = kind != RequestKind::Start;
        assert_eq!(
            datagram.first(number::ACCT_INPUT_GIGAWORDS),
            counted.then_some(&[0, 0, 0, 7][..])
        );
        let cause = (kind == RequestKind::Stop).then_some(&[0, 0, 0, 5][..]);
        assert_eq!(datagram.first(number::ACCT_TERMINATE_CAUSE), cause);
        let last = datagram.values().any(|value| {
            value.key == FlatKey { vendor: tgpp::VENDOR, number: tgpp::SESSION_STOP_INDICATOR }
        });
        assert_eq!(last, kind == RequestKind::Stop);
    }
}

#[test]
fn h11_status_server_is_new_each_time_never_repeated_and_answered_by_either_code() {
    let mut gateway =
        gateway(GatewayMachineSettings { status_interval: Duration::from_secs(10), ..settings() });
    let (mut sent, _) = run(&mut gateway, seconds(60.0));
    assert!((10..=12).contains(&sent.len()), "two servers, every ten seconds: {}", sent.len());
    let before = sent.len();
    while sent.len() == before {
        let next = gateway.next_deadline().unwrap();
        sent.extend(run(&mut gateway, next).0);
    }
    let now = sent[before].at;
    assert_eq!(sent.iter().map(Sent::identity).collect::<HashSet<_>>().len(), sent.len());
    assert!(sent.iter().all(|sent| sent.datagram().code() == Code::STATUS_SERVER));
    assert!(
        sent.iter()
            .all(|sent| sent.datagram().message_authenticator() == MessageAuthenticator::Present)
    );
    for (code, sent) in
        [Code::ACCESS_ACCEPT, Code::ACCOUNTING_RESPONSE].into_iter().zip(sent.iter().rev())
    {
        let receipt = gateway.receive(now, sent.socket, sent.to, &sent.reply(code, |_| {}));
        assert!(
            matches!(receipt, Receipt::Answered(answered) if answered.purpose.kind == RequestKind::Status),
            "{receipt:?}"
        );
    }
}

#[test]
fn a_silent_server_is_left_for_the_next_one() {
    let mut client = client_settings();
    client.servers.push(Server { address: address("198.51.100.2:1812"), role: ServerRole::Access });
    let mut gateway = gateway(settings_of(client));
    let first = ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH);
    let (copies, _) = run(&mut gateway, seconds(7.0));
    assert_eq!(
        copies.iter().map(|copy| copy.to.ip().to_string()).collect::<Vec<_>>(),
        ["198.51.100.1", "198.51.100.2"]
    );
    assert_eq!(
        copies[1].datagram().authenticator(),
        first.datagram().authenticator(),
        "the same secret, so the same authenticator will do"
    );
    assert_eq!(copies[1].datagram().verify_request(&Secret::new(SECRET)), Ok(()));
    assert_eq!(
        ask(&mut gateway, RequestKind::Session, seconds(8.0)).to,
        address("198.51.100.2:1812"),
        "the others do not wait for the dead one"
    );
    assert_eq!(
        ask(&mut gateway, RequestKind::Session, seconds(90.0)).to,
        address("198.51.100.1:1812"),
        "until it may be alive again"
    );
}

#[test]
fn what_is_no_answer_is_called_by_its_name() {
    let mut gateway = gateway(settings());
    let sent = ask(&mut gateway, RequestKind::Session, Timestamp::EPOCH);
    let now = seconds(0.1);
    let bare = {
        let mut buffer = [0; 64];
        let len = Encoder::new(&mut buffer, Code::ACCESS_ACCEPT, sent.datagram().identifier())
            .finish_reply(&Secret::new(SECRET), sent.datagram().authenticator())
            .unwrap();
        buffer[..len].to_vec()
    };
    let accept = sent.reply(Code::ACCESS_ACCEPT, |_| {});
    let elsewhere = address("198.51.100.1:9999");
    for (from, octets, expected) in [
        (sent.to, bare, Stray::Unprotected),
        (elsewhere, accept.clone(), Stray::WrongSource),
        (
            sent.to,
            sent.reply(Code::ACCOUNTING_RESPONSE, |_| {}),
            Stray::WrongCode(Code::ACCOUNTING_RESPONSE),
        ),
        (sent.to, vec![2; 7], Stray::Malformed(crate::wire::Malformed::NoHeader { received: 7 })),
        (
            sent.to,
            {
                let mut other = accept.clone();
                other[1] ^= 0x55;
                other
            },
            Stray::Unasked,
        ),
    ] {
        assert_eq!(gateway.receive(now, sent.socket, from, &octets), Receipt::Stray(expected));
    }
    let (_, unanswered) = run(&mut gateway, seconds(40.0));
    assert_eq!(unanswered.len(), 1, "none of them was an answer");
    assert_eq!(gateway.receive(seconds(40.0), sent.socket, sent.to, &accept), Receipt::Late);
    assert!(
        gateway
            .evidence(sent.socket, sent.datagram().identifier())
            .is_some_and(|evidence| evidence.request == sent.octets)
    );
}

#[test]
fn accounting_on_is_no_longer_answered_after_a_restart() {
    let mut gateway = gateway(settings());
    let mut out = Outbound::default();
    let profile = profile();
    let compose = |draft: &mut RequestDraft<'_, '_>| {
        draft.restart(&profile, value::acct_status_type::ACCOUNTING_ON, 1);
    };
    gateway.ask(
        Timestamp::EPOCH,
        Ticket { endpoint: None, ..ticket(RequestKind::On) },
        compose,
        &mut out,
    );
    let sent = drain(&mut out, Timestamp::EPOCH).remove(0);
    assert_eq!(sent.datagram().first(number::USER_NAME), None);
    gateway.forget(Timestamp::EPOCH);
    let reply = sent.reply(Code::ACCOUNTING_RESPONSE, |_| {});
    assert_eq!(gateway.receive(seconds(0.1), sent.socket, sent.to, &reply), Receipt::Obsolete);
    assert_eq!((gateway.outstanding(), run(&mut gateway, seconds(100.0)).0.len()), (0, 0));
}
