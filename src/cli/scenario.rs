//! `attachd scenario`: what a scenario may say.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::outcome::{Exit, Failure};
use super::output::{Form, Forms, Output};
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
    Keys(Forms),
}

impl ScenarioVerb {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let Action::Keys(forms) = self.action;
        if forms.form() == Form::Json {
            writeln!(output, "{}", json!(scenario::keys()))?;
        } else {
            write!(output, "{}", scenario::markdown())?;
        }
        Ok(Exit::Done)
    }
}
