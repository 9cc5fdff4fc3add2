//! Lists: filtered, sorted, and cut to a page.

use std::cmp::Ordering;

use axum::http::Uri;
use serde_json::Value;

use crate::api::envelope::{Envelope, Page, list};
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;

/// More objects than one kind may have.
const LONGEST_LIST: usize = 10_000;

/// What a list is asked for. The provider always sends all four parameters: 0 and empty mean "not
/// said".
#[derive(Debug)]
pub(super) struct Query {
    /// All must hold.
    filter: Vec<(&'static str, String)>,
    /// The first decides; whether it rises.
    sort: Vec<(&'static str, bool)>,
    limit: usize,
    offset: usize,
}

impl Query {
    pub(super) fn of(uri: &Uri, properties: &[&'static str]) -> Result<Self, Refusal> {
        let parameters = Parameters::of(uri, &["filter", "limit", "offset", "sortBy"])?;
        let known = |name: &str| {
            properties.iter().copied().find(|known| *known == name).ok_or_else(|| {
                let name: String = name.chars().take(40).collect();
                Refusal::query(format!(
                    "unknown property {name:?}; known are {}",
                    properties.join(", ")
                ))
            })
        };
        let mut filter = Vec::new();
        for (name, wanted) in parameters.text("filter").map(terms).transpose()?.unwrap_or_default()
        {
            filter.push((known(&name)?, wanted));
        }
        let mut sort = Vec::new();
        for term in parameters.text("sortBy").map(|text| text.split(',')).into_iter().flatten() {
            let (rises, name) = match term.trim().strip_suffix(')').and_then(|t| t.split_once('('))
            {
                Some(("asc", name)) => (true, name),
                Some(("desc", name)) => (false, name),
                _ => {
                    return Err(Refusal::query(
                        "sortBy is asc(property) or desc(property), several parted by commas",
                    ));
                }
            };
            sort.push((known(name)?, rises));
        }
        Ok(Self {
            filter,
            sort,
            limit: parameters.number("limit", LONGEST_LIST)?.unwrap_or(0),
            offset: parameters.number("offset", usize::MAX)?.unwrap_or(0),
        })
    }

    pub(super) fn page(&self, mut all: Vec<Value>) -> Envelope<Vec<Value>> {
        all.retain(|one| self.filter.iter().all(|(name, wanted)| holds(&one[*name], wanted)));
        all.sort_by(|one, other| {
            let by = |(name, rises): &(&str, bool)| {
                let order = compare(&one[*name], &other[*name]);
                if *rises { order } else { order.reverse() }
            };
            self.sort.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        let page = Page { total_items: all.len(), limit: self.limit, offset: self.offset };
        let limit = if self.limit == 0 { LONGEST_LIST } else { self.limit };
        list(all.into_iter().skip(self.offset).take(limit).collect(), page)
    }
}

/// The terms of a filter, `property:text,property:text`; `\,` is a comma of the text.
pub(in crate::api) fn terms(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut terms = Vec::new();
    let mut term = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ',' => terms.push(std::mem::take(&mut term)),
            '\\' => {
                term.push(letter);
                term.extend(letters.next());
            }
            _ => term.push(letter),
        }
    }
    terms.push(term);
    let parted = terms.iter().filter(|term| !term.is_empty()).map(|term| {
        let parts = term.split_once(':');
        parts.map(|(name, wanted)| (name.trim().to_owned(), unescape(wanted)))
    });
    let parted: Option<Vec<_>> = parted.collect();
    parted.ok_or_else(|| Refusal::query("filter is property:text, several parted by commas"))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

/// Texts contain what is wanted, minding case; all else is exactly it, enumerations and links by
/// their moniker.
fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.contains(wanted),
        Value::Number(number) => number.to_string() == wanted,
        Value::Bool(flag) => flag.to_string() == wanted,
        Value::Array(all) => all.iter().any(|one| holds(one, wanted)),
        Value::Object(parts) => {
            parts.get("moniker").and_then(Value::as_str).is_some_and(|own| own == wanted)
        }
        Value::Null => false,
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
        }
        _ => key(one).cmp(&key(other)),
    }
}

fn key(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(parts) => {
            parts.get("moniker").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PROPERTIES: &[&str] = &["name", "moniker", "kind", "count"];

    fn asked(query: &str) -> Result<Vec<String>, Refusal> {
        let all = vec![
            json!({"name": "Till, big", "moniker": "till", "kind": {"moniker": "a"}, "count": 10}),
            json!({"name": "Tank", "moniker": "tank", "kind": {"moniker": "b"}, "count": 9}),
        ];
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        let page = serde_json::to_value(Query::of(&uri, PROPERTIES)?.page(all)).unwrap();
        let names = page["data"].as_array().unwrap().iter();
        Ok(names.map(|one| one["moniker"].as_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn lists_are_filtered_sorted_and_cut() {
        let cases: [(&str, &[&str]); 12] = [
            ("filter=&limit=0&offset=0&sortBy=", &["till", "tank"]),
            ("filter=name:Ti", &["till"]),
            ("filter=name:ti", &[]),
            ("filter=name:T,moniker:nk", &["tank"]),
            ("filter=name:Till%5C,%20big", &["till"]),
            ("filter=kind:b", &["tank"]),
            ("filter=count:9", &["tank"]),
            ("filter=count:1", &[]),
            ("sortBy=asc(count)", &["tank", "till"]),
            ("sortBy=desc(kind),asc(name)", &["tank", "till"]),
            ("limit=1", &["till"]),
            ("offset=1&limit=5", &["tank"]),
        ];
        for (query, wanted) in cases {
            assert_eq!(asked(query).unwrap(), wanted, "{query}");
        }
        for query in ["filter=colour:red", "filter=name", "sortBy=name", "sortBy=asc(colour)"] {
            assert!(asked(query).is_err(), "{query}");
        }
    }
}
