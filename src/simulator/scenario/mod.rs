//! The scenario: everything a run is told, in one schema that is read, merged and printed as TOML.
//!
//! Every key has a default, so a file says only what it changes. Names of keys and their units are a contract with the users' files.

mod builtin;
mod check;
mod distribution;
mod inventory;
mod limit;
mod pattern;
mod read;

pub use builtin::{BUILTINS, Builtin};
pub use check::Fault;
pub use distribution::Distribution;
pub use limit::{Bound, Limit, Metric, Scope};
pub use pattern::Pattern;
pub use read::{Change, Loaded, ScenarioError, load};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

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

/// The server under test.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// Primary first; the others are failed over to.
    pub auth: Vec<SocketAddr>,
    pub acct: Vec<SocketAddr>,
    pub secret: String,
    /// Where the server shows its state as JSON; it is compared with the model at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// The vendor number of attachd's own attributes.
    pub vendor_id: u32,
    /// Status-Server to every server this often; 0: never (RFC 5997 4.1: off by default).
    pub status_interval_s: f64,
    /// A target that has not given one valid answer for so long is given up.
    pub patience_s: f64,
}

/// When gateways repeat (RFC 5080 2.2.1) and when they turn to the next server.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retransmission {
    pub access: Repeat,
    pub accounting: Repeat,
    /// After so many unanswered copies the next server is asked.
    pub failover_after: u32,
    /// For so long a server that did not answer is left alone.
    pub dead_s: f64,
}

/// The four numbers of RFC 5080 2.2.1: IRT, MRC, MRT, MRD. 0: no such limit.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub initial_s: f64,
    pub transmissions: u32,
    pub ceiling_s: f64,
    pub total_s: f64,
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

/// Endpoints that behave alike.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    pub name: String,
    /// How many; of a file: at most so many of its rows, 0: all.
    #[serde(default)]
    pub count: u32,
    /// The number of the first; the others count up.
    #[serde(default = "first")]
    pub first: u32,
    /// An inventory's endpoints.csv, instead of the patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<PathBuf>,
    /// Of a file: only the rows of this group. Of patterns: the group that the server has them in.
    #[serde(default)]
    pub group: String,
    /// `#` stands for a digit of the endpoint's number, a last `L` for the Luhn digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<Pattern>,
    /// As provisioned at the server; decides whether it must accept.
    #[serde(default)]
    pub state: State,
    /// Which identity the gateway sends.
    #[serde(default)]
    pub identify: Identify,
    /// PAP password; absent: no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Asks leave to attach and reports the detach (Attachd-Network-Event).
    #[serde(default)]
    pub network_events: bool,
    /// Shares of the radio technologies by number (3GPP TS 29.061 16.4.7.2-21), as pairs.
    #[serde(default = "narrow_band")]
    pub rat: Vec<(u8, f64)>,
    /// Seconds between interim reports where the server does not say; 0: none.
    #[serde(default)]
    pub interim_s: u32,
    #[serde(default = "an_hour")]
    pub session_s: Distribution,
    /// Rests so long between two sessions without detaching; absent: detaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_s: Option<Distribution>,
    /// Octets a second from the device; it receives four times as many.
    #[serde(default = "a_meter")]
    pub octets_s: Distribution,
    /// Waits so long after a failed attempt, doubling up to the second, each with full jitter.
    #[serde(default = "back_off")]
    pub back_off_s: (f64, f64),
}

/// The provisioning states, and `unknown` for an endpoint that the server has never heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    #[default]
    Active,
    Pending,
    Suspended,
    Terminated,
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identify {
    Iccid,
    #[default]
    Imsi,
    Msisdn,
    UserName,
}

/// A stretch of the run. Which keys it has depends on its kind: see [`Load`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    pub name: String,
    pub kind: PhaseKind,
    pub for_s: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
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
    Steady { rate: f64, arrival: Arrival },
    /// A share of all endpoints loses its session without a word and attaches anew within `over_s`; 0: all at once. The phase ends when
    /// all of them are served.
    Storm { share: f64, over_s: f64 },
    /// Closed loop: so many attaches on their way at any time. Says nothing about waiting.
    Closed { in_flight: u32 },
    /// Nobody attaches.
    Rest,
    /// Every session is closed, evenly over the time.
    Drain,
}

/// How the attaches of one rate are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    Uniform,
    #[default]
    Poisson,
    /// A second's worth at once.
    Burst,
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

impl Default for Target {
    fn default() -> Self {
        Self {
            auth: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1812))],
            acct: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 1813))],
            secret: "testing123".to_owned(),
            http: None,
            vendor_id: 32473,
            status_interval_s: 0.0,
            patience_s: 10.0,
        }
    }
}

impl Default for Retransmission {
    fn default() -> Self {
        Self {
            access: Repeat { initial_s: 2.0, transmissions: 5, ceiling_s: 16.0, total_s: 30.0 },
            // RFC 5080 2.2.1: accounting is repeated until it is answered.
            accounting: Repeat { initial_s: 2.0, transmissions: 0, ceiling_s: 0.0, total_s: 0.0 },
            failover_after: 2,
            dead_s: 30.0,
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

impl Phase {
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
            return Err((key, format!("this kind of phase has only the keys name, kind, for_s {}", keys.join(" "))));
        }
        let number = |key, value: Option<f64>| value.ok_or((key, "this kind of phase needs it".to_owned()));
        Ok(match self.kind {
            PhaseKind::Ramp => Load::Ramp { from: number("from", self.from)?, to: number("to", self.to)? },
            PhaseKind::Steady => Load::Steady { rate: number("rate", self.rate)?, arrival: self.arrival.unwrap_or_default() },
            PhaseKind::Storm => Load::Storm { share: number("share", self.share)?, over_s: number("over_s", self.over_s)? },
            PhaseKind::Closed => Load::Closed { in_flight: number("in_flight", self.in_flight.map(f64::from))? as u32 },
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

const fn one() -> u16 {
    1
}

const fn first() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

fn home_plmn() -> String {
    "23450".to_owned()
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
