//! What holds for any octets: no decoder panics, what is written is read, and what is changed does
//! not verify.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests too")]

use attachd::wire::dictionary::Dictionary;
use attachd::wire::tgpp::{TimeZone, UserLocation};
use attachd::wire::{
    Attributes, Code, Datagram, Encoder, FlatKey, MessageAuthenticator, Secret, chap_matches,
    extended, number, pap_matches, pap_password, tunnel_password,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const AUTHENTICATOR: [u8; 16] = *b"an authenticator";

fn secret() -> Secret {
    Secret::new(b"xyzzy5461")
}

/// Everything that reads a packet reads this one.
fn read_all(octets: &[u8]) {
    let Ok(datagram) = Datagram::frame(octets) else { return };
    assert!(datagram.octets().len() <= octets.len());
    let attributes = datagram.attributes().count();
    assert!(datagram.attributes().all(|attribute| datagram.contains(attribute.number)));
    assert!((0..=255).all(|number| datagram.contains(number) == datagram.first(number).is_some()));
    assert!(attributes == 0 || datagram.values().count() <= datagram.octets().len());
    let _ = (datagram.verify_request(&secret()), datagram.verify_reply(&AUTHENTICATOR, &secret()));
    let _ = (
        datagram.message_authenticator(),
        datagram.chap_challenge(),
        extended(datagram.attributes()),
    );
    let _ = (datagram.readable(Dictionary::default()).to_string(), format!("{datagram:?}"));
}

fn read_value(octets: &[u8]) {
    let _ = (Attributes::within(octets).map(Iterator::count), TimeZone::decode(octets));
    let _ = UserLocation::decode(octets).map(|location| location.to_string());
    let _ = pap_password(octets, &secret(), &AUTHENTICATOR, &mut [0; 128]);
    let _ = pap_matches(octets, &secret(), &AUTHENTICATOR, octets);
    let _ = chap_matches(0, octets, octets, octets);
    let _ = tunnel_password(octets, &secret(), &AUTHENTICATOR, &mut [0; 243]);
}

/// A packet with attributes of every number and some vendors, whole or cut by what comes next.
fn attributes() -> impl Strategy<Value = Vec<(FlatKey, Vec<u8>)>> {
    let vendor = select(vec![
        0,
        0,
        number::tgpp::VENDOR,
        number::microsoft::VENDOR,
        number::attachd::DEFAULT_VENDOR,
        9,
    ]);
    vec(
        (
            (vendor, any::<u8>()).prop_map(|(vendor, number)| FlatKey { vendor, number }),
            vec(any::<u8>(), 0..60),
        ),
        0..40,
    )
}

fn encoded(
    code: Code,
    attributes: &[(FlatKey, Vec<u8>)],
    sign: impl FnOnce(Encoder<'_>) -> usize,
) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut encoder = Encoder::new(&mut buffer, code, 7);
    encoder.message_authenticator();
    for (FlatKey { vendor, number }, value) in attributes {
        match vendor {
            0 => encoder.attribute(*number, value),
            vendor => encoder.vendor(*vendor, *number, value),
        };
    }
    let length = sign(encoder);
    buffer.truncate(length);
    buffer
}

/// Holds other attributes, or is written in another way than it stands there.
fn nests(number: u8) -> bool {
    matches!(
        number,
        number::VENDOR_SPECIFIC | number::MESSAGE_AUTHENTICATOR | number::EXTENDED_ATTRIBUTE_1
            ..=number::EXTENDED_ATTRIBUTE_6
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_read_or_refused(octets in vec(any::<u8>(), 0..300)) {
        read_all(&octets);
        read_value(&octets);
    }

    /// With a Length that fits, so that the attributes are reached.
    #[test]
    fn any_attributes_are_read_or_refused(mut octets in vec(any::<u8>(), 20..600)) {
        let length = (octets.len() as u16).to_be_bytes();
        octets[2..4].copy_from_slice(&length);
        read_all(&octets);
    }

    #[test]
    fn any_damage_is_read_or_refused(attributes in attributes(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut octets = encoded(Code::ACCESS_REQUEST, &attributes, |encoder| encoder.finish_request(&secret(), AUTHENTICATOR).unwrap());
        for (index, octet) in damage {
            let index = index.index(octets.len());
            octets[index] = octet;
        }
        read_all(&octets);
    }

    #[test]
    fn what_is_written_is_read(attributes in attributes()) {
        let attributes: Vec<_> = attributes.into_iter().filter(|(key, _)| key.vendor != 0 || !nests(key.number)).collect();
        let octets = encoded(Code::ACCOUNTING_REQUEST, &attributes, |encoder| encoder.finish_request(&secret(), AUTHENTICATOR).unwrap());
        let datagram = Datagram::frame(&octets).unwrap();
        prop_assert_eq!(datagram.verify_request(&secret()), Ok(()));
        let read: Vec<_> = datagram.values().skip(1).map(|value| (value.key, value.octets.to_vec())).collect();
        prop_assert_eq!(read, attributes);
    }

    #[test]
    fn what_is_shown_can_be_typed(attributes in attributes()) {
        // Passwords are not shown, and a prefix is written with no more octets than it needs.
        let hidden = [number::USER_PASSWORD, number::CHAP_PASSWORD, number::TUNNEL_PASSWORD];
        let prefixes = [number::FRAMED_IPV6_PREFIX, number::DELEGATED_IPV6_PREFIX, number::ROUTE_IPV6_INFORMATION];
        let typed = |number| !nests(number) && !hidden.contains(&number) && !prefixes.contains(&number);
        let attributes: Vec<_> = attributes.into_iter().filter(|(key, _)| key.vendor != 0 || typed(key.number)).collect();
        let octets = encoded(Code::ACCESS_REQUEST, &attributes, |encoder| encoder.finish_request(&secret(), AUTHENTICATOR).unwrap());
        let dictionary = Dictionary::default();
        let mut buffer = [0; 4096];
        let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 7);
        for line in Datagram::frame(&octets).unwrap().readable(dictionary).lines() {
            let assignment = dictionary.assign(&format!("{} = {}", line.name, line.value)).unwrap();
            encoder.assign(&assignment, &secret(), &AUTHENTICATOR);
        }
        let length = encoder.finish_request(&secret(), AUTHENTICATOR).unwrap();
        prop_assert_eq!(&buffer[..length], octets);
    }

    #[test]
    fn a_changed_bit_never_verifies(attributes in attributes(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let flipped = |mut octets: Vec<u8>| {
            let index = at.index(octets.len());
            octets[index] ^= 1_u8 << bit;
            octets
        };
        let accounting = flipped(encoded(Code::ACCOUNTING_REQUEST, &attributes, |encoder| encoder.finish_request(&secret(), AUTHENTICATOR).unwrap()));
        prop_assert!(Datagram::frame(&accounting).map_or(true, |datagram| datagram.verify_request(&secret()).is_err()));

        let reply = flipped(encoded(Code::ACCESS_ACCEPT, &attributes, |encoder| encoder.finish_reply(&secret(), &AUTHENTICATOR).unwrap()));
        prop_assert!(Datagram::frame(&reply).map_or(true, |datagram| datagram.verify_reply(&AUTHENTICATOR, &secret()).is_err()));

        // The authenticator of an Access-Request proves nothing: a bit may turn the
        // Message-Authenticator into something else, and then it is missed.
        let access = flipped(encoded(Code::ACCESS_REQUEST, &attributes, |encoder| encoder.finish_request(&secret(), AUTHENTICATOR).unwrap()));
        if let Ok(datagram) = Datagram::frame(&access) {
            let proved = datagram.message_authenticator() == MessageAuthenticator::Present && datagram.verify_request(&secret()).is_ok();
            prop_assert!(!proved);
        }
    }
}
