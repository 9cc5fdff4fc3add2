//! What is happening: the network state of every SIM, its sessions and leases, and the tracker that
//! holds them by ICCID.
//!
//! Everything but the tracker is pure: `now` comes in, an outcome comes out. The tracker is the
//! only place that names dashmap.

mod access_point;
mod accounting;
mod authorisation;
mod bearer;
mod bound;
mod counters;
mod endpoint;
mod event_time;
mod interned;
mod lease;
pub(crate) mod leasing;
mod location_info;
mod marking;
mod matching;
mod nas;
mod order;
mod outage;
mod outcome;
mod regroup;
mod report;
mod restart;
mod session;
mod state;
mod text;
mod tracker;
mod violation;

pub use authorisation::{authorise, mix};
pub use bearer::{Bearer, Status};
pub use bound::MAX_RECORD;
pub use endpoint::{EndpointState, Leases, SessionLimits};
pub use event_time::{
    EventTime, OddTimes, Skew, Stamp, is_sane_session_time, read as read_event_time,
};
pub use lease::{AuthorisationNumber, Lease, LeaseKind, LeasePhase, ReleasedLease};
pub use nas::{Nas, Reporter};
pub use order::{
    CoaChange, KeyPreset, OrderAction, OrderAnswer, OrderKey, OrderPhase, OrderReason, OrderResult,
    SessionKeys, SessionOrder,
};
pub use outage::{Outage, Outages};
pub use outcome::{Close, CloseCause, Closed, Effect, Few, Outcome};
pub use report::{Counters, Families, LocationInfo, Report};
pub use restart::{Restart, RestartMark, Restarts};
pub use session::{Ended, Ending, Session, SessionPrefixes};
pub use state::{Event, NetworkState, Step};
pub use tracker::{Cursor, Tracker};
pub use violation::PolicyViolation;

#[cfg(test)]
mod tests;
