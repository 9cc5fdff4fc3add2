//! Events: what is told of a change, as JSON, and which types anybody wants.
//!
//! Made by the decision maker from what it decided, and recorded in the same commit. Where an event
//! of another kind is to be told, [`EventMaker::about_endpoint`] and [`EventMaker::about`] are the
//! place.

mod changes;
mod demand;
mod envelope;
mod json;
mod kind;
mod maker;
mod session;
mod throttle;

pub use changes::{Departure, EndpointBefore, EndpointNow};
pub use demand::{EventDemand, StreamDemand, TypeSet};
pub use envelope::EventEnvelope;
pub use json::JsonObject;
pub use kind::EventKind;
pub use maker::{EventMaker, EventSink, EventSubject};
