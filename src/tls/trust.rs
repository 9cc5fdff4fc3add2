//! The server's side: how it shows itself, and whose certificates it believes, at the handshake and
//! whenever a connection is judged again.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};

use super::certificate::Certificate;
use super::material::{LIST, Material, MaterialFault, fault, provider};
use crate::wire::RadiusVersion;

/// What the server needs for a handshake; replaced as a whole by a reload.
pub struct ServerTrust {
    provider: Arc<CryptoProvider>,
    own: Arc<CertifiedKey>,
    clients: Arc<dyn ClientCertVerifier>,
    /// Versions of RADIUS that are spoken, the preferred first.
    versions: Vec<RadiusVersion>,
}

/// Why a certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateRefusal {
    Revoked,
    Expired,
    /// It cannot be believed for another reason.
    Untrusted(String),
    /// It can be believed, and whoever has it may not connect; why, is known to who was asked.
    NotAdmitted,
}

/// Says whether the owner of a certificate may connect.
pub type Admits = Box<dyn Fn(&Certificate) -> bool + Send + Sync>;

impl ServerTrust {
    pub fn new(material: &Material, versions: &[RadiusVersion]) -> Result<Self, MaterialFault> {
        let provider = provider();
        let mut own = material.own.certified()?;
        own.ocsp = None;
        let roots = material
            .trusted
            .roots()
            .map_err(|error| fault(material.trusted.lists_path(), &error, LIST))?;
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        if let Some(lists) = material.trusted.lists() {
            builder = builder.with_crls(lists.iter().cloned());
        }
        let clients =
            builder.build().map_err(|error| fault(material.trusted.lists_path(), &error, LIST))?;
        let spoken = RadiusVersion::ALL.into_iter().filter(|one| versions.contains(one)).collect();
        Ok(Self { provider, own: Arc::new(own), clients, versions: spoken })
    }

    /// What one connection is told, whose client speaks TLS 1.3 or not: RADIUS/1.1 needs it (RFC
    /// 9765 3.4).
    pub(super) fn config(
        &self,
        speaks_1_3: bool,
        admits: Admits,
        refusal: Arc<OnceLock<CertificateRefusal>>,
    ) -> Result<ServerConfig, rustls::Error> {
        let verifier = AdmittingVerifier { clients: Arc::clone(&self.clients), admits, refusal };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&self.own))));
        // Nothing is resumed: each connection is judged by the certificates and lists of its day.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = self
            .versions
            .iter()
            .filter(|version| speaks_1_3 || **version == RadiusVersion::V1_0)
            .map(|version| version.alpn().as_bytes().to_vec())
            .collect();
        if config.alpn_protocols.is_empty() {
            // With nothing to offer rustls would ignore what the client asks for.
            config.alpn_protocols.push(RadiusVersion::V1_1.alpn().as_bytes().to_vec());
        }
        Ok(config)
    }

    /// The version that a connection speaks which agreed on this name: none, if it agreed on
    /// nothing and the server insists, or on what TLS 1.2 cannot carry.
    pub fn version(&self, alpn: Option<&[u8]>, is_tls_1_3: bool) -> Option<RadiusVersion> {
        let version = alpn.map_or(Some(RadiusVersion::V1_0), RadiusVersion::of_alpn)?;
        let is_possible = version == RadiusVersion::V1_0 || is_tls_1_3;
        (is_possible && self.versions.contains(&version)).then_some(version)
    }

    /// Judges again the certificates by which a connection was opened.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        now: Duration,
    ) -> Result<(), CertificateRefusal> {
        let Some((own, others)) = chain.split_first() else {
            return Err(CertificateRefusal::Untrusted("no certificate".to_owned()));
        };
        self.clients
            .verify_client_cert(own, others, UnixTime::since_unix_epoch(now))
            .map(|_| ())
            .map_err(|error| refused(&error))
    }
}

fn refused(error: &rustls::Error) -> CertificateRefusal {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Revoked) => CertificateRefusal::Revoked,
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => CertificateRefusal::Expired,
        other => CertificateRefusal::Untrusted(other.to_string()),
    }
}

/// Believes a certificate if its chain can be believed and its owner may connect; else the
/// handshake ends with the alert that says so: access_denied for an owner that may not.
struct AdmittingVerifier {
    clients: Arc<dyn ClientCertVerifier>,
    admits: Admits,
    refusal: Arc<OnceLock<CertificateRefusal>>,
}

impl ClientCertVerifier for AdmittingVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self
            .clients
            .verify_client_cert(end_entity, intermediates, now)
            .inspect_err(|error| _ = self.refusal.set(refused(error)))?;
        if Certificate::read(end_entity).is_some_and(|certificate| (self.admits)(&certificate)) {
            return Ok(verified);
        }
        let _ = self.refusal.set(CertificateRefusal::NotAdmitted);
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

impl fmt::Debug for AdmittingVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdmittingVerifier")
    }
}

impl fmt::Debug for ServerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTrust({:?})", self.versions)
    }
}
