//! Octets to RADIUS values and back. Pure: no clock, no socket, no map, no runtime, and on the hot path no allocation.

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
pub mod tgpp;
mod tunnel;

pub use authenticator::Forged;
pub use code::Code;
pub use datagram::{Attribute, Attributes, Datagram, Key, LONGEST, Malformed, MessageAuthenticator, SHORTEST, Value, Values};
pub use encoder::{Encoder, TooLong};
pub use extended::{Extended, extended};
pub use password::{LONGEST_PASSWORD, chap_matches, chap_response, pap_matches, pap_password};
pub use readable::{Line, Readable};
pub use secret::Secret;
pub use tunnel::{LONGEST_TUNNEL_PASSWORD, LONGEST_TUNNEL_VALUE, hide_tunnel_password, tunnel_password};
