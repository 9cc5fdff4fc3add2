//! Messages on their way from a worker's batch into their log, across failures and power cuts of
//! both: each acknowledged one is there once, in the order of commits.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::faulty::{Faults, FaultyDisk};
use super::owner::{SEGMENT, on};
use crate::journal::{
    FramedRecord, Journal, JournalOptions, ManualJournal, OnDamage, Submitter, Ticket, Unreadable,
};
use crate::keeping::MessageFeed;
use crate::message_log::{LogCursor, LogItem, LogOptions};
use crate::record::{RecordSink, Topic};
use crate::time::Timestamp;

const LOG: LogOptions =
    LogOptions { file_size: 2048, keep_for: Duration::from_secs(86_400), keep_size: u64::MAX };

struct Life {
    journal: Journal,
    manual: ManualJournal,
    submitter: Submitter,
    feed: MessageFeed,
    waiting: Vec<(Ticket, u64)>,
    running: Duration,
}

impl Life {
    fn begin(disk: &FaultyDisk) -> Self {
        let options = JournalOptions {
            segment_size: SEGMENT,
            snapshot_rate: u64::MAX,
            tail_limit: u64::MAX,
            ..JournalOptions::default()
        };
        let mut ignored = |_: FramedRecord<'_>| Ok::<(), Unreadable>(());
        let appliers = std::slice::from_mut(&mut ignored);
        let (journal, manual, _) =
            Journal::open_manual(&on(disk), options, OnDamage::Refuse, appliers).unwrap();
        let submitter = journal.submitter(Arc::new(|| {}));
        let mut feed = MessageFeed::open(&journal, on(disk), Topic::Event, LOG).unwrap();
        feed.finish(Timestamp::EPOCH).unwrap();
        Self { journal, manual, submitter, feed, waiting: Vec::new(), running: Duration::ZERO }
    }

    fn submit(&mut self, message: u64) {
        let mut batch = self.submitter.batch();
        batch.put(super::owner::KIND, message, 1, |buffer| buffer.resize(100, 1)).unwrap();
        let octets = message.to_le_bytes();
        batch.put_message(Topic::Event, message, Timestamp::EPOCH, &octets).unwrap();
        batch.put_message(Topic::Audit, message, Timestamp::EPOCH, b"of another topic").unwrap();
        self.waiting.push((self.submitter.submit(batch), message));
    }

    fn round(&mut self, acknowledged: &mut BTreeSet<u64>) {
        self.running += Duration::from_secs(10);
        self.manual.round(self.running, Timestamp::EPOCH);
        let durable = self.submitter.durable();
        acknowledged.extend(
            self.waiting.extract_if(.., |(ticket, _)| *ticket <= durable).map(|(_, id)| id),
        );
    }

    /// The messages in the log.
    fn read(&mut self) -> Vec<u64> {
        self.feed.finish(Timestamp::from_secs(1)).unwrap();
        let view = self.feed.view();
        let mut read = Vec::new();
        let mut cursor = LogCursor::at(1);
        while cursor.next < view.end() {
            let gap = view.forward(&mut cursor, |item| {
                let LogItem::Message(message) = item else { panic!("{item:?}") };
                assert_eq!(message.sequence, read.len() as u64 + 1);
                assert_eq!(message.octets, message.key.to_le_bytes());
                read.push(message.key);
                ControlFlow::Continue(())
            });
            assert_eq!(gap.unwrap(), None);
        }
        read
    }
}

fn run(seed: u64) {
    let disk = FaultyDisk::new(seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut acknowledged = BTreeSet::new();
    let mut life = Life::begin(&disk);
    let mut message = 0;
    for _ in 0..120 {
        match random.random_range(0..20) {
            0..8 => {
                message += 1;
                life.submit(message);
            }
            8..12 => life.round(&mut acknowledged),
            12..16 => {
                // Refused by the disk, it is tried again.
                let _ = life.feed.round(Timestamp::from_secs(random.random_range(1..100)));
            }
            16 => {
                let (running, wall) = (life.running, Timestamp::EPOCH);
                if let Ok(snapshot) = life.manual.begin_snapshot(&life.journal, running, wall) {
                    let _ = snapshot.finish();
                }
            }
            17 => {
                let mut often = || random.random_range(0..200);
                let (write_error, sync_error, name_error) = (often(), often(), often());
                disk.set_faults(Faults { short_write: 300, write_error, sync_error, name_error });
            }
            18 => disk.set_faults(Faults::default()),
            _ => {
                drop(life);
                disk.set_faults(Faults::default());
                if random.random() {
                    disk.crash();
                }
                life = Life::begin(&disk);
                let read = life.read();
                let once: BTreeSet<u64> = read.iter().copied().collect();
                assert_eq!(once.len(), read.len(), "seed {seed}: each once");
                assert!(once.is_superset(&acknowledged), "seed {seed}");
                assert!(read.is_sorted(), "seed {seed}: as they were committed");
            }
        }
    }
    disk.set_faults(Faults::default());
    life.round(&mut acknowledged);
    let read = life.read();
    assert!(acknowledged.iter().all(|message| read.contains(message)), "seed {seed}");
}

#[test]
fn each_acknowledged_message_gets_into_the_log_once() {
    (0..150).for_each(run);
}
