//! A report as one page that needs nothing else: no script, no font, no network. Light or dark, as the reader has it.

use std::fmt::Write;

use super::plot::{Curve, Plot, Scale, escaped};
use super::{Report, Verdict, table};
use crate::simulator::tally::Second;

/// The page.
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_page(&mut out, report);
    out
}

const STYLE: &str = "
:root{--ink:#1c2128;--faint:#6a737d;--paper:#fff;--line:#e3e6ea;--c0:#1f6feb;--c1:#2da44e;--c2:#d4781b;--c3:#cf222e;--good:#1a7f37;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--ink:#d7dce2;--faint:#8b949e;--paper:#0f1318;--line:#2a313a;--c0:#58a6ff;--c1:#56d364;--c2:#f0a35e;--c3:#ff7b72;--good:#56d364;--bad:#ff7b72}}
body{margin:2rem auto;max-width:60rem;padding:0 1rem;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}p{margin:.3rem 0}.faint{color:var(--faint)}
.good{color:var(--good)}.bad{color:var(--bad)}pre{overflow-x:auto;font:12px/1.45 ui-monospace,monospace;padding:.8rem;border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right}
td:first-child,th:first-child{text-align:left}figure{margin:1.5rem 0}figcaption{font-weight:600}.key{font-weight:400;margin-left:1rem;font-size:13px}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--faint)}text.left,text.unit{text-anchor:end}text.below{text-anchor:middle}
.grid{stroke:var(--line)}line.mark{stroke:var(--faint);stroke-dasharray:2 4}polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}
polyline.c0{stroke:var(--c0)}polyline.c1{stroke:var(--c1)}polyline.c2{stroke:var(--c2)}polyline.c3{stroke:var(--c3)}
.key.c0{color:var(--c0)}.key.c1{color:var(--c1)}.key.c2{color:var(--c2)}.key.c3{color:var(--c3)}";

fn write_page(out: &mut String, report: &Report) -> std::fmt::Result {
    let about = report.scenario.get("about").and_then(serde_json::Value::as_str).unwrap_or_default();
    let (class, word) = match report.verdict {
        Verdict::Passed => ("good", "passed"),
        Verdict::Failed => ("bad", "failed"),
        Verdict::Unanswered => ("bad", "unanswered"),
        Verdict::Interrupted => ("bad", "interrupted"),
    };
    writeln!(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">")?;
    writeln!(out, "<title>attachd simulate: {word}</title><style>{STYLE}</style>")?;
    writeln!(out, "<h1>attachd simulate: <span class=\"{class}\">{word}</span></h1><p>{}</p>", escaped(about))?;
    writeln!(
        out,
        "<p class=\"faint\">{} · {:.1} s · {} endpoints · {} threads · attachd {}</p>",
        escaped(&report.began),
        report.lasted_s,
        report.endpoints,
        report.threads,
        escaped(&report.version)
    )?;
    write_limits(out, report)?;
    for plot in [rates(report), latencies(report), outstanding(report), distribution(report)] {
        out.push_str(&plot.svg());
    }
    write_findings(out, report)?;
    writeln!(out, "<h2>Table</h2><pre>{}</pre>", escaped(&table(report)))?;
    let scenario = serde_json::to_string_pretty(&report.scenario).unwrap_or_default();
    writeln!(out, "<h2>Scenario</h2><details><summary>as it was run</summary><pre>{}</pre></details></html>", escaped(&scenario))
}

fn write_limits(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<table><tr><th>limit<th>measured<th></tr>")?;
    for limit in &report.limits {
        let (class, word) = if limit.kept { ("good", "kept") } else { ("bad", "broken") };
        writeln!(out, "<tr><td>{}<td>{}<td class=\"{class}\">{word}</tr>", escaped(&limit.limit), escaped(&limit.value))?;
    }
    let (class, word) = if report.referee.violations == 0 { ("good", "content") } else { ("bad", "not content") };
    writeln!(out, "<tr><td>referee<td>{} violations<td class=\"{class}\">{word}</tr>", report.referee.violations)?;
    let (class, word) = if report.generator.kept_up { ("good", "kept") } else { ("bad", "not kept") };
    writeln!(out, "<tr><td>generator's schedule<td>{} late<td class=\"{class}\">{word}</tr></table>", report.generator.behind)
}

fn write_findings(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.referee.shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>What the referee found</h2>")?;
    for finding in &report.referee.shown {
        let endpoint = finding.endpoint.as_deref().unwrap_or_default();
        writeln!(
            out,
            "<details><summary>{:.3} s <b>{}</b> {} {}</summary><pre>{}",
            finding.at_s,
            escaped(&finding.rule),
            escaped(endpoint),
            escaped(&finding.detail),
            escaped(&finding.what)
        )?;
        for (label, octets) in &finding.packets {
            writeln!(out, "{}\n{}", escaped(label), escaped(octets))?;
        }
        writeln!(out, "</pre></details>")?;
    }
    Ok(())
}

fn over_time<'a>(report: &Report, name: &'a str, colour: usize, of: impl Fn(&Second) -> f64) -> Curve<'a> {
    Curve { name, colour, points: report.seconds.iter().map(|row| ((row.second + 1) as f64, of(row))).collect() }
}

/// Where each phase begins.
fn phases(report: &Report) -> Vec<(f64, String)> {
    let mut marks: Vec<(f64, String)> = Vec::new();
    for row in &report.seconds {
        if marks.last().is_none_or(|(_, name)| *name != row.phase) {
            marks.push((row.second as f64, row.phase.clone()));
        }
    }
    marks
}

fn rates(report: &Report) -> Plot<'static> {
    Plot {
        title: "Rates",
        x: ("seconds", Scale::Linear),
        y: ("per second", Scale::Linear),
        curves: vec![
            over_time(report, "sent", 2, |row| (row.asked + row.copies) as f64),
            over_time(report, "answered", 0, |row| row.answered as f64),
            over_time(report, "attaches", 1, |row| row.attaches as f64),
            over_time(report, "rejected", 3, |row| row.rejected as f64),
        ],
        marks: phases(report),
    }
}

fn latencies(report: &Report) -> Plot<'static> {
    Plot {
        title: "Latency from the scheduled time",
        x: ("seconds", Scale::Linear),
        y: ("ms", Scale::Logarithmic),
        curves: vec![
            over_time(report, "max", 3, |row| row.max),
            over_time(report, "p99", 2, |row| row.p99),
            over_time(report, "p50", 0, |row| row.p50),
        ],
        marks: phases(report),
    }
}

fn outstanding(report: &Report) -> Plot<'static> {
    Plot {
        title: "Requests on their way, and copies",
        x: ("seconds", Scale::Linear),
        y: ("", Scale::Linear),
        curves: vec![
            over_time(report, "outstanding", 0, |row| row.outstanding as f64),
            over_time(report, "copies", 3, |row| row.copies as f64),
        ],
        marks: phases(report),
    }
}

/// Which share of the requests took longer than a latency: straight down is good.
fn distribution(report: &Report) -> Plot<'static> {
    let total: u64 = report.distribution.iter().map(|(_, count)| count).sum();
    let mut above = total;
    let mut points = Vec::new();
    for (micros, count) in &report.distribution {
        points.push((*micros as f64 / 1000.0, 100.0 * above as f64 / total.max(1) as f64));
        above -= count;
    }
    Plot {
        title: "Distribution of latency",
        x: ("ms", Scale::Logarithmic),
        y: ("% took longer", Scale::Logarithmic),
        curves: vec![Curve { name: "all requests", colour: 0, points }],
        marks: Vec::new(),
    }
}
