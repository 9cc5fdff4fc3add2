//! The JSON of a request, taken apart key by key: all that is wrong with it is told at once, each
//! problem with its JSON pointer (RFC 6901).

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::api::refusal::Refusal;
use crate::identity::Imsi;

/// Octets of a body.
pub(in crate::api) const LONGEST_BODY: usize = 1 << 20;

/// What a request says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum Given<T> {
    /// Nothing: it keeps its value.
    Absent,
    /// `null`: it is cleared.
    Null,
    Value(T),
}

impl<T> Given<T> {
    pub(in crate::api) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

/// What is wrong with a body, and which code says so.
#[derive(Debug, Default)]
pub(in crate::api) struct Problems {
    code: Option<&'static str>,
    messages: Vec<String>,
}

impl Problems {
    pub(in crate::api) fn add(&mut self, code: &'static str, pointer: &str, what: impl AsRef<str>) {
        // The first code is told: a program looks at one, a person reads all.
        self.code.get_or_insert(code);
        self.messages.push(format!("{pointer}: {}", what.as_ref()));
    }

    pub(in crate::api) fn invalid(&mut self, pointer: &str, what: impl AsRef<str>) {
        self.add("invalid", pointer, what);
    }

    pub(in crate::api) fn result(self) -> Result<(), Refusal> {
        match self.code {
            Some(code) => Err(Refusal::refused(code, self.messages)),
            None => Ok(()),
        }
    }
}

/// An object whose keys are taken one by one; what nobody took is unknown.
pub(in crate::api) struct Fields<'p> {
    pointer: String,
    entries: Map<String, Value>,
    known: Vec<&'static str>,
    pub(in crate::api) problems: &'p mut Problems,
}

/// The body of a request that changes something.
pub(in crate::api) fn json(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Refusal> {
    let body = whole(body)?;
    if !is_of_kind(headers, "application/json") {
        return Err(Refusal::media_type());
    }
    serde_json::from_slice(&body).map_err(|error| Refusal::query(format!("not JSON: {error}")))
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(LONGEST_BODY),
        _ => Refusal::query("the body did not come whole"),
    })
}

fn is_of_kind(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// What a request sends that takes rows as well.
pub(in crate::api) enum Body {
    Json(Value),
    /// Rows, as the file of the same name has them.
    Csv(Bytes),
}

/// The body of a request that takes JSON or `text/csv`.
pub(in crate::api) fn of_either_kind(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Body, Refusal> {
    if !is_of_kind(headers, "text/csv") {
        return json(headers, body).map(Body::Json);
    }
    whole(body).map(Body::Csv)
}

/// IMSIs of a SIM: one as `imsi`, several as `imsis`.
pub(in crate::api) fn imsis(fields: &mut Fields<'_>) -> Vec<Imsi> {
    let list = fields.array("imsis").value().unwrap_or_default();
    let single = fields.text("imsi").value().map(Value::String);
    let mut imsis = Vec::new();
    for imsi in list.into_iter().chain(single) {
        match imsi.as_str().map(str::parse) {
            Some(Ok(imsi)) => imsis.push(imsi),
            _ => fields.invalid("imsi", "no IMSI; write 6 to 15 digits"),
        }
    }
    imsis
}

impl<'p> Fields<'p> {
    pub(in crate::api) fn new(value: Value, pointer: &str, problems: &'p mut Problems) -> Self {
        let entries = match value {
            Value::Object(entries) => entries,
            other => {
                problems.invalid(pointer, format!("{} where an object is wanted", kind(&other)));
                Map::new()
            }
        };
        Self { pointer: pointer.to_owned(), entries, known: Vec::new(), problems }
    }

    pub(in crate::api) fn pointer(&self, key: &str) -> String {
        format!("{}/{key}", self.pointer)
    }

    pub(in crate::api) fn invalid(&mut self, key: &str, what: impl AsRef<str>) {
        let pointer = self.pointer(key);
        self.problems.invalid(&pointer, what);
    }

    pub(in crate::api) fn refuse(&mut self, code: &'static str, key: &str, what: impl AsRef<str>) {
        let pointer = self.pointer(key);
        self.problems.add(code, &pointer, what);
    }

    pub(in crate::api) fn take(&mut self, key: &'static str) -> Given<Value> {
        self.known.push(key);
        match self.entries.remove(key) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => Given::Value(value),
        }
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Given<T> {
        match self.take(key) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(value) => {
                if let Some(read) = read(&value) {
                    return Given::Value(read);
                }
                self.invalid(key, format!("{} where {wanted} is wanted", kind(&value)));
                Given::Absent
            }
        }
    }

    pub(in crate::api) fn text(&mut self, key: &'static str) -> Given<String> {
        self.read(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// A text that is read by `parse`, whose error says what to write instead.
    pub(in crate::api) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Given<T> {
        match self.text(key) {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(text) => match parse(&text) {
                Ok(value) => Given::Value(value),
                Err(what) => {
                    self.invalid(key, what);
                    Given::Absent
                }
            },
        }
    }

    pub(in crate::api) fn flag(&mut self, key: &'static str) -> Given<bool> {
        self.read(key, "true or false", Value::as_bool)
    }

    /// A whole number from 0 on.
    pub(in crate::api) fn number(&mut self, key: &'static str, most: u32) -> Given<u32> {
        let wanted = format!("a whole number from 0 to {most}");
        self.read(key, &wanted, |value| {
            value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|n| *n <= most)
        })
    }

    pub(in crate::api) fn array(&mut self, key: &'static str) -> Given<Vec<Value>> {
        self.read(key, "a list", |value| value.as_array().cloned())
    }

    /// Refuses the keys that nobody took.
    pub(in crate::api) fn finish(mut self) {
        let known = self.known.join(", ");
        for key in std::mem::take(&mut self.entries).keys() {
            let shown: String = key.chars().take(40).collect();
            self.refuse("unknown-key", &shown, format!("unknown key; known are {known}"));
        }
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_wrong_is_told_at_once_with_its_pointer() {
        let mut problems = Problems::default();
        let body = json!({"name": 7, "enabled": "yes", "count": -1, "other": null, "gone": null});
        let mut fields = Fields::new(body, "/items/0", &mut problems);
        assert_eq!(fields.text("name"), Given::Absent);
        assert_eq!(fields.flag("enabled"), Given::Absent);
        assert_eq!(fields.number("count", 10), Given::Absent);
        assert_eq!(fields.text("gone"), Given::Null);
        assert_eq!(fields.text("absent"), Given::Absent);
        fields.finish();
        assert_eq!(
            problems.messages,
            [
                "/items/0/name: a number where a text is wanted",
                "/items/0/enabled: a text where true or false is wanted",
                "/items/0/count: a number where a whole number from 0 to 10 is wanted",
                "/items/0/other: unknown key; known are name, enabled, count, gone, absent",
            ]
        );
    }
}
