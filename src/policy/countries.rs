//! Mobile country codes: which countries and territories use each, and how long its MNCs are.
//!
//! The assignments are facts of ITU-T E.212 and of its lists in the Operational Bulletin; the file
//! is our own. Letters are those of ISO 3166-1.

use std::sync::LazyLock;

use super::CountryCode;
use crate::identity::Plmn;

/// One mobile country code.
#[derive(Clone, Debug, Default)]
pub(super) struct Mcc {
    /// The primary country first, then territories under it. None: it belongs to no country.
    pub(super) countries: Vec<CountryCode>,
    pub(super) mnc: MncDigits,
    /// Networks of no country: satellites, ships, aircraft, and operators without borders.
    pub(super) is_international: bool,
}

/// How many digits the MNCs of an MCC have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MncDigits {
    Two,
    Three,
    /// Both, or nobody knows.
    #[default]
    Mixed,
}

/// Room for every three digits.
const CODES: usize = 1000;

static TABLE: LazyLock<Vec<Mcc>> = LazyLock::new(|| {
    let mut table = vec![Mcc::default(); CODES];
    for row in include_str!("mcc-country.csv").lines().skip(1) {
        let mut fields = row.split(',');
        let mut next = || fields.next().unwrap_or_default();
        let (code, primary, also, digits, note) = (next(), next(), next(), next(), next());
        let Some(mcc) = code.parse().ok().and_then(|code: usize| table.get_mut(code)) else {
            continue;
        };
        let letters = std::iter::once(primary).chain(also.split(' '));
        mcc.countries = letters.filter_map(|letters| CountryCode::parse(letters).ok()).collect();
        mcc.mnc = match digits {
            "2" => MncDigits::Two,
            "3" => MncDigits::Three,
            _ => MncDigits::Mixed,
        };
        mcc.is_international = note == "international shared code";
    }
    table
});

/// Two letters and three of each country.
const LETTERS: &str = include_str!("iso3166.txt");

/// All codes, by number.
pub(super) fn table() -> &'static [Mcc] {
    &TABLE
}

/// The two letters of the country that a network is in: the primary one, where its MCC has several.
#[must_use]
pub fn country_of(plmn: Plmn) -> Option<&'static str> {
    table().get(usize::from(plmn.mcc()))?.countries.first().map(CountryCode::as_str)
}

/// Whether a network may be in a country: its MCC is used there.
#[must_use]
pub fn is_in_country(plmn: Plmn, country: CountryCode) -> bool {
    let wanted = two_letters(country);
    let mcc = table().get(usize::from(plmn.mcc()));
    mcc.is_some_and(|mcc| mcc.countries.iter().any(|own| Some(*own) == wanted))
}

/// Whether there is such a country.
#[must_use]
pub fn is_country(country: CountryCode) -> bool {
    two_letters(country).is_some()
}

/// All MCCs that belong to countries, with these: the primary one first.
pub fn countries() -> impl Iterator<Item = (usize, &'static [CountryCode])> {
    let all = table().iter().enumerate().map(|(code, mcc)| (code, &mcc.countries[..]));
    all.filter(|(_, countries)| !countries.is_empty())
}

/// The code in three letters. `None`: there is no such country.
#[must_use]
pub fn three_letters(country: CountryCode) -> Option<&'static str> {
    let mut words = LETTERS.split_ascii_whitespace();
    while let (Some(two), Some(three)) = (words.next(), words.next()) {
        if [two, three].contains(&country.as_str()) {
            return Some(three);
        }
    }
    None
}

/// The code in two letters. `None`: there is no such country.
pub(super) fn two_letters(country: CountryCode) -> Option<CountryCode> {
    let mut words = LETTERS.split_ascii_whitespace();
    while let (Some(two), Some(three)) = (words.next(), words.next()) {
        if [two, three].contains(&country.as_str()) {
            return CountryCode::parse(two).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(letters: &str) -> CountryCode {
        CountryCode::parse(letters).unwrap()
    }

    #[test]
    fn every_row_names_countries_that_there_are() {
        let rows = include_str!("mcc-country.csv").lines().skip(1).count();
        let known = table().iter().filter(|mcc| !mcc.countries.is_empty()).count();
        assert_eq!((rows, known), (238, 233));
        let all = table().iter().flat_map(|mcc| &mcc.countries);
        for country in all.clone() {
            assert_eq!(two_letters(*country), Some(*country), "{country}");
        }
        let words: Vec<&str> = LETTERS.split_ascii_whitespace().collect();
        let mut sorted = words.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((words.len(), sorted.len()), (500, 500), "no code twice");
        assert!(words.chunks(2).all(|pair| pair[0].len() == 2 && pair[1].len() == 3));
    }

    #[test]
    fn networks_are_in_their_countries_and_territories() {
        for (plmn, primary, other) in [
            ("26202", Some("DE"), "DEU"),
            ("310370", Some("US"), "GU"),
            ("23450", Some("GB"), "JEY"),
            ("20801", Some("FR"), "FRA"),
        ] {
            let plmn = plmn.parse().unwrap();
            assert_eq!(country_of(plmn), primary);
            assert!(is_in_country(plmn, country(other)), "{plmn} {other}");
            assert!(!is_in_country(plmn, country("BR")));
        }
        for nowhere in ["90114", "00101", "99999", "12345"] {
            assert_eq!(country_of(nowhere.parse().unwrap()), None, "{nowhere}");
        }
        assert!(table()[901].is_international && !table()[1].is_international);
        assert!(is_country(country("DZA")) && !is_country(country("ZZ")));
    }
}
