//! The RADIUS shell: datagrams in, decisions by `aaa`, records to the journal, and replies out once
//! their records are durable.
//!
//! The files in the order of a datagram's way:
//!
//! ```text
//! worker        udp → worker_core → udp, in batches; one thread a core
//! worker_core   what waits: replies for their records, rejects for their delay
//! pipeline      one datagram from framing to reply
//! gateways      who may send, by source address
//! authenticate  what must be signed
//! duplicates    requests that were answered before
//! translate     from attributes to a typed request
//! pending_batch the records of a batch, and what waits for them
//! answer        from a verdict to the attributes of the reply
//! replies       the replies of a batch, and where they go
//! over_tls      the same for packets that come by TLS connections
//! log_throttle  log lines about what was refused, at a bounded rate
//! context       what all threads of the server share
//! ```

pub mod answer;
pub(crate) mod authenticate;
pub mod connection_id;
pub(crate) mod context;
pub mod duplicates;
pub mod gateways;
pub(crate) mod log_throttle;
pub mod over_tls;
pub mod pending_batch;
pub mod pipeline;
pub(crate) mod remembered;
pub mod replies;
pub(crate) mod settings;
pub mod shares;
#[cfg(test)]
pub(crate) mod tests;
pub mod translate;
pub(crate) mod worker;
pub mod worker_core;
pub use settings::{
    DynamicAuthorization, DynamicTarget, GatewaySettings, Requirement, TlsLimits, TlsSettings,
};
