//! The tokens as a running server knows them: the file is looked at again at most once a second.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::{TokenFile, TokenFileError, Tokens};
use crate::time::Timestamp;

/// A token that was disabled is refused after this long at the latest.
const RECHECK: Duration = Duration::from_secs(1);

/// The tokens of one data folder, kept in memory.
#[derive(Debug)]
pub struct TokenCache {
    file: TokenFile,
    state: Mutex<Cached>,
}

#[derive(Debug, Default)]
struct Cached {
    tokens: Arc<Tokens>,
    /// When the file was looked at last.
    checked: Option<Timestamp>,
    /// What the file looked like when it was read.
    seen: Option<Fingerprint>,
}

/// Time of change, length and inode: a replaced file differs in at least one.
type Fingerprint = (SystemTime, u64, u64);

impl TokenCache {
    #[must_use]
    pub fn new(file: TokenFile) -> Self {
        Self { file, state: Mutex::default() }
    }

    /// The tokens in force. While the file cannot be read, nobody is let in that it may not name
    /// any more.
    ///
    /// # Errors
    /// If the file cannot be read or understood.
    pub fn tokens(&self, now: Timestamp) -> Result<Arc<Tokens>, TokenFileError> {
        let mut state = self.state.lock();
        let is_fresh =
            state.checked.is_some_and(|checked| checked <= now && now.since(checked) < RECHECK);
        if !is_fresh {
            let seen = self.fingerprint();
            if seen.is_none() || seen != state.seen {
                state.tokens = Arc::new(self.file.read()?);
                state.seen = seen;
            }
            state.checked = Some(now);
        }
        Ok(Arc::clone(&state.tokens))
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        use std::os::unix::fs::MetadataExt;

        let metadata = fs::metadata(self.file.path()).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{TokenName, TokenRole};

    #[test]
    fn a_change_is_seen_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_folder(folder.path());
        let cache = TokenCache::new(file.clone());
        let at = Timestamp::from_millis;
        assert!(cache.tokens(at(0)).unwrap().is_empty());
        let name = TokenName::parse("ci").unwrap();
        file.change(|tokens| tokens.add(name.clone(), TokenRole::Read, "aa", at(0), None)).unwrap();
        assert!(cache.tokens(at(999)).unwrap().is_empty(), "not looked at yet");
        assert!(cache.tokens(at(1_000)).unwrap().verify("aa", at(1_000)).is_some());
        file.change(|tokens| tokens.set_disabled(&name, true)).unwrap();
        assert!(cache.tokens(at(2_000)).unwrap().verify("aa", at(2_000)).is_none());
        fs::remove_file(file.path()).unwrap();
        assert!(cache.tokens(at(3_000)).unwrap().is_empty());
        fs::write(file.path(), "nonsense").unwrap();
        assert!(cache.tokens(at(4_000)).is_err(), "nobody is let in by a file that cannot be read");
        assert!(cache.tokens(at(4_001)).is_err());
    }
}
