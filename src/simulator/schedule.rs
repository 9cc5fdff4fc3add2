//! Open loop: when something must begin, decided beforehand, whatever the server does meanwhile.

use std::time::Duration;

use super::random::RandomStream;
use super::scenario::{ArrivalPattern, Load};
use crate::time::Timestamp;

/// One shard's part of the arrivals of one phase.
#[derive(Debug)]
pub struct Schedule {
    load: Load,
    began: Timestamp,
    length: Duration,
    share: Share,
    /// How many have come.
    count: u64,
    next: Option<Timestamp>,
    random: RandomStream,
}

/// Which shard of how many, and how many endpoints it has.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub index: usize,
    pub of: usize,
    pub endpoints: u32,
}

/// What begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Any detached endpoint attaches.
    Attach,
    /// The endpoint at this place of the order loses what it has and attaches anew.
    Storm(u32),
    /// The endpoint at this place of the order leaves.
    Dismiss(u32),
}

impl Schedule {
    pub fn new(
        load: Load,
        began: Timestamp,
        length: Duration,
        share: Share,
        random: RandomStream,
    ) -> Self {
        let mut schedule = Self { load, began, length, share, count: 0, next: None, random };
        schedule.next = schedule.at(0);
        schedule
    }

    /// When the next one must begin; none if no more come.
    pub const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// The next one that is due.
    pub fn take(&mut self, now: Timestamp) -> Option<(Begin, Timestamp)> {
        let due = self.next.filter(|due| *due <= now)?;
        let place = self.count as u32;
        let begin = match self.load {
            Load::Storm { .. } => Begin::Storm(place),
            Load::Drain => Begin::Dismiss(place),
            Load::Ramp { .. } | Load::Steady { .. } | Load::Closed { .. } | Load::Rest => {
                Begin::Attach
            }
        };
        self.count += 1;
        self.next = self.at(self.count);
        Some((begin, due))
    }

    /// Whether arrival times mean anything: all at once cannot be late.
    pub fn is_timed(&self) -> bool {
        !matches!(self.load, Load::Storm { over_s: 0.0, .. })
    }

    /// The time of arrival number `count`. Shards take turns, so that together they are as even as
    /// one.
    fn at(&mut self, count: u64) -> Option<Timestamp> {
        let of = self.share.of as f64;
        let turn = count as f64 + (self.share.index as f64 + 0.5) / of;
        let seconds = match self.load {
            Load::Ramp { from, to } => self.on_ramp(turn, from / of, to / of)?,
            Load::Steady { rate, arrival: ArrivalPattern::Uniform } => turn / (rate / of),
            Load::Steady { rate, arrival: ArrivalPattern::Poisson } => {
                let last = self.next.map_or(0.0, |next| next.since(self.began).as_secs_f64());
                last + self.random.exponential(of / rate)
            }
            Load::Steady { rate, arrival: ArrivalPattern::Burst } => (turn / (rate / of)).floor(),
            Load::Storm { share, over_s } => {
                let all = (f64::from(self.share.endpoints) * share).ceil();
                (turn < all).then(|| over_s * turn / all)?
            }
            // The rest of the time is for the answers.
            Load::Drain => {
                let all = f64::from(self.share.endpoints);
                (turn < all).then(|| 0.8 * self.length.as_secs_f64() * turn / all)?
            }
            Load::Closed { .. } | Load::Rest => return None,
        };
        (seconds < self.length.as_secs_f64() || matches!(self.load, Load::Storm { .. }))
            .then(|| self.began + Duration::from_secs_f64(seconds))
    }

    /// Solves `from*t + (to - from)*t*t / (2*length) = turn`.
    fn on_ramp(&self, turn: f64, from: f64, to: f64) -> Option<f64> {
        let slope = (to - from) / self.length.as_secs_f64();
        if slope.abs() < 1e-9 {
            return (from > 0.0).then(|| turn / from);
        }
        let root = 2.0f64.mul_add(slope * turn, from * from);
        (root >= 0.0).then(|| (root.sqrt() - from) / slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(load: Load, seconds: u64, share: Share) -> Vec<f64> {
        let mut schedule = Schedule::new(
            load,
            Timestamp::from_secs(10),
            Duration::from_secs(seconds),
            share,
            RandomStream::stream(1, share.index as u64, 0),
        );
        let mut times = Vec::new();
        while let Some((_, due)) = schedule.take(Timestamp::MAX) {
            times.push(due.since(Timestamp::from_secs(10)).as_secs_f64());
        }
        times
    }

    const ALONE: Share = Share { index: 0, of: 1, endpoints: 1000 };

    #[test]
    fn rates_are_kept_in_every_form() {
        for (load, expected) in [
            (Load::Steady { rate: 100.0, arrival: ArrivalPattern::Uniform }, 1000),
            (Load::Steady { rate: 100.0, arrival: ArrivalPattern::Burst }, 1000),
            (Load::Ramp { from: 0.0, to: 200.0 }, 1000),
            (Load::Ramp { from: 150.0, to: 50.0 }, 1000),
            (Load::Ramp { from: 100.0, to: 100.0 }, 1000),
            (Load::Storm { share: 0.5, over_s: 2.0 }, 500),
            (Load::Storm { share: 1.0, over_s: 0.0 }, 1000),
            (Load::Drain, 1000),
            (Load::Rest, 0),
        ] {
            let times = times(load, 10, ALONE);
            assert!(times.len().abs_diff(expected) <= 1, "{load:?}: {}", times.len());
            assert!(times.is_sorted() && times.iter().all(|time| *time < 10.0), "{load:?}");
        }
        let poisson =
            times(Load::Steady { rate: 1000.0, arrival: ArrivalPattern::Poisson }, 10, ALONE).len();
        assert!((9_600..10_400).contains(&poisson), "{poisson}");
    }

    #[test]
    fn a_ramp_grows_evenly() {
        let times = times(Load::Ramp { from: 0.0, to: 200.0 }, 10, ALONE);
        let first_half = times.iter().filter(|time| **time < 5.0).count();
        assert!(first_half.abs_diff(250) <= 1, "{first_half}");
    }

    #[test]
    fn shards_together_are_as_even_as_one() {
        let load = Load::Steady { rate: 100.0, arrival: ArrivalPattern::Uniform };
        let mut all: Vec<f64> = (0..4)
            .flat_map(|index| times(load, 10, Share { index, of: 4, endpoints: 250 }))
            .collect();
        all.sort_by(f64::total_cmp);
        assert_eq!(all.len(), 1000);
        assert!(all.windows(2).all(|pair| (pair[1] - pair[0] - 0.01).abs() < 1e-4));
    }
}
