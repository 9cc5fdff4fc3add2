//! Tunnel-Password: tag, salt, and a length and password hidden by secret, authenticator and salt
//! (RFC 2868 section 3.5).

use super::password::xor;
use super::secret::Secret;

/// Tag and salt, which stand before what is hidden.
const PREFIX: usize = 3;
/// The longest hidden part: whole blocks within an attribute of 253 octets.
const LONGEST_HIDDEN: usize = 240;
/// One octet of the hidden part is the password's length.
pub const LONGEST_TUNNEL_PASSWORD: usize = LONGEST_HIDDEN - 1;
/// The whole value of the attribute.
pub const LONGEST_TUNNEL_VALUE: usize = PREFIX + LONGEST_HIDDEN;

/// Reveals a Tunnel-Password of the reply to the request with this authenticator: its tag and
/// password.
///
/// None if the length inside does not fit, which is also what a wrong secret mostly looks like. The
/// padding may be anything.
#[must_use]
pub fn tunnel_password<'o>(
    value: &[u8],
    secret: &Secret,
    request_authenticator: &[u8; 16],
    out: &'o mut [u8; LONGEST_TUNNEL_VALUE],
) -> Option<(u8, &'o [u8])> {
    let (&[tag, ref salt @ ..], hidden) = value.split_first_chunk::<PREFIX>()?;
    if hidden.is_empty() || !hidden.len().is_multiple_of(16) {
        return None;
    }
    let revealed = out.get_mut(..hidden.len())?;
    revealed.copy_from_slice(hidden);
    let mut mask = secret.mask(&[request_authenticator, salt]);
    for (block, hidden) in revealed.chunks_exact_mut(16).zip(hidden.chunks_exact(16)) {
        xor(block, &mask);
        mask = secret.mask(&[hidden]);
    }
    let (&length, password) = revealed.split_first()?;
    password.get(..usize::from(length)).map(|password| (tag, password))
}

/// Hides a password: the whole value of the attribute. The salt must be another for each one in a
/// packet; its first bit is set here.
///
/// None if the password is longer than 239 octets.
#[must_use]
pub fn hide_tunnel_password<'o>(
    tag: u8,
    salt: [u8; 2],
    password: &[u8],
    secret: &Secret,
    request_authenticator: &[u8; 16],
    out: &'o mut [u8; LONGEST_TUNNEL_VALUE],
) -> Option<&'o [u8]> {
    let length = u8::try_from(password.len()).ok()?;
    let value = out.get_mut(..PREFIX + (1 + password.len()).div_ceil(16) * 16)?;
    value.fill(0);
    let salt = [salt[0] | 0x80, salt[1]];
    value[..PREFIX].copy_from_slice(&[tag, salt[0], salt[1]]);
    value[PREFIX] = length;
    value[PREFIX + 1..][..password.len()].copy_from_slice(password);
    let mut mask = secret.mask(&[request_authenticator, &salt]);
    for block in value[PREFIX..].chunks_exact_mut(16) {
        xor(block, &mask);
        mask = secret.mask(&[block]);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHENTICATOR: [u8; 16] = 0x0f40_3f94_7397_8057_bd83_d5cb_98f4_227a_u128.to_be_bytes();

    type Case = (u8, [u8; 2], &'static [u8], &'static [u8]);

    /// Tag, salt, password and the value on the wire.
    const CASES: [Case; 3] = [
        (1, [0x80, 0x01], b"l2tpsecret", b"\x01\x80\x01\xcd\x23\xe4\x0c\x15\x62\xfa\x94\xb5\x63\x5b\x09\xe6\x83\x87\x23"),
        (0, [0x80, 0x02], b"0123456789abcde", b"\x00\x80\x02\x9e\xfd\x00\xef\x6a\xf7\xe7\xc0\x16\xdf\xf6\x09\x87\x85\x8b\x7e"),
        (
            2,
            [0x80, 0x03],
            b"0123456789abcdef",
            b"\x02\x80\x03\x00\x62\xe3\x5c\x04\x8d\x1b\x13\x23\xa2\xe7\xe2\xb3\x0b\x05\xb2\x12\x42\xf4\xf6\xf0\x7f\xe1\x14\x0b\x81\x40\x43\x1c\xa9\xcc\x21",
        ),
    ];

    #[test]
    fn hides_and_reveals() {
        let secret = Secret::new(b"xyzzy5461");
        for (tag, salt, password, value) in CASES {
            let mut out = [0; LONGEST_TUNNEL_VALUE];
            assert_eq!(
                hide_tunnel_password(tag, salt, password, &secret, &AUTHENTICATOR, &mut out),
                Some(value)
            );
            assert_eq!(
                tunnel_password(value, &secret, &AUTHENTICATOR, &mut out),
                Some((tag, password))
            );
        }
    }

    #[test]
    fn padding_may_be_anything() {
        // As FreeRADIUS sends it.
        let value = b"\x00\x99\x73\x05\x1d\xe6\xc5\x57\x30\x7d\xac\xd5\xda\xa5\x99\xf4\xe2\x6e\x7e";
        let authenticator = std::array::from_fn(|index| index as u8);
        let mut out = [0; LONGEST_TUNNEL_VALUE];
        assert_eq!(
            tunnel_password(value, &Secret::new(b"testing123"), &authenticator, &mut out),
            Some((0, &b"foo"[..]))
        );
    }

    #[test]
    fn salt_has_its_first_bit_set_and_lengths_have_limits() {
        let secret = Secret::new(b"s");
        let mut out = [0; LONGEST_TUNNEL_VALUE];
        let value =
            hide_tunnel_password(1, [0x01, 0x02], b"x", &secret, &AUTHENTICATOR, &mut out).unwrap();
        assert_eq!(value[1..3], [0x81, 0x02]);
        let longest = [b'x'; LONGEST_TUNNEL_PASSWORD];
        let value = hide_tunnel_password(1, [0; 2], &longest, &secret, &AUTHENTICATOR, &mut out)
            .unwrap()
            .to_vec();
        assert_eq!(value.len(), LONGEST_TUNNEL_VALUE);
        assert_eq!(
            tunnel_password(&value, &secret, &AUTHENTICATOR, &mut out),
            Some((1, &longest[..]))
        );
        assert_eq!(
            hide_tunnel_password(
                1,
                [0; 2],
                &[b'x'; LONGEST_TUNNEL_PASSWORD + 1],
                &secret,
                &AUTHENTICATOR,
                &mut out
            ),
            None
        );
        for length in [0, 2, 3, 18, 20, 253] {
            assert_eq!(
                tunnel_password(&vec![0x80; length], &secret, &AUTHENTICATOR, &mut out),
                None,
                "{length}"
            );
        }
    }
}
