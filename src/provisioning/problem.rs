//! What is wrong in a file of the inventory, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// How many problems of one load are kept. A file of the wrong kind has one in every line, and
/// nobody reads a million.
const KEPT: usize = 10_000;

/// One thing that is wrong, or only odd. Displayed in one line: `inventory.toml:12: what; remedy`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryProblem {
    pub file: PathBuf,
    /// From 1; absent if it concerns the file as a whole.
    pub line: Option<u32>,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for InventoryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

/// Everything that makes a load impossible, in the order of files (`inventory.toml` first) and
/// lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryProblems {
    problems: Vec<InventoryProblem>,
    /// Found, but not kept.
    further: usize,
}

impl InventoryProblems {
    pub fn iter(&self) -> impl Iterator<Item = &InventoryProblem> {
        self.problems.iter()
    }

    /// How many there are, with those that were not kept.
    pub fn count(&self) -> usize {
        self.problems.len() + self.further
    }
}

impl fmt::Display for InventoryProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        if self.further > 0 {
            write!(f, "\nand {} more", self.further)?;
        }
        Ok(())
    }
}

impl std::error::Error for InventoryProblems {}

/// What a load is told beside its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether a wrong check digit of an ICCID refuses the load; else it is a warning.
    pub luhn_refuses: bool,
    /// Whether what a field holds is shown without the digits that tell a subscriber.
    pub masks_identities: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { luhn_refuses: true, masks_identities: true }
    }
}

/// Gathers what is found while one file after the other is read.
#[derive(Debug, Default)]
pub(super) struct ProblemCollector {
    pub(super) rules: Rules,
    /// What is worth a word only where somebody asks, as `check` does.
    pub(super) advice: Vec<InventoryProblem>,
    file: PathBuf,
    problems: Vec<InventoryProblem>,
    further: usize,
    /// Where the problems of `file` begin.
    own: usize,
    warnings: Vec<InventoryProblem>,
}

impl ProblemCollector {
    pub(super) fn by(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// What is reported from now on is about `file`.
    pub(super) fn turn_to(&mut self, file: &Path) {
        self.order();
        self.own = self.problems.len();
        self.file = file.to_path_buf();
    }

    pub(super) fn problem(
        &mut self,
        line: impl Into<Option<u32>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.problems.len() < KEPT {
            self.problems.push(self.found(line.into(), what.into(), remedy.into()));
        } else {
            self.further += 1;
        }
    }

    pub(super) fn advise(
        &mut self,
        line: impl Into<Option<u32>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.advice.push(self.found(line.into(), what.into(), remedy.into()));
    }

    /// What stands in a field, in quotes.
    pub(super) fn shown(&self, field: &[u8]) -> String {
        let text = String::from_utf8_lossy(field);
        if self.rules.masks_identities {
            format!("{:?}", masked(&text))
        } else {
            format!("{text:?}")
        }
    }

    pub(super) fn warning(
        &mut self,
        line: impl Into<Option<u32>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.warnings.len() < KEPT {
            self.warnings.push(self.found(line.into(), what.into(), remedy.into()));
        }
    }

    /// The warnings, if nothing worse was found.
    pub(super) fn conclude(mut self) -> Result<Vec<InventoryProblem>, InventoryProblems> {
        self.order();
        if self.problems.is_empty() {
            self.warnings.sort();
            return Ok(self.warnings);
        }
        Err(InventoryProblems { problems: self.problems, further: self.further })
    }

    /// Puts the problems of this file in the order of its lines; those of one line stay as they
    /// were found.
    fn order(&mut self) {
        self.problems[self.own..].sort_by_key(|problem| problem.line);
    }

    fn found(&self, line: Option<u32>, what: String, remedy: String) -> InventoryProblem {
        InventoryProblem { file: self.file.clone(), line, what, remedy }
    }
}

/// A text in which of every long number only the first digits stand: enough to find it, too few to
/// tell whose it is.
fn masked(text: &str) -> String {
    /// No identity is shorter, but for a few MSISDNs.
    const LONG: usize = 7;
    const SHOWN: usize = 6;
    let mut masked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        masked += before;
        masked += if end < LONG { &number[..end] } else { &number[..SHOWN] };
        masked += if end < LONG { "" } else { ".." };
        rest = &number[end..];
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_masked() {
        let cases = [
            ("8944500000000000014", "894450.."),
            ("234500000000001;447700000001", "234500..;447700.."),
            ("+447700000001 x", "+447700.. x"),
            ("till 12", "till 12"),
            ("100.64.0.1", "100.64.0.1"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn problems_stand_in_the_order_of_the_file_one_to_a_line() {
        let mut report = ProblemCollector::default();
        report.turn_to(Path::new("inventory/inventory.toml"));
        report.problem(7, "unknown key \"colour\"", "leave it out");
        report.turn_to(Path::new("inventory/endpoints.csv"));
        report.problem(12, "the same IMSI stands in line 4", "leave it in one of them");
        report.problem(3, "imsi: an IMSI has 6 to 15 digits", "correct it");
        report.problem(None, "cannot be read", "mind its permissions");
        report.warning(1, "odd", "look at it");
        let text = report.conclude().unwrap_err().to_string();
        assert_eq!(
            text,
            "inventory/inventory.toml:7: unknown key \"colour\"; leave it out\n\
             inventory/endpoints.csv: cannot be read; mind its permissions\n\
             inventory/endpoints.csv:3: imsi: an IMSI has 6 to 15 digits; correct it\n\
             inventory/endpoints.csv:12: the same IMSI stands in line 4; leave it in one of them"
        );
    }

    #[test]
    fn a_file_of_the_wrong_kind_does_not_fill_the_memory() {
        let mut report = ProblemCollector::default();
        for line in 0..20_000 {
            report.problem(line, "what", "remedy");
        }
        let problems = report.conclude().unwrap_err();
        assert_eq!((problems.iter().count(), problems.count()), (10_000, 20_000));
        assert!(problems.to_string().ends_with("and 10000 more"));
    }
}
