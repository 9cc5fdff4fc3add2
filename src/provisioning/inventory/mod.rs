//! The inventory: a folder with `inventory.toml` and `endpoints.csv` (or `endpoints.csv.gz`), read
//! whole or not at all.
//!
//! Every problem of both files is found in one go, and one of them refuses the load: half an
//! inventory would detach the other half. Nothing read here is in force yet; `aaa` adopts it.

mod catalog_file;
mod columns;
mod csv_lines;
mod elsewhere;
mod endpoint_file;
mod export;
mod fingerprint;
mod operator_file;
mod policy_section;
mod section;
mod stock_file;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use self::catalog_file::{CatalogFile, HandlesByName};
pub use self::elsewhere::NamedElsewhere;
use self::endpoint_file::{Groups, ListedEndpoint};
pub use self::export::export;
pub use self::fingerprint::Fingerprint;
use self::fingerprint::{Digest, Digesting};
use self::stock_file::ListedStock;
pub use super::problem::Rules;
use super::problem::{InventoryProblem, InventoryProblems, ProblemCollector};
use super::stock::ListedSim;
use super::{Catalog, Endpoint, Group, Operators, Policy, Vslice};
use crate::identity::{GroupId, Iccid, Moniker};

const CATALOG: &str = "inventory.toml";
const ENDPOINTS: &str = "endpoints.csv";
pub const ENDPOINTS_GZ: &str = "endpoints.csv.gz";
const STOCK: &str = "stock.csv";
const OPERATORS: &str = "operators.csv";

/// The octets of a short row. Memory for a row too many is never touched; for one too few
/// everything moves.
const SHORT_ROW: u64 = 64;

/// What the files of a folder provide.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Its handles are its own, until it succeeds the catalog in force.
    pub catalog: Catalog,
    /// In the order of the file. Every ICCID, IMSI and MSISDN stands here once.
    pub endpoints: Vec<(Iccid, Endpoint)>,
    /// The endpoints (pending) that may leave termination: no other state in a file leads out of it
    /// (PROTOCOL 10).
    pub reinstated: Vec<Iccid>,
    /// What does not hinder the load.
    pub warnings: Vec<InventoryProblem>,
    /// What may well be meant, and is worth a look: for whoever asks.
    pub advice: Vec<InventoryProblem>,
    /// Where the catalog stands.
    pub file: PathBuf,
    /// Where the endpoints stand, and in which line each.
    pub endpoint_file: PathBuf,
    pub lines: Vec<u32>,
    /// The SIMs of `stock.csv`; `None`: there is no such file, which says nothing of the stock.
    pub stock: Option<Vec<ListedSim>>,
    /// Of the files it was read from.
    pub fingerprint: Option<Fingerprint>,
    /// What its sections refer to and it does not describe: somebody must have made it.
    pub elsewhere: Vec<NamedElsewhere>,
}

impl Inventory {
    /// Reads a folder by the usual rules.
    pub fn load(dir: &Path) -> Result<Self, InventoryProblems> {
        Self::load_by(dir, Rules::default())
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// All that is wrong in its files, if anything is.
    pub fn load_by(dir: &Path, rules: Rules) -> Result<Self, InventoryProblems> {
        let mut report = ProblemCollector::by(rules);
        // "festival/." names its files "festival/inventory.toml".
        let dir: PathBuf = dir.components().collect();
        let read = if dir.is_dir() {
            read(&dir, &mut report)
        } else {
            report.turn_to(&dir);
            report.problem(
                None,
                "there is no such inventory folder",
                format!("create it with {CATALOG} and {ENDPOINTS}, or name another"),
            );
            None
        };
        let advice = std::mem::take(&mut report.advice);
        let warnings = report.conclude()?;
        let file = dir.join(CATALOG);
        // What could not be read is among the problems.
        let Some(ReadFolder { catalog, elsewhere, listed, stock, fingerprint }) = read else {
            return Ok(Self { warnings, advice, file, ..Self::default() });
        };
        let ListedEndpoint { endpoints, reinstated, lines } = listed;
        let endpoint_file =
            dir.join(if dir.join(ENDPOINTS_GZ).exists() { ENDPOINTS_GZ } else { ENDPOINTS });
        Ok(Self {
            catalog,
            endpoints,
            reinstated,
            warnings,
            advice,
            file,
            endpoint_file,
            lines,
            stock: stock.map(|stock| stock.sims),
            fingerprint: Some(fingerprint),
            elsewhere,
        })
    }

    /// What has to be said at each start of files that need not be read again. Only catalogs are
    /// warned of.
    #[must_use]
    pub fn warnings(dir: &Path) -> Vec<InventoryProblem> {
        let mut report = ProblemCollector::default();
        let dir: PathBuf = dir.components().collect();
        if let Some(octets) = read_octets(&dir.join(CATALOG), &mut report) {
            read_catalog(&octets, &mut report);
        }
        report.conclude().unwrap_or_default()
    }

    /// The operators of a folder whose other files need not be read again; none if something is wrong
    /// with them.
    #[must_use]
    pub fn operators(dir: &Path) -> Operators {
        let mut report = ProblemCollector::default();
        let operators = read_operators(dir, &mut report);
        report.conclude().map(|_| operators).unwrap_or_default()
    }

    /// Names the endpoints' groups by the handles that the catalog in force has for them, which are
    /// told in the order of the own ones.
    pub fn rename_groups(&mut self, groups: &[GroupId]) {
        // Almost always the files name the groups in the order in which they were first seen.
        if groups.iter().enumerate().any(|(index, group)| group.index() != index) {
            for (_, endpoint) in &mut self.endpoints {
                endpoint.rename_groups(|group| groups.get(group.index()).copied().unwrap_or(group));
            }
        }
    }

    /// What of a catalog is gone from these files and kept, as warnings.
    #[must_use]
    pub fn gone(&self, catalog: &Catalog) -> Vec<InventoryProblem> {
        let vslices = catalog.gone::<Vslice>().map(|vslice| ("VSlice", &vslice.moniker));
        let groups = catalog.gone::<Group>().map(|group| ("group", &group.moniker));
        let policies = catalog.gone::<Policy>().map(|policy| ("policy", &policy.moniker));
        let warning = |(kind, moniker): (&str, &Moniker)| InventoryProblem {
            file: self.file.clone(),
            line: None,
            what: format!("{kind} {moniker} is gone from the file and kept"),
            remedy: "put it back, or reload with --prune".to_owned(),
        };
        vslices.chain(groups).chain(policies).map(warning).collect()
    }

    /// Where the endpoint at this place of [`Self::endpoints`] stands.
    #[must_use]
    pub fn place_of(&self, index: usize) -> (PathBuf, Option<u32>) {
        (self.endpoint_file.clone(), self.lines.get(index).copied())
    }
}

/// What both files say.
struct ReadFolder {
    catalog: Catalog,
    elsewhere: Vec<NamedElsewhere>,
    listed: ListedEndpoint,
    stock: Option<ListedStock>,
    fingerprint: Fingerprint,
}

/// Both files; the endpoints are checked even if the catalog could not be read.
fn read(dir: &Path, report: &mut ProblemCollector) -> Option<ReadFolder> {
    let octets = read_octets(&dir.join(CATALOG), report);
    let read = octets.as_ref().and_then(|octets| read_catalog(octets, report));
    let is_read = read.is_some();
    let CatalogFile { mut catalog, groups, elsewhere } = read.unwrap_or_default();
    catalog.operators = Arc::new(read_operators(dir, report));
    let names = is_read.then_some(&groups);
    let (listed, endpoints) = read_endpoints_of(dir, Groups { catalog: &catalog, names }, report)?;
    let (stock, of_stock) = read_stock_of(dir, report)?.unzip();
    let fingerprint = Fingerprint::joined(Digest::of(&octets?), endpoints, of_stock, report.rules);
    Some(ReadFolder { catalog, elsewhere, listed, stock, fingerprint })
}

/// The stock, if there is a file of it; the outer `None`: it cannot be read.
#[expect(clippy::option_option, reason = "no file is not the same as one that cannot be read")]
fn read_stock_of(
    dir: &Path,
    report: &mut ProblemCollector,
) -> Option<Option<(ListedStock, Digest)>> {
    let path = dir.join(STOCK);
    if !path.exists() {
        return Some(None);
    }
    report.turn_to(&path);
    let read = File::open(&path).and_then(|file| {
        let mut file = Digesting::new(file);
        let listed = stock_file::read(&mut file, report)?;
        Ok(Some((listed, file.digest())))
    });
    read.map_err(|error| report_unreadable(&error, report)).ok()
}

/// Without a file there are none.
fn read_operators(dir: &Path, report: &mut ProblemCollector) -> Operators {
    let path = dir.join(OPERATORS);
    if !path.exists() {
        return Operators::default();
    }
    let octets = read_octets(&path, report);
    let read = octets.map(|octets| operator_file::read(&octets, report));
    match read {
        Some(Ok(operators)) => operators,
        Some(Err(error)) => {
            report_unreadable(&error, report);
            Operators::default()
        }
        None => Operators::default(),
    }
}

fn read_octets(path: &Path, report: &mut ProblemCollector) -> Option<Vec<u8>> {
    report.turn_to(path);
    fs::read(path).map_err(|error| report_unreadable(&error, report)).ok()
}

fn read_catalog(octets: &[u8], report: &mut ProblemCollector) -> Option<CatalogFile> {
    match std::str::from_utf8(octets) {
        Ok(text) => catalog_file::read(text.trim_start_matches('\u{feff}'), report),
        Err(error) => {
            let before = octets.iter().take(error.valid_up_to());
            let line = 1 + before.filter(|octet| **octet == b'\n').count() as u32;
            report.problem(line, "this is no UTF-8", "save the file as UTF-8");
            None
        }
    }
}

fn read_endpoints_of(
    dir: &Path,
    groups: Groups<'_>,
    report: &mut ProblemCollector,
) -> Option<(ListedEndpoint, Option<Digest>)> {
    let plain = dir.join(ENDPOINTS);
    let packed = dir.join(ENDPOINTS_GZ);
    let (path, is_packed) = match (plain.exists(), packed.exists()) {
        (true, true) => {
            report.turn_to(&packed);
            report.problem(None, format!("stands beside {ENDPOINTS}"), "remove one of the two");
            return None;
        }
        // A folder without groups has no use for endpoints yet.
        (false, false) if groups.names.is_some_and(HandlesByName::is_empty) => {
            return Some((ListedEndpoint::default(), None));
        }
        (false, true) => (packed, true),
        (_, false) => (plain, false),
    };
    report.turn_to(&path);
    let read = read_endpoint_file(&path, is_packed, groups, report);
    read.map(|(listed, digest)| (listed, Some(digest)))
        .map_err(|error| report_unreadable(&error, report))
        .ok()
}

fn read_endpoint_file(
    path: &Path,
    is_packed: bool,
    groups: Groups<'_>,
    report: &mut ProblemCollector,
) -> io::Result<(ListedEndpoint, Digest)> {
    let file = File::open(path)?;
    let rows_at_most = usize::try_from(file.metadata()?.len() / SHORT_ROW).unwrap_or_default();
    let mut file = Digesting::new(file);
    let listed = if is_packed {
        endpoint_file::read(MultiGzDecoder::new(&mut file), 0, groups, report)
    } else {
        endpoint_file::read(&mut file, rows_at_most, groups, report)
    };
    Ok((listed?, file.digest()))
}

fn report_unreadable(error: &io::Error, report: &mut ProblemCollector) {
    match error.kind() {
        io::ErrorKind::NotFound => report.problem(None, "there is no such file", "create it"),
        io::ErrorKind::PermissionDenied => {
            report.problem(None, "attachd may not read it", "change its permissions");
        }
        _ => report.problem(None, format!("cannot be read: {error}"), "write it anew"),
    }
}

/// Reads rows as `stock.csv` has them, which did not come from that file.
///
/// # Errors
/// All that is wrong with them.
pub fn read_stock(octets: &[u8]) -> Result<Vec<ListedSim>, InventoryProblems> {
    let mut report = ProblemCollector::default();
    report.turn_to(Path::new(STOCK));
    let read = stock_file::read(octets, &mut report);
    let listed = read.map_err(|error| report_unreadable(&error, &mut report)).unwrap_or_default();
    report.conclude().map(|_| listed.sims)
}

/// Reads rows as `endpoints.csv` has them, of groups that are in force.
///
/// # Errors
/// All that is wrong with them.
pub fn read_endpoints(
    octets: &[u8],
    catalog: &Catalog,
) -> Result<Vec<(Iccid, Endpoint)>, InventoryProblems> {
    let mut report = ProblemCollector::default();
    report.turn_to(Path::new(ENDPOINTS));
    let names = catalog_file::names_in_force(catalog);
    let groups = Groups { catalog, names: Some(&names) };
    let read = endpoint_file::read(octets, 0, groups, &mut report);
    let listed = read.map_err(|error| report_unreadable(&error, &mut report)).unwrap_or_default();
    report.conclude().map(|_| listed.endpoints)
}

#[cfg(test)]
mod tests;
