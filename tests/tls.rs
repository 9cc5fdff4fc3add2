//! RADIUS over TLS from outside: the built server, certificates made for the test, and a client
//! that cuts its records as it likes. The numbers are those of the checklist (std I).

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use attachd::wire::Code;
use support::server::{Server, TIMEOUT};
use support::tls::{Authority, Client, Identity, TlsFolder, request, request_with};

const TILL: &str = "8944500000000000014";
const ATTACH: [&str; 2] = ["3GPP-IMSI = 234500000000001", "Called-Station-Id = festival.iot"];

fn attach(identifier: u8) -> Vec<u8> {
    request(Code::ACCESS_REQUEST, identifier, &ATTACH)
}

fn report(identifier: u8, status: &str) -> Vec<u8> {
    let status = format!("Acct-Status-Type = {status}");
    let lines =
        [&ATTACH[..], &[&status, "Acct-Session-Id = 0001", "Framed-IP-Address = 100.64.0.16"]]
            .concat();
    request(Code::ACCOUNTING_REQUEST, identifier, &lines)
}

fn status(identifier: u8) -> Vec<u8> {
    request(Code::STATUS_SERVER, identifier, &[])
}

fn closed(server: &Server, reason: &str, count: u32) {
    let line = format!("attachd_tls_closed_total{{reason=\"{reason}\"}} {count}");
    server.until(&line, |server| server.has_metric(&line));
}

/// The alert that a refused client is told; its handshake may seem to have worked until then.
fn refusal(client: std::io::Result<Client>) -> String {
    match client {
        Err(error) => error.to_string(),
        Ok(mut client) => match client.packet() {
            Err(error) => error.to_string(),
            Ok(packet) => panic!("not refused, but told {packet:?}"),
        },
    }
}

#[test]
fn i_9_access_and_accounting_on_one_connection() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    assert_eq!(client.ask(&attach(1))[0], Code::ACCESS_ACCEPT.0);
    assert_eq!(client.ask(&report(2, "Start"))[0], Code::ACCOUNTING_RESPONSE.0);
    assert_eq!(client.ask(&status(0))[0], Code::ACCESS_ACCEPT.0);
    assert_eq!(server.endpoint(TILL)["sessions"][0]["gateway"], "pgw-01");
    assert!(server.has_metric("attachd_tls_connections{gateway=\"pgw-01\"} 1"));
    drop(client);
    closed(&server, "peer", 1);
    assert!(server.has_metric("attachd_tls_connections{gateway=\"pgw-01\"} 0"));
}

#[test]
fn i_10_to_i_12_who_is_refused_and_why() {
    let tls = TlsFolder::with(
        "",
        "[[gateway]]\nname = \"far\"\nsource = \"192.0.2.1\"\ntls_names = [\"far.example.net\"]\n[[gateway]]\nname = \"here\"\nsource = \"127.0.0.1\"\ntls_names = [\"127.0.0.1\", \"192.0.2.9\"]\n",
    );
    let server = tls.folder.serve();
    let at = server.tls[0];
    let of = |names: &[&str], serial| tls.authority.issue(names, serial);
    let as_one = |identity: &Identity| tls.client_as(at, Some(identity), &[]);

    let stranger = of(&["other.example.net", "*.example.net"], 20);
    assert!(refusal(as_one(&stranger)).contains("AccessDenied"));
    closed(&server, "unknown-name", 1);
    server.until("it is named", |server| server.log().contains("other.example.net"));
    assert!(server.log().contains("sha256 "));

    assert!(refusal(as_one(&of(&["far.example.net"], 21))).contains("AccessDenied"));
    assert!(refusal(as_one(&of(&["192.0.2.9"], 22))).contains("AccessDenied"));
    closed(&server, "forbidden-source", 2);

    // Its common name is right, which counts for nothing.
    assert!(refusal(as_one(&of(&[], 23))).contains("AccessDenied"));
    closed(&server, "unknown-name", 2);
    refusal(tls.client_as(at, None, &[]));
    refusal(as_one(&Authority::new("another").issue(&["127.0.0.1"], 24)));
    closed(&server, "handshake", 2);
    refusal(as_one(&tls.authority.issue_until(&["127.0.0.1"], 25, 2002)));
    closed(&server, "expired", 1);

    let mut client = as_one(&of(&["unknown.example.net", "127.0.0.1"], 26)).unwrap();
    assert_eq!(client.ask(&attach(1))[0], Code::ACCESS_ACCEPT.0, "one name is enough");
}

#[test]
fn i_13_packets_are_cut_by_their_length_alone() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    client.record(&[attach(1), report(2, "Start")].concat()).unwrap();
    let mut codes = [client.packet().unwrap().unwrap()[0], client.packet().unwrap().unwrap()[0]];
    codes.sort_unstable();
    assert_eq!(codes, [2, 5]);
    let packet = attach(3);
    for piece in [&packet[..3], &packet[3..30], &packet[30..]] {
        client.record(piece).unwrap();
    }
    assert_eq!(client.packet().unwrap().unwrap()[..2], [2, 3]);
}

#[test]
fn i_15_what_breaks_the_rules_closes() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut other = tls.client(server.tls[0]).unwrap();
    let with_length = |length: u16| {
        let mut packet = attach(1);
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let short_attribute = [&[1, 7, 0, 22][..], &[9; 16], &[1, 1]].concat();
    let mut wrong_authenticator = report(1, "Start");
    wrong_authenticator[5] ^= 1;
    let cases = [
        ("malformed", 1, with_length(19)),
        ("malformed", 2, with_length(4097)),
        ("malformed", 3, short_attribute),
        ("bad-authenticator", 1, wrong_authenticator),
        ("bad-message-authenticator", 1, request_with(b"other", Code::ACCESS_REQUEST, 1, &ATTACH)),
    ];
    for (reason, count, packet) in cases {
        let mut client = tls.client(server.tls[0]).unwrap();
        client.record(&packet).unwrap();
        assert!(client.is_closed(), "{reason}");
        closed(&server, reason, count);
    }
    assert_eq!(other.ask(&attach(9))[0], 2, "others are not affected");
}

#[test]
fn i_16_and_i_17_what_is_unwanted_does_not_close() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    client.record(&request(Code(99), 1, &[])).unwrap();
    client.record(&request(Code::ACCESS_ACCEPT, 2, &[])).unwrap();
    assert_eq!(client.ask(&attach(3))[..2], [2, 3]);
    for code in [Code::DISCONNECT_REQUEST, Code::COA_REQUEST] {
        let asked = request(code, 4, &["Acct-Session-Id = 0001"]);
        let error = client.ask(&asked);
        assert_eq!(error[..2], [Code::PROTOCOL_ERROR.0, 4]);
        let causes = [&[241, 7, 4, 0, 0, 0, code.0][..], &[101, 6, 0, 0, 1, 150]].concat();
        assert_eq!(error[38..], causes);
    }
}

#[test]
fn i_19_and_i_20_outstanding_and_repeated() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    let many: Vec<u8> =
        (1..=255).flat_map(|identifier| report(identifier, "Interim-Update")).collect();
    for record in many.chunks(16_000) {
        client.record(record).unwrap();
    }
    client.record(&status(0)).unwrap();
    let replies: Vec<_> = (0..256).map(|_| client.packet().unwrap().unwrap()).collect();
    assert_eq!(replies.iter().filter(|reply| reply[0] == 2 && reply[1] == 0).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply[0] == 5).count(), 255);

    let first = client.ask(&attach(7));
    assert_eq!(client.ask(&attach(7)), first, "the same octets");
    assert!(server.has_metric("radius_duplicates_total{code=\"Access-Request\"} 1"));
    let mut second = tls.client(server.tls[0]).unwrap();
    let again = second.ask(&attach(7));
    assert_ne!(again, first, "decided anew, with another Class");
    assert_eq!(again[38..44], first[38..44], "and the same address");
    assert!(server.has_metric("radius_duplicates_total{code=\"Access-Request\"} 1"));
}

#[test]
fn i_21_a_report_that_is_sent_again_on_a_new_connection() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    client.record(&report(1, "Start")).unwrap();
    drop(client);
    closed(&server, "peer", 1);
    let mut client = tls.client(server.tls[0]).unwrap();
    assert_eq!(client.ask(&report(9, "Start"))[..2], [5, 9]);
    assert_eq!(server.endpoint(TILL)["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn i_23_limits() {
    let tls = TlsFolder::with(
        "tls_connections = 2\ntls_half_open = 4\ntls_handshake_s = 1\n",
        support::tls::GATEWAY,
    );
    let server = tls.folder.serve();
    let mut clients: Vec<_> = (0..2).map(|_| tls.client(server.tls[0]).unwrap()).collect();
    for client in &mut clients {
        client.ask(&status(0));
    }
    clients[0].ask(&status(1));
    let mut third = tls.client(server.tls[0]).unwrap();
    third.ask(&status(0));
    assert!(clients[1].is_closed(), "it was silent for longest");
    closed(&server, "limit", 1);
    clients[0].ask(&status(2));

    let half_open: Vec<_> =
        (0..6).map(|_| TcpStream::connect_timeout(&server.tls[0], TIMEOUT).unwrap()).collect();
    closed(&server, "handshake", 6);
    drop(half_open);
    third.ask(&status(3));
}

#[test]
fn i_25_a_revoked_certificate_is_out_within_a_reload() {
    let tls = TlsFolder::with(
        "tls_crl = \"revoked.pem\"\n",
        &format!(
            "{}[[gateway]]\nname = \"pgw-02\"\nsource = \"127.0.0.1\"\ntls_names = [\"pgw-02.example.net\"]\n",
            support::tls::GATEWAY
        ),
    );
    tls.write("revoked.pem", &tls.authority.revokes(&[99]));
    let server = tls.folder.serve();
    let second = tls.authority.issue(&["pgw-02.example.net"], 8);
    let mut first = tls.client(server.tls[0]).unwrap();
    let mut other = tls.client_as(server.tls[0], Some(&second), &[]).unwrap();
    first.ask(&status(0));
    other.ask(&status(0));
    let before = other.server_certificate();

    tls.write("revoked.pem", &tls.authority.revokes(&[99, 7]));
    tls.write_server(2);
    server.signal("HUP");
    assert!(first.is_closed());
    closed(&server, "revoked", 1);
    other.ask(&status(1));
    assert!(refusal(tls.client(server.tls[0])).contains("CertificateRevoked"));
    let newcomer = tls.client_as(server.tls[0], Some(&second), &[]).unwrap();
    assert_ne!(newcomer.server_certificate(), before);

    // What cannot be read changes nothing and is told.
    tls.write("revoked.pem", "nonsense");
    server.signal("HUP");
    server.until("told", |server| server.log().contains("nothing was reloaded"));
    tls.write("revoked.pem", &tls.authority.revokes_until(&[], 2003));
    server.signal("HUP");
    server.until("told", |server| server.log().contains("its next update is over"));
    assert!(refusal(tls.client(server.tls[0])).contains("CertificateRevoked"), "as before");
    other.ask(&status(2));

    // Its gateway is gone.
    let text = std::fs::read_to_string(tls.folder.path("attachd.toml")).unwrap();
    tls.write("attachd.toml", text.split("[[gateway]]\nname = \"pgw-02\"").next().unwrap());
    tls.write("revoked.pem", &tls.authority.revokes(&[99, 7]));
    server.signal("HUP");
    assert!(other.is_closed());
    drop(newcomer);
    server.until("both are out", |server| {
        server.has_metric("attachd_tls_connections{gateway=\"pgw-02\"} 0")
    });
}

#[test]
fn i_26_what_is_plain_and_what_is_tls_only() {
    let tls = TlsFolder::with(
        "",
        "[[gateway]]\nname = \"pgw-01\"\nsource = \"127.0.0.1\"\ntls_names = [\"pgw-01.example.net\"]\n",
    );
    let server = tls.folder.serve();
    let mut plain = TcpStream::connect(server.tls[0]).unwrap();
    plain.set_read_timeout(Some(TIMEOUT)).unwrap();
    plain.write_all(&attach(1)).unwrap();
    assert!(!matches!(plain.read(&mut [0; 1]), Ok(1)), "no octet is answered");
    closed(&server, "plain", 1);

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(&request_with(b"testing123", Code::ACCESS_REQUEST, 1, &ATTACH), server.auth[0])
        .unwrap();
    let line = "radius_dropped_total{gateway=\"pgw-01\",reason=\"tls-only\"} 1";
    server.until(line, |server| server.has_metric(line));
    assert_eq!(tls.client(server.tls[0]).unwrap().ask(&attach(1))[0], 2);
}

#[test]
fn i_29_versions_are_agreed_on() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let cases: [(&[&str], Option<&str>); 4] = [
        (&[], None),
        (&["radius/1.0"], Some("radius/1.0")),
        (&["radius/1.0", "radius/1.1"], Some("radius/1.1")),
        (&["radius/1.1"], Some("radius/1.1")),
    ];
    for (offered, agreed) in cases {
        let client = tls.client_as(server.tls[0], Some(&tls.gateway), offered).unwrap();
        assert_eq!(client.alpn(), agreed, "{offered:?}");
    }
    let foreign = tls.client_as(server.tls[0], Some(&tls.gateway), &["h2"]);
    assert!(refusal(foreign).contains("NoApplicationProtocol"));
    closed(&server, "alpn", 1);
    // TLS 1.2 cannot carry 1.1.
    let of_1_2 = |alpn: &[&str]| {
        let versions = &[&rustls::version::TLS12];
        Client::connect(server.tls[0], &tls.authority, Some(&tls.gateway), alpn, versions)
    };
    assert_eq!(of_1_2(&["radius/1.1", "radius/1.0"]).unwrap().alpn(), Some("radius/1.0"));
    assert!(refusal(of_1_2(&["radius/1.1"])).contains("NoApplicationProtocol"));
    assert_eq!(of_1_2(&[]).unwrap().ask(&attach(1))[0], 2);
}

#[test]
fn v_11_a_server_that_insists_on_1_1_says_so() {
    let tls = TlsFolder::with("tls_versions = [\"1.1\"]\n", support::tls::GATEWAY);
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    let told = client.packet().unwrap().unwrap();
    assert_eq!(
        told,
        hex(
            "3400002f0000000000000000000000000000000012157261646975732f312e31207265717569726564650600000196"
        )
    );
    assert!(client.is_closed());
    closed(&server, "alpn", 1);
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// A packet of RADIUS/1.1 from attributes as they stand.
fn of_1_1(code: Code, token: [u8; 4], reserved: u8, attributes: &[&[u8]]) -> Vec<u8> {
    let attributes = attributes.concat();
    let length = (20 + attributes.len()) as u16;
    [&[code.0, reserved][..], &length.to_be_bytes(), &token, &[reserved; 12], &attributes].concat()
}

#[test]
fn i_30_radius_1_1_has_tokens_and_nothing_signed() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client_as(server.tls[0], Some(&tls.gateway), &["radius/1.1"]).unwrap();
    let mut ask = |packet: &[u8]| {
        client.record(packet).unwrap();
        client.packet().unwrap().unwrap()
    };
    let imsi = b"\x1a\x17\x00\x00\x28\xaf\x01\x11234500000000001";
    let apn = b"\x1e\x0efestival.iot";
    // The Reserved fields are ignored, and so is a Message-Authenticator.
    let accept =
        ask(&of_1_1(Code::ACCESS_REQUEST, [1, 2, 3, 4], 0xee, &[imsi, apn, &[80, 18], &[7; 16]]));
    assert_eq!(accept[..2], [2, 0]);
    assert_eq!(accept[4..20], [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(accept[20..22], [8, 6], "the address comes first: nothing is signed");

    // A name that is no identity, where the vector has an unknown endpoint.
    let chap = hex(
        "010000451c2d3e5000000000000000000000000001066e656d6f031316763b8aed43e320997ed06fb73d4e6c1e3c12000102030405060708090a0b0c0d0e0f0406c000020a",
    );
    let rejected = [
        &hex("0300002c1c2d3e50000000000000000000000000")[..],
        b"\x12\x12identity-missing",
        &hex("6506000001f5"),
    ];
    assert_eq!(ask(&chap), rejected.concat(), "V3, V4");
    let start = hex(
        "040000491c2d3e510000000000000000000000002806000000012c12433030303032304130313032303330340406c000020a1a17000028af0111303031303130303030303030303031",
    );
    assert_eq!(ask(&start), hex("050000141c2d3e51000000000000000000000000"), "V5, V6");
    let alive = hex("0c00001a000000000000000000000000000000000406c000020a");
    assert_eq!(ask(&alive), hex("0200001400000000000000000000000000000000"), "V9, V10");
    let disconnect = ask(&of_1_1(Code::DISCONNECT_REQUEST, [9; 4], 0, &[]));
    assert_eq!(disconnect[..2], [52, 0]);
    assert_eq!(disconnect[20..], [101, 6, 0, 0, 1, 150]);

    // A password in clear, and CHAP with its challenge.
    let video = b"\x1a\x17\x00\x00\x28\xaf\x01\x11234500000000001";
    let refused = ask(&of_1_1(Code::ACCESS_REQUEST, [5; 4], 0, &[video, b"\x1e\x07other"]));
    assert_eq!(refused[0], 3);
    assert!(refused.ends_with(&[101, 6, 0, 0, 1, 245]));
}

#[test]
fn a_stop_is_said_and_what_was_taken_in_is_answered() {
    let tls = TlsFolder::new();
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    client.ask(&report(1, "Start"));
    assert!(server.terminate().status.success());
    assert!(client.is_closed());
    let server = tls.folder.serve();
    let mut client = tls.client(server.tls[0]).unwrap();
    client.timeout(Duration::from_secs(20));
    client.ask(&report(2, "Stop"));
}
