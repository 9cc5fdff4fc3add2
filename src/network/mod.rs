//! What is happening: the network state of every SIM, its sessions and leases, and the tracker that holds them by ICCID.
//!
//! Everything but the tracker is pure: `now` comes in, an outcome comes out. The tracker is the only place that names dashmap.

mod access_point;
mod accounting;
mod bearer;
mod bound;
mod counters;
mod endpoint;
mod lease;
mod outcome;
mod regroup;
mod report;
mod restart;
mod session;
mod state;
mod text;
mod tracker;
mod whereabouts;

pub use bearer::{Bearer, Status};
pub use bound::MAX_RECORD;
pub use endpoint::{EndpointState, Leases, Limits};
pub use lease::{Freed, Lease, LeaseKind, LeasePhase};
pub use outcome::{CloseCause, Closed, Effect, Few, Outcome};
pub use report::{Counters, Nas, Place, Report, Reporter};
pub use restart::{Mark, Restart, Restarts};
pub use session::{Ended, Session};
pub use state::{Event, NetworkState, Step};
pub use tracker::{Cursor, Tracker};

#[cfg(test)]
mod tests;
