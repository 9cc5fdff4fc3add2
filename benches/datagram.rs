//! What one whole datagram costs without a socket: framing, authenticators, duplicates, decision,
//! record, signed reply - and how often the heap is asked for memory on the way.
#![allow(unsafe_code, reason = "a counting allocator has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use attachd::aaa::{Aaa, AaaSettings, FreedAddress, Note, Recorder};
use attachd::identity::{GroupId, Iccid, Imsi, Moniker};
use attachd::keeping::commit::Records;
use attachd::network::{EndpointState, Restart};
use attachd::provisioning::{
    AddressFamilies, Allocation, Catalog, CatalogObject, Endpoint, Fingerprint, Group, Inventory,
    ProvisioningState, Prune, Revision, Subnet, Vslice,
};
use attachd::radius::gateways::Gateways;
use attachd::radius::pipeline::{Arrival, BatchOutput, Listener, Pipeline, PipelineConfig, Port};
use attachd::radius::{DynamicAuthorization, GatewaySettings, Requirement};
use attachd::time::Timestamp;
use attachd::wire::{Code, Encoder, Secret, number};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, octets: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(octets, layout) }
    }

    unsafe fn realloc(&self, octets: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(octets, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SECRET: &[u8] = b"a secret of 32 octets, as advised";
const BATCH: u64 = 64;

/// Counts records, so that the decision's own work is measured and nothing else.
#[derive(Default)]
struct Tape {
    records: u64,
}

impl Records for Tape {
    fn octets(&self) -> usize {
        self.records as usize
    }
}

impl Recorder for Tape {
    fn endpoint(&mut self, _: Iccid, state: &EndpointState) {
        self.records += state.version & 1;
    }

    fn provisioned(&mut self, _: Iccid, _: Revision, _: Option<&Endpoint>) {}

    fn object(&mut self, _: &CatalogObject) {}

    fn inventory(&mut self, _: Option<Fingerprint>) {}

    fn restart(&mut self, _: &Restart) {}

    fn noted(&mut self, _: &Note) {}

    fn freed(&mut self, _: FreedAddress) {}
}

/// The kinds of datagram that are measured, each as the round of packets it needs.
#[derive(Clone, Copy)]
enum Kind {
    Attach,
    StartAndStop,
    Interim,
    Duplicate,
    Reject,
}

/// A server without sockets, its endpoints, and a clock that stands still within a round.
struct Bench {
    pipeline: Pipeline,
    gateways: Gateways,
    out: BatchOutput<Tape>,
    now: Timestamp,
    packets: Vec<(Port, SocketAddr, Vec<u8>)>,
    next: usize,
    /// Whether a new round must not look like a repetition of the last.
    rounds_are_new: bool,
}

impl Bench {
    fn new(kind: Kind, endpoints: u64) -> Self {
        let now = Timestamp::from_secs(1_800_000_000);
        let aaa = Arc::new(Aaa::new(AaaSettings::default()));
        let adopted = aaa.adopt(fleet(endpoints), Prune::No, now, &mut Tape::default());
        assert!(adopted.is_ok(), "the fleet is valid");
        let gateway = GatewaySettings {
            name: "pgw-01".into(),
            sources: vec!["127.0.0.0/8".parse().expect("a prefix")],
            secrets: vec![SECRET.into()],
            tls_names: Vec::new(),
            require_message_authenticator: Requirement::Auto,
            limit_proxy_state: true,
            absent_is_released: false,
            rate_limit: 0,
            dynamic_authorization: DynamicAuthorization::default(),
        };
        let config = PipelineConfig {
            vendor: 32473,
            vendor_attributes: false,
            reject_delay: Duration::ZERO,
            masks_identities: true,
            duplicate_lifetime: Duration::from_secs(30),
            remembered: (1 << 18, 64 << 20),
        };
        let mut bench = Self {
            pipeline: Pipeline::new(aaa, config),
            gateways: Gateways::new(&[gateway], Vec::new()),
            out: BatchOutput::new(Tape::default()),
            now,
            packets: Vec::new(),
            next: 0,
            rounds_are_new: !matches!(kind, Kind::Duplicate),
        };
        bench.warm_up(kind, endpoints);
        bench
    }

    fn warm_up(&mut self, kind: Kind, endpoints: u64) {
        let secret = Secret::new(SECRET);
        let busy = endpoints.min(20_000);
        let step = (endpoints / busy).max(1);
        for nth in 0..busy {
            let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + (nth / 256) as u16));
            let device = Device { number: nth * step, id: nth as u8, secret: &secret };
            match kind {
                Kind::Attach | Kind::Duplicate => {
                    self.packets.push((Port::Auth, from, device.access_request(false)));
                }
                Kind::Reject => self.packets.push((Port::Auth, from, device.access_request(true))),
                Kind::Interim => self.packets.push((Port::Acct, from, device.accounting(3))),
                Kind::StartAndStop => {
                    self.packets.push((Port::Acct, from, device.accounting(1)));
                    let elsewhere =
                        SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000 + (nth / 256) as u16));
                    self.packets.push((Port::Acct, elsewhere, device.accounting(2)));
                }
            }
        }
        // Until every lease and buffer is there, and every endpoint has as many tombstones as it
        // may have.
        let rounds = if matches!(kind, Kind::StartAndStop) { 20 } else { 2 };
        for _ in 0..rounds * self.packets.len() {
            self.serve();
        }
        self.out.at_once.clear();
    }

    /// Serves the next datagram; every batch, all replies are taken out as sent.
    fn serve(&mut self) {
        let (port, from, octets) = &self.packets[self.next];
        let arrival = Arrival {
            listener: Listener { index: u8::from(*port == Port::Acct), port: *port },
            from: *from,
            to: None,
            octets,
            stream: None,
        };
        self.pipeline.handle(&self.gateways, [arrival], self.now, &mut self.out);
        self.next += 1;
        if self.next.is_multiple_of(BATCH as usize) {
            self.send();
        }
        if self.next == self.packets.len() {
            self.next = 0;
            self.send();
            if self.rounds_are_new {
                self.now = self.now + Duration::from_secs(31);
            }
        }
    }

    fn send(&mut self) {
        for replies in [&mut self.out.at_once, &mut self.out.receipts] {
            for (route, reply) in replies.iter() {
                self.pipeline.sent(route, reply, Duration::from_micros(100));
            }
            replies.clear();
        }
    }
}

/// One SIM as its gateway speaks of it.
struct Device<'s> {
    number: u64,
    id: u8,
    secret: &'s Secret,
}

impl Device<'_> {
    fn access_request(&self, is_unknown: bool) -> Vec<u8> {
        let mut octets = vec![0; 4096];
        let mut encoder = Encoder::new(&mut octets, Code::ACCESS_REQUEST, self.id);
        encoder.message_authenticator();
        self.describe(&mut encoder, if is_unknown { 1 << 40 } else { self.number });
        let mut random = [0; 16];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        let length = encoder.finish_request(self.secret, random).expect("fits");
        octets.truncate(length);
        octets
    }

    fn accounting(&self, status: u32) -> Vec<u8> {
        let mut octets = vec![0; 4096];
        let mut encoder = Encoder::new(&mut octets, Code::ACCOUNTING_REQUEST, self.id);
        encoder.integer(number::ACCT_STATUS_TYPE, status);
        encoder.attribute(
            number::ACCT_SESSION_ID,
            format!("C000020A{:08X}", self.number as u32).as_bytes(),
        );
        self.describe(&mut encoder, self.number);
        if status != 1 {
            encoder
                .integer(number::ACCT_INPUT_OCTETS, 123_456)
                .integer(number::ACCT_OUTPUT_OCTETS, 654_321);
            encoder.integer(number::ACCT_SESSION_TIME, 600);
        }
        let length = encoder.finish_request(self.secret, [0; 16]).expect("fits");
        octets.truncate(length);
        octets
    }

    /// What a packet gateway says in every request: about 250 octets.
    fn describe(&self, encoder: &mut Encoder<'_>, imsi: u64) {
        const TGPP: u32 = 10415;
        let msisdn = format!("4477{:09}", self.number % 1_000_000_000);
        encoder.attribute(number::USER_NAME, msisdn.as_bytes());
        encoder.address(number::NAS_IP_ADDRESS, Ipv4Addr::new(192, 0, 2, 10));
        encoder.attribute(number::NAS_IDENTIFIER, b"pgw1.example");
        encoder
            .integer(number::SERVICE_TYPE, 2)
            .integer(number::FRAMED_PROTOCOL, 7)
            .integer(number::NAS_PORT_TYPE, 18);
        encoder
            .attribute(number::CALLED_STATION_ID, b"iot.example")
            .attribute(number::CALLING_STATION_ID, msisdn.as_bytes());
        for (kind, value) in [
            (1, format!("23450{imsi:010}").as_bytes()),
            (2, &(self.number as u32).to_be_bytes()[..]),
            (5, b"08-4D090003E8000003E8"),
            (6, &[198, 51, 100, 6]),
            (7, &[192, 0, 2, 10]),
            (8, b"234500"),
            (10, b"5"),
            (13, b"0800"),
            (18, b"26201"),
            (20, b"3534900698733190"),
            (21, &[8]),
            (22, &[0x82, 0x62, 0xf2, 0x10, 0x12, 0x34, 0x62, 0xf2, 0x10, 0x01, 0xab, 0xcd, 0xef]),
            (23, &[0x40, 0x00]),
        ] {
            encoder.vendor(TGPP, kind, value);
        }
    }
}

fn fleet(endpoints: u64) -> Inventory {
    let mut catalog = Catalog::default();
    let moniker = |text| Moniker::parse(text).expect("a moniker");
    let vslice = catalog.put_vslice(Vslice {
        moniker: moniker("bench"),
        name: "bench".into(),
        enabled: true,
        dns: Vec::new(),
        subnets: vec![Subnet {
            block: "10.0.0.0/8".parse().expect("a prefix"),
            allocation: Allocation::Static,
            exclude: Vec::new(),
        }],
        event_map: None,
    });
    let group: GroupId = catalog.put_group(Group {
        moniker: moniker("bench"),
        name: "bench".into(),
        vslice,
        enabled: true,
        allocation: Allocation::Static,
        apns: Vec::new(),
        session_timeout_s: 0,
        idle_timeout_s: 0,
        interim_interval_s: 600,
        credentials: None,
        policy: None,
        event_map: None,
        families: AddressFamilies::Ipv4,
        partial_dual_stack: false,
        disconnect: true,
    });
    let endpoint = |number: u64| {
        let iccid = Iccid::parse(format!("8944500{number:012}").as_bytes()).expect("an ICCID");
        let imsi = Imsi::parse(format!("23450{number:010}").as_bytes()).expect("an IMSI");
        (iccid, Endpoint::new(ProvisioningState::Active).in_group(group).with_imsi(imsi))
    };
    Inventory { catalog, endpoints: (0..endpoints).map(endpoint).collect(), ..Inventory::default() }
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Attach, "attach"),
    (Kind::StartAndStop, "start and stop"),
    (Kind::Interim, "interim"),
    (Kind::Duplicate, "duplicate"),
    (Kind::Reject, "reject"),
];

fn whole_datagram(criterion: &mut Criterion) {
    let is_smoke = std::env::args().any(|argument| argument == "--test");
    let fleets: &[u64] = if is_smoke { &[1_000] } else { &[10_000, 1_000_000] };
    let mut group = criterion.benchmark_group("datagram");
    group.throughput(Throughput::Elements(1));
    for &endpoints in fleets {
        for (kind, name) in KINDS {
            let mut bench = Bench::new(kind, endpoints);
            let rounds = 2 * bench.packets.len() as u64;
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..rounds {
                bench.serve();
            }
            let asked = ALLOCATIONS.load(Ordering::Relaxed) - before;
            println!(
                "{name}, {endpoints} endpoints: {:.4} heap allocations a datagram",
                asked as f64 / rounds as f64
            );
            group.bench_function(BenchmarkId::new(name, endpoints), |bencher| {
                bencher.iter(|| bench.serve());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, whole_datagram);
criterion_main!(benches);
