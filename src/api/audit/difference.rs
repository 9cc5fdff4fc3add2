//! What a change has changed, key by key, without secrets.

use serde_json::{Map, Value};

/// Keys whose values are shown to nobody in the audit log.
const SECRET: [&str; 5] = ["bearerToken", "username", "password", "secret", "activationCode"];

/// Keys that say nothing of what was asked for.
const DULL: [&str; 3] = ["version", "lastActivity", "sessions"];

/// The keys of two views that differ, as they were and as they are; `Null` is no object.
pub(super) fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let empty = Map::new();
    let of = |value: &Value| value.as_object().cloned();
    let (before, after) = match (of(before), of(after)) {
        (None, None) => return (Value::Null, Value::Null),
        (before, after) => (before, after),
    };
    let changed = |own: &Option<Map<String, Value>>, other: &Option<Map<String, Value>>| {
        let Some(own) = own else { return Value::Null };
        let other = other.as_ref().unwrap_or(&empty);
        let differs = |(key, value): &(&String, &Value)| {
            !DULL.contains(&key.as_str()) && other.get(*key) != Some(*value)
        };
        let kept = own.iter().filter(differs);
        Value::Object(kept.map(|(key, value)| (key.clone(), masked(key, value))).collect())
    };
    (changed(&before, &after), changed(&after, &before))
}

fn masked(key: &str, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        _ if SECRET.contains(&key) => Value::String("\u{2022}".to_owned()),
        Value::Object(inner) => Value::Object(
            inner.iter().map(|(key, value)| (key.clone(), masked(key, value))).collect(),
        ),
        Value::Array(list) => Value::Array(list.iter().map(|value| masked(key, value)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_told_and_no_secret() {
        let hook = |password: &str| json!({"webhookConfig": {"url": "u", "password": password}});
        let before =
            json!({"name": "a", "version": 1, "configurationData": hook("old"), "on": true});
        let after =
            json!({"name": "b", "version": 2, "configurationData": hook("new"), "on": true});
        let masked = json!({"webhookConfig": {"url": "u", "password": "\u{2022}"}});
        assert_eq!(
            difference(&before, &after),
            (
                json!({"name": "a", "configurationData": masked}),
                json!({"name": "b", "configurationData": masked}),
            )
        );
        let made = difference(&Value::Null, &json!({"name": "a", "version": 1}));
        assert_eq!(made, (Value::Null, json!({"name": "a"})));
        let gone = difference(&json!({"name": "a"}), &Value::Null);
        assert_eq!(gone, (json!({"name": "a"}), Value::Null));
        assert_eq!(difference(&Value::Null, &Value::Null), (Value::Null, Value::Null));
    }
}
