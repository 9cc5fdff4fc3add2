//! Where an attribute stands, in the dotted form of FreeRADIUS: `1`, `26.10415.1`, `241.3`,
//! `245.26.10415.1`.

use std::fmt;
use std::str::FromStr;

use crate::wire::extended::is_extended;
use crate::wire::number::{AttributeKey, VENDOR_SPECIFIC};

impl fmt::Display for AttributeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parent != 0 {
            write!(f, "{}.", self.parent)?;
        }
        if self.vendor != 0 {
            write!(f, "{VENDOR_SPECIFIC}.{}.", self.vendor)?;
        }
        write!(f, "{}", self.number)
    }
}

impl FromStr for AttributeKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = [0_u32; 4];
        let mut count = 0;
        for part in text.split('.') {
            *numbers.get_mut(count).ok_or(())? = part.parse().map_err(|_| ())?;
            count += 1;
        }
        let octet = |number: u32| u8::try_from(number).map_err(|_| ());
        let (parent, rest) = match octet(numbers[0]) {
            Ok(first) if is_extended(first) && count > 1 => (first, &numbers[1..count]),
            _ => (0, &numbers[..count]),
        };
        match *rest {
            [number] => Ok(Self { parent, vendor: 0, number: octet(number)? }),
            [specific, vendor, number] if specific == u32::from(VENDOR_SPECIFIC) && vendor != 0 => {
                Ok(Self { parent, vendor, number: octet(number)? })
            }
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_is_read() {
        let cases = [
            ("1", AttributeKey { parent: 0, vendor: 0, number: 1 }),
            ("241", AttributeKey { parent: 0, vendor: 0, number: 241 }),
            ("26.10415.22", AttributeKey { parent: 0, vendor: 10415, number: 22 }),
            ("241.3", AttributeKey { parent: 241, vendor: 0, number: 3 }),
            ("245.26.32473.4", AttributeKey { parent: 245, vendor: 32473, number: 4 }),
        ];
        for (text, key) in cases {
            assert_eq!(text.parse(), Ok(key));
            assert_eq!(key.to_string(), text);
        }
        for text in ["", "256", "1.2", "26.0.1", "26.10415.256", "241.26.1", "1.2.3.4.5", "a", "-1"]
        {
            assert_eq!(text.parse::<AttributeKey>(), Err(()), "{text}");
        }
    }
}
