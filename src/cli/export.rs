//! `attachd export`: the inventory as the journal has it, as files that `serve` loads.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::data_folder::{self, DataFolder};
use super::outcome::{CommandError, Exit};
use super::output::Output;
use crate::aaa::AaaSettings;
use crate::provisioning;

/// Write the present inventory into a folder; beside a running server, too.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Export {
    /// The folder for inventory.toml and endpoints.csv.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    data: DataFolder,
    /// Replace the inventory that is in the folder.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  attachd export inventory-today
  attachd export inventory-today --config /etc/attachd/attachd.toml

Passwords of groups are written, too: only you can read the files.
Exit codes: 0 written, 1 not, 2 the data folder holds no data of attachd.";

impl Export {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let data_dir = self.data.path()?;
        let memory = data_folder::memory(&data_dir, AaaSettings::default())?;
        let catalog = memory.catalog();
        let mut endpoints = memory.as_written();
        endpoints.sort_unstable_by_key(|(iccid, _)| *iccid);
        let count = endpoints.len();
        let write = |folder: &Path| {
            provisioning::export(
                folder,
                &catalog,
                endpoints.iter().map(|(iccid, endpoint)| (*iccid, endpoint)),
            )
        };
        let written = if self.force { replace(&self.folder, write) } else { write(&self.folder) };
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => CommandError::failed(format!("{error}, or --force")),
            _ => CommandError::failed(format!("{}: {error}", self.folder.display())),
        })?;
        writeln!(output, "{count} endpoints written to {}", self.folder.display())?;
        Ok(Exit::Done)
    }
}

/// Puts what `write` writes into a folder in the place of what is in the way there, and that only
/// when all of it is written.
fn replace(folder: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".export-{}", std::process::id()));
    let replaced = write(&beside).and_then(|()| {
        fs::read_dir(&beside)?.try_for_each(|entry| {
            entry.and_then(|entry| fs::rename(entry.path(), folder.join(entry.file_name())))
        })?;
        // It would be read in the place of the one just written, or beside it.
        match fs::remove_file(folder.join(provisioning::ENDPOINTS_GZ)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    });
    let _ = fs::remove_dir_all(&beside);
    replaced
}
