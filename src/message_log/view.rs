//! The reading end of a log: on from a cursor, or back from the newest; while it is being written.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::file::{LogItem, items, whole};
use super::log::{LogFile, OnAppended, SharedLog, name};

/// Reads a log, from as many threads as there are clones.
#[derive(Clone)]
pub struct LogView(Arc<SharedLog>);

/// Where a reader goes on: with the message of this sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCursor {
    pub next: u64,
    /// The file's first sequence and the offset in it, where that message lies.
    hint: Option<(u64, u64)>,
}

impl LogCursor {
    /// On with the message of this sequence.
    #[must_use]
    pub const fn at(next: u64) -> Self {
        Self { next, hint: None }
    }
}

/// What a cursor asks for is not kept any more, or was never written; it has been moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogGap {
    /// The sequence that was asked for.
    pub from: u64,
    /// The one where it goes on.
    pub to: u64,
}

/// While it lives, its watcher is told of each appending.
#[derive(Clone)]
pub struct LogWatch(#[expect(dead_code, reason = "held for its drop")] Arc<OnAppended>);

/// Octets read at a time when going on from a cursor.
const PIECE: u64 = 256 << 10;

impl LogView {
    pub(super) fn new(shared: Arc<SharedLog>) -> Self {
        Self(shared)
    }

    /// The sequence of the oldest message that is kept.
    #[must_use]
    pub fn earliest(&self) -> u64 {
        self.0.files.lock().earliest()
    }

    /// The sequence that the next message gets.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.files.lock().next
    }

    /// Octets of all files.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.0.files.lock().octets()
    }

    /// Calls `wake` after each appending, on the writer's thread, as long as the watch lives.
    #[must_use]
    pub fn subscribe(&self, wake: impl Fn() + Send + Sync + 'static) -> LogWatch {
        let wake: Arc<OnAppended> = Arc::new(Arc::new(wake));
        self.0.watchers.lock().push(Arc::downgrade(&wake));
        LogWatch(wake)
    }

    /// Goes on from `cursor` and moves it behind what was visited: about 256 KiB at most, or less if
    /// `visit` breaks, which has seen its last message then. `Some` gap: nothing was visited.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn forward(
        &self,
        cursor: &mut LogCursor,
        mut visit: impl FnMut(LogItem<'_>) -> ControlFlow<()>,
    ) -> io::Result<Option<LogGap>> {
        let files = self.0.files.lock();
        let (earliest, end) = (files.earliest(), files.next);
        let kept = cursor.next.clamp(earliest, end);
        if kept != cursor.next {
            let gap = LogGap { from: cursor.next, to: kept };
            *cursor = LogCursor::at(kept);
            return Ok(Some(gap));
        }
        let Some((first, file)) = files.holding(cursor.next).filter(|_| cursor.next < end) else {
            return Ok(None);
        };
        drop(files);
        let mut at = cursor.hint.filter(|hint| hint.0 == first).map_or(0, |hint| hint.1);
        loop {
            let Some(octets) = self.piece(file, at)? else { return Ok(None) };
            let mut behind = 0;
            let mut visited = false;
            for (offset, item) in items(&octets) {
                behind = offset;
                if item.sequence() < cursor.next {
                    continue;
                }
                visited = true;
                cursor.next = item.sequence() + 1;
                cursor.hint = Some((first, at + offset as u64));
                if visit(item).is_break() {
                    return Ok(None);
                }
            }
            let whole = whole(&octets);
            if visited || whole == 0 {
                return Ok(None);
            }
            at += (whole.max(behind)) as u64;
        }
    }

    /// Whole records of a file from an offset on; `None` at its end, or if it was removed just now.
    fn piece(&self, file: LogFile, at: u64) -> io::Result<Option<Vec<u8>>> {
        let mut length = PIECE;
        loop {
            let wanted = length.min(file.size.saturating_sub(at));
            if wanted == 0 {
                return Ok(None);
            }
            let Some(octets) = self.read(file, at, wanted)? else { return Ok(None) };
            if whole(&octets) > 0 || wanted < length {
                return Ok(Some(octets));
            }
            // One message is longer than that.
            length *= 4;
        }
    }

    /// Visits the messages before `before`, the newest first, until `visit` breaks or there are no
    /// more.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn backward(
        &self,
        before: u64,
        mut visit: impl FnMut(LogItem<'_>) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let Some(last) = before.checked_sub(1) else { return Ok(()) };
        let mut found = self.0.files.lock().holding(last);
        while let Some((first, file)) = found {
            let Some(octets) = self.read(file, 0, file.size)? else { return Ok(()) };
            let messages: Vec<LogItem<'_>> = items(&octets)
                .map(|(_, item)| item)
                .take_while(|item| item.sequence() < before)
                .collect();
            for item in messages.into_iter().rev() {
                if visit(item).is_break() {
                    return Ok(());
                }
            }
            found = self.0.files.lock().before(first);
        }
        Ok(())
    }

    fn read(&self, file: LogFile, at: u64, octets: u64) -> io::Result<Option<Vec<u8>>> {
        let source = match self.0.storage.read(&name(file.number), at) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut read = Vec::with_capacity(octets as usize);
        source.take(octets).read_to_end(&mut read)?;
        Ok(Some(read))
    }
}

impl std::fmt::Debug for LogView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogView").field("end", &self.end()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for LogWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogWatch")
    }
}
