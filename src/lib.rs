//! attachd: the AAA server that mobile packet gateways talk RADIUS to when an IoT SIM attaches, and the simulator of those gateways.

pub mod aaa;
pub mod cli;
pub mod config;
pub mod identity;
pub mod journal;
pub mod network;
pub mod pool;
pub mod provisioning;
pub mod server;
pub mod simulator;
pub mod time;
pub mod wire;
