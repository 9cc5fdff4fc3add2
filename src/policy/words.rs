//! The words of a policy: kinds of radio, countries, devices, actions, and the entries made of them.

use std::fmt;

use crate::identity::Plmn;

/// One rule of a policy. Operator before country before international before the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyEntry {
    pub operator: Option<Plmn>,
    pub country: Option<CountryCode>,
    /// Networks of no country: satellites, ships, aircraft.
    pub international: bool,
    /// Empty: any.
    pub radio: Vec<RadioClass>,
    /// Type allocation codes, the first eight digits of an IMEI, or what they begin with. Empty: any.
    pub tac: Vec<Tac>,
    pub action: PolicyAction,
}

/// What an entry does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyAction {
    Allow,
    Reject,
    RejectHard,
    RejectSoft,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenMissing {
    #[default]
    Allow,
    Reject,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ImeiLock {
    #[default]
    Off,
    /// The first device that is seen is the only one.
    Learn,
}

/// A country in ISO 3166-1 letters, two or three, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode([u8; 3]);

/// A type allocation code, or the first digits of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tac {
    digits: u8,
    number: u32,
}

/// Declares an enumeration of words, each with the number that stands for it in records.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal $word:literal),* $(,)? }) => {
        $(#[$doc])*
        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in files and JSON.
            #[must_use]
            pub const fn moniker(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The number in records; never given to another word.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number),* }
            }

            /// By the word, whatever its case.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.moniker().eq_ignore_ascii_case(word))
            }

            #[must_use]
            pub fn from_number(number: u8) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.number() == number)
            }
        }
    };
}
pub(crate) use words;

/// The kinds of radio that a policy tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RadioClass {
    TwoG,
    ThreeG,
    FourG,
    NbIot,
    LteM,
    Nr,
    Wifi,
    Satellite,
    Other,
}

words!(RadioClass {
    TwoG = 1 "2g",
    ThreeG = 2 "3g",
    FourG = 3 "4g",
    NbIot = 4 "nb-iot",
    LteM = 5 "lte-m",
    Nr = 6 "nr",
    Wifi = 7 "wi-fi",
    Satellite = 8 "satellite",
    Other = 9 "other",
});

words!(PolicyAction {
    Allow = 1 "allow",
    Reject = 2 "reject",
    RejectHard = 3 "reject-hard",
    RejectSoft = 4 "reject-soft",
});

words!(WhenMissing { Allow = 1 "allow", Reject = 2 "reject" });

words!(ImeiLock { Off = 1 "off", Learn = 2 "learn" });

impl CountryCode {
    /// # Errors
    /// If these are not two or three letters.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let letters = text.as_bytes();
        if !matches!(letters.len(), 2 | 3) || !letters.iter().all(u8::is_ascii_alphabetic) {
            return Err("a country has two or three letters (ISO 3166-1)");
        }
        let mut code = [0; 3];
        code[..letters.len()].copy_from_slice(&letters.to_ascii_uppercase());
        Ok(Self(code))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
        str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl Tac {
    /// Of a whole one.
    const DIGITS: u8 = 8;
    /// One more than the largest.
    const BEYOND: u32 = 100_000_000;

    /// # Errors
    /// If these are not one to eight digits.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let is_good =
            (1..=8).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
        let number = is_good.then(|| text.parse().ok()).flatten();
        number
            .map(|number| Self { digits: text.len() as u8, number })
            .ok_or("a type allocation code has eight digits, the beginning of one has fewer")
    }

    /// The number in records: a whole one is itself, of the beginning of one the count of its
    /// digits stands before it.
    #[must_use]
    pub const fn number(self) -> u32 {
        let before = if self.digits == Self::DIGITS { 0 } else { self.digits as u32 };
        before * Self::BEYOND + self.number
    }

    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let (before, number) = (number / Self::BEYOND, number % Self::BEYOND);
        let digits = match before {
            0 => Self::DIGITS,
            1..=7 => before as u8,
            _ => return None,
        };
        (number < 10u32.pow(digits.into())).then_some(Self { digits, number })
    }

    /// How many digits are given.
    #[must_use]
    pub const fn digits(self) -> u8 {
        self.digits
    }

    /// The first and the last code that begin so.
    #[must_use]
    pub const fn range(self) -> (u32, u32) {
        let width = 10u32.pow((Self::DIGITS - self.digits) as u32);
        (self.number * width, self.number * width + width - 1)
    }
}

impl PolicyEntry {
    /// One that matches everything.
    #[must_use]
    pub const fn everywhere(action: PolicyAction) -> Self {
        Self {
            operator: None,
            country: None,
            international: false,
            radio: Vec::new(),
            tac: Vec::new(),
            action,
        }
    }

    /// Whether both ask for the same: then one of them says nothing.
    #[must_use]
    pub fn matches_same(&self, other: &Self) -> bool {
        Self { action: other.action, ..self.clone() } == *other
    }
}

/// As people are told of it: `operator 26201, radio nb-iot: allow`.
impl fmt::Display for PolicyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.operator, self.country) {
            (Some(operator), _) => write!(f, "operator {operator}")?,
            (None, Some(country)) => write!(f, "country {country}")?,
            (None, None) if self.international => f.write_str("international")?,
            (None, None) => f.write_str("everywhere")?,
        }
        for (index, class) in self.radio.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { ", radio " } else { "|" }, class.moniker())?;
        }
        for (index, tac) in self.tac.iter().enumerate() {
            write!(f, "{}{tac}", if index == 0 { ", tac " } else { "|" })?;
        }
        write!(f, ": {}", self.action.moniker())
    }
}

impl fmt::Display for Tac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.number, width = usize::from(self.digits))
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_are_read_as_they_are_written() {
        for class in RadioClass::ALL {
            assert_eq!(RadioClass::parse(class.moniker()), Some(*class));
            assert_eq!(RadioClass::from_number(class.number()), Some(*class));
        }
        assert_eq!(PolicyAction::parse("Reject-Hard"), Some(PolicyAction::RejectHard));
        assert_eq!(PolicyAction::parse("refuse"), None);
        for country in ["DE", "DZA"] {
            assert_eq!(CountryCode::parse(country).unwrap().to_string(), country);
        }
        assert_eq!(CountryCode::parse("de"), CountryCode::parse("DE"));
        for text in ["", "D", "D1", "ABCD"] {
            assert!(CountryCode::parse(text).is_err(), "{text}");
        }
        assert_eq!(Tac::parse("01349006").unwrap().to_string(), "01349006");
        for text in ["", "353490061", "3534900a", "+3534900"] {
            assert!(Tac::parse(text).is_err(), "{text}");
        }
        for (text, range) in [
            ("01349006", (1_349_006, 1_349_006)),
            ("35349", (35_349_000, 35_349_999)),
            ("0", (0, 9_999_999)),
        ] {
            let tac = Tac::parse(text).unwrap();
            assert_eq!((tac.to_string().as_str(), tac.range()), (text, range));
            assert_eq!(Tac::from_number(tac.number()), Some(tac));
        }
        assert_eq!(Tac::from_number(100_000_010), None, "two digits where one is said");
    }
}
