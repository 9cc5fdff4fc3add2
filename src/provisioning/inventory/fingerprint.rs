//! What tells one state of an inventory's files from another: so that millions of endpoints need
//! not be read and compared at every start.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::{CATALOG, ENDPOINTS, ENDPOINTS_GZ, Rules, STOCK};

/// Rises when a load has come to mean more than before: then what an older attachd adopted is to be
/// read again.
const EDITION: u8 = 3;

/// Octets read at a time.
const BLOCK: usize = 1 << 20;

/// The octets of all files, the rules under which they are read, and the version of the attachd
/// that reads them: under other rules, or with another version, other things may be found in them.
///
/// It tells apart what people and programs write; it is no protection against somebody who wants
/// two inventories to look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// Of the files in a folder, as they are read under these rules.
    ///
    /// # Errors
    /// If one cannot be read, or stands there twice.
    pub fn of(dir: &Path, rules: Rules) -> io::Result<Self> {
        let catalog = Digest::of(&fs::read(dir.join(CATALOG))?);
        let (plain, packed) = (dir.join(ENDPOINTS), dir.join(ENDPOINTS_GZ));
        let endpoints = match (plain.exists(), packed.exists()) {
            (true, true) => return Err(io::ErrorKind::AlreadyExists.into()),
            (true, false) => Some(Digest::of_file(&plain)?),
            (false, true) => Some(Digest::of_file(&packed)?),
            (false, false) => None,
        };
        let stock = dir.join(STOCK);
        let stock = stock.exists().then(|| Digest::of_file(&stock)).transpose()?;
        Ok(Self::joined(catalog, endpoints, stock, rules))
    }

    pub(super) fn joined(
        catalog: Digest,
        endpoints: Option<Digest>,
        stock: Option<Digest>,
        rules: Rules,
    ) -> Self {
        let Rules { luhn_refuses, masks_identities: _ } = rules;
        let mut both = Xxh3::new();
        both.update(env!("CARGO_PKG_VERSION").as_bytes());
        both.update(&[EDITION, u8::from(luhn_refuses)]);
        both.update(&catalog.0.to_le_bytes());
        if let Some(endpoints) = endpoints {
            both.update(&endpoints.0.to_le_bytes());
        }
        if let Some(stock) = stock {
            both.update(b"stock");
            both.update(&stock.0.to_le_bytes());
        }
        Self(both.digest128())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Of one file.
#[derive(Clone, Copy)]
pub(super) struct Digest(u128);

impl Digest {
    pub(super) fn of(octets: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(octets))
    }

    fn of_file(path: &Path) -> io::Result<Self> {
        let mut source = Digesting::new(File::open(path)?);
        let mut block = vec![0; BLOCK];
        while source.read(&mut block)? > 0 {}
        Ok(source.digest())
    }
}

/// Takes the digest of what is read through it.
pub(super) struct Digesting<R> {
    source: R,
    hasher: Xxh3,
}

impl<R> Digesting<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, hasher: Xxh3::new() }
    }

    /// Of what has been read so far.
    pub(super) fn digest(&self) -> Digest {
        Digest(self.hasher.digest128())
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
