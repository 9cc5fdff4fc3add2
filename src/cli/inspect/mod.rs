//! `attachd inspect`: what is in a data folder, without changing it; beside a running server, too.

mod objects;
mod records;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use clap::Args;
use serde_json::{Value, json};

use super::data_folder::{self, DataFolder};
use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat, TextStyle};
use super::table::TextTable;
use crate::identity::Iccid;
use crate::journal::{Loss, OnDamage, RecoveryReport};
use crate::record::Record;
use records::HandleNames;

/// Show the files of a data folder, what they hold, and what is damaged.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Inspect {
    /// The data folder; without it the one of --data-dir or --config.
    #[arg(value_name = "DATA_DIR", conflicts_with_all = ["config", "data_dir"])]
    folder: Option<PathBuf>,
    #[command(flatten)]
    named: DataFolder,
    /// Show every record of this endpoint, oldest first.
    #[arg(long, value_name = "ICCID")]
    iccid: Option<Iccid>,
    /// Show every record.
    #[arg(long, conflicts_with = "iccid")]
    records: bool,
    #[command(flatten)]
    forms: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  attachd inspect attachd-data
  attachd inspect --config /etc/attachd/attachd.toml
  attachd inspect attachd-data --iccid 8944500000000000014
  attachd inspect attachd-data --records --json | jq 'select(.kind == \"note\")'

Records are printed one a line in JSON. The newest version of a record counts.
Exit codes: 0 all can be read, 1 the folder cannot be read, 2 it holds no data of attachd,
3 something is damaged.";

impl Inspect {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let folder = self.folder.clone().map_or_else(|| self.named.path(), Ok)?;
        let is_by_record = self.records || self.iccid.is_some();
        let recovered = if is_by_record {
            self.show_records(&folder, output)?
        } else {
            self.show_files(&folder, output)?
        };
        Ok(if recovered.lost.is_empty() { Exit::Done } else { Exit::Unmet })
    }

    fn show_files(
        &self,
        folder: &Path,
        output: &mut Output,
    ) -> Result<RecoveryReport, CommandError> {
        let mut kinds = BTreeMap::<&str, u64>::new();
        let recovered = data_folder::read(folder, OnDamage::Continue, |record| {
            *kinds.entry(records::kind(&record)).or_default() += 1;
        })?;
        match self.forms.form() {
            OutputFormat::Json => output.json(&describe(&recovered, &kinds), true)?,
            OutputFormat::Text => write_tables(&recovered, &kinds, output)?,
        }
        Ok(recovered)
    }

    /// In two readings: the names that records mean by number may stand behind them.
    fn show_records(
        &self,
        folder: &Path,
        output: &mut Output,
    ) -> Result<RecoveryReport, CommandError> {
        let mut names = HandleNames::default();
        data_folder::read(folder, OnDamage::Continue, |record| names.learn(record))?;
        let is_wanted =
            |record: &Record| self.iccid.is_none_or(|iccid| records::iccid(record) == Some(iccid));
        // Records are read on a thread of their own; only this one may write.
        let (shown, to_write) = mpsc::sync_channel(256);
        thread::scope(|scope| {
            let names = &names;
            let reading = scope.spawn(move || {
                data_folder::read(folder, OnDamage::Continue, |record| {
                    if is_wanted(&record) {
                        // Fails when nobody wants to see more.
                        let _ = shown.send(names.describe(&record));
                    }
                })
            });
            for record in to_write {
                match self.forms.form() {
                    OutputFormat::Json => output.json(&record, false)?,
                    OutputFormat::Text => records::write_text(&record, output)?,
                }
            }
            reading
                .join()
                .map_err(|_| CommandError::failed("the reading of records ended by itself"))?
        })
    }
}

fn describe(recovered: &RecoveryReport, kinds: &BTreeMap<&str, u64>) -> Value {
    let loss = |loss: &Loss| json!({"file": loss.file, "from": loss.from, "to": loss.to, "what": loss.what});
    let files = recovered.files.iter().map(|file| json!({"name": file.name.to_string(), "records": file.records, "octets": file.octets}));
    json!({
        "files": files.collect::<Vec<_>>(),
        "kinds": kinds,
        "tornTail": recovered.cut.as_ref().map(loss),
        "damage": recovered.lost.iter().map(loss).collect::<Vec<_>>(),
    })
}

fn write_tables(
    recovered: &RecoveryReport,
    kinds: &BTreeMap<&str, u64>,
    output: &mut Output,
) -> Result<(), CommandError> {
    let mut files = TextTable::new(["FILE", "RECORDS", "OCTETS"]);
    for file in &recovered.files {
        files.row([file.name.to_string(), file.records.to_string(), file.octets.to_string()]);
    }
    files.write(output)?;
    let mut table = TextTable::new(["KIND", "RECORDS"]);
    for (kind, count) in kinds {
        table.row([(*kind).to_owned(), count.to_string()]);
    }
    table.write(output)?;
    if let Some(cut) = &recovered.cut {
        writeln!(output, "{}: {cut}", output.painted(TextStyle::Faint, "torn tail"))?;
    }
    for loss in &recovered.lost {
        writeln!(output, "{}: {loss}", output.painted(TextStyle::Bad, "damage"))?;
    }
    Ok(())
}
