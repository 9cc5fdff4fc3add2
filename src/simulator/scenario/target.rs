//! The server under test, and the patience that gateways have with it.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

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
