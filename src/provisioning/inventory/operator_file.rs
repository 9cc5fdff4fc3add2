//! `operators.csv`: names of operators and the numbers that the platform has for them, one a line.

use std::collections::HashMap;
use std::io;

use csv::ByteRecord;

use super::super::operators::{KnownOperator, Operators};
use super::super::problem::ProblemCollector;
use super::csv_lines::CsvLines;
use crate::identity::Plmn;
use crate::policy::{CountryCode, is_country};

const COLUMNS: [&str; 4] = ["operatorId", "plmns", "iso3", "name"];

pub(super) fn read(octets: &[u8], report: &mut ProblemCollector) -> io::Result<Operators> {
    let mut operators = Operators::default();
    let mut lines = CsvLines::new(octets);
    let mut record = ByteRecord::new();
    let Some(line) = lines.next(&mut record, report)? else { return Ok(operators) };
    let header: Vec<&[u8]> = record.iter().map(<[u8]>::trim_ascii).collect();
    if header != COLUMNS.map(str::as_bytes) {
        let what = "the header is another one";
        report.problem(line, what, format!("write {}", COLUMNS.join(",")));
        return Ok(operators);
    }
    let mut known: HashMap<u32, u32> = HashMap::new();
    while let Some(line) = lines.next(&mut record, report)? {
        let Some(operator) = operator(&record, line, report) else { continue };
        match known.insert(operator.id, line) {
            None => operators.0.push(operator),
            Some(first) => report.problem(
                line,
                format!("operatorId: {} stands in line {first} already", operator.id),
                "leave it in one of them",
            ),
        }
    }
    Ok(operators)
}

fn operator(
    record: &ByteRecord,
    line: u32,
    report: &mut ProblemCollector,
) -> Option<KnownOperator> {
    if record.len() != COLUMNS.len() {
        let what = format!("{} fields instead of {}", record.len(), COLUMNS.len());
        report.problem(line, what, "add or remove commas");
        return None;
    }
    let field = |at: usize| String::from_utf8_lossy(record.get(at).unwrap_or_default());
    let id: Option<u32> = field(0).trim().parse().ok().filter(|id| *id <= 999_999);
    if id.is_none() {
        report.problem(line, "operatorId: a number of at most six digits", "correct it");
    }
    let texts = field(1);
    let words = texts.split([';', ' ']).filter(|word| !word.is_empty());
    let plmns: Result<Vec<Plmn>, _> = words.map(|word| Plmn::parse(word.as_bytes())).collect();
    let plmns = plmns.unwrap_or_default();
    if plmns.is_empty() {
        report.problem(line, "plmns: a PLMN has 5 or 6 digits", "write them as in 26201;26206");
    }
    let letters = field(2);
    let country = match letters.trim() {
        "" => None,
        letters => CountryCode::parse(letters).ok().filter(|country| is_country(*country)),
    };
    if country.is_none() && !letters.trim().is_empty() {
        report.problem(line, "iso3: there is no such country (ISO 3166-1)", "correct it");
    }
    let name = field(3).trim().into();
    Some(KnownOperator {
        id: id?,
        plmns: Some(plmns).filter(|plmns| !plmns.is_empty())?,
        country,
        name,
    })
}
