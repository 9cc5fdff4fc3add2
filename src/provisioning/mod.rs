//! What may exist: VSlices with their subnets, groups, endpoints, and the state each endpoint is
//! provisioned in.
//!
//! This room holds configuration, not happenings: who is online is `network`'s to say.

mod catalog;
mod endpoint;
mod inventory;
mod line_hash;
mod merge;
mod model;
mod origin;
mod problem;
mod state;

pub use catalog::{Catalog, CatalogEntry, GroupFault, ListingStatus};
pub use endpoint::{Endpoint, NoGroup};
pub use inventory::{ENDPOINTS_GZ, Fingerprint, Inventory, Rules, export};
pub use merge::{Authority, Merged, Prune};
pub use model::{Allocation, CredentialMethod, Credentials, Group, RecordTooLarge, Subnet, Vslice};
pub use origin::{LineHash, Origin, Revision};
pub use problem::{InventoryProblem, InventoryProblems};
pub use state::{ProvisioningChange, ProvisioningState, Refused};
