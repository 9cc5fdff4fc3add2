//! The APN of a session in two octets: a few thousand names are shared by millions of sessions.

use std::hash::BuildHasher;
use std::num::NonZeroU16;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use super::interned::Interned;
use super::text;
use crate::identity::network_identifier;

/// Operators have some thousands of APNs at most. A session whose APN finds no place here keeps its
/// own copy.
static NAMES: Interned<Box<str>, { 1 << 14 }> = Interned::new();

/// A name of the shared table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccessPoint(NonZeroU16);

impl AccessPoint {
    /// The shared copy of `name`, if there is one or still room for it.
    pub(super) fn of(name: &str) -> Option<Self> {
        let hash = FixedState::default().hash_one(name);
        NAMES.slot(hash, |shared| **shared == *name, || name.into()).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.get(self.0).map_or("", |name| name)
    }
}

/// A Called-Station-Id as it is compared and shown: lower case, without the operator's suffix.
pub(super) fn normal(called_station_id: &[u8]) -> CompactString {
    let mut name = text::keep(network_identifier(called_station_id));
    name.make_ascii_lowercase();
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_number() {
        let iot = AccessPoint::of("iot.example").unwrap();
        assert_eq!(AccessPoint::of("iot.example"), Some(iot));
        assert_ne!(AccessPoint::of("web.example"), Some(iot));
        assert_eq!(iot.name(), "iot.example");
        assert_eq!(size_of::<Option<AccessPoint>>(), 2);
    }

    #[test]
    fn names_are_compared_without_case_and_operator() {
        assert_eq!(normal(b"IoT.Example.mnc015.MCC234.gprs"), "iot.example");
        assert_eq!(normal(b"\xFF"), "\u{ff}");
    }
}
