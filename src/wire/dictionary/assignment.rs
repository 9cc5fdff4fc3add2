//! `Name=Value` as a person types it, and as an attribute of a packet.

use std::fmt;

use super::{Dictionary, text};
use crate::wire::encoder::Encoder;
use crate::wire::number::{self, AttributeKey, ValueKind};
use crate::wire::password::chap_response;
use crate::wire::secret::Secret;

/// An attribute to be written. Passwords are in clear until then.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    pub key: AttributeKey,
    /// How it is written: `Octets` for what is written as it is, whatever the attribute.
    pub kind: ValueKind,
    pub octets: Vec<u8>,
}

/// Why a text is no assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAssigned {
    /// What stood before the `=`.
    pub name: String,
    pub reason: &'static str,
}

impl Dictionary {
    /// Reads `Name=Value`, `Name:tag=Value`, or `Attr-26.32473.250=0x01` for an attribute nobody
    /// has named.
    pub fn assign(self, text: &str) -> Result<Assignment, NotAssigned> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let (name, value) = (name.trim(), value.trim());
        let failed = |reason| NotAssigned { name: name.to_owned(), reason };
        if !text.contains('=') {
            return Err(failed("wants the form Name=Value"));
        }
        if let Some(key) = name.strip_prefix("Attr-") {
            let key = key
                .parse()
                .map_err(|()| failed("is no number of an attribute, like 200 or 26.32473.1"))?;
            let octets = value
                .strip_prefix("0x")
                .and_then(text::from_hex)
                .ok_or_else(|| failed("wants hex digits after 0x"))?;
            return Ok(Assignment { key, kind: ValueKind::Octets, octets });
        }
        let (plain, tag) =
            name.split_once(':').map_or((name, None), |(plain, tag)| (plain, Some(tag)));
        let definition =
            self.by_name(plain).ok_or_else(|| failed("is no attribute of the dictionary"))?;
        let tag = tag.map(str::parse).transpose().map_err(|_| failed("a tag is 0 to 31"))?;
        let octets = text::read(definition.kind, definition.values, tag, value).map_err(failed)?;
        let kind = match definition.kind {
            ValueKind::ChapPassword if value.starts_with("0x") => ValueKind::Octets,
            kind => kind,
        };
        Ok(Assignment { key: definition.key, kind, octets })
    }
}

impl Encoder<'_> {
    /// Writes what a person assigned; `authenticator` is the one this request will carry.
    ///
    /// A CHAP-Password in clear answers the CHAP-Challenge written before it, else the
    /// authenticator (RFC 2865 section 5.40).
    pub fn assign(
        &mut self,
        assignment: &Assignment,
        secret: &Secret,
        authenticator: &[u8; 16],
    ) -> &mut Self {
        let Assignment { key, kind, octets } = assignment;
        match (kind, *key) {
            (ValueKind::UserPassword, _) => self.user_password(octets, secret, authenticator),
            (ValueKind::ChapPassword, _) => {
                let ident = self.identifier();
                let challenge =
                    self.written().find(|attribute| attribute.number == number::CHAP_CHALLENGE);
                let response = chap_response(
                    ident,
                    octets,
                    challenge.map_or(authenticator, |challenge| challenge.value),
                );
                let value: Vec<u8> = [ident].into_iter().chain(response).collect();
                self.attribute(number::CHAP_PASSWORD, &value)
            }
            (_, AttributeKey { parent: 0, vendor: 0, number: number::MESSAGE_AUTHENTICATOR }) => {
                self.message_authenticator()
            }
            (_, AttributeKey { parent: 0, vendor: 0, number }) => self.attribute(number, octets),
            (_, AttributeKey { parent: 0, vendor, number }) => self.vendor(vendor, number, octets),
            (_, AttributeKey { parent, vendor: 0, number }) => {
                self.extended(parent, number, octets)
            }
            (_, AttributeKey { parent, vendor, number }) => {
                let inside: Vec<u8> = vendor
                    .to_be_bytes()
                    .into_iter()
                    .chain([number])
                    .chain(octets.iter().copied())
                    .collect();
                self.extended(parent, number::VENDOR_SPECIFIC, &inside)
            }
        }
    }
}

impl fmt::Debug for Assignment {
    /// The place only: the value may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assignment({})", self.key)
    }
}

impl fmt::Display for NotAssigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for NotAssigned {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Code, Datagram, chap_matches, pap_matches};

    const AUTHENTICATOR: [u8; 16] = [7; 16];

    /// The attributes that an assignment becomes, and how a reader sees them.
    fn written(assignments: &[&str]) -> Result<(Vec<u8>, Vec<String>), NotAssigned> {
        let (dictionary, secret) = (Dictionary::default(), Secret::new(b"testing123"));
        let mut buffer = [0; 4096];
        let mut encoder = Encoder::new(&mut buffer, Code::ACCESS_REQUEST, 9);
        for assignment in assignments {
            encoder.assign(&dictionary.assign(assignment)?, &secret, &AUTHENTICATOR);
        }
        let length = encoder.finish_request(&secret, AUTHENTICATOR).unwrap();
        let datagram = Datagram::frame(&buffer[..length]).unwrap();
        let lines = datagram.readable(dictionary).lines();
        let shown = lines.iter().map(|line| format!("{}={}", line.name, line.value)).collect();
        Ok((datagram.octets()[20..].to_vec(), shown))
    }

    #[test]
    fn every_kind_is_written_and_shown_the_same() {
        let cases = [
            ("User-Name=\"nemo\"", "01066e656d6f"),
            ("User-Name=\"a\\\"b\\\\c\\000d\\nü\\377\"", "010d6122625c6300640ac3bcff"),
            ("NAS-IP-Address=192.0.2.10", "0406c000020a"),
            ("NAS-Port=4294967295", "0506ffffffff"),
            ("Service-Type=Framed-User", "060600000002"),
            ("Service-Type=99", "060600000063"),
            ("Class=0x73696d3a31", "190773696d3a31"),
            ("Acct-Status-Type=Interim-Update", "280600000003"),
            ("Event-Timestamp=2025-01-01T00:00:00Z", "370667748580"),
            ("Tunnel-Type=L2TP", "400600000003"),
            ("Tunnel-Type:1=L2TP", "400601000003"),
            ("Tunnel-Preference:31=16777215", "53061fffffff"),
            ("Tunnel-Client-Endpoint:1=\"192.0.2.1\"", "420c013139322e302e322e31"),
            ("Tunnel-Client-Endpoint=\"192.0.2.1\"", "420b3139322e302e322e31"),
            ("Tunnel-Client-Endpoint:0=\"x\"", "42040078"),
            ("Framed-Interface-Id=0:0:0:1", "600a0000000000000001"),
            ("Framed-IPv6-Prefix=2001:db8:1:2::/64", "610c004020010db800010002"),
            ("Framed-IPv6-Prefix=::/0", "61040000"),
            ("Framed-IPv6-Prefix=2001:db8::1/128", "6114008020010db8000000000000000000000001"),
            ("Delegated-IPv6-Prefix=2001:db8:ab00::/40", "7b09002820010db8ab"),
            ("Framed-IPv6-Address=2001:db8::7", "a81220010db8000000000000000000000007"),
            ("Error-Cause=Session-Context-Not-Found", "6506000001f7"),
            ("Response-Length=4096", "f1070300001000"),
            ("3GPP-IMSI=\"001010000000001\"", "1a17000028af0111303031303130303030303030303031"),
            ("3GPP-RAT-Type=NB-IoT", "1a09000028af150308"),
            ("3GPP-Session-Stop-Indicator=255", "1a09000028af0b03ff"),
            ("3GPP-MS-Time-Zone=0x4000", "1a0a000028af17044000"),
            ("MS-Primary-DNS-Server=9.9.9.9", "1a0c000001371c0609090909"),
            ("Attachd-Network-Event=Detach", "1a0c00007ed9020600000002"),
            ("Attr-200=0x01", "c80301"),
            ("Attr-26.32473.250=0x0102", "1a0a00007ed9fa040102"),
            ("Attr-241.200=0xff", "f104c8ff"),
            ("Attr-241.26.1.4=0x74657374", "f10c1a000000010474657374"),
            ("Attr-245.26.1.4=0x74657374", "f50d1a00000000010474657374"),
        ];
        for (line, hex) in cases {
            let (octets, shown) = written(&[line]).unwrap();
            assert_eq!(text::hex(&octets), format!("0x{hex}"), "{line}");
            assert_eq!(shown, [line]);
        }
    }

    #[test]
    fn other_ways_to_say_the_same() {
        let cases = [
            ("User-Name = nemo", "User-Name=\"nemo\""),
            ("user-name=\"nemo\"", "User-Name=\"nemo\""),
            ("Acct-Status-Type=alive", "Acct-Status-Type=Interim-Update"),
            ("NAS-Port=0x10", "NAS-Port=16"),
            ("Class=sim:1", "Class=0x73696d3a31"),
            ("Event-Timestamp=1735689600", "Event-Timestamp=2025-01-01T00:00:00Z"),
            ("3GPP-Location-Info=0x8062f2201234", "3GPP-User-Location-Info=0x8062f2201234"),
            ("3GPP-MS-TimeZone=0x4000", "3GPP-MS-Time-Zone=0x4000"),
            ("Attr-1=0x6e656d6f", "User-Name=\"nemo\""),
            ("Reply-Message=a=b", "Reply-Message=\"a=b\""),
        ];
        for (text, shown) in cases {
            assert_eq!(written(&[text]).unwrap().1, [shown], "{text}");
        }
    }

    #[test]
    fn values_of_the_wrong_size_are_shown_as_octets() {
        for text in [
            "Attr-5=0x010203",
            "Attr-97=0x008120010db8",
            "Attr-97=0x004020010db8",
            "Attr-64=0x20000003",
            "Attr-26.10415.21=0x0102",
        ] {
            assert_eq!(written(&[text]).unwrap().1, [text]);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("User-Name", "wants the form Name=Value"),
            ("User-Name=", "must not be empty"),
            ("User-Name=\"x", "begins with a quote and does not end with one"),
            ("Bogus=1", "is no attribute of the dictionary"),
            ("NAS-Port=x", "wants a number of 32 bits or the name of a value"),
            ("NAS-Port=4294967296", "wants a number of 32 bits or the name of a value"),
            ("3GPP-RAT-Type=256", "the number is too large for this attribute"),
            ("NAS-IP-Address=1.2.3", "wants an IPv4 address"),
            ("Class=0x123", "wants an even number of hex digits after 0x"),
            (
                "Framed-IPv6-Prefix=2001:db8::1/64",
                "wants an IPv6 prefix like 2001:db8::/64, with no bits beyond its length",
            ),
            ("Framed-Interface-Id=::1", "wants four groups of hex digits like 0:0:0:1"),
            ("Tunnel-Type:32=L2TP", "a tag is 0 to 31"),
            ("Tunnel-Preference=16777216", "wants a number of 24 bits or the name of a value"),
            ("NAS-Port:1=1", "this attribute has no tag"),
            ("Attr-256=0x01", "is no number of an attribute, like 200 or 26.32473.1"),
            ("Attr-200=1", "wants hex digits after 0x"),
            ("Tunnel-Password=x", "stands in replies only, hidden by the request they answer"),
        ];
        for (text, reason) in cases {
            assert_eq!(written(&[text]).unwrap_err().reason, reason, "{text}");
        }
    }

    #[test]
    fn passwords_are_hidden_on_the_wire_and_on_the_screen() {
        let (octets, shown) = written(&["User-Password=bob"]).unwrap();
        assert!(pap_matches(&octets[2..], &Secret::new(b"testing123"), &AUTHENTICATOR, b"bob"));
        assert_eq!(shown, ["User-Password=<hidden, 16 octets>"]);

        let (octets, shown) = written(&["CHAP-Password=bob"]).unwrap();
        assert!(octets[2] == 9 && chap_matches(9, &octets[3..], b"bob", &AUTHENTICATOR));
        assert_eq!(shown, ["CHAP-Password=<hidden, 17 octets>"]);

        let (octets, _) =
            written(&["CHAP-Challenge=0x01020304050607", "CHAP-Password=bob"]).unwrap();
        assert!(chap_matches(9, &octets[9 + 3..], b"bob", &[1, 2, 3, 4, 5, 6, 7]));
        assert!(
            !format!("{:?}", Dictionary::default().assign("User-Password=bob")).contains("bob")
        );
    }
}
