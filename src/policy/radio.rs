//! The kinds of radio as sets, and which of them a 3GPP-RAT-Type is.

use super::RadioClass;

/// Some kinds of radio. Empty: any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RadioSet(u16);

/// A 3GPP-RAT-Type, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Radio {
    pub(super) class: RadioClass,
    /// Whether the number means something: what it is of those that do not nobody knows.
    pub(super) is_assigned: bool,
}

impl RadioSet {
    pub(super) const fn is_any(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, class: RadioClass) -> bool {
        self.0 & 1 << class.number() != 0
    }
}

impl FromIterator<RadioClass> for RadioSet {
    fn from_iter<I: IntoIterator<Item = RadioClass>>(classes: I) -> Self {
        Self(classes.into_iter().fold(0, |set, class| set | 1 << class.number()))
    }
}

impl Radio {
    /// By number (TS 29.061 16.4.7.2-21; TS 29.274 8.17, which has 10 for NR and 11 to 22 for
    /// satellites).
    pub(super) const fn of(rat: u8) -> Self {
        use RadioClass::{FourG, LteM, NbIot, Nr, Other, Satellite, ThreeG, TwoG, Wifi};
        let class = match rat {
            2 => TwoG,
            1 | 5 => ThreeG,
            6 => FourG,
            8 => NbIot,
            9 => LteM,
            10 | 51 | 52 => Nr,
            3 | 53 | 54 => Wifi,
            11..=22 => Satellite,
            _ => Other,
        };
        let is_assigned = !matches!((class, rat), (Other, 0 | 23..=50 | 58..=100 | 106..));
        Self { class, is_assigned }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_classes() {
        for (rat, class, is_assigned) in [
            (1, RadioClass::ThreeG, true),
            (2, RadioClass::TwoG, true),
            (6, RadioClass::FourG, true),
            (8, RadioClass::NbIot, true),
            (9, RadioClass::LteM, true),
            (10, RadioClass::Nr, true),
            (51, RadioClass::Nr, true),
            (53, RadioClass::Wifi, true),
            (11, RadioClass::Satellite, true),
            (4, RadioClass::Other, true),
            (101, RadioClass::Other, true),
            (0, RadioClass::Other, false),
            (200, RadioClass::Other, false),
        ] {
            assert_eq!(Radio::of(rat), Radio { class, is_assigned }, "{rat}");
        }
        let set: RadioSet = [RadioClass::NbIot, RadioClass::Other].into_iter().collect();
        assert!(set.has(RadioClass::NbIot) && set.has(RadioClass::Other) && !set.is_any());
        assert!(!set.has(RadioClass::FourG) && RadioSet::default().is_any());
    }
}
