//! The last hour: a ring of what the metrics said every few seconds, for rates and for lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::PACE;
use super::figures::Figures;

/// An hour of looks.
const LONGEST: usize = 3600 / PACE.as_secs() as usize;

/// What a rate is taken over: long enough to be steady, short enough to be now.
const NOW: usize = 3;

/// What one look saw: counts since the server began, and how things stood.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    at: Duration,
    requests: f64,
    rejects: BTreeMap<String, f64>,
    sessions: f64,
    /// Requests by the bound of their latency, in seconds, as counts up to it.
    latencies: Vec<(f64, f64)>,
}

/// The looks of the last hour, and when each gateway was last heard.
#[derive(Debug, Default)]
pub(super) struct Recent {
    moments: VecDeque<Moment>,
    /// How many requests each gateway has sent, and when that last grew.
    heard: BTreeMap<String, (f64, Option<Duration>)>,
}

impl Recent {
    pub(super) fn add(&mut self, at: Duration, figures: &Figures) {
        for (gateway, requests) in figures.by("radius_requests_total", "gateway") {
            let heard = self.heard.entry(gateway).or_insert((0.0, None));
            if requests > heard.0 {
                *heard = (requests, Some(at));
            }
        }
        if self.moments.len() >= LONGEST {
            self.moments.pop_front();
        }
        let bounds = figures.by("radius_request_duration_seconds_bucket", "le");
        let mut latencies: Vec<(f64, f64)> = bounds
            .into_iter()
            .filter_map(|(bound, count)| Some((bound.replace("+Inf", "inf").parse().ok()?, count)))
            .collect();
        latencies.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.moments.push_back(Moment {
            at,
            requests: figures.sum("radius_requests_total"),
            rejects: figures.by("attachd_rejects_total", "reason"),
            sessions: figures.sum("attachd_sessions"),
            latencies,
        });
    }

    /// How long ago a gateway was last heard, in seconds.
    pub(super) fn heard(&self, gateway: &str) -> Option<u64> {
        let (_, heard) = self.heard.get(gateway)?;
        let now = self.moments.back()?.at;
        Some(now.saturating_sub((*heard)?).as_secs())
    }

    /// The last moment and one shortly before.
    fn now(&self) -> Option<(&Moment, &Moment)> {
        let before = self.moments.len().saturating_sub(1 + NOW);
        Some((self.moments.get(before)?, self.moments.back()?))
    }

    pub(super) fn requests_a_second(&self) -> f64 {
        self.now().map_or(0.0, |(before, now)| rate(before, now, |one| one.requests))
    }

    pub(super) fn rejects_a_second(&self) -> f64 {
        self.now().map_or(0.0, |(before, now)| rate(before, now, Moment::all_rejects))
    }

    /// How long the given share of requests took at most; of the last moments, or, if there was
    /// none, of the last hour.
    pub(super) fn latency(&self, share: f64) -> Option<f64> {
        let now = self.now().and_then(|(before, now)| quantile(before, now, share));
        now.or_else(|| quantile(self.moments.front()?, self.moments.back()?, share))
    }

    /// What was refused in the last hour, by reason, most first.
    pub(super) fn refused(&self) -> Vec<(String, f64)> {
        let (Some(first), Some(last)) = (self.moments.front(), self.moments.back()) else {
            return Vec::new();
        };
        let began = |reason: &str| first.rejects.get(reason).copied().unwrap_or_default();
        let mut refused: Vec<(String, f64)> = last
            .rejects
            .iter()
            .map(|(reason, count)| (reason.clone(), count - began(reason)))
            .filter(|(_, count)| *count > 0.0)
            .collect();
        refused.sort_by(|a, b| b.1.total_cmp(&a.1));
        refused
    }

    pub(super) fn requests_line(&self) -> Vec<f64> {
        self.line(|before, now| rate(before, now, |one| one.requests))
    }

    pub(super) fn rejects_line(&self) -> Vec<f64> {
        self.line(|before, now| rate(before, now, Moment::all_rejects))
    }

    pub(super) fn latency_line(&self) -> Vec<f64> {
        self.line(|before, now| quantile(before, now, 0.99).unwrap_or_default())
    }

    pub(super) fn sessions_line(&self) -> Vec<f64> {
        self.line(|_, now| now.sessions)
    }

    /// A value for each moment and the one before it, thinned out to what a small line can show.
    fn line(&self, value: impl Fn(&Moment, &Moment) -> f64) -> Vec<f64> {
        const POINTS: usize = 120;
        let step = self.moments.len().div_ceil(POINTS).max(1);
        let thinned: Vec<&Moment> = self.moments.iter().rev().step_by(step).collect();
        thinned.windows(2).rev().map(|pair| value(pair[1], pair[0])).collect()
    }
}

impl Moment {
    fn all_rejects(&self) -> f64 {
        self.rejects.values().sum()
    }
}

fn rate(before: &Moment, now: &Moment, count: impl Fn(&Moment) -> f64) -> f64 {
    let seconds = now.at.saturating_sub(before.at).as_secs_f64();
    if seconds > 0.0 { (count(now) - count(before)).max(0.0) / seconds } else { 0.0 }
}

/// The upper bound of the bucket that the quantile lies in; `None`: nothing was asked.
fn quantile(before: &Moment, now: &Moment, share: f64) -> Option<f64> {
    let counts: Vec<(f64, f64)> = now
        .latencies
        .iter()
        .enumerate()
        .map(|(at, (bound, count))| {
            (*bound, count - before.latencies.get(at).map_or(0.0, |(_, count)| *count))
        })
        .collect();
    let all = counts.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let reached = counts.iter().find(|(_, count)| *count >= share * all)?;
    // The last bucket has no bound: it is more than the one before.
    Some(if reached.0.is_finite() { reached.0 } else { counts.iter().rev().nth(1)?.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(recent: &mut Recent, second: u64, requests: u64, slow: u64) {
        let fast = requests - slow;
        recent.add(
            Duration::from_secs(second),
            &Figures::read(&format!(
                "radius_requests_total{{gateway=\"a\"}} {requests}\n\
                 attachd_rejects_total{{reason=\"apn\"}} {slow}\n\
                 attachd_sessions{{vslice=\"v\"}} {second}\n\
                 radius_request_duration_seconds_bucket{{le=\"0.001\"}} {fast}\n\
                 radius_request_duration_seconds_bucket{{le=\"0.1\"}} {requests}\n\
                 radius_request_duration_seconds_bucket{{le=\"+Inf\"}} {requests}\n"
            )),
        );
    }

    #[test]
    fn rates_and_latencies_are_of_now_and_refusals_of_the_hour() {
        let mut recent = Recent::default();
        assert_eq!(recent.requests_a_second() as u64, 0);
        assert_eq!(recent.latency(0.5), None);
        for look_number in 0..10 {
            look(&mut recent, look_number * 5, look_number * 50, look_number);
        }
        assert_eq!(recent.requests_a_second().round() as u64, 10);
        assert_eq!(recent.latency(0.5), Some(0.001));
        assert_eq!(recent.latency(0.999), Some(0.1));
        assert_eq!(recent.refused(), [("apn".to_owned(), 9.0)]);
        assert_eq!(recent.requests_line().len(), 9);
        assert_eq!(recent.sessions_line().last().map(|last| *last as u64), Some(45));
        assert_eq!(recent.heard("a"), Some(0));
        look(&mut recent, 110, 450, 9);
        assert_eq!(recent.heard("a"), Some(65));
        assert_eq!(recent.heard("b"), None);
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut recent = Recent::default();
        for number in 0..2 * LONGEST as u64 {
            look(&mut recent, number * 5, number, 0);
        }
        assert_eq!(recent.moments.len(), LONGEST);
        assert!(recent.requests_line().len() <= 120);
    }
}
