//! What may exist: VSlices with their subnets, groups, endpoints, and the state each endpoint is
//! provisioned in.
//!
//! This room holds configuration, not happenings: who is online is `network`'s to say.

mod catalog;
mod endpoint;
mod events;
mod inventory;
mod line_hash;
mod merge;
mod model;
mod object;
mod operators;
mod origin;
mod policy;
mod problem;
mod spelling;
mod state;
mod stock;
mod subnet_block;

pub use catalog::{Catalog, CatalogEntry, CatalogKind, CatalogObject, GroupFault, ListingStatus};
pub use endpoint::{ConfiguredPrefixes, Endpoint, EndpointHistory, Labels, NoGroup};
pub use events::{EventHandler, EventMap, EventScope, EventType, Subscription, Webhook};
pub use inventory::{
    ENDPOINTS_GZ, Fingerprint, Inventory, NamedElsewhere, Rules, export, read_endpoints, read_stock,
};
pub use line_hash::Hashed;
pub use merge::{Authority, Merged, Prune};
pub use model::{
    AddressFamilies, Allocation, CredentialMethod, Credentials, Group, RecordTooLarge, Subnet,
    Vslice,
};
pub use object::{ObjectKind, ObjectName, ObjectRef, random_uuid};
pub use operators::{KnownOperator, Operators};
pub use origin::{LineHash, Origin, Revision};
pub use policy::Policy;
pub use problem::{InventoryProblem, InventoryProblems};
pub use spelling::Spelling;
pub use state::{ProvisioningChange, ProvisioningState, Refused};
pub use stock::{
    ActivationCode, CodeDigest, CodeHash, ListedSim, StockEntry, StockKey, StockSim, StockTable,
};
pub use subnet_block::subnet_block;
