//! What may exist: VSlices with their subnets, groups, endpoints, and the state each endpoint is provisioned in.
//!
//! This room holds configuration, not happenings: who is online is `network`'s to say.

mod catalog;
mod endpoint;
mod inventory;
mod model;
mod problem;
mod state;

pub use catalog::{Catalog, GroupFault, Standing};
pub use endpoint::{Endpoint, NoGroup};
pub use inventory::{ENDPOINTS_GZ, Fingerprint, Inventory, Rules, export};
pub use model::{Allocation, CredentialMethod, Credentials, Group, Subnet, Vslice};
pub use problem::{Problem, Problems};
pub use state::{Change, ProvisioningState, Refused};
