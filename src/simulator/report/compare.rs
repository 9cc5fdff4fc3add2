//! Two runs side by side.

use std::fmt::Write;

use super::Report;

/// What is compared: a name, and how one reads it off a report that has it.
struct Figure {
    name: String,
    of: Reading,
}

type Reading = Box<dyn Fn(&Report) -> Option<f64>>;

/// The figures of both runs, and by how much they differ.
pub fn compare(left: &Report, right: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{:<28} {:>14} {:>14} {:>10}", "", "first", "second", "change");
    for Figure { name, of } in figures(left) {
        let (Some(first), Some(second)) = (of(left), of(right)) else { continue };
        let _ = writeln!(text, "{name:<28} {:>14} {:>14} {:>10}", number(first), number(second), change(first, second));
    }
    for report in [left, right] {
        let Report { name, began, version, verdict, referee, .. } = report;
        let _ = writeln!(text, "{name} {began} {version}: {verdict:?}, {} violations", referee.violations);
    }
    text
}

fn figures(report: &Report) -> Vec<Figure> {
    let figure = |name: &str, of: fn(&Report) -> f64| Figure { name: name.to_owned(), of: Box::new(move |report| Some(of(report))) };
    let mut figures = vec![
        figure("attaches/s", |report| report.attaches_s),
        figure("answers/s", |report| report.rate_s),
        figure("loss %", |report| 100.0 * report.total.unanswered as f64 / report.total.asked.max(1) as f64),
        figure("copies", |report| report.replies.copies as f64),
        figure("violations", |report| report.referee.violations as f64),
    ];
    let kinds = report.requests.iter().map(|requests| requests.kind.clone()).chain(["all".to_owned()]);
    for kind in kinds {
        for (quantile, of) in QUANTILES {
            let wanted = kind.clone();
            let of = move |report: &Report| {
                let found = report.requests.iter().chain([&report.total]).find(|requests| requests.kind == wanted);
                found.map(|requests| of(&requests.latency))
            };
            figures.push(Figure { name: format!("{kind} {quantile} ms"), of: Box::new(of) });
        }
    }
    figures
}

type Pick = fn(&super::Quantiles) -> f64;

const QUANTILES: [(&str, Pick); 4] = [("p50", |of| of.p50), ("p99", |of| of.p99), ("p99.9", |of| of.p999), ("max", |of| of.max)];

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

fn change(first: f64, second: f64) -> String {
    if first == 0.0 {
        return if second == 0.0 { "=".to_owned() } else { "new".to_owned() };
    }
    format!("{:+.1} %", (second - first) / first * 100.0)
}
