//! The things a catalog holds: VSlices with their subnets, and groups.

use std::fmt;
use std::net::IpAddr;

use compact_str::CompactString;
use ipnet::IpNet;

use crate::address::{Address, AddressBlock, AddressKind};
use crate::identity::{Apn, EventMapId, Moniker, PolicyId, VsliceId};

/// How long an address stays an endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// Once given, the endpoint keeps it.
    Static,
    /// Given for the length of a session.
    Pooled,
}

/// A range of addresses of a VSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// What is given: IPv4 addresses, or prefixes of one length.
    pub block: AddressBlock,
    pub allocation: Allocation,
    /// Ranges inside it that are never handed out.
    pub exclude: Vec<IpNet>,
}

/// An isolated private network. Its addresses mean nothing outside it: another VSlice may have the
/// same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vslice {
    pub moniker: Moniker,
    pub name: CompactString,
    pub enabled: bool,
    /// At most two servers of each family, primary first.
    pub dns: Vec<IpAddr>,
    /// In the order in which they are used.
    pub subnets: Vec<Subnet>,
    /// Who is told of what happens in it. Stored and shown only.
    pub event_map: Option<EventMapId>,
}

/// How a group wants its users to prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialMethod {
    /// RFC 2865 5.2
    Pap,
    /// RFC 2865 5.3
    Chap,
}

impl CredentialMethod {
    /// The name in files and JSON.
    #[must_use]
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::Pap => "pap",
            Self::Chap => "chap",
        }
    }
}

/// The user name and password that a group demands.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub method: CredentialMethod,
    pub username: CompactString,
    pub password: CompactString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The configuration that every endpoint in it inherits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub moniker: Moniker,
    pub name: CompactString,
    pub vslice: VsliceId,
    pub enabled: bool,
    pub allocation: Allocation,
    /// Empty: any APN.
    pub apns: Vec<Apn>,
    /// Seconds; 0 is "not sent".
    pub session_timeout_s: u32,
    /// Seconds; 0 is "not sent".
    pub idle_timeout_s: u32,
    /// Seconds; 0 is "not sent".
    pub interim_interval_s: u32,
    /// `None`: the network has authenticated the SIM, and that is enough.
    pub credentials: Option<Credentials>,
    /// Where its endpoints may be used. This and what follows is stored and shown only.
    pub policy: Option<PolicyId>,
    /// Who is told of what happens to its endpoints.
    pub event_map: Option<EventMapId>,
    /// What is granted where a request asks for no family (PROTOCOL 14).
    pub families: AddressFamilies,
    /// Whether one family is granted where the other has no address left.
    pub partial_dual_stack: bool,
    /// Whether its endpoints' sessions are disconnected when the endpoints are barred.
    pub disconnect: bool,
}

/// The address families that a group grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressFamilies {
    #[default]
    Ipv4,
    Ipv6,
    Both,
}

/// What would take more room in the journal than an object may have, so that one change cannot hold
/// all others up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTooLarge {
    what: &'static str,
    octets: usize,
    most: usize,
}

impl RecordTooLarge {
    /// Of a VSlice or a group: some hundred thousand ranges, or ten thousand APNs.
    pub(super) const MOST: usize = 1 << 20;

    pub(super) const fn check(what: &'static str, octets: usize, most: usize) -> Result<(), Self> {
        if octets <= most { Ok(()) } else { Err(Self { what, octets, most }) }
    }
}

impl fmt::Display for RecordTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} octets is too large to be recorded: at most {}",
            self.what, self.octets, self.most
        )
    }
}

impl std::error::Error for RecordTooLarge {}

impl Allocation {
    /// The name in files, metrics and JSON.
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Pooled => "pooled",
        }
    }
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.moniker())
    }
}

impl AddressFamilies {
    pub const ALL: [Self; 3] = [Self::Ipv4, Self::Ipv6, Self::Both];

    /// The words of the list in files and JSON.
    pub const fn monikers(self) -> &'static [&'static str] {
        match self {
            Self::Ipv4 => &["ipv4"],
            Self::Ipv6 => &["ipv6"],
            Self::Both => &["ipv4", "ipv6"],
        }
    }

    /// By the words, in any order.
    ///
    /// # Errors
    /// If there are none, or others.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, &'static str> {
        const RULE: &str = "families holds \"ipv4\", \"ipv6\" or both";
        let (mut has_ipv4, mut has_ipv6) = (false, false);
        for word in words {
            match word {
                "ipv4" => has_ipv4 = true,
                "ipv6" => has_ipv6 = true,
                _ => return Err(RULE),
            }
        }
        match (has_ipv4, has_ipv6) {
            (true, false) => Ok(Self::Ipv4),
            (false, true) => Ok(Self::Ipv6),
            (true, true) => Ok(Self::Both),
            (false, false) => Err(RULE),
        }
    }
}

impl Group {
    /// With the defaults of the files: enabled, static addresses, any APN, interims every ten
    /// minutes.
    #[must_use]
    pub fn new(moniker: Moniker, name: &str, vslice: VsliceId) -> Self {
        Self {
            moniker,
            name: name.into(),
            vslice,
            enabled: true,
            allocation: Allocation::Static,
            apns: Vec::new(),
            session_timeout_s: 0,
            idle_timeout_s: 0,
            interim_interval_s: 600,
            credentials: None,
            policy: None,
            event_map: None,
            families: AddressFamilies::default(),
            partial_dual_stack: false,
            disconnect: true,
        }
    }

    /// Whether its record has a bounded size.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    pub fn record_fits(&self) -> Result<(), RecordTooLarge> {
        let apns: usize = self.apns.iter().map(|apn| 2 + apn.as_str().len()).sum();
        RecordTooLarge::check("a group", 1024 + self.name.len() + apns, RecordTooLarge::MOST)
    }
}

impl Vslice {
    /// Whether its record has a bounded size.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    pub fn record_fits(&self) -> Result<(), RecordTooLarge> {
        let subnets: usize = self.subnets.iter().map(|subnet| 32 + 18 * subnet.exclude.len()).sum();
        RecordTooLarge::check("a VSlice", 1024 + self.name.len() + subnets, RecordTooLarge::MOST)
    }

    /// Its subnets of one kind, in the order in which they are used.
    pub fn subnets_of(&self, kind: Allocation) -> impl Iterator<Item = &Subnet> {
        self.subnets.iter().filter(move |subnet| subnet.allocation == kind)
    }

    /// Whether it has a subnet that gives such addresses in this way.
    pub fn gives(&self, allocation: Allocation, kind: AddressKind) -> bool {
        self.subnets_of(allocation).any(|subnet| subnet.block.kind() == kind)
    }
}

impl Subnet {
    /// Whether an address may be handed out: inside, not excluded, and not reserved.
    pub fn offers(&self, ip: Address) -> bool {
        self.block.offers(ip, &self.exclude)
    }

    /// How many addresses may be handed out.
    pub fn capacity(&self) -> u64 {
        self.block.capacity(&self.exclude)
    }
}
