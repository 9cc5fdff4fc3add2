//! The journal as the server uses it, with its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::faulty::FaultyDisk;
use super::owner::{KIND, State, keep, on};
use crate::journal::format::header::CLEAN_END;
use crate::journal::{
    Admission, FramedRecord, Journal, JournalHealth, JournalOptions, ManualJournal, OnDamage,
    RecoveryReport, SnapshotError, Submitter, SyncMode, Ticket,
};
use crate::time::Timestamp;

const SOON: Duration = Duration::from_secs(30);

fn open(disk: &FaultyDisk, options: JournalOptions) -> (Journal, RecoveryReport, State) {
    let mut state = State::new();
    let mut applier = |entry: FramedRecord<'_>| {
        keep(&mut state, entry);
        Ok(())
    };
    let (journal, recovered) =
        Journal::open_on(&on(disk), options, OnDamage::Refuse, std::slice::from_mut(&mut applier))
            .unwrap();
    (journal, recovered, state)
}

fn put(submitter: &mut Submitter, key: u64, version: u64, payload: &[u8]) -> Ticket {
    let mut batch = submitter.batch();
    batch.put(KIND, key, version, |buffer| buffer.extend_from_slice(payload)).unwrap();
    submitter.submit(batch)
}

fn asleep() -> crate::journal::Wake {
    Arc::new(|| {})
}

#[test]
fn a_ticket_becomes_durable_and_its_submitter_is_woken() {
    let disk = FaultyDisk::new(1);
    for sync in [SyncMode::Commit, SyncMode::Interval(Duration::from_millis(5))] {
        let (journal, ..) = open(&disk, JournalOptions { sync, ..JournalOptions::default() });
        let wakes = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&wakes);
        let mut submitter = journal.submitter(Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        let first = put(&mut submitter, 1, 1, b"one");
        assert!(submitter.wait(first, SOON));
        let second = put(&mut submitter, 1, 2, b"two");
        assert!(
            submitter.wait(second, SOON)
                && submitter.durable() == second
                && submitter.last() == second
        );
        let nothing = submitter.submit(submitter.batch());
        assert!(submitter.wait(nothing, SOON), "an empty batch is as good");
        journal.close().unwrap();
        assert!(wakes.load(Ordering::SeqCst) >= 2);
    }
    disk.crash();
    let (journal, recovered, state) = open(&disk, JournalOptions::default());
    assert_eq!(state[&1], (2, b"two".to_vec()));
    assert_eq!((recovered.records(), recovered.cut), (4, None));
    assert!(journal.figures().octets > 0);
}

#[test]
fn a_disk_that_comes_back_gets_everything_without_a_restart() {
    let disk = FaultyDisk::new(2);
    let (journal, ..) = open(&disk, JournalOptions::default());
    let mut submitter = journal.submitter(asleep());
    disk.set_full(true);
    let waiting = put(&mut submitter, 1, 1, b"one");
    while submitter.admission() != Admission::Failing {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(submitter.durable() < waiting);
    let JournalHealth::Failing(failure) = journal.health() else { panic!("it is failing") };
    assert!(failure.to_string().starts_with("the journal cannot write since 2"), "{failure}");
    assert!(!journal.snapshot_is_due());
    assert!(matches!(journal.begin_snapshot(), Err(SnapshotError::Failing(_))));

    disk.set_full(false);
    assert!(submitter.wait(waiting, SOON));
    assert_eq!((journal.health(), submitter.admission()), (JournalHealth::Good, Admission::Open));
    assert!(journal.figures().failures > 0);
    drop(journal);
    disk.crash();
    assert_eq!(open(&disk, JournalOptions::default()).2[&1], (1, b"one".to_vec()));
}

#[test]
fn a_full_backlog_says_so_before_state_is_changed() {
    let disk = FaultyDisk::new(3);
    let (journal, ..) = open(
        &disk,
        JournalOptions {
            backlog: 100,
            gather: Duration::from_secs(60),
            ..JournalOptions::default()
        },
    );
    let mut submitter = journal.submitter(asleep());
    // Under load the next commit waits for company; here, longer than the test.
    let mut batch = submitter.batch();
    (0..64).for_each(|key| batch.put(KIND, key, 1, |_| {}).unwrap());
    let ticket = submitter.submit(batch);
    assert!(submitter.wait(ticket, SOON));
    put(&mut submitter, 1, 2, &[0; 200]);
    assert_eq!(submitter.admission(), Admission::Overloaded);
    journal.close().unwrap();
    assert_eq!(submitter.admission(), Admission::Open);
}

#[test]
fn a_snapshot_takes_the_place_of_what_was_before() {
    let disk = FaultyDisk::new(4);
    let options =
        JournalOptions { segment_size: 2048, snapshot_least: 4096, ..JournalOptions::default() };
    let (journal, ..) = open(&disk, options.clone());
    let mut submitter = journal.submitter(asleep());
    assert!(!journal.snapshot_is_due());
    for version in 1..=100 {
        let ticket = put(&mut submitter, 1, version, &[7; 100]);
        assert!(submitter.wait(ticket, SOON));
    }
    assert!(journal.snapshot_is_due() && journal.figures().octets > 10_000);

    let mut writer = journal.begin_snapshot().unwrap();
    assert!(matches!(journal.begin_snapshot(), Err(SnapshotError::Busy)));
    writer.put(KIND, 1, 100, |buffer| buffer.extend_from_slice(&[7; 100])).unwrap();
    let during = put(&mut submitter, 2, 1, b"meanwhile");
    assert!(submitter.wait(during, SOON));
    let report = writer.finish().unwrap();
    assert_eq!(report.records, 1);
    assert!(!journal.snapshot_is_due() && journal.figures().octets < 1000);
    journal.close().unwrap();

    let names: Vec<_> = disk.image().into_keys().collect();
    assert_eq!(
        names,
        [
            CLEAN_END.to_owned(),
            format!("segment-{:012}", report.number),
            format!("snapshot-{:012}", report.number)
        ]
    );
    let (_, _, state) = open(&disk, options);
    assert_eq!(
        state.into_iter().collect::<Vec<_>>(),
        [(1, (100, vec![7; 100])), (2, (1, b"meanwhile".to_vec()))]
    );
}

#[test]
fn a_snapshot_that_is_dropped_leaves_nothing() {
    let disk = FaultyDisk::new(5);
    let (journal, ..) = open(&disk, JournalOptions::default());
    let mut writer = journal.begin_snapshot().unwrap();
    writer.put(KIND, 1, 1, |_| {}).unwrap();
    writer.settle().unwrap();
    drop(writer);
    journal.begin_snapshot().unwrap();
    assert!(disk.image().into_keys().all(|name| name.starts_with("segment")));
}

#[test]
fn a_start_that_comes_to_nothing_leaves_no_segment() {
    let disk = FaultyDisk::new(7);
    let (journal, ..) = open(&disk, JournalOptions::default());
    put(&mut journal.submitter(asleep()), 1, 1, b"one");
    journal.close().unwrap();
    for _ in 0..3 {
        drop(open(&disk, JournalOptions::default()));
    }
    let names: Vec<_> = disk.image().into_keys().collect();
    assert_eq!(names, [CLEAN_END, "segment-000000000001", "segment-000000000004"]);
    disk.crash();
    assert_eq!(open(&disk, JournalOptions::default()).2[&1], (1, b"one".to_vec()));
}

#[test]
fn in_memory_every_ticket_is_complete_at_once() {
    let journal = Journal::in_memory();
    let mut submitter = journal.submitter(asleep());
    let ticket = put(&mut submitter, 1, 1, b"one");
    assert_eq!(submitter.durable(), ticket);
    assert_eq!(journal.figures().records, 1);
    assert!(matches!(journal.begin_snapshot(), Err(SnapshotError::NotKept)));
}

#[test]
fn several_appliers_share_the_records() {
    let disk = FaultyDisk::new(6);
    let (journal, ..) =
        open(&disk, JournalOptions { segment_size: 4096, ..JournalOptions::default() });
    let mut submitter = journal.submitter(asleep());
    for key in 0..500 {
        put(&mut submitter, key, 1, &[1; 50]);
    }
    journal.close().unwrap();
    let counts = [AtomicU32::new(0), AtomicU32::new(0)];
    let mut appliers = counts.each_ref().map(|count| {
        move |_: FramedRecord<'_>| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    });
    Journal::open_on(&on(&disk), JournalOptions::default(), OnDamage::Refuse, &mut appliers)
        .unwrap();
    assert_eq!(counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u32>(), 500);
}

#[test]
fn by_hand_everything_happens_in_the_rounds() {
    let disk = FaultyDisk::new(9);
    let open = || {
        let mut state = State::new();
        let mut applier = |entry: FramedRecord<'_>| {
            keep(&mut state, entry);
            Ok(())
        };
        let options = JournalOptions { snapshot_rate: u64::MAX, ..JournalOptions::default() };
        let opened = Journal::open_manual(
            &on(&disk),
            options,
            OnDamage::Refuse,
            std::slice::from_mut(&mut applier),
        );
        let (journal, manual, _) = opened.unwrap();
        (journal, manual, state)
    };
    let at = |millis| (Duration::from_millis(millis), Timestamp::from_secs(1_700_000_000));
    let round = |manual: &mut ManualJournal, (running, wall)| manual.round(running, wall);

    let (journal, mut manual, _) = open();
    let mut submitter = journal.submitter(asleep());
    let first = put(&mut submitter, 1, 1, b"one");
    assert!(submitter.durable() < first);
    assert_eq!(round(&mut manual, at(1)), None);
    assert_eq!(submitter.durable(), first);

    disk.set_full(true);
    let second = put(&mut submitter, 2, 1, b"two");
    let again = round(&mut manual, at(2)).unwrap();
    assert_eq!((submitter.admission(), again > at(2).0), (Admission::Failing, true));
    disk.set_full(false);
    assert_eq!(round(&mut manual, at(3)), Some(again), "too early");
    let (running, wall) = at(4);
    let mut snapshot = manual.begin_snapshot(&journal, running, wall).unwrap();
    assert_eq!(submitter.durable(), second, "the rest is over for who begins a snapshot");
    snapshot.put(KIND, 1, 1, |buffer| buffer.extend_from_slice(b"one")).unwrap();
    snapshot.put(KIND, 2, 1, |buffer| buffer.extend_from_slice(b"two")).unwrap();
    snapshot.finish().unwrap();

    let third = put(&mut submitter, 3, 1, b"three");
    drop((manual, journal));
    disk.crash();
    assert!(submitter.durable() < third);
    let (journal, manual, state) = open();
    assert_eq!(
        state.keys().copied().collect::<Vec<_>>(),
        [1, 2],
        "what no round had written is lost"
    );
    put(&mut journal.submitter(asleep()), 4, 1, b"four");
    manual.finish(running, wall);
    journal.close().unwrap();
    disk.crash();
    assert!(open().2.contains_key(&4));
}
