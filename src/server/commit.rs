//! The journal as the shell needs it: batches go in, and some time later they are durable.

use crate::aaa::Recorder;

/// Whether records are wanted at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Open,
    /// Too much waits for the disk.
    Overloaded,
    /// The disk takes nothing.
    Failing,
}

/// One submitter's way into the journal.
///
/// Whatever is submitted becomes durable at some time, in the order of submission; while the disk fails that time is unknown, and
/// [`Admission::Failing`] says so.
pub trait Committer {
    /// A batch being filled.
    type Records: Recorder;
    /// Stands for a submitted batch; later ones are greater.
    type Ticket: Copy + Ord;

    /// An empty batch.
    fn records(&mut self) -> Self::Records;

    fn admission(&self) -> Admission;

    /// Hands a batch over, without waiting. An empty one is durable when all is that anybody submitted before it.
    fn submit(&mut self, records: Self::Records) -> Self::Ticket;

    /// All batches up to this one are durable.
    fn durable(&self) -> Option<Self::Ticket>;
}
