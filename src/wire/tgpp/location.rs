//! 3GPP-User-Location-Info: the cell or area a SIM is in (TS 29.061 section 16.4.7.2-22).

use std::fmt;

use nom::combinator::{map, opt};
use nom::number::complete::{be_u8, be_u16, be_u24, be_u32};
use nom::{IResult, Parser};

use super::Plmn;

/// One area of a network (TS 23.003). The digits after the network are as wide as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// A 2G cell.
    Cgi { plmn: Plmn, lac: u16, ci: u16 },
    /// A 3G service area.
    Sai { plmn: Plmn, lac: u16, sac: u16 },
    /// A 2G or 3G routing area.
    Rai { plmn: Plmn, lac: u16, rac: u8 },
    /// A 2G or 3G location area.
    Lai { plmn: Plmn, lac: u16 },
    /// A 4G tracking area.
    Tai { plmn: Plmn, tac: u16 },
    /// A 4G cell; 28 bits.
    Ecgi { plmn: Plmn, eci: u32 },
    /// A 5G tracking area; 24 bits.
    FiveGsTai { plmn: Plmn, tac: u32 },
    /// A 5G cell: all 40 bits, of which 36 name the cell. Implementations disagree on whether the
    /// first or the last four are spare.
    Ncgi { plmn: Plmn, nci: u64 },
}

/// The upper four bits of a 4G cell's 32 are spare.
const ECI_BITS: u32 = 0x0fff_ffff;

#[derive(Clone, Copy)]
enum Shape {
    Cgi,
    Sai,
    Rai,
    Lai,
    Tai,
    Ecgi,
    FiveGsTai,
    Ncgi,
}

/// The first octet as TS 29.061 reads it: a number. Node identities (131 to 134, 138, 139) stay
/// octets.
const BY_NUMBER: &[(u8, &[Shape])] = &[
    (0, &[Shape::Cgi]),
    (1, &[Shape::Sai]),
    (2, &[Shape::Rai]),
    (128, &[Shape::Tai]),
    (129, &[Shape::Ecgi]),
    (130, &[Shape::Tai, Shape::Ecgi]),
    (135, &[Shape::Ncgi]),
    (136, &[Shape::FiveGsTai]),
    (137, &[Shape::FiveGsTai, Shape::Ncgi]),
];

/// The first octet as TS 29.274 section 8.21 reads it: a bit for each of these, lowest first.
const BY_BIT: [Shape; 6] =
    [Shape::Cgi, Shape::Sai, Shape::Rai, Shape::Tai, Shape::Ecgi, Shape::Lai];

/// Where a SIM is: one area, or several that contain each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserLocation {
    areas: [Option<Area>; BY_BIT.len()],
}

impl UserLocation {
    /// Reads the attribute's value. None for what is spare, identifies a node, or has another
    /// length than it should.
    ///
    /// Some gateways copy the element of GTPv2, whose first octet is a bit mask; understood where
    /// TS 29.061 has no such number.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (&first, rest) = octets.split_first()?;
        if let Some((_, shapes)) = BY_NUMBER.iter().find(|(number, _)| *number == first) {
            return Self::of_shapes(shapes.iter().copied(), rest);
        }
        if first >> BY_BIT.len() != 0 {
            return None;
        }
        let set = BY_BIT
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| first & (1 << bit) != 0)
            .map(|(_, shape)| shape);
        Self::of_shapes(set, rest)
    }

    fn of_shapes(shapes: impl Iterator<Item = Shape>, mut rest: &[u8]) -> Option<Self> {
        let mut areas = [None; BY_BIT.len()];
        for (place, shape) in areas.iter_mut().zip(shapes) {
            let (after, read) = area(shape, rest).ok()?;
            (*place, rest) = (Some(read), after);
        }
        rest.is_empty().then_some(Self { areas })
    }

    pub fn areas(&self) -> impl Iterator<Item = Area> {
        self.areas.into_iter().flatten()
    }

    /// The network of the first area: where a tracking area and a cell are given, that of the
    /// tracking area.
    #[must_use]
    pub fn plmn(&self) -> Option<Plmn> {
        self.areas().next().map(|area| match area {
            Area::Cgi { plmn, .. }
            | Area::Sai { plmn, .. }
            | Area::Rai { plmn, .. }
            | Area::Lai { plmn, .. }
            | Area::Tai { plmn, .. }
            | Area::Ecgi { plmn, .. }
            | Area::FiveGsTai { plmn, .. }
            | Area::Ncgi { plmn, .. } => plmn,
        })
    }

    /// The value for a 4G cell and its tracking area, which is what most gateways send.
    #[must_use]
    pub fn encode_tai_ecgi(plmn: Plmn, tac: u16, eci: u32) -> [u8; 13] {
        let mut octets = [130; 13];
        octets[1..4].copy_from_slice(&plmn.0);
        octets[4..6].copy_from_slice(&tac.to_be_bytes());
        octets[6..9].copy_from_slice(&plmn.0);
        octets[9..].copy_from_slice(&(eci & ECI_BITS).to_be_bytes());
        octets
    }
}

fn area(shape: Shape, octets: &[u8]) -> IResult<&[u8], Area, ()> {
    let plmn = map((be_u8, be_u8, be_u8), |(a, b, c)| Plmn([a, b, c]));
    match shape {
        Shape::Cgi => {
            map((plmn, be_u16, be_u16), |(plmn, lac, ci)| Area::Cgi { plmn, lac, ci }).parse(octets)
        }
        Shape::Sai => map((plmn, be_u16, be_u16), |(plmn, lac, sac)| Area::Sai { plmn, lac, sac })
            .parse(octets),
        // The code of one octet has two on the wire, the second all ones; some gateways leave that
        // out.
        Shape::Rai => map((plmn, be_u16, be_u8, opt(be_u8)), |(plmn, lac, rac, _)| Area::Rai {
            plmn,
            lac,
            rac,
        })
        .parse(octets),
        Shape::Lai => map((plmn, be_u16), |(plmn, lac)| Area::Lai { plmn, lac }).parse(octets),
        Shape::Tai => map((plmn, be_u16), |(plmn, tac)| Area::Tai { plmn, tac }).parse(octets),
        Shape::Ecgi => map((plmn, be_u32), |(plmn, eci)| Area::Ecgi { plmn, eci: eci & ECI_BITS })
            .parse(octets),
        Shape::FiveGsTai => {
            map((plmn, be_u24), |(plmn, tac)| Area::FiveGsTai { plmn, tac }).parse(octets)
        }
        Shape::Ncgi => map((plmn, be_u8, be_u32), |(plmn, high, low)| Area::Ncgi {
            plmn,
            nci: u64::from(high) << 32 | u64::from(low),
        })
        .parse(octets),
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgi { plmn, lac, ci } => write!(f, "CGI {plmn} LAC 0x{lac:04x} CI 0x{ci:04x}"),
            Self::Sai { plmn, lac, sac } => write!(f, "SAI {plmn} LAC 0x{lac:04x} SAC 0x{sac:04x}"),
            Self::Rai { plmn, lac, rac } => write!(f, "RAI {plmn} LAC 0x{lac:04x} RAC 0x{rac:02x}"),
            Self::Lai { plmn, lac } => write!(f, "LAI {plmn} LAC 0x{lac:04x}"),
            Self::Tai { plmn, tac } => write!(f, "TAI {plmn} TAC 0x{tac:04x}"),
            Self::Ecgi { plmn, eci } => write!(f, "ECGI {plmn} ECI 0x{eci:07x}"),
            Self::FiveGsTai { plmn, tac } => write!(f, "5GS TAI {plmn} TAC 0x{tac:06x}"),
            Self::Ncgi { plmn, nci } => write!(f, "NCGI {plmn} NCI 0x{nci:010x}"),
        }
    }
}

impl fmt::Display for UserLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, area) in self.areas().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{area}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value without its first three, which are the network, is in the middle of what is shown.
    const CASES: &[(&[u8], &str)] = &[
        (b"\x00\x62\xf2\x20\x12\x34\x56\x78", "CGI 262-02 LAC 0x1234 CI 0x5678"),
        (b"\x01\x62\xf2\x20\x12\x34\x00\x09", "SAI 262-02 LAC 0x1234 SAC 0x0009"),
        (b"\x02\x62\xf2\x20\x12\x34\x42", "RAI 262-02 LAC 0x1234 RAC 0x42"),
        (b"\x02\x62\xf2\x20\x12\x34\x42\xff", "RAI 262-02 LAC 0x1234 RAC 0x42"),
        (b"\x80\x62\xf2\x20\x12\x34", "TAI 262-02 TAC 0x1234"),
        (b"\x81\x62\xf2\x20\x00\xa1\xb2\xc3", "ECGI 262-02 ECI 0x0a1b2c3"),
        (b"\x82\x62\xf2\x20\x12\x34\x62\xf2\x20\x00\xa1\xb2\xc3", "TAI 262-02 TAC 0x1234, ECGI 262-02 ECI 0x0a1b2c3"),
        (b"\x87\x13\x00\x14\x01\x23\x45\x67\x89", "NCGI 310-410 NCI 0x0123456789"),
        (b"\x88\x13\x00\x14\x00\xab\xcd", "5GS TAI 310-410 TAC 0x00abcd"),
        (b"\x89\x13\x00\x14\x00\xab\xcd\x13\x00\x14\x01\x23\x45\x67\x89", "5GS TAI 310-410 TAC 0x00abcd, NCGI 310-410 NCI 0x0123456789"),
        // The element of GTPv2: TAI and ECGI, then CGI, SAI, RAI and LAI.
        (b"\x18\x62\xf2\x20\x12\x34\x62\xf2\x20\x00\xa1\xb2\xc3", "TAI 262-02 TAC 0x1234, ECGI 262-02 ECI 0x0a1b2c3"),
        (
            b"\x27\x62\xf2\x20\x12\x34\x56\x78\x62\xf2\x20\x12\x34\x00\x09\x62\xf2\x20\x12\x34\x42\xff\x62\xf2\x20\x12\x34",
            "CGI 262-02 LAC 0x1234 CI 0x5678, SAI 262-02 LAC 0x1234 SAC 0x0009, RAI 262-02 LAC 0x1234 RAC 0x42, LAI 262-02 LAC 0x1234",
        ),
    ];

    #[test]
    fn every_known_form_is_read() {
        for (octets, shown) in CASES {
            assert_eq!(
                UserLocation::decode(octets).map(|location| location.to_string()).as_deref(),
                Some(*shown),
                "{octets:02x?}"
            );
        }
    }

    #[test]
    fn another_length_is_no_location() {
        for (octets, _) in CASES {
            let longer: Vec<u8> = octets.iter().copied().chain([0, 0]).collect();
            assert_eq!(UserLocation::decode(&longer), None, "{longer:02x?}");
            assert_eq!(UserLocation::decode(&octets[..octets.len() - 2]), None, "{octets:02x?}");
        }
        assert_eq!(UserLocation::decode(&[]), None);
    }

    #[test]
    fn nodes_and_spare_numbers_stay_octets() {
        for first in [64, 127, 131, 132, 133, 134, 138, 139, 140, 255] {
            let octets = [first, 0x62, 0xf2, 0x20, 0x12, 0x34];
            assert_eq!(UserLocation::decode(&octets), None, "{first}");
        }
    }

    #[test]
    fn a_cell_is_written_as_it_is_read() {
        let encoded = UserLocation::encode_tai_ecgi(Plmn([0x00, 0xf1, 0x10]), 0x1234, 0x1ab_cdef);
        assert_eq!(encoded, *b"\x82\x00\xf1\x10\x12\x34\x00\xf1\x10\x01\xab\xcd\xef");
        assert_eq!(
            UserLocation::decode(&encoded).unwrap().to_string(),
            "TAI 001-01 TAC 0x1234, ECGI 001-01 ECI 0x1abcdef"
        );
    }
}
