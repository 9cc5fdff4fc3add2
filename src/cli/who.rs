//! `attachd who`: who has an address, or had it at an instant.

use std::io::Write;

use clap::Args;

use super::endpoint::encoded;
use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::remote::{Ask, Remote};
use super::table::TextTable;

/// Tell who has an address of a VSlice, or had it at an instant.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Who {
    /// The address.
    #[arg(value_name = "ADDRESS")]
    address: std::net::IpAddr,
    /// The VSlice that it is an address of; without it, every VSlice that knows it.
    #[arg(long, value_name = "MONIKER")]
    vslice: Option<String>,
    /// When, in UTC; without it, now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd who 100.64.0.16 --vslice festival
  attachd who 100.64.0.16 --vslice festival --at 2026-07-04T21:15:00Z

The server tells what it has in memory: sessions that are open, and those that have ended, as long
as it remembers them ([sessions] tombstone_s).

Exit codes: 0 somebody, 3 nobody, 1 failure, 2 wrong usage.";

impl Who {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let mut path = format!("/api/v1/addresses?address={}", self.address);
        for (name, value) in [("vslice", &self.vslice), ("at", &self.at)] {
            if let Some(value) = value {
                path.extend(["&", name, "=", &encoded(value)]);
            }
        }
        let found = self.remote.ask(&Ask::Get(&path))?["data"].take();
        let owners = found.as_array().map(Vec::as_slice).unwrap_or_default();
        let exit = if owners.is_empty() { Exit::Unmet } else { Exit::Done };
        if self.forms.form() == OutputFormat::Json {
            writeln!(output, "{found:#}")?;
            return Ok(exit);
        }
        if owners.is_empty() {
            writeln!(output, "nobody, as far as the server remembers")?;
            return Ok(exit);
        }
        let mut table = TextTable::new(["VSLICE", "ICCID", "IMSI", "STATE", "FROM", "TO", "NAME"]);
        for owner in owners {
            let text = |key: &str| owner[key].as_str().unwrap_or("-").to_owned();
            table.row(["vslice", "iccid", "imsi", "state", "from", "to", "name"].map(text));
        }
        table.write(output)?;
        Ok(exit)
    }
}
