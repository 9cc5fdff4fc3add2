//! The gateway's side: fleets of SIMs behind packet gateways, and a referee that checks what a
//! server answers.
//!
//! The cut is between machines, which own no socket, thread or clock, and one driver, which decides
//! nothing. So a test plays a day of traffic against a server in memory, and the same machines play
//! it against a real one.
//!
//! ```text
//!   scenario     what a run is told: one TOML schema; built-ins, files and flags merged
//!      │
//!     plan       looked up, numbered and checked once; then only read, by all threads
//!      │
//!    shard      a share of the endpoints with instances of all gateways: what one thread runs
//!      ├── schedule   open loop: when who must begin, decided beforehand
//!      ├── device     one endpoint: detached, attaching, authorising, active, idle, closing
//!      ├── gateway    a RADIUS client (`exchange`) with the profile and the packets of a gateway
//!      ├── referee    the model of the server: who must be accepted, who has which address
//!      └── counters   counts and latencies
//!      │
//!    driver      clock, sockets, threads; asks the server for its own view at the end
//!      │
//!    report      table, lines, JSON, a page with plots, the comparison of two runs
//! ```
//!
//! [`random`] names every random stream by seed, endpoint and step; time is counted from the
//! beginning of the run; [`search`] finds the highest rate that keeps the limits.
//!
//! Deliberately absent: the server's code (the referee must not share its mistakes), Disconnect and
//! CoA, TLS.

pub mod counters;
pub mod device;
pub mod driver;
pub mod gateway;
pub mod plan;
pub mod random;
pub mod referee;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod search;
pub mod shard;
