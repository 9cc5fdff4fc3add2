//! `attachd check`: is this configuration, with this inventory, one that `serve` would take?

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::data_folder;
use super::outcome::{self, CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::setup::{Setup, Sources};
use super::table::TextTable;
use crate::aaa::Objection;
use crate::config::{Config, ConfigProblem, ProblemSeverity};
use crate::journal::Journal;
use crate::keeping::BackgroundWriter;
use crate::provisioning::{
    Allocation, Inventory, NamedElsewhere, ProvisioningState, Prune, Subnet,
};
use crate::radius::{GatewaySettings, Requirement};
use crate::time::Timestamp;

/// Validate configuration and inventory, and say every problem with file and line.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Check {
    #[command(flatten)]
    sources: Sources,
    /// Ask also whether a server would take the inventory that remembers what is in this data
    /// folder.
    #[arg(long, value_name = "DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd check --config /etc/attachd/attachd.toml
  attachd check --inventory ./inventory --output json

Problems are told on standard error as file:line: what; remedy.
Exit codes: 0 `serve` would start, 2 it would refuse.";

impl Check {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let mut setup = self.sources.examine().with_advice();
        if setup.is_valid() {
            setup.problems.extend(match self.data_dir {
                Some(data_dir) => objections(self.sources.examine(), &data_dir)?,
                None => named_elsewhere(&setup.inventory),
            });
        }
        match self.forms.form() {
            OutputFormat::Json => {
                output.json(&describe(&setup), true)?;
                Ok(if setup.is_valid() { Exit::Done } else { Exit::Invalid })
            }
            OutputFormat::Text => {
                let (config, inventory, warnings) = setup.accepted()?;
                for warning in &warnings {
                    outcome::list(warning);
                }
                write_tables(&config, &inventory, output)?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Why a server that remembers what is in the folder would not take the inventory, which is adopted
/// here in memory.
fn objections(setup: Setup, data_dir: &Path) -> Result<Vec<ConfigProblem>, CommandError> {
    let memory = data_folder::memory(data_dir, setup.config.aaa.clone())?;
    let mut nowhere = BackgroundWriter::new(&Journal::in_memory());
    let adopted = memory.adopt(setup.inventory, Prune::No, Timestamp::EPOCH, &mut nowhere);
    let problem = |objection: Objection| ConfigProblem {
        severity: ProblemSeverity::Error,
        file: Some(objection.file),
        line: objection.line.map(|line| line as usize),
        what: objection.iccid.map_or_else(String::new, |iccid| format!("endpoint {iccid}: "))
            + &objection.what,
        remedy: objection.remedy.to_owned(),
    };
    Ok(adopted.err().into_iter().flatten().map(problem).collect())
}

/// What a first start would refuse: objects that are made over the API are nowhere yet.
fn named_elsewhere(inventory: &Inventory) -> Vec<ConfigProblem> {
    let problem = |named: &NamedElsewhere| ConfigProblem {
        severity: ProblemSeverity::Error,
        file: Some(inventory.file.clone()),
        line: Some(named.line as usize),
        what: named.what(),
        remedy: format!("{}; if a server has it already, name its --data-dir", named.remedy()),
    };
    inventory.elsewhere.iter().map(problem).collect()
}

fn write_tables(
    config: &Config,
    inventory: &Inventory,
    output: &mut Output,
) -> Result<(), CommandError> {
    let mut gateways = TextTable::new(["GATEWAY", "SOURCE", "MESSAGE-AUTHENTICATOR", "REQUESTS/S"]);
    for gateway in &config.server.gateways {
        let limit =
            if gateway.rate_limit == 0 { "any".to_owned() } else { gateway.rate_limit.to_string() };
        let sources =
            gateway.sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        gateways.row([gateway.name.clone(), sources, requirement(gateway).to_owned(), limit]);
    }
    gateways.write(output)?;

    let catalog = &inventory.catalog;
    let mut vslices = TextTable::new(["VSLICE", "ENABLED", "SUBNET", "ALLOCATION", "ADDRESSES"]);
    for (_, vslice) in catalog.vslices() {
        let enabled = if vslice.enabled { "yes" } else { "no" };
        let cells = |subnet: Option<&Subnet>| {
            let [cidr, kind, size] = subnet.map_or_else(Default::default, |subnet| {
                [
                    subnet.block.cidr().to_string(),
                    allocation(subnet.allocation).to_owned(),
                    size(subnet).to_string(),
                ]
            });
            [vslice.moniker.to_string(), enabled.to_owned(), cidr, kind, size]
        };
        match vslice.subnets.as_slice() {
            [] => vslices.row(cells(None)),
            subnets => subnets.iter().for_each(|subnet| vslices.row(cells(Some(subnet)))),
        }
    }
    vslices.write(output)?;

    let mut groups = TextTable::new(["GROUP", "VSLICE", "ALLOCATION", "APNS", "VALID"]);
    for (id, group) in catalog.groups() {
        let vslice = catalog
            .vslice(group.vslice)
            .map(|vslice| vslice.moniker.to_string())
            .unwrap_or_default();
        let apns = group.apns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let apns = if apns.is_empty() { "any".to_owned() } else { apns };
        let valid =
            catalog.fault(id).map_or_else(|| "yes".to_owned(), |fault| format!("no: {fault}"));
        groups.row([
            group.moniker.to_string(),
            vslice,
            allocation(group.allocation).to_owned(),
            apns,
            valid,
        ]);
    }
    groups.write(output)?;

    let mut endpoints = TextTable::new(["ENDPOINTS", "COUNT"]);
    for (state, count) in states(inventory) {
        endpoints.row([state.to_string(), count.to_string()]);
    }
    endpoints.write(output)
}

fn describe(setup: &Setup) -> serde_json::Value {
    let catalog = &setup.inventory.catalog;
    let gateways = setup.config.server.gateways.iter().map(|gateway| {
        json!({
            "name": gateway.name,
            "source": gateway.sources.first(),
            "sources": gateway.sources,
            "requireMessageAuthenticator": requirement(gateway),
            "limitProxyState": gateway.limit_proxy_state,
            "rateLimit": gateway.rate_limit,
        })
    });
    let vslices = catalog.vslices().map(|(_, vslice)| {
        let subnets = vslice
            .subnets
            .iter()
            .map(|subnet| json!({ "cidr": subnet.block.cidr(), "allocation": allocation(subnet.allocation), "addresses": size(subnet) }));
        json!({ "moniker": vslice.moniker, "name": vslice.name.as_str(), "enabled": vslice.enabled, "subnets": subnets.collect::<Vec<_>>() })
    });
    let groups = catalog.groups().map(|(id, group)| {
        let fault = catalog.fault(id).map(|fault| fault.to_string());
        json!({
            "moniker": group.moniker,
            "name": group.name.as_str(),
            "vslice": catalog.vslice(group.vslice).map(|vslice| &vslice.moniker),
            "allocation": allocation(group.allocation),
            "apns": group.apns,
            "valid": fault.is_none(),
            "fault": fault,
        })
    });
    let endpoints: serde_json::Map<_, _> =
        states(&setup.inventory).map(|(state, count)| (state.to_string(), json!(count))).collect();
    json!({
        "valid": setup.is_valid(),
        "problems": setup.problems.iter().map(describe_problem).collect::<Vec<_>>(),
        "gateways": gateways.collect::<Vec<_>>(),
        "vslices": vslices.collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
        "endpoints": endpoints,
    })
}

fn describe_problem(problem: &ConfigProblem) -> serde_json::Value {
    let severity = match problem.severity {
        ProblemSeverity::Error => "error",
        ProblemSeverity::Warning => "warning",
    };
    json!({ "severity": severity, "file": problem.file, "line": problem.line, "what": problem.what, "remedy": problem.remedy })
}

fn states(inventory: &Inventory) -> impl Iterator<Item = (ProvisioningState, usize)> {
    ProvisioningState::ALL.into_iter().map(|state| {
        let count =
            inventory.endpoints.iter().filter(|(_, endpoint)| endpoint.state == state).count();
        (state, count)
    })
}

/// All addresses or prefixes of the range, handed out or not.
fn size(subnet: &Subnet) -> u64 {
    subnet.block.size()
}

fn requirement(gateway: &GatewaySettings) -> &'static str {
    match gateway.require_message_authenticator {
        Requirement::Yes => "yes",
        Requirement::No => "no",
        Requirement::Auto => "auto",
    }
}

fn allocation(kind: Allocation) -> &'static str {
    match kind {
        Allocation::Static => "static",
        Allocation::Pooled => "pooled",
    }
}
