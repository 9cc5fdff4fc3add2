//! A message: not the state of anything, but told to whoever reads the journal's tail, in the order
//! of commits.

use super::kind;
use crate::journal::FramedRecord;
use crate::time::Timestamp;

/// What messages are about, and so who reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Topic {
    /// What was asked of the management API, and what became of it.
    Audit = 1,
    /// What happened to an endpoint, a pool or a gateway.
    Event = 2,
}

/// A message as it lies in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub topic: Topic,
    /// Of whom, as the topic has it.
    pub key: u64,
    /// When it was decided.
    pub at: Timestamp,
    pub octets: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message that a record is; `None` if it is another record.
    #[must_use]
    pub fn read(entry: &FramedRecord<'a>) -> Option<Self> {
        if entry.kind != kind::MESSAGE {
            return None;
        }
        let (topic, octets) = entry.payload.split_first()?;
        let at = Timestamp::from_micros(entry.version);
        Some(Self { topic: Topic::from_key(*topic)?, key: entry.key, at, octets })
    }
}

impl Topic {
    const ALL: [Self; 2] = [Self::Audit, Self::Event];

    /// The name of the folder that its log lies in, below the data folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Event => "events",
        }
    }

    fn from_key(key: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| *topic as u8 == key)
    }
}
