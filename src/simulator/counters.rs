//! What is counted in a run: requests of each kind, their latencies, and what went wrong.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::sync::LazyLock;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::gateway::RequestKind;

/// Latencies up to ten minutes, to a thousandth.
const LONGEST_MICROS: u64 = 600_000_000;
const DIGITS: u8 = 3;

/// All histograms have one shape, so that they can be added up.
static SHAPE: LazyLock<Histogram<u64>> = LazyLock::new(|| {
    // Refused only for bounds that are none: 1 is below LONGEST_MICROS.
    #[allow(clippy::expect_used, reason = "the bounds are constants")]
    Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).expect("the bounds are in order")
});

/// attachd has a dozen reasons; a server that makes up a new one for each reject must not fill the
/// memory or the report.
const MAX_REASONS: usize = 32;

/// What is counted together beyond that.
const OTHER_REASONS: &str = "(other reasons)";

/// The counts of one shard, or of all of them together.
#[derive(Clone, Debug)]
pub struct RunCounters {
    kinds: Vec<RequestCounts>,
    /// Copies beyond the first of each request.
    pub copies: u64,
    /// Sessions that the server opened: Start acknowledged.
    pub attaches: u64,
    /// Rejects by reason.
    pub rejects: BTreeMap<String, u64>,
    /// Answers to requests that were answered already, given up, or repeated under another
    /// identifier.
    pub repeated: u64,
    pub late: u64,
    pub obsolete: u64,
    /// Datagrams that are no answers.
    pub discarded: u64,
    /// Requests that began later than scheduled because the generator was busy.
    pub behind: u64,
    /// The worst of them.
    pub behind_most: Duration,
    /// Arrivals that found no detached endpoint.
    pub starved: u64,
    /// Requests that waited for others to be answered.
    pub held_back: u64,
    /// Requests for which no identifier was free.
    pub unsent: u64,
}

/// The requests of one kind.
#[derive(Clone, Debug, Default)]
pub struct RequestCounts {
    pub asked: u64,
    pub answered: u64,
    pub rejected: u64,
    pub unanswered: u64,
    /// On their way when their gateway restarted: no server is to blame that nobody listens any
    /// more.
    pub forgotten: u64,
    /// From the scheduled time, in microseconds: what an endpoint waits.
    pub latency: LatencyHistogram,
    /// From the first sending: what the server takes.
    pub service: LatencyHistogram,
}

/// A distribution of durations.
#[derive(Clone, Debug)]
pub struct LatencyHistogram(Histogram<u64>);

/// What happened in one shard since the last look.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    pub attaches: u64,
    pub asked: u64,
    pub copies: u64,
    pub answered: u64,
    pub rejected: u64,
    pub unanswered: u64,
    pub outstanding: u64,
    pub latency: LatencyHistogram,
}

/// One second of all shards together, as it is shown and kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Second {
    /// Since the beginning.
    pub second: u64,
    pub phase: String,
    pub attaches: u64,
    pub asked: u64,
    pub copies: u64,
    pub answered: u64,
    pub rejected: u64,
    pub unanswered: u64,
    pub outstanding: u64,
    /// Milliseconds from the scheduled time.
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Default for RunCounters {
    fn default() -> Self {
        Self {
            kinds: vec![RequestCounts::default(); RequestKind::ALL.len()],
            copies: 0,
            attaches: 0,
            rejects: BTreeMap::new(),
            repeated: 0,
            late: 0,
            obsolete: 0,
            discarded: 0,
            behind: 0,
            behind_most: Duration::ZERO,
            starved: 0,
            held_back: 0,
            unsent: 0,
        }
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        let mut empty = Histogram::new_from(&SHAPE);
        empty.reset();
        Self(empty)
    }
}

impl Index<RequestKind> for RunCounters {
    type Output = RequestCounts;

    fn index(&self, kind: RequestKind) -> &RequestCounts {
        &self.kinds[kind as usize]
    }
}

impl IndexMut<RequestKind> for RunCounters {
    fn index_mut(&mut self, kind: RequestKind) -> &mut RequestCounts {
        &mut self.kinds[kind as usize]
    }
}

impl RunCounters {
    /// Counts rejects for a reason. The server writes the reasons: only the first few different
    /// ones are kept apart.
    pub fn rejected(&mut self, reason: &str, count: u64) {
        if let Some(known) = self.rejects.get_mut(reason) {
            *known += count;
        } else {
            let apart = self.rejects.len() - usize::from(self.rejects.contains_key(OTHER_REASONS));
            let kept = if apart < MAX_REASONS { reason } else { OTHER_REASONS };
            *self.rejects.entry(kept.to_owned()).or_default() += count;
        }
    }

    /// Adds what another shard counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            mine.merge(theirs);
        }
        for (reason, count) in &other.rejects {
            self.rejected(reason, *count);
        }
        self.copies += other.copies;
        self.attaches += other.attaches;
        self.repeated += other.repeated;
        self.late += other.late;
        self.obsolete += other.obsolete;
        self.discarded += other.discarded;
        self.behind += other.behind;
        self.behind_most = self.behind_most.max(other.behind_most);
        self.starved += other.starved;
        self.held_back += other.held_back;
        self.unsent += other.unsent;
    }

    /// The sum over some kinds.
    pub fn sum(&self, kinds: impl IntoIterator<Item = RequestKind>) -> RequestCounts {
        let mut sum = RequestCounts::default();
        for kind in kinds {
            sum.merge(&self[kind]);
        }
        sum
    }

    /// All kinds that were asked for, with their counts.
    pub fn used(&self) -> impl Iterator<Item = (RequestKind, &RequestCounts)> {
        RequestKind::ALL
            .into_iter()
            .map(|kind| (kind, &self[kind]))
            .filter(|(_, counts)| counts.asked > 0)
    }
}

impl RequestCounts {
    /// Those of which the server owed an answer and gave none.
    pub const fn lost(&self) -> u64 {
        self.asked - self.answered - self.forgotten
    }

    fn merge(&mut self, other: &Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.unanswered += other.unanswered;
        self.forgotten += other.forgotten;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
    }
}

impl Interval {
    /// What is kept of it. A histogram for each second of a long run would be too much.
    pub fn shown(&self, second: u64, phase: String) -> Second {
        Second {
            second,
            phase,
            attaches: self.attaches,
            asked: self.asked,
            copies: self.copies,
            answered: self.answered,
            rejected: self.rejected,
            unanswered: self.unanswered,
            outstanding: self.outstanding,
            p50: self.latency.quantile_ms(0.5),
            p99: self.latency.quantile_ms(0.99),
            max: self.latency.quantile_ms(1.0),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.attaches += other.attaches;
        self.asked += other.asked;
        self.copies += other.copies;
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.unanswered += other.unanswered;
        self.outstanding += other.outstanding;
        self.latency.merge(&other.latency);
    }
}

impl LatencyHistogram {
    pub fn record(&mut self, duration: Duration) {
        self.0.saturating_record(
            u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).clamp(1, LONGEST_MICROS),
        );
    }

    pub fn merge(&mut self, other: &Self) {
        // Same bounds, so nothing can be refused.
        let _ = self.0.add(&other.0);
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds; 0 if nothing was recorded.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.value_at_quantile(quantile) as f64 / 1000.0 }
    }

    pub fn mean_ms(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.mean() / 1000.0 }
    }

    /// Each recorded value in microseconds, as the histogram tells them apart, with its count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_a_server_makes_up_are_counted_together() {
        let mut counters = RunCounters::default();
        (0..1000).for_each(|nth| counters.rejected(&format!("reason {nth}"), 1));
        counters.rejected("reason 0", 1);
        assert_eq!(counters.rejects.len(), MAX_REASONS + 1);
        assert_eq!(
            (counters.rejects["reason 0"], counters.rejects[OTHER_REASONS]),
            (2, 1000 - MAX_REASONS as u64)
        );
        let mut sum = RunCounters::default();
        sum.merge(&counters);
        assert_eq!(sum.rejects, counters.rejects);
    }
}
