//! `attachd man`: manual pages, made from the same texts as `--help`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::outcome::{CommandError, Exit};
use super::output::Output;

/// Print the manual page, or write those of all commands into a folder.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Man {
    /// The folder for attachd.1 and a page for each command.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  attachd man | man -l -
  attachd man --dir ~/.local/share/man/man1";

impl Man {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let command = super::Arguments::command();
        if let Some(folder) = self.dir {
            fs::create_dir_all(&folder)
                .and_then(|()| clap_mangen::generate_to(command, &folder))
                .map_err(|error| {
                CommandError::failed(format!(
                    "{}: {error}; name a folder that you may write",
                    folder.display()
                ))
            })?;
            return Ok(Exit::Done);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| CommandError::failed(error.to_string()))?;
        output.write_all(&page)?;
        Ok(Exit::Done)
    }
}
