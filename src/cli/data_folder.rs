//! The data folder that a verb reads, without changing it; beside a running server, too.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outcome::{CommandError, Exit};
use crate::aaa::{Aaa, AaaSettings};
use crate::config::{Config, ConfigProblems};
use crate::journal::{FramedRecord, Journal, OnDamage, OpenError, RecoveryReport};
use crate::record::Record;
use crate::server;

/// The two ways to name the folder.
#[derive(Args)]
pub(super) struct DataFolder {
    /// The configuration that names the data folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "DATA_DIR", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
}

impl DataFolder {
    /// The folder that was named, or that of a server without a configuration.
    ///
    /// # Errors
    /// If the configuration cannot be read.
    pub(super) fn path(&self) -> Result<PathBuf, CommandError> {
        if let Some(data_dir) = &self.data_dir {
            return Ok(data_dir.clone());
        }
        let problems = |problems: ConfigProblems| {
            CommandError::Listed(Exit::Invalid, vec![problems.to_string()])
        };
        Ok(Config::load(self.config.as_deref()).map_err(problems)?.data_dir)
    }
}

/// Hands every record of the folder to `take`.
///
/// # Errors
/// If the folder holds no journal: it is the wrong one, which is another thing than an empty fleet.
/// If it cannot be read.
pub(super) fn read(
    folder: &Path,
    on_damage: OnDamage,
    mut take: impl FnMut(Record) + Send,
) -> Result<RecoveryReport, CommandError> {
    let mut applier = |entry: FramedRecord<'_>| {
        take(Record::read(&entry)?);
        Ok(())
    };
    let recovered = Journal::read(folder, on_damage, std::slice::from_mut(&mut applier))
        .map_err(|error| failed(&error))?;
    if recovered.files.is_empty() {
        let remedy = "name the data folder of a server, or the configuration that does";
        return Err(CommandError::invalid(format!(
            "{}: holds no data of attachd; {remedy}",
            folder.display()
        )));
    }
    Ok(recovered)
}

/// What a server would remember that starts on the folder.
///
/// # Errors
/// As [`read`].
pub(super) fn memory(folder: &Path, settings: AaaSettings) -> Result<Aaa, CommandError> {
    let mut recovery = Aaa::new(settings).recover();
    read(folder, OnDamage::Refuse, |record| server::apply(&mut recovery, record))?;
    Ok(recovery.finish(|newest| newest).0)
}

fn failed(error: &OpenError) -> CommandError {
    match error {
        OpenError::NotADirectory { .. } => CommandError::invalid(error.to_string()),
        OpenError::Directory { error: cause, .. } if cause.kind() == ErrorKind::NotFound => {
            CommandError::invalid(error.to_string())
        }
        _ => CommandError::failed(error.to_string()),
    }
}
