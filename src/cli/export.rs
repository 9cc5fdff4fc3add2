//! `attachd export`: the inventory as the journal has it, as files that `serve` loads.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::inspect;
use super::outcome::{Exit, Failure};
use super::output::Output;
use crate::config::{Config, Problems};
use crate::identity::Iccid;
use crate::journal::{Entry, Journal, OnDamage, Record};
use crate::provisioning::{self, Catalog, Endpoint};

/// Write the present inventory into a folder; beside a running server, too.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Export {
    /// The folder for inventory.toml and endpoints.csv, which must not be there yet.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The configuration that names the data folder.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, value_name = "DATA_DIR", conflicts_with = "config")]
    data_dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  attachd export inventory-today
  attachd export inventory-today --config /etc/attachd/attachd.toml

Passwords of groups are written, too. Exit codes: 0 written, 1 not.";

impl Export {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let data_dir = if let Some(data_dir) = self.data_dir {
            data_dir
        } else {
            let problems = |problems: Problems| Failure::Listed(Exit::Invalid, vec![problems.to_string()]);
            Config::load(self.config.as_deref()).map_err(problems)?.data_dir
        };
        let mut found = Found::default();
        let mut applier = |entry: Entry<'_>| {
            found.take(Record::read(&entry)?);
            Ok(())
        };
        Journal::read(&data_dir, OnDamage::Refuse, std::slice::from_mut(&mut applier)).map_err(|error| inspect::failed(&error))?;

        let mut endpoints: Vec<(Iccid, &Endpoint)> =
            found.endpoints.iter().filter_map(|(iccid, (_, endpoint))| Some((*iccid, endpoint.as_ref()?))).collect();
        endpoints.sort_unstable_by_key(|(iccid, _)| *iccid);
        let count = endpoints.len();
        provisioning::export(&self.folder, &found.catalog.1, endpoints)
            .map_err(|error| Failure::failed(format!("{}: {error}", self.folder.display())))?;
        writeln!(output, "{count} endpoints written to {}", self.folder.display())?;
        Ok(Exit::Done)
    }
}

/// The newest version of everything provisioned.
#[derive(Default)]
struct Found {
    catalog: (u64, Catalog),
    endpoints: HashMap<Iccid, (u64, Option<Endpoint>)>,
}

impl Found {
    fn take(&mut self, record: Record) {
        match record {
            Record::Catalog { version, catalog } if version >= self.catalog.0 => self.catalog = (version, catalog),
            Record::Provisioned { iccid, version, endpoint } => {
                let known = self.endpoints.entry(iccid).or_default();
                if version >= known.0 {
                    *known = (version, endpoint);
                }
            }
            Record::Catalog { .. }
            | Record::Inventory { .. }
            | Record::Endpoint { .. }
            | Record::Gateway { .. }
            | Record::Restart(_)
            | Record::Note(_) => {}
        }
    }
}
