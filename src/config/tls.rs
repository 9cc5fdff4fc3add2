//! RADIUS over TLS: the listeners, and the files without which they are nothing.

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::source::ConfigSource;
use super::table::{
    Listeners, ProblemList, TomlTable, TomlValue, ValueResult, choice, fault, list, number,
    seconds, socket_address, text,
};
use crate::radius::{TlsLimits, TlsSettings};
use crate::tls::{KeyPair, Material, MaterialFault, ServerTrust, Trusted};
use crate::wire::RadiusVersion;

/// A dNSName is at most so long (RFC 1035 2.3.4).
const DNS_NAME_MAX: usize = 253;

/// A file that a key names, and where it is named.
type NamedFile = (Range<usize>, PathBuf);

/// The listeners and what they need, if there are any. Without one no file is read.
pub(super) fn tls(
    source: &ConfigSource<'_>,
    radius: &mut TomlTable<'_, '_>,
    findings: &ProblemList<'_>,
) -> (Listeners, Option<TlsSettings>) {
    let span = radius.span();
    let (at, listeners) = radius.take("tls", (span, Listeners::new()), |value| {
        list(socket_address)(value).map(|listeners| (value.span(), listeners))
    });
    refuse_twice(&listeners, findings);
    let mut file = |key, default: &str| {
        let path = |value: &TomlValue<'_>| Ok((value.span(), source.resolve(&text(value)?)));
        radius.take(key, (at.clone(), source.resolve(default)), path)
    };
    let certificate = file("tls_certificate", "server.pem");
    let key = file("tls_key", "server.key");
    let clients = file("tls_client_ca", "clients.pem");
    let lists = radius.take("tls_crl", None, |value| {
        let path = text(value)?;
        Ok((!path.is_empty()).then(|| (value.span(), source.resolve(&path))))
    });
    let versions = radius.take("tls_versions", RadiusVersion::ALL.to_vec(), versions);
    let limits = TlsLimits {
        connections: radius.take("tls_connections", 32, number(1..=65_536)) as usize,
        half_open: radius.take("tls_half_open", 64, number(1..=65_536)) as usize,
        handshake: radius.take("tls_handshake_s", Duration::from_secs(5), seconds(1..=60)),
        idle: radius.take("tls_idle_s", Some(Duration::from_secs(600)), idle),
    };
    if listeners.is_empty() {
        return (listeners, None);
    }
    let material = material(&certificate, &key, &clients, lists.as_ref(), findings);
    let settings = material.and_then(|material| {
        let span = &lists.as_ref().unwrap_or(&clients).0;
        told(span, ServerTrust::new(&material, &versions), findings)?;
        let addresses = listeners.iter().map(|(_, address)| *address).collect();
        Some(TlsSettings { listeners: addresses, material, versions, limits })
    });
    (listeners, settings)
}

/// What is in the files; each that cannot be used is reported where it is named.
fn material(
    certificate: &NamedFile,
    key: &NamedFile,
    clients: &NamedFile,
    lists: Option<&NamedFile>,
    findings: &ProblemList<'_>,
) -> Option<Material> {
    let chain = told(&certificate.0, KeyPair::read_chain(&certificate.1), findings);
    let private = told(&key.0, KeyPair::read_key(&key.1), findings);
    let trusted = told(&clients.0, Trusted::read(&clients.1), findings);
    let trusted = trusted.and_then(|mut trusted| match lists {
        Some((span, path)) => told(span, trusted.read_revoked(path), findings).map(|()| trusted),
        None => Some(trusted),
    });
    let own = told(&key.0, KeyPair::new(chain?, private?), findings)?;
    Some(Material { own: Arc::new(own), trusted: trusted? })
}

fn told<T>(
    span: &Range<usize>,
    read: Result<T, MaterialFault>,
    findings: &ProblemList<'_>,
) -> Option<T> {
    read.map_err(|MaterialFault { what, remedy }| findings.error(span, what, remedy)).ok()
}

fn refuse_twice(listeners: &Listeners, findings: &ProblemList<'_>) {
    for (nth, (span, address)) in listeners.iter().enumerate() {
        if address.port() != 0 && listeners[..nth].iter().any(|(_, other)| other == address) {
            findings.error(
                span,
                format!("{address} is listened on twice"),
                "give every entry of tls its own address or port",
            );
        }
    }
}

fn versions(value: &TomlValue<'_>) -> ValueResult<Vec<RadiusVersion>> {
    let known = RadiusVersion::ALL.map(|version| (version.number(), version));
    let versions = list(choice(&known))(value)?;
    if versions.is_empty() {
        return fault(value, "empty", "name at least one of \"1.0\" and \"1.1\"");
    }
    let named = |version: &RadiusVersion| versions.iter().any(|(_, named)| named == version);
    Ok(RadiusVersion::ALL.into_iter().filter(named).collect())
}

/// RFC 7360 5.1.1 wants at least 60 s, or never: then a lost gateway's connections stay.
fn idle(value: &TomlValue<'_>) -> ValueResult<Option<Duration>> {
    const DAY_S: u64 = 86_400;
    match number(0..=DAY_S)(value)? {
        0 => Ok(None),
        seconds @ 61.. => Ok(Some(Duration::from_secs(seconds))),
        short => fault(
            value,
            format!("{short} s is too short: a client may be silent for a minute (RFC 7360 5.1.1)"),
            "write 0 for never, or a number over 60",
        ),
    }
}

/// The names by which a gateway is known: DNS names in lower case, and addresses.
pub(super) fn names(value: &TomlValue<'_>) -> ValueResult<Vec<String>> {
    let mut names: Vec<String> = list(name)(value)?.into_iter().map(|(_, name)| name).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn name(value: &TomlValue<'_>) -> ValueResult<String> {
    let text = text(value)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    if name.contains('*') {
        let remedy = "write the whole name that stands in the gateway's certificate";
        return fault(value, format!("{text:?} has a wildcard, which matches nothing"), remedy);
    }
    if name.len() <= DNS_NAME_MAX && name.split('.').all(is_label) {
        Ok(name)
    } else {
        let what = format!("{text:?} is neither a DNS name nor an address");
        fault(value, what, "write a subjectAltName of the gateway's certificate")
    }
}
