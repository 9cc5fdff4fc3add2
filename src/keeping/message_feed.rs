//! Takes the messages of one topic from the journal's tail into their log.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::journal::{Journal, Storage, Tail, TailStart, TailStep};
use crate::message_log::{LogOptions, LogView, LogWriter};
use crate::record::{Message, Topic};
use crate::time::Timestamp;

/// Octets of the journal read at a time, and of messages written at a time.
const PIECE: u64 = 1 << 20;

/// Readings in a round at most: however busy the journal is, what was read is written soon.
const READS: usize = 32;

/// How often the log is made durable, the journal passed and old files removed: a crash of the
/// machine costs at most the reading of so much of the journal again.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Reads behind the journal and writes the log. To be run on a thread of its own:
///
/// ```text
/// let mut feed = MessageFeed::open(&journal, storage, Topic::Audit, options)?;
/// let view = feed.view();                     // for readers
/// loop { feed.wait(timeout); feed.round(now)?; }
/// feed.finish(now)?;
/// ```
#[derive(Debug)]
pub struct MessageFeed {
    topic: Topic,
    /// `None`: a journal in memory tells nobody anything.
    tail: Option<Tail>,
    log: LogWriter,
    /// When the log was made durable.
    synced_at: Timestamp,
}

impl MessageFeed {
    /// Opens the log in `storage`, and goes on with the journal where the log has ended; a new log
    /// begins with what is committed from now on.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn open(
        journal: &Journal,
        storage: Arc<dyn Storage>,
        topic: Topic,
        options: LogOptions,
    ) -> io::Result<Self> {
        let log = LogWriter::open(storage, options)?;
        let start = log.position().map_or(TailStart::End, TailStart::At);
        Ok(Self { topic, tail: journal.tail(start), log, synced_at: Timestamp::EPOCH })
    }

    /// The reading end of the log.
    #[must_use]
    pub fn view(&self) -> LogView {
        self.log.view()
    }

    /// Waits until more is committed, at most so long.
    pub fn wait(&self, timeout: Duration) {
        match &self.tail {
            Some(tail) => _ = tail.wait(timeout),
            None => std::thread::sleep(timeout),
        }
    }

    /// Reads what was committed, and writes what messages there are among it. Returns how many
    /// those were.
    ///
    /// # Errors
    /// If the journal cannot be read or the log not be written: to be called again, nothing is
    /// missing then.
    pub fn round(&mut self, now: Timestamp) -> io::Result<u64> {
        let Some(tail) = &mut self.tail else { return Ok(0) };
        let mut messages = 0;
        for _ in 0..READS {
            // What an earlier round could not write comes first, and is not read again.
            if self.log.gathered() as u64 >= PIECE {
                self.log.write(tail.position(), now)?;
            }
            let (log, topic) = (&mut self.log, self.topic);
            let step = tail.read(PIECE, |record| {
                if let Some(message) = Message::read(&record).filter(|read| read.topic == topic) {
                    log.append(message.at, message.key, message.octets);
                    messages += 1;
                }
            })?;
            match step {
                TailStep::Records(_) => {}
                TailStep::Gap { .. } => self.log.gap(now),
                TailStep::UpToDate => break,
            }
        }
        if self.log.gathered() > 0 || self.log.position().is_none() {
            self.log.write(tail.position(), now)?;
        }
        if now.since(self.synced_at) >= SYNC_EVERY {
            self.settle(now)?;
        }
        Ok(messages)
    }

    fn settle(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(tail) = &mut self.tail else { return Ok(()) };
        self.log.write(tail.position(), now)?;
        self.log.sync()?;
        tail.pass(tail.position());
        self.log.retain(now);
        self.synced_at = now;
        Ok(())
    }

    /// The last round.
    ///
    /// # Errors
    /// Those of [`Self::round`]; the next start reads on where this has ended.
    pub fn finish(&mut self, now: Timestamp) -> io::Result<()> {
        self.round(now)?;
        self.settle(now)
    }
}
