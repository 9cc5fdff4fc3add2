//! The radio access a SIM uses.

use std::fmt;

use crate::wire::number::value::rat_type;

/// 3GPP-RAT-Type. Open: a number without a name is kept and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RatType(pub u8);

impl RatType {
    pub const UTRAN: Self = Self(rat_type::UTRAN as u8);
    pub const GERAN: Self = Self(rat_type::GERAN as u8);
    pub const EUTRAN: Self = Self(rat_type::EUTRAN as u8);
    pub const NB_IOT: Self = Self(rat_type::NB_IOT as u8);
    pub const LTE_M: Self = Self(rat_type::LTE_M as u8);
    pub const NR: Self = Self(rat_type::NR as u8);

    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        rat_type::name(self.0.into())
    }
}

impl fmt::Display for RatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("RAT-{}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_name_or_its_number() {
        for (number, name) in [
            (1, "UTRAN"),
            (2, "GERAN"),
            (6, "EUTRAN"),
            (8, "NB-IoT"),
            (9, "LTE-M"),
            (51, "NR"),
            (0, "RAT-0"),
            (200, "RAT-200"),
        ] {
            assert_eq!(RatType(number).to_string(), name);
        }
        assert_eq!(RatType::NB_IOT, RatType(8));
    }
}
