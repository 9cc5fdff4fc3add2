//! The short name by which people and metrics call a VSlice or a group.

use std::fmt;

use compact_str::CompactString;
use serde::{Serialize, Serializer};

use super::IdentityError;

/// At most 30 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moniker(CompactString);

impl Moniker {
    /// The longest, in octets.
    pub const MAX: usize = 30;

    /// # Errors
    /// If the text is empty, too long, or has other characters than `a-z`, `0-9` and `-`.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let is_good =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if (1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_good) {
            Ok(Self(text.into()))
        } else {
            Err(IdentityError { rule: "a moniker has 1 to 30 characters of a-z, 0-9 and -" })
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Moniker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Moniker {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_its_alphabet_only() {
        assert_eq!(Moniker::parse("noise-monitors-2").unwrap().as_str(), "noise-monitors-2");
        for text in ["", "Epos", "a b", "a_b", "ä", &"a".repeat(31)] {
            assert!(Moniker::parse(text).is_err(), "{text}");
        }
    }
}
