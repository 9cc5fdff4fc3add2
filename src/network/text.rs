//! Octets from the wire kept as text without loss: each octet is the character of that number (ISO
//! 8859-1).

use compact_str::CompactString;

/// Identifiers are ASCII in practice, and then this is the text itself; anything else survives as
/// well.
pub(super) fn keep(octets: &[u8]) -> CompactString {
    match str::from_utf8(octets) {
        Ok(text) if text.is_ascii() => text.into(),
        _ => octets.iter().map(|octet| char::from(*octet)).collect(),
    }
}

/// The octets that [`keep`] made a text of.
pub(super) fn octets(text: &str) -> Vec<u8> {
    if text.is_ascii() { text.into() } else { text.chars().map(|one| one as u8).collect() }
}

/// Whether `text` is what [`keep`] makes of `octets`.
pub(super) fn spells(text: &str, octets: &[u8]) -> bool {
    if text.is_ascii() {
        text.as_bytes() == octets
    } else {
        text.chars().eq(octets.iter().map(|octet| char::from(*octet)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_confused(a: Vec<u8>, b: Vec<u8>) {
            prop_assert!(spells(&keep(&a), &a));
            prop_assert_eq!(&octets(&keep(&a)), &a);
            prop_assert_eq!(spells(&keep(&a), &b), a == b);
        }
    }
}
