//! How often an activation code may be guessed (PROTOCOL 12): five times an hour an ICCID, twenty
//! times a minute a token. Beyond it the right code is refused as well, so guessing tells nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;

use crate::identity::Iccid;

const PER_ICCID: Limit = Limit { most: 5, within: Duration::from_secs(3600) };
const PER_TOKEN: Limit = Limit { most: 20, within: Duration::from_secs(60) };

/// ICCIDs with a wrong code of which is remembered when. Tokens wait long before so many are wrong.
const REMEMBERED: usize = 1 << 16;

struct Limit {
    most: usize,
    within: Duration,
}

/// The wrong codes of the last hour, by the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct ActivationLimits(Mutex<WrongCodes>);

#[derive(Debug, Default)]
struct WrongCodes {
    by_iccid: HashMap<Iccid, VecDeque<Duration>>,
    by_token: HashMap<String, VecDeque<Duration>>,
}

/// What a try with a code comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeTry {
    Right,
    Wrong,
    /// Too many were wrong; the next try makes sense after so long.
    Limited(Duration),
}

impl ActivationLimits {
    /// Judges a try of a token's, and counts it if it is wrong. `is_right` is asked only if the try
    /// counts.
    pub(crate) fn judge(
        &self,
        token: &str,
        iccid: Iccid,
        now: Duration,
        is_right: impl FnOnce() -> bool,
    ) -> CodeTry {
        let mut wrong = self.0.lock();
        let WrongCodes { by_iccid, by_token } = &mut *wrong;
        let of_token = by_token.entry(token.to_owned()).or_default();
        let waits = [
            PER_TOKEN.wait(of_token, now),
            by_iccid.get_mut(&iccid).and_then(|times| PER_ICCID.wait(times, now)),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return CodeTry::Limited(wait);
        }
        if is_right() {
            return CodeTry::Right;
        }
        of_token.push_back(now);
        if by_iccid.len() >= REMEMBERED {
            by_iccid.retain(|_, times| {
                PER_ICCID.forget(times, now);
                !times.is_empty()
            });
        }
        by_iccid.entry(iccid).or_default().push_back(now);
        CodeTry::Wrong
    }
}

impl Limit {
    fn forget(&self, times: &mut VecDeque<Duration>, now: Duration) {
        while times.front().is_some_and(|first| *first + self.within <= now) {
            times.pop_front();
        }
    }

    fn wait(&self, times: &mut VecDeque<Duration>, now: Duration) -> Option<Duration> {
        self.forget(times, now);
        let first = times.front().filter(|_| times.len() >= self.most)?;
        Some((*first + self.within).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iccid(number: u64) -> Iccid {
        Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap()
    }

    #[test]
    fn five_wrong_an_hour_shut_an_iccid_for_the_right_code_as_well() {
        let limits = ActivationLimits::default();
        let at = Duration::from_secs;
        let judge = |token, now, is_right| limits.judge(token, iccid(1), at(now), || is_right);
        for minute in 0..5 {
            assert_eq!(judge("a", minute * 60, false), CodeTry::Wrong);
        }
        assert_eq!(judge("b", 300, true), CodeTry::Limited(at(3300)), "whatever the token");
        assert_eq!(limits.judge("a", iccid(2), at(300), || true), CodeTry::Right);
        assert_eq!(judge("b", 3600, true), CodeTry::Right);
    }

    #[test]
    fn twenty_wrong_a_minute_shut_a_token() {
        let limits = ActivationLimits::default();
        let at = Duration::from_secs;
        for number in 0..20 {
            assert_eq!(limits.judge("a", iccid(number), at(0), || false), CodeTry::Wrong);
        }
        let judge = |token, now| limits.judge(token, iccid(99), at(now), || true);
        assert_eq!(judge("a", 1), CodeTry::Limited(at(59)));
        assert_eq!((judge("b", 1), judge("a", 60)), (CodeTry::Right, CodeTry::Right));
    }
}
