//! What a certificate says about who has it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::printable;

/// The names in a certificate, and until when it holds. The common name is no name (RFC 9525 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The dNSNames of its subjectAltName, in lower case and without a dot at the end. One with a
    /// wildcard is none: a gateway has a name.
    pub names: Vec<String>,
    /// The iPAddresses of its subjectAltName.
    pub addresses: Vec<IpAddr>,
    /// For people.
    pub subject: String,
    /// Since the Unix epoch.
    pub not_after: Duration,
    pub fingerprint: [u8; 32],
}

impl Certificate {
    /// Reads it; says nothing about whether it can be believed.
    pub fn read(octets: &CertificateDer<'_>) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(octets).ok()?;
        let body = certificate.tbs_certificate();
        let alternatives = body.get_extension::<SubjectAltName>().ok()?;
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for name in alternatives.map(|(_, names)| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) if !name.as_str().contains('*') => {
                    names.push(folded(name.as_str()));
                }
                GeneralName::IpAddress(octets) => addresses.extend(address(octets.as_bytes())),
                _ => {}
            }
        }
        Some(Self {
            names,
            addresses,
            subject: body.subject().to_string(),
            not_after: body.validity().not_after.to_unix_duration(),
            fingerprint: Sha256::digest(octets).into(),
        })
    }
}

/// A DNS name as it is compared.
fn folded(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

impl fmt::Display for Certificate {
    /// Subject, names and fingerprint, as a log line has them: a stranger may have chosen them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.iter().cloned();
        let names: Vec<_> =
            names.chain(self.addresses.iter().map(ToString::to_string)).take(8).collect();
        write!(
            f,
            "subject {} names {} sha256 ",
            printable::octets(self.subject.as_bytes()),
            printable::octets(names.join(",").as_bytes())
        )?;
        self.fingerprint.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}
