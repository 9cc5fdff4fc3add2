//! A mobile network in three octets.

use std::fmt;

/// MCC and MNC as six half-octets: `62 f2 20` is 262-02 (TS 24.008 section 10.5.1.3). Compares by
/// its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plmn(pub [u8; 3]);

/// Stands in place of the third MNC digit where there are two.
const FILLER: u8 = 0xf;

impl Plmn {
    /// From the five or six digits of MCC and MNC, as 3GPP-SGSN-MCC-MNC has them.
    #[must_use]
    pub fn from_digits(digits: &str) -> Option<Self> {
        let mut all = [FILLER; 6];
        if !matches!(digits.len(), 5 | 6) {
            return None;
        }
        for (place, digit) in all.iter_mut().zip(digits.bytes()) {
            *place = digit.is_ascii_digit().then(|| digit - b'0')?;
        }
        let [mcc1, mcc2, mcc3, mnc1, mnc2, mnc3] = all;
        Some(Self([mcc2 << 4 | mcc1, mnc3 << 4 | mcc3, mnc2 << 4 | mnc1]))
    }

    /// The digits of MCC and MNC as text, `F` in place of what is no digit.
    #[must_use]
    pub fn to_ascii(self) -> [u8; 6] {
        self.digits().map(|digit| if digit > 9 { b'F' } else { b'0' + digit })
    }

    /// The digits of MCC and MNC, the last possibly the filler.
    fn digits(self) -> [u8; 6] {
        let [first, second, third] = self.0;
        [first & 0xf, first >> 4, second & 0xf, third & 0xf, third >> 4, second >> 4]
    }
}

impl fmt::Display for Plmn {
    /// `262-02`; octets that are no digits as they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [mcc1, mcc2, mcc3, mnc1, mnc2, mnc3] = self.digits();
        if [mcc1, mcc2, mcc3, mnc1, mnc2].iter().any(|digit| *digit > 9) {
            return write!(f, "0x{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2]);
        }
        write!(f, "{mcc1}{mcc2}{mcc3}-{mnc1}{mnc2}")?;
        // More than nine is the filler.
        if mnc3 <= 9 { write!(f, "{mnc3}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_swapped_digits() {
        let cases = [
            ("26202", [0x62, 0xf2, 0x20], "262-02"),
            ("310410", [0x13, 0x00, 0x14], "310-410"),
            ("00101", [0x00, 0xf1, 0x10], "001-01"),
        ];
        for (digits, octets, shown) in cases {
            assert_eq!(Plmn::from_digits(digits), Some(Plmn(octets)));
            assert_eq!(Plmn(octets).to_string(), shown);
            assert_eq!(Plmn(octets).to_ascii()[..digits.len()], *digits.as_bytes());
        }
        for digits in ["", "262", "2620", "2620212", "26x02"] {
            assert_eq!(Plmn::from_digits(digits), None, "{digits}");
        }
        assert_eq!(Plmn([0xa1, 0xf1, 0x10]).to_string(), "0xa1f110");
    }
}
