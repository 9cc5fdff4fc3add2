//! How a verb ends: an exit code, and at most one line about what went wrong.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Style};

use super::colour;
use crate::printable;

/// What scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    Failure = 1,
    /// Wrong usage, or invalid configuration.
    Invalid = 2,
    /// It ran, and an expectation failed.
    Unmet = 3,
    /// The other side never answered.
    Unanswered = 4,
    /// Ended by SIGINT, as a shell names it.
    Interrupted = 130,
}

/// Why a verb did not get to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandError {
    /// What, where and what to do, in one line.
    Told(Exit, String),
    /// Problems of files, each with its place, one a line.
    Listed(Exit, Vec<String>),
    /// Standard output was closed. Nobody is left to tell.
    ReaderGone,
}

impl CommandError {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Told(Exit::Failure, message.into())
    }

    /// How the process ends.
    pub(super) const fn exit(&self) -> Exit {
        match self {
            Self::Told(exit, _) | Self::Listed(exit, _) => *exit,
            Self::ReaderGone => Exit::Done,
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Told(Exit::Invalid, message.into())
    }
}

/// Only writing output is tried with a bare `?`; whatever else fails says what it was about.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::failed(format!(
                "standard output cannot be written: {error}; is the disk full?"
            )),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Says on standard error what went wrong.
pub(super) fn complain(message: &dyn Display) {
    tell("error", AnsiColor::Red.on_default().bold(), message);
}

/// Tells one problem of a file in the form that editors understand, `file:line: what`.
pub(super) fn list(problem: &dyn Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable::lines(&problem.to_string()));
}

/// Says on standard error what is allowed, but hardly meant.
pub(super) fn warn(message: &dyn Display) {
    tell("warning", AnsiColor::Yellow.on_default().bold(), message);
}

fn tell(word: &str, style: Style, message: &dyn Display) {
    let mut stderr = io::stderr().lock();
    let style = if stderr.is_terminal() && colour::is_wanted() { style } else { Style::new() };
    // With standard error gone, too, there is no one left to tell.
    let _ = writeln!(stderr, "{style}{word}{style:#}: {}", printable::lines(&message.to_string()));
}

/// Help and version are no errors; anything else of clap's is told in one line.
pub(super) fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Exit::Invalid;
    }
    complain(&one_line(&error.to_string()));
    Exit::Invalid
}

/// clap tells the fault first, then tips, then the usage, in paragraphs.
fn one_line(rendered: &str) -> String {
    let told = rendered.split("\n\nUsage:").next().unwrap_or_default();
    let told = told.split("\n\nFor more information").next().unwrap_or_default();
    let told = told.trim_start_matches("error: ");
    let mut line = String::new();
    for part in told.lines().map(str::trim).filter(|part| !part.is_empty()) {
        let joint = if line.is_empty() || line.ends_with(':') { " " } else { "; " };
        line.push_str(joint);
        line.push_str(part);
    }
    format!("{}; see --help", line.trim_start())
}
