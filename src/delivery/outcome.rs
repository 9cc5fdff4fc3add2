//! What an answer of a receiver means.

use std::time::Duration;

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Taken,
    /// It may be taken later.
    Again { why: String, retry_after: Option<Duration> },
    /// It will hardly ever be taken.
    Refused { why: String },
    /// The receiver wants nothing any more.
    Gone,
}

impl DeliveryOutcome {
    /// What a status means; `retry_after` is that header, in seconds.
    #[must_use]
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Self {
        let why = format!("HTTP {status}");
        match status {
            200..300 => Self::Taken,
            410 => Self::Gone,
            408 | 425 | 429 | 500.. => {
                let seconds = retry_after.and_then(|text| text.trim().parse().ok());
                let retry_after = seconds.map(|s: u64| Duration::from_secs(s.min(86_400)));
                Self::Again { why, retry_after }
            }
            // Redirects are not followed: a POST would become a GET, and go who knows where.
            _ => Self::Refused { why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_try_again() {
        for status in [200, 204, 299] {
            assert_eq!(DeliveryOutcome::of_status(status, None), DeliveryOutcome::Taken);
        }
        for status in [408, 425, 429, 500, 503, 599] {
            let outcome = DeliveryOutcome::of_status(status, Some("7"));
            let DeliveryOutcome::Again { retry_after, .. } = outcome else { panic!("{status}") };
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        for status in [301, 302, 307, 400, 401, 404, 422] {
            let outcome = DeliveryOutcome::of_status(status, None);
            assert!(matches!(outcome, DeliveryOutcome::Refused { .. }), "{status}");
        }
        assert_eq!(DeliveryOutcome::of_status(410, None), DeliveryOutcome::Gone);
    }
}
