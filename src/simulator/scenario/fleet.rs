//! The fleets of a run: endpoints that behave alike, with their identities and habits.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Distribution, Pattern};

/// Endpoints that behave alike.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FleetSpec {
    /// Its name in reports.
    pub name: String,
    /// How many endpoints; with `endpoints`: at most so many rows of the file, 0: all.
    #[serde(default)]
    pub count: u32,
    /// The number of the first endpoint, which the patterns show; the others count up.
    #[serde(default = "first")]
    pub first: u32,
    /// A file like the inventory's endpoints.csv, instead of the patterns; relative to the folder
    /// of the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<PathBuf>,
    /// With `endpoints`: only the rows of this group. With patterns: the group in which the server
    /// has them.
    #[serde(default)]
    pub group: String,
    /// The ICCIDs: `#` stands for a digit of the endpoint's number, a last `L` for the Luhn digit.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<Pattern>,
    /// The IMSIs, in the same way.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<Pattern>,
    /// The MSISDNs, in the same way.
    #[schemars(with = "Option<String>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<Pattern>,
    /// As provisioned at the server; decides whether it must accept.
    #[serde(default)]
    pub state: State,
    /// Which identity the gateway sends.
    #[serde(default)]
    pub identify: Identify,
    /// The password that its Access-Requests carry (User-Password, PAP); absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether it asks for permission to attach before each session and reports its detach
    /// (Attachd-Network-Event).
    #[serde(default)]
    pub network_events: bool,
    /// Shares of the radio technologies by number (3GPP TS 29.061 16.4.7.2-21), as pairs.
    #[serde(default = "narrow_band")]
    pub rat: Vec<(u8, f64)>,
    /// Seconds between interim reports where the server does not say; 0: none.
    #[serde(default)]
    pub interim_s: u32,
    /// How long a session lasts, in seconds.
    #[serde(default = "an_hour")]
    pub session_s: Distribution,
    /// How long it stays attached without a session between two sessions, in seconds; absent: it
    /// detaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_s: Option<Distribution>,
    /// Octets a second that the device sends; it receives four times as many.
    #[serde(default = "a_meter")]
    pub octets_s: Distribution,
    /// How long it waits after a failed attempt, in seconds: the first wait, and the longest. Each
    /// wait doubles the one before, and is shortened at random.
    #[serde(default = "back_off")]
    pub back_off_s: (f64, f64),
}

/// The provisioning states, and `unknown` for an endpoint that the server has never heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    #[default]
    Active,
    Pending,
    Suspended,
    Terminated,
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identify {
    Iccid,
    #[default]
    Imsi,
    Msisdn,
    UserName,
}

impl State {
    /// The reason with which attachd refuses an endpoint in this state; none if it accepts.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Active => None,
            Self::Pending => Some("endpoint-pending"),
            Self::Suspended => Some("endpoint-suspended"),
            Self::Terminated => Some("endpoint-terminated"),
            Self::Unknown => Some("endpoint-unknown"),
        }
    }
}

const fn first() -> u32 {
    1
}

fn narrow_band() -> Vec<(u8, f64)> {
    vec![(8, 1.0)]
}

const fn an_hour() -> Distribution {
    Distribution::Fixed(3600.0)
}

const fn a_meter() -> Distribution {
    Distribution::Uniform { min: 10.0, max: 200.0 }
}

const fn back_off() -> (f64, f64) {
    (1.0, 64.0)
}
