//! What is depended on: licences that `deny.toml` allows, nothing from elsewhere than the registry,
//! nothing unused.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What cargo knows of all packages, without a network.
fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().unwrap().iter()
}

/// An SPDX expression is allowed if one of the alternatives is, with all its parts.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    let alternatives = plain.split(" OR ");
    alternatives.into_iter().any(|all| all.split(" AND ").all(|one| allowed.contains(one.trim())))
}

#[test]
fn every_licence_is_allowed_and_every_package_is_from_the_registry() {
    let deny: toml::Table = fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<String> =
        allowed.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect();
    let mut refused = Vec::new();
    for package in packages(&metadata()) {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence, &allowed) {
            refused.push(format!("{name}: licence `{licence}` is not in deny.toml"));
        }
        let source = package["source"].as_str();
        if name != "attachd" && !source.is_some_and(|source| source.starts_with("registry+")) {
            refused.push(format!("{name}: comes from {source:?}, not from the registry"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// A dependency that nobody names costs every build and can still carry a fault.
#[test]
fn every_dependency_is_used() {
    let metadata = metadata();
    let attachd = packages(&metadata).find(|package| package["name"] == "attachd").unwrap();
    let (sources, tests) = (text_of(&["src"]), text_of(&["tests", "benches", "examples"]));
    let mut unused = Vec::new();
    for dependency in attachd["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap();
        // The one crate whose library is called otherwise.
        let library = if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") };
        let is_named = |text: &str| {
            let mut places = text.match_indices(&library).map(|(at, _)| (at, at + library.len()));
            places.any(|(start, end)| {
                let before = text[..start].chars().next_back();
                let is_word =
                    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '"'));
                is_word
                    && (text[end..].starts_with("::")
                        || text[end..].starts_with('!')
                        || text[end..].starts_with(';'))
            })
        };
        let is_dev = dependency["kind"] == "dev";
        if !(is_named(&sources) || is_dev && is_named(&tests)) {
            unused.push(format!("{name} ({})", if is_dev { "dev" } else { "normal" }));
        }
    }
    assert!(unused.is_empty(), "declared in Cargo.toml, named nowhere: {}", unused.join(", "));
}

/// Two versions of a crate that we name ourselves would be two types of one name.
#[test]
fn nothing_that_we_name_is_there_twice() {
    let metadata = metadata();
    let attachd = packages(&metadata).find(|package| package["name"] == "attachd").unwrap();
    let named: BTreeSet<&str> = attachd["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages(&metadata) {
        let name = package["name"].as_str().unwrap();
        if named.contains(name) {
            versions.entry(name).or_default().push(package["version"].as_str().unwrap());
        }
    }
    versions.retain(|name, versions| versions.len() > 1 && !BROUGHT_BY_OTHERS.contains(name));
    assert!(versions.is_empty(), "{versions:?}");
}

/// Older versions that other crates still stand on.
const BROUGHT_BY_OTHERS: &[&str] = &["nom", "rand"];

fn text_of(folders: &[&str]) -> String {
    let mut text = String::new();
    for folder in folders {
        append(&root().join(folder), &mut text);
    }
    text
}

fn append(path: &PathBuf, text: &mut String) {
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            append(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
