//! Writes one packet into a caller's buffer and signs it.

use std::fmt;
use std::net::Ipv4Addr;

use super::code::{Code, Signing};
use super::datagram::{Attributes, Datagram, LONGEST, SHORTEST};
use super::extended::{FRAGMENT, MORE};
use super::number;
use super::password::hide;
use super::secret::Secret;
use super::signing::Draft;

/// A packet being written. Attributes keep the order in which they are given.
///
/// What does not fit is remembered and reported once, by the `finish_` that closes the packet.
pub struct Encoder<'b> {
    buffer: &'b mut [u8],
    length: usize,
    overflowed: bool,
    /// Where the value of the Message-Authenticator is reserved.
    integrity: Option<usize>,
}

/// The packet would exceed 4096 octets or the buffer, or one of its attributes 253.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl<'b> Encoder<'b> {
    pub fn new(buffer: &'b mut [u8], code: Code, identifier: u8) -> Self {
        let usable = buffer.len().min(LONGEST);
        let mut encoder =
            Self { buffer: &mut buffer[..usable], length: 0, overflowed: false, integrity: None };
        encoder.put(&[code.0, identifier]);
        encoder.put(&[0; SHORTEST - 2]);
        encoder
    }

    /// Reserves the Message-Authenticator here, unless it has its place already: there is at most
    /// one.
    ///
    /// Replies to an Access-Request or Status-Server have it first, against BlastRADIUS.
    pub fn message_authenticator(&mut self) -> &mut Self {
        if self.integrity.is_none() {
            self.attribute(number::MESSAGE_AUTHENTICATOR, &[0; 16]);
            self.integrity = self.length.checked_sub(16);
        }
        self
    }

    /// Writes the value exactly as given. Text and strings of no octets must not be sent; that is
    /// the caller's to heed (RFC 2865 section 5).
    pub fn attribute(&mut self, number: u8, value: &[u8]) -> &mut Self {
        self.prefixed(number, &[], value)
    }

    pub fn integer(&mut self, number: u8, value: u32) -> &mut Self {
        self.attribute(number, &value.to_be_bytes())
    }

    pub fn address(&mut self, number: u8, value: Ipv4Addr) -> &mut Self {
        self.attribute(number, &value.octets())
    }

    /// One sub-attribute in a Vendor-Specific of its own (RFC 2865 section 5.26).
    pub fn vendor(&mut self, vendor: u32, number: u8, value: &[u8]) -> &mut Self {
        let Ok(length) = u8::try_from(value.len() + 2) else {
            return self.overflow();
        };
        let [a, b, c, d] = vendor.to_be_bytes();
        self.prefixed(number::VENDOR_SPECIFIC, &[a, b, c, d, number, length], value)
    }

    /// Hides the password with the authenticator this request will carry (RFC 2865 section 5.2).
    pub fn user_password(
        &mut self,
        password: &[u8],
        secret: &Secret,
        authenticator: &[u8; 16],
    ) -> &mut Self {
        let mut hidden = [0; 128];
        match hide(password, secret, authenticator, &mut hidden) {
            Some(hidden) => self.attribute(number::USER_PASSWORD, hidden),
            None => self.overflow(),
        }
    }

    /// One value inside an extended attribute, in as many fragments as it needs where the attribute
    /// is a long one (RFC 6929 section 2).
    pub fn extended(&mut self, parent: u8, number: u8, value: &[u8]) -> &mut Self {
        if parent < number::EXTENDED_ATTRIBUTE_5 {
            return self.prefixed(parent, &[number], value);
        }
        let mut fragments = value.chunks(FRAGMENT).peekable();
        while let Some(fragment) = fragments.next() {
            let flags = if fragments.peek().is_some() { MORE } else { 0 };
            self.prefixed(parent, &[number, flags], fragment);
        }
        self
    }

    /// Every attribute of this number, as it came and in its order: how Proxy-State is returned
    /// (RFC 2865 section 5.33).
    pub fn copy(&mut self, from: &Datagram<'_>, number: u8) -> &mut Self {
        if from.contains(number) {
            for attribute in from.attributes().filter(|attribute| attribute.number == number) {
                self.attribute(number, attribute.value);
            }
        }
        self
    }

    /// Signs a request. `random` becomes its authenticator, unless its code has a computed one.
    pub fn finish_request(mut self, secret: &Secret, random: [u8; 16]) -> Result<usize, TooLong> {
        match Code(self.buffer.first().copied().unwrap_or_default()).signing() {
            Some(Signing::Zeros) => self.finish_reply(secret, &[0; 16]),
            Some(Signing::Random | Signing::Reply) | None => {
                Ok(self.draft(&random)?.integrate(self.buffer, secret))
            }
        }
    }

    /// Signs a reply to the request that carried this authenticator.
    pub fn finish_reply(
        mut self,
        secret: &Secret,
        request_authenticator: &[u8; 16],
    ) -> Result<usize, TooLong> {
        Ok(self.draft(request_authenticator)?.sign(self.buffer, secret))
    }

    /// Leaves a reply to the request that carried this authenticator to be signed later.
    pub fn draft_reply(mut self, request_authenticator: &[u8; 16]) -> Result<Draft, TooLong> {
        self.draft(request_authenticator)
    }

    fn draft(&mut self, in_place: &[u8; 16]) -> Result<Draft, TooLong> {
        if self.overflowed {
            return Err(TooLong);
        }
        self.buffer[2..4].copy_from_slice(&(self.length as u16).to_be_bytes());
        self.buffer[4..SHORTEST].copy_from_slice(in_place);
        Ok(Draft { length: self.length, integrity: self.integrity })
    }

    pub(in crate::wire) fn identifier(&self) -> u8 {
        self.buffer.get(1).copied().unwrap_or_default()
    }

    /// The attributes written so far.
    pub(in crate::wire) fn written(&self) -> Attributes<'_> {
        Attributes::within(self.buffer.get(SHORTEST..self.length).unwrap_or_default())
            .unwrap_or_default()
    }

    fn prefixed(&mut self, number: u8, prefix: &[u8], value: &[u8]) -> &mut Self {
        match u8::try_from(2 + prefix.len() + value.len()) {
            Ok(length) => {
                self.put(&[number, length]);
                self.put(prefix);
                self.put(value);
                self
            }
            Err(_) => self.overflow(),
        }
    }

    fn put(&mut self, octets: &[u8]) {
        match self.buffer.get_mut(self.length..self.length + octets.len()) {
            Some(buf) if !self.overflowed => {
                buf.copy_from_slice(octets);
                self.length += octets.len();
            }
            _ => self.overflowed = true,
        }
    }

    fn overflow(&mut self) -> &mut Self {
        self.overflowed = true;
        self
    }
}

impl fmt::Debug for Encoder<'_> {
    /// How far it is: what it holds are identities and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder({} octets)", self.length)
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the packet would exceed {LONGEST} octets, or one of its attributes 253")
    }
}

impl std::error::Error for TooLong {}
