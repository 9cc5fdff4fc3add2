//! The gateway's side: fleets of SIMs behind packet gateways, and a referee.

pub mod chance;
pub mod device;
pub mod gateway;
pub mod moment;
pub mod scenario;
pub mod wheel;
