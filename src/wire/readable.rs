//! A packet as a person reads it: a line for itself and one for each value. Passwords stay hidden.

use std::fmt;
use std::net::Ipv6Addr;

use serde::Serialize;

use super::datagram::{Attribute, Datagram, vendor_specific};
use super::dictionary::{Definition, Dictionary, ValueKind, date, hex};
use super::extended::{Extended, extended};
use super::number::{AttributeKey, tgpp};
use super::tgpp::{TimeZone, UserLocation, unix_seconds};

/// One value, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `User-Name`, `Tunnel-Type:1`; `Attr-200` for what the dictionary does not know, or what is
    /// no value of its kind.
    pub name: String,
    /// `1`, `26.10415.22`.
    #[serde(rename = "place")]
    pub key: String,
    /// As [`Dictionary::assign`] reads it.
    pub value: String,
    /// What the octets mean, where the value shows only octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
}

/// A packet that shows itself.
#[derive(Clone, Copy)]
pub struct Readable<'a> {
    datagram: Datagram<'a>,
    dictionary: Dictionary,
}

impl<'a> Datagram<'a> {
    #[must_use]
    pub const fn readable(self, dictionary: Dictionary) -> Readable<'a> {
        Readable { datagram: self, dictionary }
    }
}

impl Readable<'_> {
    /// Every value in the order of the packet: vendors' among the RFCs' own, long extended ones put
    /// together.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let extended = extended(self.datagram.attributes());
        let mut lines = Vec::new();
        for (index, Attribute { number, value }) in self.datagram.attributes().enumerate() {
            let made = extended.iter().find(|extended| extended.made_of.contains(&index));
            match (made, vendor_specific(number, value)) {
                (Some(Extended { key, octets, made_of }), _) if made_of[0] == index => {
                    lines.push(self.line(*key, octets));
                }
                // A later fragment: its value is shown already.
                (Some(_), _) => {}
                (None, Some((vendor, inside))) => {
                    lines.extend(inside.map(|Attribute { number, value }| {
                        self.line(AttributeKey { parent: 0, vendor, number }, value)
                    }));
                }
                (None, None) => {
                    lines.push(self.line(AttributeKey { parent: 0, vendor: 0, number }, value));
                }
            }
        }
        lines
    }

    fn line(&self, key: AttributeKey, octets: &[u8]) -> Line {
        let definition = self.dictionary.by_key(key);
        let shown = definition.and_then(|definition| definition.show(octets));
        let meaning = match (definition, &shown) {
            (Some(definition), Some(_)) => meaning(&definition, octets),
            (Some(definition), None) => Some(format!("no valid {}", definition.name)),
            (None, _) => ascii(octets),
        };
        let (name, value) = shown.unwrap_or_else(|| (format!("Attr-{key}"), hex(octets)));
        Line { name, key: key.to_string(), value, meaning }
    }
}

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let datagram = &self.datagram;
        let authenticator = hex(datagram.authenticator());
        writeln!(
            f,
            "{}, identifier {}, {} octets, authenticator {authenticator}",
            datagram.code(),
            datagram.identifier(),
            datagram.octets().len()
        )?;
        for Line { name, value, meaning, .. } in self.lines() {
            write!(f, "    {name} = {value}")?;
            match meaning {
                Some(meaning) => writeln!(f, "  ({meaning})")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// What is in octets whose kind does not say it.
fn meaning(definition: &Definition, octets: &[u8]) -> Option<String> {
    match definition.key {
        AttributeKey { parent: 0, vendor: tgpp::VENDOR, number: tgpp::USER_LOCATION_INFO } => {
            UserLocation::decode(octets).map(|location| location.to_string())
        }
        AttributeKey { parent: 0, vendor: tgpp::VENDOR, number: tgpp::MS_TIME_ZONE } => {
            TimeZone::decode(octets).map(|zone| zone.to_string())
        }
        AttributeKey { parent: 0, vendor: tgpp::VENDOR, number: tgpp::USER_LOCATION_INFO_TIME } => {
            ntp(octets)
        }
        AttributeKey { parent: 0, vendor: tgpp::VENDOR, number: tgpp::IPV6_DNS_SERVERS } => {
            addresses(octets)
        }
        _ if definition.kind == ValueKind::Octets => ascii(octets),
        _ => None,
    }
}

fn ntp(octets: &[u8]) -> Option<String> {
    Some(date(unix_seconds(u32::from_be_bytes(octets.try_into().ok()?))))
}

fn addresses(octets: &[u8]) -> Option<String> {
    let (addresses, odd) = octets.as_chunks::<16>();
    let shown: Vec<String> =
        addresses.iter().map(|octets| Ipv6Addr::from(*octets).to_string()).collect();
    (odd.is_empty() && !shown.is_empty()).then(|| shown.join(", "))
}

/// Class, State and Proxy-State are often words.
fn ascii(octets: &[u8]) -> Option<String> {
    let readable =
        !octets.is_empty() && octets.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' ');
    readable.then(|| octets.escape_ascii().to_string())
}
