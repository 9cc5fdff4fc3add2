//! Up to 18 decimal digits in one word, leading zeros kept.

use std::fmt;
use std::num::NonZeroU64;

/// A digit string as the number one gets by writing a `1` before it: `007` is 1007. Leading zeros
/// survive, zero is impossible (so an `Option` costs nothing), and the shorter string orders before
/// the longer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digits(NonZeroU64);

impl Digits {
    /// The most digits a word can hold: 2 * 10^18 is below 2^63.
    const MAX: usize = 18;

    pub(super) fn pack(ascii: &[u8]) -> Option<Self> {
        if ascii.is_empty() || ascii.len() > Self::MAX {
            return None;
        }
        let mut packed = 1u64;
        for octet in ascii {
            let digit = octet.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            packed = packed * 10 + u64::from(digit);
        }
        NonZeroU64::new(packed).map(Self)
    }

    pub(super) const fn raw(self) -> u64 {
        self.0.get()
    }

    /// The inverse of [`Self::raw`], for values read back from a journal. `None` if no digit string
    /// packs to `raw`.
    pub(super) fn from_raw(raw: u64) -> Option<Self> {
        let digits = raw.checked_ilog10()? as usize;
        let leading = raw / 10u64.pow(digits as u32);
        (leading == 1 && (1..=Self::MAX).contains(&digits)).then_some(())?;
        NonZeroU64::new(raw).map(Self)
    }

    pub(super) fn len(self) -> usize {
        self.raw().ilog10() as usize
    }

    /// The digits as text, in a buffer of the caller's stack.
    pub(super) fn text(self) -> DigitText {
        let mut text = DigitText { octets: [b'0'; Self::MAX], len: self.len() };
        let mut rest = self.raw();
        for octet in text.octets[..text.len].iter_mut().rev() {
            *octet = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text
    }
}

/// The unpacked digits.
pub(super) struct DigitText {
    octets: [u8; Digits::MAX],
    len: usize,
}

impl DigitText {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    pub(super) fn as_str(&self) -> &str {
        // Only ASCII digits are ever written, so this never falls back.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Text without what senders leave around it: blanks on both sides, and NUL behind it, where a
/// buffer was longer than its text.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let used = text.iter().rposition(|octet| *octet != 0 && !octet.is_ascii_whitespace());
    &text[..used.map_or(0, |last| last + 1)]
}

/// What stands behind `scheme` at the beginning of `text`. Case is ignored, as in URIs (RFC 3986
/// 3.1).
pub(super) fn after_scheme<'t>(text: &'t [u8], scheme: &str) -> Option<&'t [u8]> {
    let (front, rest) = text.split_at_checked(scheme.len())?;
    front.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
}

/// Writes an identifier as a log may show it: `Iccid(..0014)`.
pub(super) fn mask(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    let shown = text.len().saturating_sub(4);
    write!(f, "{name}(..{})", &text[shown..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(text in "[0-9]{1,18}") {
            let digits = Digits::pack(text.as_bytes()).unwrap();
            let unpacked = digits.text();
            prop_assert_eq!(unpacked.as_str(), text.as_str());
            prop_assert_eq!(Digits::from_raw(digits.raw()), Some(digits));
        }

        #[test]
        fn any_word_is_judged_without_a_panic(raw: u64) {
            if let Some(digits) = Digits::from_raw(raw) {
                prop_assert_eq!(Digits::pack(digits.text().as_bytes()), Some(digits));
            }
        }
    }

    impl fmt::Debug for Digits {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.text().as_str())
        }
    }

    #[test]
    fn what_surrounds_a_value_falls_away() {
        for (text, value) in [
            ("7", "7"),
            (" 7", "7"),
            ("7 \0\0", "7"),
            ("7\x00 \t\r\n", "7"),
            ("\x007", "\x007"),
            (" \0", ""),
            ("", ""),
        ] {
            assert_eq!(trimmed(text.as_bytes()), value.as_bytes(), "{text:?}");
        }
        for (text, rest) in [
            ("tel:+1", Some("+1")),
            ("TEL:1", Some("1")),
            ("te", None),
            ("tal:1", None),
            ("tel:", Some("")),
        ] {
            assert_eq!(after_scheme(text.as_bytes(), "tel:"), rest.map(str::as_bytes), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_to_eighteen_digits() {
        for text in ["", "12a", "1234567890123456789", "-1", "１"] {
            assert_eq!(Digits::pack(text.as_bytes()), None, "{text}");
        }
    }
}
