//! The secret shared with a server, from wherever a person keeps it.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::outcome::CommandError;

/// A secret is a line, not a book; of a file that was named by mistake no more than this is read.
const LONGEST: u64 = 64 * 1024;

/// The three ways to name a secret, of which at most one is used.
#[derive(Args, Debug)]
pub(super) struct SecretSource {
    /// The shared secret. Other users of this machine see it in the list of processes; the next two
    /// hide it.
    #[arg(long, short, value_name = "SECRET")]
    secret: Option<String>,
    /// Read the shared secret from a file; a newline at its end does not belong to it.
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
    /// Read the shared secret from an environment variable.
    #[arg(long, value_name = "VARIABLE", conflicts_with_all = ["secret", "secret_file"])]
    secret_env: Option<String>,
}

impl SecretSource {
    /// The secret, if one was named.
    ///
    /// # Errors
    /// If it cannot be read, or is empty (RFC 2865 3).
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, CommandError> {
        let (name, octets) = match (&self.secret, &self.secret_file, &self.secret_env) {
            (Some(secret), ..) => ("--secret".to_owned(), secret.clone().into_bytes()),
            (None, Some(file), _) => (file.display().to_string(), from_file(file)?),
            (None, None, Some(variable)) => {
                (format!("environment variable {variable}"), from_environment(variable)?)
            }
            (None, None, None) => return Ok(None),
        };
        if octets.is_empty() {
            return Err(CommandError::invalid(format!(
                "{name}: the secret is empty; give the one shared with the server"
            )));
        }
        Ok(Some(octets))
    }
}

fn from_file(file: &Path) -> Result<Vec<u8>, CommandError> {
    let mut octets = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LONGEST).read_to_end(&mut octets))
        .map_err(|error| {
            CommandError::invalid(format!(
                "{}: cannot be read: {error}; give --secret-file a file that holds the secret",
                file.display()
            ))
        })?;
    // As `secret_file` of attachd.toml is read: editors end a file with a newline.
    if octets.ends_with(b"\n") {
        octets.pop();
        if octets.ends_with(b"\r") {
            octets.pop();
        }
    }
    Ok(octets)
}

fn from_environment(variable: &str) -> Result<Vec<u8>, CommandError> {
    std::env::var_os(variable).map(std::ffi::OsString::into_encoded_bytes).ok_or_else(|| {
        CommandError::invalid(format!(
            "there is no environment variable {variable}; set it, or use --secret-file"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Exit;
    use super::*;

    fn source(secret: Option<&str>, file: Option<&Path>, variable: Option<&str>) -> SecretSource {
        SecretSource {
            secret: secret.map(str::to_owned),
            secret_file: file.map(Path::to_owned),
            secret_env: variable.map(str::to_owned),
        }
    }

    #[test]
    fn a_secret_comes_from_one_of_three_places_or_from_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for (text, secret) in [
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            (" s3 cret ", " s3 cret "),
            ("two\n\n", "two\n"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(source(None, Some(&file), None).read(), Ok(Some(secret.into())), "{text:?}");
        }
        assert_eq!(source(Some("s3cret"), None, None).read(), Ok(Some("s3cret".into())));
        assert_eq!(source(None, None, Some("CARGO_PKG_NAME")).read(), Ok(Some("attachd".into())));
        assert_eq!(source(None, None, None).read(), Ok(None));
    }

    #[test]
    fn what_cannot_be_a_secret_is_said_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, missing) = (folder.path().join("empty"), folder.path().join("missing"));
        std::fs::write(&empty, "\n").unwrap();
        let cases = [
            (source(Some(""), None, None), "--secret"),
            (source(None, Some(&empty), None), "empty"),
            (source(None, Some(&missing), None), "missing"),
            (source(None, None, Some("ATTACHD_NOT_SET")), "ATTACHD_NOT_SET"),
        ];
        for (source, word) in cases {
            let Err(CommandError::Told(Exit::Invalid, message)) = source.read() else {
                panic!("{source:?} is a secret")
            };
            assert!(message.contains(word), "{message}");
        }
    }
}
