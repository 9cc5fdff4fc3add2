//! The rules that a server must keep, each with the words in which a breach is reported.

/// Declares the rules: `Name "id" "what the server did"`.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $id:literal $what:literal;)*) => {
        /// One rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// As reports and scripts name it.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$rule => $id,)*
                }
            }

            /// What the server did.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$rule => $what,)*
                }
            }
        }
    };
}

rules! {
    /// RFC 2865 3.
    ReplyMalformed "reply-malformed" "sent a reply that is no RADIUS packet";
    /// RFC 2865 3.
    ReplyAuthenticator "reply-authenticator" "signed a reply wrongly";
    /// RFC 3579 3.2.
    ReplyMessageAuthenticator "reply-message-authenticator" "put a wrong Message-Authenticator into a reply";
    /// draft-ietf-radext-deprecating-radius, PROTOCOL 1.
    ReplyUnprotected "reply-unprotected" "answered an Access-Request without Message-Authenticator, or not with it first";
    /// RFC 2865 3.
    ReplySource "reply-source" "answered from another address or port than it was asked at";
    /// RFC 2865 4, RFC 2866 4.
    ReplyCode "reply-code" "answered with a packet that answers something else";
    /// RFC 2865 2.5.
    ReplyUnasked "reply-unasked" "answered what nobody asked";
    ReplyLate "reply-late" "answered after the gateway had given up";
    /// RFC 5080 2.2.2.
    DuplicateDiffers "duplicate-differs" "answered a repeated request with other octets";
    /// PROTOCOL 1.
    ForgedAnswered "forged-answered" "answered a damaged packet or one with a wrong secret";
    /// PROTOCOL 4.
    Accepted "accepted" "accepted an endpoint that must be refused";
    Refused "refused" "refused an endpoint that must be accepted";
    Reason "reason" "refused with another reason than the right one";
    /// PROTOCOL 7.
    AddressMissing "address-missing" "opened a session without an address";
    AddressOutside "address-outside" "gave an address outside the subnets of the group";
    AddressDuplicate "address-duplicate" "gave an address that a live endpoint of the VSlice has";
    AddressChanged "address-changed" "gave another address than the one the endpoint keeps";
    AddressEarly "address-early" "gave an address before its hold time was over";
    /// PROTOCOL 8.
    SessionLost "session-lost" "has lost a session";
    SessionLingers "session-lingers" "shows a session that has ended";
    SessionAddress "session-address" "shows a session with another address";
    CountersLowered "counters-lowered" "shows less than was reported and acknowledged";
}
