//! THE table: every attribute's number, name, kind and section, once. All else about attributes is
//! derived from it.
//!
//! The constants stand here under their own names, the vendors' in a module for each vendor.

pub mod attachd;
mod extended;
pub mod microsoft;
mod standard;
pub mod tgpp;
pub mod value;

use extended::EXTENDED;
pub use extended::{ORIGINAL_PACKET_CODE, RESPONSE_LENGTH};
pub use standard::*;

/// What the table says about one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// As in the dictionaries of FreeRADIUS 3.
    pub name: &'static str,
    pub key: AttributeKey,
    pub kind: ValueKind,
    /// The document and section that define it: "RFC 2865 5.1".
    pub section: &'static str,
    /// The names of its values, where it has some.
    pub values: &'static [(u32, &'static str)],
}

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeKey {
    /// The extended attribute it stands in, 241 to 246 (RFC 6929), or 0.
    pub parent: u8,
    /// 0 for the attributes of the RFCs.
    pub vendor: u32,
    pub number: u8,
}

/// How the octets of a value are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    Text,
    Octets,
    Byte,
    Short,
    Integer,
    /// Seconds since 1970 in four octets (RFC 8044 section 3.3).
    Date,
    Address,
    Address6,
    /// RFC 3162 section 2.3.
    Prefix6,
    InterfaceId,
    /// A tag octet and an integer of three (RFC 2868 section 3.1).
    TaggedInteger,
    /// A text that a tag octet may precede (RFC 2868 section 3.3).
    TaggedText,
    /// Hidden by the secret (RFC 2865 section 5.2), never shown.
    UserPassword,
    /// Identifier and response (RFC 2865 section 5.3), never shown.
    ChapPassword,
    /// Tag, salt and hidden text (RFC 2868 section 3.5), never shown.
    TunnelPassword,
    /// Holds attributes of its own: Vendor-Specific and the extended ones.
    Container,
}

/// Every definition, in the order of the tables. Those of [`attachd`] carry its default vendor
/// number.
pub(in crate::wire) fn definitions() -> impl Iterator<Item = &'static Definition> {
    [STANDARD, EXTENDED, tgpp::TGPP, microsoft::MICROSOFT, attachd::ATTACHD].into_iter().flatten()
}

/// Other names in use for some of them.
pub(in crate::wire) const ALIASES: &[(&str, &str)] = &[
    ("3GPP-CG-Address", "3GPP-Charging-Gateway-Address"),
    ("3GPP-CG-IPv6-Address", "3GPP-Charging-Gateway-IPv6-Address"),
    ("3GPP-Location-Info", "3GPP-User-Location-Info"),
    ("3GPP-MS-TimeZone", "3GPP-MS-Time-Zone"),
];

/// One table of attributes: `number CONSTANT "Name" ValueKind "section" values`, all of one vendor
/// and one parent.
macro_rules! attributes {
    ($table:ident: vendor $vendor:expr, parent $parent:expr;
     $($number:literal $constant:ident $name:literal $kind:ident $section:literal $($values:ident)?;)*) => {
        $(#[doc = concat!($name, ", ", $section, ".")] pub const $constant: u8 = $number;)*

        pub(in crate::wire) const $table: &[crate::wire::number::Definition] = &[$(crate::wire::number::Definition {
            name: $name,
            key: crate::wire::number::AttributeKey { parent: $parent, vendor: $vendor, number: $number },
            kind: crate::wire::number::ValueKind::$kind,
            section: $section,
            values: crate::wire::number::attributes!(@values $($values)?),
        }),*];
    };
    (@values) => { &[] };
    (@values $values:ident) => { crate::wire::number::value::$values::NAMES };
}
pub(in crate::wire) use attributes;
