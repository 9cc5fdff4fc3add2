//! Where the server's own words go: standard error, in the form and from the level on that the
//! configuration says.
//!
//! A thread of its own writes them. A reader that stalls must not stop RADIUS: what does not fit
//! into the queue is given up and counted.

use std::io::{self, IsTerminal};

use parking_lot::Mutex;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt;

use crate::cli::colour;
use crate::config::{self, LogFormat};

/// Lines that may wait: some seconds of a server that has much to complain of, and about a
/// megabyte.
const WAITING: usize = 8_192;

/// The log, as long as it is written.
pub(super) struct Log {
    /// Writes what waits when it is dropped, for at most about a second.
    writer: Mutex<Option<WorkerGuard>>,
    dropped: ErrorCounter,
}

impl Log {
    /// From here on `tracing` is heard.
    pub(super) fn start(log: &config::LogConfig) -> Self {
        let (lines, writer) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING)
            .lossy(true)
            .thread_name("log")
            .finish(io::stderr());
        let dropped = lines.error_counter();
        let builder = fmt()
            .with_writer(lines)
            .with_max_level(log.level)
            .with_target(false)
            .with_ansi(io::stderr().is_terminal() && colour::is_wanted())
            // With standard error gone there is no place left to complain about it.
            .log_internal_errors(false);
        // It fails only if somebody listens already, and then there is a log.
        let _ = match log.format {
            LogFormat::Text => builder.try_init(),
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
        };
        Self { writer: Mutex::new(Some(writer)), dropped }
    }

    /// Lines that were given up so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.dropped_lines() as u64
    }

    /// Writes what waits, as far as somebody reads it within a second. The last thing that is done
    /// with a log.
    pub(super) fn finish(&self) {
        drop(self.writer.lock().take());
    }
}
