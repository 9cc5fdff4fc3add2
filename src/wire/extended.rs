//! The extended attributes 241 to 246, long ones put together from their fragments (RFC 6929).
//!
//! Allocates, and believes what it reads: for packets whose sender is verified, or for a person to
//! look at. Bounded by the packet itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::datagram::{Attribute, Attributes};
use super::layout;
use super::number::{
    AttributeKey, EXTENDED_ATTRIBUTE_1, EXTENDED_ATTRIBUTE_5, EXTENDED_ATTRIBUTE_6, VENDOR_SPECIFIC,
};

/// The M bit: another fragment follows (RFC 6929 section 2.2).
pub(super) const MORE: u8 = 0x80;
/// What a fragment carries beside its number and flags if another follows: it fills its attribute.
pub(super) const FRAGMENT: usize = 251;

/// One value of an extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended<'a> {
    pub key: AttributeKey,
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
/// Left out is what is too short, promises a fragment that does not come, or breaks off before its
/// attribute is full.
#[must_use]
pub fn extended(attributes: Attributes<'_>) -> Vec<Extended<'_>> {
    let mut whole = Vec::new();
    let mut begun: BTreeMap<(u8, u8), Fragments> = BTreeMap::new();
    for (index, Attribute { number: parent, value }) in
        attributes.enumerate().filter(|(_, attribute)| is_extended(attribute.number))
    {
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
            whole.extend(opened(
                parent,
                fragment.number,
                Cow::Borrowed(fragment.octets),
                vec![index],
            ));
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

/// Extended-Vendor-Specific carries the vendor and its number in front, in the first fragment only
/// (RFC 6929 section 2.4).
fn opened(
    parent: u8,
    number: u8,
    octets: Cow<'_, [u8]>,
    made_of: Vec<usize>,
) -> Option<Extended<'_>> {
    if number != VENDOR_SPECIFIC {
        return Some(Extended { key: AttributeKey { parent, vendor: 0, number }, octets, made_of });
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
    Some(Extended { key: AttributeKey { parent, vendor, number }, octets, made_of })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Code, Encoder, Secret};

    fn within(octets: &[u8]) -> Vec<Extended<'_>> {
        extended(Attributes::within(octets).unwrap())
    }

    fn encoded(parent: u8, number: u8, value: &[u8]) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 0);
        encoder.extended(parent, number, value);
        let length = encoder.finish_request(&Secret::new(b"s"), [0; 16]).unwrap();
        buffer[20..length].to_vec()
    }

    /// RFC 6929 section 9: parent, number, value, the attribute.
    #[test]
    fn the_examples_of_the_rfc_are_read_and_written() {
        let cases: [(u8, u8, &[u8], &[u8]); 12] = [
            (241, 1, b"bob", b"\xf1\x06\x01bob"),
            (241, 2, b"\x01\x04\x23\x45", b"\xf1\x07\x02\x01\x04\x23\x45"),
            (
                241,
                2,
                b"\x01\x04\x23\x45\x02\x04\x67\x89",
                b"\xf1\x0b\x02\x01\x04\x23\x45\x02\x04\x67\x89",
            ),
            (
                241,
                2,
                b"\x01\x04\x23\x45\x03\x06\x01\x04\xab\xcd",
                b"\xf1\x0d\x02\x01\x04\x23\x45\x03\x06\x01\x04\xab\xcd",
            ),
            (
                241,
                2,
                b"\x01\x04\x23\x45\x03\x0b\x01\x04\xab\xcd\x02\x05foo",
                b"\xf1\x12\x02\x01\x04\x23\x45\x03\x0b\x01\x04\xab\xcd\x02\x05foo",
            ),
            (
                241,
                1,
                b"\x01\x0c\x02\x0a\x03\x08\x04\x06\x05\x04\xcd\xef",
                b"\xf1\x0f\x01\x01\x0c\x02\x0a\x03\x08\x04\x06\x05\x04\xcd\xef",
            ),
            (241, 26, b"\0\0\0\x01\x04test", b"\xf1\x0c\x1a\0\0\0\x01\x04test"),
            (241, 26, b"\0\0\0\x01\x05\x03\x06test", b"\xf1\x0e\x1a\0\0\0\x01\x05\x03\x06test"),
            (245, 1, b"bob", b"\xf5\x07\x01\0bob"),
            (245, 2, b"\x01\x04\x23\x45", b"\xf5\x08\x02\0\x01\x04\x23\x45"),
            (245, 26, b"\0\0\0\x01\x04test", b"\xf5\x0d\x1a\0\0\0\0\x01\x04test"),
            (245, 26, b"\0\0\0\x01\x05\x03\x06test", b"\xf5\x0f\x1a\0\0\0\0\x01\x05\x03\x06test"),
        ];
        for (parent, number, value, attribute) in cases {
            assert_eq!(encoded(parent, number, value), attribute);
            let read = within(attribute);
            let (key, octets) = match (number, value) {
                (VENDOR_SPECIFIC, [0, 0, 0, 1, number, inside @ ..]) => {
                    (AttributeKey { parent, vendor: 1, number: *number }, inside)
                }
                _ => (AttributeKey { parent, vendor: 0, number }, value),
            };
            assert_eq!(read, [Extended { key, octets: octets.into(), made_of: vec![0] }]);
        }
    }

    #[test]
    fn tlvs_nest() {
        let mut value: &[u8] = b"\x01\x0c\x02\x0a\x03\x08\x04\x06\x05\x04\xcd\xef";
        for number in 1..=5 {
            let inside = Attributes::within(value).unwrap().next().unwrap();
            assert_eq!(inside.number, number);
            value = inside.value;
        }
        assert_eq!(value, [0xcd, 0xef]);
    }

    #[test]
    fn long_values_go_into_fragments_and_come_out_again() {
        let value = [b'b'; 266];
        let octets = encoded(245, 4, &value);
        assert_eq!(
            (&octets[..4], &octets[255..259]),
            (&b"\xf5\xff\x04\x80"[..], &b"\xf5\x13\x04\0"[..])
        );
        assert_eq!(
            within(&octets),
            [Extended {
                key: AttributeKey { parent: 245, vendor: 0, number: 4 },
                octets: value[..].into(),
                made_of: vec![0, 1]
            }]
        );

        let vendors = [&b"\0\0\0\x01\x06"[..], &value].concat();
        let octets = encoded(245, 26, &vendors);
        assert_eq!(
            (&octets[..9], &octets[255..259]),
            (&b"\xf5\xff\x1a\x80\0\0\0\x01\x06"[..], &b"\xf5\x18\x1a\0"[..])
        );
        assert_eq!(
            within(&octets),
            [Extended {
                key: AttributeKey { parent: 245, vendor: 1, number: 6 },
                octets: value[..].into(),
                made_of: vec![0, 1]
            }]
        );
    }

    /// A19: another attribute between two fragments does no harm; a fragment promised and not sent
    /// spoils its own value only.
    #[test]
    fn fragments_are_put_together_across_others() {
        let long = encoded(246, 9, &[b'x'; 300]);
        let (first, second) = long.split_at(255);
        let name = b"\x01\x06nemo";
        let short = b"\xf1\x06\x01bob";
        let apart = [first, name, short, second].concat();
        let read = within(&apart);
        assert_eq!(
            read.iter().map(|extended| extended.made_of.clone()).collect::<Vec<_>>(),
            [vec![0, 3], vec![2]]
        );
        assert_eq!(*read[0].octets, [b'x'; 300]);

        let missing = [first, name, short].concat();
        assert_eq!(within(&missing).len(), 1);
    }

    #[test]
    fn what_is_too_short_or_breaks_off_is_left_out() {
        let cases: [&[u8]; 6] = [
            b"\xf1\x02",
            b"\xf1\x03\x01",
            b"\xf5\x04\x01\0",
            // More is promised although the attribute was not full.
            b"\xf5\x05\x01\x80x\xf5\x05\x01\0y",
            b"\xf1\x08\x1a\0\0\0\x01\x04",
            b"\xf1\x09\x1a\0\0\0\0\x04x",
        ];
        for octets in cases {
            assert_eq!(within(octets), [], "{octets:02x?}");
        }
    }
}
