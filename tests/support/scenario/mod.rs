//! Scenario files: packets and what must come of them, run against the real pipeline on a clock
//! that only the file moves.
//!
//! The language is told in `tests/scenarios/README.md`.

mod disk;
mod endpoint;
mod inventory;
mod packet;
mod reply;
mod runner;
mod script;
pub mod world;

use std::path::{Path, PathBuf};

pub use runner::Runner;
pub use script::Script;
pub use world::World;

/// Every scenario file, in the order of their names.
pub fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&folder(), &mut found);
    found.sort();
    found
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// Runs one file to its end. An error names file and line.
pub fn run(file: &Path) -> Result<World, String> {
    let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(file).display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let at = |(line, what): (usize, String)| format!("{name}:{line}: {what}");
    let script = Script::read(&text).map_err(at)?;
    Runner::play(&script).map_err(at)
}

/// Lines of an error message, each indented below it.
fn below(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().flat_map(|line| ["\n    ".to_owned(), line]).collect()
}

fn in_hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            found.push(path);
        }
    }
}
