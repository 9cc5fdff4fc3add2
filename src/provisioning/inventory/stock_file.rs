//! `stock.csv`: SIMs that exist and are no endpoints yet, one a line (PROTOCOL 12).

use std::io::{self, Read};

use csv::ByteRecord;

use super::super::problem::ProblemCollector;
use super::super::stock::{ActivationCode, ListedSim};
use super::csv_lines::CsvLines;
use super::endpoint_file::{check_luhn, report_twice};
use crate::identity::{Iccid, Imsi, Msisdn};

/// The columns; `iccid` and `activation_code` have to be there.
const COLUMNS: [&str; 4] = ["iccid", "imsi", "msisdn", "activation_code"];

/// What the file says, in the order of its lines.
#[derive(Debug, Default)]
pub(super) struct ListedStock {
    pub(super) sims: Vec<ListedSim>,
    pub(super) lines: Vec<u32>,
}

/// Where each column stands.
type Places = [Option<usize>; COLUMNS.len()];

pub(super) fn read(file: impl Read, report: &mut ProblemCollector) -> io::Result<ListedStock> {
    let mut listed = ListedStock::default();
    let mut lines = CsvLines::new(file);
    let mut record = ByteRecord::new();
    let Some(line) = lines.next(&mut record, report)? else { return Ok(listed) };
    let Some(places) = header(&record, line, report) else { return Ok(listed) };
    let width = record.len();
    while let Some(line) = lines.next(&mut record, report)? {
        if record.len() != width {
            let what = format!("{} fields, but {width} columns in the header", record.len());
            report.problem(line, what, "add or remove commas");
            continue;
        }
        if let Some(sim) = sim(&record, &places, line, report) {
            listed.sims.push(sim);
            listed.lines.push(line);
        }
    }
    let each = || listed.sims.iter().zip(&listed.lines);
    let iccids = each().map(|(sim, line)| (sim.iccid.raw(), *line)).collect();
    report_twice("iccid: the same ICCID", iccids, report);
    let imsis = each().flat_map(|(sim, line)| sim.imsis.iter().map(|imsi| (imsi.raw(), *line)));
    report_twice("imsi: the same IMSI", imsis.collect(), report);
    let msisdns = each().filter_map(|(sim, line)| Some((sim.msisdn?.raw(), *line)));
    report_twice("msisdn: the same MSISDN", msisdns.collect(), report);
    Ok(listed)
}

fn header(header: &ByteRecord, line: u32, report: &mut ProblemCollector) -> Option<Places> {
    let mut places: Places = [None; COLUMNS.len()];
    let mut is_good = true;
    for (place, field) in header.iter().enumerate() {
        let named = COLUMNS.iter().position(|name| name.as_bytes() == field.trim_ascii());
        match named.and_then(|column| places.get_mut(column)) {
            Some(known @ None) => *known = Some(place),
            known => {
                is_good = false;
                let kind = if known.is_some() { "second" } else { "unknown" };
                let what = format!("{kind} column {}", report.shown(field));
                report.problem(line, what, format!("use only {}, each once", COLUMNS.join(",")));
            }
        }
    }
    for needed in [0, COLUMNS.len() - 1] {
        if is_good && places[needed].is_none() {
            is_good = false;
            let what = format!("no column {}", COLUMNS[needed]);
            report.problem(line, what, "add it: no SIM is activated without");
        }
    }
    is_good.then_some(places)
}

fn sim(
    record: &ByteRecord,
    places: &Places,
    line: u32,
    report: &mut ProblemCollector,
) -> Option<ListedSim> {
    let field = |column: usize| {
        let place = places.get(column).copied().flatten();
        place.and_then(|place| record.get(place)).unwrap_or_default().trim_ascii()
    };
    let mut wrong = |column: usize, rule: &dyn std::fmt::Display| {
        report.problem(line, format!("{}: {rule}", COLUMNS[column]), "correct it");
    };
    let iccid = Iccid::parse(field(0)).map_err(|error| wrong(0, &error)).ok();
    let mut imsis = Vec::new();
    for imsi in field(1).split(|octet| *octet == b';').map(<[u8]>::trim_ascii) {
        if !imsi.is_empty() {
            imsis.push(Imsi::parse(imsi).map_err(|error| wrong(1, &error)).ok()?);
        }
    }
    let msisdn = match field(2) {
        b"" => None,
        text => Some(Msisdn::parse(text).map_err(|error| wrong(2, &error)).ok()?),
    };
    let code = ActivationCode::hash(field(3)).map_err(|rule| wrong(3, &rule)).ok()?;
    let iccid = iccid?;
    check_luhn(iccid, line, report);
    Some(ListedSim { iccid, imsis, msisdn, code })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::Rules;

    fn read_text(text: &str) -> (ListedStock, String) {
        let mut report = ProblemCollector::by(Rules::default());
        report.turn_to("stock.csv".as_ref());
        let listed = read(text.as_bytes(), &mut report).unwrap();
        let told = report.conclude().err().map(|problems| problems.to_string());
        (listed, told.unwrap_or_default())
    }

    #[test]
    fn sims_are_read_whatever_the_order_of_columns() {
        let text = "activation_code,iccid,imsi\nK7QF-22PD,8944500000000000014,234500000000001; 901670000000001\n\n\"a,b+c\",8944500000000000022,\n";
        let (listed, told) = read_text(text);
        assert_eq!((told.as_str(), &listed.lines[..]), ("", &[2, 4][..]));
        assert_eq!((listed.sims[0].imsis.len(), listed.sims[1].imsis.len()), (2, 0));
        assert_eq!(listed.sims[1].code, ActivationCode::hash(b"a,b+c").unwrap());
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let cases = [
            ("iccid,imsi\n", "stock.csv:1: no column activation_code"),
            ("iccid,activation_code,puk\n", "stock.csv:1: unknown column \"puk\""),
            ("iccid,activation_code\n8944500000000000014\n", "stock.csv:2: 1 fields, but 2"),
            ("iccid,activation_code\n89,K7QF\n", "stock.csv:2: iccid: an ICCID has 19"),
            (
                "iccid,activation_code\n8944500000000000014,x\n",
                "stock.csv:2: activation_code: an activation code has 4 to 64",
            ),
            (
                "iccid,activation_code\n8944500000000000015,K7QF\n",
                "stock.csv:2: iccid: the check digit (Luhn) is wrong: 4 is expected",
            ),
            (
                "iccid,activation_code\n8944500000000000014,K7QF\n8944500000000000014,K7QG\n",
                "stock.csv:3: iccid: the same ICCID stands in line 2",
            ),
        ];
        for (text, wanted) in cases {
            let (_, told) = read_text(text);
            assert!(told.contains(wanted), "{text:?}: {told}");
        }
    }
}
