//! The gateway's side: fleets of SIMs behind packet gateways, and a referee.

pub mod chance;
pub mod device;
pub mod gateway;
pub mod moment;
pub mod plan;
pub mod referee;
pub mod region;
pub mod scenario;
pub mod schedule;
pub mod tally;
pub mod wheel;
