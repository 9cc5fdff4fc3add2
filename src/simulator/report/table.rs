//! A report as text: the final table, and one line for each second of a run.

use std::fmt::Write;

use super::{Quantiles, Report, Requests, Try, Verdict};
use crate::simulator::tally::Second;

/// The head of the lines that [`line()`] writes.
pub fn headline() -> &'static str {
    "   time  phase         attach/s   sent/s   answ/s  reject  repeat    open   p50 ms   p99 ms   max ms"
}

/// One second.
pub fn line(second: &Second) -> String {
    let Second { second, phase, attaches, asked, copies, answered, rejected, outstanding, p50, p99, max, .. } = second;
    format!(
        "{:>5} s  {phase:<12} {attaches:>9} {asked:>8} {answered:>8} {rejected:>7} {copies:>7} {outstanding:>7} {p50:>8.2} {p99:>8.2} {max:>8.2}",
        second + 1
    )
}

/// One try of a search.
pub fn try_line(tried: &Try) -> String {
    let Try { rate_s, p99, broken } = tried;
    let word = if tried.is_kept() { "kept".to_owned() } else { format!("broken ({})", broken.join("; ")) };
    format!("{rate_s:>9.0} attaches/s  p99 {p99:>8.2} ms  {word}")
}

/// Everything that matters, for a terminal.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_table(&mut text, report);
    text
}

/// The distribution in the text form that HdrHistogram's plotters read.
pub fn percentiles(report: &Report) -> String {
    let total: u64 = report.distribution.iter().map(|(_, count)| count).sum();
    let mut text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
    let mut seen = 0;
    for (micros, count) in &report.distribution {
        seen += count;
        let share = seen as f64 / total.max(1) as f64;
        let inverse = if seen == total { "inf".to_owned() } else { format!("{:.2}", 1.0 / (1.0 - share)) };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{:>12.3} {share:>14.12} {seen:>10} {inverse:>14}", *micros as f64 / 1000.0);
    }
    text
}

fn write_table(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        text,
        "{} endpoints, {} threads, {:.1} s: {} attaches ({:.0}/s), {} requests answered ({:.0}/s)",
        report.endpoints, report.threads, report.lasted_s, report.attaches, report.attaches_s, report.total.answered, report.rate_s
    )?;
    writeln!(text)?;
    writeln!(text, "request           sent   answered   rejected  unanswered   mean ms       p50       p90       p99     p99.9       max")?;
    for requests in report.requests.iter().chain([&report.total]) {
        write_requests(text, requests, &requests.latency)?;
    }
    let service = Requests { kind: "from sending".to_owned(), ..report.total.clone() };
    write_requests(text, &service, &report.total.service)?;
    writeln!(text)?;
    for (reason, count) in &report.rejects {
        writeln!(text, "rejected          {count:>10}  {reason}")?;
    }
    let replies = &report.replies;
    writeln!(
        text,
        "copies sent {}, answered again {}, answered late {}, obsolete {}, discarded {}",
        replies.copies, replies.repeated, replies.late, replies.obsolete, replies.discarded
    )?;
    if report.total.forgotten > 0 {
        writeln!(text, "forgotten: {} requests were on their way when their gateway restarted", report.total.forgotten)?;
    }
    write_generator(text, report)?;
    for limit in &report.limits {
        writeln!(text, "limit    {:<34} {:>16}   {}", limit.limit, limit.value, if limit.kept { "kept" } else { "BROKEN" })?;
    }
    write_referee(text, report)?;
    write_tries(text, report)?;
    writeln!(text, "{}", verdict(report.verdict))
}

fn write_requests(text: &mut String, requests: &Requests, of: &Quantiles) -> std::fmt::Result {
    let Requests { kind, asked, answered, rejected, unanswered, .. } = requests;
    writeln!(
        text,
        "{kind:<13} {asked:>9}  {answered:>9}  {rejected:>9}  {unanswered:>10}  {:>8.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3}",
        of.mean, of.p50, of.p90, of.p99, of.p999, of.max
    )
}

fn write_generator(text: &mut String, report: &Report) -> std::fmt::Result {
    let generator = &report.generator;
    if generator.held_back > 0 {
        writeln!(text, "held back: {} attaches waited because `outstanding` requests were on their way", generator.held_back)?;
    }
    if generator.behind > 0 {
        writeln!(text, "behind schedule: {} requests, at most {:.0} ms", generator.behind, generator.behind_most_ms)?;
    }
    if generator.starved > 0 {
        writeln!(
            text,
            "starved: {} arrivals found no detached endpoint; the fleets are too small for rate and session_s",
            generator.starved
        )?;
    }
    if generator.unsent > 0 {
        writeln!(text, "unsent: {} reports found no free identifier", generator.unsent)?;
    }
    if !generator.kept_up {
        writeln!(text, "THE GENERATOR DID NOT KEEP ITS SCHEDULE: the figures above say nothing about the server")?;
    }
    Ok(())
}

fn write_referee(text: &mut String, report: &Report) -> std::fmt::Result {
    let referee = &report.referee;
    writeln!(text, "referee  {} violations; final view {}", referee.violations, referee.view)?;
    for (rule, count) in &referee.rules {
        writeln!(text, "         {rule:<34} {count:>16}")?;
    }
    Ok(())
}

fn write_tries(text: &mut String, report: &Report) -> std::fmt::Result {
    if report.tries.is_empty() {
        return Ok(());
    }
    for tried in &report.tries {
        writeln!(text, "tried    {}", try_line(tried))?;
    }
    match report.tries.iter().filter(|tried| tried.is_kept()).map(|tried| tried.rate_s).reduce(f64::max) {
        Some(best) => writeln!(text, "found    {best:.0} attaches a second keep the limits; the figures above are theirs"),
        None => writeln!(text, "found    no rate that keeps the limits"),
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
        Verdict::Unanswered => "UNANSWERED: the target has not given one valid answer; are its address and the secret right?",
        Verdict::Interrupted => "interrupted",
    }
}
