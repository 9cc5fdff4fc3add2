//! Plays every file of `tests/scenarios/`, and holds their index to what they show.

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::scenario::{self, Script};

#[test]
fn every_scenario_plays_as_written() {
    let files = scenario::files();
    assert!(!files.is_empty(), "there are no scenarios in {}", scenario::folder().display());
    let broken: Vec<String> = files.iter().filter_map(|file| scenario::run(file).err()).collect();
    assert!(broken.is_empty(), "{} of {} scenarios:\n\n{}\n", broken.len(), files.len(), broken.join("\n\n"));
}

/// The cases of the conformance checklist that a server without proxying, EAP and dynamic authorisation can meet; there is no B3.
fn checklist() -> Vec<String> {
    let groups = [("A", 1..=20), ("B", 1..=26), ("C-", 1..=11), ("D", 1..=10), ("E", 1..=30), ("F", 1..=8)];
    let cases = groups.into_iter().flat_map(|(group, numbers)| numbers.map(move |number| format!("{group}{number}")));
    cases.filter(|case| case != "B3").collect()
}

/// The README has a line for each case: the files that show it, or a dash and why none does.
#[test]
fn every_case_of_the_checklist_is_shown_or_excused() {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in scenario::files() {
        let name = file.strip_prefix(scenario::folder()).unwrap().with_extension("").display().to_string();
        let script = Script::read(&fs::read_to_string(&file).unwrap()).unwrap_or_else(|(line, what)| panic!("{name}:{line}: {what}"));
        for case in script.checklist {
            shown.entry(case).or_default().push(name.clone());
        }
    }
    let readme = fs::read_to_string(scenario::folder().join("README.md")).unwrap();
    let rows: BTreeMap<&str, &str> =
        readme.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")).collect();
    let mut wrong = Vec::new();
    for case in checklist() {
        let right = shown.remove(&case).map(|files| files.join(", "));
        match (right, rows.get(case.as_str())) {
            (Some(right), Some(row)) if *row == right => {}
            (Some(right), _) => wrong.push(format!("| {case} | {right} |")),
            (None, Some(row)) if row.starts_with('–') => {}
            (None, _) => wrong.push(format!("| {case} | – why? |")),
        }
    }
    assert!(wrong.is_empty(), "the index should say\n{}", wrong.join("\n"));
    assert!(shown.is_empty(), "there are no such cases: {shown:?}");
}
