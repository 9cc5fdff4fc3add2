//! Where the server's own words go: standard error, in the form and from the level on that the configuration says.

use std::io::{self, IsTerminal};

use tracing_subscriber::fmt;

use crate::cli::colour;
use crate::config::{Log, LogFormat};

/// From here on `tracing` is heard.
pub(super) fn start(log: &Log) {
    let builder = fmt()
        .with_writer(io::stderr)
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
}
