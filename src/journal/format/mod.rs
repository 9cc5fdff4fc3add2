//! What lies on disk, octet by octet: the header of a file, and the frame of a record.

pub(crate) mod frame;
pub(super) mod header;
