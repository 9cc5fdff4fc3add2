//! What durability costs: records a second with a commit before the receipt against a journal that
//! forgets; the wait of a lone record and of records beside a snapshot; recovery; size.
//!
//! `cargo bench --bench journal` measures in a folder beside the target (set TMPDIR for another
//! disk); with a part's name behind `--` only that part; with `-- --test`, or under `cargo test
//! --benches`, a few records only prove that it works.
#![allow(clippy::disallowed_methods, reason = "a benchmark is a shell: it reads the clock")]

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attachd::identity::{GatewayId, GroupId, Iccid, Imeisv, Plmn, VsliceId};
use attachd::journal::{Batch, FramedRecord, Journal, JournalOptions, OnDamage, Submitter, Wake};
use attachd::network::{
    Bearer, EndpointState, EventTime, Lease, LeaseKind, LeasePhase, LocationInfo, Nas,
    NetworkState, Session, Status, Tracker,
};
use attachd::record::{Record, RecordSink};
use attachd::time::Timestamp;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let is_test = has("--test") || !has("--bench");
    let (rounds, records) = if is_test { (20, 1_000) } else { (3_000, 1_000_000) };

    let mut batch = Batch::default();
    batch.put_endpoint(iccid(0), &state(0))?;
    println!("a record of one session: {} octets", batch.octets().len());

    // A word among the arguments chooses one part.
    let parts = ["throughput", "lone", "snapshot", "recovery"];
    let wants = |part: &str| has(part) || !parts.iter().any(|part| has(part));
    if wants("throughput") {
        throughput(rounds)?;
    }
    if wants("lone") {
        lone_record(rounds)?;
    }
    if wants("snapshot") {
        snapshot_beside_traffic(if is_test { 1_000 } else { 1_000_000 }, rounds)?;
    }
    if wants("recovery") {
        recovery(records)?;
    }
    Ok(())
}

/// Records a second and CPU for each, for batch sizes and numbers of submitters.
fn throughput(rounds: usize) -> Result<(), Box<dyn Error>> {
    println!(
        "\nrecords a batch  submitters |  in memory      commit   ratio | CPU in memory  commit (us a record)  records a commit"
    );
    for (size, submitters) in [(1, 1), (8, 1), (64, 1), (64, 2), (256, 1)] {
        let rounds = (rounds * 64 / size).min(rounds * 8).max(20);
        let memory = flood(&Journal::in_memory(), size, submitters, rounds);
        let folder = scratch()?;
        let (journal, _) = open(folder.path(), JournalOptions::default())?;
        let commit = flood(&journal, size, submitters, rounds);
        let commits = journal.figures().commits.max(1);
        journal.close()?;
        let total = (size * submitters * rounds) as f64;
        println!(
            "{size:>15}  {submitters:>10} | {:>10.0}  {:>10.0}  {:>6.2} | {:>13.2}  {:>6.2}  {:>29.0}",
            total / memory.seconds,
            total / commit.seconds,
            memory.seconds / commit.seconds,
            memory.cpu_us / total,
            commit.cpu_us / total,
            total / commits as f64,
        );
    }
    Ok(())
}

struct Spent {
    seconds: f64,
    cpu_us: f64,
}

/// Every submitter makes records as a worker does, and has at most 32 batches in flight.
fn flood(journal: &Journal, size: usize, submitters: usize, rounds: usize) -> Spent {
    const IN_FLIGHT: usize = 32;
    let (began, cpu) = (Instant::now(), cpu_us());
    thread::scope(|scope| {
        for worker in 0..submitters {
            let mut submitter = journal.submitter(no_wake());
            scope.spawn(move || {
                let mut in_flight = VecDeque::new();
                for round in 0..rounds {
                    in_flight.push_back(submit(&mut submitter, worker * rounds + round, size));
                    if in_flight.len() >= IN_FLIGHT
                        && let Some(oldest) = in_flight.pop_front()
                    {
                        assert!(submitter.wait(oldest, Duration::from_secs(10)));
                    }
                }
                assert!(submitter.wait(submitter.last(), Duration::from_secs(10)));
            });
        }
    });
    Spent { seconds: began.elapsed().as_secs_f64(), cpu_us: cpu_us() - cpu }
}

/// From submission to receipt when nobody else is there, against the bare system calls.
fn lone_record(rounds: usize) -> Result<(), Box<dyn Error>> {
    let folder = scratch()?;
    let mut file = File::create(folder.path().join("bare"))?;
    let bare = percentiles((0..rounds.min(2_000)).map(|_| {
        let began = Instant::now();
        file.write_all(&[7; 200]).and_then(|()| file.sync_data()).map(|()| began.elapsed())
    }));
    let (journal, _) = open(folder.path(), JournalOptions::default())?;
    let mut submitter = journal.submitter(no_wake());
    let lone =
        percentiles((0..rounds.min(2_000)).map(|round| Ok(wait_for_one(&mut submitter, round))));
    println!(
        "\na lone record, us (p50, p99): bare write and fdatasync {:?}, journal {:?}",
        bare?, lone?
    );
    Ok(journal.close()?)
}

/// What a snapshot does to the wait of records that are submitted meanwhile.
fn snapshot_beside_traffic(endpoints: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let folder = scratch()?;
    let (journal, _) = open(folder.path(), JournalOptions::default())?;
    let stop = AtomicBool::new(false);
    let alone = traffic(&journal, &AtomicBool::new(false), rounds);
    let (beside, report) = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        let waits = scope.spawn(|| traffic(&journal, &stop, usize::MAX));
        let began = Instant::now();
        let mut writer = journal.begin_snapshot()?;
        for slice in 0..endpoints.div_ceil(1_000) {
            for endpoint in slice * 1_000..(slice + 1) * 1_000 {
                writer.put_endpoint(iccid(endpoint), &state(endpoint))?;
            }
            writer.settle()?;
        }
        let report = (writer.finish()?, began.elapsed());
        stop.store(true, Ordering::Relaxed);
        Ok((waits.join().map_err(|_| "the traffic failed")?, report))
    })?;
    println!(
        "\n64 records at a time, us (p50, p99): {alone:?}, beside a snapshot of {} records in {:.2} s: {beside:?}",
        report.0.records,
        report.1.as_secs_f64()
    );
    Ok(journal.close()?)
}

fn traffic(journal: &Journal, stop: &AtomicBool, rounds: usize) -> (u128, u128) {
    let mut submitter = journal.submitter(no_wake());
    let waits = (0..rounds).take_while(|_| !stop.load(Ordering::Relaxed)).map(|round| {
        thread::sleep(Duration::from_micros(300));
        let began = Instant::now();
        let ticket = submit(&mut submitter, round, 64);
        assert!(submitter.wait(ticket, Duration::from_secs(10)));
        Ok(began.elapsed())
    });
    percentiles(waits).unwrap_or_default()
}

/// From segments, and from a snapshot; checked only, decoded, and into the tracker by two threads.
fn recovery(records: usize) -> Result<(), Box<dyn Error>> {
    let folder = scratch()?;
    let (journal, _) =
        open(folder.path(), JournalOptions { backlog: usize::MAX, ..JournalOptions::default() })?;
    let mut submitter = journal.submitter(no_wake());
    for round in 0..records.div_ceil(1_000) {
        let ticket = submit(&mut submitter, round, 1_000);
        assert!(submitter.wait(ticket, Duration::from_secs(10)));
    }
    journal.close()?;
    println!();
    let checked = |entry: FramedRecord<'_>| {
        (!entry.payload.is_empty()).then_some(()).ok_or(attachd::journal::Unreadable("empty"))
    };
    recover("checked", folder.path(), &mut [checked])?;
    let decoded = |entry: FramedRecord<'_>| Record::read(&entry).map(drop);
    recover("decoded by one thread", folder.path(), &mut [decoded])?;
    recover("decoded by two threads", folder.path(), &mut [decoded, decoded])?;
    let tracker = Tracker::with_capacity(records);
    let keep = |entry: FramedRecord<'_>| {
        if let Record::Endpoint { iccid, state } = Record::read(&entry)? {
            tracker.insert(iccid, state);
        }
        Ok(())
    };
    recover("into the tracker by two threads", folder.path(), &mut [keep, keep])?;
    Ok(())
}

fn recover<A: attachd::journal::Apply>(
    what: &str,
    folder: &Path,
    appliers: &mut [A],
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let (journal, recovered) =
        Journal::open(folder, JournalOptions::default(), OnDamage::Refuse, appliers)?;
    let seconds = began.elapsed().as_secs_f64();
    let (records, megabytes) = (recovered.records(), recovered.octets() as f64 / 1e6);
    println!("recovery of {records} records ({megabytes:.0} MB), {what}: {seconds:.2} s");
    Ok(journal.close()?)
}

fn open(
    folder: &Path,
    options: JournalOptions,
) -> Result<(Journal, attachd::journal::RecoveryReport), attachd::journal::OpenError> {
    Journal::open(folder, options, OnDamage::Refuse, &mut [|_: FramedRecord<'_>| Ok(())])
}

/// Not in /tmp, which may be memory.
fn scratch() -> std::io::Result<tempfile::TempDir> {
    std::env::var_os("TMPDIR")
        .map_or_else(|| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")), |_| tempfile::tempdir())
}

fn no_wake() -> Wake {
    Arc::new(|| {})
}

fn submit(submitter: &mut Submitter, round: usize, size: usize) -> attachd::journal::Ticket {
    let mut batch = submitter.batch();
    for record in 0..size {
        let number = round * size + record;
        // Never too large.
        let _ = batch.put_endpoint(iccid(number), &state(number));
    }
    submitter.submit(batch)
}

fn wait_for_one(submitter: &mut Submitter, round: usize) -> Duration {
    let began = Instant::now();
    let ticket = submit(submitter, round, 1);
    assert!(submitter.wait(ticket, Duration::from_secs(10)));
    began.elapsed()
}

fn percentiles(
    waits: impl Iterator<Item = std::io::Result<Duration>>,
) -> std::io::Result<(u128, u128)> {
    let mut waits =
        waits.map(|wait| wait.map(|wait| wait.as_micros())).collect::<Result<Vec<_>, _>>()?;
    waits.sort_unstable();
    let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}

/// CPU time of this process so far, in steps of 10 ms.
fn cpu_us() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = |field: usize| {
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(field)?.parse::<f64>().ok())
    };
    (ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) * 10_000.0
}

fn iccid(number: usize) -> Iccid {
    // The smallest ICCID of 19 digits, and so many further.
    let first = 10u64.pow(17);
    Iccid::from_raw(first + 44_500_000_000_000_000 + number as u64)
        .unwrap_or_else(|| unreachable!("17 digits after 89"))
}

/// What a packet gateway reports: everything 3GPP has, one bearer, one static address.
fn state(number: usize) -> EndpointState {
    let now = Timestamp::from_secs(1_790_000_000 + number as u64);
    let ip = Ipv4Addr::from(0x6440_0000 + number as u32);
    let bearer = Bearer {
        acct_session_id: compact_str::format_compact!("C0A8010A{number:08X}"),
        input: 123_456_789,
        output: 1_234_567_890,
        event_time: now,
        status: Status::Interim,
    };
    let nas = Nas::new([192, 168, 1, 10].into(), Some([192, 168, 1, 10].into()), None, None);
    let began = EventTime::at(Timestamp::from_secs(now.secs() - 86_400));
    let mut session = Session::new(GatewayId::new(3), &nas, bearer, began, now);
    session.group = Some(GroupId::new(12));
    session.ip = Some(ip);
    session.authorisation = NonZeroU64::new(0xfeed_f00d_dead_beef);
    session.set_apn("festival.iot");
    session.move_to(&LocationInfo {
        rat: Some(6),
        plmn: Plmn::parse(b"23415").ok(),
        serving_node: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        location: Some(&[
            0x82, 0x32, 0xf4, 0x51, 0x10, 0x92, 0x32, 0xf4, 0x51, 0x00, 0x01, 0x02, 0x03,
        ]),
        imeisv: Imeisv::parse(b"3512340012345678").ok(),
        time_zone: Some([0x40, 1]),
        charging_id: Some(number as u32),
    });
    let lease = Lease {
        group: GroupId::new(12),
        vslice: VsliceId::new(2),
        ip: ip.into(),
        kind: LeaseKind::Static,
        phase: LeasePhase::InUse,
    };
    let (sessions, leases) = ([session].into_iter().collect(), [lease].into_iter().collect());
    let base = EndpointState::new(NetworkState::Active);
    EndpointState { last_activity: now, version: 1_789, sessions, leases, ..base }
}
