//! The Access Point Name by which a device chooses a network (3GPP TS 23.003 clause 9).

use std::fmt;

use compact_str::CompactString;
use serde::{Serialize, Serializer};

use super::IdentityError;
use super::digits::trimmed;

/// The longest network identifier (3GPP TS 23.003 9.1).
const MAX: usize = 63;

/// An APN network identifier in lower case, without the operator's suffix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Apn(CompactString);

impl Apn {
    /// Reads an APN; the operator suffix `.mncNNN.mccNNN.gprs` falls away and case is folded.
    ///
    /// # Errors
    /// If it is empty, longer than 63 octets, or not labels of letters, digits, `-` and `_` joined
    /// by dots.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim_ascii_start();
        let name = network_identifier(text.as_bytes());
        let label_is_good = |label: &[u8]| {
            !label.is_empty()
                && label.iter().all(|o| o.is_ascii_alphanumeric() || matches!(o, b'-' | b'_'))
        };
        if name.is_empty()
            || name.len() > MAX
            || !name.split(|octet| *octet == b'.').all(label_is_good)
        {
            return Err(IdentityError {
                rule: "an APN has 1 to 63 letters, digits, '-', '_' and single dots",
            });
        }
        Ok(Self(text[..name.len()].to_ascii_lowercase().into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a Called-Station-Id names this APN.
    #[must_use]
    pub fn is_named_by(&self, called_station_id: &[u8]) -> bool {
        network_identifier(called_station_id).eq_ignore_ascii_case(self.0.as_bytes())
    }
}

/// The part of an APN before the operator identifier `.mncNNN.mccNNN.gprs` (3GPP TS 23.003 9.1.2),
/// without the blanks and NUL that some senders leave around it.
#[must_use]
pub fn network_identifier(apn: &[u8]) -> &[u8] {
    const SUFFIX: &[u8] = b".mnc000.mcc000.gprs";
    let apn = trimmed(apn);
    let Some(cut) = apn.len().checked_sub(SUFFIX.len()) else { return apn };
    let is_operator = apn[cut..].iter().zip(SUFFIX).all(|(octet, pattern)| match pattern {
        b'0' => octet.is_ascii_digit(),
        letter => octet.eq_ignore_ascii_case(letter),
    });
    if is_operator { &apn[..cut] } else { apn }
}

impl fmt::Display for Apn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Apn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_and_the_case_do_not_matter() {
        let apn = Apn::parse("Festival.IoT").unwrap();
        assert_eq!(apn.as_str(), "festival.iot");
        for named in [
            "festival.iot",
            "FESTIVAL.iot",
            "festival.iot.mnc015.mcc234.gprs",
            "festival.iot.MNC015.MCC234.GPRS",
            "festival.iot\0",
            " festival.iot ",
        ] {
            assert!(apn.is_named_by(named.as_bytes()), "{named}");
        }
        for other in
            ["", "festival", "festival.iot.mnc15.mcc234.gprs", "festival.iot.gprs", "xfestival.iot"]
        {
            assert!(!apn.is_named_by(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn refuses_what_is_no_name() {
        for text in ["", "a..b", ".a", "a b", "ä", ".mnc015.mcc234.gprs", &"a".repeat(64)] {
            assert!(Apn::parse(text).is_err(), "{text}");
        }
    }
}
