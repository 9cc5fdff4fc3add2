//! Who made an object, what its line in the files said when it was last adopted, and its version.

use std::num::NonZeroU64;

use xxhash_rust::xxh3::xxh3_64;

/// What a line or section says, in one word: another hash means that somebody edited it (PROTOCOL
/// 11).
///
/// It is taken of what was read, not of the text: the order of columns, comments and blanks are
/// nobody's decision. A field that is absent leaves no trace, so a later attachd with further
/// fields finds the same hashes in the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineHash(NonZeroU64);

/// Where an object comes from. One word, since there may be ten million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin(u64);

/// What every provisioned object bears besides its contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Rises with every change of the object; never taken from the clock alone.
    pub version: u64,
    pub origin: Origin,
}

/// The bits of [`Origin`] that are no hash.
const BY_PERSON: u64 = 1 << 0;
const DIFFERS: u64 = 1 << 1;
const FLAGS: u64 = BY_PERSON | DIFFERS;

/// Stands for the one hash that would be zero.
const LEAST: NonZeroU64 = NonZeroU64::new(1 << 2).unwrap();

/// What the state `reinstated` does to the hash of a line: it is `pending`, and yet another line.
const REINSTATED: u64 = 0x5bd1_e995_0000_0000;

impl LineHash {
    pub(super) fn of(octets: &[u8]) -> Self {
        Self::from_bits(xxh3_64(octets))
    }

    fn from_bits(bits: u64) -> Self {
        Self(NonZeroU64::new(bits & !FLAGS).unwrap_or(LEAST))
    }

    /// Of what a section would say if it called its object so: another moniker is another section.
    pub(super) fn renamed(self, moniker: &str) -> Self {
        Self::from_bits(self.0.get() ^ xxh3_64(moniker.as_bytes()))
    }

    /// Of the same line, if its state is written `reinstated`.
    #[must_use]
    pub fn reinstated(self) -> Self {
        Self::from_bits(self.0.get() ^ REINSTATED)
    }
}

impl Origin {
    /// Made by a person, or a program that speaks for one.
    pub const PERSON: Self = Self(BY_PERSON);

    /// Made by a line of the files, which says this.
    #[must_use]
    pub const fn file(line: LineHash) -> Self {
        Self(line.0.get())
    }

    /// What its line said when it was last adopted. `None`: no file has named it since this is
    /// remembered.
    #[must_use]
    pub fn line(self) -> Option<LineHash> {
        NonZeroU64::new(self.0 & !FLAGS).map(LineHash)
    }

    /// Whether a person made it: then no file removes it.
    #[must_use]
    pub const fn is_by_person(self) -> bool {
        self.0 & BY_PERSON != 0
    }

    /// Whether it is other than the files have it.
    #[must_use]
    pub const fn differs(self) -> bool {
        self.0 & DIFFERS != 0 || self.0 == BY_PERSON
    }

    /// The same object after its line was adopted.
    #[must_use]
    pub const fn adopted(self, line: LineHash) -> Self {
        Self(line.0.get() | self.0 & BY_PERSON)
    }

    /// The same object after a person changed it to what a line with the hash `now` would make of
    /// it.
    #[must_use]
    pub fn changed(self, now: LineHash) -> Self {
        let same = self.line().is_none_or(|line| line == now || line == now.reinstated());
        Self(self.0 & !DIFFERS | if same { 0 } else { DIFFERS })
    }

    /// For the journal; [`Self::from_bits`] reads it back.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl Revision {
    /// Of the next change: above what was, and above the clock, so that nothing that was ever
    /// removed comes back with it.
    #[must_use]
    pub fn next(self, now_micros: u64, origin: Origin) -> Self {
        Self { version: now_micros.max(self.version.saturating_add(1)), origin }
    }
}
