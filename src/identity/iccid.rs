//! The ICCID: the permanent identity of a SIM, and the key of everything attachd knows (ITU-T
//! E.118).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::IdentityError;
use super::digits::{Digits, mask, trimmed};

/// The major industry identifier of telecommunications, with which every ICCID begins (ITU-T
/// E.118).
const TELECOM: &[u8] = b"89";

const RULE: IdentityError =
    IdentityError { rule: "an ICCID has 19 or 20 digits and begins with 89" };

/// 19 or 20 digits beginning with 89, in one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iccid(Digits);

impl Iccid {
    /// Reads the digits as they come on the wire or in a file. One trailing filler `F` (from the
    /// BCD form of EF_ICCID) is dropped, and what some senders leave around a value: blanks, and
    /// NUL behind it.
    ///
    /// # Errors
    /// If these are not 19 or 20 digits beginning with 89. The Luhn digit is not judged here: see
    /// [`Self::luhn_is_valid`].
    pub fn parse(text: &[u8]) -> Result<Self, IdentityError> {
        let text = trimmed(text);
        let digits = text.strip_suffix(b"F").or_else(|| text.strip_suffix(b"f")).unwrap_or(text);
        let own =
            digits.strip_prefix(TELECOM).filter(|own| matches!(own.len(), 17 | 18)).ok_or(RULE)?;
        Digits::pack(own).map(Self).ok_or(RULE)
    }

    /// The word that stands for this ICCID in indexes and records.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0.raw()
    }

    /// The inverse of [`Self::raw`].
    #[must_use]
    pub fn from_raw(raw: u64) -> Option<Self> {
        Digits::from_raw(raw).filter(|own| matches!(own.len(), 17 | 18)).map(Self)
    }

    /// Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1 Annex B).
    ///
    /// Of a 20-digit form both readings occur in the field: the check digit last, or a 19-digit
    /// number and one digit more.
    #[must_use]
    pub fn luhn_is_valid(self) -> bool {
        let own = self.0.text();
        let all: Vec<u8> = [TELECOM, own.as_bytes()].concat();
        luhn(&all) || (all.len() == 20 && luhn(&all[..19]))
    }

    /// The last digit, and the one that would be the Luhn check digit of those before it.
    #[must_use]
    pub fn check_digits(self) -> (char, char) {
        let mut all: Vec<u8> = [TELECOM, self.0.text().as_bytes()].concat();
        let last = all.pop().unwrap_or(b'0');
        let with = |digit: u8| [&all[..], &[digit]].concat();
        let wanted = (b'0'..=b'9').find(|digit| luhn(&with(*digit))).unwrap_or(last);
        (last.into(), wanted.into())
    }
}

fn luhn(ascii: &[u8]) -> bool {
    let sum: u32 = ascii
        .iter()
        .rev()
        .enumerate()
        .map(|(place, octet)| {
            let digit = u32::from(octet - b'0') << (place % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

impl FromStr for Iccid {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("89")?;
        f.write_str(self.0.text().as_str())
    }
}

impl fmt::Debug for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(f, "Iccid", self.0.text().as_str())
    }
}

impl Serialize for Iccid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iccid(text: &str) -> Iccid {
        text.parse().unwrap()
    }

    #[test]
    fn keeps_every_digit() {
        for text in ["8944500000000000014", "89462038005001234567", "8900000000000000000"] {
            assert_eq!(iccid(text).to_string(), text);
            assert_eq!(Iccid::from_raw(iccid(text).raw()), Some(iccid(text)));
        }
    }

    #[test]
    fn drops_one_filler_and_what_surrounds_the_value() {
        for text in ["8944500000000000014F", "8944500000000000014f\0", " 8944500000000000014 \0\0"]
        {
            assert_eq!(iccid(text), iccid("8944500000000000014"), "{text:?}");
        }
    }

    #[test]
    fn refuses_other_lengths_and_beginnings() {
        for text in [
            "",
            "89",
            "894450000000000001",
            "894450000000000000123",
            "9944500000000000014",
            "89445000000000000x4",
            "8944500000000000\x00014",
        ] {
            assert_eq!(Iccid::parse(text.as_bytes()), Err(RULE), "{text}");
        }
    }

    #[test]
    fn luhn_follows_the_samples() {
        for text in [
            "8900101000000000001",
            "8931000000000000016",
            "89883030000000000015",
            "89462038005001234567",
        ] {
            assert!(iccid(text).luhn_is_valid(), "{text}");
        }
        assert!(!iccid("8900101000000000002").luhn_is_valid());
        let wrong = iccid("8944500000000000015");
        assert_eq!(wrong.check_digits(), ('5', '4'));
    }

    #[test]
    fn debug_is_masked() {
        assert_eq!(format!("{:?}", iccid("8944500000000000014")), "Iccid(..0014)");
    }
}
