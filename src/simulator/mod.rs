//! The gateway's side: fleets of SIMs behind packet gateways, and a referee.

pub mod chance;
pub mod device;
pub mod driver;
pub mod gateway;
pub mod moment;
pub mod plan;
pub mod referee;
pub mod region;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod search;
pub mod tally;
pub mod wheel;
