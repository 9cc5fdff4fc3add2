//! Batches of datagrams in and out of the kernel: where unsafe code lives, because no safe crate
//! offers both directions.
//!
//! `recvmmsg` takes up to [`BATCH`] messages a call, into buffers that are used again and again;
//! one message may be many datagrams of one peer and one length that came together (UDP GRO).
//! Replies are grouped by (peer, length) and each group is handed over as one long datagram that
//! the kernel cuts up (UDP GSO); where it refuses, one by one with `sendmmsg`.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and their control messages have no safe equal")]

mod control;
mod inbox;
mod name;
mod outbox;
mod socket;

pub use inbox::{Inbox, Received};
pub use outbox::{Outbox, Sent};
pub use socket::Socket;

/// Messages per system call: beyond 32 the share of the call itself in the cost of a datagram is
/// hardly measurable.
pub const BATCH: usize = 32;

/// The largest RADIUS packet (RFC 2865 3). What a datagram has beyond it is padding, so nothing is
/// lost by cutting it off.
pub const MAX_DATAGRAM: usize = 4096;

#[cfg(test)]
mod tests;
