//! The key under which activation codes are kept: made at the first start, in the data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::provisioning::StockKey;

const NAME: &str = "stock.key";

/// The key of a data folder, which is made if it is not there.
///
/// # Errors
/// If it can neither be read nor made, or is no key.
pub fn stock_key(data_dir: &Path) -> io::Result<StockKey> {
    let path = data_dir.join(NAME);
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match fs::read(&path) {
        Ok(octets) => {
            let key = octets.try_into().map_err(|_| {
                let told = "this is no key of 32 octets; put it back from a backup, or remove it: then no SIM of the stock can be activated until it is listed anew";
                named(io::Error::new(io::ErrorKind::InvalidData, told))
            })?;
            Ok(StockKey(key))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = StockKey(rand::random());
            make(data_dir, &path, &key).map_err(named)?;
            Ok(key)
        }
        Err(error) => Err(named(error)),
    }
}

/// Whole or not at all, and for its owner alone.
fn make(data_dir: &Path, path: &Path, key: &StockKey) -> io::Result<()> {
    fs::create_dir_all(data_dir)?;
    let fresh = data_dir.join("stock.key.new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&key.0)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let first = stock_key(&data_dir).unwrap();
        assert_eq!(stock_key(&data_dir).unwrap().0, first.0);
        let mode = fs::metadata(data_dir.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(data_dir.join(NAME), "short").unwrap();
        let told = stock_key(&data_dir).unwrap_err().to_string();
        assert!(told.contains("stock.key: this is no key"), "{told}");
    }
}
