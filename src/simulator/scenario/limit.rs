//! Limits: what must be true of a run, written as people say it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `p99 < 10 ms`, `accounting p99.9 < 50 ms`, `loss < 0.01 %`, `rejects = expected`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub scope: Scope,
    pub metric: Metric,
    pub bound: Bound,
}

/// Of which packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    All,
    Access,
    Accounting,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Milliseconds from the scheduled time to the answer, at a quantile between 0 and 1.
    Latency(f64),
    /// The same from the actual sending.
    Service(f64),
    /// Share of requests that were never answered.
    Loss,
    /// Copies sent beyond the first, as a share of the requests.
    Retransmissions,
    /// Rejects of endpoints that had to be accepted, and the other way round.
    Rejects,
    /// Requests answered in a second, on average.
    Rate,
    /// Attaches completed in a second, on average.
    Attaches,
    /// What the referee found.
    Violations,
}

/// Which values are good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    Below(f64),
    Above(f64),
    /// `= expected`: as the model says, without an exception.
    Expected,
}

const GRAMMAR: &str = "a limit is [access|accounting] METRIC < or > VALUE [ms|s|%], or `rejects = expected`; METRIC is one of p50, p90, p99, p99.9, p99.99, max \
                       (or any pN; `service p99` from the actual sending), loss, retransmissions, rejects, rate, attaches, violations";

impl Limit {
    /// # Errors
    /// With the grammar, if the text does not follow it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| format!("`{text}` is no limit: {GRAMMAR}"))
    }

    fn read(text: &str) -> Option<Self> {
        let at = text.find(['<', '>', '='])?;
        let (words, rest) = text.split_at(at);
        let mut words: Vec<&str> = words.split_whitespace().collect();
        let scope = match *words.first()? {
            "access" => Scope::Access,
            "accounting" => Scope::Accounting,
            _ => Scope::All,
        };
        if scope != Scope::All {
            words.remove(0);
        }
        let metric = Metric::read(&words)?;
        let value = rest[1..].trim();
        let bound = match (&rest[..1], value) {
            ("=", "expected") => Bound::Expected,
            ("<", value) => Bound::Below(quantity(metric, value)?),
            (">", value) => Bound::Above(quantity(metric, value)?),
            _ => return None,
        };
        let judges_the_model = matches!(metric, Metric::Rejects);
        ((bound == Bound::Expected) <= judges_the_model).then_some(Self { scope, metric, bound })
    }

    /// Whether `value`, in the metric's own unit, keeps the limit.
    #[must_use]
    pub fn is_kept(self, value: f64) -> bool {
        match self.bound {
            Bound::Below(bound) => value < bound,
            Bound::Above(bound) => value > bound,
            Bound::Expected => value == 0.0,
        }
    }
}

impl Metric {
    fn read(words: &[&str]) -> Option<Self> {
        Some(match words {
            ["loss"] => Self::Loss,
            ["retransmissions"] => Self::Retransmissions,
            ["rejects"] => Self::Rejects,
            ["rate"] => Self::Rate,
            ["attaches"] => Self::Attaches,
            ["violations"] => Self::Violations,
            ["service", quantile] => Self::Service(quantile_of(quantile)?),
            [quantile] => Self::Latency(quantile_of(quantile)?),
            _ => return None,
        })
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Latency(_) | Self::Service(_) => Unit::Time,
            Self::Loss | Self::Retransmissions => Unit::Share,
            Self::Rejects | Self::Rate | Self::Attaches | Self::Violations => Unit::Number,
        }
    }

    /// The value as people read it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self.unit() {
            Unit::Time => format!("{value:.3} ms"),
            Unit::Share => format!("{:.4} %", value * 100.0),
            Unit::Number => format!("{value:.0}"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// In milliseconds.
    Time,
    /// Of 1.
    Share,
    Number,
}

fn quantile_of(word: &str) -> Option<f64> {
    if word == "max" {
        return Some(1.0);
    }
    let percent: f64 = word.strip_prefix('p')?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

fn quantity(metric: Metric, text: &str) -> Option<f64> {
    let digits =
        text.trim_end_matches(|c: char| c.is_alphabetic() || c == '%' || c == '/').trim_end();
    let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    match (metric.unit(), text[digits.len()..].trim()) {
        (Unit::Time, "ms") | (Unit::Number, "" | "/s") | (Unit::Share, "") => Some(number),
        (Unit::Time, "us") => Some(number / 1000.0),
        (Unit::Time, "s") => Some(number * 1000.0),
        (Unit::Share, "%") => Some(number / 100.0),
        _ => None,
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::All => {}
            Scope::Access => f.write_str("access ")?,
            Scope::Accounting => f.write_str("accounting ")?,
        }
        let quantile = |f: &mut fmt::Formatter<'_>, at: f64| {
            if at >= 1.0 { f.write_str("max") } else { write!(f, "p{}", round(at * 100.0)) }
        };
        match self.metric {
            Metric::Latency(at) => quantile(f, at)?,
            Metric::Service(at) => {
                f.write_str("service ")?;
                quantile(f, at)?;
            }
            Metric::Loss => f.write_str("loss")?,
            Metric::Retransmissions => f.write_str("retransmissions")?,
            Metric::Rejects => f.write_str("rejects")?,
            Metric::Rate => f.write_str("rate")?,
            Metric::Attaches => f.write_str("attaches")?,
            Metric::Violations => f.write_str("violations")?,
        }
        let amount = |f: &mut fmt::Formatter<'_>, sign: char, bound: f64| match self.metric.unit() {
            Unit::Time => write!(f, " {sign} {} ms", round(bound)),
            Unit::Share => write!(f, " {sign} {} %", round(bound * 100.0)),
            Unit::Number => write!(f, " {sign} {}", round(bound)),
        };
        match self.bound {
            Bound::Below(bound) => amount(f, '<', bound),
            Bound::Above(bound) => amount(f, '>', bound),
            Bound::Expected => f.write_str(" = expected"),
        }
    }
}

/// Without the noise of the last binary digits: 99.99, not 99.99000000000001.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_writes_it_back() {
        for (text, canonical) in [
            ("p99 < 10 ms", "p99 < 10 ms"),
            ("p99.99<0.25s", "p99.99 < 250 ms"),
            ("accounting max < 1 s", "accounting max < 1000 ms"),
            ("access service p50 < 200 us", "access service p50 < 0.2 ms"),
            ("loss < 0.01 %", "loss < 0.01 %"),
            ("loss < 0.0001", "loss < 0.01 %"),
            ("rejects = expected", "rejects = expected"),
            ("rate > 1000 /s", "rate > 1000"),
            ("violations < 1", "violations < 1"),
        ] {
            let limit = Limit::parse(text).unwrap();
            assert_eq!(limit.to_string(), canonical);
            assert_eq!(
                Limit::parse(canonical).map(|again| again.to_string()),
                Ok(canonical.to_owned())
            );
        }
    }

    #[test]
    fn refuses_the_rest_with_the_grammar() {
        for text in [
            "",
            "p99",
            "p99 < ",
            "p99 < 10 %",
            "p101 < 1 ms",
            "loss < 1 ms",
            "speed < 1",
            "loss = expected",
            "p99 = 10 ms",
            "< 3",
        ] {
            assert!(Limit::parse(text).unwrap_err().contains("METRIC"), "{text}");
        }
    }

    #[test]
    fn judges_values_in_the_unit_of_the_metric() {
        assert!(Limit::parse("p99 < 10 ms").unwrap().is_kept(9.99));
        assert!(!Limit::parse("p99 < 10 ms").unwrap().is_kept(10.0));
        assert!(Limit::parse("rate > 5").unwrap().is_kept(5.1));
        assert!(!Limit::parse("rejects = expected").unwrap().is_kept(1.0));
    }
}
