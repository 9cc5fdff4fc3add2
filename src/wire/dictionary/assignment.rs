//! `Name=Value` as a person types it, and as an attribute of a packet.

use std::fmt;

use super::{Dictionary, text};
use crate::wire::encoder::Encoder;
use crate::wire::number::{self, Kind, Place};
use crate::wire::password::chap_response;
use crate::wire::secret::Secret;

/// An attribute to be written. Passwords are in clear until then.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    pub place: Place,
    /// How it is written: `Octets` for what is written as it is, whatever the attribute.
    pub kind: Kind,
    pub octets: Vec<u8>,
}

/// Why a text is no assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAssigned {
    /// What stood before the `=`.
    pub name: String,
    pub reason: &'static str,
}

impl Dictionary {
    /// Reads `Name=Value`, `Name:tag=Value`, or `Attr-26.32473.250=0x01` for an attribute nobody has named.
    pub fn assign(self, text: &str) -> Result<Assignment, NotAssigned> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        let failed = |reason| NotAssigned { name: name.to_owned(), reason };
        if !text.contains('=') {
            return Err(failed("wants the form Name=Value"));
        }
        if let Some(place) = name.strip_prefix("Attr-") {
            let place = place.parse().map_err(|()| failed("is no number of an attribute, like 200 or 26.32473.1"))?;
            let octets = value.strip_prefix("0x").and_then(text::from_hex).ok_or_else(|| failed("wants hex digits after 0x"))?;
            return Ok(Assignment { place, kind: Kind::Octets, octets });
        }
        let (plain, tag) = name.split_once(':').map_or((name, None), |(plain, tag)| (plain, Some(tag)));
        let definition = self.by_name(plain).ok_or_else(|| failed("is no attribute of the dictionary"))?;
        let tag = tag.map(str::parse).transpose().map_err(|_| failed("a tag is 0 to 31"))?;
        let octets = text::read(definition.kind, definition.values, tag, value).map_err(failed)?;
        let kind = match definition.kind {
            Kind::ChapPassword if value.starts_with("0x") => Kind::Octets,
            kind => kind,
        };
        Ok(Assignment { place: definition.place, kind, octets })
    }
}

impl Encoder<'_> {
    /// Writes what a person assigned; `authenticator` is the one this request will carry.
    ///
    /// A CHAP-Password in clear answers the CHAP-Challenge written before it, else the authenticator (RFC 2865 section 5.40).
    pub fn assign(&mut self, assignment: &Assignment, secret: &Secret, authenticator: &[u8; 16]) -> &mut Self {
        let Assignment { place, kind, octets } = assignment;
        match (kind, *place) {
            (Kind::UserPassword, _) => self.user_password(octets, secret, authenticator),
            (Kind::ChapPassword, _) => {
                let ident = self.identifier();
                let challenge = self.written().find(|attribute| attribute.number == number::CHAP_CHALLENGE);
                let response = chap_response(ident, octets, challenge.map_or(authenticator, |challenge| challenge.value));
                let value: Vec<u8> = [ident].into_iter().chain(response).collect();
                self.attribute(number::CHAP_PASSWORD, &value)
            }
            (_, Place { parent: 0, vendor: 0, number: number::MESSAGE_AUTHENTICATOR }) => self.message_authenticator(),
            (_, Place { parent: 0, vendor: 0, number }) => self.attribute(number, octets),
            (_, Place { parent: 0, vendor, number }) => self.vendor(vendor, number, octets),
            (_, Place { parent, vendor: 0, number }) => self.extended(parent, number, octets),
            (_, Place { parent, vendor, number }) => {
                let inside: Vec<u8> = vendor.to_be_bytes().into_iter().chain([number]).chain(octets.iter().copied()).collect();
                self.extended(parent, number::VENDOR_SPECIFIC, &inside)
            }
        }
    }
}

impl fmt::Debug for Assignment {
    /// The place only: the value may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assignment({})", self.place)
    }
}

impl fmt::Display for NotAssigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for NotAssigned {}
