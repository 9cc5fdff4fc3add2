//! The numbers of mobile networks: IMSI, MSISDN, IMEISV and PLMN (3GPP TS 23.003).

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::IdentityError;
use super::digits::{Digits, after_scheme, mask, trimmed};

/// Declares a digit identifier; they differ only in name, permitted lengths and what is cut off
/// first.
macro_rules! subscriber_number {
    ($(#[$doc:meta])* $name:ident, $lengths:expr, $clean:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digits);

        impl $name {
            /// Reads the digits as they come on the wire or in a file.
            ///
            /// # Errors
            /// If these are not digits, or too few or too many of them.
            pub fn parse(text: &[u8]) -> Result<Self, IdentityError> {
                let digits = $clean(text);
                $lengths
                    .contains(&digits.len())
                    .then(|| Digits::pack(digits))
                    .flatten()
                    .map(Self)
                    .ok_or(IdentityError { rule: $rule })
            }

            /// The word that stands for it in indexes and records.
            #[must_use]
            pub const fn raw(self) -> u64 {
                self.0.raw()
            }

            /// The inverse of [`Self::raw`].
            #[must_use]
            pub fn from_raw(raw: u64) -> Option<Self> {
                Digits::from_raw(raw).filter(|own| $lengths.contains(&own.len())).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, IdentityError> {
                Self::parse(text.as_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0.text().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                mask(f, stringify!($name), self.0.text().as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

subscriber_number! {
    /// The subscription's number inside the mobile network: MCC, MNC and MSIN, 6 to 15 digits (3GPP
    /// TS 23.003 2.2). Also read in the form of a SUPI, `imsi-` and the digits (3GPP TS 29.571
    /// 5.3.2).
    Imsi, (6..=15), imsi_digits, "an IMSI has 6 to 15 digits"
}

subscriber_number! {
    /// The subscription's telephone number in international form, without `+` or `00`, 5 to 15
    /// digits (ITU-T E.164). Also read in the form of a GPSI, `msisdn-` and the digits (3GPP TS
    /// 29.571 5.3.2), and as a `tel:` URI (RFC 3966).
    Msisdn, (5..=15), msisdn_digits, "an MSISDN has 5 to 15 digits in international form"
}

subscriber_number! {
    /// The device's identity and software version: 14 to 16 digits, as gateways send it (3GPP TS
    /// 23.003 6.2.2). Also read in the form of a PEI, `imeisv-` or `imei-` and the digits (3GPP TS
    /// 29.571 5.3.2).
    Imeisv, (14..=16), imeisv_digits, "an IMEISV has 14 to 16 digits"
}

subscriber_number! {
    /// A mobile network: MCC and MNC, 5 or 6 digits (3GPP TS 23.003 12.1).
    Plmn, (5..=6), without_filler, "a PLMN has 5 or 6 digits"
}

impl Plmn {
    /// The MCC: the first three digits.
    #[must_use]
    pub fn mcc(self) -> u16 {
        let (number, digits) = self.number();
        (number / 10u64.pow(digits - 3)) as u16
    }

    /// The same network if the first digit of a three-digit MNC is a padding zero. `None`: it
    /// cannot be.
    #[must_use]
    pub fn without_padding(self) -> Option<Self> {
        let (number, digits) = self.number();
        let (mcc, mnc) = (number / 1000, number % 1000);
        (digits == 6 && mnc < 100).then(|| Self::from_raw(100_000 + mcc * 100 + mnc)).flatten()
    }

    /// Its digits as a number, and how many they are.
    fn number(self) -> (u64, u32) {
        // One digit before the others keeps their leading zeros.
        let raw = self.raw();
        if raw < 1_000_000 { (raw - 100_000, 5) } else { (raw - 1_000_000, 6) }
    }
}

fn imsi_digits(text: &[u8]) -> &[u8] {
    let text = without_filler(text);
    after_scheme(text, "imsi-").unwrap_or(text)
}

fn imeisv_digits(text: &[u8]) -> &[u8] {
    let text = without_filler(text);
    after_scheme(text, "imeisv-").or_else(|| after_scheme(text, "imei-")).unwrap_or(text)
}

fn msisdn_digits(text: &[u8]) -> &[u8] {
    let text = without_filler(text);
    let number = match after_scheme(text, "tel:") {
        // Behind the digits there may be parameters (RFC 3966 3).
        Some(uri) => uri.split(|octet| *octet == b';').next().unwrap_or_default(),
        None => after_scheme(text, "msisdn-").unwrap_or(text),
    };
    number.strip_prefix(b"+").or_else(|| number.strip_prefix(b"00")).unwrap_or(number)
}

/// Gateways pad numbers to their longest form with `F`, NUL or blanks.
fn without_filler(text: &[u8]) -> &[u8] {
    let text = trimmed(text);
    let used =
        text.iter().rposition(|octet| !matches!(octet, b'F' | b'f')).map_or(0, |last| last + 1);
    trimmed(&text[..used])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imsi_keeps_leading_zeros_and_loses_fillers() {
        let imsi = Imsi::parse(b"001010000000001").unwrap();
        assert_eq!(imsi.to_string(), "001010000000001");
        assert_eq!(Imsi::parse(b"001010000000001F"), Ok(imsi));
        assert_eq!(Imsi::parse(b"001010000000001\0"), Ok(imsi));
        assert_eq!(Imsi::from_raw(imsi.raw()), Some(imsi));
    }

    #[test]
    fn msisdn_loses_its_international_prefix() {
        let msisdn = Msisdn::parse(b"447700000001").unwrap();
        assert_eq!(Msisdn::parse(b"+447700000001"), Ok(msisdn));
        assert_eq!(Msisdn::parse(b"00447700000001"), Ok(msisdn));
    }

    /// The forms of 5G cores, and what senders leave around a value.
    #[test]
    fn a_number_may_name_its_kind() {
        let (imsi, msisdn) =
            (Imsi::parse(b"001010000000001").unwrap(), Msisdn::parse(b"447700000001").unwrap());
        for text in [
            "imsi-001010000000001",
            "IMSI-001010000000001",
            "001010000000001 ",
            " 001010000000001\0\0",
            "001010000000001F\0",
        ] {
            assert_eq!(Imsi::parse(text.as_bytes()), Ok(imsi), "{text:?}");
        }
        for text in [
            "msisdn-447700000001",
            "tel:+447700000001",
            "TEL:447700000001;phone-context=example.net",
            "447700000001\0",
            "+447700000001 ",
            "447700000001F",
            "msisdn-+447700000001\0",
        ] {
            assert_eq!(Msisdn::parse(text.as_bytes()), Ok(msisdn), "{text:?}");
        }
        let imeisv = Imeisv::parse(b"3512340012345678").unwrap();
        assert_eq!(Imeisv::parse(b"imeisv-3512340012345678"), Ok(imeisv));
        assert_eq!(Imeisv::parse(b"imei-351234001234567"), Imeisv::parse(b"351234001234567"));
        assert_eq!(Plmn::parse(b"26202F\0"), Plmn::parse(b"26202"));
        for other in [
            "imsi-447700000001",
            "msisdn-",
            "imei-447700000001",
            "tel:",
            "447700000001;x",
            "imsi-imsi-1234567",
        ] {
            assert!(Msisdn::parse(other.as_bytes()).is_err(), "{other:?}");
        }
        for other in [
            "msisdn-001010000000001",
            "imsi-",
            "imsi-x",
            "tel:001010000000001",
            "001010\x00000000001",
        ] {
            assert!(Imsi::parse(other.as_bytes()).is_err(), "{other:?}");
        }
    }

    #[test]
    fn neither_takes_other_lengths_or_letters() {
        for text in ["", "1234", "1234567890123456", "44770000000x"] {
            assert!(Imsi::parse(text.as_bytes()).is_err(), "{text}");
            assert!(Msisdn::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn debug_is_masked() {
        assert_eq!(format!("{:?}", Msisdn::parse(b"447700000001").unwrap()), "Msisdn(..0001)");
    }
}
