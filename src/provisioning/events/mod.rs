//! Who is told of what: event types, maps that subscribe to them, and the handlers they go to.

mod event_type;
mod handler;
mod map;

pub use event_type::{EventScope, EventType};
pub use handler::{EventHandler, Webhook};
pub use map::{EventMap, Subscription};
