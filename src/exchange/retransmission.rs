//! When a request is sent again, and when it is given up (RFC 5080 2.2.1).

use std::time::Duration;

use rand::{Rng, RngCore};

use crate::time::Timestamp;

/// IRT, MRC, MRT and MRD; zero: no such limit.
#[derive(Clone, Copy, Debug)]
pub struct RetransmissionPolicy {
    pub initial: Duration,
    /// Copies in all.
    pub transmissions: u32,
    pub ceiling: Duration,
    pub total: Duration,
}

/// How often and when one request was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retransmission {
    pub first_sent: Timestamp,
    pub transmissions: u32,
    last_sent: Timestamp,
    timeout: Duration,
}

/// What to do when a deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryStep {
    Wait,
    Repeat,
    GiveUp,
}

impl Retransmission {
    /// The first copy is sent now. RT = IRT + RAND*IRT.
    pub(super) fn begin(
        policy: &RetransmissionPolicy,
        now: Timestamp,
        random: &mut impl RngCore,
    ) -> Self {
        Self {
            first_sent: now,
            transmissions: 1,
            last_sent: now,
            timeout: jittered(policy.initial, policy.initial, random),
        }
    }

    /// When something must be done.
    pub(super) fn deadline(&self, policy: &RetransmissionPolicy) -> Timestamp {
        let next = self.last_sent + self.timeout;
        if policy.total.is_zero() { next } else { next.min(self.first_sent + policy.total) }
    }

    pub(super) fn step(&self, policy: &RetransmissionPolicy, now: Timestamp) -> RetryStep {
        let out_of_time = !policy.total.is_zero() && now >= self.first_sent + policy.total;
        let out_of_copies = policy.transmissions > 0 && self.transmissions >= policy.transmissions;
        if now < self.deadline(policy) {
            RetryStep::Wait
        } else if out_of_time || out_of_copies {
            RetryStep::GiveUp
        } else {
            RetryStep::Repeat
        }
    }

    /// Another copy is sent now. RT = 2*RTprev + RAND*RTprev; above MRT: RT = MRT + RAND*MRT.
    pub(super) fn repeat(
        &mut self,
        policy: &RetransmissionPolicy,
        now: Timestamp,
        random: &mut impl RngCore,
    ) {
        self.transmissions += 1;
        self.last_sent = now;
        self.timeout = jittered(self.timeout * 2, self.timeout, random);
        if !policy.ceiling.is_zero() && self.timeout > policy.ceiling {
            self.timeout = jittered(policy.ceiling, policy.ceiling, random);
        }
    }
}

/// `base`, and up to a tenth of `spread` more or less.
fn jittered(base: Duration, spread: Duration, random: &mut impl RngCore) -> Duration {
    Duration::from_secs_f64(
        spread
            .as_secs_f64()
            .mul_add(0.1 * random.random_range(-1.0..=1.0), base.as_secs_f64())
            .clamp(0.0, 1e9),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    const ACCESS: RetransmissionPolicy = RetransmissionPolicy {
        initial: Duration::from_secs(2),
        transmissions: 5,
        ceiling: Duration::from_secs(16),
        total: Duration::from_secs(30),
    };

    /// The times of all copies, and of giving up.
    fn ladder(policy: &RetransmissionPolicy, seed: u64, copies: usize) -> (Vec<f64>, Option<f64>) {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut retransmission = Retransmission::begin(policy, Timestamp::EPOCH, &mut random);
        let mut sent = vec![0.0];
        while sent.len() < copies {
            let now = retransmission.deadline(policy);
            match retransmission.step(policy, now) {
                RetryStep::Wait => panic!("a deadline that is none"),
                RetryStep::GiveUp => return (sent, Some(now.micros() as f64 / 1e6)),
                RetryStep::Repeat => {
                    retransmission.repeat(policy, now, &mut random);
                    sent.push(now.micros() as f64 / 1e6);
                }
            }
        }
        (sent, None)
    }

    /// Checklist H2: steps of 2, 4, 8 and 16 seconds within a tenth, and the end after 30.
    #[test]
    fn access_requests_climb_the_ladder_and_end() {
        for seed in 0..50 {
            let (sent, given_up) = ladder(&ACCESS, seed, 100);
            assert_eq!(given_up, Some(30.0));
            let mut previous = 2.0;
            for (index, step) in sent.windows(2).map(|pair| pair[1] - pair[0]).enumerate() {
                let base = if index == 0 { 2.0 } else { f64::min(2.0 * previous, 16.0) };
                assert!((step - base).abs() <= 0.1 * base + 1e-3, "step {index} of {sent:?}");
                previous = step;
            }
            assert!((4..=5).contains(&sent.len()), "{sent:?}");
        }
    }

    #[test]
    fn the_number_of_copies_ends_it_too() {
        let (sent, given_up) = ladder(&RetransmissionPolicy { transmissions: 3, ..ACCESS }, 1, 100);
        assert_eq!(sent.len(), 3);
        assert!(
            given_up.is_some_and(|time| (12.0..16.0).contains(&time)),
            "the last copy is waited for as long as any: {given_up:?}"
        );
    }

    #[test]
    fn the_ceiling_holds() {
        let (sent, _) = ladder(
            &RetransmissionPolicy { transmissions: 0, total: Duration::ZERO, ..ACCESS },
            3,
            30,
        );
        assert!(sent.windows(2).all(|pair| pair[1] - pair[0] <= 17.601));
    }

    /// Checklist H3, first half: accounting is never given up.
    #[test]
    fn accounting_goes_on() {
        let policy = RetransmissionPolicy {
            initial: Duration::from_secs(2),
            transmissions: 0,
            ceiling: Duration::ZERO,
            total: Duration::ZERO,
        };
        assert_eq!(ladder(&policy, 5, 15).1, None);
    }
}
