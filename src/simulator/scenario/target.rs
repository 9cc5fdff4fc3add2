//! The server under test, and the patience that gateways have with it.

use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server under test.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// Where Access-Requests go: the primary server first, then those that are failed over to.
    pub auth: Vec<SocketAddr>,
    /// Where Accounting-Requests go, in the same order.
    pub acct: Vec<SocketAddr>,
    /// The secret shared with the server.
    pub secret: String,
    /// Where attachd shows its sessions over HTTP; they are compared with the model at the end.
    /// Absent: not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// The vendor number of attachd's own attributes.
    pub vendor_id: u32,
    /// Seconds between two Status-Server requests to each server; 0: none (RFC 5997 4.1: off by
    /// default).
    pub status_interval_s: f64,
    /// The run ends when the server has not given one valid answer for this long, in seconds.
    pub patience_s: f64,
}

/// When gateways repeat (RFC 5080 2.2.1) and when they turn to the next server.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetransmissionSpec {
    /// Of Access-Requests.
    pub access: Repeat,
    /// Of Accounting-Requests.
    pub accounting: Repeat,
    /// After this many unanswered copies the next server is asked.
    pub failover_after: u32,
    /// How long a server that did not answer is not asked, in seconds.
    pub dead_s: f64,
}

/// The four numbers of RFC 5080 2.2.1: IRT, MRC, MRT, MRD. 0: no such limit.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// How long the first copy is waited for (IRT); each further wait is twice the one before.
    pub initial_s: f64,
    /// How often the request is sent at most (MRC); 0: no limit.
    pub transmissions: u32,
    /// The longest wait (MRT); 0: no limit.
    pub ceiling_s: f64,
    /// When the request is given up, counted from the first copy (MRD); 0: never.
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

impl Default for RetransmissionSpec {
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
