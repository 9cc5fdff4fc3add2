//! What may exist: VSlices with their subnets, groups, endpoints, and the state each endpoint is provisioned in.
//!
//! This room holds configuration, not happenings: who is online is `network`'s to say.

mod catalog;
mod endpoint;
mod state;

pub use catalog::{Allocation, Catalog, CredentialMethod, Credentials, Group, GroupFault, Subnet, Vslice};
pub use endpoint::Endpoint;
pub use state::{Change, ProvisioningState};
