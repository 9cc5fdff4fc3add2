//! HTTP over TLS: the certificate and the key from their files, checked as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where the server's certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTlsFiles {
    /// PEM: the server's certificate first, then those that lead to the one that clients know.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

impl HttpTlsFiles {
    /// What connections are served with from now on. TLS 1.2 and 1.3, no client certificates: who
    /// asks has a token.
    ///
    /// # Errors
    /// What is wrong, with the file.
    pub fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| about(&self.certificate, error))?;
        if chain.is_empty() {
            return Err(about(&self.certificate, "has no certificate in PEM"));
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| about(&self.key, error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| {
                about(&self.certificate, format!("{error}; is {} its key?", self.key.display()))
            })?;
        let mut config = config;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn about(file: &Path, what: impl std::fmt::Display) -> String {
    format!("{}: {what}", file.display())
}
