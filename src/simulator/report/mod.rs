//! What a run came to, as people and programs read it. The JSON form is the truth; table, page and
//! comparison are views of it.
//!
//! Its schema is fixtures/simulate/report.schema.json.

mod compare;
mod finding;
mod html;
mod plot;
mod table;

pub use compare::{Threshold, compare};
pub use finding::Finding;
pub use html::page;
pub use table::{headline, line, percentiles, table, try_line};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counters::{LatencyHistogram, RequestCounts, RunCounters, Second};
use super::driver::{RunEnding, RunOutcome, View};
use super::gateway::RequestKind;
use super::referee::Rule;
use super::scenario::{Limit, Loaded, Metric, Scenario, Scope};
use crate::wire::dictionary::Dictionary;

/// Changes when a program that reads the JSON form would have to change.
const SCHEMA: u32 = 1;

/// More of what it scheduled than this share came late: the generator, not the server, was
/// measured.
const MOST_BEHIND: f64 = 0.01;

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RunReport {
    pub schema: u32,
    pub version: String,
    /// Of the scenario.
    pub name: String,
    pub scenario: serde_json::Value,
    pub began: String,
    /// On which machine it ran.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// By which words, without what is secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    pub lasted_s: f64,
    pub threads: usize,
    pub endpoints: u32,
    pub ending: String,
    pub verdict: RunVerdict,
    pub requests: Vec<RequestFigures>,
    pub total: RequestFigures,
    /// Answers a second, from the first to the last second with any.
    pub rate_s: f64,
    pub attaches: u64,
    pub attaches_s: f64,
    pub rejects: BTreeMap<String, u64>,
    pub replies: ReplyFigures,
    pub generator: Generator,
    pub limits: Vec<Checked>,
    /// What a search for the highest rate has tried, in this order; all else in the report is about
    /// the best of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<SearchStep>,
    pub referee: ReportFindings,
    pub seconds: Vec<Second>,
    /// The latencies of each phase, in the order of the phases.
    #[serde(default)]
    pub phases: Vec<PhaseLatency>,
    /// Latency from the scheduled time: microseconds and how many.
    pub distribution: Vec<(u64, u64)>,
}

/// The requests of one phase.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PhaseLatency {
    pub name: String,
    pub answered: u64,
    /// From the scheduled time.
    pub latency: Quantiles,
}

/// Whether all was well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunVerdict {
    Passed,
    /// A limit, the referee or the generator.
    Failed,
    Unanswered,
    Interrupted,
}

/// All requests of one kind.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RequestFigures {
    pub kind: String,
    pub asked: u64,
    pub answered: u64,
    pub rejected: u64,
    pub unanswered: u64,
    /// On their way when their gateway restarted.
    pub forgotten: u64,
    /// From the scheduled time.
    pub latency: Quantiles,
    /// From the first sending.
    pub service: Quantiles,
}

/// Of a distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Quantiles {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub p9999: f64,
    pub max: f64,
}

/// Copies, and answers beyond the first.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReplyFigures {
    pub copies: u64,
    pub repeated: u64,
    pub late: u64,
    pub obsolete: u64,
    pub discarded: u64,
}

/// Whether the schedule was kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Generator {
    pub kept_up: bool,
    /// Requests that came later than `tolerance_ms` after their time.
    pub behind: u64,
    pub behind_most_ms: f64,
    /// Arrivals that found no detached endpoint.
    pub starved: u64,
    /// Attaches that waited because too many requests were on their way.
    pub held_back: u64,
    pub unsent: u64,
}

/// A limit and what was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Checked {
    pub limit: String,
    pub value: String,
    pub kept: bool,
}

/// A rate that a search has tried.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SearchStep {
    /// Attaches a second.
    pub rate_s: f64,
    /// In milliseconds.
    pub p99: f64,
    /// The limits that it broke, with what was measured.
    pub broken: Vec<String>,
}

/// What the referee found.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReportFindings {
    pub violations: u64,
    pub rules: BTreeMap<String, u64>,
    /// The first of them, with their packets.
    pub shown: Vec<Finding>,
    /// How the final comparison with the server's own view went.
    pub view: String,
}

/// Violations kept in a report.
const SHOWN: usize = 100;

impl SearchStep {
    pub fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }
}

impl RunReport {
    /// Judges a run by its scenario.
    pub fn new(loaded: &Loaded, outcome: &RunOutcome) -> Self {
        let scenario = &loaded.scenario;
        let counters = &outcome.counters;
        let total = counters.sum(RunOutcome::requests());
        let measures = Measures { counters, counts: &outcome.counts, seconds: &outcome.seconds };
        let limits: Vec<Checked> =
            scenario.limits.iter().map(|limit| measures.check(*limit)).collect();
        let generator = generator(counters, &total);
        let violations: u64 = outcome.counts.values().sum();
        let verdict = match outcome.ending {
            RunEnding::Unanswered => RunVerdict::Unanswered,
            RunEnding::Interrupted => RunVerdict::Interrupted,
            RunEnding::Finished
                if violations == 0
                    && generator.kept_up
                    && limits.iter().all(|limit| limit.kept) =>
            {
                RunVerdict::Passed
            }
            RunEnding::Finished => RunVerdict::Failed,
        };
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: loaded.name.clone(),
            scenario: serde_json::to_value(without_secret(scenario)).unwrap_or_default(),
            began: outcome.began.to_string(),
            machine: String::new(),
            command: Vec::new(),
            lasted_s: outcome.lasted.as_secs_f64(),
            threads: outcome.threads,
            endpoints: outcome.endpoints,
            ending: format!("{:?}", outcome.ending).to_lowercase(),
            verdict,
            requests: counters.used().map(|(kind, counts)| requests(kind.name(), counts)).collect(),
            total: requests("all", &total),
            rate_s: measures.per_second(|second| second.answered),
            attaches: counters.attaches,
            attaches_s: measures.per_second(|second| second.attaches),
            rejects: counters.rejects.clone(),
            replies: ReplyFigures {
                copies: counters.copies,
                repeated: counters.repeated,
                late: counters.late,
                obsolete: counters.obsolete,
                discarded: counters.discarded,
            },
            generator,
            limits,
            tries: Vec::new(),
            referee: findings(outcome, violations),
            seconds: outcome.seconds.clone(),
            phases: outcome
                .phases
                .iter()
                .filter(|(_, latency)| latency.count() > 0)
                .map(PhaseLatency::of)
                .collect(),
            distribution: total.latency.buckets().collect(),
        }
    }

    /// This run as one try of a search.
    pub fn as_try(&self, rate_s: f64) -> SearchStep {
        let limits = self
            .limits
            .iter()
            .filter(|limit| !limit.kept)
            .map(|limit| format!("{}: {}", limit.limit, limit.value));
        let generator = (!self.generator.kept_up).then(|| "the generator is too slow".to_owned());
        let referee = (self.referee.violations > 0)
            .then(|| format!("the referee found {} violations", self.referee.violations));
        let broken: Vec<String> = limits.chain(generator).chain(referee).collect();
        SearchStep { rate_s, p99: self.total.latency.p99, broken }
    }

    /// Later than this after its time, a request has not kept the schedule.
    fn tolerance_ms(&self) -> f64 {
        self.scenario
            .pointer("/tolerance_ms")
            .and_then(serde_json::Value::as_f64)
            .unwrap_or_default()
    }

    /// Whether too many requests came too late to judge the server.
    fn is_too_late(&self) -> bool {
        behind_share(self.generator.behind, self.total.asked) > MOST_BEHIND
    }

    /// As programs read it.
    ///
    /// # Errors
    /// If a number cannot be written as JSON, which none here can fail to.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// With the vendor number that attachd's own attributes had in this run.
    pub fn dictionary(&self) -> Dictionary {
        let vendor = self.scenario.pointer("/target/vendor_id").and_then(serde_json::Value::as_u64);
        Dictionary::new(vendor.unwrap_or_default() as u32)
    }
}

/// The report is shown around; the secret is not.
fn without_secret(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    "********".clone_into(&mut scenario.target.secret);
    for fleet in &mut scenario.fleet {
        fleet.password = fleet.password.as_ref().map(|_| "********".to_owned());
    }
    scenario
}

fn requests(kind: &str, counts: &RequestCounts) -> RequestFigures {
    RequestFigures {
        kind: kind.to_owned(),
        asked: counts.asked,
        answered: counts.answered,
        rejected: counts.rejected,
        unanswered: counts.lost(),
        forgotten: counts.forgotten,
        latency: quantiles(&counts.latency),
        service: quantiles(&counts.service),
    }
}

fn quantiles(latencies: &LatencyHistogram) -> Quantiles {
    let at = |quantile| latencies.quantile_ms(quantile);
    Quantiles {
        mean: latencies.mean_ms(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        p9999: at(0.9999),
        max: at(1.0),
    }
}

fn behind_share(behind: u64, asked: u64) -> f64 {
    behind as f64 / asked.max(1) as f64
}

impl PhaseLatency {
    fn of((name, latency): &(String, LatencyHistogram)) -> Self {
        Self { name: name.clone(), answered: latency.count(), latency: quantiles(latency) }
    }
}

fn generator(counters: &RunCounters, total: &RequestCounts) -> Generator {
    Generator {
        kept_up: behind_share(counters.behind, total.asked) <= MOST_BEHIND
            && counters.starved == 0
            && counters.unsent == 0,
        behind: counters.behind,
        behind_most_ms: counters.behind_most.as_secs_f64() * 1000.0,
        starved: counters.starved,
        held_back: counters.held_back,
        unsent: counters.unsent,
    }
}

fn findings(outcome: &RunOutcome, violations: u64) -> ReportFindings {
    ReportFindings {
        violations,
        rules: outcome.counts.iter().map(|(rule, count)| (rule.id().to_owned(), *count)).collect(),
        shown: outcome.violations.iter().take(SHOWN).map(Finding::of).collect(),
        view: match &outcome.view {
            View::NotAsked => "not asked for".to_owned(),
            View::Compared(endpoints) => format!("{endpoints} endpoints compared"),
            View::Failed(why) => format!("failed: {why}"),
        },
    }
}

/// What limits are checked against.
struct Measures<'a> {
    counters: &'a RunCounters,
    counts: &'a BTreeMap<Rule, u64>,
    seconds: &'a [Second],
}

impl Measures<'_> {
    fn check(&self, limit: Limit) -> Checked {
        // Of answers that never came nothing can be said to be kept.
        if self.counts_of(limit.scope).answered == 0 {
            return Checked {
                limit: limit.to_string(),
                value: "nothing answered".to_owned(),
                kept: false,
            };
        }
        let value = self.value(limit);
        Checked {
            limit: limit.to_string(),
            value: limit.metric.show(value),
            kept: limit.is_kept(value),
        }
    }

    fn counts_of(&self, scope: Scope) -> RequestCounts {
        self.counters.sum(RunOutcome::requests().filter(|kind| in_scope(*kind, scope)))
    }

    fn value(&self, limit: Limit) -> f64 {
        let counts = self.counts_of(limit.scope);
        let share = |part: u64| part as f64 / counts.asked.max(1) as f64;
        let broken = |rules: &[Rule]| {
            rules.iter().filter_map(|rule| self.counts.get(rule)).sum::<u64>() as f64
        };
        match limit.metric {
            Metric::Latency(quantile) => counts.latency.quantile_ms(quantile),
            Metric::Service(quantile) => counts.service.quantile_ms(quantile),
            Metric::Loss => share(counts.lost()),
            Metric::Retransmissions => share(self.counters.copies),
            Metric::Rejects => broken(&[Rule::Accepted, Rule::Refused, Rule::Reason]),
            Metric::Rate => self.per_second(|second| second.answered),
            Metric::Attaches => self.per_second(|second| second.attaches),
            Metric::Violations => self.counts.values().sum::<u64>() as f64,
        }
    }

    /// The average over the seconds from the first to the last with anything in them.
    fn per_second(&self, count: impl Fn(&Second) -> u64) -> f64 {
        let busy = |second: &Second| count(second) > 0;
        let first = self.seconds.iter().position(busy).unwrap_or_default();
        let last = self.seconds.iter().rposition(busy).map_or(first, |last| last + 1);
        let total: u64 = self.seconds[first..last].iter().map(&count).sum();
        total as f64 / (last - first).max(1) as f64
    }
}

fn in_scope(kind: RequestKind, scope: Scope) -> bool {
    use crate::exchange::ServerRole;
    match scope {
        Scope::All => true,
        Scope::Access => kind.role() == ServerRole::Access,
        Scope::Accounting => kind.role() == ServerRole::Accounting,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::scenario::load;
    use super::*;

    /// A long run with large figures, in which everything that can be said is said.
    pub(super) fn report() -> RunReport {
        let loaded = load("steady", &[]).unwrap();
        let mut counters = RunCounters::default();
        counters.attaches = 123_456_789;
        counters.starved = 99_999_999;
        counters.behind = 99_999_999;
        counters.unsent = 9_999_999;
        counters.behind_most = Duration::from_secs(99);
        counters.held_back = 99_999_999;
        counters[RequestKind::ALL[0]].asked = 1_234_567_890;
        counters[RequestKind::ALL[0]].answered = 1_234_567_890;
        let mut latency = LatencyHistogram::default();
        latency.record(Duration::from_secs(120));
        counters[RequestKind::ALL[0]].latency.merge(&latency);
        let second = Second {
            second: 9_998,
            phase: "a phase of a long name".to_owned(),
            attaches: 99_999,
            asked: 999_999,
            copies: 99_999,
            answered: 999_999,
            rejected: 99_999,
            unanswered: 9,
            outstanding: 32_768,
            p50: 1234.5,
            p99: 1234.5,
            max: 9999.9,
        };
        let outcome = RunOutcome {
            counters,
            seconds: vec![second],
            phases: vec![
                ("steady".to_owned(), latency),
                ("rest".to_owned(), LatencyHistogram::default()),
            ],
            counts: BTreeMap::new(),
            violations: Vec::new(),
            began: crate::time::Timestamp::from_secs(1),
            lasted: Duration::from_secs(10_000),
            threads: 64,
            endpoints: 10_000_000,
            ending: RunEnding::Finished,
            view: View::NotAsked,
        };
        let mut report = RunReport::new(&loaded, &outcome);
        report.scenario["tolerance_ms"] = 10.into();
        report
    }

    #[test]
    fn each_phase_has_its_own_quantiles() {
        let report = report();
        let names: Vec<(&str, u64)> =
            report.phases.iter().map(|phase| (phase.name.as_str(), phase.answered)).collect();
        assert_eq!(names, [("steady", 1)]);
        assert!(report.phases[0].latency.p99 > 100_000.0);
    }

    #[test]
    fn where_nothing_was_answered_no_limit_is_kept() {
        let counters = RunCounters::default();
        let measures = Measures { counters: &counters, counts: &BTreeMap::new(), seconds: &[] };
        for text in [
            "p99 < 10 ms",
            "accounting service p50 < 1 s",
            "rejects = expected",
            "violations < 1",
            "loss < 1 %",
        ] {
            let checked = measures.check(Limit::parse(text).unwrap());
            assert_eq!(
                (checked.kept, checked.value.as_str()),
                (false, "nothing answered"),
                "{text}"
            );
        }
    }
}
