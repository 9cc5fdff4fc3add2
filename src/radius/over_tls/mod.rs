//! RADIUS over TLS (RFC 6614, radiusdtls-bis) and RADIUS/1.1 (RFC 9765): connections in, packets to
//! a worker of their own that is otherwise like those for datagrams, replies back.
//!
//! ```text
//! accept       who connects, and how many at once
//! conversation one connection, from its handshake to its end
//! rules        when a connection ends, and what follows a refusal: pure
//! open         the connections that are open, by gateway
//! worker       packets of all connections → worker_core → connections
//! ```
//!
//! It has one thread. A handshake, which costs a thousand times what a packet does, so never stands
//! before a datagram.

mod accept;
mod conversation;
pub mod open;
pub mod rules;
mod shared;
pub(crate) mod worker;
