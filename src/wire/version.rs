//! The versions of RADIUS that a TLS connection may speak, and their names in ALPN (RFC 9765 3).

/// What the packets of a connection look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RadiusVersion {
    /// RFC 2865, with authenticators; also what is spoken where nothing was negotiated.
    #[default]
    V1_0,
    /// RFC 9765: a Token in the place of the identifier, nothing signed, nothing hidden.
    V1_1,
}

impl RadiusVersion {
    /// The newest first: what is preferred.
    pub const ALL: [Self; 2] = [Self::V1_1, Self::V1_0];

    /// As the configuration has it.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }

    /// Its name in ALPN.
    #[must_use]
    pub const fn alpn(self) -> &'static str {
        match self {
            Self::V1_0 => "radius/1.0",
            Self::V1_1 => "radius/1.1",
        }
    }

    /// The version of this name in ALPN.
    #[must_use]
    pub fn of_alpn(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.alpn().as_bytes() == name)
    }
}
