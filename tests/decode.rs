//! `attachd decode` shows every packet or names it, whatever the capture is like.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use etherparse::PacketBuilder;
use flate2::Compression;
use flate2::write::GzEncoder;

const ETHERNET: u32 = 1;
const RAW: u32 = 101;

/// Exit code, standard output and standard error.
type Ran = (i32, String, String);

fn decode(arguments: &[&str], input: &[u8]) -> Ran {
    run(Command::new(env!("CARGO_BIN_EXE_attachd")).arg("decode").args(arguments), input).unwrap()
}

/// `None` if there is no such program.
fn run(command: &mut Command, input: &[u8]) -> Option<Ran> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join().unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Some((output.status.code().unwrap(), text(&output.stdout), text(&output.stderr)))
}

fn freeradius() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/decode/freeradius.pcap")
}

/// An Accounting-Response without attributes.
fn response(identifier: u8) -> Vec<u8> {
    [&[5, identifier, 0, 20][..], &[0xAB; 16]].concat()
}

/// An Access-Request with a User-Name and a Class.
fn request() -> Vec<u8> {
    [&[1, 7, 0, 35][..], &[0xCD; 16], b"\x01\x07alice", b"\x19\x08seldom"].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let builder = PacketBuilder::ipv4([192, 0, 2, 2], [192, 0, 2, 1], 64).udp(port, 40000);
    builder.write(&mut octets, payload).unwrap();
    octets
}

/// A pcap file of these frames, each cut to so many octets.
fn pcap(link: u32, snap_length: usize, frames: &[Vec<u8>]) -> Vec<u8> {
    let words =
        |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = words(&[0xA1B2_C3D4, 0x0004_0002, 0, 0, snap_length as u32, link]);
    for frame in frames {
        let captured = &frame[..frame.len().min(snap_length)];
        file.extend(words(&[1_735_689_600, 0, captured.len() as u32, frame.len() as u32]));
        file.extend(captured);
    }
    file
}

#[test]
fn all_packets_of_a_datagram_that_the_kernel_was_to_part_are_shown() {
    let payload: Vec<u8> = (0..100).flat_map(response).collect();
    let (exit, shown, told) =
        decode(&[], &pcap(RAW, 65_535, &[udp(1813, &payload), udp(1813, &response(100))]));
    assert_eq!((exit, told.as_str()), (0, ""));
    for identifier in 0..=100 {
        assert_eq!(
            shown.matches(&format!("Accounting-Response, identifier {identifier},")).count(),
            1
        );
    }
    // Padding is no packet (RFC 2865 3), and is told.
    let padded = [response(1), vec![0; 7]].concat();
    let (exit, shown, told) = decode(&[], &pcap(RAW, 65_535, &[udp(1813, &padded)]));
    assert_eq!((exit, shown.matches("identifier").count()), (0, 1));
    assert!(told.contains("7 octets after packets"), "{told}");
}

#[test]
fn a_packet_cut_by_the_snap_length_is_shown_as_far_as_it_goes() {
    // Addresses and ports, the header of RADIUS, the first attribute, and a part of the second.
    let file = pcap(RAW, 28 + 20 + 7 + 3, &[udp(1812, &request())]);
    let (exit, shown, told) = decode(&["--secret", "testing123"], &file);
    assert_eq!(exit, 0, "{told}");
    assert!(shown.contains("User-Name = \"alice\"") && !shown.contains("Class"), "{shown}");
    assert!(shown.contains("(cut: 30 of 35 octets were captured; not verified)"), "{shown}");
    assert!(told.contains("1 datagrams were cut"), "{told}");
    let (_, json, _) = decode(&["--json"], &file);
    assert!(json.contains("\"length\":35") && json.contains("\"captured\":30"), "{json}");

    // Where nothing can be shown, it is named.
    for snap_length in [24, 28, 40] {
        let (exit, shown, told) = decode(&[], &pcap(RAW, snap_length, &[udp(1812, &request())]));
        assert_eq!(exit, 1);
        assert!(
            shown.contains("Cut: ") && told.contains("were cut"),
            "{snap_length}: {shown}{told}"
        );
    }
}

#[test]
fn what_is_not_shown_is_named() {
    let mut fragment = udp(1812, &request());
    fragment[6] |= 0x20;
    let vlan =
        [&b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x81\x00\x00\x07\x08\x00"[..], &udp(1812, &request())]
            .concat();
    let fragment = [&b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x00"[..], &fragment].concat();
    let (exit, shown, told) = decode(&[], &pcap(ETHERNET, 65_535, &[vlan, fragment]));
    assert_eq!(exit, 0);
    assert!(shown.contains("192.0.2.1:40000  VLAN 7\nAccess-Request"), "{shown}");
    assert!(
        shown.contains(
            "IP fragment: 192.0.2.2 > 192.0.2.1, 43 octets of a UDP datagram from octet 0 on"
        ),
        "{shown}"
    );
    assert!(told.contains("1 IP fragments not put together"), "{told}");

    let (exit, _, told) = decode(&[], &pcap(105, 65_535, &[udp(1812, &request())]));
    assert_eq!(exit, 1);
    assert!(told.contains("1 frames of link type 105"), "{told}");
}

#[test]
fn a_packed_capture_is_unpacked() {
    let plain = fs::read(freeradius()).unwrap();
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&plain).unwrap();
    let packed = packer.finish().unwrap();
    assert_eq!(decode(&[], &packed), decode(&[], &plain));
    let (exit, _, told) = decode(&[], &packed[..packed.len() / 2]);
    assert_eq!((exit, told.lines().count()), (1, 1), "{told}");
}

#[test]
fn a_hex_dump_is_taken_with_or_without_the_headers_around_the_packet() {
    let dump = |octets: &[u8]| {
        let line = |(at, chunk): (usize, &[u8])| {
            let hex =
                chunk.iter().fold(String::new(), |text, octet| text + &format!("{octet:02x} "));
            format!("\t0x{:04x}:  {hex}\n", at * 16)
        };
        octets.chunks(16).enumerate().map(line).collect::<String>()
    };
    let ethernet =
        [&b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x00"[..], &udp(1812, &request())].concat();
    let text = format!(
        "{}IP a > b\n{}{}",
        dump(&request()),
        dump(&udp(1812, &request())),
        dump(&ethernet)
    );
    let (exit, shown, told) = decode(&[], text.as_bytes());
    assert_eq!((exit, told.as_str()), (0, ""));
    assert_eq!(shown.matches("User-Name = \"alice\"\n    Class").count(), 3, "{shown}");
    let (exit, shown, _) = decode(&[], dump(b"nothing of the kind").as_bytes());
    assert_eq!(exit, 1);
    assert!(shown.contains("19 octets are neither RADIUS"), "{shown}");
}

/// The same packets through the programs that people have; each is left out where it is not
/// installed.
#[test]
fn what_other_programs_write_is_read() {
    let file = freeradius();
    let path = file.to_str().unwrap();
    let (_, expected, _) = decode(&[], &fs::read(&file).unwrap());
    let packets = expected.matches("identifier").count();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();

    for (name, arguments) in [
        ("noted.pcapng", &["-F", "pcapng", "-a", "1:caf\u{e9}"][..]),
        ("nanoseconds.pcap", &["-F", "nsecpcap"]),
        ("cut.pcap", &["-s", "70"]),
    ] {
        let to = place(name);
        if run(Command::new("editcap").args(arguments).args([path, &to]), b"")
            .is_none_or(|(exit, ..)| exit != 0)
        {
            continue;
        }
        let (_, shown, _) = decode(&[], &fs::read(&to).unwrap());
        assert_eq!(shown.matches("identifier").count(), packets, "{name}: {shown}");
        if name != "cut.pcap" {
            assert_eq!(shown, expected, "{name}");
        }
    }
    if let Some((0, dump, _)) = run(Command::new("tshark").args(["-r", path, "-x"]), b"") {
        let (exit, shown, told) = decode(&[], dump.as_bytes());
        assert_eq!((exit, shown.matches("identifier").count()), (0, packets), "{told}\n{dump}");
    }
    if let Some((0, dump, _)) = run(&mut Command::new("xxd"), &request()) {
        assert_eq!(decode(&[], dump.as_bytes()), decode(&[], &request()));
    }
    // text2pcap wants the octets apart.
    if let Some((0, dump, _)) = run(Command::new("xxd").arg("-g1"), &request()) {
        assert_eq!(decode(&[], dump.as_bytes()), decode(&[], &request()));
        let to = place("text2pcap.pcapng");
        let mut text2pcap = Command::new("text2pcap");
        if let Some((0, ..)) = run(text2pcap.args(["-u", "40000,1812", "-", &to]), dump.as_bytes())
        {
            let (exit, shown, _) = decode(&[], &fs::read(&to).unwrap());
            assert_eq!(exit, 0);
            assert!(shown.contains("User-Name = \"alice\""), "{shown}");
        }
    }
}
