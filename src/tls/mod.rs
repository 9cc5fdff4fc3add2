//! Certificates, and what rustls makes of them: who the other side of a connection is. Knows no
//! socket and no gateway.
//!
//! ```text
//! material     PEM files → certificates, key, revocation lists, checked
//! certificate  what a certificate says: names, subject, end, fingerprint
//! trust        who may connect to the server, and how it shows itself
//! hello        what a ClientHello says that rustls does not tell
//! session      one connection of rustls, and its octets in and out
//! ```
//!
//! Deliberately absent: pre-shared keys outside of resumption, which rustls does not have, and
//! DTLS. Tickets: a gateway connects once a day, and FreeRADIUS waits for them where it should not.

mod certificate;
mod hello;
mod material;
mod session;
mod trust;

pub use certificate::Certificate;
pub use material::{KeyPair, Material, MaterialFault, Trusted};
pub use session::{ReadProgress, TlsSession};
pub use trust::{Admits, CertificateRefusal, ServerTrust};
