//! A report as one page that needs nothing else: no script, no font, no network. Light or dark, as
//! the reader has it.

use std::fmt::Write;

use super::plot::{Curve, Plot, Scale, escaped};
use super::{Finding, Quantiles, RunReport, RunVerdict};
use crate::simulator::counters::Second;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(report: &RunReport) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_page(&mut out, report);
    out
}

fn write_page(out: &mut String, report: &RunReport) -> std::fmt::Result {
    let (class, word) = verdict(report.verdict);
    let name = escaped(&report.name);
    writeln!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
    )?;
    writeln!(out, "<title>{name}: {word}</title><style>{STYLE}</style>")?;
    writeln!(out, "<h1>{name}<span class=\"badge {class}\">{word}</span></h1>")?;
    writeln!(out, "<p>{}</p>", escaped(text_at(report, "/about")))?;
    write_circumstances(out, report)?;
    write_tiles(out, report)?;
    write_limits(out, report)?;
    writeln!(out, "<h2>Over time</h2>")?;
    for plot in [rates(report), latencies(report), outstanding(report)] {
        out.push_str(&plot.svg());
    }
    writeln!(out, "<h2>Latency</h2>")?;
    out.push_str(&distribution(report).svg());
    write_requests(out, report)?;
    write_replies(out, report)?;
    write_findings(out, report)?;
    let scenario = serde_json::to_string_pretty(&report.scenario).unwrap_or_default();
    writeln!(
        out,
        "<h2>Scenario</h2><details><summary>as it was run</summary><pre>{}</pre></details></html>",
        escaped(&scenario)
    )
}

const fn verdict(verdict: RunVerdict) -> (&'static str, &'static str) {
    match verdict {
        RunVerdict::Passed => ("good", "passed"),
        RunVerdict::Failed => ("bad", "failed"),
        RunVerdict::Unanswered => ("bad", "unanswered"),
        RunVerdict::Interrupted => ("bad", "interrupted"),
    }
}

fn text_at<'a>(report: &'a RunReport, key: &str) -> &'a str {
    report.scenario.pointer(key).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// Against whom, when, how large.
fn write_circumstances(out: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(
        out,
        "<p class=\"faint\">against {} · {} · {:.1} s · {} endpoints · {} threads · attachd {}</p>",
        escaped(text_at(report, "/target/auth/0")),
        escaped(&report.began),
        report.lasted_s,
        grouped(u64::from(report.endpoints)),
        report.threads,
        escaped(&report.version)
    )?;
    if !report.machine.is_empty() {
        writeln!(out, "<p class=\"faint\">on {}</p>", escaped(&report.machine))?;
    }
    if !report.command.is_empty() {
        let command = escaped(&report.command.join(" "));
        writeln!(out, "<p class=\"faint\"><code>{command}</code></p>")?;
    }
    Ok(())
}

/// What one wants to know first.
fn write_tiles(out: &mut String, report: &RunReport) -> std::fmt::Result {
    let total = &report.total;
    let busiest = report.seconds.iter().map(|second| second.answered).max().unwrap_or_default();
    let violations = report.referee.violations;
    let tiles = [
        (
            "attaches",
            grouped(report.attaches),
            format!("{} a second", grouped(report.attaches_s.round() as u64)),
        ),
        (
            "requests answered",
            grouped(total.answered),
            format!(
                "{} a second, {} in the busiest",
                grouped(report.rate_s.round() as u64),
                grouped(busiest)
            ),
        ),
        (
            "unanswered",
            grouped(total.unanswered),
            format!("{} copies sent", grouped(report.replies.copies)),
        ),
        (
            "latency, median",
            format!("{:.2} ms", total.latency.p50),
            "from the scheduled time".to_owned(),
        ),
        (
            "latency, p99",
            format!("{:.2} ms", total.latency.p99),
            format!("at most {:.2} ms", total.latency.max),
        ),
        (
            "referee",
            grouped(violations),
            if violations == 1 { "violation" } else { "violations" }.to_owned(),
        ),
    ];
    write!(out, "<div class=\"tiles\">")?;
    for (name, value, note) in tiles {
        write!(out, "<dl class=\"tile\"><dt>{name}</dt><dd>{value}</dd><dd>{note}</dd></dl>")?;
    }
    writeln!(out, "</div>")
}

fn write_limits(out: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(out, "<h2>Limits</h2><table><tr><th>limit<th>measured<th></tr>")?;
    for limit in &report.limits {
        let (class, word) = if limit.kept { ("good", "kept") } else { ("bad", "broken") };
        writeln!(
            out,
            "<tr><td>{}<td>{}<td class=\"{class}\">{word}</tr>",
            escaped(&limit.limit),
            escaped(&limit.value)
        )?;
    }
    let (class, word) =
        if report.referee.violations == 0 { ("good", "content") } else { ("bad", "not content") };
    writeln!(
        out,
        "<tr><td>the referee; final view: {}<td>{} violations<td class=\"{class}\">{word}</tr>",
        escaped(&report.referee.view),
        report.referee.violations
    )?;
    let (class, word) = if report.generator.kept_up {
        ("good", "kept")
    } else {
        ("bad", "not kept: the figures say nothing about the server")
    };
    writeln!(
        out,
        "<tr><td>the generator's schedule<td>{} late<td class=\"{class}\">{word}</tr></table>",
        report.generator.behind
    )
}

fn write_findings(out: &mut String, report: &RunReport) -> std::fmt::Result {
    if report.referee.shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>What the referee found</h2><table><tr><th>rule<th>times</tr>")?;
    for (rule, count) in &report.referee.rules {
        writeln!(out, "<tr><td>{}<td>{}</tr>", escaped(rule), grouped(*count))?;
    }
    writeln!(out, "</table>")?;
    for alike in alike(&report.referee.shown) {
        let Some(first) = alike.first() else { continue };
        let times =
            if alike.len() == 1 { String::new() } else { format!(" · {} like this", alike.len()) };
        writeln!(
            out,
            "<details><summary>{:.3} s{times} · <b>{}</b> · {}: {}</summary>",
            first.at_s,
            escaped(first.endpoint.as_deref().unwrap_or(&first.rule)),
            escaped(&format!("the server {}", first.what)),
            escaped(&first.detail),
        )?;
        if alike.len() > 1 {
            let when = |finding: &&Finding| {
                format!("{:.3} s {}", finding.at_s, finding.endpoint.as_deref().unwrap_or_default())
            };
            let all: Vec<String> = alike.iter().map(when).collect();
            writeln!(out, "<p class=\"faint\">{}</p>", escaped(&all.join(", ")))?;
        }
        writeln!(out, "<pre>{}</pre></details>", escaped(&first.evidence(report.dictionary())))?;
    }
    Ok(())
}

/// Findings that say the same but for their numbers, each group where its first stands.
fn alike(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let kind = |finding: &Finding| {
        let words: String = finding.detail.chars().filter(|c| !c.is_ascii_hexdigit()).collect();
        (finding.rule.clone(), finding.what.clone(), words)
    };
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        match groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| kind(first) == kind(finding)))
        {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn write_requests(out: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(
        out,
        "<div class=\"wide\"><table><tr><th>request<th>sent<th>answered<th>rejected<th>unanswered"
    )?;
    writeln!(out, "<th>mean, ms<th>p50<th>p90<th>p99<th>p99.9<th>max</tr>")?;
    let total = &report.total;
    let sums = [("all", &total.latency), ("all, from sending", &total.service)];
    let rows = report
        .requests
        .iter()
        .map(|requests| ("", requests.kind.as_str(), requests, &requests.latency));
    for (class, name, requests, latency) in
        rows.chain(sums.map(|(name, latency)| ("sum", name, total, latency)))
    {
        let Quantiles { mean, p50, p90, p99, p999, max, .. } = latency;
        let counts = [requests.asked, requests.answered, requests.rejected, requests.unanswered];
        write!(out, "<tr class=\"{class}\"><td>{}", escaped(name))?;
        counts.iter().try_for_each(|count| write!(out, "<td>{}", grouped(*count)))?;
        [mean, p50, p90, p99, p999, max]
            .iter()
            .try_for_each(|value| write!(out, "<td>{value:.3}"))?;
        writeln!(out, "</tr>")?;
    }
    for phase in &report.phases {
        let Quantiles { mean, p50, p90, p99, p999, max, .. } = phase.latency;
        write!(
            out,
            "<tr><td>in phase {}<td><td>{}<td><td>",
            escaped(&phase.name),
            grouped(phase.answered)
        )?;
        [mean, p50, p90, p99, p999, max]
            .iter()
            .try_for_each(|value| write!(out, "<td>{value:.3}"))?;
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table></div>")
}

fn write_replies(out: &mut String, report: &RunReport) -> std::fmt::Result {
    let replies = &report.replies;
    let rejects =
        report.rejects.iter().map(|(reason, count)| (format!("rejected: {reason}"), *count));
    let others = [
        ("forgotten: on their way when their gateway restarted", report.total.forgotten),
        ("copies sent", replies.copies),
        ("answered again", replies.repeated),
        ("answered late", replies.late),
        ("answered under an identifier that was given up", replies.obsolete),
        ("discarded", replies.discarded),
    ];
    writeln!(out, "<h2>Replies</h2><table>")?;
    for (name, count) in rejects.chain(others.map(|(name, count)| (name.to_owned(), count))) {
        writeln!(out, "<tr><td>{}<td>{}</tr>", escaped(&name), grouped(count))?;
    }
    writeln!(out, "</table>")
}

/// A large number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Each second's value stands in the middle of it.
fn over_time<'a>(
    report: &RunReport,
    name: &'a str,
    colour: usize,
    of: impl Fn(&Second) -> f64,
) -> Curve<'a> {
    Curve {
        name,
        colour,
        points: report.seconds.iter().map(|row| (row.second as f64 + 0.5, of(row))).collect(),
    }
}

/// A plot over the time of the run. What never happened has no curve, but for the first.
fn timeline(
    report: &RunReport,
    title: &'static str,
    y: (&'static str, Scale),
    curves: Vec<Curve<'static>>,
) -> Plot<'static> {
    let happened = |curve: &Curve<'_>| curve.points.iter().any(|(_, value)| *value > 0.0);
    let curves = curves
        .into_iter()
        .enumerate()
        .filter(|(place, curve)| *place == 0 || happened(curve))
        .map(|(_, curve)| curve)
        .collect();
    Plot {
        title,
        x: ("seconds since the beginning", Scale::Linear),
        y,
        curves,
        stretches: phases(report),
        dots: Vec::new(),
    }
}

/// From when to when each phase lasted.
fn phases(report: &RunReport) -> Vec<(f64, f64, String)> {
    let of_one = report.seconds.chunk_by(|left, right| left.phase == right.phase);
    let stretch = |rows: &[Second]| {
        (rows[0].second as f64, (rows[rows.len() - 1].second + 1) as f64, rows[0].phase.clone())
    };
    of_one.map(stretch).collect()
}

fn rates(report: &RunReport) -> Plot<'static> {
    let curves = vec![
        over_time(report, "requests sent, with copies", 2, |row| (row.asked + row.copies) as f64),
        over_time(report, "answered", 0, |row| row.answered as f64),
        over_time(report, "attaches", 1, |row| row.attaches as f64),
        over_time(report, "rejected", 3, |row| row.rejected as f64),
    ];
    timeline(report, "Rates", ("a second", Scale::Linear), curves)
}

fn latencies(report: &RunReport) -> Plot<'static> {
    let curves = vec![
        over_time(report, "max", 3, |row| row.max),
        over_time(report, "p99", 2, |row| row.p99),
        over_time(report, "median", 0, |row| row.p50),
    ];
    timeline(report, "Latency from the scheduled time", ("ms", Scale::Logarithmic), curves)
}

fn outstanding(report: &RunReport) -> Plot<'static> {
    let curves = vec![
        over_time(report, "at the end of the second", 0, |row| row.outstanding as f64),
        over_time(report, "copies sent in it", 2, |row| row.copies as f64),
        over_time(report, "given up in it", 3, |row| row.unanswered as f64),
    ];
    timeline(report, "Requests on their way", ("", Scale::Linear), curves)
}

/// Which share of the requests took longer than a latency: the steeper, the better.
fn distribution(report: &RunReport) -> Plot<'static> {
    let total: u64 = report.distribution.iter().map(|(_, count)| count).sum();
    let mut above = total;
    let mut points = Vec::new();
    for (micros, count) in &report.distribution {
        points.push((*micros as f64 / 1000.0, 100.0 * above as f64 / total.max(1) as f64));
        above -= count;
    }
    let Quantiles { p50, p99, p999, .. } = report.total.latency;
    let dots = [(p50, 50.0, "median"), (p99, 1.0, "p99"), (p999, 0.1, "p99.9")];
    let within = points.last().map_or(0.0, |(_, share)| *share);
    let dots = dots.into_iter().filter(|(_, share, _)| *share > within);
    Plot {
        title: "Share of all requests that took longer",
        x: ("ms from the scheduled time", Scale::Logarithmic),
        y: ("%", Scale::Logarithmic),
        dots: dots
            .map(|(latency, share, name)| (latency, share, format!("{name} {latency:.2} ms")))
            .collect(),
        curves: vec![Curve { name: "all requests", colour: 0, points }],
        stretches: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_findings_are_one_line_behind_the_plots() {
        let mut report = super::super::tests::report();
        let finding = |number: u32, detail: &str| Finding {
            rule: "address".to_owned(),
            what: "gave an address twice".to_owned(),
            at_s: f64::from(number),
            endpoint: Some(format!("89445000000000{number:05}")),
            detail: detail.replace('#', &number.to_string()),
            packets: Vec::new(),
        };
        report.referee.shown = (0..61)
            .map(|number| finding(number, "100.64.0.#"))
            .chain([finding(61, "another")])
            .collect();
        let page = page(&report);
        assert_eq!(
            page.matches("<details><summary>").count(),
            3,
            "two kinds of findings, and the scenario"
        );
        assert!(page.contains("61 like this") && page.contains("in phase steady"));
        assert!(page.find("What the referee found") > page.rfind("<svg"));
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (200_000, "200,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
