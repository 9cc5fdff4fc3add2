//! Every key of a scenario with its type, default and meaning, taken from the structs that read it.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Scenario;

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ScenarioKey {
    /// As `--set` takes it; `*` stands for each element of a list.
    pub key: String,
    /// What may be written.
    #[serde(rename = "type")]
    pub kind: String,
    /// What holds if it is not written; `None`: it must be written, or there is nothing without it.
    pub default: Option<String>,
    pub meaning: String,
}

/// All keys, in the order of the schema.
#[must_use]
pub fn keys() -> Vec<ScenarioKey> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Scenario>();
    let mut keys = Vec::new();
    collect(schema.as_value(), "", &Value::Null, &mut keys);
    keys
}

/// The keys as a document in Markdown: what `attachd scenario keys` prints, and docs/scenarios.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Keys of a scenario\n\n\
         A scenario is a TOML file for `attachd simulate`. It says only what it changes: `extends` names a built-in\n\
         scenario, and every other key has a default or belongs to a list. `--set KEY=VALUE` changes any key; in its\n\
         name `*` stands for every element of a list, and a number, counted from 0, for one of them.\n\
         `attachd simulate SCENARIO --print-scenario` shows a scenario with all its keys.\n\n\
         This page is what `attachd scenario keys` prints.\n\n\
         | key | type | default | meaning |\n|---|---|---|---|\n",
    );
    for ScenarioKey { key, kind, default, meaning } in keys() {
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        // Writing into a string does not fail.
        let _ =
            writeln!(text, "| `{key}` | {kind} | {default} | {} |", meaning.replace('|', "\\|"));
    }
    text
}

/// `whole` is the default of the table that these keys are in, if it has one.
fn collect(schema: &Value, prefix: &str, whole: &Value, keys: &mut Vec<ScenarioKey>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in ordered(properties) {
        let property_itself = without_null(property);
        let default = property.get("default").unwrap_or(&whole[name]);
        let key = format!("{prefix}{name}");
        if property_itself["properties"].is_object() {
            collect(property_itself, &format!("{key}."), default, keys);
        } else if property_itself["items"]["properties"].is_object() {
            collect(&property_itself["items"], &format!("{key}.*."), &Value::Null, keys);
        } else {
            let meaning = property["description"].as_str().unwrap_or_default().replace('\n', " ");
            keys.push(ScenarioKey {
                key,
                kind: kind(property_itself),
                default: written(default),
                meaning,
            });
        }
    }
}

/// Single values come before tables, as in a TOML file.
fn ordered(properties: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let is_table = |property: &Value| {
        let property = without_null(property);
        property["properties"].is_object() || property["items"]["properties"].is_object()
    };
    let values = properties.iter().filter(move |(_, property)| !is_table(property));
    values.chain(properties.iter().filter(move |(_, property)| is_table(property)))
}

/// The schema of a value that may be absent.
fn without_null(schema: &Value) -> &Value {
    let choices = schema["anyOf"].as_array();
    let other = choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null"));
    other.unwrap_or(schema)
}

fn kind(schema: &Value) -> String {
    let words = choices(schema);
    if !words.is_empty() {
        return words.join(", ");
    }
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    let name = match &schema["type"] {
        // A type that may be absent.
        Value::Array(names) => names.iter().find(|name| *name != "null").and_then(Value::as_str),
        name => name.as_str(),
    };
    match name.unwrap_or_default() {
        "array" if schema["prefixItems"].is_array() => {
            let parts: Vec<String> =
                schema["prefixItems"].as_array().into_iter().flatten().map(kind).collect();
            format!("[{}]", parts.join(", "))
        }
        "array" => format!("list of {}", kind(&schema["items"])),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "string" => "text".to_owned(),
        other => other.to_owned(),
    }
}

/// The words that may be written, of a key that has only some.
fn choices(schema: &Value) -> Vec<String> {
    let listed = schema["enum"].as_array().into_iter().flatten().filter(|word| !word.is_null());
    let described = schema["oneOf"].as_array().into_iter().flatten();
    let described = described.flat_map(|choice| {
        choice["enum"].as_array().into_iter().flatten().chain(choice.get("const"))
    });
    listed.chain(described).map(|word| format!("`{word}`")).collect()
}

/// A default as it would be written in a TOML file.
fn written(default: &Value) -> Option<String> {
    if default.is_null() {
        return None;
    }
    Some(toml::Value::try_from(default).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_type_and_a_meaning() {
        let keys = keys();
        for key in &keys {
            assert!(!key.kind.is_empty() && !key.meaning.is_empty(), "{key:?}");
            assert!(key.kind != "object", "{key:?}");
        }
        let of = |name: &str| {
            keys.iter()
                .find(|key| key.key == name)
                .unwrap_or_else(|| panic!("no key {name}"))
                .clone()
        };
        assert_eq!(of("fleet.*.count").kind, "whole number");
        assert!(of("fleet.*.endpoints").meaning.contains("endpoints.csv"));
        assert!(of("fleet.*.password").meaning.contains("PAP"));
        assert_eq!(
            of("phase.*.kind").kind,
            "`\"ramp\"`, `\"steady\"`, `\"storm\"`, `\"closed\"`, `\"rest\"`, `\"drain\"`"
        );
        assert_eq!(of("tolerance_ms").default.as_deref(), Some("10.0"));
        assert_eq!(of("target.auth").default.as_deref(), Some("[\"127.0.0.1:1812\"]"));
        assert_eq!(of("expect.message_authenticator").default.as_deref(), Some("\"first\""));
        let initial = of("retransmission.access.initial_s");
        assert_eq!((initial.kind.as_str(), initial.default.as_deref()), ("number", Some("2.0")));
    }

    /// `UPDATE_TRANSCRIPTS=1 cargo test --lib scenario::keys` writes the page anew.
    #[test]
    fn the_page_in_docs_is_the_same() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scenarios.md");
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), markdown());
    }
}
