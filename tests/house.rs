//! The walls of the house, read from `src/` and enforced: who may know whom, and where the doors to
//! the outside are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may name. `time` and `identity` are the ground; arrows only fall
/// down.
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
            "message_log",
            "record",
            "exchange",
            "tokens",
            "simulator",
            "aaa",
            "journal",
            "wire",
            "policy",
            "provisioning",
            "network",
            "identity",
            "time",
            "printable",
        ],
    ),
    (
        "config",
        &[
            "server",
            "radius",
            "simulator",
            "aaa",
            "event",
            "message_log",
            "journal",
            "provisioning",
            "identity",
            "time",
        ],
    ),
    (
        "server",
        &[
            "radius",
            "api",
            "outlets",
            "message_log",
            "metrics",
            "runtime",
            "keeping",
            "message_log",
            "tokens",
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
            "event",
            "delivery",
            "outlets",
            "message_log",
            "metrics",
            "runtime",
            "keeping",
            "record",
            "message_log",
            "tokens",
            "aaa",
            "journal",
            "wire",
            "network",
            "policy",
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
            "policy",
            "provisioning",
            "identity",
            "time",
            "prefetch",
            "printable",
        ],
    ),
    ("metrics", &["runtime", "aaa", "journal", "network", "wire", "identity", "time"]),
    (
        "keeping",
        &[
            "aaa",
            "event",
            "message_log",
            "record",
            "journal",
            "network",
            "provisioning",
            "identity",
            "time",
        ],
    ),
    ("message_log", &["journal", "time"]),
    ("delivery", &["time"]),
    (
        "outlets",
        &[
            "radius",
            "runtime",
            "keeping",
            "aaa",
            "event",
            "delivery",
            "message_log",
            "provisioning",
            "identity",
            "time",
        ],
    ),
    ("runtime", &["time"]),
    ("simulator", &["exchange", "wire", "udp", "identity", "timers", "time", "printable"]),
    ("exchange", &["wire", "timers", "time"]),
    ("aaa", &["event", "network", "pool", "provisioning", "policy", "identity", "time"]),
    ("event", &["network", "policy", "provisioning", "wire", "identity", "time"]),
    ("record", &["journal", "network", "provisioning", "policy", "identity", "time"]),
    ("journal", &["time"]),
    ("network", &["identity", "time", "prefetch"]),
    ("pool", &["identity", "time"]),
    ("provisioning", &["policy", "identity", "time", "printable"]),
    ("policy", &["wire", "identity"]),
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
            "outlets/post",
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
    ("sd_notify::", &["server/notify"]),
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

/// Names that several rooms use for a type of their own, each with the reason.
const SHARED_NAMES: &[(&str, &str)] =
    &[("Next", "what a loop does next; never leaves its file's folder")];

#[test]
fn a_type_name_means_one_thing() {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        for name in file.types() {
            rooms.entry(name).or_default().insert(file.room());
        }
    }
    let twice = rooms
        .iter()
        .filter(|(name, rooms)| {
            rooms.len() > 1 && !SHARED_NAMES.iter().any(|(shared, _)| shared == name)
        })
        .map(|(name, rooms)| format!("{name}: in {rooms:?}"))
        .collect::<Vec<_>>();
    assert!(twice.is_empty(), "types of different rooms with the same name:\n{}", twice.join("\n"));
}

/// The `mod.rs` of a room only says what it consists of, and does not count.
#[test]
fn no_circles_between_the_files_of_a_room() {
    let files = sources();
    let rooms: BTreeSet<String> = files.iter().map(Source::room).collect();
    let mut circles = Vec::new();
    for room in rooms {
        let files: Vec<&Source> = files
            .iter()
            .filter(|file| file.room() == room && !file.is_door() && !file.is_test())
            .collect();
        let mut left: Vec<(&str, BTreeSet<&str>)> =
            files.iter().map(|file| (file.path.as_str(), file.needs(&files))).collect();
        // Whoever needs nobody that is left stands on firm ground; what remains in the end is a
        // circle, or needs one.
        while let Some(at) = left.iter().position(|(_, needs)| needs.is_empty()) {
            let (done, _) = left.remove(at);
            for (_, needs) in &mut left {
                needs.remove(done);
            }
        }
        circles.extend(left.iter().map(|(file, needs)| format!("{file} needs {needs:?}")));
    }
    assert!(circles.is_empty(), "circles between files:\n{}", circles.join("\n"));
}

#[test]
fn every_reference_to_the_protocol_resolves() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protocol = fs::read_to_string(root.join("docs/protocol.md")).expect("docs/protocol.md");
    let is_section =
        |number: &str| protocol.lines().any(|line| line.starts_with(&format!("## {number}. ")));
    let mut broken = Vec::new();
    let mut found = 0;
    for folder in ["src", "tests", "benches"] {
        let mut files = Vec::new();
        collect_all(&root.join(folder), &mut files);
        for path in files {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for (at, _) in text.match_indices("PROTOCOL ") {
                let rest = &text[at + "PROTOCOL ".len()..];
                let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if number.is_empty() {
                    continue;
                }
                found += 1;
                if !is_section(&number) {
                    broken.push(format!("{}: PROTOCOL {number}", path.display()));
                }
            }
        }
    }
    assert!(found > 40, "only {found} references were found");
    assert!(broken.is_empty(), "docs/protocol.md has no such section:\n{}", broken.join("\n"));
}

impl Source {
    fn is_door(&self) -> bool {
        self.path.ends_with("mod.rs") || !self.path.contains('/')
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// The types that others can name.
    fn types(&self) -> Vec<String> {
        let keywords = ["struct ", "enum ", "union ", "trait ", "type "];
        let lines = self.code().filter(|(_, line)| line.starts_with("pub"));
        lines
            .filter_map(|(_, line)| {
                let after = line.split_once(") ").filter(|(public, _)| public.starts_with("pub("));
                let rest =
                    after.map_or_else(|| line.strip_prefix("pub "), |(_, rest)| Some(rest))?;
                let rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
                let name = keywords.iter().find_map(|keyword| rest.strip_prefix(keyword))?;
                Some(name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
            })
            .collect()
    }

    /// The name of the module that the file is.
    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.trim_end_matches(".rs")
    }

    /// The other files of the room that this one imports from, by module or by type.
    fn needs<'a>(&self, files: &[&'a Source]) -> BTreeSet<&'a str> {
        let room = self.room();
        let code = self.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        let mut named = BTreeSet::new();
        for statement in code.split(';') {
            let Some(at) = statement
                .find("use ")
                .filter(|at| *at == 0 || statement[..*at].ends_with(['\n', ' ']))
            else {
                continue;
            };
            let tree = &statement[at + "use ".len()..];
            let is_own = tree.starts_with("super::") || tree.starts_with(&format!("crate::{room}"));
            if is_own {
                named.extend(tree.split(|c: char| !c.is_alphanumeric() && c != '_'));
            }
        }
        let others = files.iter().filter(|file| file.path != self.path);
        others
            .filter(|file| {
                named.contains(file.stem())
                    || file.types().iter().any(|name| named.contains(name.as_str()))
            })
            .map(|file| file.path.as_str())
            .collect()
    }
}

fn collect_all(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("a file of the repository").path();
        if path.is_dir() {
            collect_all(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// `word` as a path of its own: `metrics::` is named by `metrics::counter!`, not by
/// `super::metrics::Meters`.
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
