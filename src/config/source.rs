//! A configuration file that was read, and where its relative paths start.

use std::path::{Path, PathBuf};

/// What a configuration is read from.
pub(crate) struct ConfigSource<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: Option<&'a Path>,
    pub(crate) environment: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

impl ConfigSource<'_> {
    /// A path of the file, as seen from the working directory.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        let path = self.file.and_then(Path::parent).unwrap_or(Path::new("")).join(path);
        // Without `.` in the middle, so that messages name files as people do.
        path.components().collect()
    }
}
