//! The HTTP shell: metrics, health and the views of endpoints and sessions.

pub(crate) mod connections;
pub(crate) mod http;
pub(crate) mod view;
