//! A report as text: the final table, and one line for each second of a run.

use std::fmt::Write;

use super::{Quantiles, RequestFigures, RunReport, RunVerdict, SearchStep};
use crate::simulator::counters::Second;

/// The head of the lines that [`line()`] writes.
pub fn headline() -> &'static str {
    " time phase     attach/s sent/s answ/s reject repeat   open p50 ms p99 ms max ms"
}

/// One second.
pub fn line(second: &Second) -> String {
    let Second {
        second,
        phase,
        attaches,
        asked,
        copies,
        answered,
        rejected,
        outstanding,
        p50,
        p99,
        max,
        ..
    } = second;
    format!(
        "{:>4}s {phase:<9.9} {attaches:>8} {asked:>6} {answered:>6} {rejected:>6} {copies:>6} {outstanding:>6} {p50:>6.1} {p99:>6.1} {max:>6.1}",
        second + 1
    )
}

/// One try of a search.
pub fn try_line(tried: &SearchStep) -> String {
    let SearchStep { rate_s, p99, broken } = tried;
    let word =
        if tried.is_kept() { "kept".to_owned() } else { format!("broken ({})", broken.join("; ")) };
    format!("{rate_s:>9.0} attaches/s  p99 {p99:>8.2} ms  {word}")
}

/// Everything that matters, for a terminal.
pub fn table(report: &RunReport) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_table(&mut text, report);
    text
}

/// The distribution in the text form that HdrHistogram's plotters read.
pub fn percentiles(report: &RunReport) -> String {
    let total: u64 = report.distribution.iter().map(|(_, count)| count).sum();
    let mut text = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
    let mut seen = 0;
    for (micros, count) in &report.distribution {
        seen += count;
        let share = seen as f64 / total.max(1) as f64;
        let inverse =
            if seen == total { "inf".to_owned() } else { format!("{:.2}", 1.0 / (1.0 - share)) };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{:>12.3} {share:>14.12} {seen:>10} {inverse:>14}",
            *micros as f64 / 1000.0
        );
    }
    text
}

fn write_table(text: &mut String, report: &RunReport) -> std::fmt::Result {
    writeln!(
        text,
        "{} endpoints, {} threads, {:.1} s\n{} attaches ({:.0}/s), {} requests answered ({:.0}/s)",
        report.endpoints,
        report.threads,
        report.lasted_s,
        report.attaches,
        report.attaches_s,
        report.total.answered,
        report.rate_s
    )?;
    writeln!(text)?;
    writeln!(text, "request                 sent    answered    rejected  unanswered")?;
    for RequestFigures { kind, asked, answered, rejected, unanswered, .. } in
        report.requests.iter().chain([&report.total])
    {
        writeln!(text, "{kind:<16.16} {asked:>11} {answered:>11} {rejected:>11} {unanswered:>11}")?;
    }
    writeln!(text)?;
    writeln!(text, "latency, ms          mean       p50       p90       p99     p99.9       max")?;
    for requests in report.requests.iter().chain([&report.total]) {
        write_latency(text, &requests.kind, &requests.latency)?;
    }
    write_latency(text, "from sending", &report.total.service)?;
    for phase in &report.phases {
        write_latency(text, &format!("in {}", phase.name), &phase.latency)?;
    }
    writeln!(text)?;
    for (reason, count) in &report.rejects {
        writeln!(text, "rejected          {count:>10}  {reason}")?;
    }
    let replies = &report.replies;
    writeln!(
        text,
        "copies sent {}, answered again {}, answered late {},\nobsolete {}, discarded {}",
        replies.copies, replies.repeated, replies.late, replies.obsolete, replies.discarded
    )?;
    if report.total.forgotten > 0 {
        writeln!(
            text,
            "forgotten: {} requests, on their way when their gateway restarted",
            report.total.forgotten
        )?;
    }
    write_generator(text, report)?;
    for limit in &report.limits {
        writeln!(
            text,
            "limit    {:<34} {:>20}   {}",
            limit.limit,
            limit.value,
            if limit.kept { "kept" } else { "BROKEN" }
        )?;
    }
    write_referee(text, report)?;
    write_tries(text, report)?;
    writeln!(text, "{}", verdict(report.verdict))
}

fn write_latency(text: &mut String, name: &str, of: &Quantiles) -> std::fmt::Result {
    write!(text, "{name:<15.15}")?;
    for value in [of.mean, of.p50, of.p90, of.p99, of.p999, of.max] {
        // A thousandth of what takes seconds says nothing.
        let digits = if value < 1000.0 { 3 } else { 1 };
        write!(text, " {value:>9.digits$}")?;
    }
    writeln!(text)
}

fn write_generator(text: &mut String, report: &RunReport) -> std::fmt::Result {
    let generator = &report.generator;
    if generator.held_back > 0 {
        writeln!(
            text,
            "held back: {} attaches waited: `outstanding` requests were on their way",
            generator.held_back
        )?;
    }
    if generator.behind > 0 {
        let share = 100.0 * generator.behind as f64 / report.total.asked.max(1) as f64;
        writeln!(
            text,
            "behind schedule: {} requests ({share:.2} %) by more than tolerance_ms = {},\nat most {:.0} ms",
            generator.behind,
            report.tolerance_ms(),
            generator.behind_most_ms
        )?;
    }
    if generator.starved > 0 {
        writeln!(
            text,
            "starved: {} arrivals found no detached endpoint;\nthe fleets are too small for rate and session_s",
            generator.starved
        )?;
    }
    if generator.unsent > 0 {
        writeln!(text, "unsent: {} reports found no free identifier", generator.unsent)?;
    }
    if !generator.kept_up {
        writeln!(
            text,
            "THE GENERATOR DID NOT KEEP ITS SCHEDULE:\nthe figures above say nothing about the server"
        )?;
        if report.is_too_late() {
            writeln!(
                text,
                "1 % of the requests may be late; lower the rate, or raise tolerance_ms (--set)"
            )?;
        }
    }
    Ok(())
}

fn write_referee(text: &mut String, report: &RunReport) -> std::fmt::Result {
    let referee = &report.referee;
    writeln!(text, "referee  {} violations; final view {}", referee.violations, referee.view)?;
    for (rule, count) in &referee.rules {
        writeln!(text, "         {rule:<34} {count:>16}")?;
    }
    Ok(())
}

fn write_tries(text: &mut String, report: &RunReport) -> std::fmt::Result {
    if report.tries.is_empty() {
        return Ok(());
    }
    for tried in &report.tries {
        writeln!(text, "tried    {}", try_line(tried))?;
    }
    match report
        .tries
        .iter()
        .filter(|tried| tried.is_kept())
        .map(|tried| tried.rate_s)
        .reduce(f64::max)
    {
        Some(best) => writeln!(
            text,
            "found    {best:.0} attaches a second keep the limits; the figures are theirs"
        ),
        None => writeln!(text, "found    no rate that keeps the limits"),
    }
}

const fn verdict(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Passed => "passed",
        RunVerdict::Failed => "FAILED",
        RunVerdict::Unanswered => {
            "UNANSWERED: the target has not given one valid answer;\nare its address and the secret right?"
        }
        RunVerdict::Interrupted => "interrupted",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn everything_fits_into_80_columns() {
        let report = report();
        let lines = [headline().to_owned(), line(&report.seconds[0]), table(&report)].join("\n");
        for line in lines.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        for word in [
            "tolerance_ms = 10",
            "in steady",
            "THE GENERATOR DID NOT KEEP ITS SCHEDULE",
            "raise tolerance_ms",
        ] {
            assert!(lines.contains(word), "{word}: {lines}");
        }
    }
}
