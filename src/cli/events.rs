//! `attachd events`: what happened, and what happens.

use std::io::{BufRead, BufReader, Write};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::endpoint::encoded;
use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::remote::{Ask, Remote};
use crate::printable;

/// Show the events that a running server keeps, the oldest first.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Events {
    /// Go on with events as they happen, until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Only of these types, with commas between them.
    #[arg(long = "type", value_name = "TYPES")]
    types: Option<String>,
    /// Only of this endpoint.
    #[arg(long, value_name = "ICCID")]
    iccid: Option<String>,
    /// Only of endpoints of this group.
    #[arg(long, value_name = "MONIKER")]
    group: Option<String>,
    /// Only of this VSlice.
    #[arg(long, value_name = "MONIKER")]
    vslice: Option<String>,
    /// Only from this time on, as 2026-07-04T21:15:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only before this time.
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    to: Option<String>,
    /// How many of the newest to show.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd events
  attachd events --follow --type endpointdatasessioncreated_v1,endpointdatasessiondeleted_v1
  attachd events --iccid 8944500000000000014 --from 2026-07-04T00:00:00Z --output json

Exit codes: 0 done, 1 failure, 2 wrong usage.";

/// Before a stream that has ended is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

impl Events {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let filters = [
            ("type", &self.types),
            ("iccid", &self.iccid),
            ("endpointGroup", &self.group),
            ("vslice", &self.vslice),
        ];
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let mut filter = String::new();
        for (name, value) in given {
            filter.extend(["&", name, "=", &encoded(value)]);
        }
        let mut path = format!("/api/v1/events?limit={}{filter}", self.limit);
        for (name, value) in [("from", &self.from), ("to", &self.to)] {
            if let Some(value) = value {
                path.extend(["&", name, "=", &encoded(value)]);
            }
        }
        let answer = self.remote.ask(&Ask::Get(&path))?;
        let newest_first = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        for event in newest_first.iter().rev() {
            self.show(output, event)?;
        }
        if !self.follow {
            return Ok(Exit::Done);
        }
        output.flush()?;
        // What happened before the stream is open is in it, too.
        let last = newest_first.first().and_then(|event| event["cursor"].as_str());
        let last = last.map_or_else(|| before_all(&answer), str::to_owned);
        self.follow(
            output,
            &format!("/api/v1/events/stream?{}", filter.trim_start_matches('&')),
            last,
        )
    }

    fn follow(
        &self,
        output: &mut Output,
        path: &str,
        mut last: String,
    ) -> Result<Exit, CommandError> {
        let mut was_connected = false;
        loop {
            let stream = match self.remote.stream(path, &last) {
                Ok(stream) => BufReader::new(stream),
                Err(error) if !was_connected => return Err(error),
                Err(_) => {
                    sleep(PAUSE);
                    continue;
                }
            };
            was_connected = true;
            let mut kind = String::new();
            for line in stream.lines() {
                // The server has gone, or is being started anew.
                let Ok(line) = line else { break };
                match line.split_once(": ") {
                    Some(("id", id)) => id.clone_into(&mut last),
                    Some(("event", event)) => event.clone_into(&mut kind),
                    Some(("data", data)) => {
                        let event: Value = serde_json::from_str(data).unwrap_or_default();
                        if kind == "gap" {
                            let (from, to) = (&event["from"], &event["to"]);
                            writeln!(output, "-- events from {from} to {to} are not kept --")?;
                        } else {
                            self.show(output, &event)?;
                        }
                        output.flush()?;
                    }
                    _ => {}
                }
            }
            sleep(PAUSE);
        }
    }

    fn show(&self, output: &mut Output, event: &Value) -> Result<(), CommandError> {
        if self.forms.form() == OutputFormat::Json {
            return Ok(output.json(event, false)?);
        }
        let text = |value: &Value| match value {
            Value::String(text) => printable::text(text).to_string(),
            other => printable::text(&other.to_string()).to_string(),
        };
        let detail = &event["detail"];
        let mut line = format!("{} {}", text(&event["eventTime"]), text(&event["eventType"]));
        let keys = [
            "iccid",
            "endpointGroup",
            "vslice",
            "gateway",
            "apn",
            "ip",
            "from",
            "old",
            "new",
            "reason",
            "closeCause",
            "subnet",
            "changed",
        ];
        for key in keys.into_iter().filter(|key| !detail[*key].is_null()) {
            line.extend([" ", key, "=", &text(&detail[key])]);
        }
        Ok(writeln!(output, "{line}")?)
    }
}

/// The cursor before the oldest event that is kept.
fn before_all(answer: &Value) -> String {
    let earliest = answer["earliestCursor"].as_str().and_then(|text| text.parse::<u64>().ok());
    earliest.unwrap_or_default().saturating_sub(1).to_string()
}
