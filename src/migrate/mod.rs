//! From the files of another RADIUS server to ours: what was read, what it becomes, and what has no
//! counterpart. Texts in, texts out; nothing here opens a file.

mod clients;
mod conf;
mod identities;
mod pairs;
mod plan;
mod render;
mod sql;
mod subnets;
mod users;

use std::fmt;
use std::sync::Arc;

pub use identities::KnownSims;
pub use render::MigratedFiles;

/// A file of the other server.
#[derive(Clone, Debug)]
pub struct ForeignFile {
    /// As it is shown.
    pub name: Arc<str>,
    pub text: String,
}

/// A line of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignLine {
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

/// Something that was read and has no counterpart, or another one than a reader would expect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MigrationNote {
    pub at: ForeignLine,
    pub what: String,
}

/// Everything that was found of a FreeRADIUS server.
#[derive(Debug, Default)]
pub struct Freeradius {
    /// clients.conf, and what it includes.
    pub clients: Vec<ForeignFile>,
    /// The users file (mods-config/files/authorize), and what it includes.
    pub users: Vec<ForeignFile>,
    /// Dumps of its database.
    pub dumps: Vec<ForeignFile>,
    /// What else there is and was not read: file, line, why.
    pub unread: Vec<(Arc<str>, usize, &'static str)>,
}

/// What became of it.
#[derive(Debug)]
pub struct Migration {
    pub files: MigratedFiles,
    pub gateways: usize,
    pub groups: usize,
    pub endpoints: usize,
    /// By file and line.
    pub notes: Vec<MigrationNote>,
}

/// Reads a FreeRADIUS server. `sims`: ICCIDs that are known from elsewhere.
#[must_use]
pub fn freeradius(found: &Freeradius, sims: &KnownSims) -> Migration {
    let mut notes = Vec::new();
    let mut gateways = Vec::new();
    for file in &found.clients {
        clients::read(file, &mut gateways, &mut notes);
    }
    let mut entries = Vec::new();
    for file in &found.users {
        users::read(file, &mut entries, &mut notes);
    }
    let mut tables = sql::Tables::default();
    for file in &found.dumps {
        sql::read(file, &mut tables, &mut notes);
    }
    tables.gateways(&mut gateways, &mut notes);
    entries.extend(tables.into_entries(&mut notes));
    for (file, line, why) in &found.unread {
        let at = ForeignLine { file: Arc::clone(file), line: *line };
        notes.push(at.note(*why));
    }
    let gateways = clients::unique(gateways, &mut notes);
    let plan = plan::plan(entries, sims, &mut notes);
    notes.sort();
    notes.dedup();
    Migration {
        gateways: gateways.len(),
        groups: plan.groups.len(),
        endpoints: plan.endpoints.len(),
        files: render::files(&gateways, &plan),
        notes,
    }
}

/// The files that a configuration or a users file includes.
pub fn includes(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim_start);
    let included = lines.filter_map(|line| line.strip_prefix("$INCLUDE"));
    included.map(|rest| rest.trim_start_matches('-').trim().trim_matches('"'))
}

impl ForeignFile {
    fn at(&self, line: usize) -> ForeignLine {
        ForeignLine { file: Arc::clone(&self.name), line }
    }
}

impl ForeignLine {
    fn note(&self, what: impl Into<String>) -> MigrationNote {
        MigrationNote { at: self.clone(), what: what.into() }
    }
}

impl fmt::Display for MigrationNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.at.file, self.at.line, self.what)
    }
}
