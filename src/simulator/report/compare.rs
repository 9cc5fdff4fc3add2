//! Two runs side by side.

use std::fmt::Write;

use super::RunReport;

/// What is compared: a name, and how one reads it off a report that has it.
struct Figure {
    name: String,
    of: FigureOf,
}

type FigureOf = Box<dyn Fn(&RunReport) -> Option<f64>>;

/// The figures of both runs, and by how much they differ.
pub fn compare(left: &RunReport, right: &RunReport) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{:<28} {:>14} {:>14} {:>10}", "", "first", "second", "change");
    for Figure { name, of } in figures(left) {
        let (Some(first), Some(second)) = (of(left), of(right)) else { continue };
        let _ = writeln!(
            text,
            "{name:<28} {:>14} {:>14} {:>10}",
            number(first),
            number(second),
            change(first, second)
        );
    }
    if differ(left, right) {
        let _ = writeln!(
            text,
            "the scenarios differ ({} and {}): not all of the change is the server's",
            left.name, right.name
        );
    }
    for report in [left, right] {
        let RunReport { name, began, version, verdict, referee, .. } = report;
        let _ = writeln!(
            text,
            "{name} {began} {version}: {verdict:?}, {} violations",
            referee.violations
        );
    }
    text
}

fn figures(report: &RunReport) -> Vec<Figure> {
    let figure = |name: &str, of: fn(&RunReport) -> f64| Figure {
        name: name.to_owned(),
        of: Box::new(move |report| Some(of(report))),
    };
    let mut figures = vec![
        figure("attaches/s", |report| report.attaches_s),
        figure("answers/s", |report| report.rate_s),
        figure("loss %", |report| {
            100.0 * report.total.unanswered as f64 / report.total.asked.max(1) as f64
        }),
        figure("copies", |report| report.replies.copies as f64),
        figure("violations", |report| report.referee.violations as f64),
    ];
    let kinds =
        report.requests.iter().map(|requests| requests.kind.clone()).chain(["all".to_owned()]);
    for kind in kinds {
        for (quantile, of) in QUANTILES {
            let wanted = kind.clone();
            let of = move |report: &RunReport| {
                let found = report
                    .requests
                    .iter()
                    .chain([&report.total])
                    .find(|requests| requests.kind == wanted);
                found.map(|requests| of(&requests.latency))
            };
            figures.push(Figure { name: format!("{kind} {quantile} ms"), of: Box::new(of) });
        }
    }
    figures
}

type Pick = fn(&super::Quantiles) -> f64;

const QUANTILES: [(&str, Pick); 4] =
    [("p50", |of| of.p50), ("p99", |of| of.p99), ("p99.9", |of| of.p999), ("max", |of| of.max)];

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn change(first: f64, second: f64) -> String {
    if first == 0.0 {
        return if second == 0.0 { "=".to_owned() } else { "new".to_owned() };
    }
    format!("{:+.1} %", (second - first) / first * 100.0)
}

/// Whether the two runs were told different things; whom they asked is no difference.
fn differ(left: &RunReport, right: &RunReport) -> bool {
    let told = |report: &RunReport| {
        let mut scenario = report.scenario.clone();
        if let Some(table) = scenario.as_object_mut() {
            table.remove("target");
            table.remove("threads");
        }
        scenario
    };
    told(left) != told(right)
}

/// By how much a figure may change from one run to the other: `p99 > +10 %`, `attaches/s < -5 %`,
/// `access p50 > +1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    figure: String,
    is_above: bool,
    by: f64,
    /// In per cent of the first run; else in the unit of the figure.
    is_share: bool,
    text: String,
}

const GRAMMAR: &str = "a threshold is FIGURE > +NUMBER [%] or FIGURE < -NUMBER [%], with a FIGURE of the comparison like p99, access p50 or loss";

impl Threshold {
    /// # Errors
    /// With the grammar, if the text does not follow it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| format!("`{text}` is no threshold: {GRAMMAR}"))
    }

    fn read(text: &str) -> Option<Self> {
        let (figure, bound) = text.split_at(text.find(['<', '>'])?);
        let (sign, number) = bound.split_at(1);
        let number = number.trim();
        let share = number.strip_suffix('%');
        let by: f64 =
            share.unwrap_or(number).trim().parse().ok().filter(|by: &f64| by.is_finite())?;
        let figure = figure.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_above = sign == ">";
        (!figure.is_empty()).then(|| Self {
            figure,
            is_above,
            by,
            is_share: share.is_some(),
            text: text.trim().to_owned(),
        })
    }

    /// What was measured, if the second run is beyond the threshold.
    ///
    /// # Errors
    /// If the reports have no such figure.
    pub fn exceeded(&self, left: &RunReport, right: &RunReport) -> Result<Option<String>, String> {
        let figures = figures(left);
        let found = figures.iter().find(|figure| self.names(&figure.name));
        let values = found.and_then(|figure| Some(((figure.of)(left)?, (figure.of)(right)?)));
        let Some((first, second)) = values else {
            let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
            return Err(format!(
                "`{}` is no figure of both reports; they have {}",
                self.figure,
                names.join(", ")
            ));
        };
        let difference = second - first;
        // What was zero and is not any more has changed by more than any share.
        let changed = match self.is_share {
            false => difference,
            true if difference == 0.0 => 0.0,
            true => difference / first * 100.0,
        };
        let is_beyond = if self.is_above { changed > self.by } else { changed < self.by };
        Ok(is_beyond.then(|| {
            format!(
                "{}: {} became {} ({})",
                self.text,
                number(first),
                number(second),
                change(first, second)
            )
        }))
    }

    /// `p99` is that of all requests, and units need not be written.
    fn names(&self, name: &str) -> bool {
        let bare = name.strip_suffix(" ms").or_else(|| name.strip_suffix(" %")).unwrap_or(name);
        [name, bare].contains(&self.figure.as_str())
            || bare.strip_prefix("all ") == Some(self.figure.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn a_threshold_is_exceeded_by_what_is_beyond_it() {
        let (left, mut right) = (report(), report());
        right.total.latency.p99 = left.total.latency.p99 * 1.2;
        right.attaches_s = left.attaches_s * 0.9;
        right.total.unanswered = 7;
        for (text, is_exceeded) in [
            ("p99 > +10 %", true),
            ("p99 > +30 %", false),
            ("all p99 ms>10%", true),
            ("p50 > 0", false),
            ("p50 > +0 %", false),
            ("attaches/s < -5 %", true),
            ("attaches/s < -20 %", false),
            ("loss > +1000 %", true),
        ] {
            let exceeded = Threshold::parse(text).unwrap().exceeded(&left, &right).unwrap();
            assert_eq!(exceeded.is_some(), is_exceeded, "{text}: {exceeded:?}");
        }
        let unknown = Threshold::parse("speed > 1").unwrap().exceeded(&left, &right).unwrap_err();
        assert!(unknown.contains("attaches/s"), "{unknown}");
        for text in ["", "p99", "p99 > fast", "> 3", "p99 = 3"] {
            assert!(Threshold::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn different_scenarios_are_said_so() {
        let (left, mut right) = (report(), report());
        right.scenario["target"]["auth"] = "elsewhere".into();
        assert!(!compare(&left, &right).contains("scenarios differ"));
        right.scenario["seed"] = 7.into();
        assert!(compare(&left, &right).contains("the scenarios differ"));
    }
}
