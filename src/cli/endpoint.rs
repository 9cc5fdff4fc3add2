//! `attachd endpoint`: the management API of endpoints, for people.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::outcome::{self, CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::remote::{Ask, Remote};
use super::table::TextTable;

/// List, show and change the endpoints of a running server.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct EndpointVerb {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  export ATTACHD_TOKEN=$(attachd token create --name me --role admin --output json | jq -r .token)
  attachd endpoint list --filter endpointGroup:epos,provisioningState:active
  attachd endpoint show imsi:234500000000001
  attachd endpoint activate 8944500000000900015 --code K7QF-22PD --group epos
  attachd endpoint suspend 8944500000000000014 --reason stolen
  attachd endpoint move 8944500000000000014 --group sensors
  attachd endpoint suspend 100.64.0.16 --vslice festival

An ID is an ICCID, imsi:..., msisdn:..., or an address with --vslice.
Exit codes: 0 done, 1 failure, 2 wrong usage or refused for what was given.";

#[derive(Subcommand)]
enum Action {
    /// Show a page of endpoints.
    List(List),
    /// Show endpoints with all that is known of them.
    Show(Show),
    /// Make an endpoint of a SIM of the stock, with its activation code.
    Activate(Activate),
    /// Refuse endpoints until they are resumed; their open sessions end.
    Suspend(Step),
    /// Let suspended endpoints attach again.
    Resume(Step),
    /// End endpoints for good: they leave their groups and their addresses.
    Terminate(Step),
    /// Bring terminated endpoints back, as pending ones; for administrators.
    Reinstate(Step),
    /// Lock endpoints to the next device that they are seen in.
    Relearn(Show),
    /// Put endpoints into another group; a pending one becomes active.
    Move(Move),
}

#[derive(Args)]
struct List {
    /// What they have to be like: property:text, several parted by commas; all must hold.
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// A text that some identity begins with, or that name, reference or a tag contains.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// How many to show, at most 1000.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

/// Which endpoints are meant.
#[derive(Args)]
struct Meant {
    /// ICCID, imsi:..., msisdn:..., or an address with --vslice.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The VSlice of the addresses.
    #[arg(long, value_name = "MONIKER")]
    vslice: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

#[derive(Args)]
struct Activate {
    /// The ICCID that is printed on the SIM.
    #[arg(value_name = "ICCID")]
    iccid: String,
    /// The code that came with the SIM.
    #[arg(long, value_name = "CODE")]
    code: String,
    /// The group that it is put into; without one it waits, pending, for a group.
    #[arg(long, value_name = "MONIKER")]
    group: Option<String>,
    /// What people call it.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    forms: OutputArgs,
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    meant: Meant,
}

#[derive(Args)]
struct Step {
    #[command(flatten)]
    meant: Meant,
    /// Why, for whoever looks at the endpoint later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Args)]
struct Move {
    #[command(flatten)]
    meant: Meant,
    /// The group that they are put into.
    #[arg(long, value_name = "MONIKER")]
    group: String,
}

impl EndpointVerb {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        match self.action {
            Action::List(list) => list.run(output),
            Action::Show(Show { meant }) => meant.each(output, |_| Ok(Vec::new())),
            Action::Activate(activate) => activate.run(output),
            Action::Suspend(step) => step.run("suspend", output),
            Action::Resume(step) => step.run("resume", output),
            Action::Terminate(step) => step.run("terminate", output),
            Action::Reinstate(step) => step.run("reinstate", output),
            Action::Relearn(Show { meant }) => meant.each(output, |path| {
                let path = format!("{path}/relearn");
                meant.remote.ask(&Ask::Post(&path, None)).map(|answer| told(&answer))
            }),
            Action::Move(Move { meant, group }) => {
                let body = json!({"endpointGroup": group});
                meant.each(output, |path| {
                    meant.remote.ask(&Ask::Patch(path, Some(&body))).map(|answer| told(&answer))
                })
            }
        }
    }
}

impl Activate {
    fn run(&self, output: &mut Output) -> Result<Exit, CommandError> {
        let mut body = json!({"iccid": self.iccid, "activationCode": self.code});
        for (key, value) in [("endpointGroup", &self.group), ("name", &self.name)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let answer = self.remote.ask(&Ask::Post("/api/v1/endpoints", Some(&body)))?;
        let id = answer["data"].as_str().unwrap_or_default();
        let shown = self.remote.ask(&Ask::Get(&format!("/api/v1/endpoints/{id}")))?["data"].take();
        write(&[shown], &self.forms, output)
    }
}

impl Step {
    fn run(&self, word: &str, output: &mut Output) -> Result<Exit, CommandError> {
        let body = self.reason.as_ref().map(|reason| json!({"reason": reason}));
        self.meant.each(output, |path| {
            let path = format!("{path}/{word}");
            self.meant.remote.ask(&Ask::Post(&path, body.as_ref())).map(|answer| told(&answer))
        })
    }
}

impl Meant {
    /// Does something with each endpoint, and shows what it is then.
    fn each(
        &self,
        output: &mut Output,
        act: impl Fn(&str) -> Result<Vec<String>, CommandError>,
    ) -> Result<Exit, CommandError> {
        let mut shown = Vec::new();
        for id in &self.ids {
            let path = format!("/api/v1/endpoints/{}", self.resolve(id)?);
            for message in act(&path)? {
                outcome::warn(&format!("{id}: {message}"));
            }
            shown.push(self.remote.ask(&Ask::Get(&path))?["data"].take());
        }
        write(&shown, &self.forms, output)
    }

    /// The name of the endpoint in a path.
    fn resolve(&self, id: &str) -> Result<String, CommandError> {
        let is_address = id.parse::<std::net::IpAddr>().is_ok();
        match &self.vslice {
            Some(vslice) if is_address => {
                let query = format!("filter=ip:{id},vslice:{}&limit=2", encoded(vslice));
                let answer = self.remote.ask(&Ask::Get(&format!("/api/v1/endpoints?{query}")))?;
                let found = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
                match found {
                    [one] => Ok(one["iccid"].as_str().unwrap_or_default().to_owned()),
                    [] => Err(CommandError::failed(format!("no endpoint has {id} in {vslice}"))),
                    _ => Err(CommandError::failed(format!(
                        "several endpoints have {id} in {vslice}; name one by its ICCID"
                    ))),
                }
            }
            None if is_address => Err(CommandError::failed(format!(
                "{id} is an address, which means something only in a VSlice; name it with --vslice"
            ))),
            _ => Ok(encoded(id)),
        }
    }
}

impl List {
    fn run(&self, output: &mut Output) -> Result<Exit, CommandError> {
        let mut query = format!("limit={}", self.limit);
        for (name, value) in [("filter", &self.filter), ("q", &self.query)] {
            if let Some(value) = value {
                query.extend(["&", name, "=", &encoded(value)]);
            }
        }
        let answer = self.remote.ask(&Ask::Get(&format!("/api/v1/endpoints?{query}")))?;
        let found = answer["data"].as_array().cloned().unwrap_or_default();
        let total = answer["totalItems"].as_u64().unwrap_or_default();
        let exit = write(&found, &self.forms, output)?;
        if total > found.len() as u64 {
            outcome::warn(&format!(
                "{} of {}{total} are shown; narrow them down by --filter, or raise --limit",
                found.len(),
                if answer["totalIsLowerBound"] == true { "at least " } else { "" },
            ));
        }
        Ok(exit)
    }
}

fn told(answer: &Value) -> Vec<String> {
    let messages = answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn write(
    endpoints: &[Value],
    forms: &OutputArgs,
    output: &mut Output,
) -> Result<Exit, CommandError> {
    if forms.form() == OutputFormat::Json {
        writeln!(output, "{:#}", json!(endpoints))?;
        return Ok(Exit::Done);
    }
    let mut table =
        TextTable::new(["ICCID", "IMSI", "STATE", "NETWORK", "GROUP", "ADDRESSES", "NAME"]);
    for endpoint in endpoints {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let list = |value: &Value, key: Option<&str>| {
            let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let shown = all.iter().filter_map(|one| key.map_or(one, |key| &one[key]).as_str());
            let shown = shown.collect::<Vec<_>>().join(" ");
            if shown.is_empty() { "-".to_owned() } else { shown }
        };
        table.row([
            text(&endpoint["iccid"]),
            list(&endpoint["imsis"], None),
            text(&endpoint["provisioningState"]["moniker"]),
            text(&endpoint["networkState"]["moniker"]),
            text(&endpoint["endpointGroup"]["moniker"]),
            list(&endpoint["ipAddresses"], Some("ip")),
            text(&endpoint["name"]),
        ]);
    }
    table.write(output)?;
    Ok(Exit::Done)
}

/// Percent-encoded for a path segment or a query value (RFC 3986 2.3).
pub(super) fn encoded(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~:,".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            let digits = [octet >> 4, octet & 15].map(|digit| DIGITS[usize::from(digit)]);
            encoded.push('%');
            encoded.extend(digits.map(char::from));
        }
    }
    encoded
}
