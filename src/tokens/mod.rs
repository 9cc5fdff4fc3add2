//! API tokens: who may use the management API, kept as hashes in one file of the data folder.
//!
//! `attachd token` changes the file, beside a running server, too; the server looks at it again at
//! most once a second ([`TokenCache`]). A token is 128 random bits, so a plain SHA-256 of it is
//! enough: there is nothing to guess. The token itself is shown once, when it is made.

mod cache;
mod file;

pub use cache::TokenCache;
pub use file::{FILE_NAME, TokenFile, TokenFileError};

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::time::Timestamp;

/// What the bearer of a token may do. Each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// Look at everything but secrets.
    Read,
    /// Change objects and single endpoints.
    Write,
    /// Change many endpoints at once, bring terminated ones back, manage the stock.
    Admin,
}

/// One token, as it is known to the server: without the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub name: TokenName,
    pub role: TokenRole,
    /// SHA-256 of the 32 hexadecimal digits.
    pub hash: [u8; 32],
    pub created: Timestamp,
    /// `None`: never.
    pub expires: Option<Timestamp>,
    pub disabled: bool,
}

/// By what people call a token: 1 to 64 letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(String);

/// All tokens of a data folder, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

/// Why a change of the tokens was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    BadName,
    NameTaken(TokenName),
    Unknown(TokenName),
    TooMany,
}

/// More than this is a script that makes a token at every run.
const MAX_TOKENS: usize = 1_000;

impl TokenRole {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl TokenName {
    /// # Errors
    /// If the text has other characters, none, or more than 64.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let is_good =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(is_good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenError::BadName)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Token {
    /// Whether a request may be made with it now.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.disabled && self.expires.is_none_or(|expires| now < expires)
    }
}

impl Tokens {
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The valid token whose secret this is. Takes the same time whichever it is, or none.
    #[must_use]
    pub fn verify(&self, secret: &str, now: Timestamp) -> Option<&Token> {
        let hash = hash(secret);
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.hash.ct_eq(&hash)) {
                found = Some(token);
            }
        }
        found.filter(|token| token.is_valid(now))
    }

    /// Adds a token with this secret.
    ///
    /// # Errors
    /// If the name is taken, or there are too many.
    pub fn add(
        &mut self,
        name: TokenName,
        role: TokenRole,
        secret: &str,
        created: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<(), TokenError> {
        if self.0.iter().any(|token| token.name == name) {
            return Err(TokenError::NameTaken(name));
        }
        if self.0.len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        let hash = hash(secret);
        self.0.push(Token { name, role, hash, created, expires, disabled: false });
        Ok(())
    }

    /// Switches a token off or on again.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn set_disabled(&mut self, name: &TokenName, disabled: bool) -> Result<(), TokenError> {
        let token = self.0.iter_mut().find(|token| token.name == *name);
        token.ok_or_else(|| TokenError::Unknown(name.clone()))?.disabled = disabled;
        Ok(())
    }

    /// Forgets a token.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn remove(&mut self, name: &TokenName) -> Result<(), TokenError> {
        let at = self.0.iter().position(|token| token.name == *name);
        self.0.remove(at.ok_or_else(|| TokenError::Unknown(name.clone()))?);
        Ok(())
    }
}

impl FromIterator<Token> for Tokens {
    fn from_iter<I: IntoIterator<Item = Token>>(tokens: I) -> Self {
        Self(tokens.into_iter().collect())
    }
}

/// A new secret: 128 random bits as 32 hexadecimal digits.
#[must_use]
pub fn secret(random: [u8; 16]) -> String {
    hexadecimal(&random)
}

fn hexadecimal(octets: &[u8]) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing into a string does not fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => {
                f.write_str("the name of a token has 1 to 64 letters, digits, '.', '_' and '-'")
            }
            Self::NameTaken(name) => {
                write!(f, "there is a token \"{name}\" already; choose another name, or delete it")
            }
            Self::Unknown(name) => {
                write!(f, "there is no token \"{name}\"; `attachd token list` shows all")
            }
            Self::TooMany => {
                write!(f, "there are {MAX_TOKENS} tokens, and no more can be added; delete some")
            }
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TokenName {
        TokenName::parse(text).unwrap()
    }

    fn tokens() -> Tokens {
        let mut tokens = Tokens::default();
        let end = Timestamp::from_secs(100);
        tokens.add(name("ci"), TokenRole::Write, "aa", Timestamp::EPOCH, Some(end)).unwrap();
        tokens.add(name("grafana"), TokenRole::Read, "bb", Timestamp::EPOCH, None).unwrap();
        tokens
    }

    #[test]
    fn only_the_secret_of_a_valid_token_is_accepted() {
        let mut tokens = tokens();
        let bearer = |tokens: &Tokens, secret: &str, secs| {
            let token = tokens.verify(secret, Timestamp::from_secs(secs));
            token.map(|token| (token.name.as_str().to_owned(), token.role))
        };
        assert_eq!(bearer(&tokens, "aa", 99), Some(("ci".to_owned(), TokenRole::Write)));
        assert_eq!(bearer(&tokens, "aa", 100), None, "expired");
        assert_eq!(bearer(&tokens, "bb", 100), Some(("grafana".to_owned(), TokenRole::Read)));
        assert_eq!(bearer(&tokens, "cc", 0), None);
        assert_eq!(bearer(&tokens, "", 0), None);
        tokens.set_disabled(&name("grafana"), true).unwrap();
        assert_eq!(bearer(&tokens, "bb", 0), None);
        tokens.set_disabled(&name("grafana"), false).unwrap();
        assert!(bearer(&tokens, "bb", 0).is_some());
        tokens.remove(&name("grafana")).unwrap();
        assert_eq!(bearer(&tokens, "bb", 0), None);
    }

    #[test]
    fn names_are_unique_and_known() {
        let mut tokens = tokens();
        let again = tokens.add(name("ci"), TokenRole::Read, "cc", Timestamp::EPOCH, None);
        assert_eq!(again, Err(TokenError::NameTaken(name("ci"))));
        assert_eq!(tokens.remove(&name("no")), Err(TokenError::Unknown(name("no"))));
        assert_eq!(tokens.set_disabled(&name("no"), true), Err(TokenError::Unknown(name("no"))));
        for text in ["", "a b", "a\n", "ä", &"x".repeat(65)] {
            assert_eq!(TokenName::parse(text), Err(TokenError::BadName), "{text:?}");
        }
    }

    #[test]
    fn roles_are_ordered_and_secrets_are_hexadecimal() {
        assert!(TokenRole::Read < TokenRole::Write && TokenRole::Write < TokenRole::Admin);
        assert_eq!(secret([0xAB; 16]), "ab".repeat(16));
    }
}
