//! Octets to RADIUS values and back. Pure: no clock, no socket, no map, no runtime, and on the hot
//! path no allocation.
//!
//! In: `Datagram::frame` checks the framing, `verify_request` or `verify_reply` the sender, and
//! only then are `values` worth reading. Out: an `Encoder` writes into the caller's buffer and
//! signs when it is finished; or leaves a `Draft`, to be signed beside others.
//!
//! What is known of attributes stands once, in the tables of [`number`]; [`dictionary`] is the same
//! by name, for people. [`tgpp`] reads the few values of 3GPP that are octets with a meaning.
//! `extended` and `Readable` allocate: they are for people and off the hot path.
//!
//! ```
//! use attachd::wire::{Code, Datagram, Encoder, Secret};
//!
//! const USER_NAME: u8 = 1; // RFC 2865 5.1
//! let secret = Secret::new(b"testing123");
//! let mut buffer = [0; 4096];
//! let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 7);
//! encoder.message_authenticator().attribute(USER_NAME, b"234500000000001");
//! let length = encoder.finish_request(&secret, [0x5a; 16]).unwrap();
//!
//! let datagram = Datagram::frame(&buffer[..length]).unwrap();
//! assert_eq!(datagram.first(USER_NAME), Some(&b"234500000000001"[..]));
//! assert!(datagram.verify_request(&secret).is_ok());
//! assert!(datagram.verify_request(&Secret::new(b"another")).is_err());
//! ```
//!
//! Deliberately absent: what an attribute means for a session, which attributes a packet must have,
//! duplicates, transport, MS-CHAP and EAP. nom does the parsing and shows in no signature.

mod abreast;
mod authenticator;
mod code;
mod datagram;
pub mod dictionary;
mod encoder;
mod extended;
mod layout;
pub mod number;
mod password;
mod readable;
mod secret;
mod signing;
mod stream;
pub mod tgpp;
mod tunnel;
mod version;

pub use authenticator::{AT_ONCE, Forged, verify_requests};
pub use code::Code;
pub use datagram::{
    Attribute, Attributes, Datagram, FlatKey, LONGEST, Malformed, MessageAuthenticator, SHORTEST,
    Value, Values,
};
pub use encoder::{Encoder, TooLong};
pub use extended::{Extended, extended};
pub use password::{LONGEST_PASSWORD, chap_matches, chap_response, pap_matches, pap_password};
pub use readable::{Line, Readable};
pub use secret::Secret;
pub use signing::{Draft, Unsigned, sign_replies};
pub use stream::PacketStream;
pub use tunnel::{
    LONGEST_TUNNEL_PASSWORD, LONGEST_TUNNEL_VALUE, hide_tunnel_password, tunnel_password,
};
pub use version::RadiusVersion;
