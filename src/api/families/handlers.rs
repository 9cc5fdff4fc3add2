//! `/EventHandlers`: where events are sent.

use std::net::IpAddr;

use axum::http::Uri;
use compact_str::CompactString;
use serde_json::{Map, Value, json};

use super::body::{Fields, Given};
use super::lookup::after;
use super::{Family, Named, Shown, enumerated};
use crate::aaa::{Mutation, Put};
use crate::identity::EventHandlerId;
use crate::provisioning::{Catalog, CatalogEntry, EventHandler, Spelling, Webhook};

/// Seconds that a receiver has to answer, at most, and if nothing is said.
const LONGEST_TIMEOUT: u32 = 30;
const DEFAULT_TIMEOUT: &str = "10";

/// Octets of a URL, and of each secret.
const LONGEST_TEXT: usize = 2_000;

impl Family for EventHandler {
    const PATH: &'static str = "eventhandlers";
    const AUDITED: &'static str = "handler";
    const PROPERTIES: &'static [&'static str] =
        &["id", "name", "moniker", "summaryDescription", "eventEndpointType"];

    fn read(
        fields: &mut Fields<'_>,
        named: Option<Named>,
        before: Option<&CatalogEntry<Self>>,
        _catalog: &Catalog,
    ) -> Option<(Self, Spelling)> {
        let old = before.map(|entry| &entry.thing.webhook);
        let mut spelling = before.map(|entry| entry.spelling.clone()).unwrap_or_default();
        match fields.text("eventEndpointType") {
            Given::Value(kind) if kind.eq_ignore_ascii_case("webhook") => {
                spelling = spelling.with("eventEndpointType", &kind);
            }
            Given::Value(kind) if kind.eq_ignore_ascii_case("smpp") => fields.refuse(
                "unsupported",
                "eventEndpointType",
                "attachd sends no short messages; write webhook",
            ),
            Given::Value(_) => fields.invalid("eventEndpointType", "unknown; write webhook"),
            Given::Absent | Given::Null => {}
        }
        let webhook = read_webhook(fields, old);
        let Named { moniker, name } = named?;
        Some((Self { moniker, name: name.into(), webhook: webhook? }, spelling))
    }

    fn show(&self, of: &Shown<'_, Self>) -> Map<String, Value> {
        let Webhook { url, timeout, bearer, username, password, .. } = &self.webhook;
        let secret = |text: &Option<CompactString>| {
            text.as_ref().filter(|_| of.shows_secrets).map(CompactString::to_string)
        };
        let spelled = of.entry.spelling.of("eventEndpointType").unwrap_or("webhook");
        let shown = json!({
            "configurationData": {"webhookConfig": {
                "bearerToken": secret(bearer),
                "username": secret(username),
                "password": secret(password),
                "timeout": &**timeout,
                "url": &**url,
            }},
            "summaryDescription": summary(self),
            "eventEndpointType": enumerated(10, spelled, "Webhook"),
        });
        match shown {
            Value::Object(shown) => shown,
            _ => Map::new(),
        }
    }

    fn advice(&self, _catalog: &Catalog) -> Vec<String> {
        let mut advice = Vec::new();
        if self.webhook.url.starts_with("http:") {
            advice.push(
                "events go to this handler without TLS: everybody on the way reads them".to_owned(),
            );
        }
        if self.webhook.bearer.is_some() && self.webhook.username.is_some() {
            advice.push("the bearer token is sent, not user name and password".to_owned());
        }
        advice
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn put(put: Put<Self>) -> Mutation {
        Mutation::PutEventHandler(put)
    }

    fn remove(id: EventHandlerId) -> Mutation {
        Mutation::RemoveEventHandler(id)
    }
}

/// In one line, without secrets.
pub(super) fn summary(handler: &EventHandler) -> String {
    format!("POST {}", handler.webhook.url)
}

fn read_webhook(fields: &mut Fields<'_>, old: Option<&Webhook>) -> Option<Webhook> {
    const OUTER: &str = "configurationData";
    let value = match (fields.take(OUTER), old) {
        (Given::Absent, Some(old)) => return Some(old.clone()),
        (Given::Value(value), _) => value,
        (Given::Absent | Given::Null, _) => {
            fields.invalid(OUTER, "missing; give webhookConfig with a url");
            return None;
        }
    };
    let pointer = fields.pointer(OUTER);
    let mut outer = Fields::new(value, &pointer, fields.problems);
    let inner_pointer = outer.pointer("webhookConfig");
    let inner = outer.take("webhookConfig").value();
    outer.finish();
    let Some(inner) = inner else {
        fields.invalid("configurationData/webhookConfig", "missing; give a url");
        return None;
    };
    let mut inner = Fields::new(inner, &inner_pointer, fields.problems);
    let url = inner.parsed("url", target);
    let timeout = inner.parsed("timeout", |text| {
        let seconds = text.parse::<u32>().ok().filter(|s| (1..=LONGEST_TIMEOUT).contains(s));
        seconds.map(|_| CompactString::from(text)).ok_or_else(|| {
            format!("write whole seconds from 1 to {LONGEST_TIMEOUT}, as a text: \"10\"")
        })
    });
    let mut secret = |key: &'static str| {
        inner.parsed(key, |text| {
            if text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
                return Err(format!("at most {LONGEST_TEXT} octets, without control characters"));
            }
            Ok(CompactString::from(text))
        })
    };
    let bearer = secret("bearerToken");
    let username = secret("username");
    let password = secret("password");
    let url = after(url, old.map(|old| old.url.clone()));
    if url.is_none() {
        inner.invalid("url", "missing; give an http or https address");
    }
    inner.finish();
    let old_secret =
        |of: fn(&Webhook) -> &Option<CompactString>| old.and_then(|old| of(old).clone());
    Some(Webhook {
        url: url?,
        timeout: after(timeout, old.map(|old| old.timeout.clone()))
            .unwrap_or_else(|| DEFAULT_TIMEOUT.into()),
        bearer: after(bearer, old_secret(|old| &old.bearer)),
        username: after(username, old_secret(|old| &old.username)),
        password: after(password, old_secret(|old| &old.password)),
        signing_secret: old.map_or_else(new_secret, |old| old.signing_secret.clone()),
    })
}

/// 24 random octets, as Standard Webhooks writes them.
pub(super) fn new_secret() -> CompactString {
    let octets: [u8; 24] = rand::random();
    CompactString::from(format!("whsec_{}", base64(&octets)))
}

/// RFC 4648 4; a multiple of three octets needs no padding.
fn base64(octets: &[u8; 24]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (groups, _) = octets.as_chunks::<3>();
    let letters = groups.iter().flat_map(|[one, two, three]| {
        let bits = u32::from_be_bytes([0, *one, *two, *three]);
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
    });
    letters.collect()
}

/// A URL stays as it was written. The machine's own link-local addresses, where clouds keep
/// secrets, are no targets.
fn target(text: &str) -> Result<CompactString, String> {
    let remedy = "write an http or https address, as https://ops.example/hook";
    if text.len() > LONGEST_TEXT {
        return Err(format!("a URL has at most {LONGEST_TEXT} octets"));
    }
    let uri: Uri = text.parse().map_err(|_| remedy.to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(remedy.to_owned());
    }
    let authority = uri.authority().ok_or_else(|| remedy.to_owned())?;
    if authority.as_str().contains('@') {
        return Err("put user name and password into their own keys".to_owned());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_link_local = match host.parse::<IpAddr>().map(|host| host.to_canonical()) {
        Ok(IpAddr::V4(host)) => host.is_link_local(),
        Ok(IpAddr::V6(host)) => host.is_unicast_link_local(),
        Err(_) => false,
    };
    if is_link_local {
        return Err("link-local addresses are no targets".to_owned());
    }
    Ok(CompactString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_base64_of_24_octets() {
        assert_eq!(base64(b"Many hands make light wo"), "TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdv");
        let secret = new_secret();
        assert!(secret.starts_with("whsec_") && secret.len() == 38);
        assert_ne!(secret, new_secret());
    }

    #[test]
    fn targets_are_kept_as_written_or_refused() {
        for good in ["https://ops.example/hook", "http://[2001:db8::1]:80", "HTTPS://Ops.Example"] {
            assert_eq!(target(good).unwrap(), good);
        }
        let bad = [
            "",
            "ops.example/hook",
            "ftp://ops.example",
            "https://user:secret@ops.example",
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
        ];
        for bad in bad {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
