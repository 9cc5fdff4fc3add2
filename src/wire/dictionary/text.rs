//! One value as text and as octets, by its kind. Written as FreeRADIUS writes it, so that
//! radclient's files can be pasted.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use crate::printable::is_printable;
use crate::wire::number::ValueKind;

/// The names of a value's numbers.
type Names = &'static [(u32, &'static str)];

/// Tags are 0 to 31; a larger octet belongs to the text (RFC 2868 section 3.3).
const LAST_TAG: u8 = 0x1f;

/// What a value looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownValue {
    pub(super) tag: Option<u8>,
    pub(super) value: String,
}

/// None if these octets are no value of this kind.
pub(super) fn show(kind: ValueKind, names: Names, octets: &[u8]) -> Option<ShownValue> {
    let plain = |value: String| Some(ShownValue { tag: None, value });
    // Nothing is no value (RFC 2865 section 5), and neither is a tag without text.
    if matches!((kind, octets), (_, []) | (ValueKind::TaggedText, [..=LAST_TAG])) {
        return None;
    }
    match kind {
        ValueKind::Text => plain(quoted(octets)),
        ValueKind::Octets | ValueKind::Container => plain(hex(octets)),
        ValueKind::Byte => plain(named(names, u8::from_be_bytes(octets.try_into().ok()?).into())),
        ValueKind::Short => plain(named(names, u16::from_be_bytes(octets.try_into().ok()?).into())),
        ValueKind::Integer => plain(named(names, u32::from_be_bytes(octets.try_into().ok()?))),
        ValueKind::Date => plain(date(u32::from_be_bytes(octets.try_into().ok()?).into())),
        ValueKind::Address => plain(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).to_string()),
        ValueKind::Address6 => {
            plain(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_string())
        }
        ValueKind::Prefix6 => plain(prefix(octets)?),
        ValueKind::InterfaceId => plain(interface(octets.try_into().ok()?)),
        ValueKind::TaggedInteger => {
            let &[tag @ ..=LAST_TAG, a, b, c] = octets else { return None };
            Some(ShownValue {
                tag: (tag != 0).then_some(tag),
                value: named(names, u32::from_be_bytes([0, a, b, c])),
            })
        }
        ValueKind::TaggedText => match octets.split_first() {
            Some((&tag @ ..=LAST_TAG, text)) => {
                Some(ShownValue { tag: Some(tag), value: quoted(text) })
            }
            _ => plain(quoted(octets)),
        },
        ValueKind::UserPassword | ValueKind::ChapPassword | ValueKind::TunnelPassword => {
            plain(format!("<hidden, {} octets>", octets.len()))
        }
    }
}

/// The octets of a value; for a password those it has in clear. An error says what is wanted.
pub(super) fn read(
    kind: ValueKind,
    names: Names,
    tag: Option<u8>,
    text: &str,
) -> Result<Vec<u8>, &'static str> {
    if tag.is_some_and(|tag| tag > LAST_TAG) {
        return Err("a tag is 0 to 31");
    }
    if tag.is_some() && !matches!(kind, ValueKind::TaggedInteger | ValueKind::TaggedText) {
        return Err("this attribute has no tag");
    }
    let number = |wanted| number(names, text).ok_or(wanted);
    match kind {
        ValueKind::Text => non_empty(unquoted(text)?),
        ValueKind::Octets | ValueKind::Container | ValueKind::ChapPassword => match text
            .strip_prefix("0x")
        {
            Some(digits) => from_hex(digits).ok_or("wants an even number of hex digits after 0x"),
            None => non_empty(unquoted(text)?),
        },
        ValueKind::UserPassword => unquoted(text),
        ValueKind::TunnelPassword => {
            Err("stands in replies only, hidden by the request they answer")
        }
        ValueKind::Byte => narrowed::<u8>(number("wants 0 to 255 or the name of a value")?)
            .map(|value| vec![value]),
        ValueKind::Short => narrowed::<u16>(number("wants 0 to 65535 or the name of a value")?)
            .map(|value| value.to_be_bytes().to_vec()),
        ValueKind::Integer => {
            Ok(number("wants a number of 32 bits or the name of a value")?.to_be_bytes().to_vec())
        }
        ValueKind::Date => seconds(text)
            .ok_or("wants seconds since 1970 or a time like 2025-01-01T00:00:00Z")
            .map(|value| value.to_be_bytes().to_vec()),
        ValueKind::Address => {
            parsed::<Ipv4Addr>(text, "wants an IPv4 address").map(|value| value.octets().to_vec())
        }
        ValueKind::Address6 => {
            parsed::<Ipv6Addr>(text, "wants an IPv6 address").map(|value| value.octets().to_vec())
        }
        ValueKind::Prefix6 => from_prefix(text)
            .ok_or("wants an IPv6 prefix like 2001:db8::/64, with no bits beyond its length"),
        ValueKind::InterfaceId => {
            from_interface(text).ok_or("wants four groups of hex digits like 0:0:0:1")
        }
        ValueKind::TaggedInteger => {
            match number("wants a number of 24 bits or the name of a value")?.to_be_bytes() {
                [0, a, b, c] => Ok(vec![tag.unwrap_or(0), a, b, c]),
                _ => Err("wants a number of 24 bits or the name of a value"),
            }
        }
        ValueKind::TaggedText => Ok(tag.into_iter().chain(non_empty(unquoted(text)?)?).collect()),
    }
}

/// `0x` and two digits for each octet.
pub(in crate::wire) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::from("0x"), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

pub(super) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).map(|digit| digit as u8);
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// In quotes; what is no printable UTF-8 as an escape of three octal digits, so that nothing is
/// lost at a NUL.
fn quoted(octets: &[u8]) -> String {
    let mut text = String::from('"');
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c if !is_printable(c) => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| escape(&mut text, octet));
                }
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|octet| escape(&mut text, *octet));
    }
    text.push('"');
    text
}

fn escape(text: &mut String, octet: u8) {
    let _ = write!(text, "\\{octet:03o}");
}

/// The inverse of [`quoted`]; without quotes the text stands for itself.
fn unquoted(text: &str) -> Result<Vec<u8>, &'static str> {
    let Some(inside) =
        text.strip_prefix('"').filter(|_| text.len() > 1).map(|rest| rest.strip_suffix('"'))
    else {
        return Ok(text.as_bytes().to_vec());
    };
    let mut rest = inside.ok_or("begins with a quote and does not end with one")?.as_bytes();
    let mut octets = Vec::with_capacity(rest.len());
    while let Some((octet, after)) = next_octet(rest) {
        octets.push(octet);
        rest = after;
    }
    Ok(octets)
}

/// One octet of a quoted text, and what follows.
fn next_octet(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |octet: u8| octet - b'0';
    Some(match text {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
            (digit(*a) << 6 | digit(*b) << 3 | digit(*c), after)
        }
        [b'\\', b'n', after @ ..] => (b'\n', after),
        [b'\\', b'r', after @ ..] => (b'\r', after),
        [b'\\', b't', after @ ..] => (b'\t', after),
        [b'\\', octet, after @ ..] | [octet, after @ ..] => (*octet, after),
        [] => return None,
    })
}

fn non_empty(octets: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    // RFC 2865 section 5: text and strings of no octets are not sent.
    if octets.is_empty() { Err("must not be empty") } else { Ok(octets) }
}

fn named(names: Names, number: u32) -> String {
    match names.iter().find(|(value, _)| *value == number) {
        Some((_, name)) => (*name).to_owned(),
        None => number.to_string(),
    }
}

fn number(names: Names, text: &str) -> Option<u32> {
    if let Some((value, _)) = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        return Some(*value);
    }
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn narrowed<T: TryFrom<u32>>(number: u32) -> Result<T, &'static str> {
    T::try_from(number).map_err(|_| "the number is too large for this attribute")
}

fn parsed<T: FromStr>(text: &str, wanted: &'static str) -> Result<T, &'static str> {
    text.parse().map_err(|_| wanted)
}

pub(in crate::wire) fn date(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn seconds(text: &str) -> Option<u32> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let time = humantime::parse_rfc3339_weak(text.trim_matches('"')).ok()?;
    u32::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Reserved octet, prefix length, and as much of the prefix as is sent (RFC 3162 section 2.3, RFC
/// 8044 section 3.10).
fn prefix(octets: &[u8]) -> Option<String> {
    let [_reserved, length @ ..=128, sent @ ..] = octets else { return None };
    let mut address = [0; 16];
    address.get_mut(..sent.len())?.copy_from_slice(sent);
    let enough = sent.len() * 8 >= usize::from(*length);
    (enough && !bits_beyond(address, *length))
        .then(|| format!("{}/{length}", Ipv6Addr::from(address)))
}

/// The prefix with just enough octets.
fn from_prefix(text: &str) -> Option<Vec<u8>> {
    let (address, length) = text.split_once('/')?;
    let address = address.parse::<Ipv6Addr>().ok()?.octets();
    let length: u8 = length.parse().ok().filter(|length| *length <= 128)?;
    if bits_beyond(address, length) {
        return None;
    }
    let sent = &address[..usize::from(length).div_ceil(8)];
    Some([0, length].iter().chain(sent).copied().collect())
}

fn bits_beyond(address: [u8; 16], length: u8) -> bool {
    u128::from_be_bytes(address).checked_shl(length.into()).is_some_and(|beyond| beyond != 0)
}

fn interface(octets: [u8; 8]) -> String {
    let (groups, _) = octets.as_chunks::<2>();
    groups
        .iter()
        .map(|group| format!("{:x}", u16::from_be_bytes(*group)))
        .collect::<Vec<_>>()
        .join(":")
}

fn from_interface(text: &str) -> Option<Vec<u8>> {
    let groups: Option<Vec<[u8; 2]>> = text
        .split(':')
        .map(|group| u16::from_str_radix(group, 16).ok().map(u16::to_be_bytes))
        .collect();
    groups.filter(|groups| groups.len() == 4).map(|groups| groups.concat())
}
