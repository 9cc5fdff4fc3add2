//! The shell: sockets and workers, gateways, duplicates, translation between wire and decision, commit before reply, metrics, http.
//!
//! ```text
//! restore     the state that the journal holds
//! startup     binds, starts the threads, ends them in order
//! signals     what the operator tells the process
//! worker      udp → worker_core → udp, in batches; one thread a core
//! worker_core what waits: receipts for the journal, rejects for their delay
//! pipeline    one datagram: gateways, authenticate, duplicates, translate, aaa, answer
//! housekeeping what falls due, and reloads; its records go through background_writer
//! reloads     who has asked for one, and waits for its outcome
//! snapshots   all that is known, written beside the traffic
//! watch       whether all threads live and move
//! http        metrics, health, views, the reload by request
//! connections who may ask, and for how long
//! ```

pub mod answer;
mod authenticate;
mod background_writer;
pub mod clock;
pub mod commit;
mod connections;
pub mod counters;
pub mod duplicates;
pub mod gateways;
mod health;
mod housekeeping;
mod http;
mod log_throttle;
pub mod metrics;
pub mod pending_batch;
pub mod pipeline;
mod reloads;
mod remembered;
pub mod replies;
mod restore;
mod settings;
pub mod shares;
mod signals;
mod snapshots;
mod startup;
pub mod translate;
mod view;
mod watch;
mod worker;
pub mod worker_core;

pub use background_writer::BackgroundWriter;
pub use health::{Health, HealthSeverity};
pub use housekeeping::{Reload, Reloaded};
pub use reloads::{Applied, ReloadOutcome, Reloads};
pub use restore::{Applier, Restored, apply, restore, restore_from};
pub use settings::{GatewaySettings, Requirement, ServerSettings};
pub use signals::Signals;
pub use snapshots::Snapshot;
pub use startup::{ServeError, Server};

#[cfg(test)]
mod tests;
