//! The scenario: everything a run is told, in one schema that is read, merged and printed as TOML.
//!
//! Every key has a default, so a file says only what it changes. Names of keys and their units are
//! a contract with the users' files.

mod builtin;
mod check;
mod distribution;
mod fleet;
mod inventory;
mod keys;
mod limit;
mod pattern;
mod phase;
mod read;
mod target;

pub use builtin::{BUILTINS, Builtin};
pub use check::ScenarioFault;
pub use distribution::Distribution;
pub use fleet::{FleetSpec, Identify, State};
pub use keys::{ScenarioKey, keys, markdown};
pub use limit::{Bound, Limit, Metric, Scope};
pub use pattern::Pattern;
pub use phase::{ArrivalPattern, Load, PhaseKind, PhaseSpec};
pub use read::{Loaded, ScenarioError, SettingOverride, load};
pub use target::{Repeat, RetransmissionSpec, Target};

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One run, complete.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The built-in scenario that this one changes; a list replaces the whole list of that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// What the scenario shows, in one line.
    pub about: String,
    /// The seed of all random numbers: the same seed gives the same schedule and the same
    /// endpoints.
    pub seed: u64,
    /// How many threads; 0: one per core.
    pub threads: usize,
    /// Most requests that are on their way at once; beyond it endpoints wait, and the wait counts
    /// as latency.
    pub outstanding: usize,
    /// A request that begins later than this after its time has not kept the schedule; more than
    /// one in a hundred, and the run has failed.
    pub tolerance_ms: f64,
    /// How long the end waits for answers that are still owed.
    pub settle_s: f64,
    /// What must be true at the end: `p99 < 10 ms`, `loss < 0.01 %`, `rejects = expected`.
    #[schemars(with = "Vec<String>")]
    pub limits: Vec<Limit>,
    /// The server under test.
    pub target: Target,
    /// When gateways repeat a request, and when they turn to the next server.
    pub retransmission: RetransmissionSpec,
    /// What the referee expects of the server.
    pub expect: Expect,
    /// What goes wrong, as shares between 0 and 1.
    pub habits: Habits,
    /// The search for the highest rate that keeps the limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// The endpoint groups of the server: where the addresses of their endpoints come from.
    pub group: Vec<GroupSpec>,
    /// The packet gateways.
    pub gateway: Vec<GatewaySpec>,
    /// Endpoints that behave alike.
    pub fleet: Vec<FleetSpec>,
    /// The phases, one after the other.
    pub phase: Vec<PhaseSpec>,
    /// Restarts of gateways.
    pub reboot: Vec<RestartSpec>,
    /// Gateways whose clocks are wrong.
    pub clock: Vec<ClockSpec>,
}

/// What the referee may take for granted of the server.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Where a reply to an Access-Request has its Message-Authenticator: first, anywhere (present),
    /// or perhaps nowhere (any).
    pub message_authenticator: IntegrityCheck,
    /// Whether a reject names its reason as attachd does, in Reply-Message.
    pub reasons: bool,
    /// Whether a repeated request is answered with the same octets (RFC 5080 2.2.2).
    pub identical_duplicates: bool,
    /// Whether an endpoint that asks again while its session lives gets the same address.
    pub same_address: bool,
    /// For this long after its release an address must not be given to another endpoint.
    pub hold_s: f64,
    /// For this long a session keeps its address though nothing is heard of it.
    pub stale_s: f64,
}

/// Where a reply has its Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntegrityCheck {
    First,
    Present,
    Any,
}

/// An endpoint group of the server: where the addresses of its endpoints come from.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// The moniker of the group in the inventory.
    pub moniker: String,
    /// The moniker of its VSlice: addresses must be unique within it.
    pub vslice: String,
    /// Whether an endpoint keeps its address (static), or has it for one session (pooled).
    pub allocation: AllocationSpec,
    /// The subnets that addresses must come from; empty: addresses are not checked.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub subnets: Vec<Ipv4Net>,
    /// The APN its endpoints ask for; empty: none is sent.
    #[serde(default)]
    pub apn: String,
    /// The reason for which all its endpoints are refused, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllocationSpec {
    Static,
    Pooled,
}

/// One packet gateway, or several alike.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySpec {
    /// Its name, sent as NAS-Identifier.
    pub name: String,
    /// How many gateways are alike; their names end with -1, -2 and so on.
    #[serde(default = "one")]
    pub count: u16,
    /// NAS-IP-Address; further gateways count up from it.
    pub nas_ip: Ipv4Addr,
    /// The address it sends from; absent: the system chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The network in which its endpoints are served: MCC and MNC.
    #[serde(default = "home_plmn")]
    pub plmn: String,
}

/// What goes wrong, as shares between 0 and 1.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// Share of sessions that move to another gateway.
    pub roaming: f64,
    /// In which order a roaming endpoint leaves and arrives.
    pub roam: Roam,
    /// Share of sessions that last a moment only, after which the endpoint is back at once.
    pub flapping: f64,
    /// Share of sessions that end without a Stop.
    pub lost_stops: f64,
    /// Share of datagrams to the server that are lost.
    pub lost: f64,
    /// Share of datagrams to the server that arrive twice.
    pub duplicated: f64,
    /// Share of datagrams to the server that are overtaken by the next one.
    pub reordered: f64,
    /// Share of datagrams to the server that are delayed by `late_by_s`.
    pub late: f64,
    /// How long delayed datagrams are delayed, in seconds.
    pub late_by_s: f64,
    /// Share of datagrams to the server of which an octet is changed.
    pub corrupted: f64,
    /// Share of requests that are signed with a wrong secret.
    pub wrong_secret: f64,
    /// Share of replies that are lost.
    pub lost_replies: f64,
}

/// In which order a roaming endpoint leaves and arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Roam {
    #[default]
    StopThenStart,
    StartFirst,
    NoStop,
}

/// A gateway restarts: its sessions are gone.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RestartSpec {
    /// The name of a gateway; of several alike with `-1`, `-2` and so on.
    pub gateway: String,
    /// When it goes down, in seconds after the start.
    pub at_s: f64,
    /// How long nobody can attach there, in seconds.
    pub takes_s: f64,
    /// Whether it says so with Accounting-Off before it goes.
    #[serde(default)]
    pub planned: bool,
    /// Whether it says so with Accounting-On when it is back.
    #[serde(default = "yes")]
    pub announced: bool,
}

/// A gateway's clock is set: what the gateway reports from then on has an Event-Timestamp that is
/// so far off.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSpec {
    /// The name of a gateway; of several alike with `-1`, `-2` and so on.
    pub gateway: String,
    /// When it is set, in seconds after the start.
    #[serde(default)]
    pub at_s: f64,
    /// How far it is ahead of the right time then, in seconds; negative: behind.
    pub ahead_s: i64,
}

/// The search for the highest rate that keeps the limits.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Attaches a second to begin with; doubled until a limit breaks.
    pub from: f64,
    /// The highest rate to try.
    pub to: f64,
    /// How long each rate is held, in seconds.
    pub step_s: f64,
    /// Ends when the answer is known this well, as a share of it.
    pub precision: f64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            extends: None,
            about: String::new(),
            seed: 1,
            threads: 0,
            outstanding: 32_768,
            tolerance_ms: 10.0,
            settle_s: 35.0,
            limits: Vec::new(),
            target: Target::default(),
            retransmission: RetransmissionSpec::default(),
            expect: Expect::default(),
            habits: Habits::default(),
            search: None,
            group: Vec::new(),
            gateway: Vec::new(),
            fleet: Vec::new(),
            phase: Vec::new(),
            reboot: Vec::new(),
            clock: Vec::new(),
        }
    }
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            message_authenticator: IntegrityCheck::First,
            reasons: true,
            identical_duplicates: true,
            same_address: true,
            hold_s: 60.0,
            stale_s: 3600.0,
        }
    }
}

impl Scenario {
    /// The names of all gateways; those of several alike are numbered from 1.
    pub fn gateway_names(&self) -> impl Iterator<Item = String> {
        self.gateway.iter().flat_map(GatewaySpec::names)
    }
}

impl GatewaySpec {
    fn names(&self) -> impl Iterator<Item = String> {
        let alone = self.count == 1;
        (1..=self.count).map(move |number| {
            if alone { self.name.clone() } else { format!("{}-{number}", self.name) }
        })
    }
}

const fn one() -> u16 {
    1
}

const fn yes() -> bool {
    true
}

fn home_plmn() -> String {
    "23450".to_owned()
}
