//! One table of a TOML file, from which keys are taken; what nobody took is unknown, and a bad
//! value does not stop the reading.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigProblem, ProblemSeverity};

/// A value with its place in the file.
pub(super) type TomlValue<'i> = Spanned<DeValue<'i>>;

/// What is wrong with a value, and where.
pub(super) struct ValueFault {
    pub(super) span: Range<usize>,
    pub(super) what: String,
    pub(super) remedy: String,
}

/// A value read, or all that is wrong with it.
pub(super) type ValueResult<T> = Result<T, Vec<ValueFault>>;

/// The file as it stands, and what was found wrong with it so far.
pub(super) struct ProblemList<'a> {
    file: Option<&'a Path>,
    /// Where each line of the text ends.
    line_ends: Vec<usize>,
    problems: RefCell<Vec<ConfigProblem>>,
}

impl<'a> ProblemList<'a> {
    pub(super) fn new(text: &str, file: Option<&'a Path>) -> Self {
        let line_ends = text
            .bytes()
            .enumerate()
            .filter_map(|(at, octet)| (octet == b'\n').then_some(at))
            .collect();
        Self { file, line_ends, problems: RefCell::default() }
    }

    pub(super) fn error(
        &self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(ProblemSeverity::Error, span, what.into(), remedy.into());
    }

    pub(super) fn warning(
        &self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(ProblemSeverity::Warning, span, what.into(), remedy.into());
    }

    fn fault(&self, key: &str, fault: ValueFault) {
        self.error(&fault.span, format!("{key}: {}", fault.what), fault.remedy);
    }

    fn push(&self, severity: ProblemSeverity, span: &Range<usize>, what: String, remedy: String) {
        let line = self.file.map(|_| self.line_ends.partition_point(|end| *end < span.start) + 1);
        let problem =
            ConfigProblem { severity, file: self.file.map(Path::to_path_buf), line, what, remedy };
        self.problems.borrow_mut().push(problem);
    }

    /// All problems in the order of the file.
    pub(super) fn into_problems(self) -> Vec<ConfigProblem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// A table whose keys are taken one by one.
pub(super) struct TomlTable<'a, 'i> {
    /// As a message calls it: `[radius]`.
    name: String,
    span: Range<usize>,
    entries: DeTable<'i>,
    known: Vec<&'static str>,
    findings: &'a ProblemList<'a>,
}

impl<'a, 'i> TomlTable<'a, 'i> {
    pub(super) fn new(
        name: impl Into<String>,
        span: Range<usize>,
        entries: DeTable<'i>,
        findings: &'a ProblemList<'a>,
    ) -> Self {
        Self { name: name.into(), span, entries, known: Vec::new(), findings }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Takes a key out of the table, to be read by the caller.
    pub(super) fn value(&mut self, key: &'static str) -> Option<TomlValue<'i>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// Takes a key and reads it; `default` if it is absent, or wrong and reported.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&TomlValue<'i>) -> ValueResult<T>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// Takes a key and reads it, if it is there and right.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&TomlValue<'i>) -> ValueResult<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        self.reported(key, read(&value))
    }

    /// What was read; or nothing, and the reasons are among the findings.
    pub(super) fn reported<T>(&self, key: &str, reading: ValueResult<T>) -> Option<T> {
        reading
            .map_err(|faults| faults.into_iter().for_each(|fault| self.findings.fault(key, fault)))
            .ok()
    }

    /// Takes a table inside this one; an empty one if it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> TomlTable<'a, 'i> {
        let (span, entries) = match self.value(key).map(|value| (value.span(), value.into_inner()))
        {
            Some((span, DeValue::Table(entries))) => (span, entries),
            Some((span, _)) => {
                self.findings.error(
                    &span,
                    format!("{key} is not a table"),
                    format!("write [{key}] on a line of its own"),
                );
                (span, DeTable::new())
            }
            None => (self.span(), DeTable::new()),
        };
        TomlTable::new(format!("[{key}]"), span, entries, self.findings)
    }

    /// Reports the keys that nobody took.
    pub(super) fn finish(self) {
        for (key, _) in self.entries {
            let (span, key) = (key.span(), key.into_inner());
            let place =
                if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
            let remedy = match nearest(&key, &self.known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}", self.known.join(", ")),
            };
            self.findings.error(&span, format!("unknown key {key}{place}"), remedy);
        }
    }
}

pub(super) fn fault<T>(
    value: &TomlValue<'_>,
    what: impl Into<String>,
    remedy: impl Into<String>,
) -> ValueResult<T> {
    Err(vec![ValueFault { span: value.span(), what: what.into(), remedy: remedy.into() }])
}

pub(super) fn text(value: &TomlValue<'_>) -> ValueResult<String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        other => {
            fault(value, format!("{} where a text is wanted", kind(other)), "put it in quotes")
        }
    }
}

pub(super) fn flag(value: &TomlValue<'_>) -> ValueResult<bool> {
    match value.get_ref() {
        DeValue::Boolean(flag) => Ok(*flag),
        other => fault(
            value,
            format!("{} where true or false is wanted", kind(other)),
            "write true or false without quotes",
        ),
    }
}

/// A whole number of the given range.
pub(super) fn number(
    range: RangeInclusive<u64>,
) -> impl FnOnce(&TomlValue<'_>) -> ValueResult<u64> {
    move |value| {
        let remedy = format!("write a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(integer) = value.get_ref() else {
            return fault(
                value,
                format!("{} where a number is wanted", kind(value.get_ref())),
                remedy,
            );
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => fault(value, format!("{integer} is out of range"), remedy),
        }
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&TomlValue<'_>) -> ValueResult<T> {
    move |value| {
        let word = text(value)?;
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
        match choices.iter().find(|(known, _)| *known == word) {
            Some((_, choice)) => Ok(*choice),
            None => fault(
                value,
                format!("{word:?} is not known"),
                format!("write one of {}", words.join(", ")),
            ),
        }
    }
}

/// A list, each item with its own place.
pub(super) fn list<T>(
    item: impl Fn(&TomlValue<'_>) -> ValueResult<T>,
) -> impl FnOnce(&TomlValue<'_>) -> ValueResult<Vec<(Range<usize>, T)>> {
    move |value| {
        let DeValue::Array(items) = value.get_ref() else {
            return fault(
                value,
                format!("{} where a list is wanted", kind(value.get_ref())),
                "put it in square brackets",
            );
        };
        let mut read = Vec::new();
        let mut faults = Vec::new();
        for value in items {
            match item(value) {
                Ok(item) => read.push((value.span(), item)),
                Err(wrong) => faults.extend(wrong),
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

/// An item, or a list of at least one.
pub(super) fn one_or_several<T>(
    item: impl Fn(&TomlValue<'_>) -> ValueResult<T>,
) -> impl FnOnce(&TomlValue<'_>) -> ValueResult<Vec<(Range<usize>, T)>> {
    move |value| match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => {
            fault(value, "an empty list", "name at least one")
        }
        DeValue::Array(_) => list(item)(value),
        _ => Ok(vec![(value.span(), item(value)?)]),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The known key that was probably meant: at most a third of its letters away.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|known| (strsim::levenshtein(key, known), *known)).min()?;
    (near.0 * 3 <= near.1.len()).then_some(near.1)
}

/// The listeners with their places in the file.
pub(super) type Listeners = Vec<(Range<usize>, SocketAddr)>;

pub(super) fn seconds(
    range: RangeInclusive<u64>,
) -> impl FnOnce(&TomlValue<'_>) -> ValueResult<Duration> {
    move |value| number(range)(value).map(Duration::from_secs)
}

pub(super) fn socket_address(value: &TomlValue<'_>) -> ValueResult<SocketAddr> {
    let text = text(value)?;
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => fault(
            value,
            format!("{text:?} is no socket address"),
            "write ADDRESS:PORT, like \"127.0.0.1:1812\" or \"[::1]:1812\"",
        ),
    }
}
