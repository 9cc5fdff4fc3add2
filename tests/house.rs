//! The walls of the house, read from `src/` and enforced: who may know whom, and where the doors to the outside are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may name. `time` and `identity` are the ground; arrows only fall down.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "config",
            "server",
            "radius",
            "runtime",
            "keeping",
            "record",
            "exchange",
            "tokens",
            "simulator",
            "aaa",
            "journal",
            "wire",
            "provisioning",
            "network",
            "identity",
            "time",
            "printable",
        ],
    ),
    (
        "config",
        &["server", "radius", "simulator", "aaa", "journal", "provisioning", "identity", "time"],
    ),
    (
        "server",
        &[
            "radius",
            "api",
            "metrics",
            "runtime",
            "keeping",
            "aaa",
            "record",
            "journal",
            "udp",
            "network",
            "provisioning",
            "identity",
            "time",
        ],
    ),
    (
        "api",
        &[
            "radius",
            "metrics",
            "runtime",
            "aaa",
            "journal",
            "wire",
            "network",
            "provisioning",
            "identity",
            "time",
        ],
    ),
    (
        "radius",
        &[
            "metrics",
            "runtime",
            "keeping",
            "aaa",
            "journal",
            "wire",
            "udp",
            "network",
            "provisioning",
            "identity",
            "time",
            "prefetch",
            "printable",
        ],
    ),
    ("metrics", &["runtime", "aaa", "journal", "network", "wire", "identity", "time"]),
    ("keeping", &["aaa", "record", "journal", "network", "provisioning", "identity", "time"]),
    ("runtime", &["time"]),
    ("simulator", &["exchange", "wire", "udp", "identity", "timers", "time", "printable"]),
    ("exchange", &["wire", "timers", "time"]),
    ("aaa", &["network", "pool", "provisioning", "identity", "time"]),
    ("record", &["journal", "network", "provisioning", "identity", "time"]),
    ("journal", &["time"]),
    ("network", &["identity", "time", "prefetch"]),
    ("pool", &["identity", "time"]),
    ("provisioning", &["identity", "time", "printable"]),
    ("wire", &["printable"]),
    ("udp", &[]),
    ("identity", &[]),
    ("time", &[]),
    ("timers", &["time"]),
    ("tokens", &["time"]),
    ("prefetch", &[]),
    ("printable", &[]),
];

/// What may be named only behind one door, and where that door is.
const DOORS: &[(&str, &[&str])] = &[
    ("dashmap", &["network/tracker"]),
    ("nom::", &["wire/"]),
    ("metrics::", &["metrics/", "simulator/metrics"]),
    (
        "Instant::now",
        &[
            "radius/worker",
            "api/connections",
            "runtime/",
            "cli/",
            "simulator/driver",
            "journal/write/thread",
        ],
    ),
    (
        "SystemTime::now",
        &[
            "radius/worker",
            "api/connections",
            "runtime/",
            "cli/",
            "simulator/driver",
            "journal/write/thread",
        ],
    ),
    ("unsafe {", &["udp/", "wire/abreast", "prefetch"]),
    ("libc::", &["udp/"]),
];

#[test]
fn arrows_only_fall_down() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let mut broken = Vec::new();
    for file in sources() {
        let room = file.room();
        if room == "lib" {
            continue;
        }
        let may =
            allowed.get(room.as_str()).unwrap_or_else(|| panic!("a room without walls: {room}"));
        for (line, named) in file.rooms_named() {
            if named != room
                && allowed.contains_key(named.as_str())
                && !may.contains(&named.as_str())
            {
                broken.push(format!("{}:{line}: {room} must not know {named}", file.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_door_is_where_it_belongs() {
    let mut broken = Vec::new();
    for file in sources() {
        for (number, line) in file.code() {
            for (word, doors) in DOORS {
                if mentions(line, word) && !doors.iter().any(|door| file.path.starts_with(door)) {
                    broken.push(format!(
                        "{}:{number}: `{word}` belongs to {}",
                        file.path,
                        doors.join(", ")
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_has_its_door_plate() {
    for file in sources() {
        assert!(
            file.text.starts_with("//! "),
            "{}: the first line says what the file is",
            file.path
        );
    }
}

/// `word` as a path of its own: `metrics::` is named by `metrics::counter!`, not by `super::metrics::Meters`.
fn mentions(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
            || line[..at].ends_with("std::time::")
    })
}

struct Source {
    /// Relative to `src/`, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    fn room(&self) -> String {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs").to_owned()
    }

    /// Lines before the tests of the file, without comments, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
            .take_while(move |(_, line)| !is_test_file && line.trim() != "#[cfg(test)]")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn rooms_named(&self) -> Vec<(usize, String)> {
        let mut named = Vec::new();
        for (number, line) in self.code() {
            for door in ["crate::", "attachd::"] {
                for (at, _) in line.match_indices(door) {
                    let rest = &line[at + door.len()..];
                    for name in rest.trim_start_matches('{').split(',').map(str::trim_start) {
                        let word: String = name
                            .chars()
                            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                            .collect();
                        named.push((number, word));
                        if !rest.starts_with('{') {
                            break;
                        }
                    }
                }
            }
        }
        named
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "src/ was not found");
    files
        .into_iter()
        .map(|path| Source {
            text: fs::read_to_string(&path).expect("a source file is UTF-8"),
            path: path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/"),
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src/ is readable") {
        let path = entry.expect("src/ is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}
