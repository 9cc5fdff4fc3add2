//! `attachd scenario`: what a scenario may say.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use crate::simulator::scenario;

/// Show what a scenario of the simulator may say.
#[derive(Args)]
pub(super) struct ScenarioVerb {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print every key with its type, default and meaning, in Markdown.
    Keys(OutputArgs),
}

impl ScenarioVerb {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let Action::Keys(forms) = self.action;
        if forms.form() == OutputFormat::Json {
            writeln!(output, "{}", json!(scenario::keys()))?;
        } else {
            write!(output, "{}", scenario::markdown())?;
        }
        Ok(Exit::Done)
    }
}
