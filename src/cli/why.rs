//! `attachd why`: why an endpoint would be accepted or refused.

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::endpoint::encoded;
use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::remote::{Ask, Remote};
use super::table::TextTable;

/// Tell step by step what an attach of an endpoint would come to, without doing anything.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Why {
    /// ICCID, imsi:... or msisdn:...
    #[arg(value_name = "ID")]
    id: String,
    /// The APN that the device asks for.
    #[arg(long, value_name = "APN")]
    apn: Option<String>,
    /// The name of the gateway that would ask.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// The network that it would roam in, as 26201; without it, the one it was last heard from.
    #[arg(long, value_name = "MCCMNC")]
    plmn: Option<String>,
    /// The number of the radio that it would use (3GPP-RAT-Type).
    #[arg(long, value_name = "NUMBER")]
    rat: Option<String>,
    /// The device that it would be in.
    #[arg(long, value_name = "DIGITS")]
    imei: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd why 8944500000000000014
  attachd why imsi:234500000000121 --apn festival.iot --gateway pgw-01
  attachd why 8944500000000000014 --plmn 20801 --rat 6

Exit codes: 0 it would be accepted, 3 it would not, 1 failure, 2 wrong usage.";

impl Why {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let mut path = format!("/api/v1/endpoints/{}/why", encoded(&self.id));
        let asked = [
            ("apn", &self.apn),
            ("gateway", &self.gateway),
            ("plmn", &self.plmn),
            ("rat", &self.rat),
            ("imei", &self.imei),
        ];
        let given = asked.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (at, (name, value)) in given.enumerate() {
            path.extend([if at == 0 { "?" } else { "&" }, name, "=", &encoded(value)]);
        }
        let told = self.remote.ask(&Ask::Get(&path))?["data"].take();
        let exit = if told["verdict"] == "accept" { Exit::Done } else { Exit::Unmet };
        if self.forms.form() == OutputFormat::Json {
            writeln!(output, "{told:#}")?;
            return Ok(exit);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut table = TextTable::new(["CHECK", "", "FOUND", "WHAT IT MEANS"]);
        for step in told["steps"].as_array().into_iter().flatten() {
            let passed = if step["passed"] == true { "ok" } else { "NO" };
            table.row([
                text(&step["check"]),
                passed.to_owned(),
                text(&step["found"]),
                text(&step["message"]),
            ]);
        }
        table.write(output)?;
        match told["reason"].as_str() {
            Some(reason) => writeln!(output, "{}: {reason}", text(&told["verdict"]))?,
            None => writeln!(output, "{}", text(&told["verdict"]))?,
        }
        for refusal in told["lastRefusals"].as_array().into_iter().flatten() {
            let times = match refusal["times"].as_u64() {
                Some(1) | None => String::new(),
                Some(times) => format!(", {times} times in a row"),
            };
            let (at, reason) = (text(&refusal["at"]), text(&refusal["reason"]));
            writeln!(output, "refused {at}: {reason} ({}{times})", text(&refusal["request"]))?;
        }
        Ok(exit)
    }
}
