//! The layout of octets, in nom: header, attribute, vendor. Beside the values of 3GPP nothing else
//! knows nom.

use nom::bytes::complete::take;
use nom::combinator::verify;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

/// The only error a parser here knows: it does not fit. Why not is for the caller to say.
type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

/// Number and length, which stand before every value (RFC 2865 section 5).
const PREFIX: usize = 2;

#[derive(Clone, Copy)]
pub(super) struct PacketHeader<'a> {
    pub(super) code: u8,
    pub(super) identifier: u8,
    pub(super) length: u16,
    pub(super) authenticator: &'a [u8; 16],
}

/// The twenty octets before the attributes (RFC 2865 section 3).
pub(super) fn header(octets: &[u8]) -> Option<PacketHeader<'_>> {
    let parsed: Parsed<'_, _> = (be_u8, be_u8, be_u16, take(16_usize)).parse(octets);
    let (_, (code, identifier, length, authenticator)) = parsed.ok()?;
    Some(PacketHeader { code, identifier, length, authenticator: authenticator.try_into().ok()? })
}

/// One attribute, or one sub-attribute of a vendor, and what follows it: number, length over all,
/// value.
#[inline]
pub(super) fn attribute(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let prefix: Parsed<'_, _> =
        (be_u8, verify(be_u8, |length| usize::from(*length) >= PREFIX)).parse(octets);
    let (rest, (number, length)) = prefix.ok()?;
    let value: Parsed<'_, _> = take(usize::from(length) - PREFIX).parse(rest);
    let (rest, value) = value.ok()?;
    Some((number, value, rest))
}

/// The Vendor-Id that opens a Vendor-Specific value, and the vendor's own octets (RFC 2865 section
/// 5.26).
#[inline]
pub(super) fn vendor(octets: &[u8]) -> Option<(u32, &[u8])> {
    let parsed: Parsed<'_, _> = be_u32(octets);
    parsed.ok().map(|(rest, vendor)| (vendor, rest))
}

/// Whether attributes fill these octets exactly, with at least one.
#[inline]
pub(super) fn tiles(mut octets: &[u8]) -> bool {
    if octets.is_empty() {
        return false;
    }
    while !octets.is_empty() {
        match attribute(octets) {
            Some((_, _, rest)) => octets = rest,
            None => return false,
        }
    }
    true
}
