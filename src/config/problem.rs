//! What is wrong with a file: where, what, and what to do about it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// So many problems of one kind are told one by one.
const TOLD: usize = 20;

/// Of more, only so many, and in a sum how many there are.
const EXAMPLES: usize = 5;

/// Lines that are named in a sum.
const NAMED: usize = 5;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemSeverity {
    Error,
    /// It works, but is hardly meant.
    Warning,
}

/// One thing that is wrong, shown as `file:line: what; remedy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub severity: ProblemSeverity,
    pub file: Option<PathBuf>,
    pub line: Option<usize>,
    pub what: String,
    pub remedy: String,
}

/// Everything that is wrong, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

impl ConfigProblem {
    pub fn error(
        file: Option<&Path>,
        line: Option<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: ProblemSeverity::Error,
            file: file.map(Path::to_path_buf),
            line,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// The problems as they are told: where there are more than 20 of one kind in a file, only the
/// first of them and their number.
#[must_use]
pub fn summed_up(problems: Vec<ConfigProblem>) -> Vec<ConfigProblem> {
    let mut kinds: HashMap<Kind, Vec<usize>> = HashMap::new();
    for (place, problem) in problems.iter().enumerate() {
        kinds.entry(problem.kind()).or_default().push(place);
    }
    // What is told in the place of a problem; nothing, if a sum speaks for it.
    let mut sums: HashMap<usize, Option<ConfigProblem>> = HashMap::new();
    for places in kinds.values().filter(|places| places.len() > TOLD) {
        let rest = &places[EXAMPLES..];
        sums.extend(rest.iter().map(|place| (*place, None)));
        sums.insert(rest[0], Some(sum(&problems, rest)));
    }
    let told = problems
        .into_iter()
        .enumerate()
        .filter_map(|(place, problem)| sums.remove(&place).unwrap_or(Some(problem)));
    told.collect()
}

/// Many problems of one kind in the words of the first.
fn sum(problems: &[ConfigProblem], places: &[usize]) -> ConfigProblem {
    let first = &problems[places[0]];
    let lines: Vec<String> = places
        .iter()
        .filter_map(|place| problems[*place].line)
        .take(NAMED)
        .map(|line| line.to_string())
        .collect();
    let further = if places.len() > lines.len() { ", ..." } else { "" };
    let lines = if lines.is_empty() {
        String::new()
    } else {
        format!(", in lines {}{further}", lines.join(", "))
    };
    ConfigProblem {
        line: None,
        what: format!("{} more of this kind{lines}: {}", places.len(), first.what),
        ..first.clone()
    }
}

/// What makes two problems alike: all but the names and numbers in them.
type Kind = (ProblemSeverity, Option<PathBuf>, String);

impl ConfigProblem {
    fn kind(&self) -> Kind {
        let mut is_quoted = false;
        let is_of_the_kind = |c: &char| {
            is_quoted ^= *c == '"';
            !is_quoted && !c.is_ascii_digit()
        };
        (self.severity, self.file.clone(), self.what.chars().filter(is_of_the_kind).collect())
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        if self.severity == ProblemSeverity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, what: String) -> ConfigProblem {
        ConfigProblem::error(Some(Path::new("endpoints.csv")), Some(line), what, "correct it")
    }

    #[test]
    fn more_than_twenty_of_one_kind_are_summed_up() {
        let alike = |count: usize| {
            (1..=count)
                .map(|line| problem(line, format!("state: there is no state \"s{line}\"")))
                .collect()
        };
        let twenty: Vec<ConfigProblem> = alike(20);
        assert_eq!(summed_up(twenty.clone()), twenty);

        let mut many: Vec<ConfigProblem> = alike(1000);
        many.insert(500, problem(501, "imsi: an IMSI has 6 to 15 digits".to_owned()));
        let told: Vec<String> = summed_up(many).iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 7);
        assert_eq!(told[4], "endpoints.csv:5: state: there is no state \"s5\"; correct it");
        assert_eq!(
            told[5],
            "endpoints.csv: 995 more of this kind, in lines 6, 7, 8, 9, 10, ...: state: there is no state \"s6\"; correct it"
        );
        assert_eq!(told[6], "endpoints.csv:501: imsi: an IMSI has 6 to 15 digits; correct it");
    }
}
