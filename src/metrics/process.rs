//! What the process takes of the machine, under the names that all Prometheus clients use. Read
//! when somebody scrapes.

use std::fmt::Write as _;

use procfs::process::{LimitValue, Process};
use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};

/// Appends the exposition text; nothing, if the system shows no `/proc`.
pub(super) fn render(text: &mut String) {
    let Ok(metrics) = metrics() else { return };
    for (name, kind, help, value) in metrics {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
}

type Metric = (&'static str, &'static str, &'static str, f64);

fn metrics() -> ProcResult<[Metric; 8]> {
    let process = Process::myself()?;
    let (stat, limits) = (process.stat()?, process.limits()?);
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
    let limit = |value| match value {
        LimitValue::Value(value) => value as f64,
        LimitValue::Unlimited => f64::INFINITY,
    };
    let max_fds = limit(limits.max_open_files.soft_limit);
    let started = boot_time_secs()? as f64 + seconds(stat.starttime);
    Ok([
        (
            "process_cpu_seconds_total",
            "counter",
            "CPU time of all threads, user and system.",
            seconds(stat.utime + stat.stime),
        ),
        ("process_max_fds", "gauge", "File descriptors that the process may open.", max_fds),
        (
            "process_open_fds",
            "gauge",
            "File descriptors that the process has open.",
            process.fd_count()? as f64,
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory that is in RAM.",
            (stat.rss * page_size()) as f64,
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When the process started, since the Unix epoch.",
            started,
        ),
        ("process_threads", "gauge", "Threads of the process.", stat.num_threads as f64),
        ("process_virtual_memory_bytes", "gauge", "Address space in use.", stat.vsize as f64),
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Address space that may be used.",
            limit(limits.max_address_space.soft_limit),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_metrics_have_plausible_values() {
        let mut text = String::new();
        render(&mut text);
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(
            value("process_open_fds") >= 3.0
                && value("process_open_fds") <= value("process_max_fds")
        );
        assert!(
            value("process_resident_memory_bytes") > 1e6
                && value("process_virtual_memory_bytes") > 1e6
        );
        // After this test was written.
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(value("process_threads") >= 1.0);
    }
}
