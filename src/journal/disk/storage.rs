//! What the journal asks of a disk, so that a test can be a disk that fails.

use std::io::{self, IoSlice, Read};

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    pub size: u64,
}

/// Octets written and synced at a time by what is in no hurry: so little is dirty that a commit
/// never waits long behind it.
pub(in crate::journal) const PIECE: usize = 256 << 10;

/// A folder of files that are written from their start on.
///
/// The rules are those of POSIX: what was written is durable after a successful
/// [`AppendFile::sync`]; a name that was created, renamed or removed is so durably after
/// [`Self::sync_directory`]; after a failed sync nothing is known about what was written since the
/// last.
pub trait Storage: Send + Sync {
    /// The regular files, in no order.
    fn list(&self) -> io::Result<Vec<Stored>>;
    /// Opens a file for reading from `offset` to its end.
    fn read(&self, name: &str, offset: u64) -> io::Result<Box<dyn Read + Send>>;
    /// A new, empty file.
    ///
    /// # Errors
    /// Also if it exists.
    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile>>;
    /// A file there is, to be written over from its start; what is not written over stays.
    fn overwrite(&self, name: &str) -> io::Result<Box<dyn AppendFile>>;
    /// Replaces `to` if it exists. A file that is open stays so.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_directory(&self) -> io::Result<()>;
    /// The file as a message to a person names it.
    fn describe(&self, name: &str) -> String;
}

/// A file open for writing.
pub trait AppendFile: Send {
    /// Writes some octets from the front of `slices` behind those written before, and says how
    /// many.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Returns when everything written is durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes all of `slices`, however short the single writes are.
pub(crate) fn write_all(
    file: &mut dyn AppendFile,
    mut slices: &mut [IoSlice<'_>],
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
