//! A reply is a receipt: the records of what was decided, durable before the reply leaves, and
//! state again after any crash.
//!
//! The journal is a log of upserts: a record holds the whole new state of one key under a version,
//! and the newest version wins. So replay is idempotent and does not care in which order the
//! workers handed their batches over.
//!
//! ```text
//! worker   Batch ──submit──▶ Shared.queue      durable ◀── SubmitterState (watermark, wake)
//!                                │                          ▲
//! thread                     GroupCommitter: all that waits, one write, one sync
//!                                │
//!                               SegmentWriter: the segment at the end, a fresh one when it is full or a write failed
//!                                │                                └─ Spare: made ready beforehand, on a thread of its own
//!                                │
//! disk     Storage:  snapshot-000000000007  segment-000000000007  segment-000000000008
//! start              RecoveryPlan (names, headers) ─▶ Scanner (blocks, checksums) ─▶ Feed ─▶ the owner's appliers
//! ```
//!
//! What it holds to:
//! - A ticket is durable only after a sync that came after its write. A failed sync is never
//!   repeated on the same file.
//! - What a worker submitted is never given up while the process lives: after a failure it is
//!   written again, first, to a fresh segment. So when the journal is well again, the disk has
//!   caught up with the state in memory, and the owner need not know what failed.
//! - A bad record is a torn tail only in the last segment, and only if no later group vouches for
//!   it; everywhere else it is damage, which is named and refused. (Damage to the very last group
//!   of a process that was killed looks like a torn tail; it is cut and reported.)
//! - An orderly end says so in a file of its own, until the next segment is begun: then the last
//!   segment is as whole as the others, or damaged.
//! - A segment may end in zeros, never written over: they are neither a torn tail nor damage.
//!
//! Who wants to learn what was committed reads it behind the writers (`tail`): a segment that a
//! snapshot stands for stays until every reader has passed it, within a bound.
//!
//! Deliberately absent: deletes (a record may say "removed"), reads by key, indexes, compression,
//! replication.

pub(crate) mod disk;
mod error;
pub(crate) mod format;
mod handle;
mod manual;
pub(crate) mod recover;
pub(crate) mod tail;
#[cfg(test)]
mod tests;
pub(crate) mod write;

pub use disk::directory::{FolderLock, JournalFolder};
pub use error::{Damage, OpenError};
pub use format::frame::{FramedRecord, RecordKind, TooLarge};
pub use format::header::{FileKind, FileName};
pub use handle::{Journal, JournalOptions};
pub use manual::ManualJournal;
pub use write::batch::Batch;
pub use write::group_commit::SyncMode;

pub(crate) use disk::storage::write_all;
pub use disk::storage::{AppendFile, Storage, Stored};
pub use recover::report::{Apply, FileReport, Loss, OnDamage, RecoveryReport, Unreadable};
pub use tail::committed::JournalPosition;
pub use tail::reader::{Tail, TailStart, TailStep};
pub use write::shared::{JournalFigures, JournalHealth, WriteFailure};
pub use write::snapshot::{SnapshotError, SnapshotReport, SnapshotWriter};
pub use write::submission::{Admission, Ticket, Wake};
pub use write::submit::{Pending, Submitter};
pub use write::thread::{Commit, Observer};
