//! What the writer of a log and its readers share: which files there are and how far each counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::journal::Storage;
use crate::time::Timestamp;

/// How a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Octets after which a new file is begun.
    pub file_size: u64,
    /// Files of which every message is older go.
    pub keep_for: Duration,
    /// Octets of all files, beyond which the oldest go.
    pub keep_size: u64,
}

impl LogOptions {
    /// Small enough to be read at once, large enough that a full log has some hundred of them.
    pub const FILE_SIZE: u64 = 4 << 20;
}

/// Called after messages were appended; it must only wake somebody.
pub(super) type OnAppended = Arc<dyn Fn() + Send + Sync>;

pub(super) struct SharedLog {
    pub storage: Arc<dyn Storage>,
    pub files: Mutex<LogFiles>,
    pub watchers: Mutex<Vec<Weak<OnAppended>>>,
}

/// The files of a log, by the sequence of their first message.
#[derive(Debug, Default)]
pub(super) struct LogFiles {
    pub by_first: BTreeMap<u64, LogFile>,
    /// The sequence of the next message.
    pub next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogFile {
    pub number: u64,
    /// Octets that count.
    pub size: u64,
    pub begun: Timestamp,
}

impl LogFiles {
    /// The sequence of the oldest message that is kept.
    pub(super) fn earliest(&self) -> u64 {
        self.by_first.keys().next().copied().unwrap_or(self.next)
    }

    /// The file that holds a message, or would: its first sequence too.
    pub(super) fn holding(&self, sequence: u64) -> Option<(u64, LogFile)> {
        self.by_first.range(..=sequence).next_back().map(|(first, file)| (*first, *file))
    }

    pub(super) fn before(&self, first: u64) -> Option<(u64, LogFile)> {
        self.by_first.range(..first).next_back().map(|(first, file)| (*first, *file))
    }

    pub(super) fn after(&self, first: u64) -> Option<(u64, LogFile)> {
        self.by_first.range(first + 1..).next().map(|(first, file)| (*first, *file))
    }

    pub(super) fn octets(&self) -> u64 {
        self.by_first.values().map(|file| file.size).sum()
    }
}

impl SharedLog {
    pub(super) fn wake(&self) {
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| watcher.upgrade().inspect(|wake| wake()).is_some());
    }
}

/// The name of a file.
pub(super) fn name(number: u64) -> String {
    format!("log-{number:012}")
}

/// The inverse of [`name`]; `None` for files that are not ours.
pub(super) fn number(file: &str) -> Option<u64> {
    let number = file.strip_prefix("log-")?.parse().ok()?;
    (name(number) == file).then_some(number)
}

/// Under which name a file is written until it is whole.
pub(super) fn draft(number: u64) -> String {
    format!("{}.tmp", name(number))
}
