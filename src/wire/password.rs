//! User-Password and CHAP-Password: hidden, revealed, compared.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::secret::Secret;

/// The longest password: eight blocks (RFC 2865 section 5.2).
pub const LONGEST_PASSWORD: usize = 128;

/// Reveals a User-Password. None unless it is one to eight whole blocks. A wrong secret yields
/// garbage, not an error.
#[must_use]
pub fn pap_password<'o>(
    hidden: &[u8],
    secret: &Secret,
    authenticator: &[u8; 16],
    out: &'o mut [u8; LONGEST_PASSWORD],
) -> Option<&'o [u8]> {
    let revealed = reveal(hidden, secret, authenticator, out)?;
    // Only the padding goes; a password may well hold a NUL inside.
    let length = revealed.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    Some(&revealed[..length])
}

/// Whether a User-Password is this one. Takes the same time for every password of the same hidden
/// length.
#[must_use]
pub fn pap_matches(
    hidden: &[u8],
    secret: &Secret,
    authenticator: &[u8; 16],
    password: &[u8],
) -> bool {
    let (mut out, mut padded) = ([0; LONGEST_PASSWORD], [0; LONGEST_PASSWORD]);
    let Some(revealed) = reveal(hidden, secret, authenticator, &mut out) else {
        return false;
    };
    match padded.get_mut(..password.len()) {
        Some(buf) if password.len() <= revealed.len() => buf.copy_from_slice(password),
        _ => return false,
    }
    revealed.ct_eq(&padded[..revealed.len()]).into()
}

/// Whether a CHAP-Password, of which `ident` is the first octet and `response` the rest, was made
/// from this password (RFC 2865 section 5.3).
#[must_use]
pub fn chap_matches(ident: u8, response: &[u8], password: &[u8], challenge: &[u8]) -> bool {
    chap_response(ident, password, challenge).ct_eq(response).into()
}

/// What a peer answers to a challenge (RFC 1994 section 4.1).
#[must_use]
pub fn chap_response(ident: u8, password: &[u8], challenge: &[u8]) -> [u8; 16] {
    Md5::new()
        .chain_update([ident])
        .chain_update(password)
        .chain_update(challenge)
        .finalize()
        .into()
}

/// Hides a password: NULs up to whole blocks, each block masked by a digest of the one before it.
/// None if it is too long.
pub(super) fn hide<'o>(
    password: &[u8],
    secret: &Secret,
    authenticator: &[u8; 16],
    out: &'o mut [u8; LONGEST_PASSWORD],
) -> Option<&'o [u8]> {
    let length = password.len().div_ceil(16).max(1) * 16;
    let out = out.get_mut(..length)?;
    out.fill(0);
    out[..password.len()].copy_from_slice(password);
    let mut mask = secret.mask(&[authenticator]);
    for block in out.chunks_exact_mut(16) {
        xor(block, &mask);
        mask = secret.mask(&[block]);
    }
    Some(out)
}

fn reveal<'o>(
    hidden: &[u8],
    secret: &Secret,
    authenticator: &[u8; 16],
    out: &'o mut [u8; LONGEST_PASSWORD],
) -> Option<&'o [u8]> {
    if hidden.is_empty() || !hidden.len().is_multiple_of(16) {
        return None;
    }
    let out = out.get_mut(..hidden.len())?;
    out.copy_from_slice(hidden);
    let mut before: &[u8] = authenticator;
    for (block, hidden) in out.chunks_exact_mut(16).zip(hidden.chunks_exact(16)) {
        xor(block, &secret.mask(&[before]));
        before = hidden;
    }
    Some(out)
}

pub(super) fn xor(block: &mut [u8], mask: &[u8; 16]) {
    block.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
}
