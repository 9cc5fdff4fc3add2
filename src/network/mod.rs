//! What is happening: the network state of every SIM, its sessions and leases, and the tracker that holds them by ICCID.
//!
//! Everything but the tracker is pure: `now` comes in, an outcome comes out. The tracker is the only place that names dashmap.

mod report;
mod state;

pub use report::{Counters, Nas, Place, Report, Reporter};
pub use state::{Event, NetworkState, Step};
