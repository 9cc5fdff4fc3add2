//! The file of the tokens: readable by its owner only, replaced as a whole, one writer at a time.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Token, TokenError, TokenName, TokenRole, Tokens, hexadecimal};
use crate::time::Timestamp;

/// Beside the journal, in the data folder.
pub const FILE_NAME: &str = "tokens.toml";

/// Held while the file is being replaced: two commands at once would lose one's change.
const LOCK_NAME: &str = "tokens.lock";

const HEADER: &str = "# Tokens of attachd's API: hashes only. Change them by `attachd token`.\n";

/// The tokens of one data folder.
#[derive(Clone, Debug)]
pub struct TokenFile {
    folder: PathBuf,
}

/// Why the tokens could not be read or written.
#[derive(Debug)]
pub enum TokenFileError {
    Io {
        file: PathBuf,
        error: io::Error,
    },
    /// The file says something else than tokens.
    Content {
        file: PathBuf,
        what: String,
    },
    Token(TokenError),
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, rename = "token", skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<Line>,
}

/// A token as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    role: TokenRole,
    sha256: String,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
}

impl TokenFile {
    /// The tokens of a data folder, which need not exist yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// All tokens; none, if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read or understood.
    pub fn read(&self) -> Result<Tokens, TokenFileError> {
        let text = match fs::read_to_string(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Tokens::default()),
            Err(error) => return Err(TokenFileError::Io { file: self.path(), error }),
        };
        let content = |what: String| TokenFileError::Content { file: self.path(), what };
        let document: Document =
            toml::from_str(&text).map_err(|error| content(error.to_string()))?;
        document.tokens.into_iter().map(|line| line.read().map_err(content)).collect()
    }

    /// Changes the tokens and writes them back; makes the folder if there is none.
    ///
    /// # Errors
    /// If `change` refuses, or the file cannot be read or written. Then it is as it was.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut Tokens) -> Result<T, TokenError>,
    ) -> Result<T, TokenFileError> {
        let failed = |error| TokenFileError::Io { file: self.path(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(failed)?;
        let lock_path = self.folder.join(LOCK_NAME);
        let opened =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock_path);
        let lock = opened.map_err(failed)?;
        // Given back when the file is closed.
        lock.lock().map_err(failed)?;
        let mut tokens = self.read()?;
        let changed = change(&mut tokens).map_err(TokenFileError::Token)?;
        self.replace(&tokens).map_err(failed)?;
        Ok(changed)
    }

    fn replace(&self, tokens: &Tokens) -> io::Result<()> {
        let document = Document { tokens: tokens.iter().map(Line::of).collect() };
        let text = toml::to_string(&document).map_err(io::Error::other)?;
        let new = self.folder.join("tokens.new");
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all(HEADER.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        File::open(&self.folder)?.sync_all()
    }
}

impl Line {
    fn of(token: &Token) -> Self {
        Self {
            name: token.name.to_string(),
            role: token.role,
            sha256: hexadecimal(&token.hash),
            created: token.created.to_string(),
            expires: token.expires.map(|expires| expires.to_string()),
            disabled: token.disabled,
        }
    }

    fn read(self) -> Result<Token, String> {
        let name = TokenName::parse(&self.name).map_err(|error| error.to_string())?;
        let of = |what: &str| format!("token {name}: {what}");
        let hash = hash(&self.sha256).ok_or_else(|| of("sha256 is not 64 hexadecimal digits"))?;
        let created = time(&self.created).ok_or_else(|| of("created is no RFC 3339 time"))?;
        let expires = match &self.expires {
            Some(text) => Some(time(text).ok_or_else(|| of("expires is no RFC 3339 time"))?),
            None => None,
        };
        Ok(Token { name, role: self.role, hash, created, expires, disabled: self.disabled })
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut hash = [0; 32];
    for (octet, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

fn time(text: &str) -> Option<Timestamp> {
    humantime::parse_rfc3339(text).ok().map(Timestamp::from)
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, error } => write!(f, "{}: {error}", file.display()),
            Self::Content { file, what } => {
                let remedy = "mend it, or remove the file and make new tokens";
                write!(f, "{}: {}; {remedy}", file.display(), what.trim().replace('\n', " "))
            }
            Self::Token(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TokenFileError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_read_again_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_folder(&folder.path().join("data"));
        assert!(file.read().unwrap().is_empty(), "no folder, no token");
        let name = |text| TokenName::parse(text).unwrap();
        let created = Timestamp::from_secs(1_700_000_000);
        let expires = Timestamp::from_secs(1_800_000_000);
        file.change(|tokens| {
            tokens.add(name("ci"), TokenRole::Admin, "aa", created, Some(expires))
        })
        .unwrap();
        file.change(|tokens| tokens.add(name("old"), TokenRole::Read, "bb", created, None))
            .unwrap();
        file.change(|tokens| tokens.set_disabled(&name("old"), true)).unwrap();

        let tokens = file.read().unwrap();
        let shown: Vec<_> = tokens
            .iter()
            .map(|token| {
                (token.name.as_str(), token.role, token.created, token.expires, token.disabled)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("ci", TokenRole::Admin, created, Some(expires), false),
                ("old", TokenRole::Read, created, None, true)
            ]
        );
        assert!(tokens.verify("aa", created).is_some());
        let mode = fs::metadata(file.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(fs::metadata(&file.folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_refused_change_leaves_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_folder(folder.path());
        let missing = TokenName::parse("missing").unwrap();
        let refused = file.change(|tokens| tokens.remove(&missing));
        assert!(matches!(refused, Err(TokenFileError::Token(TokenError::Unknown(_)))));
        assert!(!file.path().exists());
    }

    #[test]
    fn a_file_that_says_something_else_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_folder(folder.path());
        for (text, told) in [
            ("[[token]]\nname = \"a\"\n", "missing field"),
            (
                "[[token]]\nname=\"a\"\nrole=\"read\"\nsha256=\"zz\"\ncreated=\"2026-01-01T00:00:00Z\"\n",
                "64 hexadecimal digits",
            ),
            ("[[token]]\nname=\"a\"\nrole=\"king\"\nsha256=\"\"\ncreated=\"\"\n", "king"),
            ("[[tokens]]\n", "unknown field"),
        ] {
            fs::write(file.path(), text).unwrap();
            let message = file.read().unwrap_err().to_string();
            assert!(message.contains(told) && message.contains(FILE_NAME), "{message}");
        }
    }
}
