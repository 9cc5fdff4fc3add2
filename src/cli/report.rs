//! `attachd report`: shows a run again, or compares two.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outcome::{CommandError, Exit};
use super::output::Output;
use crate::simulator::report;

/// Show the JSON report of a run again, or compare two.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct ReportCommand {
    /// A report that `attachd simulate --json` has written.
    first: PathBuf,
    /// Another, to compare it with.
    second: Option<PathBuf>,
    /// Make the page with plots of it.
    #[arg(long, value_name = "FILE", conflicts_with = "second")]
    html: Option<PathBuf>,
    /// Exit with 3 if a figure has changed by more than this: "p99 > +10 %", "attaches/s < -5 %".
    #[arg(long, value_name = "THRESHOLD", requires = "second", value_parser = report::Threshold::parse)]
    fail_if: Vec<report::Threshold>,
}

const EXAMPLES: &str = r#"Examples:
  attachd report run.json
  attachd report run.json --html run.html
  attachd report before.json after.json
  attachd report before.json after.json --fail-if "p99 > +10 %" --fail-if "attaches/s < -5 %"

Exit codes: 0 shown, 1 failure, 2 wrong usage or no report, 3 a threshold of --fail-if was passed."#;

impl ReportCommand {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let first = read(&self.first)?;
        let mut passed = Vec::new();
        let text = match &self.second {
            Some(second) => {
                let second = read(second)?;
                for threshold in &self.fail_if {
                    passed.extend(
                        threshold.exceeded(&first, &second).map_err(CommandError::invalid)?,
                    );
                }
                report::compare(&first, &second)
            }
            None => report::table(&first),
        };
        output.write_all(text.as_bytes())?;
        for threshold in &passed {
            writeln!(output, "passed: {threshold}")?;
        }
        if let Some(path) = &self.html {
            let page = report::page(&first);
            fs::write(path, page).map_err(|error| {
                CommandError::failed(format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        Ok(if passed.is_empty() { Exit::Done } else { Exit::Unmet })
    }
}

fn read(path: &Path) -> Result<report::RunReport, CommandError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CommandError::failed(format!("{}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        CommandError::invalid(format!(
            "{}:{}: no report of attachd simulate: {error}",
            path.display(),
            error.line()
        ))
    })
}
