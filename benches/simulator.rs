//! How many requests a second one thread of the simulator makes, and how much memory a million
//! endpoints take, against a responder on loopback that grants everything.
//!
//! Prints two lines: `cargo bench --bench simulator`; with `-- --test` a thousand endpoints only
//! prove that it works. The responder takes a core of its own; where it is the slower one, so be
//! it: the CPU time of the simulator's thread is printed beside the rate.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use attachd::simulator::counters::Second;
use attachd::simulator::driver::{self, Watch};
use attachd::simulator::report::RunReport;
use attachd::simulator::scenario::{SettingOverride, load};
use attachd::udp::{Inbox, Outbox, Socket};
use attachd::wire::number::{CLASS, FRAMED_IP_ADDRESS};
use attachd::wire::{Code, Datagram, Encoder, Secret};

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (half, seconds) = if is_test { ("500", 1) } else { ("500000", 5) };
    let servers = (respond(), respond());
    // Everyone attaches and stays, each with an address that the referee remembers.
    let changes = [
        ("fleet.*.count", half),
        ("fleet.*.session_s", "86400"),
        ("group.*.subnets", "[\"10.0.0.0/8\"]"),
        ("tolerance_ms", "60000"),
        (
            "phase",
            "[{ name = \"everyone\", kind = \"storm\", share = 1.0, over_s = 0, for_s = 120 }]",
        ),
    ];
    let before = resident_megabytes();
    let (report, _) = run(servers, &changes);
    println!(
        "{} of {} endpoints attached at once: {:.0} MB at most",
        report.attaches,
        report.endpoints,
        resident_megabytes() - before
    );
    let phase =
        format!("[{{ name = \"full\", kind = \"closed\", in_flight = 1500, for_s = {seconds} }}]");
    let changes = [
        ("expect.same_address", "false"),
        ("fleet.*.session_s", "0.05"),
        ("group.*.subnets", "[]"),
        ("phase", phase.as_str()),
    ];
    let (report, busy) = run(servers, &changes);
    let each = busy * 1e6 / report.total.answered as f64;
    println!(
        "{:.0} requests/s from one thread; {each:.2} us of its CPU time each, that is {:.0}/s from one core",
        report.rate_s,
        1e6 / each
    );
}

/// A run of `steady` with changes, and the CPU seconds of its one thread.
fn run((auth, acct): (SocketAddr, SocketAddr), changes: &[(&str, &str)]) -> (RunReport, f64) {
    let change =
        |key: &str, value: &str| SettingOverride { key: key.to_owned(), value: value.to_owned() };
    let targets = [
        ("target.auth", format!("[\"{auth}\"]")),
        ("target.acct", format!("[\"{acct}\"]")),
        ("threads", "1".to_owned()),
    ];
    let targets = targets.iter().map(|(key, value)| change(key, value));
    let changes: Vec<SettingOverride> =
        targets.chain(changes.iter().map(|(key, value)| change(key, value))).collect();
    let loaded = load("steady", &changes).unwrap_or_else(|error| panic!("{error}"));
    let mut busy = 0.0;
    let mut on_second = |_: &Second| busy = thread_seconds("region-0").unwrap_or(busy);
    let watch =
        Watch { on_second: &mut on_second, stop: Arc::new(AtomicBool::new(false)), capture: None };
    let outcome = driver::run(&loaded, watch).unwrap_or_else(|error| panic!("{error:?}"));
    (RunReport::new(&loaded, &outcome), busy)
}

/// A thread that grants every attach and acknowledges every report.
fn respond() -> SocketAddr {
    let socket = Socket::open_all(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1)
        .map(|mut sockets| sockets.remove(0));
    let socket = socket.unwrap_or_else(|error| panic!("{error}"));
    let address = socket.address();
    thread::spawn(move || {
        let secret = Secret::new(b"testing123");
        let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
        let mut address = u32::from(Ipv4Addr::new(10, 0, 0, 0));
        loop {
            if inbox.receive(&socket).is_err() {
                thread::yield_now();
                continue;
            }
            for received in inbox.iter() {
                let mut reply = [0; 256];
                address += 1;
                if let Some(len) = grant(received.octets, &secret, address.into(), &mut reply) {
                    outbox.push(received.from, received.to, &reply[..len]);
                }
            }
            outbox.flush(&socket);
        }
    });
    address
}

fn grant(
    octets: &[u8],
    secret: &Secret,
    address: Ipv4Addr,
    reply: &mut [u8; 256],
) -> Option<usize> {
    let request = Datagram::frame(octets).ok()?;
    let accept = request.code() == Code::ACCESS_REQUEST;
    let code = if accept { Code::ACCESS_ACCEPT } else { Code::ACCOUNTING_RESPONSE };
    let mut encoder = Encoder::new(reply, code, request.identifier());
    if accept {
        encoder
            .message_authenticator()
            .address(FRAMED_IP_ADDRESS, address)
            .attribute(CLASS, &[7; 16]);
    }
    encoder.finish_reply(secret, request.authenticator()).ok()
}

/// The CPU time of one of our threads, as Linux counts it in hundredths.
fn thread_seconds(name: &str) -> Option<f64> {
    for task in fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path();
        if fs::read_to_string(path.join("comm")).ok()?.trim() == name {
            let stat = fs::read_to_string(path.join("stat")).ok()?;
            let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
            let ticks: f64 =
                fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
            return Some(ticks / 100.0);
        }
    }
    None
}

/// The most memory that this process has had so far, as Linux counts it.
fn resident_megabytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    most.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}
