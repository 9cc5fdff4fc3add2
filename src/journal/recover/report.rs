//! What a recovery is told and what it tells: how to treat damage, who takes the records, what was
//! found and lost.

use std::fmt;

use crate::journal::disk::storage::Storage;
use crate::journal::format::frame::FramedRecord;
use crate::journal::format::header::{FileHeader, FileName};

/// What to do about acknowledged records that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// Name the place, change nothing.
    Refuse,
    /// Go on behind it and tell what is lost.
    Continue,
}

/// The owner cannot make sense of a record whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// Takes one record at a time and keeps it if its version is newer than what is kept for the key.
///
/// Several appliers share the records between them in any order, each on its own thread.
pub trait Apply: FnMut(FramedRecord<'_>) -> Result<(), Unreadable> + Send {}

impl<F: FnMut(FramedRecord<'_>) -> Result<(), Unreadable> + Send> Apply for F {}

/// What a recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// In the order in which they were read.
    pub files: Vec<FileReport>,
    /// A torn tail: being written when the process was killed, as far as one can tell. Nothing says
    /// that it was durable.
    pub cut: Option<Loss>,
    /// Acknowledged records that are gone; only with [`OnDamage::Continue`].
    pub lost: Vec<Loss>,
}

impl RecoveryReport {
    /// Records read, all versions counted.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }

    /// Octets that count.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.files.iter().map(|file| file.octets).sum()
    }
}

/// One file of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileReport {
    pub name: FileName,
    pub records: u64,
    /// Octets that count; behind them the file may go on with what was given up.
    pub octets: u64,
}

/// Octets of a file that hold no readable records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub file: String,
    pub from: u64,
    /// `None`: nobody knows.
    pub to: Option<u64>,
    pub what: String,
}

impl Loss {
    pub(in crate::journal) fn header(storage: &dyn Storage, name: FileName) -> Self {
        let file = storage.describe(&name.to_string());
        Self {
            file,
            from: 0,
            to: Some(FileHeader::SIZE as u64),
            what: "its header cannot be read".into(),
        }
    }

    pub(in crate::journal) fn file(storage: &dyn Storage, name: FileName) -> Self {
        Self {
            file: storage.describe(&name.to_string()),
            from: 0,
            to: None,
            what: "the file is missing".into(),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(
                f,
                "{}: {} octets at offset {}: {}",
                self.file,
                to.saturating_sub(self.from),
                self.from,
                self.what
            ),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}
