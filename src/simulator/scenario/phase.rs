//! The phases of a run: stretches of time, and what is asked of the server in each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of the run. Which keys it has depends on its kind: see [`Load`].
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseSpec {
    /// Its name in reports.
    pub name: String,
    /// What is asked of the server; it decides which of the further keys the phase has.
    pub kind: PhaseKind,
    /// How long it lasts, in seconds.
    pub for_s: f64,
    /// Attaches a second at the beginning (ramp).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Attaches a second at the end (ramp).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// Attaches a second (steady).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How attaches are spread over time (steady); absent: poisson. A burst is a second's worth at
    /// once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<ArrivalPattern>,
    /// Share of all endpoints that lose their session and attach anew (storm).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Within how many seconds they attach anew (storm); 0: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_s: Option<f64>,
    /// Attaches on their way at any time (closed).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    Ramp,
    Steady,
    Storm,
    Closed,
    Rest,
    Drain,
}

/// What is asked of the server in a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Attaches at a rate that grows evenly.
    Ramp { from: f64, to: f64 },
    /// Attaches at one rate.
    Steady { rate: f64, arrival: ArrivalPattern },
    /// A share of all endpoints loses its session without a word and attaches anew within `over_s`;
    /// 0: all at once. The phase ends when all of them are served.
    Storm { share: f64, over_s: f64 },
    /// Closed loop: so many attaches on their way at any time. Says nothing about waiting.
    Closed { in_flight: u32 },
    /// Nobody attaches.
    Rest,
    /// Every session is closed, evenly over the time.
    Drain,
}

/// How the attaches of one rate are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalPattern {
    Uniform,
    #[default]
    Poisson,
    /// A second's worth at once.
    Burst,
}

impl PhaseSpec {
    /// What its keys say; or the key that its kind misses, or does not have.
    ///
    /// # Errors
    /// With that key and what is wrong with it.
    pub fn load(&self) -> Result<Load, (&'static str, String)> {
        let keys = self.kind.keys();
        let given = [
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("rate", self.rate.is_some()),
            ("arrival", self.arrival.is_some()),
            ("share", self.share.is_some()),
            ("over_s", self.over_s.is_some()),
            ("in_flight", self.in_flight.is_some()),
        ];
        if let Some((key, _)) = given.iter().find(|(key, given)| *given && !keys.contains(key)) {
            return Err((
                key,
                format!(
                    "this kind of phase has only the keys name, kind, for_s {}",
                    keys.join(" ")
                ),
            ));
        }
        let number =
            |key, value: Option<f64>| value.ok_or((key, "this kind of phase needs it".to_owned()));
        Ok(match self.kind {
            PhaseKind::Ramp => {
                Load::Ramp { from: number("from", self.from)?, to: number("to", self.to)? }
            }
            PhaseKind::Steady => Load::Steady {
                rate: number("rate", self.rate)?,
                arrival: self.arrival.unwrap_or_default(),
            },
            PhaseKind::Storm => Load::Storm {
                share: number("share", self.share)?,
                over_s: number("over_s", self.over_s)?,
            },
            PhaseKind::Closed => Load::Closed {
                in_flight: number("in_flight", self.in_flight.map(f64::from))? as u32,
            },
            PhaseKind::Rest => Load::Rest,
            PhaseKind::Drain => Load::Drain,
        })
    }
}

impl PhaseKind {
    /// The keys it has besides name, kind and for_s.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Ramp => &["from", "to"],
            Self::Steady => &["rate", "arrival"],
            Self::Storm => &["share", "over_s"],
            Self::Closed => &["in_flight"],
            Self::Rest | Self::Drain => &[],
        }
    }
}
