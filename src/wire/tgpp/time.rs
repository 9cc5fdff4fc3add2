//! The clock of the place where the SIM is, and the NTP clock of its gateway.

use std::fmt;

/// 3GPP-MS-TimeZone: quarters of an hour from UTC, and how much of it is daylight saving (TS 24.008
/// section 10.5.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeZone {
    quarter_hours: i8,
    daylight_saving_hours: u8,
}

/// In the half-octet of the tens: west of Greenwich.
const WEST: u8 = 0x8;

impl TimeZone {
    /// Two octets; None for any other number of them, for half-octets that are no digits, and for
    /// the reserved daylight saving 3.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let &[zone, saving] = octets else { return None };
        let (units, tens) = (zone >> 4, zone & 0xf & !WEST);
        let daylight_saving_hours = saving & 3;
        if units > 9 || daylight_saving_hours > 2 {
            return None;
        }
        // At most 79.
        let quarters = (tens * 10 + units).cast_signed();
        Some(Self {
            quarter_hours: if zone & WEST == 0 { quarters } else { -quarters },
            daylight_saving_hours,
        })
    }

    /// The two octets. None unless the offset is whole quarters of an hour, at most 79 of them, and
    /// the saving at most two hours.
    #[must_use]
    pub fn encode(offset_minutes: i16, daylight_saving_hours: u8) -> Option<[u8; 2]> {
        let quarters = offset_minutes.unsigned_abs() / 15;
        if offset_minutes % 15 != 0 || quarters > 79 || daylight_saving_hours > 2 {
            return None;
        }
        let (tens, units) = (quarters as u8 / 10, quarters as u8 % 10);
        let west = if offset_minutes < 0 { WEST } else { 0 };
        Some([units << 4 | tens | west, daylight_saving_hours])
    }

    /// Local time minus UTC, daylight saving included.
    #[must_use]
    pub const fn offset_minutes(self) -> i16 {
        self.quarter_hours as i16 * 15
    }

    /// How many hours of the offset are daylight saving: 0, 1 or 2.
    #[must_use]
    pub const fn daylight_saving_hours(self) -> u8 {
        self.daylight_saving_hours
    }
}

impl fmt::Display for TimeZone {
    /// `UTC+05:30`, or `UTC+02:00, 1 h of it daylight saving`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.offset_minutes();
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)?;
        match self.daylight_saving_hours {
            0 => Ok(()),
            hours => write!(f, ", {hours} h of it daylight saving"),
        }
    }
}

/// Seconds since 1970 of an NTP time in seconds, as 3GPP-User-Location-Info-Time has it.
///
/// Without the highest bit it is a time after February 2036, when the 32 bits begin again (RFC 4330
/// section 3).
#[must_use]
pub const fn unix_seconds(ntp: u32) -> u64 {
    /// From 1900 to 1970.
    const EPOCH: u64 = 2_208_988_800;
    let era = if ntp >> 31 == 0 { 1 << 32 } else { 0 };
    era + ntp as u64 - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_are_quarter_hours_in_swapped_digits() {
        let cases: [([u8; 2], i16, u8, &str); 12] = [
            ([0x00, 0], 0, 0, "UTC+00:00"),
            ([0x40, 0], 60, 0, "UTC+01:00"),
            ([0x80, 0], 120, 0, "UTC+02:00"),
            ([0x23, 0], 480, 0, "UTC+08:00"),
            ([0x22, 0], 330, 0, "UTC+05:30"),
            ([0x32, 0], 345, 0, "UTC+05:45"),
            ([0x29, 0], -180, 0, "UTC-03:00"),
            ([0x0a, 0], -300, 0, "UTC-05:00"),
            ([0x49, 0], -210, 0, "UTC-03:30"),
            ([0x65, 0], 840, 0, "UTC+14:00"),
            ([0x80, 1], 120, 1, "UTC+02:00, 1 h of it daylight saving"),
            ([0x80, 2], 120, 2, "UTC+02:00, 2 h of it daylight saving"),
        ];
        for (octets, minutes, saving, shown) in cases {
            let zone = TimeZone::decode(&octets).unwrap();
            assert_eq!((zone.offset_minutes(), zone.daylight_saving_hours()), (minutes, saving));
            assert_eq!(zone.to_string(), shown);
            assert_eq!(TimeZone::encode(minutes, saving), Some(octets));
        }
    }

    #[test]
    fn other_octets_are_no_time_zone() {
        for octets in [&[][..], &[0x40], &[0x40, 0, 0], &[0xa0, 0], &[0x40, 3]] {
            assert_eq!(TimeZone::decode(octets), None, "{octets:02x?}");
        }
        assert_eq!(TimeZone::encode(7, 0), None);
        assert_eq!(TimeZone::encode(1200, 0), None);
        assert_eq!(TimeZone::encode(i16::MIN, 0), None);
    }

    #[test]
    fn ntp_counts_from_1900_and_again_from_2036() {
        assert_eq!(unix_seconds(0xeb1f_0400), 1_735_689_600);
        assert_eq!(unix_seconds(u32::MAX) + 1, unix_seconds(0));
        assert_eq!(unix_seconds(0), 2_085_978_496);
    }
}
