//! A quantity that differs from case to case: how long a session lasts, how much is sent.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::simulator::random::RandomStream;

/// Written as a number, or as a table of the numbers that describe it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Distribution {
    Fixed(f64),
    Uniform {
        min: f64,
        max: f64,
    },
    Exponential {
        mean: f64,
    },
    /// Half of the values lie below `median`; about two thirds within a factor of e^`sigma` around
    /// it.
    Lognormal {
        median: f64,
        sigma: f64,
    },
}

const FORMS: &str = "a number, { min, max }, { mean } or { median, sigma }";

impl Distribution {
    /// A value of it, never negative.
    pub fn draw(self, random: &mut RandomStream) -> f64 {
        let value = match self {
            Self::Fixed(value) => value,
            Self::Uniform { min, max } => random.unit().mul_add(max - min, min),
            Self::Exponential { mean } => random.exponential(mean),
            Self::Lognormal { median, sigma } => median * (sigma * random.normal()).exp(),
        };
        value.max(0.0)
    }

    /// The value around which the others lie.
    pub fn mean(self) -> f64 {
        match self {
            Self::Fixed(mean) | Self::Exponential { mean } => mean,
            Self::Uniform { min, max } => f64::midpoint(min, max),
            Self::Lognormal { median, sigma } => median * (sigma * sigma / 2.0).exp(),
        }
    }

    fn is_sound(self) -> bool {
        let good = |value: f64| value.is_finite() && value >= 0.0;
        match self {
            Self::Fixed(value) => good(value),
            Self::Uniform { min, max } => good(min) && good(max) && min <= max,
            Self::Exponential { mean } => good(mean),
            Self::Lognormal { median, sigma } => good(median) && good(sigma),
        }
    }
}

impl JsonSchema for Distribution {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Distribution".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "title": FORMS })
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

struct Form;

impl Form {
    fn checked<E: de::Error>(distribution: Distribution) -> Result<Distribution, E> {
        if distribution.is_sound() {
            Ok(distribution)
        } else {
            Err(E::custom("must not be negative, and min not above max"))
        }
    }
}

impl<'de> Visitor<'de> for Form {
    type Value = Distribution;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Distribution, E> {
        Self::checked(Distribution::Fixed(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Distribution, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Distribution, E> {
        self.visit_f64(value as f64)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distribution, A::Error> {
        let mut given: Vec<(String, f64)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            given.push(entry);
        }
        given.sort_by(|left, right| left.0.cmp(&right.0));
        let names: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
        let number = |index: usize| given.get(index).map_or(0.0, |(_, number)| *number);
        Self::checked(match names.as_slice() {
            ["max", "min"] => Distribution::Uniform { max: number(0), min: number(1) },
            ["mean"] => Distribution::Exponential { mean: number(0) },
            ["median", "sigma"] => Distribution::Lognormal { median: number(0), sigma: number(1) },
            _ => return Err(de::Error::custom(format!("expected {FORMS}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        value: Distribution,
    }

    fn read(text: &str) -> Result<Distribution, String> {
        toml::from_str::<Holder>(&format!("value = {text}"))
            .map(|holder| holder.value)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn reads_its_four_forms() {
        assert_eq!(read("3"), Ok(Distribution::Fixed(3.0)));
        assert_eq!(read("0.5"), Ok(Distribution::Fixed(0.5)));
        assert_eq!(
            read("{ min = 1, max = 2.5 }"),
            Ok(Distribution::Uniform { min: 1.0, max: 2.5 })
        );
        assert_eq!(read("{ mean = 600 }"), Ok(Distribution::Exponential { mean: 600.0 }));
        assert_eq!(
            read("{ median = 60, sigma = 1 }"),
            Ok(Distribution::Lognormal { median: 60.0, sigma: 1.0 })
        );
    }

    #[test]
    fn says_what_it_wants() {
        assert_eq!(read("{ mean = 1, max = 2 }"), Err(format!("expected {FORMS}")));
        assert!(read("\"long\"").unwrap_err().contains(FORMS));
        assert!(read("{ min = 2, max = 1 }").unwrap_err().contains("min not above max"));
        assert!(read("-1").is_err());
    }

    #[test]
    fn draws_around_its_mean() {
        for distribution in [
            Distribution::Fixed(2.0),
            Distribution::Uniform { min: 1.0, max: 3.0 },
            Distribution::Exponential { mean: 2.0 },
            Distribution::Lognormal { median: 1.5, sigma: 0.5 },
        ] {
            let mut random = RandomStream::stream(1, 2, 3);
            let mean = (0..20_000).map(|_| distribution.draw(&mut random)).sum::<f64>() / 20_000.0;
            assert!((mean / distribution.mean() - 1.0).abs() < 0.05, "{distribution:?}: {mean}");
        }
    }
}
