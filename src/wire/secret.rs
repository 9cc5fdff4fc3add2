//! The secret shared with a gateway, prepared for the two digests RADIUS makes with it.

use std::fmt;

use md5::{Digest, Md5};

/// MD5 works on blocks of 64 octets, and so does HMAC (RFC 2104).
const BLOCK: usize = 64;

/// A shared secret. It never shows itself.
///
/// The two HMAC states that depend on the key alone are computed here, once for a gateway instead
/// of twice for a packet.
#[derive(Clone)]
pub struct Secret {
    octets: Box<[u8]>,
    inner: Md5,
    outer: Md5,
    /// What the two states are made of, for digests abreast.
    keys: [[u8; BLOCK]; 2],
}

impl Secret {
    /// The secret must not be empty (RFC 2865 section 3); whoever reads the configuration sees to
    /// that.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mut key = [0; BLOCK];
        if secret.len() > BLOCK {
            key[..16].copy_from_slice(&Md5::digest(secret));
        } else {
            key[..secret.len()].copy_from_slice(secret);
        }
        let keys @ [inner, outer] = [0x36, 0x5c].map(|pad: u8| key.map(|octet| octet ^ pad));
        Self {
            octets: secret.into(),
            inner: Md5::new_with_prefix(inner),
            outer: Md5::new_with_prefix(outer),
            keys,
        }
    }

    /// What stands behind every packet before it is digested.
    pub(in crate::wire) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The blocks that an HMAC puts before the packet, and before the digest of that.
    pub(in crate::wire) const fn keys(&self) -> &[[u8; BLOCK]; 2] {
        &self.keys
    }

    /// MD5 over the parts and then the secret: every authenticator (RFC 2865 section 3).
    pub(in crate::wire) fn authenticator(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut digest = Md5::new();
        for part in parts {
            digest.update(part);
        }
        digest.update(&self.octets);
        digest.finalize().into()
    }

    /// MD5 over the secret and then the parts: what hides a password (RFC 2865 section 5.2).
    pub(in crate::wire) fn mask(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut digest = Md5::new_with_prefix(&self.octets);
        for part in parts {
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// HMAC-MD5 over the parts: the Message-Authenticator (RFC 3579 section 3.2).
    pub(in crate::wire) fn hmac(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut inner = self.inner.clone();
        for part in parts {
            inner.update(part);
        }
        self.outer.clone().chain_update(inner.finalize()).finalize().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_2202() {
        let cases: [(&[u8], &[u8], u128); 3] = [
            (&[0x0b; 16], b"Hi There", 0x9294_727a_3638_bb1c_13f4_8ef8_158b_fc9d),
            (b"Jefe", b"what do ya want for nothing?", 0x750c_783e_6ab0_b503_eaa8_6e31_0a5d_b738),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                0x6b1a_b7fe_4bd7_bf8f_0b62_e6ce_61b9_d0cd,
            ),
        ];
        for (key, text, digest) in cases {
            let (head, tail) = text.split_at(3);
            assert_eq!(Secret::new(key).hmac(&[head, tail]), digest.to_be_bytes());
        }
    }

    #[test]
    fn debug_is_masked() {
        assert_eq!(format!("{:?}", Secret::new(b"testing123")), "Secret(..)");
    }
}
