//! `attachd simulate`: packet gateways and the SIMs behind them, against any RADIUS server.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use super::outcome::{self, Exit, Failure};
use super::output::Output;
use crate::simulator::driver::{self, CaptureOptions, DriveError, Watch};
use crate::simulator::referee::Rule;
use crate::simulator::report::{self, Report, Verdict};
use crate::simulator::scenario::{BUILTINS, Builtin, Change, Loaded, Phase, PhaseKind, State, load};
use crate::simulator::search::Finder;
use crate::simulator::tally::Second;

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
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    results: Results,
    /// How the run is shown while it goes on.
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    progress: Progress,
}

/// Flags that stand over the scenario's own keys.
#[derive(Args)]
struct Changes {
    /// The server's address for Access-Requests; several are failed over to in this order.
    #[arg(long, value_name = "HOST:PORT")]
    auth: Vec<SocketAddr>,
    /// The server's address for accounting.
    #[arg(long, value_name = "HOST:PORT")]
    acct: Vec<SocketAddr>,
    /// Where the server shows its state, to be compared at the end; "none": not compared.
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// The secret shared with the server.
    #[arg(long, short, value_name = "SECRET")]
    secret: Option<String>,
    /// Attaches a second in the steady phases; ramps lead up to it.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// How long the steady phases last.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// The seed; the same seed plays the same game.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    #[arg(long, value_name = "COUNT", help = "How many threads; 0: one per core")]
    threads: Option<usize>,
    /// Change any key: fleet.0.count=5000, habits.lost=0.01, phase.*.rate=100.
    #[arg(long, value_name = "KEY=VALUE", value_parser = change)]
    set: Vec<Change>,
}

/// What is written besides the table.
#[derive(Args)]
struct Results {
    /// The report for programs; - is standard output, and then the table is left out.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The report as one page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The latency distribution as HdrHistogram tools plot it.
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,
    /// A capture of the packets.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Capture one exchange in so many.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), requires = "pcap")]
    pcap_sample: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// A bar on a terminal, else a line a second.
    #[default]
    Auto,
    /// A line a second.
    Plain,
    None,
}

const EXAMPLES: &str = "\
Examples:
  attachd simulate smoke                                a few seconds against the server of the README
  attachd simulate --list
  attachd simulate storm --write-inventory /tmp/storm   then: attachd serve --inventory /tmp/storm
  attachd simulate steady --rate 2000 --duration 60 --html steady.html --json steady.json
  attachd simulate own.toml --set habits.lost=0.01 --auth 192.0.2.1:1812 --acct 192.0.2.1:1813 --secret s3cret
  attachd report before.json after.json

A scenario file may begin with `extends = \"steady\"` and say only what it changes; --print-scenario shows the whole.

Exit codes: 0 all limits kept, 1 failure, 2 wrong usage or scenario, 3 a limit broken or the referee not content,
4 the target never answered, 130 interrupted (the report is written all the same).";

/// Violations shown in full after the table.
const SHOWN: usize = 5;

impl Simulate {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        if self.list {
            return list(output);
        }
        let name = self.scenario.as_deref().unwrap_or_default();
        let loaded = self.load(name)?;
        if self.print_scenario {
            let text = toml::to_string_pretty(&loaded.scenario).map_err(|error| Failure::failed(error.to_string()))?;
            output.write_all(text.as_bytes())?;
            return Ok(Exit::Done);
        }
        if let Some(folder) = &self.write_inventory {
            let count = loaded.scenario.write_inventory(folder).map_err(|error| cannot_write(folder, &error))?;
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
            Verdict::Passed => Exit::Done,
            Verdict::Failed => Exit::Unmet,
            Verdict::Unanswered => Exit::Unanswered,
            Verdict::Interrupted => Exit::Interrupted,
        })
    }

    /// The scenario with the flags' changes.
    fn load(&self, name: &str) -> Result<Loaded, Failure> {
        let invalid = |error: &dyn std::error::Error| Failure::invalid(error.to_string());
        let plain = load(name, &[]).map_err(|error| invalid(&error))?;
        let mut changes = self.changes.of_keys();
        changes.extend(self.changes.of_phases(name, &plain.scenario.phase)?);
        changes.extend_from_slice(&self.changes.set);
        let mut loaded = load(name, &changes).map_err(|error| invalid(&error))?;
        if self.changes.http.as_deref() == Some("none") {
            loaded.scenario.target.http = None;
        }
        Ok(loaded)
    }

    fn once(&self, loaded: &Loaded, stop: &Arc<AtomicBool>) -> Result<Report, Failure> {
        let mut progress = Display::new(self.progress, loaded);
        let watch = Watch { on_second: &mut |second| progress.show(second), stop: stop.clone(), capture: self.results.capture() };
        let outcome = driver::run(loaded, watch).map_err(|error| match error {
            DriveError::Scenario(error) => Failure::invalid(error.to_string()),
            DriveError::System(what) => Failure::failed(what),
        })?;
        progress.finish();
        Ok(Report::new(loaded, &outcome))
    }

    /// Tries one rate after the other; the report is that of the best.
    fn search(&self, loaded: &Loaded, mut finder: Finder, stop: &Arc<AtomicBool>) -> Result<Report, Failure> {
        let (mut best, mut tries) = (None, Vec::new());
        while let Some(rate) = finder.next() {
            let report = self.once(&finder.step(loaded, rate), stop)?;
            let ends = matches!(report.verdict, Verdict::Unanswered | Verdict::Interrupted);
            let tried = report.as_try(rate);
            let kept = report.verdict == Verdict::Passed;
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
        let best = best.ok_or_else(|| Failure::invalid("the search has nothing to try"))?;
        Ok(Report { tries, ..best })
    }
}

impl Changes {
    fn of_keys(&self) -> Vec<Change> {
        let change = |key: &str, value: String| Change { key: key.to_owned(), value };
        let addresses = |addresses: &[SocketAddr]| {
            let quoted: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
            (!quoted.is_empty()).then(|| format!("[{}]", quoted.join(", ")))
        };
        let text = |text: &String| toml::Value::String(text.clone()).to_string();
        let all = [
            ("target.auth", addresses(&self.auth)),
            ("target.acct", addresses(&self.acct)),
            ("target.http", self.http.as_ref().filter(|http| *http != "none").map(text)),
            ("target.secret", self.secret.as_ref().map(text)),
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("threads", self.threads.map(|threads| threads.to_string())),
        ];
        all.into_iter().filter_map(|(key, value)| value.map(|value| change(key, value))).collect()
    }

    /// Rate and duration of the steady phases; ramps lead up to the same rate.
    fn of_phases(&self, name: &str, phases: &[Phase]) -> Result<Vec<Change>, Failure> {
        if (self.rate.is_some() || self.duration.is_some()) && !phases.iter().any(|phase| phase.kind == PhaseKind::Steady) {
            return Err(Failure::invalid(format!(
                "--rate and --duration are for steady phases, and {name} has none; see --print-scenario and --set"
            )));
        }
        let mut changes = Vec::new();
        for (index, phase) in phases.iter().enumerate() {
            let mut change = |part: &str, value: Option<f64>| {
                changes.extend(value.map(|value| Change { key: format!("phase.{index}.{part}"), value: value.to_string() }));
            };
            match phase.kind {
                PhaseKind::Steady => {
                    change("rate", self.rate);
                    change("for_s", self.duration);
                }
                PhaseKind::Ramp => change("to", self.rate),
                PhaseKind::Storm | PhaseKind::Closed | PhaseKind::Rest | PhaseKind::Drain => {}
            }
        }
        Ok(changes)
    }
}

impl Results {
    fn capture(&self) -> Option<CaptureOptions> {
        self.pcap.clone().map(|path| CaptureOptions { path, one_in: self.pcap_sample })
    }

    /// A file that cannot be written is better known before a long run than after it.
    fn prepare(&self) -> Result<(), Failure> {
        let json = self.json.as_deref().filter(|_| !self.json_is_output());
        for path in [json, self.html.as_deref(), self.hdr.as_deref(), self.pcap.as_deref()].into_iter().flatten() {
            fs::File::create(path).map_err(|error| cannot_write(path, &error))?;
        }
        Ok(())
    }

    fn json_is_output(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    fn write(&self, report: &Report, output: &mut Output) -> Result<(), Failure> {
        let json = report.to_json().map_err(|error| Failure::failed(error.to_string()))?;
        if self.json_is_output() {
            writeln!(output, "{json}")?;
        } else {
            output.write_all(report::table(report).as_bytes())?;
            show_violations(report, output)?;
        }
        let files = [
            (self.json.as_deref().filter(|_| !self.json_is_output()), json),
            (self.html.as_deref(), report::page(report)),
            (self.hdr.as_deref(), report::percentiles(report)),
        ];
        for (path, text) in files {
            if let Some(path) = path {
                fs::write(path, text).map_err(|error| cannot_write(path, &error))?;
            }
        }
        Ok(())
    }
}

/// The first few in full: what happened, and the packets that show it.
fn show_violations(report: &Report, output: &mut Output) -> Result<(), Failure> {
    for finding in report.referee.shown.iter().take(SHOWN) {
        let endpoint = finding.endpoint.as_deref().unwrap_or("-");
        writeln!(output, "\n{:.3} s  {}  {endpoint}: the server {}: {}", finding.at_s, finding.rule, finding.what, finding.detail)?;
        output.write_all(finding.exhibits(report.dictionary()).as_bytes())?;
    }
    if report.rejects.contains_key(State::Unknown.reason().unwrap_or_default()) && report.referee.rules.contains_key(Rule::Refused.id()) {
        let name = &report.name;
        writeln!(
            output,
            "\nthe server does not know these endpoints; `attachd simulate {name} --write-inventory DIR` writes what it needs"
        )?;
    }
    let more = report.referee.shown.len().saturating_sub(SHOWN);
    if more > 0 {
        writeln!(output, "\n{more} more are in the JSON report")?;
    }
    Ok(())
}

/// The run while it goes on.
struct Display {
    bar: Option<ProgressBar>,
    plain: bool,
    headed: bool,
}

impl Display {
    fn new(progress: Progress, loaded: &Loaded) -> Self {
        let on_terminal = progress == Progress::Auto && io::stderr().is_terminal();
        let seconds: f64 = loaded.scenario.phase.iter().map(|phase| phase.for_s).sum();
        let style = ProgressStyle::with_template("{wide_bar:.cyan/dim} {pos}/{len} s\n{msg}");
        let bar =
            on_terminal.then(|| ProgressBar::new(seconds.ceil() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
        Self { bar, plain: !on_terminal && progress != Progress::None, headed: false }
    }

    fn show(&mut self, second: &Second) {
        if let Some(bar) = &self.bar {
            bar.set_position(second.second + 1);
            bar.set_message(format!("{}\n{}", report::headline(), report::line(second)));
        } else if self.plain {
            let mut stderr = io::stderr().lock();
            // With standard error gone there is no one left to tell.
            if !self.headed {
                self.headed = true;
                let _ = writeln!(stderr, "{}", report::headline());
            }
            let _ = writeln!(stderr, "{}", report::line(second));
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn list(output: &mut Output) -> Result<Exit, Failure> {
    for Builtin { name, .. } in BUILTINS {
        let loaded = load(name, &[]).map_err(|error| Failure::failed(error.to_string()))?;
        writeln!(output, "{name:<16} {}", loaded.scenario.about)?;
    }
    Ok(Exit::Done)
}

/// SIGINT or SIGTERM ends the run with a report; a second one ends the program.
fn stop_on_signal() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let unwatched = |error: io::Error| Failure::failed(format!("signals cannot be watched: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unwatched)?;
    let watch = |kind| {
        let _within = runtime.enter();
        signal(kind).map_err(unwatched)
    };
    let (mut interrupt, mut terminate) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
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

fn change(text: &str) -> Result<Change, String> {
    let (key, value) = text.split_once('=').ok_or("a change is KEY=VALUE")?;
    Ok(Change { key: key.trim().to_owned(), value: value.trim().to_owned() })
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
}
