//! The table of attributes by name and by number.

mod assignment;
mod key;
mod text;

pub use assignment::{Assignment, NotAssigned};
pub(in crate::wire) use text::{date, hex};

use super::number::{self, ALIASES, attachd};
pub use super::number::{AttributeKey, Definition, ValueKind};

/// The table as one installation sees it: our own attributes stand under the vendor number it has
/// configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dictionary {
    vendor: u32,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::new(attachd::DEFAULT_VENDOR)
    }
}

impl Dictionary {
    /// `vendor` is the number our own attributes stand under.
    #[must_use]
    pub const fn new(vendor: u32) -> Self {
        Self { vendor }
    }

    /// By its name in FreeRADIUS 3 or a usual other one, upper or lower case.
    #[must_use]
    pub fn by_name(self, name: &str) -> Option<Definition> {
        let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        let name = alias.map_or(name, |(_, name)| name);
        self.definitions().find(|definition| definition.name.eq_ignore_ascii_case(name))
    }

    #[must_use]
    pub fn by_key(self, key: AttributeKey) -> Option<Definition> {
        self.definitions().find(|definition| definition.key == key)
    }

    /// Every attribute there is a definition of.
    pub fn definitions(self) -> impl Iterator<Item = Definition> {
        number::definitions().map(move |definition| match definition.key.vendor {
            attachd::DEFAULT_VENDOR => Definition {
                key: AttributeKey { vendor: self.vendor, ..definition.key },
                ..*definition
            },
            _ => *definition,
        })
    }
}

impl Definition {
    /// Name, with the tag if there is one, and value as text. None if these octets are no value of
    /// its kind.
    pub(in crate::wire) fn show(&self, octets: &[u8]) -> Option<(String, String)> {
        let text::ShownValue { tag, value } = text::show(self.kind, self.values, octets)?;
        Some((
            tag.map_or_else(|| self.name.to_owned(), |tag| format!("{}:{tag}", self.name)),
            value,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::wire::number::tgpp;

    #[test]
    fn finds_by_name_alias_and_place() {
        let dictionary = Dictionary::new(99_999);
        let imsi = dictionary.by_name("3gpp-imsi").unwrap();
        assert_eq!(imsi.key, AttributeKey { parent: 0, vendor: tgpp::VENDOR, number: tgpp::IMSI });
        assert_eq!(
            dictionary.by_name("3GPP-Location-Info"),
            dictionary.by_name("3GPP-User-Location-Info")
        );
        assert_eq!(dictionary.by_name("Attachd-ICCID").unwrap().key.vendor, 99_999);
        assert_eq!(dictionary.by_key(imsi.key), Some(imsi));
        assert_eq!(dictionary.by_name("No-Such-Attribute"), None);
    }

    #[test]
    fn says_everything_once() {
        let all: Vec<Definition> = Dictionary::default().definitions().collect();
        let names: HashSet<String> =
            all.iter().map(|definition| definition.name.to_lowercase()).collect();
        let keys: HashSet<AttributeKey> = all.iter().map(|definition| definition.key).collect();
        assert_eq!((names.len(), keys.len()), (all.len(), all.len()));
        for (alias, name) in ALIASES {
            assert!(
                !names.contains(&alias.to_lowercase()) && names.contains(&name.to_lowercase()),
                "{alias}"
            );
        }
    }
}
