//! PEM files and what is in them: certificates, a key, revocation lists. What is wrong with one is
//! said with its path and a remedy.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::certificate::Rfc5280;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

/// What is wrong with a file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaterialFault {
    pub what: String,
    pub remedy: String,
}

/// A certificate with its chain, and its key.
pub struct KeyPair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Whom to believe: the certificates of authorities, and what they have revoked.
#[derive(Clone, PartialEq, Eq)]
pub struct Trusted {
    authorities: Vec<CertificateDer<'static>>,
    /// None: revocation is not asked for.
    revoked: Option<RevocationLists>,
}

#[derive(Clone, PartialEq, Eq)]
struct RevocationLists {
    path: PathBuf,
    lists: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of them should have been replaced, since the Unix epoch.
    next_update: Option<Duration>,
}

/// All that a side of a connection has of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    pub own: Arc<KeyPair>,
    pub trusted: Trusted,
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl KeyPair {
    /// Reads both, and sees that they belong together.
    pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialFault> {
        certificates(path, "put the certificate there, and behind it those of its chain, in PEM")
    }

    /// Reads a key.
    pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, MaterialFault> {
        PrivateKeyDer::from_pem_file(path)
            .map_err(|error| fault(path, &error, "put the private key there in PEM, not encrypted"))
    }

    /// A certificate and a key that must be its.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, MaterialFault> {
        let pair = Self { chain, key };
        pair.certified().map(|_| pair)
    }

    pub(super) fn certified(&self) -> Result<CertifiedKey, MaterialFault> {
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider()).map_err(
            |error| MaterialFault {
                what: format!("key and certificate cannot be used: {error}"),
                remedy: "give the key that belongs to the certificate".to_owned(),
            },
        )
    }
}

impl PartialEq for KeyPair {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.secret_der() == other.key.secret_der()
    }
}

impl Eq for KeyPair {}

impl Trusted {
    /// Reads the certificates of the authorities.
    pub fn read(path: &Path) -> Result<Self, MaterialFault> {
        let remedy = "put the certificates of the authorities there, in PEM";
        let trusted = Self { authorities: certificates(path, remedy)?, revoked: None };
        trusted.roots().map(|_| trusted).map_err(|error| fault(path, &error, remedy))
    }

    /// Reads what they have revoked; from here on a certificate of one without a list is refused.
    pub fn read_revoked(&mut self, path: &Path) -> Result<(), MaterialFault> {
        let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| fault(path, &error, LIST))?;
        if lists.is_empty() {
            return Err(fault(path, &"no revocation list is in it", LIST));
        }
        let mut next_update = None;
        for list in &lists {
            let read = CertificateList::<Rfc5280>::from_der(list)
                .map_err(|error| fault(path, &error, LIST))?;
            let next = read.tbs_cert_list.next_update.map(Time::to_unix_duration);
            next_update = next_update.into_iter().chain(next).min();
        }
        self.revoked = Some(RevocationLists { path: path.to_path_buf(), lists, next_update });
        Ok(())
    }

    /// Whether a list is older than its authority meant it to become.
    pub fn expired(&self, now: Duration) -> Option<MaterialFault> {
        let revoked = self.revoked.as_ref()?;
        revoked.next_update.filter(|next| *next <= now)?;
        Some(fault(&revoked.path, &"its next update is over", "fetch the newest list"))
    }

    /// The lists of another: an older reading is better than none.
    #[must_use]
    pub fn with_lists_of(self, other: &Self) -> Self {
        Self { revoked: other.revoked.clone(), ..self }
    }

    pub(super) fn roots(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore::empty();
        self.authorities.iter().try_for_each(|authority| roots.add(authority.clone()))?;
        Ok(roots)
    }

    pub(super) fn lists(&self) -> Option<&[CertificateRevocationListDer<'static>]> {
        self.revoked.as_ref().map(|revoked| revoked.lists.as_slice())
    }

    pub(super) fn lists_path(&self) -> &Path {
        self.revoked.as_ref().map_or(Path::new(""), |revoked| &revoked.path)
    }
}

pub(super) const LIST: &str =
    "put the revocation lists of the authorities there, in PEM and of version 2 (with a number)";

fn certificates(path: &Path, remedy: &str) -> Result<Vec<CertificateDer<'static>>, MaterialFault> {
    let read: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| fault(path, &error, remedy))?;
    if read.is_empty() { Err(fault(path, &"no certificate is in it", remedy)) } else { Ok(read) }
}

pub(super) fn fault(path: &Path, error: &dyn fmt::Display, remedy: &str) -> MaterialFault {
    MaterialFault {
        what: format!("{} cannot be used: {error}", path.display()),
        remedy: remedy.to_owned(),
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").finish_non_exhaustive()
    }
}

impl fmt::Display for MaterialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}
