//! The one thing of a ClientHello that rustls does not tell: whether its client speaks TLS 1.3. It
//! must be known before a protocol is chosen, for RADIUS/1.1 needs it (RFC 9765 3.4).

/// Content type of a record, and type of a handshake message (RFC 8446 5.1, 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The extension in which versions are named, and that of TLS 1.3 (RFC 8446 4.2.1).
const SUPPORTED_VERSIONS: usize = 43;
const TLS_1_3: [u8; 2] = [3, 4];

/// Whether the records with which a connection begins hold a ClientHello that offers TLS 1.3.
pub(super) fn offers_tls_1_3(records: &[u8]) -> bool {
    offered(records).unwrap_or(false)
}

fn offered(mut records: &[u8]) -> Option<bool> {
    let mut message = Vec::new();
    while let Some((&[HANDSHAKE, _, _], rest)) = records.split_first_chunk() {
        let (fragment, rest) = prefixed::<2>(rest)?;
        message.extend_from_slice(fragment);
        records = rest;
    }
    let hello = message.strip_prefix(&[CLIENT_HELLO])?;
    let (hello, _) = prefixed::<3>(hello)?;
    // Version and random, session, cipher suites, compression.
    let (_, rest) = hello.split_at_checked(2 + 32)?;
    let (_, rest) = prefixed::<1>(rest)?;
    let (_, rest) = prefixed::<2>(rest)?;
    let (_, rest) = prefixed::<1>(rest)?;
    let (mut extensions, _) = prefixed::<2>(rest)?;
    while !extensions.is_empty() {
        let (number, rest) = extensions.split_at_checked(2)?;
        let (value, rest) = prefixed::<2>(rest)?;
        if big_endian(number) == SUPPORTED_VERSIONS {
            let (versions, _) = prefixed::<1>(value)?;
            return Some(versions.chunks_exact(2).any(|version| version == TLS_1_3));
        }
        extensions = rest;
    }
    None
}

/// A vector behind its length of `N` octets, and what follows it.
fn prefixed<const N: usize>(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_at_checked(N)?;
    rest.split_at_checked(big_endian(length))
}

fn big_endian(octets: &[u8]) -> usize {
    octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A ClientHello with these extensions, in records of at most so many octets.
    fn hello(extensions: &[u8], record: usize) -> Vec<u8> {
        let length = |octets: &[u8]| (octets.len() as u16).to_be_bytes().to_vec();
        let body = [
            &[3, 3][..],
            &[7; 32],
            &[0],
            &[0, 2, 0xc0, 0x2b],
            &[1, 0],
            &length(extensions),
            extensions,
        ]
        .concat();
        let message = [&[CLIENT_HELLO, 0][..], &length(&body), &body].concat();
        let records = message.chunks(record);
        records.flat_map(|part| [&[HANDSHAKE, 3, 1][..], &length(part), part].concat()).collect()
    }

    #[test]
    fn versions_are_found_however_it_is_cut() {
        let other = [0, 16, 0, 3, 1, 1, 1];
        for (extensions, is_offered) in [
            (vec![], false),
            ([&other[..], &[0, 43, 0, 5, 4, 3, 4, 3, 3]].concat(), true),
            ([&[0, 43, 0, 3, 2, 3, 3][..], &other].concat(), false),
            (other.to_vec(), false),
        ] {
            for record in [1, 7, 4000] {
                assert_eq!(offers_tls_1_3(&hello(&extensions, record)), is_offered);
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            offers_tls_1_3(&octets);
            offers_tls_1_3(&hello(&octets, 50));
        }
    }
}
