//! Who a user is: FreeRADIUS knows names, attachd knows SIMs by their ICCIDs.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::identity::{Iccid, Imsi, Msisdn};

/// The identities that a user names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Identities {
    pub(super) iccid: Option<Iccid>,
    pub(super) imsi: Option<Imsi>,
    pub(super) msisdn: Option<Msisdn>,
}

/// ICCIDs that are known from elsewhere, by what stands beside them.
#[derive(Debug, Default)]
pub struct KnownSims {
    by_imsi: HashMap<Imsi, Iccid, RandomState>,
    by_msisdn: HashMap<Msisdn, Iccid, RandomState>,
}

/// An IMSI has 15 digits, in a few old networks 14 (3GPP TS 23.003 2.2).
const IMSI_DIGITS: [usize; 2] = [14, 15];

impl Identities {
    pub(super) const fn is_empty(&self) -> bool {
        self.iccid.is_none() && self.imsi.is_none() && self.msisdn.is_none()
    }

    pub(super) fn add_imsi(&mut self, text: &str) {
        self.imsi = text.parse().ok().or(self.imsi);
    }

    pub(super) fn add_msisdn(&mut self, text: &str) {
        self.msisdn = text.trim_start_matches('+').parse().ok().or(self.msisdn);
    }

    /// Its ICCID, and whether one had to be made: of the issuer 99 or 98, which is nobody's.
    pub(super) fn iccid(&self, known: &KnownSims) -> Option<(Iccid, bool)> {
        let by_imsi = || self.imsi.and_then(|imsi| known.by_imsi.get(&imsi).copied());
        let by_msisdn = || self.msisdn.and_then(|msisdn| known.by_msisdn.get(&msisdn).copied());
        if let Some(iccid) = self.iccid.or_else(by_imsi).or_else(by_msisdn) {
            return Some((iccid, false));
        }
        let made = match (self.imsi, self.msisdn) {
            (Some(imsi), _) => format!("8999{:0>15}0", imsi.to_string()),
            (None, Some(msisdn)) => format!("8998{:0>15}0", msisdn.to_string()),
            (None, None) => return None,
        };
        let (_, check) = made.parse::<Iccid>().ok()?.check_digits();
        format!("{}{check}", &made[..19]).parse().ok().map(|iccid| (iccid, true))
    }
}

/// What a user's name says: digits, perhaps with a realm behind them or a plus before.
pub(super) fn identity_of(name: &str) -> Identities {
    let digits = name.split('@').next().unwrap_or_default();
    let plain = digits.trim_start_matches('+');
    let mut found = Identities::default();
    if plain.is_empty() || !plain.bytes().all(|octet| octet.is_ascii_digit()) {
        return found;
    }
    if plain.len() >= 19 {
        found.iccid = plain.parse().ok();
    } else if IMSI_DIGITS.contains(&plain.len()) && digits == plain {
        found.add_imsi(plain);
    } else {
        found.add_msisdn(plain);
    }
    found
}

impl KnownSims {
    /// Lines of `iccid,imsi,msisdn` with a header, in which columns may be missing or more.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?.clone();
        let place = |name: &str| header.iter().position(|column| column.trim() == name);
        let iccid_at = place("iccid").ok_or("line 1: there is no column iccid")?;
        let (imsi_at, msisdn_at) = (place("imsi"), place("msisdn"));
        if imsi_at.is_none() && msisdn_at.is_none() {
            return Err("line 1: there is no column imsi or msisdn".to_owned());
        }
        let mut known = Self::default();
        for (row, record) in reader.records().enumerate() {
            let line = row + 2;
            let record = record.map_err(|error| format!("line {line}: {error}"))?;
            let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
            let iccid: Iccid = cell(Some(iccid_at))
                .parse()
                .map_err(|_| format!("line {line}: {:?} is no ICCID", cell(Some(iccid_at))))?;
            for imsi in cell(imsi_at).split(';').filter(|text| !text.is_empty()) {
                let imsi = imsi.parse().map_err(|_| format!("line {line}: {imsi:?} is no IMSI"))?;
                known.by_imsi.insert(imsi, iccid);
            }
            let msisdn = cell(msisdn_at).trim_start_matches('+');
            if !msisdn.is_empty() {
                let msisdn =
                    msisdn.parse().map_err(|_| format!("line {line}: {msisdn:?} is no MSISDN"))?;
                known.by_msisdn.insert(msisdn, iccid);
            }
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_their_digits() {
        for (name, wanted) in [
            ("234500000000001", "imsi"),
            ("234500000000001@iot.example", "imsi"),
            ("8944500000000000014", "iccid"),
            ("+447700000001", "msisdn"),
            ("447700000001", "msisdn"),
            ("alice", ""),
            ("", ""),
            ("0xff", ""),
        ] {
            let found = identity_of(name);
            let kinds = [
                (found.iccid.is_some(), "iccid"),
                (found.imsi.is_some(), "imsi"),
                (found.msisdn.is_some(), "msisdn"),
            ];
            let found: Vec<_> = kinds.iter().filter(|(is, _)| *is).map(|(_, kind)| *kind).collect();
            assert_eq!(found.concat(), wanted, "{name}");
        }
    }

    #[test]
    fn an_iccid_is_known_or_made_with_its_check_digit() {
        let known = KnownSims::parse("imsi,iccid\n234500000000001,8944500000000000014\n").unwrap();
        let of = |name: &str| identity_of(name).iccid(&known).unwrap();
        assert_eq!(of("234500000000001"), ("8944500000000000014".parse().unwrap(), false));
        for name in ["234500000000002", "447700000001"] {
            let (iccid, is_made) = of(name);
            assert!(is_made && iccid.luhn_is_valid() && iccid.to_string().len() == 20, "{iccid}");
        }
        for text in ["", "imsi\n1", "iccid,imsi\nx,1", "iccid\n8944500000000000014"] {
            assert!(KnownSims::parse(text).is_err(), "{text}");
        }
    }
}
