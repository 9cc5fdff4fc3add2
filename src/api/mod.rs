//! The HTTP shell: the management API, metrics, health, and the views of endpoints and sessions.

pub(crate) mod access;
pub(crate) mod activation;
mod addresses;
pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod connections;
mod endpoints;
pub(crate) mod envelope;
pub(crate) mod events;
mod families;
mod gateways;
pub(crate) mod http;
pub(crate) mod idempotency;
mod refusal;
mod server_view;
mod sessions;
mod stock;
pub(crate) mod view;
