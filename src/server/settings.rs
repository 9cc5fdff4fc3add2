//! What the shell is told: plain values, checked by whoever built them.

use std::net::SocketAddr;
use std::time::Duration;

use super::http_tls::HttpTlsFiles;
use crate::radius::settings::{GatewaySettings, TlsSettings};

/// Everything `serve` needs besides the decision and the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in attachd.toml")]
pub struct ServerSettings {
    /// Where Access-Requests are received; port 0 lets the kernel choose, and the ready line names
    /// what it chose.
    pub auth: Vec<SocketAddr>,
    /// Where Accounting-Requests are received.
    pub acct: Vec<SocketAddr>,
    /// RADIUS over TLS, if it is spoken.
    pub tls: Option<TlsSettings>,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
    /// How long a reply is remembered, 5 to 30 s (RFC 5080 2.2.2).
    pub duplicate_lifetime: Duration,
    /// How long an Access-Reject waits.
    pub reject_delay: Duration,
    /// The vendor number of our own dictionary.
    pub vendor: u32,
    /// Whether an Access-Accept names VSlice and group.
    pub vendor_attributes: bool,
    /// Where metrics, health and the views are served; nowhere, if it is switched off.
    pub http: Option<SocketAddr>,
    /// With which certificate; none: in the clear.
    pub http_tls: Option<HttpTlsFiles>,
    /// Whether metrics are shown under the names of freeradius_exporter, too.
    pub freeradius_metrics: bool,
    /// Whether people are shown pages at `/`.
    pub dashboard: bool,
    /// Who may speak to us.
    pub gateways: Vec<GatewaySettings>,
    /// Whether log lines show only the last digits of an identity.
    pub mask_identities: bool,
}
