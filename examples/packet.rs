//! Makes an Access-Request as a packet gateway would, and reads it as a server does: framing first,
//! then the sender, and only then the attributes.
//!
//! `cargo run --example packet`, or with the hex of a packet as argument.

use std::error::Error;

use attachd::wire::dictionary::Dictionary;
use attachd::wire::{Code, Datagram, Encoder, Secret};

fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new(b"testing123");
    let octets = match std::env::args().nth(1) {
        Some(hex) => octets_of(&hex)?,
        None => request(&secret)?,
    };
    // What does not tile into attributes is no packet; nothing is copied.
    let datagram = Datagram::frame(&octets)?;
    match datagram.verify_request(&secret) {
        Ok(()) => println!("from somebody who knows the secret"),
        Err(forged) => println!("not to be believed: {forged}"),
    }
    print!("{}", datagram.readable(Dictionary::default()));
    Ok(())
}

/// 3GPP-IMSI is attribute 1 of vendor 10415 (3GPP TS 29.061 16.4.7).
const VENDOR_3GPP: u32 = 10_415;
const IMSI: u8 = 1;
const CALLED_STATION_ID: u8 = 30;

fn request(secret: &Secret) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut buffer = [0; 4096];
    let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 7);
    encoder.message_authenticator().attribute(CALLED_STATION_ID, b"festival.iot").vendor(
        VENDOR_3GPP,
        IMSI,
        b"234500000000001",
    );
    let length = encoder.finish_request(secret, rand::random())?;
    Ok(buffer[..length].to_vec())
}

fn octets_of(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    Ok(digits.chunks(2).map(octet).collect::<Result<_, _>>()?)
}
