//! The shell: sockets and workers, gateways, duplicates, translation between wire and decision, commit before reply, metrics, http.

pub mod duplicates;
pub mod gateways;
mod settings;
pub mod udp;

pub use settings::{GatewaySettings, Requirement, Settings};
