//! `attachd completions`: what a shell needs to complete our command line.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::outcome::{CommandError, Exit};
use super::output::Output;

/// Print a completion script for a shell.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell that will read it.
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  attachd completions bash > ~/.local/share/bash-completion/completions/attachd
  attachd completions zsh  > ~/.zfunc/_attachd
  attachd completions fish > ~/.config/fish/completions/attachd.fish";

impl Completions {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        // The generator panics on a closed pipe, so it writes into memory.
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut super::Arguments::command(),
            "attachd",
            &mut script,
        );
        output.write_all(&script)?;
        Ok(Exit::Done)
    }
}
