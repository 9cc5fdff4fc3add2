//! `attachd reload`: what SIGHUP does, and its outcome.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::outcome::{self, CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::remote::Remote;

/// Ask the running server to load gateways and inventory anew, and wait until it has.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct ReloadVerb {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd reload
  attachd reload --url http://127.0.0.1:9090 --output json

All is applied or nothing: if anything is wrong, every problem is printed with file and line.
The server does this for whoever asks from its own machine.

Exit codes: 0 applied, 1 the server cannot be asked, 2 nothing was applied.";

impl ReloadVerb {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let applied =
            self.remote.post("/api/v1/server/reload").map_err(|failure| match failure {
                CommandError::Listed(exit, mut problems) => {
                    problems.push("nothing was reloaded, for the reasons above".to_owned());
                    CommandError::Listed(exit, problems)
                }
                other => other,
            })?;
        if self.forms.form() == OutputFormat::Json {
            writeln!(output, "{applied:#}")?;
            return Ok(Exit::Done);
        }
        let count = |key: &str| applied[key].as_u64().unwrap_or(0);
        let fate = if applied["pruned"] == Value::Bool(true) {
            "removed"
        } else {
            "no longer in the files, and kept"
        };
        writeln!(
            output,
            "reloaded: {} gateways; endpoints: {} added, {} changed, {} {fate}",
            count("gateways"),
            count("added"),
            count("changed"),
            count("gone"),
        )?;
        for kept in applied["kept"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            outcome::warn(&kept);
        }
        if applied["durable"] == Value::Bool(false) {
            outcome::warn(
                &"it is in force, but not on disk yet; /readyz tells whether the disk keeps up",
            );
        }
        Ok(Exit::Done)
    }
}
