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
    assert!(
        broken.is_empty(),
        "{} of {} scenarios:\n\n{}\n",
        broken.len(),
        files.len(),
        broken.join("\n\n")
    );
}

/// The cases of the conformance checklist that a server without proxying, EAP and dynamic
/// authorisation can meet; there is no B3.
fn checklist() -> Vec<String> {
    let groups = [
        ("A", 1..=20),
        ("B", 1..=26),
        ("C-", 1..=11),
        ("D", 1..=10),
        ("E", 1..=30),
        ("F", 1..=8),
        ("POL-", 1..=16),
    ];
    let cases = groups
        .into_iter()
        .flat_map(|(group, numbers)| numbers.map(move |number| format!("{group}{number}")));
    cases.filter(|case| case != "B3").collect()
}

/// The README has a line for each case: the files that show it, or a dash and why none does.
#[test]
fn every_case_of_the_checklist_is_shown_or_excused() {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in scenario::files() {
        let name =
            file.strip_prefix(scenario::folder()).unwrap().with_extension("").display().to_string();
        let script = Script::read(&fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|(line, what)| panic!("{name}:{line}: {what}"));
        for case in script.checklist {
            shown.entry(case).or_default().push(name.clone());
        }
    }
    let readme = fs::read_to_string(scenario::folder().join("README.md")).unwrap();
    let rows: BTreeMap<&str, &str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .collect();
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

/// The player is no better than its complaints: each of these scenarios is wrong, at that line.
#[test]
fn what_is_not_so_is_complained_of_with_its_line() {
    let cases = [
        (1, "is no statement", "frobnicate"),
        (1, "below nothing", "  User-Name = x"),
        (2, "is no attribute of the dictionary", "> Access-Request\n  Bogus = 1"),
        (2, "nobody has said what $nobody is", "> Access-Request\n  3GPP-IMSI = $nobody"),
        (2, "replies were sent that nobody expected", "> Status-Server\nafter 1s"),
        (
            1,
            "dropped as missing-message-authenticator, and nobody expected it",
            "> Status-Server unsigned",
        ),
        (
            2,
            "no reply: dropped as missing-message-authenticator",
            "> Status-Server unsigned\n< Access-Accept",
        ),
        (
            2,
            "dropped as missing-message-authenticator, not as malformed",
            "> Status-Server unsigned\n< silence malformed",
        ),
        (2, "answered with Access-Accept", "> Status-Server\n< silence malformed"),
        (2, "the reply is Access-Accept", "> Status-Server\n< Access-Reject"),
        (
            3,
            "is not true of the reply",
            "> Status-Server\n< Access-Accept\n  Framed-IP-Address = 192.0.2.1",
        ),
        (2, "1 attributes instead of 0", "> Status-Server\n< Access-Accept exactly"),
        (1, "is detached, not idle", "endpoint $till-1 idle"),
        (2, "0 sessions instead of 1", "endpoint $till-1 detached\n  session 0001 open"),
        (2, "is not exposed", "metrics\n  attachd_sessions{vslice=\"festival\"} 1"),
    ];
    for (line, what, text) in cases {
        let played =
            Script::read(text).and_then(|script| scenario::Runner::play(&script).map(|_| ()));
        let (at, complaint) = played.expect_err(text);
        assert!(at == line && complaint.contains(what), "{text}\n{at}: {complaint}");
    }
}
