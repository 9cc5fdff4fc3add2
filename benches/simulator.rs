//! How many requests a second one thread of the simulator makes, against a responder on loopback that grants everything.
//!
//! Prints one line: `cargo bench --bench simulator`. The responder takes a core of its own; where it is the slower one, so be it: the
//! CPU time of the simulator's thread is printed beside the rate.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use attachd::simulator::driver::{self, Watch};
use attachd::simulator::report::Report;
use attachd::simulator::scenario::{Change, load};
use attachd::simulator::tally::Second;
use attachd::udp::{Inbox, Outbox, Socket};
use attachd::wire::number::{CLASS, FRAMED_IP_ADDRESS};
use attachd::wire::{Code, Datagram, Encoder, Secret};

fn main() {
    let (auth, acct) = (respond(), respond());
    let change = |key: &str, value: String| Change { key: key.to_owned(), value };
    let changes = [
        change("target.auth", format!("[\"{auth}\"]")),
        change("target.acct", format!("[\"{acct}\"]")),
        change("threads", "1".to_owned()),
        change("expect.same_address", "false".to_owned()),
        change("fleet.*.session_s", "0.05".to_owned()),
        change("group.*.subnets", "[]".to_owned()),
        change("phase", "[{ name = \"full\", kind = \"closed\", in_flight = 1500, for_s = 5 }]".to_owned()),
    ];
    let loaded = load("steady", &changes).unwrap_or_else(|error| panic!("{error}"));
    let mut busy = 0.0;
    let mut on_second = |_: &Second| busy = thread_seconds("region-0").unwrap_or(busy);
    let watch = Watch { on_second: &mut on_second, stop: Arc::new(AtomicBool::new(false)), capture: None };
    let outcome = driver::run(&loaded, watch).unwrap_or_else(|error| panic!("{error:?}"));
    let report = Report::new(&loaded, &outcome);
    let each = busy * 1e6 / report.total.answered as f64;
    println!(
        "{:.0} requests/s from one thread; {each:.2} us of its CPU time each, that is {:.0}/s from one core",
        report.rate_s,
        1e6 / each
    );
}

/// A thread that grants every attach and acknowledges every report.
fn respond() -> SocketAddr {
    let socket = Socket::open_all(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1).map(|mut sockets| sockets.remove(0));
    let socket = socket.unwrap_or_else(|error| panic!("{error}"));
    let address = socket.address();
    thread::spawn(move || {
        let secret = Secret::new(b"testing123");
        let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
        loop {
            if inbox.receive(&socket).is_err() {
                thread::yield_now();
                continue;
            }
            for received in inbox.iter() {
                let mut reply = [0; 256];
                if let Some(len) = grant(received.octets, &secret, &mut reply) {
                    outbox.push(received.from, received.to, &reply[..len]);
                }
            }
            outbox.flush(&socket);
        }
    });
    address
}

fn grant(octets: &[u8], secret: &Secret, reply: &mut [u8; 256]) -> Option<usize> {
    let request = Datagram::frame(octets).ok()?;
    let accept = request.code() == Code::ACCESS_REQUEST;
    let code = if accept { Code::ACCESS_ACCEPT } else { Code::ACCOUNTING_RESPONSE };
    let mut encoder = Encoder::new(reply, code, request.identifier());
    if accept {
        encoder.message_authenticator().address(FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 0, 0, 1)).attribute(CLASS, &[7; 16]);
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
            let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
            return Some(ticks / 100.0);
        }
    }
    None
}
