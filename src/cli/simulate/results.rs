//! What a run leaves: the table on standard output, and the files that were asked for.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::cannot_write;
use crate::cli::outcome::CommandError;
use crate::cli::output::Output;
use crate::simulator::driver::CaptureOptions;
use crate::simulator::referee::Rule;
use crate::simulator::report::{self, RunReport};
use crate::simulator::scenario::State;

/// Violations shown in full after the table.
const SHOWN: usize = 5;

/// What is written besides the table.
#[derive(Args)]
pub(super) struct Results {
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

impl Results {
    pub(super) fn capture(&self) -> Option<CaptureOptions> {
        self.pcap.clone().map(|path| CaptureOptions { path, one_in: self.pcap_sample })
    }

    /// A file that cannot be written is better known before a long run than after it.
    pub(super) fn prepare(&self) -> Result<(), CommandError> {
        let json = self.json.as_deref().filter(|_| !self.json_is_output());
        for path in [json, self.html.as_deref(), self.hdr.as_deref(), self.pcap.as_deref()]
            .into_iter()
            .flatten()
        {
            fs::File::create(path).map_err(|error| cannot_write(path, &error))?;
        }
        Ok(())
    }

    fn json_is_output(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    pub(super) fn write(
        &self,
        report: &RunReport,
        output: &mut Output,
    ) -> Result<(), CommandError> {
        let json = report.to_json().map_err(|error| CommandError::failed(error.to_string()))?;
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
fn show_violations(report: &RunReport, output: &mut Output) -> Result<(), CommandError> {
    for finding in report.referee.shown.iter().take(SHOWN) {
        let endpoint = finding.endpoint.as_deref().unwrap_or("-");
        writeln!(
            output,
            "\n{:.3} s  {}  {endpoint}: the server {}: {}",
            finding.at_s, finding.rule, finding.what, finding.detail
        )?;
        output.write_all(finding.evidence(report.dictionary()).as_bytes())?;
    }
    if report.rejects.contains_key(State::Unknown.reason().unwrap_or_default())
        && report.referee.rules.contains_key(Rule::Refused.id())
    {
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
