//! clients.conf: who may speak RADIUS, and with which secret.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::conf::{ConfItem, items};
use super::{ForeignFile, ForeignLine, MigrationNote};

/// A client that becomes a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MigratedGateway {
    pub(super) at: ForeignLine,
    pub(super) name: String,
    pub(super) source: IpNet,
    pub(super) secret: GatewaySecret,
    /// As `require_message_authenticator` of ours is written.
    pub(super) requirement: Option<&'static str>,
    pub(super) limit_proxy_state: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GatewaySecret {
    Plain(String),
    /// In a variable of the environment.
    Variable(String),
}

/// What stands in a client's section, so far.
#[derive(Default)]
struct Section {
    at: Option<ForeignLine>,
    name: String,
    address: Option<String>,
    netmask: Option<String>,
    secret: Option<String>,
    requirement: Option<&'static str>,
    limit_proxy_state: Option<bool>,
}

pub(super) fn read(
    file: &ForeignFile,
    gateways: &mut Vec<MigratedGateway>,
    notes: &mut Vec<MigrationNote>,
) {
    let mut section: Option<Section> = None;
    // Sections inside a client's, and those that are none.
    let mut depth = 0;
    for (line, item) in items(&file.text) {
        let at = file.at(line);
        match item {
            ConfItem::Begin(words) if section.is_none() && depth == 0 => {
                if let [client, name, ..] = words.as_slice()
                    && client == "client"
                {
                    let name = name.clone();
                    section = Some(Section { at: Some(at), name, ..Section::default() });
                } else {
                    let what = format!("the section {:?} is no client", words.join(" "));
                    notes.push(at.note(what));
                    depth = 1;
                }
            }
            ConfItem::Begin(words) => {
                depth += 1;
                let name = words.join(" ");
                notes.push(
                    at.note(format!("{name}: limits of TCP connections have no counterpart")),
                );
            }
            ConfItem::End if depth > 0 => depth -= 1,
            ConfItem::End => gateways.extend(section.take().and_then(|own| own.finish(notes))),
            ConfItem::Pair(key, value) => match &mut section {
                Some(own) if depth == 0 => own.take(&at, &key, value.unwrap_or_default(), notes),
                _ => {}
            },
        }
    }
}

impl Section {
    fn take(&mut self, at: &ForeignLine, key: &str, value: String, notes: &mut Vec<MigrationNote>) {
        match key {
            "ipaddr" | "ipv4addr" | "ipv6addr" => self.address = Some(value),
            "netmask" => self.netmask = Some(value),
            "secret" => self.secret = Some(value),
            "require_message_authenticator" => {
                self.requirement = match truth(&value) {
                    Some(true) => Some("yes"),
                    Some(false) => Some("no"),
                    None => Some("auto"),
                };
            }
            "limit_proxy_state" => self.limit_proxy_state = truth(&value),
            "proto" if matches!(value.as_str(), "*" | "udp") => {}
            "proto" => notes.push(at.note(format!("proto = {value}: gateways speak UDP"))),
            // What they say is known without them.
            "shortname" | "nas_type" | "nastype" => {}
            "coa_server" => notes.push(at.note(
                "coa_server: name the port that takes requests as dynamic_authorization of the gateway",
            )),
            _ => notes.push(at.note(format!("{key}: has no counterpart"))),
        }
    }

    fn finish(self, notes: &mut Vec<MigrationNote>) -> Option<MigratedGateway> {
        let at = self.at?;
        // Old files name the client by its address.
        let address = self.address.as_deref().unwrap_or(&self.name);
        let Some(source) = source(address, self.netmask.as_deref()) else {
            let what = format!(
                "client {}: {address:?} is no address; gateways are known by theirs",
                self.name
            );
            notes.push(at.note(what));
            return None;
        };
        let secret = self.secret.filter(|secret| !secret.is_empty());
        let Some(secret) = secret.and_then(|secret| known_secret(&secret)) else {
            let what = format!(
                "client {}: its secret does not stand there; add the gateway by hand",
                self.name
            );
            notes.push(at.note(what));
            return None;
        };
        let name = gateway_name(&self.name);
        if name != self.name {
            notes.push(at.note(format!("client {:?} is called {name:?}", self.name)));
        }
        let (requirement, limit_proxy_state) = (self.requirement, self.limit_proxy_state);
        Some(MigratedGateway { at, name, source, secret, requirement, limit_proxy_state })
    }
}

/// An address with what may stand behind it; `*` is every IPv4 address.
pub(super) fn source(address: &str, netmask: Option<&str>) -> Option<IpNet> {
    if address == "*" {
        return "0.0.0.0/0".parse().ok();
    }
    if let Ok(net) = address.parse::<IpNet>() {
        return Some(net.trunc());
    }
    let single = IpNet::from(address.parse::<std::net::IpAddr>().ok()?);
    let Some(length) = netmask else { return Some(single) };
    IpNet::new(single.addr(), length.parse().ok()?).ok().map(|net| net.trunc())
}

pub(super) fn known_secret(text: &str) -> Option<GatewaySecret> {
    if let Some(name) = text.strip_prefix("$ENV{").and_then(|rest| rest.strip_suffix('}')) {
        return Some(GatewaySecret::Variable(name.to_owned()));
    }
    (!text.contains("${")).then(|| GatewaySecret::Plain(text.to_owned()))
}

/// At most 64 letters, digits, hyphens, underscores and dots.
pub(super) fn gateway_name(name: &str) -> String {
    let is_good =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    name.chars().map(|letter| if is_good(letter) { letter } else { '-' }).take(64).collect()
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Each name and each source once; the first of two stays.
pub(super) fn unique(
    gateways: Vec<MigratedGateway>,
    notes: &mut Vec<MigrationNote>,
) -> Vec<MigratedGateway> {
    let (mut names, mut sources) = (BTreeSet::new(), BTreeSet::new());
    let mut unique = Vec::new();
    for gateway in gateways {
        if !sources.insert(gateway.source) {
            let what =
                format!("client {}: {} is another client's, too", gateway.name, gateway.source);
            notes.push(gateway.at.note(what));
        } else if !names.insert(gateway.name.clone()) {
            notes.push(gateway.at.note(format!("client {}: the name is taken", gateway.name)));
        } else {
            unique.push(gateway);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> (Vec<String>, Vec<String>) {
        let file = ForeignFile { name: "clients.conf".into(), text: text.to_owned() };
        let (mut gateways, mut notes) = (Vec::new(), Vec::new());
        read(&file, &mut gateways, &mut notes);
        let gateways = unique(gateways, &mut notes);
        let shown = gateways.iter().map(|one| format!("{} {}", one.name, one.source));
        (shown.collect(), notes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn clients_become_gateways_and_the_rest_is_told() {
        let (gateways, notes) = read_all(
            "client pgw 1 {\n ipaddr = 192.0.2.0/28\n secret = a\n limit {\n  lifetime = 0\n }\n}\n\
             client 192.0.2.77 {\n secret = b\n netmask = 30\n}\n\
             client host {\n ipaddr = radius.example.net\n secret = c\n}\n\
             client twin {\n ipaddr = 192.0.2.1/28\n secret = d\n}\n\
             client bare {\n ipaddr = ::1\n}\n\
             home_server x {\n secret = e\n}\n\
             client six {\n ipv6addr = 2001:db8::1\n secret = $ENV{SIX}\n response_window = 6\n}\n",
        );
        assert_eq!(
            gateways,
            ["pgw 192.0.2.0/28", "192.0.2.77 192.0.2.76/30", "six 2001:db8::1/128"]
        );
        assert_eq!(
            notes,
            [
                "clients.conf:4: limit: limits of TCP connections have no counterpart",
                "clients.conf:12: client host: \"radius.example.net\" is no address; gateways are known by theirs",
                "clients.conf:20: client bare: its secret does not stand there; add the gateway by hand",
                "clients.conf:23: the section \"home_server x\" is no client",
                "clients.conf:29: response_window: has no counterpart",
                "clients.conf:16: client twin: 192.0.2.0/28 is another client's, too",
            ]
        );
    }
}
