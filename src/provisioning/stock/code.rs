//! Activation codes: nobody who reads the memory, the journal or a backup learns one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::identity::Iccid;

/// What a person reads on the card of a SIM, as it was written.
#[derive(Clone, Copy, Debug)]
pub struct ActivationCode;

/// SHA-256 of an activation code: what is kept of it until it comes under the server's key.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeHash([u8; 32]);

/// HMAC-SHA256 of ICCID and code under the key of the data folder, cut to 128 bits (RFC 2104 5).
#[derive(Clone, Copy)]
pub struct CodeDigest(pub [u8; 16]);

/// The key of the data folder under which codes are kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StockKey(pub [u8; 32]);

impl ActivationCode {
    const LENGTH: std::ops::RangeInclusive<usize> = 4..=64;

    /// The hash of a code, without blanks around it.
    ///
    /// # Errors
    /// What an activation code has to be.
    pub fn hash(text: &[u8]) -> Result<CodeHash, &'static str> {
        let code = text.trim_ascii();
        if !Self::LENGTH.contains(&code.len()) || !code.iter().all(u8::is_ascii_graphic) {
            return Err("an activation code has 4 to 64 printable characters without blanks");
        }
        Ok(CodeHash(Sha256::digest(code).into()))
    }
}

impl StockKey {
    pub fn digest(&self, iccid: Iccid, code: &CodeHash) -> CodeDigest {
        // A key of any length is one for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return CodeDigest([0; 16]);
        };
        mac.update(&iccid.raw().to_be_bytes());
        mac.update(&code.0);
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut half = [0; 16];
        half.copy_from_slice(&whole[..16]);
        CodeDigest(half)
    }
}

/// In constant time.
impl PartialEq for CodeDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for CodeDigest {}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash")
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeDigest")
    }
}

impl fmt::Debug for StockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StockKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_one_sim_under_one_key() {
        let iccid = |text: &str| text.parse::<Iccid>().unwrap();
        let code = ActivationCode::hash(b" K7QF-22PD ").unwrap();
        let key = StockKey([7; 32]);
        let digest = key.digest(iccid("8944500000000000014"), &code);
        let same = ActivationCode::hash(b"K7QF-22PD").unwrap();
        assert_eq!(digest, key.digest(iccid("8944500000000000014"), &same));
        assert_ne!(digest, key.digest(iccid("8944500000000000022"), &code));
        assert_ne!(digest, StockKey([8; 32]).digest(iccid("8944500000000000014"), &code));
        let other = ActivationCode::hash(b"k7qf-22pd").unwrap();
        assert_ne!(digest, key.digest(iccid("8944500000000000014"), &other));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in
            [&b""[..], b"abc", b"has blank", b"tab\there", "caf\u{e9}s".as_bytes(), &[b'x'; 65]]
        {
            assert!(ActivationCode::hash(text).is_err(), "{text:?}");
        }
    }
}
