//! Readers of the committed tail: each durable record once and in order, across rotation, snapshots,
//! failures and power cuts; and what is told when one is too slow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::faulty::{Faults, FaultyDisk};
use super::owner::{KIND, SEGMENT, TestOwner, on};
use crate::journal::{
    FramedRecord, Journal, JournalOptions, JournalPosition, OnDamage, Submitter, SyncMode, Tail,
    TailStart, TailStep, Unreadable,
};

/// Key and version to the payload that was last written so.
type History = BTreeMap<(u64, u64), Vec<u8>>;

/// What a reader keeps, together with its position.
#[derive(Clone, Debug, Default)]
struct Kept {
    position: JournalPosition,
    read: History,
}

/// A reader whose own data is durable only when it passes.
struct TestReader {
    tail: Tail,
    now: Kept,
    durable: Kept,
}

impl TestReader {
    fn begin(owner: &TestOwner, durable: Kept) -> Self {
        let mut tail = owner.tail(TailStart::At(durable.position));
        tail.pass(durable.position);
        Self { tail, now: durable.clone(), durable }
    }

    fn read(&mut self, octets: u64) -> TailStep {
        let read = &mut self.now.read;
        let step = self.tail.read(octets, |record| {
            let twice = read.insert((record.key, record.version), record.payload.to_vec());
            assert_eq!(twice, None, "key {} version {} twice", record.key, record.version);
        });
        let step = step.unwrap();
        assert!(!matches!(step, TailStep::Gap { .. }), "{step:?}");
        self.now.position = self.tail.position();
        step
    }

    fn read_all(&mut self) {
        while self.read(u64::MAX) != TailStep::UpToDate {}
    }

    fn pass(&mut self) {
        self.durable = self.now.clone();
        self.tail.pass(self.durable.position);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Change { worker: usize, key: u64, size: usize },
    Submit { worker: usize },
    Round { millis: u64 },
    Snapshot,
    Read { octets: u64 },
    Pass,
    Faults { write: u32, sync: u32, name: u32 },
    Crash,
    Restart,
    Stop,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        40 => (0..3usize, 0..24u64, 0..700usize)
            .prop_map(|(worker, key, size)| Act::Change { worker, key, size }),
        20 => (0..3usize).prop_map(|worker| Act::Submit { worker }),
        20 => (0..40u64).prop_map(|millis| Act::Round { millis }),
        10 => Just(Act::Snapshot),
        10 => (1..3000u64).prop_map(|octets| Act::Read { octets }),
        6 => Just(Act::Pass),
        3 => (0..300u32, 0..300u32, 0..300u32)
            .prop_map(|(write, sync, name)| Act::Faults { write, sync, name }),
        2 => Just(Act::Crash),
        2 => Just(Act::Restart),
        1 => Just(Act::Stop),
    ]
}

fn run(seed: u64, acts: &[Act]) {
    let disk = FaultyDisk::new(seed);
    let mut history = History::new();
    let (mut owner, _) = TestOwner::start(&disk, SyncMode::Commit).unwrap();
    let beginning = Kept { position: owner.tail(TailStart::End).position(), ..Kept::default() };
    let mut reader = TestReader::begin(&owner, beginning);
    for (step, act) in acts.iter().enumerate() {
        match act {
            Act::Change { worker, key, size } => {
                let payload = vec![step as u8; *size];
                owner.change(*worker, *key, &payload);
                history.insert((*key, owner.state[key].0), payload);
            }
            Act::Submit { worker } => owner.submit(*worker),
            Act::Round { millis } => _ = owner.round(Duration::from_millis(*millis)),
            Act::Snapshot => owner.advance_snapshot(),
            Act::Read { octets } => _ = reader.read(*octets),
            Act::Pass => reader.pass(),
            Act::Faults { write, sync, name } => disk.set_faults(Faults {
                short_write: 500,
                write_error: *write,
                sync_error: *sync,
                name_error: *name,
            }),
            Act::Crash | Act::Restart | Act::Stop => {
                let kept = reader.durable.clone();
                let acknowledged = owner.acknowledged.clone();
                drop(reader);
                disk.set_faults(Faults::default());
                if matches!(act, Act::Stop) {
                    owner.stop();
                } else {
                    drop(owner);
                }
                if matches!(act, Act::Crash) {
                    disk.crash();
                }
                (owner, _) = TestOwner::start(&disk, SyncMode::Commit).unwrap();
                reader = TestReader::begin(&owner, kept);
                reader.read_all();
                expect(&reader, &acknowledged, &history);
                owner.acknowledged = acknowledged;
            }
        }
    }
    disk.set_faults(Faults::default());
    (0..3).for_each(|worker| owner.submit(worker));
    owner.round(Duration::from_secs(60));
    reader.read_all();
    expect(&reader, &owner.acknowledged, &history);
}

/// All that was acknowledged has been read, as it was written.
fn expect(reader: &TestReader, acknowledged: &BTreeMap<u64, u64>, history: &History) {
    for (key, version) in acknowledged {
        assert!(reader.now.read.contains_key(&(*key, *version)), "key {key} version {version}");
    }
    for (id, payload) in &reader.now.read {
        assert_eq!(history.get(id), Some(payload), "{id:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_durable_record_is_read_once(seed: u64, acts in prop::collection::vec(act(), 1..250)) {
        run(seed, &acts);
    }
}

fn open(disk: &FaultyDisk, tail_limit: u64) -> Journal {
    let options = JournalOptions {
        segment_size: SEGMENT,
        snapshot_rate: u64::MAX,
        tail_limit,
        ..JournalOptions::default()
    };
    let mut ignored = |_: FramedRecord<'_>| Ok::<(), Unreadable>(());
    Journal::open_on(&on(disk), options, OnDamage::Refuse, std::slice::from_mut(&mut ignored))
        .unwrap()
        .0
}

fn put(submitter: &mut Submitter, key: u64) {
    let mut batch = submitter.batch();
    batch.put(KIND, key, 1, |buffer| buffer.extend_from_slice(&[7; 500])).unwrap();
    let ticket = submitter.submit(batch);
    assert!(submitter.wait(ticket, Duration::from_secs(10)));
}

fn segments(disk: &FaultyDisk) -> usize {
    disk.image().keys().filter(|name| name.starts_with("segment")).count()
}

#[test]
fn segments_stay_until_every_reader_has_passed_them() {
    let disk = FaultyDisk::new(1);
    let journal = open(&disk, u64::MAX);
    let mut tail = journal.tail(TailStart::End).unwrap();
    let beginning = tail.position();
    let mut submitter = journal.submitter(Arc::new(|| {}));
    (0..40).for_each(|key| put(&mut submitter, key));
    journal.begin_snapshot().unwrap().finish().unwrap();
    let kept = segments(&disk);
    assert!(kept > 4, "{kept}");

    drop(tail);
    drop((submitter, journal));
    let journal = open(&disk, u64::MAX);
    assert!(segments(&disk) >= kept, "also at a start, which knows no reader yet");
    tail = journal.tail(TailStart::At(beginning)).unwrap();
    let mut keys = Vec::new();
    while tail.read(1, |record| keys.push(record.key)).unwrap() != TailStep::UpToDate {}
    assert_eq!(keys, (0..40).collect::<Vec<_>>());
    tail.pass(tail.position());
    assert!(segments(&disk) <= 2, "{:?}", disk.image().keys());
}

#[test]
fn a_reader_beyond_the_limit_is_told_of_the_gap() {
    let disk = FaultyDisk::new(2);
    let journal = open(&disk, 3 * SEGMENT);
    let mut tail = journal.tail(TailStart::End).unwrap();
    let from = tail.position();
    let mut submitter = journal.submitter(Arc::new(|| {}));
    (0..40).for_each(|key| put(&mut submitter, key));
    journal.begin_snapshot().unwrap().finish().unwrap();
    put(&mut submitter, 40);
    let TailStep::Gap { from: told, to } = tail.read(u64::MAX, |_| {}).unwrap() else {
        panic!("no gap")
    };
    assert_eq!((told, to > from), (from, true));
    let mut keys = Vec::new();
    while tail.read(u64::MAX, |record| keys.push(record.key)).unwrap() != TailStep::UpToDate {}
    let first = *keys.first().unwrap();
    assert!(first > 0);
    assert_eq!(keys, (first..=40).collect::<Vec<_>>());
}

#[test]
fn a_reader_waits_for_what_is_durable() {
    let disk = FaultyDisk::new(3);
    let journal = open(&disk, u64::MAX);
    let mut tail = journal.tail(TailStart::End).unwrap();
    assert_eq!(tail.read(u64::MAX, |_| {}).unwrap(), TailStep::UpToDate);
    assert!(!tail.wait(Duration::ZERO));
    std::thread::scope(|scope| {
        scope.spawn(|| put(&mut journal.submitter(Arc::new(|| {})), 1));
        assert!(tail.wait(Duration::from_secs(60)));
    });
    assert_eq!(tail.read(u64::MAX, |_| {}).unwrap(), TailStep::Records(1));
    assert!(Journal::in_memory().tail(TailStart::End).is_none());
}

#[test]
fn a_position_of_another_journal_is_a_gap() {
    let disk = FaultyDisk::new(4);
    let journal = open(&disk, u64::MAX);
    put(&mut journal.submitter(Arc::new(|| {})), 1);
    let foreign = JournalPosition { segment: 77, offset: 4711 };
    let mut tail = journal.tail(TailStart::At(foreign)).unwrap();
    assert!(matches!(tail.read(u64::MAX, |_| {}).unwrap(), TailStep::Gap { .. }));
    assert_eq!(tail.read(u64::MAX, |_| {}).unwrap(), TailStep::Records(1));
}
