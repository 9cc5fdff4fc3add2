//! The device itself: the 14 digits of an IMEI that no software changes (3GPP TS 23.003 6.2.1).

use std::fmt;

use serde::{Serialize, Serializer};

use super::Imeisv;
use super::digits::mask;

/// Type allocation code and serial number, without check digit or software version. Six octets, so
/// that it finds room beside others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imei([u8; 6]);

/// One more than the largest.
const BEYOND: u64 = 100_000_000_000_000;

impl Imei {
    /// The first 14 digits of what gateways send: the rest is a check digit, a spare zero or the
    /// version of the software.
    #[must_use]
    pub fn of(imeisv: Imeisv) -> Self {
        // One digit before the others keeps their leading zeros.
        let raw = imeisv.raw();
        let digits = raw.ilog10();
        let number = raw - 10u64.pow(digits);
        Self::from_octets(number / 10u64.pow(digits - 14))
    }

    /// By its digits as a number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        (number < BEYOND).then(|| Self::from_octets(number))
    }

    const fn from_octets(number: u64) -> Self {
        let octets = number.to_be_bytes();
        Self([octets[2], octets[3], octets[4], octets[5], octets[6], octets[7]])
    }

    /// Its digits as a number.
    #[must_use]
    pub const fn number(self) -> u64 {
        let own = self.0;
        u64::from_be_bytes([0, 0, own[0], own[1], own[2], own[3], own[4], own[5]])
    }

    /// The type allocation code: its first eight digits.
    #[must_use]
    pub const fn tac(self) -> u32 {
        (self.number() / 1_000_000) as u32
    }
}

impl fmt::Display for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014}", self.number())
    }
}

impl fmt::Debug for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        mask(f, "Imei", &self.to_string())
    }
}

impl Serialize for Imei {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digit_and_software_version_do_not_count() {
        let of = |text: &str| Imei::of(Imeisv::parse(text.as_bytes()).unwrap());
        let device = of("35349006987300");
        for same in ["353490069873000", "353490069873007", "3534900698730012", "3534900698730099"] {
            assert_eq!(of(same), device, "{same}");
        }
        assert_ne!(of("35349006987301"), device);
        assert_eq!((device.to_string().as_str(), device.tac()), ("35349006987300", 35_349_006));
        let leading = of("0044012345678900");
        assert_eq!((leading.to_string().as_str(), leading.tac()), ("00440123456789", 440_123));
        assert_eq!(Imei::from_number(leading.number()), Some(leading));
        assert_eq!(Imei::from_number(BEYOND), None);
        assert_eq!(format!("{device:?}"), "Imei(..7300)");
    }
}
