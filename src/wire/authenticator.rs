//! Who sent this: the three rules by which packets are signed, in both directions.
//!
//! | packet | Authenticator field | Message-Authenticator is over the packet with |
//! |---|---|---|
//! | Access-Request, Status-Server | random | its own authenticator |
//! | Accounting-, CoA-, Disconnect-Request | MD5 with zeros in its place | zeros in its place |
//! | every reply | MD5 with the request's in its place | the request's in its place |
//!
//! Always with zeros in place of the Message-Authenticator itself, which is filled in first (RFC
//! 3579 section 3.2).

use std::fmt;

use subtle::ConstantTimeEq;

use super::abreast::{ABREAST, Lanes, OUTER, WORTH_WHILE};
use super::code::Signing;
use super::datagram::{Datagram, Integrity, SHORTEST};
use super::secret::Secret;

const ZEROS: [u8; 16] = [0; 16];

/// Which proof of the sender failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forged {
    /// The Request or Response Authenticator; or a code that has none of the kind asked for.
    Authenticator,
    /// The Message-Authenticator: wrong, of wrong length, or there twice.
    MessageAuthenticator,
}

impl Datagram<'_> {
    /// Verifies a request. The Authenticator of an Access-Request or Status-Server proves nothing;
    /// their Message-Authenticator does, if present.
    pub fn verify_request(&self, secret: &Secret) -> Result<(), Forged> {
        match self.code().signing() {
            Some(Signing::Random) => self.verify_integrity(self.authenticator(), secret),
            Some(Signing::Zeros) => {
                self.verify_authenticator(&ZEROS, secret)?;
                self.verify_integrity(&ZEROS, secret)
            }
            Some(Signing::Reply) | None => Err(Forged::Authenticator),
        }
    }

    /// Verifies a reply to the request that carried this authenticator.
    pub fn verify_reply(
        &self,
        request_authenticator: &[u8; 16],
        secret: &Secret,
    ) -> Result<(), Forged> {
        if self.code().signing() != Some(Signing::Reply) {
            return Err(Forged::Authenticator);
        }
        self.verify_authenticator(request_authenticator, secret)?;
        self.verify_integrity(request_authenticator, secret)
    }

    fn verify_authenticator(&self, in_place: &[u8; 16], secret: &Secret) -> Result<(), Forged> {
        let expected = authenticator(self.octets(), in_place, secret);
        same(&expected, self.authenticator()).then_some(()).ok_or(Forged::Authenticator)
    }

    fn verify_integrity(&self, in_place: &[u8; 16], secret: &Secret) -> Result<(), Forged> {
        match self.integrity {
            Integrity::Absent => Ok(()),
            Integrity::Invalid => Err(Forged::MessageAuthenticator),
            Integrity::At(offset) => {
                let expected = message_authenticator(self.octets(), offset, in_place, secret);
                same(&expected, &self.octets()[offset..offset + 16])
                    .then_some(())
                    .ok_or(Forged::MessageAuthenticator)
            }
        }
    }
}

/// Requests that are best verified together.
pub const AT_ONCE: usize = ABREAST;

/// Blocks of 64 octets that a request may have to be digested abreast: more than any usual one, and
/// few enough to lie in the nearest cache.
const REQUEST: usize = 12;

/// Verifies several requests, each by the rule of [`Datagram::verify_request`] and with its own
/// secret: what nearly all need is computed side by side, the rest one by one.
pub fn verify_requests<T>(
    requests: &[Option<T>; AT_ONCE],
    of: impl Fn(&T) -> (&Datagram<'_>, &Secret),
) -> [Result<(), Forged>; AT_ONCE] {
    let mut outcomes = [Ok(()); AT_ONCE];
    let mut lanes = Lanes::<REQUEST>::default();
    let mut waiting = [None; AT_ONCE];
    let is_worth_while = requests.iter().flatten().count() >= WORTH_WHILE;
    for (lane, (request, secret)) in requests
        .iter()
        .enumerate()
        .filter_map(|(lane, request)| Some((lane, of(request.as_ref()?))))
    {
        waiting[lane] = Sought::of(request)
            .filter(|sought| is_worth_while && sought.load(&mut lanes, lane, request, secret));
        if waiting[lane].is_none() {
            outcomes[lane] = request.verify_request(secret);
        }
    }
    if waiting.iter().any(Option::is_some) {
        lanes.run();
    }
    let mut outer = Lanes::<OUTER>::default();
    for lane in 0..AT_ONCE {
        if let (Some(Sought::MessageAuthenticator(_)), Some(request)) =
            (waiting[lane], &requests[lane])
        {
            let [_, key] = of(request).1.keys();
            outer.load(lane, &[key, &lanes.digest(lane)]);
        }
    }
    if waiting.iter().any(|sought| matches!(sought, Some(Sought::MessageAuthenticator(_)))) {
        outer.run();
    }
    for (lane, request) in requests.iter().enumerate() {
        let Some(request) = request.as_ref().map(|request| of(request).0) else { continue };
        outcomes[lane] = match waiting[lane] {
            None => outcomes[lane],
            Some(Sought::Authenticator) if same(&lanes.digest(lane), request.authenticator()) => {
                Ok(())
            }
            Some(Sought::Authenticator) => Err(Forged::Authenticator),
            Some(Sought::MessageAuthenticator(at))
                if same(&outer.digest(lane), &request.octets()[at..at + 16]) =>
            {
                Ok(())
            }
            Some(Sought::MessageAuthenticator(_)) => Err(Forged::MessageAuthenticator),
        };
    }
    outcomes
}

/// The one digest that proves a usual request.
#[derive(Clone, Copy)]
enum Sought {
    Authenticator,
    /// Where it stands.
    MessageAuthenticator(usize),
}

impl Sought {
    /// `None`: there is none to compute, or more than one.
    fn of(request: &Datagram<'_>) -> Option<Self> {
        match (request.code().signing()?, request.integrity) {
            (Signing::Zeros, Integrity::Absent) => Some(Self::Authenticator),
            (Signing::Random, Integrity::At(offset)) => Some(Self::MessageAuthenticator(offset)),
            _ => None,
        }
    }

    fn load(
        self,
        lanes: &mut Lanes<REQUEST>,
        lane: usize,
        request: &Datagram<'_>,
        secret: &Secret,
    ) -> bool {
        let packet = request.octets();
        match self {
            Self::Authenticator => {
                lanes.load(lane, &[&packet[..4], &ZEROS, &packet[SHORTEST..], secret.octets()])
            }
            Self::MessageAuthenticator(offset) => {
                let [key, _] = secret.keys();
                lanes.load(lane, &[key, &packet[..offset], &ZEROS, &packet[offset + 16..]])
            }
        }
    }
}

/// MD5 over code, identifier, length, `in_place`, attributes and secret (RFC 2865 section 3, RFC
/// 2866 section 3).
fn authenticator(packet: &[u8], in_place: &[u8; 16], secret: &Secret) -> [u8; 16] {
    secret.authenticator(&[&packet[..4], in_place, &packet[SHORTEST..]])
}

/// HMAC-MD5 over the same, with zeros where the Message-Authenticator's value stands (RFC 3579
/// section 3.2, RFC 5176 section 3.4).
fn message_authenticator(
    packet: &[u8],
    offset: usize,
    in_place: &[u8; 16],
    secret: &Secret,
) -> [u8; 16] {
    secret.hmac(&[
        &packet[..4],
        in_place,
        &packet[SHORTEST..offset],
        &ZEROS,
        &packet[offset + 16..],
    ])
}

/// In constant time, so that the answer's delay does not tell how many octets were right.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

impl fmt::Display for Forged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticator => "the authenticator does not verify",
            Self::MessageAuthenticator => "the Message-Authenticator does not verify",
        })
    }
}

impl std::error::Error for Forged {}
