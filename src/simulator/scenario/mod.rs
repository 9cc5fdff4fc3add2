//! The scenario: everything a run is told, in one schema that is read, merged and printed as TOML.
//!
//! Every key has a default, so a file says only what it changes. Names of keys and their units are a contract with the users' files.

mod builtin;
mod check;
mod distribution;
mod fleet;
mod inventory;
mod limit;
mod pattern;
mod phase;
mod read;
mod target;

pub use builtin::{BUILTINS, Builtin};
pub use check::Fault;
pub use distribution::Distribution;
pub use fleet::{Fleet, Identify, State};
pub use limit::{Bound, Limit, Metric, Scope};
pub use pattern::Pattern;
pub use phase::{Arrival, Load, Phase, PhaseKind};
pub use read::{Change, Loaded, ScenarioError, load};
pub use target::{Repeat, Retransmission, Target};

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// One run, complete.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The built-in scenario that this one changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// What the scenario shows, in one line.
    pub about: String,
    /// Same seed, same schedule and same endpoints.
    pub seed: u64,
    /// Threads; 0: one per core.
    pub threads: usize,
    /// Requests on their way at once; beyond it endpoints wait, and their wait counts as latency.
    pub outstanding: usize,
    /// A request that begins later than this after its time has not kept the schedule; more than one in a hundred, and the run has failed.
    pub tolerance_ms: f64,
    /// How long the end waits for answers that are still owed.
    pub settle_s: f64,
    /// What must be true at the end: `p99 < 10 ms`, `loss < 0.01 %`, `rejects = expected`.
    pub limits: Vec<Limit>,
    pub target: Target,
    pub retransmission: Retransmission,
    pub expect: Expect,
    pub habits: Habits,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    pub group: Vec<Group>,
    pub gateway: Vec<Gateway>,
    pub fleet: Vec<Fleet>,
    pub phase: Vec<Phase>,
    pub reboot: Vec<Reboot>,
}

/// What the referee may take for granted of the server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// In replies to an Access-Request.
    pub message_authenticator: Integrity,
    /// Whether a reject names its reason as attachd does, in Reply-Message.
    pub reasons: bool,
    /// Whether a repeated request is answered with the same octets (RFC 5080 2.2.2).
    pub identical_duplicates: bool,
    /// Whether an endpoint that asks again while its session lives gets the same address.
    pub same_address: bool,
    /// For so long after its release nobody else gets an address.
    pub hold_s: f64,
    /// For so long a session of which nothing is heard keeps its address.
    pub stale_s: f64,
}

/// Where a reply has its Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    First,
    Present,
    Any,
}

/// An endpoint group of the server: where the addresses of its endpoints come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub moniker: String,
    pub vslice: String,
    pub allocation: Allocation,
    /// Empty: addresses are not judged.
    #[serde(default)]
    pub subnets: Vec<Ipv4Net>,
    /// The APN its endpoints ask for; empty: none is sent.
    #[serde(default)]
    pub apn: String,
    /// The reason for which all its endpoints are refused, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocation {
    Static,
    Pooled,
}

/// One packet gateway, or several alike.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub name: String,
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
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// Of sessions: moves to another gateway.
    pub roaming: f64,
    pub roam: Roam,
    /// Of sessions: lasts a moment only, and the endpoint is back at once.
    pub flapping: f64,
    /// Of sessions: ends without a Stop.
    pub lost_stops: f64,
    /// Of datagrams, on their way to the server:
    pub lost: f64,
    pub duplicated: f64,
    pub reordered: f64,
    pub late: f64,
    pub late_by_s: f64,
    pub corrupted: f64,
    pub wrong_secret: f64,
    /// Of datagrams, on their way back.
    pub lost_replies: f64,
}

/// In which order a roaming endpoint leaves and arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Roam {
    #[default]
    StopThenStart,
    StartFirst,
    NoStop,
}

/// A gateway restarts: its sessions are gone.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reboot {
    /// The name of a gateway; of several alike with `-1`, `-2` and so on.
    pub gateway: String,
    pub at_s: f64,
    /// For so long nobody can attach there.
    pub takes_s: f64,
    /// Whether it says so with Accounting-Off before it goes.
    #[serde(default)]
    pub planned: bool,
    /// Whether it says so with Accounting-On when it is back.
    #[serde(default = "yes")]
    pub announced: bool,
}

/// The search for the highest rate that keeps the limits.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Attaches a second to begin with; doubled until a limit breaks.
    pub from: f64,
    pub to: f64,
    /// How long each rate is held.
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
            retransmission: Retransmission::default(),
            expect: Expect::default(),
            habits: Habits::default(),
            search: None,
            group: Vec::new(),
            gateway: Vec::new(),
            fleet: Vec::new(),
            phase: Vec::new(),
            reboot: Vec::new(),
        }
    }
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            message_authenticator: Integrity::First,
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
        self.gateway.iter().flat_map(Gateway::names)
    }
}

impl Gateway {
    fn names(&self) -> impl Iterator<Item = String> {
        let alone = self.count == 1;
        (1..=self.count).map(move |number| if alone { self.name.clone() } else { format!("{}-{number}", self.name) })
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
