//! The settings of a gateway: plain values, checked by whoever built them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::network::KeyPreset;
use crate::tls::Material;
use crate::wire::RadiusVersion;

/// One configured gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// The name in metrics, logs and views. Unique; what a gateway has taught us stays with its
    /// name over a reload.
    pub name: String,
    /// The addresses it sends from, at least one; the longest prefix wins.
    pub sources: Vec<IpNet>,
    /// The shared secrets, none empty. Any of them proves a request, and signs its reply. One
    /// without any speaks over TLS only.
    pub secrets: Vec<Box<[u8]>>,
    /// The names of its certificate by which it is known over TLS: DNS names in lower case, and
    /// addresses. None: it does not speak over TLS.
    pub tls_names: Vec<String>,
    pub require_message_authenticator: Requirement,
    /// Whether Proxy-State without Message-Authenticator is refused in Access-Requests.
    pub limit_proxy_state: bool,
    /// Whether an address that an Interim-Update does not say any more was given back (PROTOCOL 14).
    pub absent_is_released: bool,
    /// Requests a second; 0 is no limit.
    pub rate_limit: u32,
    pub dynamic_authorization: DynamicAuthorization,
}

/// How a gateway is told to end and change sessions (RFC 5176).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicAuthorization {
    /// `None`: it is not asked.
    pub target: Option<DynamicTarget>,
    /// `None`: what it turns out to know.
    pub keys: Option<KeyPreset>,
    /// Requests a second, from 1.
    pub rate: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamicTarget {
    /// This port of the address that its own packets come from.
    Port(u16),
    Address(SocketAddr),
    /// Down the connection that the gateway has opened to us.
    Connection,
}

impl Default for DynamicAuthorization {
    fn default() -> Self {
        Self { target: None, keys: None, rate: 20 }
    }
}

impl fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewaySettings")
            .field("name", &self.name)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// RADIUS over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where connections are accepted, at least one.
    pub listeners: Vec<SocketAddr>,
    pub material: Material,
    /// Versions of RADIUS that are offered.
    pub versions: Vec<RadiusVersion>,
    pub limits: TlsLimits,
}

/// How many connections there may be, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsLimits {
    /// Open connections of one gateway.
    pub connections: usize,
    /// Handshakes at once.
    pub half_open: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long a connection may be silent; none: for ever.
    pub idle: Option<Duration>,
}

/// Whether an Access-Request needs a Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    Yes,
    No,
    /// From the first valid one on.
    Auto,
}
