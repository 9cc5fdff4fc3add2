//! A log of messages in files of its own, fed from the journal's tail: appended in the order of
//! commits, read from a cursor in both directions, kept for a time and up to a size.
//!
//! ```text
//! journal ─ Tail ─▶ keeping::MessageFeed ─▶ LogWriter ─▶ DATA/events/log-000000000001 …
//!                                                             ▲
//!                                      LogView ───────────────┘  newest first, or on from a cursor
//! ```
//!
//! Each message has a sequence number, from 1 without gaps, which is its cursor. The position in the
//! journal is kept in the same file behind the messages that were read up to it: whatever is torn
//! off by a crash is read from the journal once more, and gets the same numbers.

mod file;
mod log;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub use file::{LogItem, StoredMessage};
pub use log::LogOptions;
pub use view::{LogCursor, LogGap, LogView, LogWatch};
pub use writer::LogWriter;
