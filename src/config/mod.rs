//! attachd.toml: read once, checked whole, handed on as plain values. No part below imports it.
//!
//! Every key has a default, an unknown key is an error, and all problems of a file are reported at
//! once, each with its line.

mod gateway;
mod problem;
mod read;
pub(crate) mod source;
mod table;
mod tls;

use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;

pub use problem::{ConfigProblem, ConfigProblems, ProblemSeverity, summed_up};

use crate::journal::SyncMode;
use crate::message_log::LogOptions;
use crate::{aaa, server};

/// The secret of the gateway that attachd knows without a configuration. Everybody knows it, so it
/// is for loopback only.
pub const PUBLIC_SECRET: &[u8] = b"testing123";

/// Everything attachd can be told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the journal lives.
    pub data_dir: PathBuf,
    /// The tables radius and http, and the gateways.
    pub server: server::ServerSettings,
    /// The inventory folder.
    pub inventory: PathBuf,
    /// How bad a wrong check digit of an ICCID is.
    pub luhn: ProblemSeverity,
    /// The tables sessions and pools, and the order of identities.
    pub aaa: aaa::AaaSettings,
    pub journal: JournalConfig,
    /// How events are kept.
    pub events: LogOptions,
    pub log: LogConfig,
    /// What is allowed but hardly meant.
    pub warnings: Vec<ConfigProblem>,
}

/// When a reply may leave, and how much of the past is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    pub sync: SyncMode,
    /// Octets by which the journal grows before the next snapshot replaces them.
    pub snapshot_least: u64,
}

/// What is written about the server's own doings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: LevelFilter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Reads and checks a configuration file; without one, everything is as documented.
    ///
    /// # Errors
    /// All problems of the file, if one of them is more than a warning.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigProblems> {
        judged(Self::examine(file))
    }

    /// As much of a configuration as can be understood, and all that is wrong with it.
    pub fn examine(file: Option<&Path>) -> (Self, Vec<ConfigProblem>) {
        let (text, unreadable) = match file.map(std::fs::read_to_string) {
            None => (String::new(), None),
            Some(Ok(text)) => (text, None),
            Some(Err(error)) => (String::new(), Some(error)),
        };
        let environment =
            |name: &str| std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes);
        let source = source::ConfigSource {
            text: text.trim_start_matches('\u{feff}'),
            file,
            environment: &environment,
        };
        let (config, mut problems) = read::config(&source);
        if let Some(error) = unreadable {
            let remedy =
                "give --config an attachd.toml that can be read, or leave it out for the defaults";
            problems =
                vec![ConfigProblem::error(file, None, format!("cannot be read: {error}"), remedy)];
        }
        (config, problems)
    }
}

/// A configuration stands unless something is worse than a warning.
fn judged((mut config, problems): (Config, Vec<ConfigProblem>)) -> Result<Config, ConfigProblems> {
    if problems.iter().any(|problem| problem.severity == ProblemSeverity::Error) {
        return Err(ConfigProblems(problems));
    }
    config.warnings = problems;
    Ok(config)
}

#[cfg(test)]
mod tests;
