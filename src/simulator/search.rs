//! Finds the highest rate of attaches that keeps the limits: doubled until one breaks, then halved
//! between.

use super::scenario::{ArrivalPattern, Loaded, PhaseKind, PhaseSpec, Search};

/// What was tried, and what comes next.
#[derive(Debug)]
pub struct Finder {
    search: Search,
    /// The highest rate that kept the limits.
    kept: Option<f64>,
    /// The lowest that broke one.
    broken: Option<f64>,
}

impl Finder {
    pub const fn new(search: Search) -> Self {
        Self { search, kept: None, broken: None }
    }

    /// The rate to try next; none once the answer is known well enough.
    pub fn next(&self) -> Option<f64> {
        let Search { from, to, precision, .. } = self.search;
        match (self.kept, self.broken) {
            (None, None) => Some(from),
            (Some(kept), None) => (kept < to).then(|| (kept * 2.0).min(to)),
            (None, Some(broken)) => (broken > from / 16.0).then_some(broken / 2.0),
            (Some(kept), Some(broken)) => {
                (broken - kept > kept * precision).then_some(f64::midpoint(kept, broken))
            }
        }
    }

    /// What came of a rate.
    pub fn tell(&mut self, rate: f64, kept: bool) {
        if kept {
            self.kept = Some(self.kept.map_or(rate, |best| best.max(rate)));
        } else {
            self.broken = Some(self.broken.map_or(rate, |worst| worst.min(rate)));
        }
    }

    /// The highest rate that kept the limits.
    pub const fn best(&self) -> Option<f64> {
        self.kept
    }

    /// The scenario of one try: a moment to warm up, the rate, and everybody leaves.
    pub fn step(&self, loaded: &Loaded, rate: f64) -> Loaded {
        let phase = |name: &str, kind, for_s| PhaseSpec {
            name: name.to_owned(),
            kind,
            for_s,
            from: None,
            to: None,
            rate: None,
            arrival: None,
            share: None,
            over_s: None,
            in_flight: None,
        };
        let mut step = loaded.clone();
        step.scenario.search = None;
        step.scenario.phase = vec![
            PhaseSpec {
                from: Some(rate / 10.0),
                to: Some(rate),
                ..phase("ramp", PhaseKind::Ramp, 1.0)
            },
            PhaseSpec {
                rate: Some(rate),
                arrival: Some(ArrivalPattern::Poisson),
                ..phase("steady", PhaseKind::Steady, self.search.step_s)
            },
            phase("drain", PhaseKind::Drain, 2.0),
        ];
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(limit: f64) -> (Option<f64>, usize) {
        let mut finder =
            Finder::new(Search { from: 500.0, to: 100_000.0, step_s: 5.0, precision: 0.05 });
        let mut steps = 0;
        while let Some(rate) = finder.next() {
            finder.tell(rate, rate <= limit);
            steps += 1;
            assert!(steps < 30);
        }
        (finder.best(), steps)
    }

    #[test]
    fn comes_near_from_below_in_a_few_steps() {
        for limit in [40.0, 100.0, 777.0, 12_345.0, 99_000.0] {
            let (best, _) = find(limit);
            assert!(
                best.is_some_and(|best| best <= limit && best * 1.06 > limit),
                "{limit}: {best:?}"
            );
        }
        assert_eq!(find(1e9).0, Some(100_000.0));
        assert_eq!(find(1.0).0, None);
        assert!(find(12_345.0).1 < 14);
    }
}
