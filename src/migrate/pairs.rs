//! Check and reply items, wherever they stand: in the users file or in the database.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::conf::quoted;
use super::identities::{Identities, identity_of};
use super::{ForeignLine, MigrationNote};

/// `Attribute op value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignPair {
    pub(super) at: ForeignLine,
    pub(super) attribute: String,
    pub(super) operator: String,
    pub(super) value: String,
}

/// What is said of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignUser {
    pub(super) at: ForeignLine,
    pub(super) name: String,
    pub(super) checks: Vec<ForeignPair>,
    pub(super) replies: Vec<ForeignPair>,
    /// The first of its groups.
    pub(super) group: Option<String>,
}

/// What a user comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SimTraits {
    pub(super) identities: Identities,
    pub(super) is_suspended: bool,
    pub(super) static_ip: Option<Ipv4Addr>,
    pub(super) apns: BTreeSet<String>,
    pub(super) session_timeout: u32,
    pub(super) idle_timeout: u32,
    pub(super) interim_interval: u32,
    pub(super) dns: Vec<Ipv4Addr>,
}

/// Takes one item apart: the attribute, the operator, the value. `None`: it is none.
pub(super) fn pair(at: &ForeignLine, text: &str) -> Option<ForeignPair> {
    let is_operator =
        |letter: char| matches!(letter, ':' | '+' | '=' | '!' | '<' | '>' | '~' | '*');
    let text = text.trim();
    let end = text.find(|letter: char| {
        letter.is_whitespace() || matches!(letter, '=' | '!' | '<' | '>' | '+')
    })?;
    // `Attribute:tag` keeps its colon, `:=` does not.
    let end = if text[..end].ends_with(':') { end - 1 } else { end };
    let (attribute, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let operator: String = rest.chars().take_while(|letter| is_operator(*letter)).collect();
    let value = rest[operator.len()..].trim();
    let value = match value.chars().next() {
        Some(mark @ ('"' | '\'' | '`')) => quoted(value, mark).0,
        _ => value.to_owned(),
    };
    (!attribute.is_empty() && !operator.is_empty()).then(|| ForeignPair {
        at: at.clone(),
        attribute: attribute.to_owned(),
        operator,
        value,
    })
}

impl SimTraits {
    /// What this user comes to; `None`: it is no SIM.
    pub(super) fn of(user: &ForeignUser, notes: &mut Vec<MigrationNote>) -> Option<Self> {
        if user.name == "DEFAULT" {
            notes.push(user.at.note(
                "DEFAULT: rules for everybody have no counterpart; what is no endpoint is refused",
            ));
            return None;
        }
        let mut traits = Self { identities: identity_of(&user.name), ..Self::default() };
        for check in &user.checks {
            traits.check(check, notes);
        }
        for reply in &user.replies {
            traits.reply(reply, notes);
        }
        if traits.identities.is_empty() {
            notes.push(user.at.note(format!(
                "{:?} is neither ICCID, IMSI nor MSISDN; attachd knows SIMs, not names of users",
                user.name
            )));
            return None;
        }
        Some(traits)
    }

    fn check(&mut self, pair: &ForeignPair, notes: &mut Vec<MigrationNote>) {
        let is_plain = matches!(pair.operator.as_str(), "==" | ":=" | "=");
        match pair.attribute.to_ascii_lowercase().as_str() {
            "auth-type" if pair.value.eq_ignore_ascii_case("reject") => self.is_suspended = true,
            "auth-type" if pair.value.eq_ignore_ascii_case("accept") => {}
            "called-station-id" if is_plain => {
                self.apns.insert(pair.value.to_ascii_lowercase());
            }
            "calling-station-id" if is_plain => self.identities.add_msisdn(&pair.value),
            "3gpp-imsi" if is_plain => self.identities.add_imsi(&pair.value),
            "cleartext-password" | "user-password" | "password" | "crypt-password"
            | "md5-password" | "nt-password" | "sha-password" | "ssha-password" => {
                notes.push(pair.at.note(format!(
                    "{}: a SIM has no password of its own; if the gateway sends one for all SIMs of a group, give credentials to the group",
                    pair.attribute
                )));
            }
            _ => notes.push(pair.at.note(format!(
                "{} {} as a check has no counterpart",
                pair.attribute, pair.operator
            ))),
        }
    }

    fn reply(&mut self, pair: &ForeignPair, notes: &mut Vec<MigrationNote>) {
        let unreadable = |notes: &mut Vec<MigrationNote>| {
            notes
                .push(pair.at.note(format!("{}: {:?} cannot be read", pair.attribute, pair.value)));
        };
        let name = pair.attribute.to_ascii_lowercase();
        match name.as_str() {
            "framed-ip-address" => match pair.value.parse() {
                // RFC 2865 5.8: the gateway chooses, or lets the user choose.
                Ok(ip) if matches!(u32::from(ip), 0xFFFF_FFFE | 0xFFFF_FFFF) => notes.push(
                    pair.at.note("Framed-IP-Address: the gateway chose; attachd gives one of the pool"),
                ),
                Ok(ip) => self.static_ip = Some(ip),
                Err(_) => unreadable(notes),
            },
            "session-timeout" | "idle-timeout" | "acct-interim-interval" => {
                let Ok(seconds) = pair.value.parse() else { return unreadable(notes) };
                match name.as_str() {
                    "session-timeout" => self.session_timeout = seconds,
                    "idle-timeout" => self.idle_timeout = seconds,
                    _ => self.interim_interval = seconds,
                }
            }
            "ms-primary-dns-server" | "ms-secondary-dns-server" | "dns-server-ip-address" => {
                match pair.value.parse() {
                    Ok(ip) => self.dns.push(ip),
                    Err(_) => unreadable(notes),
                }
            }
            "framed-pool" | "ippool-name" => notes.push(pair.at.note(format!(
                "{}: the addresses of a pool stand nowhere here; put its range into [[vslice.subnet]] with allocation = \"pooled\"",
                pair.attribute
            ))),
            // Sent by attachd as far as gateways need it.
            "service-type" | "framed-protocol" | "framed-ip-netmask" => {}
            _ => notes.push(pair.at.note(format!(
                "{} in a reply has no counterpart",
                pair.attribute
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_apart() {
        let at = ForeignLine { file: "users".into(), line: 1 };
        for (text, wanted) in [
            ("Auth-Type := Reject", Some(("Auth-Type", ":=", "Reject"))),
            ("Reply-Message=\"a, b\"", Some(("Reply-Message", "=", "a, b"))),
            ("Tunnel-Type:1 = VLAN", Some(("Tunnel-Type:1", "=", "VLAN"))),
            ("Called-Station-Id =~ \"^x\"", Some(("Called-Station-Id", "=~", "^x"))),
            ("Class+='x'", Some(("Class", "+=", "x"))),
            ("Nothing", None),
            ("= x", None),
            ("", None),
        ] {
            let read = pair(&at, text);
            let shown = read
                .as_ref()
                .map(|one| (one.attribute.as_str(), one.operator.as_str(), one.value.as_str()));
            assert_eq!(shown, wanted, "{text}");
        }
    }
}
