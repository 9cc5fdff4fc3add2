//! From a name or a file and some flags to one checked scenario. What is wrong is said with file,
//! line and key.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::check::{ScenarioFault, check};
use super::{Builtin, Scenario};

/// A flag that overrides a key: `phase.0.rate` and `500`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingOverride {
    pub key: String,
    pub value: String,
}

/// A scenario with its name, and the folder in which its relative paths begin.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Of a built-in scenario; of a file, how the user named it.
    pub name: String,
    /// Complete: it extends nothing any more.
    pub scenario: Scenario,
    pub folder: PathBuf,
}

/// What is wrong with a scenario, as one says it to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// `storm.toml:12`, `built-in storm`, `--set phase.0.rate`.
    pub place: String,
    pub key: String,
    pub what: String,
}

/// Reads the scenario `name`: a built-in one, or a file that may extend one. Then makes the
/// changes.
///
/// # Errors
/// If there is no such scenario, or anything in it is wrong.
pub fn load(name: &str, changes: &[SettingOverride]) -> Result<Loaded, ScenarioError> {
    let source = Source::find(name)?;
    // First alone, because only the text itself knows its lines.
    let given: Scenario = toml::from_str(&source.text).map_err(|error| source.error(&error))?;
    if let Some(base) = given.extends.as_deref().filter(|base| Builtin::named(base).is_none()) {
        let what = format!("`{base}` is not one of {}", Builtin::names());
        return Err(ScenarioError::new(source.place_of("extends"), "extends", what));
    }
    let mut merged = extended(table_of(&source.text));
    let mut scenario =
        deserialized(&merged).map_err(|what| ScenarioError::new(source.label.clone(), "", what))?;
    for change in changes {
        let place = format!("--set {}", change.key);
        set(&mut merged, change)
            .map_err(|what| ScenarioError::new(place.clone(), &change.key, what))?;
        scenario =
            deserialized(&merged).map_err(|what| ScenarioError::new(place, &change.key, what))?;
    }
    match check(&scenario) {
        None => Ok(Loaded { name: name.to_owned(), scenario, folder: source.folder }),
        Some(ScenarioFault { key, what }) => {
            let changed = changes.iter().find(|change| change.key == key);
            let place = changed
                .map_or_else(|| source.place_of(&key), |change| format!("--set {}", change.key));
            Err(ScenarioError::new(place, &key, what))
        }
    }
}

/// Where a scenario's text comes from.
struct Source {
    label: String,
    text: String,
    folder: PathBuf,
}

impl Source {
    fn find(name: &str) -> Result<Self, ScenarioError> {
        if let Some(builtin) = Builtin::named(name) {
            return Ok(Self {
                label: format!("built-in {name}"),
                text: builtin.text.to_owned(),
                folder: PathBuf::new(),
            });
        }
        let looks_like_file = Path::new(name).extension().is_some() || name.contains('/');
        let text = fs::read_to_string(name).map_err(|error| {
            let what = if looks_like_file {
                error.to_string()
            } else {
                format!("neither a file nor one of {}", Builtin::names())
            };
            ScenarioError::new(name.to_owned(), "", what)
        })?;
        let folder = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { label: name.to_owned(), text, folder })
    }

    /// What TOML or the schema says, at the line that shows it.
    fn error(&self, error: &toml::de::Error) -> ScenarioError {
        let span = error.span().unwrap_or_default();
        let what = error.message().trim_end().replace('\n', "; ");
        ScenarioError::new(self.at(span.start), self.key_at(span.start), what)
    }

    fn at(&self, offset: usize) -> String {
        let line =
            1 + self.text.as_bytes().iter().take(offset).filter(|octet| **octet == b'\n').count();
        format!("{}:{line}", self.label)
    }

    /// The key on the line of this offset.
    fn key_at(&self, offset: usize) -> &str {
        let start =
            self.text[..offset.min(self.text.len())].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        line.split_once('=').map_or("", |(key, _)| key.trim())
    }

    /// The line of a key; only the label if the key stands in the scenario that this one extends.
    fn place_of(&self, key: &str) -> String {
        match span_of(&self.text, key) {
            Some(span) => self.at(span.start),
            None => self.label.clone(),
        }
    }
}

/// Where `phase.1.rate` stands in a text; if it does not, the nearest of `phase.1` and `phase` that
/// does.
fn span_of(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut steps = key.split('.');
    let mut found = document.get_ref().get(steps.next()?)?;
    for step in steps {
        let inner = match found.get_ref() {
            DeValue::Table(table) => table.get(step),
            DeValue::Array(array) => step.parse().ok().and_then(|index: usize| array.get(index)),
            _ => None,
        };
        match inner {
            Some(inner) => found = inner,
            None => break,
        }
    }
    Some(found.span())
}

/// The table on top of what it extends.
fn extended(mut upper: Table) -> Table {
    let base = upper.remove("extends").and_then(|base| Builtin::named(base.as_str()?));
    let mut merged = base.map_or_else(Table::new, |base| extended(table_of(base.text)));
    overlay(&mut merged, upper);
    merged
}

/// A text that has been read as a scenario is a table.
fn table_of(text: &str) -> Table {
    text.parse().unwrap_or_default()
}

fn deserialized(table: &Table) -> Result<Scenario, String> {
    Scenario::deserialize(Value::Table(table.clone()))
        .map_err(|error| error.message().trim_end().replace('\n', "; "))
}

/// Puts `upper` over `lower`: tables are merged key by key, everything else is replaced, lists too.
fn overlay(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => overlay(lower, upper),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// Sets one key. `*` for an index means every element of the list.
fn set(table: &mut Table, change: &SettingOverride) -> Result<(), String> {
    let steps: Vec<&str> = change.key.split('.').collect();
    let Some((first, rest)) = steps.split_first() else { return Err("no key".to_owned()) };
    place(
        table.entry(*first).or_insert_with(|| Value::Table(Table::new())),
        rest,
        &value_of(&change.value),
    )
}

fn place(at: &mut Value, steps: &[&str], value: &Value) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *at = value.clone();
        return Ok(());
    };
    match at {
        Value::Table(table) => {
            place(table.entry(*step).or_insert_with(|| Value::Table(Table::new())), rest, value)
        }
        Value::Array(array) if *step == "*" => {
            array.iter_mut().try_for_each(|element| place(element, rest, value))
        }
        Value::Array(array) => {
            let count = array.len();
            let element = step.parse().ok().and_then(|index: usize| array.get_mut(index));
            place(
                element.ok_or_else(|| {
                    format!("`{step}` is not one of the {count} elements, which count from 0")
                })?,
                rest,
                value,
            )
        }
        _ => Err(format!("there is no `{step}` below it")),
    }
}

/// A flag's value: TOML if it is that, else text.
fn value_of(text: &str) -> Value {
    let document: Option<Table> = format!("value = {text}").parse().ok();
    document
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

impl ScenarioError {
    pub fn new(place: String, key: &str, what: String) -> Self {
        Self { place, key: key.to_owned(), what }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if !self.key.is_empty() && !self.place.ends_with(&self.key) {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for ScenarioError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn load_text(text: &str, changes: &[(&str, &str)]) -> Result<Scenario, String> {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let changes: Vec<SettingOverride> = changes
            .iter()
            .map(|(key, value)| SettingOverride { key: (*key).into(), value: (*value).into() })
            .collect();
        load(&path, &changes)
            .map(|loaded| loaded.scenario)
            .map_err(|error| error.to_string().replace(&path, "FILE"))
    }

    #[test]
    fn every_built_in_scenario_is_sound_and_survives_being_printed() {
        for builtin in super::super::BUILTINS {
            let loaded = load(builtin.name, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert!(!loaded.scenario.about.is_empty(), "{} says what it shows", builtin.name);
            let printed = toml::to_string_pretty(&loaded.scenario).unwrap();
            let again = load_text(&printed, &[])
                .unwrap_or_else(|error| panic!("{}: {error}\n{printed}", builtin.name));
            assert_eq!(toml::to_string_pretty(&again).unwrap(), printed);
        }
    }

    #[test]
    fn a_file_changes_what_it_extends_and_a_flag_changes_both() {
        let text = "extends = \"smoke\"\nseed = 7\n[target]\nsecret = \"other\"\n";
        let scenario = load_text(
            text,
            &[("target.auth", "[\"192.0.2.1:1812\"]"), ("fleet.*.interim_s", "77")],
        )
        .unwrap();
        assert_eq!((scenario.seed, scenario.target.secret.as_str()), (7, "other"));
        assert_eq!(scenario.target.auth, ["192.0.2.1:1812".parse().unwrap()]);
        assert!(
            !scenario.fleet.is_empty() && scenario.fleet.iter().all(|fleet| fleet.interim_s == 77)
        );
    }

    #[test]
    fn an_error_names_file_line_key_and_what_is_allowed() {
        for (text, changes, expected) in [
            (
                "seed = 1\nsede = 2\n",
                &[][..],
                "FILE:2: sede: unknown field `sede`, expected one of `extends`, `about`, `seed`",
            ),
            ("seed = \"x\"\n", &[], "FILE:1: seed: invalid type: string \"x\", expected u64"),
            ("extends = \"stom\"\n", &[], "FILE:1: extends: `stom` is not one of smoke, steady"),
            (
                "extends = \"smoke\"\n[expect]\nmessage_authenticator = \"last\"\n",
                &[],
                "unknown variant `last`, expected one of `first`, `present`, `any`",
            ),
            (
                "extends = \"smoke\"\n\nlimits = [\"p99 > fast\"]\n",
                &[],
                "FILE:3: limits: `p99 > fast` is no limit: a limit is",
            ),
            (
                "extends = \"smoke\"\n[habits]\nlost = 2\n",
                &[],
                "FILE:3: habits.lost: must be a share between 0 and 1",
            ),
            (
                "extends = \"smoke\"\n",
                &[("habits.lost", "2")],
                "--set habits.lost: must be a share between 0 and 1",
            ),
            (
                "extends = \"smoke\"\n",
                &[("phase.9.rate", "2")],
                "--set phase.9.rate: `9` is not one of the",
            ),
            (
                "extends = \"smoke\"\n",
                &[("habits.lots", "2")],
                "--set habits.lots: unknown field `lots`",
            ),
            (
                "extends = \"smoke\"\n",
                &[("fleet.0.group", "epso")],
                "fleet.0.group: `epso` is not one of epos, water-tanks, gates",
            ),
            (
                "extends = \"steady\"\n[[reboot]]\ngateway = \"pgw\"\nat_s = 1\ntakes_s = 1\n",
                &[],
                "FILE:3: reboot.0.gateway: `pgw` is not one of pgw-1, pgw-2, pgw-3, pgw-4",
            ),
            (
                "extends = \"smoke\"\n[[phase]]\nname = \"a\"\nkind = \"drain\"\nfor_s = 1\nrate = 5\n",
                &[],
                "FILE:6: phase.0.rate: this kind of phase has only the keys name, kind, for_s",
            ),
            ("not toml", &[], "FILE:1"),
        ] {
            let error = load_text(text, changes).unwrap_err();
            assert!(error.contains(expected), "{error}\nshould contain: {expected}");
        }
        assert!(
            load("nonsense", &[])
                .unwrap_err()
                .to_string()
                .contains("neither a file nor one of smoke")
        );
    }
}
