//! `attachd simulate`: packet gateways and the SIMs behind them, against any RADIUS server.

mod changes;
mod circumstances;
mod display;
mod results;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::changes::Changes;
use self::display::{Display, Progress};
use self::results::Results;
use super::outcome::{self, CommandError, Exit};
use super::output::Output;
use crate::simulator::driver::{self, DriveError, Watch};
use crate::simulator::report::{self, RunReport, RunVerdict};
use crate::simulator::scenario::{BUILTINS, Builtin, Loaded, Scenario, load};
use crate::simulator::search::Finder;

/// Play packet gateways against a RADIUS server, and check every answer.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Simulate {
    /// A built-in scenario or a file.
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// List the built-in scenarios.
    #[arg(long)]
    list: bool,
    /// Print the scenario with all changes made, and do nothing else.
    #[arg(long)]
    print_scenario: bool,
    /// Write the inventory that attachd needs for this scenario into a folder, and do nothing else.
    #[arg(long, value_name = "DIR")]
    write_inventory: Option<PathBuf>,
    /// Replace the inventory that is in that folder.
    #[arg(long, requires = "write_inventory")]
    force: bool,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    results: Results,
    /// How the run is shown while it goes on.
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    progress: Progress,
}

const EXAMPLES: &str = "\
Examples:
  attachd simulate smoke                                a few seconds against the server of the README
  attachd simulate --list
  attachd simulate storm --write-inventory /tmp/storm   then: attachd serve --inventory /tmp/storm
  attachd simulate steady --rate 2000 --duration 60 --html steady.html --json steady.json
  attachd simulate own.toml --set habits.lost=0.01 --auth 192.0.2.1:1812 --acct 192.0.2.1:1813 --secret-file pgw.secret
  attachd report before.json after.json

A scenario file may begin with `extends = \"steady\"` and say only what it changes; --print-scenario shows the whole.

Exit codes: 0 all limits kept, 1 failure, 2 wrong usage or scenario, 3 a limit broken or the referee not content,
4 the target never answered, 130 interrupted (the report is written all the same).";

impl Simulate {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        if self.list {
            return list(output);
        }
        let name = self.scenario.as_deref().unwrap_or_default();
        let loaded = self.changes.load(name)?;
        if self.print_scenario {
            let text = toml::to_string_pretty(&loaded.scenario)
                .map_err(|error| CommandError::failed(error.to_string()))?;
            output.write_all(text.as_bytes())?;
            return Ok(Exit::Done);
        }
        if let Some(folder) = &self.write_inventory {
            if let Some(taken) = Scenario::inventory_in(folder).filter(|_| !self.force) {
                return Err(CommandError::failed(format!(
                    "{} is there already; choose an empty folder, or --force",
                    taken.display()
                )));
            }
            let count = loaded
                .scenario
                .write_inventory(folder)
                .map_err(|error| cannot_write(folder, &error))?;
            for group in loaded.scenario.group.iter().filter(|group| group.subnets.is_empty()) {
                outcome::warn(&format!(
                    "group {} has no subnets in this scenario; add one, or attachd refuses its endpoints",
                    group.moniker
                ));
            }
            writeln!(output, "{count} endpoints in {}", folder.display())?;
            return Ok(Exit::Done);
        }
        self.results.prepare()?;
        let stop = stop_on_signal()?;
        let report = match loaded.scenario.search.clone() {
            Some(search) => self.search(&loaded, Finder::new(search), &stop)?,
            None => self.once(&loaded, &stop)?,
        };
        self.results.write(&report, output)?;
        Ok(match report.verdict {
            RunVerdict::Passed => Exit::Done,
            RunVerdict::Failed => Exit::Unmet,
            RunVerdict::Unanswered => Exit::Unanswered,
            RunVerdict::Interrupted => Exit::Interrupted,
        })
    }

    fn once(&self, loaded: &Loaded, stop: &Arc<AtomicBool>) -> Result<RunReport, CommandError> {
        let mut progress = Display::new(self.progress, loaded);
        let watch = Watch {
            on_second: &mut |second| progress.show(second),
            stop: stop.clone(),
            capture: self.results.capture(),
        };
        let outcome = driver::run(loaded, watch).map_err(|error| match error {
            DriveError::Scenario(error) => CommandError::invalid(error.to_string()),
            DriveError::System(what) => CommandError::failed(what),
        })?;
        progress.finish();
        let (machine, command) = (circumstances::machine(), circumstances::command());
        Ok(RunReport { machine, command, ..RunReport::new(loaded, &outcome) })
    }

    /// Tries one rate after the other; the report is that of the best.
    fn search(
        &self,
        loaded: &Loaded,
        mut finder: Finder,
        stop: &Arc<AtomicBool>,
    ) -> Result<RunReport, CommandError> {
        let (mut best, mut tries) = (None, Vec::new());
        while let Some(rate) = finder.next() {
            let report = self.once(&finder.step(loaded, rate), stop)?;
            let ends = matches!(report.verdict, RunVerdict::Unanswered | RunVerdict::Interrupted);
            let tried = report.as_try(rate);
            let kept = report.verdict == RunVerdict::Passed;
            finder.tell(rate, kept);
            if !ends {
                // With standard error gone there is no one left to tell.
                let _ = writeln!(io::stderr(), "{}", report::try_line(&tried));
                tries.push(tried);
            }
            if kept || ends || best.is_none() {
                best = Some(report);
            }
            if ends {
                break;
            }
        }
        let best = best.ok_or_else(|| CommandError::invalid("the search has nothing to try"))?;
        Ok(RunReport { tries, ..best })
    }
}

fn list(output: &mut Output) -> Result<Exit, CommandError> {
    for Builtin { name, .. } in BUILTINS {
        let loaded = load(name, &[]).map_err(|error| CommandError::failed(error.to_string()))?;
        writeln!(output, "{name:<16} {}", loaded.scenario.about)?;
    }
    Ok(Exit::Done)
}

/// SIGINT or SIGTERM ends the run with a report; a second one ends the program.
fn stop_on_signal() -> Result<Arc<AtomicBool>, CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let unwatched =
        |error: io::Error| CommandError::failed(format!("signals cannot be watched: {error}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unwatched)?;
    let watch = |kind| {
        let _within = runtime.enter();
        signal(kind).map_err(unwatched)
    };
    let (mut interrupt, mut terminate) =
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    thread::spawn(move || {
        loop {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
    Ok(stop)
}

fn cannot_write(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("{} cannot be written: {error}", path.display()))
}
