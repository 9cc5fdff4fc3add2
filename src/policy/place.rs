//! What a request tells of where the device is: the network it roams in, and how many digits that
//! has (3GPP TS 29.061 16.4.7; TS 23.003 12.1).

use super::countries::{MncDigits, table};
use crate::identity::{Imeisv, Plmn};
use crate::wire::tgpp::UserLocation;

/// Where, by which radio and with which device, as far as a request tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The serving network, as [`serving_network`] reads it.
    pub plmn: Option<Plmn>,
    /// 3GPP-RAT-Type.
    pub rat: Option<u8>,
    pub imeisv: Option<Imeisv>,
}

/// The network that serves: the one of 3GPP-SGSN-MCC-MNC, else that of the cell, else that of a
/// Wi-Fi network that tells one (TWAN-Identifier).
///
/// Gateways pad the text to six digits: `262002` is 262-02, since no MNC under 262 has three.
/// Where the cell tells the same network, its digits count.
#[must_use]
pub fn serving_network(
    sent: Option<Plmn>,
    location: Option<&[u8]>,
    twan: Option<&[u8]>,
) -> Option<Plmn> {
    let Some(sent) = sent else {
        return location.and_then(cell_network).or_else(|| twan.and_then(twan_network));
    };
    let Some(short) = sent.without_padding() else { return Some(sent) };
    match location.and_then(cell_network) {
        Some(cell) if cell == sent || cell == short => Some(cell),
        _ if is_two_digits_only(sent) => Some(short),
        _ => Some(sent),
    }
}

/// The network of a 3GPP-User-Location-Info.
#[must_use]
pub fn cell_network(location: &[u8]) -> Option<Plmn> {
    Plmn::parse(&UserLocation::decode(location)?.plmn()?.to_ascii()).ok()
}

/// A network of a rule, as it is compared: without a padding that can be none of its digits.
pub(super) fn canonical(plmn: Plmn) -> Plmn {
    plmn.without_padding().filter(|_| is_two_digits_only(plmn)).unwrap_or(plmn)
}

fn is_two_digits_only(plmn: Plmn) -> bool {
    let mcc = table().get(usize::from(plmn.mcc()));
    mcc.is_some_and(|mcc| mcc.mnc == MncDigits::Two)
}

/// The network of a TWAN-Identifier, if its flag says that there is one (TS 29.274 8.100).
fn twan_network(octets: &[u8]) -> Option<Plmn> {
    const HAS_BSSID: u8 = 1 << 0;
    const HAS_CIVIC_ADDRESS: u8 = 1 << 1;
    const HAS_PLMN: u8 = 1 << 2;
    const BSSID: usize = 6;
    let (&flags, rest) = octets.split_first()?;
    if flags & HAS_PLMN == 0 {
        return None;
    }
    let mut rest = after_text(rest)?;
    if flags & HAS_BSSID != 0 {
        rest = rest.get(BSSID..)?;
    }
    if flags & HAS_CIVIC_ADDRESS != 0 {
        rest = after_text(rest)?;
    }
    let plmn = crate::wire::tgpp::Plmn(rest.get(..3)?.try_into().ok()?);
    Plmn::parse(&plmn.to_ascii()).ok()
}

/// What follows a field that begins with its length.
fn after_text(octets: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = octets.split_first()?;
    rest.get(usize::from(length)..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// std2 4.2, checklist POL-4.
    #[test]
    fn padding_is_told_from_three_digits() {
        for (sent, location, expected) in [
            ("26202", None, "26202"),
            ("262002", None, "26202"),
            ("405025", None, "405025"),
            ("310041", None, "310041"),
            ("31041", None, "31041"),
            // The cell knows how many digits: 262-002, 405-25, another network.
            ("262002", Some([0x82, 0x62, 0x22, 0x00]), "262002"),
            ("405025", Some([0x82, 0x04, 0xf5, 0x52]), "40525"),
            ("405025", Some([0x82, 0x62, 0xf2, 0x20]), "405025"),
        ] {
            let mut octets = location.map(|head| head.to_vec()).unwrap_or_default();
            octets.extend([0x12, 0x34, 0x00, 0x0a, 0xb2, 0xc3, 0x00, 0x00, 0x00].iter());
            // A tracking area and a cell of the same network.
            if let Some([_, a, b, c]) = location {
                octets = [&[130, a, b, c, 0x12, 0x34][..], &[a, b, c, 0, 1, 2, 3]].concat();
            }
            let location = location.map(|_| &octets[..]);
            let read = serving_network(sent.parse().ok(), location, None).unwrap();
            assert_eq!(read.to_string(), expected, "{sent} {location:02x?}");
        }
        assert_eq!(canonical("262002".parse().unwrap()), "26202".parse().unwrap());
        assert_eq!(serving_network(None, None, None), None);
    }

    /// POL-5, POL-15.
    #[test]
    fn the_cell_tells_the_network_in_every_form() {
        let plmn = [0x62, 0xf2, 0x20];
        let with = |first: u8, rest: &[u8]| [&[first][..], &plmn, rest].concat();
        let pair =
            |first: u8, tai: &[u8], cell: &[u8]| [&with(first, tai)[..], &plmn, cell].concat();
        for octets in [
            with(0, &[0x12, 0x34, 0x56, 0x78]),
            with(1, &[0x12, 0x34, 0x00, 0x09]),
            with(128, &[0x12, 0x34]),
            with(129, &[0x00, 0x0a, 0xb2, 0xc3]),
            pair(130, &[0x12, 0x34], &[0x00, 0x0a, 0xb2, 0xc3]),
            pair(137, &[0x12, 0x34, 0x56], &[0x00, 0x0a, 0xb2, 0xc3, 0x01]),
            // GTPv2's bit mask: TAI and ECGI.
            pair(0x18, &[0x12, 0x34], &[0x00, 0x0a, 0xb2, 0xc3]),
        ] {
            let read = serving_network(None, Some(&octets), None);
            assert_eq!(read, "26202".parse().ok(), "{octets:02x?}");
        }
        for octets in [&[][..], &[0x82], &[0x82, 0x62, 0xf2], &[200; 13]] {
            assert_eq!(serving_network(None, Some(octets), None), None, "{octets:02x?}");
        }
    }

    #[test]
    fn wi_fi_tells_a_network_only_with_its_flag() {
        let ssid = b"\x04cafe";
        let with =
            |flags: u8, middle: &[u8]| [&[flags][..], ssid, middle, &[0x62, 0xf2, 0x20]].concat();
        let network = |octets: &[u8]| serving_network(None, None, Some(octets));
        assert_eq!(network(&with(0b100, &[])), "26202".parse().ok());
        assert_eq!(network(&with(0b111, &[1, 2, 3, 4, 5, 6, 2, 9, 9])), "26202".parse().ok());
        for octets in [&with(0, &[])[..], &[], &[0b100], &[0b100, 9, 1], &[0b101, 0, 1, 2]] {
            assert_eq!(network(octets), None, "{octets:02x?}");
        }
        let sent = "20801".parse().ok();
        assert_eq!(serving_network(sent, None, Some(&with(0b100, &[]))), sent);
    }
}
