//! `attachd migrate`: from the configuration of another RADIUS server to ours.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::setup::Sources;
use crate::config::ProblemSeverity;
use crate::migrate::{ForeignFile, Freeradius, KnownSims, Migration, freeradius, includes};

/// More than any configuration has; includes that lead in a circle end here, too.
const MOST_FILES: usize = 10_000;

/// Make a configuration and an inventory from those of another RADIUS server.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct MigrateVerb {
    #[command(subcommand)]
    from: ForeignServer,
}

const EXAMPLES: &str = "\
Examples:
  attachd migrate freeradius /etc/freeradius/3.0 --out attachd
  mysqldump radius > radius.sql; attachd migrate freeradius /etc/freeradius/3.0 --sql radius.sql
  attachd migrate freeradius /etc/freeradius/3.0 --sims sims.csv

Exit codes: 0 written, 1 not, 2 the folder is not what it should be.";

#[derive(Subcommand)]
enum ForeignServer {
    /// FreeRADIUS 3: clients.conf, the users file, and dumps of its database.
    Freeradius(FreeradiusFolder),
}

#[derive(Args)]
struct FreeradiusFolder {
    /// Its configuration, as /etc/freeradius/3.0.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The folder for attachd.toml, inventory/ and notes.txt.
    #[arg(long, value_name = "DIR", default_value = "attachd-migrated")]
    out: PathBuf,
    /// A dump of its database (radcheck, radreply, radusergroup, nas); those in DIR are read anyway.
    #[arg(long, value_name = "FILE")]
    sql: Vec<PathBuf>,
    /// A CSV file with the columns iccid and imsi or msisdn: FreeRADIUS knows no ICCIDs.
    #[arg(long, value_name = "FILE")]
    sims: Option<PathBuf>,
    /// Replace what is in the folder.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    forms: OutputArgs,
}

impl MigrateVerb {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let ForeignServer::Freeradius(found) = self.from;
        found.run(output)
    }
}

impl FreeradiusFolder {
    fn run(&self, output: &mut Output) -> Result<Exit, CommandError> {
        let sims = match &self.sims {
            None => KnownSims::default(),
            Some(path) => KnownSims::parse(&read(path)?)
                .map_err(|what| CommandError::invalid(format!("{}: {what}", path.display())))?,
        };
        let migration = freeradius(&self.find()?, &sims);
        self.write(&migration)?;
        let problems = self.problems();
        if self.forms.form() == OutputFormat::Json {
            output.json(&self.described(&migration, &problems), true)?;
        } else {
            self.tell(&migration, output)?;
        }
        if problems.is_empty() {
            return Ok(Exit::Done);
        }
        Err(CommandError::Listed(Exit::Failure, problems))
    }

    /// Everything that is read.
    fn find(&self) -> Result<Freeradius, CommandError> {
        let mut found = Freeradius::default();
        let folder = &self.folder;
        let clients = folder.join("clients.conf");
        let users = ["mods-config/files/authorize", "users"];
        let users = users.map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        if !clients.is_file() && users.is_none() && self.sql.is_empty() {
            return Err(CommandError::invalid(format!(
                "{}: there is no clients.conf and no users file; give the folder that has them, as /etc/freeradius/3.0",
                folder.display()
            )));
        }
        let mut seen = BTreeSet::new();
        if clients.is_file() {
            self.follow(&clients, &mut found.clients, &mut seen)?;
        }
        if let Some(users) = users {
            self.follow(&users, &mut found.users, &mut seen)?;
        }
        let in_folder = listed(folder).into_iter();
        let in_folder = in_folder.filter(|path| path.extension().is_some_and(|kind| kind == "sql"));
        for path in in_folder.chain(self.sql.iter().cloned()) {
            found.dumps.push(ForeignFile { name: self.shown(&path), text: read(&path)? });
        }
        self.find_unread(&mut found);
        Ok(found)
    }

    /// Reads a file and those that it includes, which stand behind it.
    fn follow(
        &self,
        path: &Path,
        files: &mut Vec<ForeignFile>,
        seen: &mut BTreeSet<PathBuf>,
    ) -> Result<(), CommandError> {
        let mut left = vec![path.to_owned()];
        while let Some(path) = left.pop() {
            if seen.len() >= MOST_FILES || !seen.insert(path.clone()) {
                continue;
            }
            let text = read(&path)?;
            for included in includes(&text) {
                let included = included.replace("${confdir}", &self.folder.to_string_lossy());
                let included = path.parent().unwrap_or(&self.folder).join(included);
                match included.is_dir() {
                    true => left.extend(listed(&included)),
                    false if included.exists() => left.push(included),
                    false => {}
                }
            }
            files.push(ForeignFile { name: self.shown(&path), text });
        }
        Ok(())
    }

    /// What may decide who attaches, and is not read.
    fn find_unread(&self, found: &mut Freeradius) {
        const SITES: &str =
            "virtual servers are not read: docs/protocol.md says how attachd decides";
        const MODULES: &str =
            "this module is not read; what it decided is decided by attachd, or not at all";
        const FILES: [(&str, &str); 4] = [
            ("proxy.conf", "attachd asks no other server: what it proxied has no counterpart"),
            ("dictionary", "attributes of your own have no counterpart"),
            ("hints", "hints have no counterpart: identities are read from attributes"),
            ("huntgroups", "huntgroups have no counterpart: give each gateway a name"),
        ];
        // Those that every installation has, or that are read.
        const KNOWN: [&str; 22] = [
            "always",
            "attr_filter",
            "chap",
            "date",
            "detail",
            "detail.log",
            "digest",
            "dynamic_clients",
            "echo",
            "exec",
            "expiration",
            "expr",
            "files",
            "linelog",
            "logintime",
            "mschap",
            "pap",
            "preprocess",
            "radutmp",
            "realm",
            "replicate",
            "sql",
        ];
        let mut unread = |path: &Path, why| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            if let Some(line) = text.lines().position(says) {
                found.unread.push((self.shown(path), line + 1, why));
            }
        };
        for (name, why) in FILES {
            unread(&self.folder.join(name), why);
        }
        for path in listed(&self.folder.join("sites-enabled")) {
            unread(&path, SITES);
        }
        for path in listed(&self.folder.join("mods-enabled")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !KNOWN.contains(&&*name) {
                unread(&path, MODULES);
            }
        }
    }

    fn shown(&self, path: &Path) -> Arc<str> {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into()
    }

    fn write(&self, migration: &Migration) -> Result<(), CommandError> {
        let inventory = self.out.join("inventory");
        fs::create_dir_all(&inventory).map_err(|error| failed(&inventory, &error))?;
        let notes: Vec<String> = migration.notes.iter().map(ToString::to_string).collect();
        let files = &migration.files;
        for (path, text) in [
            (self.out.join("attachd.toml"), &files.attachd_toml),
            (inventory.join("inventory.toml"), &files.inventory_toml),
            (inventory.join("endpoints.csv"), &files.endpoints_csv),
            (self.out.join("notes.txt"), &(notes.join("\n") + "\n")),
        ] {
            let mut options = OpenOptions::new();
            // There are secrets in it.
            options.write(true).mode(0o600);
            if self.force {
                options.create(true).truncate(true);
            } else {
                options.create_new(true);
            }
            let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }

    /// What `attachd check` says against what was written: nothing, if all went well.
    fn problems(&self) -> Vec<String> {
        let setup = Sources::of(self.out.join("attachd.toml")).examine();
        let errors = setup.problems.iter();
        let errors = errors.filter(|problem| problem.severity == ProblemSeverity::Error);
        errors.map(ToString::to_string).collect()
    }

    fn tell(&self, migration: &Migration, output: &mut Output) -> Result<(), CommandError> {
        let Migration { gateways, groups, endpoints, notes, .. } = migration;
        let out = self.out.display();
        writeln!(
            output,
            "{gateways} gateways, {groups} groups and {endpoints} endpoints written to {out}"
        )?;
        if !notes.is_empty() {
            writeln!(output, "\nTo be looked at ({}; also in {out}/notes.txt):", notes.len())?;
            for note in notes {
                writeln!(output, "  {note}")?;
            }
        }
        writeln!(output, "\nNext: attachd check --config {out}/attachd.toml")?;
        Ok(())
    }

    fn described(&self, migration: &Migration, problems: &[String]) -> Value {
        let notes = migration
            .notes
            .iter()
            .map(|note| json!({"file": &*note.at.file, "line": note.at.line, "what": note.what}));
        json!({
            "out": self.out,
            "gateways": migration.gateways,
            "groups": migration.groups,
            "endpoints": migration.endpoints,
            "notes": notes.collect::<Vec<_>>(),
            "problems": problems,
        })
    }
}

/// The files of a folder, by name.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// A file's text; what is no UTF-8 in it is replaced.
fn read(path: &Path) -> Result<String, CommandError> {
    let octets = fs::read(path).map_err(|error| failed(path, &error))?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    let remedy = match error.kind() {
        std::io::ErrorKind::AlreadyExists => "; choose another --out, or --force",
        _ => "",
    };
    CommandError::failed(format!("{}: {error}{remedy}", path.display()))
}
