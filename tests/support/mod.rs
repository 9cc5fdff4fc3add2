//! What the outside tests share: the language of scenario files, attachd as a child process, a
//! gateway that talks to it, and a fleet that remembers what it was told.

#![allow(dead_code, reason = "every test binary uses its part of this")]
#![allow(
    unreachable_pub,
    reason = "a test binary exports nothing; `pub` says what the rest of the tests may use"
)]
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests too")]

pub mod client;
pub mod fleet;
pub mod gateway;
pub mod scenario;
pub mod server;
pub mod tls;
