//! The dictionary handed to FreeRADIUS says what the table says.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use std::fs;

use attachd::wire::dictionary::{Definition, Dictionary, ValueKind};
use attachd::wire::number::attachd::DEFAULT_VENDOR;

/// The lines that begin with this word, in their words.
fn lines<'t>(text: &'t str, keyword: &str) -> Vec<Vec<&'t str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| words.first() == Some(&keyword))
        .collect()
}

fn kind_of_freeradius(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Text => "string",
        ValueKind::Integer => "integer",
        other => panic!("our attributes have no {other:?}"),
    }
}

#[test]
fn fixtures_dictionary_is_the_table() {
    let text = fs::read_to_string("fixtures/dictionary.attachd").unwrap();
    let ours: Vec<Definition> = Dictionary::default()
        .definitions()
        .filter(|definition| definition.key.vendor == DEFAULT_VENDOR)
        .collect();

    assert_eq!(lines(&text, "VENDOR"), [["VENDOR", "Attachd", &DEFAULT_VENDOR.to_string()]]);
    let attributes: Vec<Vec<String>> = ours
        .iter()
        .map(|own| {
            vec![
                "ATTRIBUTE".into(),
                own.name.into(),
                own.key.number.to_string(),
                kind_of_freeradius(own.kind).into(),
            ]
        })
        .collect();
    assert_eq!(lines(&text, "ATTRIBUTE"), attributes);
    let values: Vec<Vec<String>> = ours
        .iter()
        .flat_map(|own| {
            own.values.iter().map(|(number, name)| {
                vec!["VALUE".into(), own.name.into(), (*name).into(), number.to_string()]
            })
        })
        .collect();
    assert_eq!(lines(&text, "VALUE"), values);
}
