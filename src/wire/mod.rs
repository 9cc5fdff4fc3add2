//! Octets to RADIUS values and back. Pure: no clock, no socket, no map, no runtime, and on the hot path no allocation.

mod authenticator;
mod code;
mod datagram;
pub mod dictionary;
mod encoder;
mod layout;
pub mod number;
mod password;
mod secret;

pub use authenticator::Forged;
pub use code::Code;
pub use datagram::{Attribute, Attributes, Datagram, Key, LONGEST, Malformed, MessageAuthenticator, SHORTEST, Value, Values};
pub use encoder::{Encoder, TooLong};
pub use password::{LONGEST_PASSWORD, chap_matches, chap_response, pap_matches, pap_password};
pub use secret::Secret;
