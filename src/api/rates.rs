//! How often one token may ask: so that a program gone wild slows down nobody but itself.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::refusal::Refusal;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RateKind {
    /// Of the platform's families: Terraform asks ten at once, and does not repeat a 429.
    Platform,
    /// A list or search that may look at every endpoint.
    Walk,
}

impl RateKind {
    /// Requests a second, and at once.
    const fn most(self) -> u32 {
        match self {
            Self::Platform => 1_000,
            Self::Walk => 20,
        }
    }
}

/// The tokens that have asked of late, each with the time at which its bucket is full again. There
/// are as many as there are tokens; who may ask without one shares the empty name.
#[derive(Debug, Default)]
pub(crate) struct TokenRates {
    full_at: Mutex<HashMap<(String, RateKind), Duration, RandomState>>,
}

impl TokenRates {
    /// Takes one request of a token at `now`, by the clock that never jumps.
    pub(crate) fn admit(&self, token: &str, kind: RateKind, now: Duration) -> Result<(), Refusal> {
        const SECOND: Duration = Duration::from_secs(1);
        let mut table = self.full_at.lock();
        let full_at = table.entry((token.to_owned(), kind)).or_default();
        let next = (*full_at).max(now) + SECOND / kind.most();
        if next > now + SECOND {
            return Err(Refusal::busy(format!("at most {} requests a second", kind.most())));
        }
        *full_at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_burst_of_a_second_and_then_its_rate() {
        let rates = TokenRates::default();
        let admitted = |token: &str, kind, millis| {
            let now = Duration::from_millis(millis);
            (0..2_000).filter(|_| rates.admit(token, kind, now).is_ok()).count()
        };
        assert_eq!(admitted("a", RateKind::Walk, 5_000), 20);
        assert_eq!(admitted("a", RateKind::Platform, 5_000), 1_000);
        assert_eq!(admitted("b", RateKind::Walk, 5_000), 20, "each has its own");
        assert_eq!(admitted("a", RateKind::Walk, 5_049), 0);
        assert_eq!(admitted("a", RateKind::Walk, 5_050), 1);
        assert_eq!(admitted("a", RateKind::Walk, 9_000), 20);
    }
}
