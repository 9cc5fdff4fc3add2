//! The threads that take messages from the journal's tail into their logs, one for each topic.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::journal::{FolderLock, Journal, JournalFolder, OpenError};
use crate::keeping::MessageFeed;
use crate::message_log::{LogOptions, LogView};
use crate::radius::context::ServerContext;
use crate::record::Topic;
use crate::runtime::HealthSeverity;
use crate::runtime::watch::Pulse;
use crate::time::Timestamp;

/// The longest sleep while nothing is committed: how soon the thread sees that it is to end.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// Between two readings, so that many commits are read at once: nobody waits for a log.
const GATHER: Duration = Duration::from_millis(5);

/// After the disk did not take a log.
const PAUSE: Duration = Duration::from_secs(1);

/// A log that is ready to be fed.
pub(super) struct OpenFeed {
    pub(super) topic: Topic,
    feed: MessageFeed,
    _lock: FolderLock,
}

impl OpenFeed {
    /// Opens the log of a topic, in a folder of its own below the data folder.
    ///
    /// # Errors
    /// If the folder cannot be used, or does not hold a log.
    pub(super) fn open(
        journal: &Journal,
        data_dir: &Path,
        topic: Topic,
        options: LogOptions,
    ) -> Result<Self, OpenError> {
        let path = data_dir.join(topic.name());
        let (folder, lock) = JournalFolder::claim(&path)?;
        let feed = MessageFeed::open(journal, Arc::new(folder), topic, options)
            .map_err(|error| OpenError::Directory { path, error })?;
        Ok(Self { topic, feed, _lock: lock })
    }

    /// Reads what was committed and not read before the last end.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        if let Err(error) = self.feed.round(now) {
            warn!("the log of {} is not whole yet: {error}", self.topic.name());
        }
    }

    pub(super) fn view(&self) -> LogView {
        self.feed.view()
    }

    /// Feeds the log until told to stop. If the disk does not take it, it is tried again: nothing
    /// is missing then, as far as the journal keeps what was not read.
    pub(super) fn run(mut self, common: &ServerContext, pulse: &Pulse, stop: &watch::Receiver<()>) {
        let name = self.topic.name();
        let mut is_failing = false;
        while !stop.has_changed().unwrap_or(true) {
            let now = common.clock.now();
            pulse.beat(now.running);
            match self.feed.round(now.wall) {
                Ok(_) => {
                    if std::mem::take(&mut is_failing) {
                        info!("the log of {name} is written again");
                        common.health.clear(name);
                    }
                    std::thread::sleep(GATHER);
                    self.feed.wait(LONGEST_WAIT);
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        let told = format!("the log of {name} cannot be written: {error}");
                        error!("{told}; the journal keeps what is missing there");
                        common.health.add(HealthSeverity::Degraded, name, told);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
        if let Err(error) = self.feed.finish(common.clock.now().wall) {
            warn!("the log of {name} is not whole: {error}; the next start reads what is missing");
        }
    }
}
