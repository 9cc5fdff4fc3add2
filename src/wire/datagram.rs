//! A received packet whose framing is checked and of which nothing is believed yet.

use std::fmt;

use super::code::Code;
use super::layout::{self, PacketHeader};
use super::number;

/// Header without attributes (RFC 2865 section 3).
pub const SHORTEST: usize = 20;
/// RFC 2865 section 3 and RFC 5176 section 2.3. RFC 2866 says 4095, which no gateway knows.
pub const LONGEST: usize = 4096;

/// A borrowed view of one packet. Copies nothing.
///
/// Framing gathers in its one pass which attribute numbers occur and where the
/// Message-Authenticator stands.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    octets: &'a [u8],
    header: PacketHeader<'a>,
    seen: [u64; 4],
    pub(in crate::wire) integrity: Integrity,
}

/// Where the Message-Authenticator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Integrity {
    Absent,
    /// Offset of its sixteen octets from the start of the packet.
    At(usize),
    /// Of another length, or there twice (RFC 3579 section 3.2, RFC 5176 section 3.6: at most one).
    Invalid,
}

/// Whether a packet carries a Message-Authenticator. Says nothing about whether it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageAuthenticator {
    Absent,
    Present,
    /// Not sixteen octets, or more than one.
    Invalid,
}

/// Why octets are no RADIUS packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer than the twenty octets of a header were received.
    NoHeader { received: usize },
    /// The Length field is below 20 or above 4096.
    LengthOutOfRange { length: u16 },
    /// The Length field promises more than was received.
    Truncated { length: u16, received: usize },
    /// An attribute claims to be shorter than its own prefix.
    AttributeTooShort { offset: usize },
    /// An attribute reaches beyond the end of the packet.
    AttributeOverruns { offset: usize },
}

/// One attribute as it stands in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub number: u8,
    pub value: &'a [u8],
}

/// The name of a value on the wire: the vendor (0 for the RFCs' own attributes) and the number
/// within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlatKey {
    pub vendor: u32,
    pub number: u8,
}

/// One value, be it an attribute of the RFCs or a vendor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    pub key: FlatKey,
    pub octets: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Checks the framing. Octets beyond Length are padding and left out of the view (RFC 2865
    /// section 3).
    pub fn frame(received: &'a [u8]) -> Result<Self, Malformed> {
        let header =
            layout::header(received).ok_or(Malformed::NoHeader { received: received.len() })?;
        let length = usize::from(header.length);
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(Malformed::LengthOutOfRange { length: header.length });
        }
        let octets = received
            .get(..length)
            .ok_or(Malformed::Truncated { length: header.length, received: received.len() })?;
        let mut datagram = Self { octets, header, seen: [0; 4], integrity: Integrity::Absent };
        datagram.survey()?;
        Ok(datagram)
    }

    /// The one pass over the attributes: they must tile the packet (RFC 2865 section 5).
    fn survey(&mut self) -> Result<(), Malformed> {
        let mut offset = SHORTEST;
        while offset < self.octets.len() {
            let rest = &self.octets[offset..];
            let Some((number, value, _)) = layout::attribute(rest) else {
                return Err(match rest.get(1) {
                    Some(0 | 1) => Malformed::AttributeTooShort { offset },
                    _ => Malformed::AttributeOverruns { offset },
                });
            };
            if number == number::MESSAGE_AUTHENTICATOR {
                self.integrity = match self.integrity {
                    Integrity::Absent if value.len() == 16 => Integrity::At(offset + 2),
                    _ => Integrity::Invalid,
                };
            }
            self.seen[usize::from(number >> 6)] |= 1 << (number & 63);
            offset += 2 + value.len();
        }
        Ok(())
    }

    #[must_use]
    pub fn code(&self) -> Code {
        Code(self.header.code)
    }

    #[must_use]
    pub fn identifier(&self) -> u8 {
        self.header.identifier
    }

    #[must_use]
    pub fn authenticator(&self) -> &'a [u8; 16] {
        self.header.authenticator
    }

    /// Exactly Length octets: header and attributes, no padding.
    #[must_use]
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The attributes in their order, Vendor-Specific ones unopened.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: &self.octets[SHORTEST..] }
    }

    /// The attributes in their order, each Vendor-Specific one replaced by what is in it.
    ///
    /// One whose inside does not tile is passed over: it is spoilt, the packet is not (RFC 6929
    /// section 2.8).
    #[must_use]
    pub fn values(&self) -> Values<'a> {
        Values { attributes: self.attributes(), vendor: 0, inside: Attributes { rest: &[] } }
    }

    #[must_use]
    pub fn contains(&self, number: u8) -> bool {
        self.seen[usize::from(number >> 6)] & (1 << (number & 63)) != 0
    }

    /// The value of the first attribute of this number.
    #[must_use]
    pub fn first(&self, number: u8) -> Option<&'a [u8]> {
        if !self.contains(number) {
            return None;
        }
        self.attributes()
            .find(|attribute| attribute.number == number)
            .map(|attribute| attribute.value)
    }

    #[must_use]
    pub fn message_authenticator(&self) -> MessageAuthenticator {
        match self.integrity {
            Integrity::Absent => MessageAuthenticator::Absent,
            Integrity::At(_) => MessageAuthenticator::Present,
            Integrity::Invalid => MessageAuthenticator::Invalid,
        }
    }

    /// What a CHAP-Password answers to: CHAP-Challenge of whatever length, else the Request
    /// Authenticator (RFC 2865 section 5.40).
    #[must_use]
    pub fn chap_challenge(&self) -> &'a [u8] {
        self.first(number::CHAP_CHALLENGE).unwrap_or(self.header.authenticator)
    }
}

impl fmt::Debug for Datagram<'_> {
    /// Code, identifier and length: a packet holds identities and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}, {} octets)", self.code(), self.identifier(), self.octets.len())
    }
}

/// The attributes of a packet, or the sub-attributes of one vendor.
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Attributes within a value: a vendor's, or TLVs (RFC 6929 section 2.3). None unless they tile
    /// it.
    #[must_use]
    pub fn within(value: &'a [u8]) -> Option<Self> {
        layout::tiles(value).then_some(Self { rest: value })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        // They were found to tile, so this ends only where they end.
        let (number, value, rest) = layout::attribute(self.rest)?;
        self.rest = rest;
        Some(Attribute { number, value })
    }
}

/// The values of a packet, vendors' among the RFCs' own.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    attributes: Attributes<'a>,
    vendor: u32,
    inside: Attributes<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        loop {
            if let Some(Attribute { number, value }) = self.inside.next() {
                return Some(Value { key: FlatKey { vendor: self.vendor, number }, octets: value });
            }
            let Attribute { number, value } = self.attributes.next()?;
            match vendor_specific(number, value) {
                Some((vendor, inside)) => (self.vendor, self.inside) = (vendor, inside),
                None if number == number::VENDOR_SPECIFIC => {}
                None => return Some(Value { key: FlatKey { vendor: 0, number }, octets: value }),
            }
        }
    }
}

/// Opens a Vendor-Specific attribute (RFC 2865 section 5.26). None if it is another, or does not
/// hold sub-attributes of the recommended form.
#[inline]
pub(in crate::wire) fn vendor_specific(number: u8, value: &[u8]) -> Option<(u32, Attributes<'_>)> {
    if number != number::VENDOR_SPECIFIC {
        return None;
    }
    let (vendor, inside) = layout::vendor(value)?;
    // Vendor 0 is nobody, and would pass its values off as the RFCs' own.
    (vendor != 0).then(|| Attributes::within(inside)).flatten().map(|inside| (vendor, inside))
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader { received } => {
                write!(f, "{received} octets are too few for a header of {SHORTEST}")
            }
            Self::LengthOutOfRange { length } => {
                write!(f, "the Length field says {length}, outside {SHORTEST} to {LONGEST}")
            }
            Self::Truncated { length, received } => {
                write!(f, "the Length field says {length}, only {received} octets came")
            }
            Self::AttributeTooShort { offset } => {
                write!(f, "the attribute at offset {offset} has a length below 2")
            }
            Self::AttributeOverruns { offset } => {
                write!(f, "the attribute at offset {offset} reaches beyond the packet")
            }
        }
    }
}

impl std::error::Error for Malformed {}
