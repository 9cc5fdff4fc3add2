//! `attachd diff`: what is other than the files of the inventory have it.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::data_folder;
use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::setup::Sources;
use super::table::TextTable;
use crate::aaa::Aaa;
use crate::address::AddressKind;
use crate::identity::{GroupId, Iccid};
use crate::policy::PolicyEntry;
use crate::provisioning::{
    Authority, Catalog, CatalogKind, Endpoint, EventMap, Group, Inventory, Policy, Prune, Revision,
    Vslice,
};

/// List the endpoints, groups, VSlices and policies that are other than the inventory has them;
/// beside a running server, too.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Diff {
    #[command(flatten)]
    sources: Sources,
    /// The data folder, instead of the one the configuration names.
    #[arg(long, value_name = "DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd diff --config /etc/attachd/attachd.toml
  attachd diff --data-dir /var/lib/attachd --inventory ./inventory --output json

A line of a file is applied when it changes: what a person changed since stays, and is listed here.
Exit codes: 0 listed, 1 not, 2 the inventory is not valid, or the data folder holds no data of attachd.";

/// An object that differs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    kind: &'static str,
    id: String,
    /// Who made it; nobody if it is only in the files.
    origin: Option<&'static str>,
    what: String,
}

impl Diff {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let (config, inventory, _) = self.sources.examine().accepted()?;
        let data_dir = self.data_dir.unwrap_or(config.data_dir);
        let memory = data_folder::memory(&data_dir, config.aaa.clone())?;
        let rows = differences(&memory, inventory, config.aaa.authority);
        match self.forms.form() {
            OutputFormat::Json => writeln!(output, "{:#}", json!(rows))?,
            OutputFormat::Text => {
                let mut table = TextTable::new(["KIND", "ID", "MADE BY", "DIFFERENCE"]);
                for Row { kind, id, origin, what } in rows {
                    table.row([kind.to_owned(), id, origin.unwrap_or("-").to_owned(), what]);
                }
                table.write(output)?;
            }
        }
        Ok(Exit::Done)
    }
}

fn differences(memory: &Aaa, mut inventory: Inventory, authority: Authority) -> Vec<Row> {
    let catalog = memory.catalog();
    let mut rows = Vec::new();
    let files = &inventory.catalog;
    let policies = (
        catalog.all::<Policy>().map(|(_, policy)| policy),
        files.all::<Policy>().map(|(_, policy)| policy),
    );
    compare_sections(
        "policy",
        policies,
        |policy| policy.moniker.as_str(),
        |policy| policy_fields(policy),
        &mut rows,
    );
    let in_force = catalog.vslices().map(|(_, vslice)| (vslice, &catalog));
    let written = files.vslices().map(|(_, vslice)| (vslice, files));
    compare_sections(
        "vslice",
        (in_force, written),
        |(vslice, _)| vslice.moniker.as_str(),
        |(vslice, of)| vslice_fields(vslice, of),
        &mut rows,
    );
    let in_force = catalog.groups().map(|(_, group)| (group, &catalog));
    let written = files.groups().map(|(_, group)| (group, files));
    compare_sections(
        "group",
        (in_force, written),
        |(group, _)| group.moniker.as_str(),
        |(group, of)| group_fields(group, of),
        &mut rows,
    );
    for row in &mut rows {
        row.origin = origin_of(&catalog, row);
    }
    // The files' handles become those in force, so that endpoints can be compared.
    let merged = catalog.merged(&inventory.catalog, authority, Prune::No, 0);
    inventory.rename_groups(&merged.groups);
    let mut written: HashMap<Iccid, Endpoint> = inventory.endpoints.into_iter().collect();
    memory.for_each(|iccid, entry| {
        let what = match written.remove(&iccid) {
            None => "is not in the files".to_owned(),
            Some(line) if line.is_written_like(&entry.endpoint) => return,
            Some(line) => changes(
                &endpoint_fields(&entry.endpoint, &merged.catalog),
                &endpoint_fields(&line, &merged.catalog),
            ),
        };
        rows.push(Row {
            kind: "endpoint",
            id: iccid.to_string(),
            origin: Some(origin(entry.stamp)),
            what,
        });
    });
    let only_written = |iccid: &Iccid| Row {
        kind: "endpoint",
        id: iccid.to_string(),
        origin: None,
        what: "is in the files only".to_owned(),
    };
    rows.extend(written.keys().map(only_written));
    rows.sort();
    rows
}

type Fields = Vec<(&'static str, String)>;

fn compare_sections<T>(
    kind: &'static str,
    (in_force, written): (impl Iterator<Item = T>, impl Iterator<Item = T>),
    moniker: impl Fn(&T) -> &str,
    fields: impl Fn(&T) -> Fields,
    rows: &mut Vec<Row>,
) {
    let mut written: HashMap<String, Fields> =
        written.map(|thing| (moniker(&thing).to_owned(), fields(&thing))).collect();
    let mut push =
        |id: &str, what: String| rows.push(Row { kind, id: id.to_owned(), origin: None, what });
    for thing in in_force {
        match written.remove(moniker(&thing)) {
            None => push(moniker(&thing), "is not in the files".to_owned()),
            Some(section) if section == fields(&thing) => {}
            Some(section) => push(moniker(&thing), changes(&fields(&thing), &section)),
        }
    }
    for id in written.keys() {
        push(id, "is in the files only".to_owned());
    }
}

/// `name: what is in force, not what the files say`, for each field that differs.
fn changes(in_force: &Fields, written: &Fields) -> String {
    let differing = in_force.iter().zip(written).filter(|(now, line)| now != line);
    let told = differing.map(|((name, now), (_, line))| match *name {
        // Neither is for a screen.
        "password" => "password: another one in the files".to_owned(),
        name => format!("{name}: {}, in the files {}", shown(now), shown(line)),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value }
}

fn list(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(";")
}

/// What another object is called, of whatever status: the files name some that they do not describe.
fn name_of<T: CatalogKind>(catalog: &Catalog, id: Option<T::Id>) -> String {
    let named = id.and_then(|id| catalog.place::<T>(id));
    named.map(|entry| entry.thing.moniker().to_string()).unwrap_or_default()
}

fn policy_fields(policy: &Policy) -> Fields {
    vec![
        ("name", policy.name.to_string()),
        ("allow_2g", policy.allow_2g.to_string()),
        ("allow_3g", policy.allow_3g.to_string()),
        ("allow_45g", policy.allow_45g.to_string()),
        ("when_missing", policy.when_missing.moniker().to_owned()),
        ("imei_lock", policy.imei_lock.moniker().to_owned()),
        ("entries", list(policy.entries.iter().map(PolicyEntry::to_string))),
    ]
}

fn vslice_fields(vslice: &Vslice, catalog: &Catalog) -> Fields {
    let subnets = vslice.subnets.iter().map(|subnet| {
        let excluded = list(subnet.exclude.iter());
        let length = match subnet.block.kind() {
            AddressKind::Ipv4 | AddressKind::Link => String::new(),
            AddressKind::Delegated => format!(" delegated /{}", subnet.block.prefix_len()),
        };
        format!(
            "{} {}{length}{}{excluded}",
            subnet.block,
            subnet.allocation,
            if excluded.is_empty() { "" } else { " without " }
        )
    });
    vec![
        ("name", vslice.name.to_string()),
        ("enabled", vslice.enabled.to_string()),
        ("dns", list(vslice.dns.iter())),
        ("subnets", list(subnets)),
        ("event_map", name_of::<EventMap>(catalog, vslice.event_map)),
    ]
}

fn group_fields(group: &Group, catalog: &Catalog) -> Fields {
    let demanded = group.credentials.as_ref();
    let credentials = demanded
        .map(|demanded| format!("{:?} {}", demanded.method, demanded.username).to_lowercase());
    vec![
        ("name", group.name.to_string()),
        (
            "vslice",
            catalog
                .vslice(group.vslice)
                .map(|vslice| vslice.moniker.to_string())
                .unwrap_or_default(),
        ),
        ("enabled", group.enabled.to_string()),
        ("allocation", group.allocation.to_string()),
        ("apns", list(group.apns.iter())),
        ("session_timeout_s", group.session_timeout_s.to_string()),
        ("idle_timeout_s", group.idle_timeout_s.to_string()),
        ("interim_interval_s", group.interim_interval_s.to_string()),
        ("credentials", credentials.unwrap_or_default()),
        ("password", demanded.map(|demanded| demanded.password.to_string()).unwrap_or_default()),
        ("policy", name_of::<Policy>(catalog, group.policy)),
        ("event_map", name_of::<EventMap>(catalog, group.event_map)),
        ("families", list(group.families.monikers().iter())),
        ("partial_dual_stack", group.partial_dual_stack.to_string()),
        ("disconnect", group.disconnect.to_string()),
    ]
}

fn endpoint_fields(endpoint: &Endpoint, catalog: &Catalog) -> Fields {
    let moniker = |id: GroupId| {
        catalog.group_place(id).map(|entry| entry.thing.moniker.to_string()).unwrap_or_default()
    };
    vec![
        ("state", endpoint.state.to_string()),
        ("imsi", list(endpoint.imsis())),
        ("msisdn", list(endpoint.msisdn.into_iter())),
        ("group", list(endpoint.group.into_iter().map(moniker))),
        ("secondary_groups", list(endpoint.secondary_groups().iter().copied().map(moniker))),
        ("static_ip", list(endpoint.static_ip.into_iter())),
        ("static_ipv6", list(endpoint.configured_prefixes().link.into_iter())),
        ("delegated_ipv6", list(endpoint.configured_prefixes().delegated.into_iter())),
        ("name", endpoint.name.as_deref().unwrap_or_default().to_owned()),
        ("reference", list(endpoint.labels().reference.iter())),
        ("tags", list(endpoint.labels().tags.iter())),
        ("imei", list(endpoint.imei().into_iter())),
    ]
}

fn origin(stamp: Revision) -> &'static str {
    if stamp.origin.is_by_person() { "api" } else { "file" }
}

/// Who made a section's object that is in force.
fn origin_of(catalog: &Catalog, row: &Row) -> Option<&'static str> {
    let stamp = match row.kind {
        "policy" => catalog.find::<Policy>(&row.id).map(|(_, entry)| entry.stamp),
        "vslice" => catalog
            .vslice_by_moniker(&row.id)
            .and_then(|(id, _)| catalog.vslice_place(id))
            .map(|entry| entry.stamp),
        _ => catalog
            .group_by_moniker(&row.id)
            .and_then(|(id, _)| catalog.group_place(id))
            .map(|entry| entry.stamp),
    };
    stamp.map(origin)
}
