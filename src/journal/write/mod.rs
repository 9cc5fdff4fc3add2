//! From submitted batches to durable octets: the queue, the group commit, the segments and the
//! snapshots.

pub(super) mod batch;
pub(super) mod group_commit;
pub(super) mod segment;
pub(super) mod shared;
pub(super) mod snapshot;
pub(super) mod submission;
pub(super) mod submit;
pub(super) mod thread;
