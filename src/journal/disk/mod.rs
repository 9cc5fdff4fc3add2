//! Where it lies: the data folder, its files, and the segment that is made ready beforehand.

pub(super) mod directory;
pub(super) mod spare;
pub(super) mod storage;
