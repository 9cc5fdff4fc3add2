//! The code of a packet: what kind of message it is, and where its authenticator comes from.

use std::fmt;

/// The first octet of a packet. Open: a code without a name is kept and shown by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

/// What the Authenticator field of a packet is computed from, and with it the
/// Message-Authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Signing {
    /// Sixteen random octets; nothing to verify (RFC 2865 section 3, RFC 5997 section 3).
    Random,
    /// A digest of the packet with zeros in place of the authenticator (RFC 2866 section 3, RFC
    /// 5176 section 2.3).
    Zeros,
    /// A digest of the packet with the authenticator of the request in its place (RFC 2865 section
    /// 3).
    Reply,
}

macro_rules! codes {
    ($($number:literal $constant:ident $name:literal $signing:ident $section:literal;)*) => {
        impl Code {
            $(#[doc = concat!($name, ", RFC ", $section, ".")] pub const $constant: Self = Self($number);)*

            /// The name the RFCs give it.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }

            /// None for a code nobody has defined: such a packet cannot be verified.
            pub(in crate::wire) const fn signing(self) -> Option<Signing> {
                match self.0 {
                    $($number => Some(Signing::$signing),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    1  ACCESS_REQUEST      "Access-Request"      Random "2865 4.1";
    2  ACCESS_ACCEPT       "Access-Accept"       Reply  "2865 4.2";
    3  ACCESS_REJECT       "Access-Reject"       Reply  "2865 4.3";
    4  ACCOUNTING_REQUEST  "Accounting-Request"  Zeros  "2866 4.1";
    5  ACCOUNTING_RESPONSE "Accounting-Response" Reply  "2866 4.2";
    11 ACCESS_CHALLENGE    "Access-Challenge"    Reply  "2865 4.4";
    12 STATUS_SERVER       "Status-Server"       Random "5997 3";
    40 DISCONNECT_REQUEST  "Disconnect-Request"  Zeros  "5176 2.1";
    41 DISCONNECT_ACK      "Disconnect-ACK"      Reply  "5176 2.1";
    42 DISCONNECT_NAK      "Disconnect-NAK"      Reply  "5176 2.1";
    43 COA_REQUEST         "CoA-Request"         Zeros  "5176 2.2";
    44 COA_ACK             "CoA-ACK"             Reply  "5176 2.2";
    45 COA_NAK             "CoA-NAK"             Reply  "5176 2.2";
    52 PROTOCOL_ERROR      "Protocol-Error"      Reply  "7930 4";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("Code-{}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_name_or_its_number() {
        assert_eq!(Code::ACCESS_REQUEST.to_string(), "Access-Request");
        assert_eq!(Code(99).to_string(), "Code-99");
        assert_eq!(format!("{:>6}", Code(0)), "Code-0");
    }
}
