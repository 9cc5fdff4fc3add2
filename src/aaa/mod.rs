//! The decision: a typed request, the state of one endpoint and the time go in; a verdict and records come out.
//!
//! No bytes, no socket, no clock. Everything that changes an endpoint happens here, under that endpoint's entry.

mod request;
mod verdict;

pub use request::{AccessRequest, AccountingKind, AccountingRequest, IdentityKind, Subject};
pub use verdict::{Accept, Accounted, Class, RejectReason, Verdict};
