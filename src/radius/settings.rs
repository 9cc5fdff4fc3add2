//! The settings of a gateway: plain values, checked by whoever built them.

use std::fmt;

use ipnet::IpNet;

/// One configured gateway.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// The name in metrics, logs and views. Unique; what a gateway has taught us stays with its
    /// name over a reload.
    pub name: String,
    /// The addresses it sends from, at least one; the longest prefix wins.
    pub sources: Vec<IpNet>,
    /// The shared secrets, at least one and none empty. Any of them proves a request, and signs its
    /// reply.
    pub secrets: Vec<Box<[u8]>>,
    pub require_message_authenticator: Requirement,
    /// Whether Proxy-State without Message-Authenticator is refused in Access-Requests.
    pub limit_proxy_state: bool,
    /// Requests a second; 0 is no limit.
    pub rate_limit: u32,
}

impl fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewaySettings")
            .field("name", &self.name)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// Whether an Access-Request needs a Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    Yes,
    No,
    /// From the first valid one on.
    Auto,
}
