//! The number that one Access-Accept puts into its Class, and what it tells when a report brings it
//! back.

use crate::identity::Iccid;
use crate::time::Timestamp;

/// A number for one authorisation: different from the endpoint's other ones, and no secret. It
/// tells whoever knows the endpoint when it was given, so a Class that is given later than another
/// can be known for what it is without a list of them.
#[must_use]
pub fn authorise(iccid: Iccid, now: Timestamp) -> u64 {
    mix(iccid.raw() ^ now.micros().rotate_left(32)).max(1)
}

/// When this server gave that endpoint the authorisation; any time at all if it never did.
pub(super) fn given(authorisation: u64, iccid: Iccid) -> Timestamp {
    Timestamp::from_micros((unmix(authorisation) ^ iccid.raw()).rotate_left(32))
}

/// The finaliser of the splitmix64 generator: every bit of the input moves every bit of the output,
/// and it can be undone.
#[must_use]
pub const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The factors are the inverses of those above modulo 2^64.
const fn unmix(mut word: u64) -> u64 {
    word = (word ^ (word >> 31) ^ (word >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    word = (word ^ (word >> 27) ^ (word >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    word ^ (word >> 30) ^ (word >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_authorisation_tells_when_it_was_given(number in 0u64..1_000_000, micros in 1u64..1 << 52) {
            let iccid = Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap();
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(given(authorise(iccid, at), iccid), at);
        }
    }
}
