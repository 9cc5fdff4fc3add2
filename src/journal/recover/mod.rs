//! From the files back to the records: which files count, how far, and who takes the records.

pub(super) mod feed;
pub(super) mod recovery;
pub(super) mod recovery_plan;
pub(super) mod report;
pub(super) mod scan;
