//! Where, by which radio and with which device an endpoint may be used (PROTOCOL 15).
//!
//! A policy is compiled once into look-ups; a verdict is then some comparisons. Nothing here knows
//! whose policy it is, what time it is, or what becomes of the verdict.

mod compiled;
mod countries;
mod place;
mod radio;
mod verdict;
mod words;

pub use compiled::{CompiledPolicy, PolicyTerms};
pub use countries::{countries, country_of, is_country, is_in_country, three_letters};
pub use place::{Circumstances, cell_network, serving_network};
pub use verdict::{DecidedBy, PolicyReason, PolicyVerdict};
pub(crate) use words::words;
pub use words::{CountryCode, ImeiLock, PolicyAction, PolicyEntry, RadioClass, Tac, WhenMissing};

#[cfg(test)]
mod tests;
