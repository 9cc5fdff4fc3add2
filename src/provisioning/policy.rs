//! Operator policies as objects of the catalog: a name, and the words that `policy` decides by.

use compact_str::CompactString;

use super::model::RecordTooLarge;
use crate::identity::Moniker;
use crate::policy::{ImeiLock, PolicyEntry, WhenMissing};

/// What a group's endpoints may do in visited networks. The most specific entry decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub moniker: Moniker,
    pub name: CompactString,
    pub allow_2g: bool,
    pub allow_3g: bool,
    /// 4G and 5G.
    pub allow_45g: bool,
    /// What becomes of a request that does not say what an entry asks for.
    pub when_missing: WhenMissing,
    pub imei_lock: ImeiLock,
    pub entries: Vec<PolicyEntry>,
}

impl Policy {
    /// With its defaults and no entries: everything is allowed.
    #[must_use]
    pub fn new(moniker: Moniker, name: &str) -> Self {
        Self {
            moniker,
            name: name.into(),
            allow_2g: true,
            allow_3g: true,
            allow_45g: true,
            when_missing: WhenMissing::default(),
            imei_lock: ImeiLock::default(),
            entries: Vec::new(),
        }
    }

    /// Whether its record has a bounded size.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    pub fn record_fits(&self) -> Result<(), RecordTooLarge> {
        let lists = |entry: &PolicyEntry| 16 + entry.radio.len() + 5 * entry.tac.len();
        let entries: usize = self.entries.iter().map(lists).sum();
        RecordTooLarge::check(
            "an operator policy",
            1024 + self.name.len() + entries,
            RecordTooLarge::MOST,
        )
    }
}
