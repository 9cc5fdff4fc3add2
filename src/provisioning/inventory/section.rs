//! A table of `inventory.toml` that is emptied key by key, so that all its problems are found and
//! not only the first.

use std::net::IpAddr;

use compact_str::CompactString;
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::super::problem::ProblemCollector;
use crate::identity::Moniker;

/// The longest name of a VSlice, group or endpoint, in characters: what a table on a screen can
/// show.
const LONGEST_NAME: usize = 100;

/// A value of the file and the line where it stands.
pub(super) struct Lined<T> {
    pub(super) line: u32,
    pub(super) value: T,
}

/// The text of a file, and where its lines end.
pub(super) struct Text<'t> {
    text: &'t str,
    ends: Vec<usize>,
}

pub(super) struct Section<'t> {
    text: &'t Text<'t>,
    pub(super) line: u32,
    /// What it is called in messages: `[[group]]`.
    pub(super) title: &'static str,
    table: DeTable<'t>,
}

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            ends: text
                .bytes()
                .enumerate()
                .filter(|(_, octet)| *octet == b'\n')
                .map(|(at, _)| at)
                .collect(),
        }
    }

    fn line_at(&self, offset: usize) -> u32 {
        1 + self.ends.partition_point(|end| *end < offset) as u32
    }

    fn line_of(&self, error: &Error) -> Option<u32> {
        error.span().map(|span| self.line_at(span.start))
    }
}

impl<'t> Section<'t> {
    /// The whole file. `None` if it is no TOML: then nothing in it can be believed.
    pub(super) fn document(text: &'t Text<'t>, report: &mut ProblemCollector) -> Option<Self> {
        let (document, errors) = DeTable::parse_recoverable(text.text);
        for error in &errors {
            report.problem(text.line_of(error), one_line(error.message()), "write valid TOML");
        }
        errors.is_empty().then(|| Self {
            text,
            line: 1,
            title: "the file",
            table: document.into_inner(),
        })
    }

    /// The tables of an array of tables.
    pub(super) fn sections(
        &mut self,
        key: &str,
        title: &'static str,
        report: &mut ProblemCollector,
    ) -> Vec<Self> {
        let Some(value) = self.table.remove(key) else { return Vec::new() };
        let line = self.text.line_at(value.span().start);
        let mut sections = Vec::new();
        let DeValue::Array(items) = value.into_inner() else {
            report.problem(line, format!("{key} is no list of tables"), format!("write {title}"));
            return sections;
        };
        for item in items {
            let line = self.text.line_at(item.span().start);
            match item.into_inner() {
                DeValue::Table(table) => {
                    sections.push(Self { text: self.text, line, title, table });
                }
                _ => report.problem(
                    line,
                    format!("{key} has an entry that is no table"),
                    format!("write {title}"),
                ),
            }
        }
        sections
    }

    /// The value of a key, if it is there and of the right type.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        key: &str,
        report: &mut ProblemCollector,
    ) -> Option<Lined<T>> {
        let value: Spanned<DeValue<'_>> = self.table.remove(key)?;
        let line = self.text.line_at(value.span().start);
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(Lined { line, value }),
            Err(error) => {
                let line = self.text.line_of(&error).unwrap_or(line);
                report.problem(
                    line,
                    format!("{key}: {}", one_line(error.message())),
                    "write a value of the right type",
                );
                None
            }
        }
    }

    /// The text of a key that must be there.
    pub(super) fn required(
        &mut self,
        key: &str,
        report: &mut ProblemCollector,
    ) -> Option<Lined<String>> {
        if !self.table.contains_key(key) {
            report.problem(
                self.line,
                format!("{} has no {key}", self.title),
                format!("add {key} = \"...\""),
            );
        }
        self.take(key, report)
    }

    /// The texts of a list, each with the line of the list.
    pub(super) fn list(&mut self, key: &str, report: &mut ProblemCollector) -> Vec<Lined<String>> {
        let list: Option<Lined<Vec<Spanned<String>>>> = self.take(key, report);
        let items = list.into_iter().flat_map(|list| list.value);
        items
            .map(|item| Lined {
                line: self.text.line_at(item.span().start),
                value: item.into_inner(),
            })
            .collect()
    }

    /// Whether a key is there, and has not been taken.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Yes or no; as given here if it is not written.
    pub(super) fn flag(
        &mut self,
        key: &str,
        otherwise: bool,
        report: &mut ProblemCollector,
    ) -> bool {
        self.take(key, report).map_or(otherwise, |written| written.value)
    }

    pub(super) fn enabled(&mut self, report: &mut ProblemCollector) -> bool {
        self.flag("enabled", true, report)
    }

    /// The display name; without one the moniker is shown.
    pub(super) fn name(&mut self, moniker: &str, report: &mut ProblemCollector) -> CompactString {
        let Some(name) = self.take::<String>("name", report) else { return moniker.into() };
        if let Err(rule) = check_name(&name.value) {
            report.problem(name.line, rule, "choose another name");
        }
        name.value.into()
    }

    /// Whatever is left is nothing we know.
    pub(super) fn close(self, report: &mut ProblemCollector) {
        for key in self.table.keys() {
            let line = self.text.line_at(key.span().start);
            report.problem(
                line,
                format!("unknown key {:?} in {}", key.get_ref(), self.title),
                "correct its name, or leave it out",
            );
        }
    }
}

impl Lined<String> {
    /// The value read in its own way; a failure is reported as `key: rule; remedy`.
    pub(super) fn read<T, E: ToString>(
        &self,
        key: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        report: &mut ProblemCollector,
    ) -> Option<T> {
        parse(&self.value)
            .map_err(|error| {
                report.problem(self.line, format!("{key}: {}", error.to_string()), remedy);
            })
            .ok()
    }

    pub(super) fn moniker(&self, report: &mut ProblemCollector) -> Option<Moniker> {
        self.read("moniker", "choose another moniker", Moniker::parse, report)
    }

    pub(super) fn address(&self, key: &str, report: &mut ProblemCollector) -> Option<IpAddr> {
        let parse = |text: &str| text.parse().map_err(|_| format!("{text:?} is no IP address"));
        self.read(key, "write it as in \"9.9.9.9\" or \"2001:db8::53\"", parse, report)
    }

    /// An address range, which must be written with its first address: else it is not clear which
    /// of two was meant.
    pub(super) fn range(&self, key: &str, report: &mut ProblemCollector) -> Option<IpNet> {
        let parse =
            |text: &str| text.parse::<IpNet>().map_err(|_| format!("{text:?} is no IP range"));
        let range = self.read(
            key,
            "write address and prefix length, as in \"100.64.0.0/16\" or \"2001:db8:10::/48\"",
            parse,
            report,
        )?;
        if range == range.trunc() {
            return Some(range);
        }
        report.problem(
            self.line,
            format!("{key}: {range} has bits set beyond its prefix"),
            format!("write \"{}\"", range.trunc()),
        );
        None
    }

    /// An address range, or an address as the range of itself.
    pub(super) fn addresses(&self, key: &str, report: &mut ProblemCollector) -> Option<IpNet> {
        self.value.parse().map_or_else(|_| self.range(key, report), |ip: IpAddr| Some(ip.into()))
    }
}

/// Names are shown in lists and logs, one to a line.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().any(char::is_control) {
        return Err("name: a name has no control characters");
    }
    if name.chars().count() > LONGEST_NAME {
        return Err("name: a name has at most 100 characters");
    }
    Ok(())
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
