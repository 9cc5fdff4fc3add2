//! What the pure machines cost: addresses, sessions, and the map of endpoints.
//!
//! `cargo bench --bench machines`. The last lines tell the memory of an endpoint.
#![allow(missing_docs, reason = "criterion's macros write functions without any")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Duration;

use attachd::aaa::EndpointEntry;
use attachd::address::{Address, AddressBlock};
use attachd::identity::{GatewayId, GroupId, Iccid, Imsi, Msisdn};
use attachd::network::{
    Counters, Cursor, EndpointState, EventTime, Families, LocationInfo, Nas, NetworkState, Outages,
    Report, Reporter, Restarts, SessionLimits, Stamp, Tracker,
};
use attachd::policy::{
    Circumstances, CompiledPolicy, CountryCode, ImeiLock, PolicyAction, PolicyEntry, PolicyTerms,
    RadioClass, Tac, WhenMissing,
};
use attachd::pool::Pool;
use attachd::provisioning::{Endpoint, ProvisioningState, Revision};
use attachd::time::Timestamp;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

criterion_group!(machines, addresses, sessions, tracker, policies);
criterion_main!(machines);

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const HOLD: Duration = Duration::from_secs(60);

/// One address given and another released, in a /10 at three fills: fifty a second, so that 3000
/// are in their hold at any time.
fn addresses(c: &mut Criterion) {
    let mut bench = c.benchmark_group("allocate and release in a /10");
    let owner = Iccid::parse(b"8944500000000000014").unwrap();
    for (name, fill) in [("empty", 0.0), ("half full", 0.5), ("99.9 % full", 0.999)] {
        let mut pool = Pool::new("100.64.0.0/10".parse::<AddressBlock>().unwrap(), &[], HOLD);
        let leases = (pool.counts().free as f64 * fill) as usize;
        let mut given: Vec<Address> =
            (0..leases).map(|_| pool.allocate(owner, START).unwrap()).collect();
        let (mut now, mut next) = (START, 0usize);
        bench.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                now = now + Duration::from_millis(20);
                let ip = pool.allocate(owner, now).unwrap();
                let old = if given.is_empty() {
                    ip
                } else {
                    // A step that shares no divisor with any length visits all in a scattered
                    // order.
                    next = (next + 2_654_435_761) % given.len();
                    std::mem::replace(&mut given[next], ip)
                };
                pool.release(old, owner, now).unwrap();
            });
        });
    }
    bench.finish();
}

/// One verdict of a policy with two thousand operators, a country, and devices.
fn policies(c: &mut Criterion) {
    let mut bench = c.benchmark_group("verdict of a policy of 2000 entries");
    let entry = PolicyEntry::everywhere;
    let mut entries: Vec<PolicyEntry> = (0..1998)
        .map(|number| PolicyEntry {
            operator: format!("3{:02}{:03}", 10 + number % 7, number / 7).parse().ok(),
            radio: vec![RadioClass::FourG],
            tac: vec![Tac::parse("35349006").unwrap()],
            ..entry(PolicyAction::Allow)
        })
        .collect();
    let germany = CountryCode::parse("DE").ok();
    entries.push(PolicyEntry { country: germany, ..entry(PolicyAction::Allow) });
    entries.push(entry(PolicyAction::Reject));
    let policy = CompiledPolicy::new(PolicyTerms {
        allow_2g: true,
        allow_3g: true,
        allow_45g: true,
        when_missing: WhenMissing::Reject,
        imei_lock: ImeiLock::Learn,
        entries: &entries,
    });
    for (name, plmn) in [("operator", "310041"), ("country", "26202"), ("neither", "20801")] {
        let imeisv = "3534900698730012".parse().ok();
        let at = Circumstances { plmn: plmn.parse().ok(), rat: Some(6), imeisv };
        bench.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| black_box(policy.judge(black_box(&at), None)));
        });
    }
    bench.finish();
}

fn report(id: &[u8], event_time: Timestamp) -> Report<'_> {
    Report {
        reporter: Reporter {
            gateway: GatewayId::new(0),
            range: "192.0.2.10/32".parse().unwrap(),
            nas: Nas::new([192, 0, 2, 10].into(), Some([192, 0, 2, 10].into()), None, None),
        },
        iccid: None,
        acct_session_id: id,
        acct_multi_session_id: None,
        apn: Some(b"festival.iot.mnc015.mcc234.gprs"),
        event_time: EventTime::at(event_time),
        stamp: Stamp::Sane,
        families: Families::default(),
        ip: Some(Ipv4Addr::new(100, 64, 0, 9)),
        prefix: None,
        delegated: None,
        is_without_ip: false,
        absent_is_released: false,
        counters: Counters::default(),
        location_info: LocationInfo {
            rat: Some(8),
            location: Some(&[0x82, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
            ..LocationInfo::default()
        },
        session_time_s: None,
        terminate_cause: None,
        last_bearer: false,
        authorisation: Some(7),
    }
}

fn sessions(c: &mut Criterion) {
    let group = Some(GroupId::new(0));
    let limits = SessionLimits {
        stale_after: HOLD,
        detach_after: HOLD,
        ending: HOLD,
        tombstone: HOLD,
        promise: HOLD,
        hold: HOLD,
        outages: &Outages::NONE,
    };
    let restarts = Restarts::default();

    let mut now = START;
    let mut endpoint = EndpointState::new(NetworkState::Detached);
    endpoint.start(&report(b"0A0B0C0D00000001", now), group, now);
    let mut octets = 0u32;
    c.bench_function("interim update", |b| {
        b.iter(|| {
            now = now + Duration::from_secs(10);
            octets = octets.wrapping_add(1_000_000);
            let counters =
                Counters { input: Some(octets), output: Some(octets), ..Counters::default() };
            black_box(endpoint.interim(
                &Report { counters, ..report(b"0A0B0C0D00000001", now) },
                group,
                now,
            ));
        });
    });
    c.bench_function("interim update repeated", |b| {
        b.iter(|| black_box(endpoint.interim(&report(b"0A0B0C0D00000001", now), group, now)));
    });
    c.bench_function("settle with nothing due", |b| {
        b.iter(|| black_box(endpoint.settle(now, &limits, &restarts)));
    });

    let mut endpoint = EndpointState::new(NetworkState::Detached);
    c.bench_function("start and stop, and the tombstone forgotten", |b| {
        b.iter(|| {
            now = now + Duration::from_secs(100);
            endpoint.settle(now, &limits, &restarts);
            endpoint.start(&report(b"0A0B0C0D00000002", now), group, now);
            now = now + Duration::from_secs(1);
            black_box(endpoint.stop(&report(b"0A0B0C0D00000002", now), group, now));
        });
    });
    c.bench_function("start and stop among sixteen tombstones", |b| {
        b.iter(|| {
            now = now + Duration::from_secs(1);
            endpoint.start(&report(b"0A0B0C0D00000003", now), group, now);
            now = now + Duration::from_secs(1);
            black_box(endpoint.stop(&report(b"0A0B0C0D00000003", now), group, now));
        });
    });
}

fn iccid(number: u64) -> Iccid {
    Iccid::parse(format!("8944500{number:012}").as_bytes()).unwrap()
}

fn imsi(number: u64) -> Imsi {
    Imsi::parse(format!("23450{number:010}").as_bytes()).unwrap()
}

fn tracker(c: &mut Criterion) {
    const ENDPOINTS: u64 = 1_000_000;
    let before = resident();
    let tracker: Tracker<EndpointEntry> = Tracker::with_capacity(ENDPOINTS as usize);
    for number in 0..ENDPOINTS {
        tracker.insert(
            iccid(number),
            EndpointEntry {
                endpoint: Endpoint::new(ProvisioningState::Active),
                stamp: Revision::default(),
                state: EndpointState::new(NetworkState::Detached),
            },
        );
        tracker.index_imsi(imsi(number), iccid(number));
        tracker.index_msisdn(
            Msisdn::parse(format!("4477{number:08}").as_bytes()).unwrap(),
            iccid(number),
        );
    }
    let memory = (resident() - before) / ENDPOINTS as usize;

    let order: Vec<u64> =
        (0..65_536u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % ENDPOINTS).collect();
    let (iccids, imsis): (Vec<_>, Vec<_>) =
        order.iter().map(|number| (iccid(*number), imsi(*number))).unzip();
    let mut at = 0;
    let mut bench = c.benchmark_group("a million endpoints");
    bench.bench_function("change by ICCID", |b| {
        b.iter(|| {
            at = (at + 1) % iccids.len();
            black_box(tracker.with(iccids[at], |entry| entry.state.version += 1))
        });
    });
    bench.bench_function("resolve an IMSI", |b| {
        b.iter(|| {
            at = (at + 1) % imsis.len();
            black_box(tracker.resolve_imsi(imsis[at]))
        });
    });
    let mut cursor = Cursor::default();
    bench.bench_function("a thousand visits of a walk", |b| {
        b.iter(|| {
            cursor =
                tracker.walk(cursor, 1000, |_, entry| entry.state.version += 1).unwrap_or_default();
        });
    });
    bench.finish();

    // A place of a table: a key, a word, and an octet that says whether it is taken; and for each
    // entry a block of its own, with the allocator's header, in steps of 16 octets.
    let place = 2 * size_of::<u64>() + 1;
    let block = (size_of::<EndpointEntry>() + size_of::<usize>()).next_multiple_of(16);
    println!(
        "memory: {memory} octets for each of {ENDPOINTS} endpoints, measured, with both indexes"
    );
    println!(
        "memory: {} octets for each of 10000000, computed: a block of {block} octets, and three tables of 2^24 places of {place}",
        block + 3 * place * (1 << 24) / 10_000_000
    );
}

/// Octets in memory, of `/proc/self/statm`; 0 where there is none.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
