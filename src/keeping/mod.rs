//! The way into the journal: who records a decision gets a ticket, and learns when its records are
//! durable.

pub(crate) mod background_writer;
pub mod commit;
pub(crate) mod message_feed;
pub use background_writer::{BackgroundWriter, WriterSink};
pub use message_feed::MessageFeed;
