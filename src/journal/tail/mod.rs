//! The committed tail: what is durable, read behind the writers, and the segments held for who reads.

pub(super) mod committed;
pub(super) mod reader;
