//! Signs what is written: one packet alone, or several replies side by side.

use super::abreast::{Lanes, OUTER, WORTH_WHILE};
use super::authenticator::AT_ONCE;
use super::datagram::SHORTEST;
use super::secret::Secret;

/// Blocks of 64 octets that a reply may have to be digested abreast, its secret and the padding
/// included.
const REPLY: usize = 6;

/// A packet that is written but not signed: in the place of its authenticator stands what the
/// digests want there (the request's, in a reply), and zeros in that of its Message-Authenticator
/// (RFC 2865 section 3, RFC 3579 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(super) length: usize,
    /// Where the Message-Authenticator stands.
    pub(super) integrity: Option<usize>,
}

/// A draft in its buffer, and the secret to sign it with.
pub struct Unsigned<'r> {
    packet: &'r mut [u8],
    integrity: Option<usize>,
    secret: &'r Secret,
}

impl Draft {
    /// Signs it, in the buffer it was written into; gives its length.
    pub fn sign(self, buffer: &mut [u8], secret: &Secret) -> usize {
        self.of(buffer, secret).sign();
        self.length
    }

    /// Fills in its Message-Authenticator alone: its authenticator is the one that stands there.
    /// Gives its length.
    pub(super) fn integrate(self, buffer: &mut [u8], secret: &Secret) -> usize {
        self.of(buffer, secret).integrate_alone();
        self.length
    }

    /// Makes it a packet of RADIUS/1.1 (RFC 9765 5): the request's Token and zeros in the place of
    /// the authenticator, no identifier, no Message-Authenticator. Gives what is left of it.
    #[must_use]
    pub fn into_radius_1_1(self, buffer: &mut [u8]) -> Self {
        const TOKEN_END: usize = 8;
        let mut length = self.length;
        buffer[1] = 0;
        buffer[TOKEN_END..SHORTEST].fill(0);
        if let Some(value) = self.integrity {
            buffer.copy_within(value + 16..length, value - 2);
            length -= 18;
            buffer[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        }
        Self { length, integrity: None }
    }

    /// Its octets.
    pub const fn length(self) -> usize {
        self.length
    }

    /// Together with the buffer it was written into.
    pub fn of<'r>(self, buffer: &'r mut [u8], secret: &'r Secret) -> Unsigned<'r> {
        Unsigned { packet: &mut buffer[..self.length], integrity: self.integrity, secret }
    }
}

/// Signs several, each with its own secret; the first digests side by side, then the second ones.
pub fn sign_replies(replies: &mut [Option<Unsigned<'_>>; AT_ONCE]) {
    let mut lanes = Lanes::<REPLY>::default();
    let is_worth_while = replies.iter().flatten().count() >= WORTH_WHILE;
    for reply in replies.iter_mut() {
        if let Some(alone) = reply.take_if(|reply| !is_worth_while || !reply.fits(&lanes)) {
            alone.sign();
        }
    }
    integrate(replies);
    for (lane, reply) in present(replies) {
        lanes.load(lane, &[reply.packet, reply.secret.octets()]);
    }
    lanes.run();
    for (lane, reply) in present(replies) {
        reply.authenticate(lanes.digest(lane));
    }
}

/// Fills in the Message-Authenticators of those that have one.
fn integrate(replies: &mut [Option<Unsigned<'_>>; AT_ONCE]) {
    if !replies.iter().flatten().any(|reply| reply.integrity.is_some()) {
        return;
    }
    let mut inner = Lanes::<REPLY>::default();
    for (lane, reply) in present(replies).filter(|(_, reply)| reply.integrity.is_some()) {
        let [key, _] = reply.secret.keys();
        inner.load(lane, &[key, reply.packet]);
    }
    inner.run();
    let mut outer = Lanes::<OUTER>::default();
    for (lane, reply) in present(replies).filter(|(_, reply)| reply.integrity.is_some()) {
        let [_, key] = reply.secret.keys();
        outer.load(lane, &[key, &inner.digest(lane)]);
    }
    outer.run();
    for (lane, reply) in present(replies) {
        reply.integrate(outer.digest(lane));
    }
}

fn present<'a, 'r>(
    replies: &'a mut [Option<Unsigned<'r>>; AT_ONCE],
) -> impl Iterator<Item = (usize, &'a mut Unsigned<'r>)> {
    replies.iter_mut().enumerate().filter_map(|(lane, reply)| Some((lane, reply.as_mut()?)))
}

impl Unsigned<'_> {
    fn sign(mut self) {
        self.integrate_alone();
        self.authenticate(self.secret.authenticator(&[self.packet]));
    }

    fn integrate_alone(&mut self) {
        if self.integrity.is_some() {
            self.integrate(self.secret.hmac(&[self.packet]));
        }
    }

    /// Whether both its digests can be computed abreast.
    fn fits(&self, lanes: &Lanes<REPLY>) -> bool {
        let [key, _] = self.secret.keys();
        lanes.takes(self.packet.len() + key.len().max(self.secret.octets().len()))
    }

    fn integrate(&mut self, digest: [u8; 16]) {
        if let Some(offset) = self.integrity {
            self.packet[offset..offset + 16].copy_from_slice(&digest);
        }
    }

    fn authenticate(&mut self, digest: [u8; 16]) {
        self.packet[4..SHORTEST].copy_from_slice(&digest);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Code, Datagram, Encoder, LONGEST, number};

    /// A reply with so many octets of Proxy-State, whose request had this authenticator.
    fn draft(
        buffer: &mut [u8],
        is_signed_twice: bool,
        state: usize,
        authenticator: &[u8; 16],
    ) -> Draft {
        let mut reply = Encoder::new(buffer, Code::ACCESS_ACCEPT, 7);
        if is_signed_twice {
            reply.message_authenticator();
        }
        for chunk in vec![5; state].chunks(200) {
            reply.attribute(number::PROXY_STATE, chunk);
        }
        reply.draft_reply(authenticator).unwrap()
    }

    proptest! {
        /// However many there are, and however long: each verifies, with its own secret and its own
        /// request.
        #[test]
        fn every_reply_verifies(replies in prop::collection::vec((any::<bool>(), 0..500_usize, any::<[u8; 16]>(), "[a-z]{1,70}"), 1..=AT_ONCE)) {
            let secrets: Vec<Secret> = replies.iter().map(|(.., secret)| Secret::new(secret.as_bytes())).collect();
            let mut buffers = vec![[0; LONGEST]; replies.len()];
            let mut drafts = [const { None }; AT_ONCE];
            for (nth, ((is_signed_twice, state, authenticator, _), buf)) in replies.iter().zip(&mut buffers).enumerate() {
                drafts[nth] = Some(draft(buf, *is_signed_twice, *state, authenticator).of(buf, &secrets[nth]));
            }
            sign_replies(&mut drafts);
            for (((.., authenticator, _), buf), secret) in replies.iter().zip(&buffers).zip(&secrets) {
                let reply = Datagram::frame(buf).unwrap();
                prop_assert_eq!(reply.verify_reply(authenticator, secret), Ok(()));
            }
        }

        #[test]
        fn alone_it_verifies_too(is_signed_twice: bool, state in 0..1000_usize, authenticator: [u8; 16]) {
            let (mut buf, secret) = ([0; LONGEST], Secret::new(b"testing123"));
            let length = draft(&mut buf, is_signed_twice, state, &authenticator).sign(&mut buf, &secret);
            prop_assert_eq!(Datagram::frame(&buf[..length]).unwrap().verify_reply(&authenticator, &secret), Ok(()));
        }
    }
}
