//! The latency histogram, kept as plain buckets: the exporter would keep every single sample until
//! somebody scrapes.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::{BUCKETS_US, LatencyCounts, REQUESTS};

const NAME: &str = "radius_request_duration_seconds";

/// The buckets of one code that all workers add to, once per batch.
#[derive(Default)]
pub(super) struct SharedLatencies {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl SharedLatencies {
    pub(super) fn add(&self, latencies: LatencyCounts) {
        for (shared, count) in
            self.buckets.iter().zip(latencies.buckets).filter(|(_, count)| *count > 0)
        {
            shared.fetch_add(u64::from(count), Ordering::Relaxed);
        }
        if latencies.sum_us > 0 {
            self.sum_us.fetch_add(latencies.sum_us, Ordering::Relaxed);
        }
    }
}

/// Appends the exposition text.
pub(super) fn render(latencies: &[SharedLatencies; REQUESTS.len()], text: &mut String) {
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "# HELP {NAME} From the arrival of a request to the departure of its reply.\n# TYPE {NAME} histogram"
    );
    for (code, shared) in REQUESTS.iter().zip(latencies) {
        let mut count = 0;
        for (bucket, bound) in
            shared.buckets.iter().zip(BUCKETS_US.map(Some).into_iter().chain([None]))
        {
            count += bucket.load(Ordering::Relaxed);
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |us| (us as f64 / 1e6).to_string());
            let _ = writeln!(text, "{NAME}_bucket{{code=\"{code}\",le=\"{bound}\"}} {count}");
        }
        let sum = shared.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(
            text,
            "{NAME}_sum{{code=\"{code}\"}} {sum}\n{NAME}_count{{code=\"{code}\"}} {count}"
        );
    }
}
