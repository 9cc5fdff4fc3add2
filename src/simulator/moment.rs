//! Time inside a run: microseconds since it began, always given as an argument.

pub use crate::time::Timestamp as Moment;
