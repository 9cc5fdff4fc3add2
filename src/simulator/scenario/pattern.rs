//! A pattern of digits from which every endpoint of a fleet gets a number of its own.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Digits; one run of `#` for the digits of the endpoint's number; at the end perhaps an `L` for
/// the Luhn digit of all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// Where the run of `#` begins and how long it is.
    start: usize,
    width: usize,
}

impl Pattern {
    /// # Errors
    /// If the text has other characters, or no run or several runs of `#`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str =
            "a pattern has digits, one run of #, and perhaps a last L: \"894450001#########L\"";
        let body = text.strip_suffix('L').unwrap_or(text);
        let start = body.find('#').ok_or(RULE)?;
        let width = body[start..].bytes().take_while(|octet| *octet == b'#').count();
        let others = body[..start].bytes().chain(body[start + width..].bytes());
        if !others.clone().all(|octet| octet.is_ascii_digit()) || text.len() > 32 {
            return Err(RULE);
        }
        Ok(Self { text: text.to_owned(), start, width })
    }

    /// How many numbers it can tell apart.
    pub fn room(&self) -> u64 {
        10u64.checked_pow(self.width as u32).unwrap_or(u64::MAX)
    }

    /// The digits of endpoint `number`, written into `out`.
    pub fn write(&self, number: u64, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.text.as_bytes());
        let mut rest = number;
        for octet in out[self.start..self.start + self.width].iter_mut().rev() {
            *octet = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if out.last() == Some(&b'L') {
            out.pop();
            out.push(luhn_digit(out));
        }
    }

    pub fn len(&self) -> usize {
        self.text.len()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// The digit that makes the whole valid (ISO/IEC 7812-1 Annex B).
fn luhn_digit(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, octet)| {
            let digit = u32::from(octet - b'0') << ((place + 1) % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    b'0' + ((10 - sum % 10) % 10) as u8
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Iccid;

    #[test]
    fn numbers_are_padded_and_checked() {
        let mut out = Vec::new();
        for (pattern, number, digits) in [
            ("23450##########", 42, "234500000000042"),
            ("4477###", 1234, "4477234"),
            ("89445000000000####L", 1, "8944500000000000014"),
        ] {
            Pattern::parse(pattern).unwrap().write(number, &mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(digits));
        }
        Pattern::parse("894450001#########L").unwrap().write(123_456, &mut out);
        assert!(Iccid::parse(&out).unwrap().luhn_is_valid());
    }

    #[test]
    fn refuses_what_it_cannot_fill() {
        for text in ["", "234", "12#3#", "1a#", "L###", "##LL"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(Pattern::parse("1###").unwrap().room(), 1000);
    }
}
