//! With the real peers: FreeRADIUS's radclient as the gateway, and Wireshark's tshark reading what
//! passes between.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use attachd::wire::Code;
use etherparse::PacketBuilder;
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use support::scenario::{self, World, world::Seen};
use support::server::Folder;
use tempfile::TempDir;

/// Runs a peer, or says how to get it: a test that cannot look must not pass.
fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.unwrap_or_else(|error| {
        panic!("{program} does not run ({error}): `apt-get install freeradius-utils tshark`, or tests/run, which does it")
    });
    // Whoever asks for help does not read on.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// radclient with our dictionary beside its own.
struct Radclient {
    dictionary: TempDir,
    server: SocketAddr,
}

/// What it printed, and whether it was content.
struct Heard {
    text: String,
    is_content: bool,
}

impl Radclient {
    fn facing(server: SocketAddr) -> Self {
        let dictionary = tempfile::tempdir().unwrap();
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dictionary.attachd");
        fs::copy(ours, dictionary.path().join("dictionary.attachd")).unwrap();
        let both = "$INCLUDE /usr/share/freeradius/dictionary\n$INCLUDE dictionary.attachd\n";
        fs::write(dictionary.path().join("dictionary"), both).unwrap();
        Self { dictionary, server }
    }

    fn send(&self, kind: &str, lines: &[&str]) -> Heard {
        self.send_with(&[], kind, lines)
    }

    fn send_with(&self, more: &[&str], kind: &str, lines: &[&str]) -> Heard {
        let (dictionary, server) =
            (self.dictionary.path().to_str().unwrap(), self.server.to_string());
        let arguments =
            [&["-D", dictionary, "-x", "-t", "2", "-r", "3"], more, &[&server, kind, "testing123"]]
                .concat();
        let output = run("radclient", &arguments, &(lines.join("\n") + "\n"));
        let text = [output.stdout, output.stderr]
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .concat();
        Heard { is_content: output.status.success(), text }
    }
}

impl Heard {
    fn expect(&self, code: &str, attributes: &[&str]) {
        let (_, reply) = self
            .text
            .split_once("Received ")
            .unwrap_or_else(|| panic!("nothing received:\n{}", self.text));
        assert!(reply.starts_with(code), "{code} expected:\n{}", self.text);
        for attribute in attributes {
            assert!(
                reply.lines().any(|line| line.trim() == *attribute),
                "no {attribute}:\n{}",
                self.text
            );
        }
        // It takes a reject for a failure.
        assert_eq!(self.is_content, code != "Access-Reject", "{}", self.text);
    }
}

const SIGNED: &str = "Message-Authenticator = 0x00";

#[test]
fn radclient_attaches_and_every_refusal_has_its_reason() {
    let folder = Folder::new();
    // So small that one endpoint empties it.
    folder.edit("inventory/inventory.toml", "cidr = \"100.65.0.0/20\"", "cidr = \"100.65.0.0/30\"");
    let server = folder.serve();
    let radclient = Radclient::facing(server.auth[0]);
    let ask = |lines: &[&str]| radclient.send("auth", &[&[SIGNED], lines].concat());

    ask(&[
        "Attachd-ICCID = 8944500000000000014",
        "Called-Station-Id = festival.iot",
        "Proxy-State = 0x7031",
    ])
    .expect(
        "Access-Accept",
        &[
            "Framed-IP-Address = 100.64.0.16",
            "Framed-IP-Netmask = 255.255.255.255",
            "MS-Primary-DNS-Server = 9.9.9.9",
            "MS-Secondary-DNS-Server = 149.112.112.112",
            "Proxy-State = 0x7031",
        ],
    );
    ask(&["3GPP-IMSI = 234500000000213", "Called-Station-Id = sensors.festival.iot"])
        .expect("Access-Accept", &["Framed-IP-Address = 100.65.0.2", "Idle-Timeout = 300"]);

    let camera = "3GPP-IMSI = 234500000000189";
    let video = "Called-Station-Id = video.festival.iot";
    let cases: [(&str, &[&str]); 10] = [
        ("identity-missing", &["User-Name = web"]),
        (
            "identity-conflict",
            &["Attachd-ICCID = 8944500000000000014", "3GPP-IMSI = 234500000000002"],
        ),
        ("endpoint-unknown", &["3GPP-IMSI = 234509999999999"]),
        ("endpoint-pending", &["3GPP-IMSI = 234500000000338"]),
        ("endpoint-suspended", &["3GPP-IMSI = 234500000000121"]),
        ("endpoint-terminated", &["3GPP-IMSI = 234500000000350"]),
        ("group-invalid", &["3GPP-IMSI = 234500000000335"]),
        ("apn-not-allowed", &["3GPP-IMSI = 234500000000001", "Called-Station-Id = camping.iot"]),
        ("bad-credentials", &[camera, video, "User-Name = video", "CHAP-Password = wrong"]),
        ("pool-exhausted", &[camera, video, "User-Name = video", "CHAP-Password = encore"]),
    ];
    for (reason, lines) in cases {
        ask(lines).expect("Access-Reject", &[&format!("Reply-Message = \"{reason}\"")]);
    }
    for (reason, _) in cases {
        let line = format!("attachd_rejects_total{{reason=\"{reason}\"}} 1");
        server.until(&line, |server| server.has_metric(&line));
    }
}

#[test]
fn radclient_proves_itself_by_chap_and_demands_signed_replies() {
    let folder = Folder::new();
    let server = folder.serve();
    let radclient = Radclient::facing(server.auth[0]);
    let lines = [
        SIGNED,
        "3GPP-IMSI = 234500000000189",
        "Called-Station-Id = video.festival.iot",
        "User-Name = video",
        "CHAP-Password = encore",
    ];
    radclient.send("auth", &lines).expect("Access-Accept", &["Framed-IP-Address = 100.65.0.2"]);
    // From 3.2.5 on it can be told to take no reply without Message-Authenticator.
    let help = run("radclient", &["-h"], "");
    if [help.stdout, help.stderr].concat().windows(4).any(|part| part == b"  -b") {
        radclient
            .send_with(&["-b"], "auth", &lines)
            .expect("Access-Accept", &["Framed-IP-Address = 100.65.0.2"]);
    }
}

#[test]
fn radclient_tells_a_session_from_start_to_stop() {
    let folder = Folder::new();
    let server = folder.serve();
    let radclient = Radclient::facing(server.acct[0]);
    let till = "8944500000000000014";
    let state = || server.endpoint(till)["networkState"]["key"].as_u64().unwrap();
    let tell = |status: &str, more: &[&str]| {
        let status = format!("Acct-Status-Type = {status}");
        let common = [
            &status,
            "Acct-Session-Id = C000020A00000001",
            "3GPP-IMSI = 234500000000001",
            "Called-Station-Id = festival.iot",
        ];
        radclient.send("acct", &[&common, more].concat()).expect("Accounting-Response", &[]);
    };
    assert_eq!(state(), 20);
    tell("Start", &["Attachd-Network-Event = Attach"]);
    assert_eq!(state(), 30);
    tell(
        "Start",
        &[
            "Framed-IP-Address = 100.64.0.16",
            "3GPP-RAT-Type = 0x08",
            "3GPP-SGSN-MCC-MNC = 23450",
            "NAS-IP-Address = 192.0.2.10",
        ],
    );
    assert_eq!(state(), 40);
    tell(
        "Interim-Update",
        &["Acct-Input-Octets = 5", "Acct-Input-Gigawords = 1", "NAS-IP-Address = 192.0.2.10"],
    );
    let session = &server.endpoint(till)["sessions"][0];
    assert_eq!(session["inputOctets"], (1_u64 << 32) + 5);
    assert_eq!(session["ratType"]["name"], "NB-IoT");
    assert_eq!(session["plmn"], "23450");
    tell(
        "Stop",
        &[
            "Acct-Terminate-Cause = User-Request",
            "3GPP-Session-Stop-Indicator = 0xff",
            "NAS-IP-Address = 192.0.2.10",
        ],
    );
    assert_eq!(state(), 30);
    tell("Stop", &["Attachd-Network-Event = Detach"]);
    assert_eq!(state(), 20);
}

#[test]
fn radclient_asks_for_the_status_of_both_ports() {
    let folder = Folder::new();
    let server = folder.serve();
    Radclient::facing(server.auth[0]).send("status", &[SIGNED]).expect("Access-Accept", &[]);
    Radclient::facing(server.acct[0]).send("status", &[SIGNED]).expect("Accounting-Response", &[]);
}

/// The first reply is lost on its way; radclient repeats itself.
#[test]
fn radclient_retransmits_and_gets_the_same_octets() {
    let folder = Folder::new();
    let server = folder.serve();
    let lossy = UdpSocket::bind("127.0.0.1:0").unwrap();
    let beyond = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [&lossy, &beyond] {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    let (here, auth) = (lossy.local_addr().unwrap(), server.auth[0]);
    let relay = thread::spawn(move || {
        let exchange = |passes: bool| {
            let mut room = [0; 4096];
            let (length, gateway) = lossy.recv_from(&mut room).unwrap();
            let request = room[..length].to_vec();
            beyond.send_to(&request, auth).unwrap();
            let length = beyond.recv(&mut room).unwrap();
            if passes {
                lossy.send_to(&room[..length], gateway).unwrap();
            }
            (request, room[..length].to_vec())
        };
        [exchange(false), exchange(true)]
    });
    let heard = Radclient::facing(here).send("auth", &[SIGNED, "3GPP-IMSI = 234500000000001"]);
    heard.expect("Access-Accept", &["Framed-IP-Address = 100.64.0.16"]);
    let [first, second] = relay.join().unwrap();
    assert_eq!(first.0, second.0, "radclient repeats itself unchanged");
    assert_eq!(first.1, second.1);
    let line = "radius_duplicates_total{code=\"Access-Request\"} 1";
    server.until(line, |server| server.has_metric(line));
}

/// The folders of scenarios whose packets are meant to be right.
const WELL_FORMED: [&str; 6] = ["addresses", "identity", "packets", "recording", "state", "status"];

/// Scenarios among them whose requests are accepted though their identities are odd, which tshark
/// rightly says.
const ODD: [&str; 2] = ["identity/forms.txt", "identity/unknown-hides-nobody.txt"];

/// A capture of everything that passes in the well-formed scenarios with the usual secret. Returns
/// how many packets are in it, and how many of them are replies that tshark can prove: it does not
/// find the request that is a Status-Server.
fn capture(file: &Path) -> (usize, usize) {
    let header = PcapHeader { datalink: DataLink::IPV4, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(fs::File::create(file).unwrap(), header).unwrap();
    let is_meant = |file: &PathBuf| {
        let inside = file.strip_prefix(scenario::folder()).unwrap();
        WELL_FORMED.iter().any(|folder| inside.starts_with(folder))
            && !ODD.iter().any(|odd| inside == Path::new(odd))
    };
    let (mut count, mut provable) = (0, 0);
    for (place, file) in scenario::files().iter().filter(|file| is_meant(file)).enumerate() {
        let world = scenario::run(file).unwrap();
        if !speaks_openly(&world) {
            continue;
        }
        // Every scenario begins at the same time with the same identifiers: ports of its own tell
        // its packets from the others'.
        let own =
            |port: u16| if is_ours(port) { port } else { 20_000 + place as u16 * 8 + port % 8 };
        for (seen, request) in answered(&world.traffic) {
            let (SocketAddr::V4(from), SocketAddr::V4(to)) = (seen.from, seen.to) else { continue };
            let mut packet = Vec::new();
            let builder = PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), 64)
                .udp(own(from.port()), own(to.port()));
            builder.write(&mut packet, &seen.octets).unwrap();
            let time = Duration::from_micros(seen.at.micros());
            writer.write_packet(&PcapPacket::new(time, packet.len() as u32, &packet)).unwrap();
            count += 1;
            provable += usize::from(
                request.is_some_and(|request| Code(request.octets[0]) != Code::STATUS_SERVER),
            );
        }
    }
    (count, provable)
}

/// Whether all its gateways have the secret that tshark is told.
fn speaks_openly(world: &World) -> bool {
    world
        .config
        .server
        .gateways
        .iter()
        .all(|gateway| gateway.secrets.iter().all(|secret| **secret == *b"testing123"))
}

fn is_ours(port: u16) -> bool {
    matches!(port, 1812 | 1813)
}

/// The requests that were answered, and the answers with their requests. What was dropped was wrong
/// on purpose.
fn answered(traffic: &[Seen]) -> impl Iterator<Item = (&Seen, Option<&Seen>)> {
    let answers = |reply: &Seen, request: &Seen| {
        is_ours(reply.from.port())
            && reply.to == request.from
            && reply.from == request.to
            && reply.octets[1] == request.octets[1]
    };
    traffic.iter().filter_map(move |seen| {
        let request = traffic.iter().find(|request| answers(seen, request));
        let is_answered = || traffic.iter().any(|reply| answers(reply, seen));
        (request.is_some() || is_answered()).then_some((seen, request))
    })
}

#[test]
fn tshark_has_no_complaint_about_our_packets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenarios.pcap");
    let (count, provable) = capture(&file);
    assert!(count > 200, "only {count} packets to look at");
    let fields = [
        "radius.code",
        "radius.authenticator.valid",
        "radius.authenticator.invalid",
        "_ws.malformed",
        "_ws.expert.message",
    ];
    let mut arguments = vec![
        "-r",
        file.to_str().unwrap(),
        "-d",
        "udp.port==1813,radius",
        "-d",
        "udp.port==1812,radius",
    ];
    arguments.extend([
        "-o",
        "radius.shared_secret:testing123",
        "-o",
        "radius.validate_authenticator:TRUE",
        "-T",
        "fields",
        "-E",
        "separator=;",
    ]);
    arguments.extend(["-e", "frame.number"]);
    for field in fields {
        arguments.extend(["-e", field]);
    }
    let output = run("tshark", &arguments, "");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), count, "{}", String::from_utf8_lossy(&output.stderr));
    let mut proven = 0;
    for line in text.lines() {
        let [frame, code, valid, invalid, malformed, expert] =
            line.split(';').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let what = format!("frame {frame}, code {code}: {line}");
        assert!(invalid.is_empty() || invalid == "0" || invalid == "False", "{what}");
        proven += usize::from(!matches!(code, "1" | "4" | "12") && matches!(valid, "1" | "True"));
        assert!(malformed.is_empty() && expert.is_empty(), "{what}");
    }
    assert_eq!(proven, provable, "replies that tshark has proven");
}
