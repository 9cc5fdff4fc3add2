//! Why a journal cannot be opened: one line each, that says what, where and what to do.

use std::path::PathBuf;
use std::{fmt, io};

use super::format::header::FORMAT;

/// A journal that was left as it is.
#[derive(Debug)]
pub enum OpenError {
    /// The folder cannot be made or opened.
    Directory {
        path: PathBuf,
        error: io::Error,
    },
    NotADirectory {
        path: PathBuf,
    },
    NotWritable {
        path: PathBuf,
        error: io::Error,
    },
    /// Another process writes there.
    InUse {
        path: PathBuf,
        pid: Option<u32>,
    },
    /// Written by another version of attachd.
    Format {
        file: String,
        format: u16,
    },
    /// The name of a file of ours, but not its contents.
    Foreign {
        file: String,
    },
    /// A file that must be there is not: the folder was copied in part.
    Missing {
        file: String,
    },
    /// Records that had been acknowledged cannot be read.
    Damage(Damage),
    /// The disk refused an operation.
    Io {
        file: String,
        error: io::Error,
    },
}

/// A place in a file where there should be a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: String,
    pub offset: u64,
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at offset {}: {}", self.file, self.offset, self.what)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, error } => {
                write!(f, "{}: cannot open the data folder: {error}", path.display())
            }
            Self::NotADirectory { path } => {
                write!(f, "{}: is no folder; data_dir must name one", path.display())
            }
            Self::NotWritable { path, error } => {
                write!(f, "{}: cannot write in the data folder: {error}", path.display())
            }
            Self::InUse { path, pid: Some(pid) } => {
                write!(f, "{}: in use by process {pid}; stop it first", path.display())
            }
            Self::InUse { path, pid: None } => {
                write!(f, "{}: in use by another process; stop it first", path.display())
            }
            Self::Format { file, format } => {
                write!(
                    f,
                    "{file} has format {format}, and this attachd reads format {FORMAT}; use the version that wrote it"
                )
            }
            Self::Foreign { file } => write!(
                f,
                "{file} is no file of a journal, though it has the name of one; move it away"
            ),
            Self::Missing { file } => {
                write!(
                    f,
                    "{file} is missing: the folder is not complete; bring the file back, or continue without it with --repair"
                )
            }
            Self::Damage(damage) => write!(
                f,
                "{damage}; restore the file, or continue from what is readable with --repair"
            ),
            Self::Io { file, error } => write!(f, "{file}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}
