//! Where a device is, in the 44 octets that nearly every network's report of it fits in.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use super::LocationInfo;
use crate::identity::{Imeisv, Plmn};

/// A [`LocationInfo`] packed, without an IPv6 serving node and without a location longer than
/// [`Location::ROOM`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PackedLocationInfo {
    /// The two halves of the packed number, 0 if unknown: a `u64` would cost the alignment of one.
    imeisv: [u32; 2],
    /// The packed number, which is below 2 * 10^6; 0 if unknown.
    plmn: u32,
    /// Zero is reserved (3GPP TS 29.060 7.7.26).
    charging_id: Option<NonZeroU32>,
    rat: Option<u8>,
    time_zone: Option<[u8; 2]>,
    serving_node: Option<Ipv4Addr>,
    location: Location,
}

/// A 3GPP-User-Location-Info; empty if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Location {
    len: u8,
    octets: [u8; Self::ROOM],
}

impl Location {
    /// The type octet and the longest pair in use, a 5GS TAI with an NCGI (3GPP TS 29.061
    /// 16.4.7.2).
    const ROOM: usize = 15;

    fn keep(raw: &[u8]) -> Option<Self> {
        let mut octets = [0; Self::ROOM];
        octets.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Self { len: raw.len() as u8, octets })
    }
}

/// What of a [`LocationInfo`] did not fit.
#[derive(Default)]
pub(super) struct LocationOverflow<'a> {
    pub(super) serving_node: Option<IpAddr>,
    pub(super) location: Option<&'a [u8]>,
}

impl PackedLocationInfo {
    /// Takes over what `location_info` knows; the rest stays. Returns what has to be kept
    /// elsewhere.
    pub(super) fn learn<'a>(&mut self, location_info: &LocationInfo<'a>) -> LocationOverflow<'a> {
        let mut overflow = LocationOverflow::default();
        if let Some(imeisv) = location_info.imeisv {
            self.imeisv = [(imeisv.raw() >> 32) as u32, imeisv.raw() as u32];
        }
        if let Some(plmn) = location_info.plmn {
            self.plmn = plmn.raw() as u32;
        }
        self.charging_id = location_info.charging_id.and_then(NonZeroU32::new).or(self.charging_id);
        self.rat = location_info.rat.or(self.rat);
        self.time_zone = location_info.time_zone.or(self.time_zone);
        match location_info.serving_node {
            Some(IpAddr::V4(node)) => self.serving_node = Some(node),
            Some(IpAddr::V6(_)) => {
                self.serving_node = None;
                overflow.serving_node = location_info.serving_node;
            }
            None => {}
        }
        if let Some(raw) = location_info.location {
            self.location = Location::keep(raw).unwrap_or_else(|| {
                overflow.location = Some(raw);
                Location::default()
            });
        }
        overflow
    }

    pub(super) fn charging_id(&self) -> Option<u32> {
        self.charging_id.map(NonZeroU32::get)
    }

    /// The location, as it was sent.
    pub(super) fn location(&self) -> Option<&[u8]> {
        let sent = self.location.octets.get(..usize::from(self.location.len));
        sent.filter(|raw| !raw.is_empty())
    }

    /// What is known here, unpacked.
    pub(super) fn location_info(&self) -> LocationInfo<'_> {
        let [high, low] = self.imeisv;
        LocationInfo {
            rat: self.rat,
            plmn: Plmn::from_raw(u64::from(self.plmn)),
            serving_node: self.serving_node.map(IpAddr::V4),
            location: self.location(),
            imeisv: Imeisv::from_raw(u64::from(high) << 32 | u64::from(low)),
            time_zone: self.time_zone,
            charging_id: self.charging_id.map(NonZeroU32::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_values_leave_what_was_known() {
        let full = LocationInfo {
            rat: Some(8),
            plmn: Plmn::parse(b"00101").ok(),
            serving_node: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
            location: Some(&[0x82, 0x00, 0xf1, 0x10]),
            imeisv: Imeisv::parse(b"3512340012345678").ok(),
            time_zone: Some([0x40, 1]),
            charging_id: Some(0xdead_beef),
        };
        let mut known = PackedLocationInfo::default();
        assert_eq!(known.location_info(), LocationInfo::default());
        known.learn(&full);
        assert_eq!(known.location_info(), full);
        known.learn(&LocationInfo::default());
        assert_eq!(known.location_info(), full);
        known.learn(&LocationInfo { rat: Some(6), ..LocationInfo::default() });
        assert_eq!(known.location_info(), LocationInfo { rat: Some(6), ..full });
    }

    #[test]
    fn what_does_not_fit_is_handed_back() {
        let mut known = PackedLocationInfo::default();
        let node: IpAddr = "2001:db8::7".parse().unwrap();
        let long = [1; 16];
        let overflow = known.learn(&LocationInfo {
            serving_node: Some(node),
            location: Some(&long),
            ..LocationInfo::default()
        });
        assert_eq!((overflow.serving_node, overflow.location), (Some(node), Some(&long[..])));
        assert_eq!(known.location_info(), LocationInfo::default());
    }
}
