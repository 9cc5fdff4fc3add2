//! The header of `endpoints.csv`, which says what stands where in a row.

use std::borrow::Cow;

use csv::ByteRecord;

use super::super::problem::ProblemCollector;
use crate::identity::Iccid;

/// Declares the columns; their order is that in which `attachd export` writes them.
macro_rules! columns {
    ($($column:ident = $name:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Column {
            $($column),*
        }

        impl Column {
            pub(super) const ALL: &[Self] = &[$(Self::$column),*];

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$column => $name),*
                }
            }
        }
    };
}

columns! {
    Iccid = "iccid",
    Imsi = "imsi",
    Msisdn = "msisdn",
    State = "state",
    Group = "group",
    SecondaryGroups = "secondary_groups",
    StaticIp = "static_ip",
    Name = "name",
    Reference = "reference",
    Tags = "tags",
    Imei = "imei",
    StaticIpv6 = "static_ipv6",
    DelegatedIpv6 = "delegated_ipv6",
}

/// The place of each column in a row. All but `iccid` may be left out: their fields are then empty.
#[derive(Debug)]
pub(super) struct Columns {
    places: [Option<usize>; Column::ALL.len()],
    pub(super) width: usize,
}

impl Columns {
    /// Reads the header. `None` if the rows below cannot be understood with it.
    pub(super) fn read(
        header: &ByteRecord,
        line: u32,
        report: &mut ProblemCollector,
    ) -> Option<Self> {
        let names = Column::ALL.iter().map(|column| column.name()).collect::<Vec<_>>().join(",");
        if let Some(separator) = foreign_separator(header) {
            report.problem(
                line,
                format!("the columns are separated by {separator:?}"),
                "separate them by commas",
            );
            return None;
        }
        if header.iter().any(|field| Iccid::parse(field.trim_ascii()).is_ok()) {
            report.problem(line, "the first line is no header", format!("write {names} above it"));
            return None;
        }
        let mut columns = Self { places: [None; Column::ALL.len()], width: header.len() };
        let mut is_good = true;
        for (place, field) in header.iter().enumerate() {
            let named =
                Column::ALL.iter().find(|column| column.name().as_bytes() == field.trim_ascii());
            let known = named.map(|column| &mut columns.places[*column as usize]);
            if known.as_ref().is_some_and(|known| known.is_none()) {
                known.map(|known| known.replace(place));
                continue;
            }
            is_good = false;
            let kind = if known.is_some() { "second" } else { "unknown" };
            report.problem(
                line,
                format!("{kind} column {}", report.shown(field)),
                format!("use only {names}, each once"),
            );
        }
        if is_good && columns.places[Column::Iccid as usize].is_none() {
            is_good = false;
            report.problem(line, "no column iccid", "add it: the ICCID is an endpoint's key");
        }
        is_good.then_some(columns)
    }
}

/// What stands between the columns where it is no comma: spreadsheets write semicolons in half of
/// the world.
fn foreign_separator(header: &ByteRecord) -> Option<char> {
    let is_known = |word: &[u8]| {
        let word = word.trim_ascii();
        Column::ALL.iter().any(|column| column.name().as_bytes() == word)
            || Iccid::parse(word).is_ok()
    };
    let separates = |separator: &u8| {
        let parted = header.iter().filter(|field| field.contains(separator));
        parted.flat_map(|field| field.split(|octet| octet == separator)).any(is_known)
    };
    [b';', b'\t', b'|'].into_iter().find(separates).map(char::from)
}

/// One endpoint, as it is written.
pub(super) struct Row<'r> {
    pub(super) columns: &'r Columns,
    pub(super) fields: &'r ByteRecord,
    pub(super) line: u32,
}

impl<'r> Row<'r> {
    /// A field without blanks around it; empty if there is no such column.
    pub(super) fn field(&self, column: Column) -> &'r [u8] {
        let place = self.columns.places[column as usize];
        place.and_then(|place| self.fields.get(place)).unwrap_or_default().trim_ascii()
    }

    /// The values of a field that may hold several.
    pub(super) fn values(&self, column: Column) -> impl Iterator<Item = &'r [u8]> {
        self.field(column)
            .split(|octet| *octet == b';')
            .map(<[u8]>::trim_ascii)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, column: Column) -> bool {
        !self.field(column).is_empty()
    }
}
/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// A name as it is written: with an apostrophe before what a spreadsheet would compute, by which it
/// knows a text.
pub(super) fn guarded(name: &str) -> Cow<'_, str> {
    if is_formula(name) { format!("'{name}").into() } else { name.into() }
}

/// The inverse of [`guarded`].
pub(super) fn unguarded(field: &str) -> &str {
    field.strip_prefix('\'').filter(|name| is_formula(name)).unwrap_or(field)
}

/// Whether it would be one without the apostrophes, too: else [`unguarded`] would take away one
/// that belongs to the name.
fn is_formula(name: &str) -> bool {
    name.trim_start_matches('\'').starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_formula_and_comes_back() {
        for (name, written) in [
            ("till 1", "till 1"),
            ("=HYPERLINK(\"http://example.net\")", "'=HYPERLINK(\"http://example.net\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("'=1", "''=1"),
            ("'quoted'", "'quoted'"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(guarded(name), written);
            assert_eq!(unguarded(written), name);
        }
        assert_eq!(unguarded("=1"), "=1", "written by hand");
    }
}
