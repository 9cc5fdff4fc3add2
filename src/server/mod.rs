//! The shell: sockets and workers, gateways, duplicates, translation between wire and decision, commit before reply, metrics, http.

pub mod clock;
pub mod duplicates;
pub mod gateways;
pub mod metrics;
pub mod replies;
mod settings;
pub mod tally;
pub mod translate;
pub mod udp;

pub use settings::{GatewaySettings, Requirement, Settings};
