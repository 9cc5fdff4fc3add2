//! Start-up, shutdown, and the wiring of the shells; decides nothing.
//!
//! ```text
//! restore      the state that the journal holds
//! startup      binds, starts the threads, ends them in order
//! notify       what the service manager is told
//! signals      what the operator tells the process
//! housekeeping what falls due, and reloads; its records go through keeping::background_writer
//! feeds        messages on their way from the journal into their logs
//! snapshots    all that is known, written beside the traffic
//! ```

mod dynamic_authorization;
mod feeds;
mod housekeeping;
mod http_tls;
mod notify;
mod restore;
mod settings;
mod signals;
mod snapshots;
mod startup;
mod stock_key;

pub use housekeeping::{Reload, Reloaded};

pub use http_tls::HttpTlsFiles;
pub use restore::{Applier, Restored, apply, restore, restore_from};
pub use settings::ServerSettings;
pub use signals::Signals;
pub use snapshots::Snapshot;
pub use startup::{ServeError, Server};
pub use stock_key::stock_key;
