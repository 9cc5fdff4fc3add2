//! The extended attributes 241 to 246, long ones put together from their fragments (RFC 6929).
//!
//! Allocates, and believes what it reads: for packets whose sender is verified, or for a person to look at. Bounded by the packet itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::datagram::{Attribute, Attributes};
use super::layout;
use super::number::{EXTENDED_ATTRIBUTE_1, EXTENDED_ATTRIBUTE_5, EXTENDED_ATTRIBUTE_6, Place, VENDOR_SPECIFIC};

/// The M bit: another fragment follows (RFC 6929 section 2.2).
pub(super) const MORE: u8 = 0x80;
/// What a fragment carries beside its number and flags if another follows: it fills its attribute.
pub(super) const FRAGMENT: usize = 251;

/// One value of an extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended<'a> {
    pub place: Place,
    /// Its own octets: without flags, and without vendor and vendor's number where it has them.
    pub octets: Cow<'a, [u8]>,
    /// Which attributes of the packet it was made of, counted from 0.
    pub made_of: Vec<usize>,
}

/// Whether this attribute is an extended one.
pub(super) const fn is_extended(number: u8) -> bool {
    EXTENDED_ATTRIBUTE_1 <= number && number <= EXTENDED_ATTRIBUTE_6
}

/// Every whole value among these attributes, in the order of their first fragments.
///
/// Left out is what is too short, promises a fragment that does not come, or breaks off before its attribute is full.
#[must_use]
pub fn extended(attributes: Attributes<'_>) -> Vec<Extended<'_>> {
    let mut whole = Vec::new();
    let mut begun: BTreeMap<(u8, u8), Fragments> = BTreeMap::new();
    for (index, Attribute { number: parent, value }) in attributes.enumerate().filter(|(_, attribute)| is_extended(attribute.number)) {
        let Some(fragment) = Fragment::read(parent, value) else { continue };
        let key = (parent, fragment.number);
        if fragment.more || begun.contains_key(&key) {
            let fragments = begun.entry(key).or_default();
            fragments.add(index, &fragment);
            if fragment.more {
                continue;
            }
            let fragments = begun.remove(&key).unwrap_or_default();
            whole.extend(fragments.whole(parent, fragment.number));
        } else {
            whole.extend(opened(parent, fragment.number, Cow::Borrowed(fragment.octets), vec![index]));
        }
    }
    whole.sort_by_key(|extended: &Extended<'_>| extended.made_of[0]);
    whole
}

struct Fragment<'a> {
    number: u8,
    more: bool,
    octets: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Number, flags in the long ones, and at least one octet (RFC 6929 sections 2.1 and 2.2).
    fn read(parent: u8, value: &'a [u8]) -> Option<Self> {
        let (number, more, octets) = match (parent >= EXTENDED_ATTRIBUTE_5, value) {
            (false, [number, octets @ ..]) => (*number, false, octets),
            (true, [number, flags, octets @ ..]) => (*number, flags & MORE != 0, octets),
            _ => return None,
        };
        (!octets.is_empty()).then_some(Self { number, more, octets })
    }
}

#[derive(Default)]
struct Fragments {
    octets: Vec<u8>,
    made_of: Vec<usize>,
    broken: bool,
}

impl Fragments {
    fn add(&mut self, index: usize, fragment: &Fragment<'_>) {
        self.octets.extend_from_slice(fragment.octets);
        self.made_of.push(index);
        self.broken |= fragment.more && fragment.octets.len() != FRAGMENT;
    }

    fn whole(self, parent: u8, number: u8) -> Option<Extended<'static>> {
        if self.broken {
            return None;
        }
        opened(parent, number, Cow::Owned(self.octets), self.made_of)
    }
}

/// Extended-Vendor-Specific carries the vendor and its number in front, in the first fragment only (RFC 6929 section 2.4).
fn opened(parent: u8, number: u8, octets: Cow<'_, [u8]>, made_of: Vec<usize>) -> Option<Extended<'_>> {
    if number != VENDOR_SPECIFIC {
        return Some(Extended { place: Place { parent, vendor: 0, number }, octets, made_of });
    }
    let (vendor, inside) = layout::vendor(&octets)?;
    let (&number, inside) = inside.split_first()?;
    if vendor == 0 || inside.is_empty() {
        return None;
    }
    let front = octets.len() - inside.len();
    let octets = match octets {
        Cow::Borrowed(octets) => Cow::Borrowed(&octets[front..]),
        Cow::Owned(mut octets) => Cow::Owned(octets.split_off(front)),
    };
    Some(Extended { place: Place { parent, vendor, number }, octets, made_of })
}
