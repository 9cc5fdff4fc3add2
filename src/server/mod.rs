//! The shell: sockets and workers, gateways, duplicates, translation between wire and decision, commit before reply, metrics, http.

pub mod answer;
pub mod clock;
pub mod commit;
mod complaints;
pub mod desk;
pub mod duplicates;
pub mod gateways;
pub mod ledger;
pub mod metrics;
pub mod pipeline;
pub mod replies;
mod settings;
pub mod tally;
pub mod translate;
pub mod udp;

pub use settings::{GatewaySettings, Requirement, Settings};

#[cfg(test)]
mod tests;
