//! `[[policy]]` of `inventory.toml`: where, by which radio and with which device endpoints may be
//! used.

use super::super::Policy;
use super::super::problem::ProblemCollector;
use super::section::{Lined, Section};
use crate::identity::Plmn;
use crate::policy::{
    CountryCode, ImeiLock, PolicyAction, PolicyEntry, RadioClass, Tac, WhenMissing, is_country,
};

pub(super) fn policy(
    section: &mut Section<'_>,
    moniker: &Lined<String>,
    report: &mut ProblemCollector,
) -> Option<Policy> {
    let name = section.name(&moniker.value, report);
    let [allow_2g, allow_3g, allow_45g] =
        ["allow_2g", "allow_3g", "allow_45g"].map(|key| section.flag(key, true, report));
    let when_missing =
        word(section, "when_missing", "write \"allow\" or \"reject\"", WhenMissing::parse, report);
    let imei_lock =
        word(section, "imei_lock", "write \"off\" or \"learn\"", ImeiLock::parse, report);
    let mut entries: Vec<(u32, PolicyEntry)> = Vec::new();
    for section in section.sections("entry", "[[policy.entry]]", report) {
        let line = section.line;
        let Some(new) = entry(section, report) else { continue };
        match entries.iter().find(|(_, other)| other.matches_same(&new)) {
            None => entries.push((line, new)),
            Some((other, _)) => report.problem(
                line,
                format!("this entry asks for the same as the one in line {other}"),
                "leave it out, or say what else it is about",
            ),
        }
    }
    let policy = Policy {
        allow_2g,
        allow_3g,
        allow_45g,
        when_missing: when_missing.unwrap_or_default(),
        imei_lock: imei_lock.unwrap_or_default(),
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        ..Policy::new(moniker.moniker(report)?, &name)
    };
    if let Err(too_large) = policy.record_fits() {
        report.problem(section.line, too_large.to_string(), "list fewer entries");
    }
    Some(policy)
}

fn entry(mut section: Section<'_>, report: &mut ProblemCollector) -> Option<PolicyEntry> {
    const OF_ONE_PLACE: &str = "leave one of them in, or none for an entry about everywhere";
    let line = section.line;
    let operator = section.take::<String>("operator", report);
    let country = section.take::<String>("country", report);
    let international = section.flag("international", false, report);
    let radio = section.list("radio", report);
    let tac = section.list("tac", report);
    let has_action = section.has("action");
    let known = "write \"allow\" or \"reject\"";
    let action = word(&mut section, "action", known, PolicyAction::parse, report);
    section.close(report);

    if !has_action {
        report.problem(
            line,
            "[[policy.entry]] has no action",
            "add action = \"allow\" or \"reject\"",
        );
    }
    let places = usize::from(operator.is_some())
        + usize::from(country.is_some())
        + usize::from(international);
    if places > 1 {
        report.problem(
            line,
            "operator, country and international exclude each other",
            OF_ONE_PLACE,
        );
    }
    let by_plmn = "write MCC and MNC, as in \"26201\"";
    let operator = operator.and_then(|plmn| {
        plmn.read("operator", by_plmn, |text| Plmn::parse(text.as_bytes()), report)
    });
    let by_letters = "write two letters, as in \"DE\"";
    let known = |text: &str| match CountryCode::parse(text) {
        Ok(country) if is_country(country) => Ok(country),
        Ok(_) => Err("there is no such country (ISO 3166-1)"),
        Err(rule) => Err(rule),
    };
    let country = country.and_then(|iso| iso.read("country", by_letters, known, report));
    let classes = "write 2g, 3g, 4g, nb-iot, lte-m, nr, wi-fi, satellite or other";
    let radio = radio.iter().filter_map(|word| {
        let parse = |text: &str| RadioClass::parse(text).ok_or("this is no class of radio");
        word.read("radio", classes, parse, report)
    });
    let radio = radio.collect();
    let tac =
        tac.iter().filter_map(|text| text.read("tac", "correct it", Tac::parse, report)).collect();
    // What cannot be read is about another place than it seems.
    if usize::from(operator.is_some()) + usize::from(country.is_some()) + usize::from(international)
        != places
    {
        return None;
    }
    Some(PolicyEntry { operator, country, international, radio, tac, action: action? })
}

/// `None`: it is not written, or is no such word.
fn word<T>(
    section: &mut Section<'_>,
    key: &str,
    remedy: &str,
    parse: impl Fn(&str) -> Option<T>,
    report: &mut ProblemCollector,
) -> Option<T> {
    let written = section.take::<String>(key, report)?;
    let parse = |text: &str| parse(text).ok_or_else(|| format!("{text:?} is none of its words"));
    written.read(key, remedy, parse, report)
}
