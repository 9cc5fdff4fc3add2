//! The real disk: one folder, held by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::storage::{AppendFile, Storage, Stored};
use crate::journal::error::OpenError;

/// Says who holds the folder; only for the message to the next.
const PID_FILE: &str = "pid";

/// A folder on disk.
#[derive(Debug)]
pub struct JournalFolder {
    path: PathBuf,
    /// The folder itself, for syncing names and for the lock.
    handle: File,
}

impl JournalFolder {
    /// Opens an existing folder for reading: takes no lock and changes nothing.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Directory { path: path.to_owned(), error };
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            return Err(OpenError::NotADirectory { path: path.to_owned() });
        }
        let handle = File::open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), handle })
    }

    /// Opens a folder, made if it is missing, for this process alone: nobody else can claim it
    /// until the claim is dropped.
    pub fn claim(path: &Path) -> Result<(Self, FolderLock), OpenError> {
        if !path.exists() {
            create_private(path)
                .map_err(|error| OpenError::Directory { path: path.to_owned(), error })?;
        }
        let directory = Self::open(path)?;
        let claim = FolderLock::take(&directory)?;
        Ok((directory, claim))
    }
}

/// Makes a folder that nobody else may look into; the folders above it, if they are missing, as
/// everybody makes them.
fn create_private(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    DirBuilder::new().mode(0o700).create(path)
}

/// The right to write in a folder. The lock is on the folder itself and ends with the process,
/// however it ends.
#[derive(Debug)]
pub struct FolderLock {
    lock: File,
    pid_file: PathBuf,
}

impl FolderLock {
    fn take(directory: &JournalFolder) -> Result<Self, OpenError> {
        let path = || directory.path.clone();
        let pid_file = directory.path.join(PID_FILE);
        let lock = directory
            .handle
            .try_clone()
            .map_err(|error| OpenError::Directory { path: path(), error })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid =
                    fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
                return Err(OpenError::InUse { path: path(), pid });
            }
            Err(TryLockError::Error(error)) => {
                return Err(OpenError::Directory { path: path(), error });
            }
        }
        fs::write(&pid_file, format!("{}\n", std::process::id()))
            .map_err(|error| OpenError::NotWritable { path: path(), error })?;
        Ok(Self { lock, pid_file })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // While the lock is still held: a successor's file cannot be hit.
        let _ = fs::remove_file(&self.pid_file);
        // To close it is not enough: a child that this process has just forked holds the folder
        // open, too, until it runs its own program.
        let _ = self.lock.unlock();
    }
}

impl Storage for JournalFolder {
    fn list(&self) -> io::Result<Vec<Stored>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            // A name that is no text is none of ours.
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push(Stored { name, size: metadata.len() });
            }
        }
        Ok(files)
    }

    fn read(&self, name: &str, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(self.path.join(name))?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        // Records tell who is where, and the catalog holds passwords: nobody else's to read.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn overwrite(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn describe(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }
}

impl AppendFile for File {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(slices)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, claim) = JournalFolder::claim(folder.path()).unwrap();
        assert_eq!(directory.list().unwrap().len(), 1, "the pid file only");
        let refused = JournalFolder::claim(folder.path()).unwrap_err();
        assert!(
            refused.to_string().contains(&format!("in use by process {}", std::process::id())),
            "{refused}"
        );
        drop(claim);
        drop(directory);
        JournalFolder::claim(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_claim_ends_though_a_forked_child_still_has_the_folder_open() {
        let folder = tempfile::tempdir().unwrap();
        let (directory, claim) = JournalFolder::claim(folder.path()).unwrap();
        let _inherited = directory.handle.try_clone().unwrap();
        drop((directory, claim));
        JournalFolder::claim(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_is_made_but_never_a_file_replaced() {
        let folder = tempfile::tempdir().unwrap();
        JournalFolder::claim(&folder.path().join("a/b")).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(JournalFolder::claim(&file), Err(OpenError::NotADirectory { .. })));
        assert!(matches!(
            JournalFolder::open(&folder.path().join("missing")),
            Err(OpenError::Directory { .. })
        ));
    }

    #[test]
    fn the_trait_means_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let disk = JournalFolder::open(folder.path()).unwrap();
        let mut file = disk.create("a").unwrap();
        assert!(disk.create("a").is_err());
        assert_eq!(file.write(&[IoSlice::new(b"one "), IoSlice::new(b"two")]).unwrap(), 7);
        file.sync().unwrap();
        disk.rename("a", "b").unwrap();
        disk.sync_directory().unwrap();
        let mut text = String::new();
        disk.read("b", 2).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "e two");
        let mut file = disk.overwrite("b").unwrap();
        assert_eq!(file.write(&[IoSlice::new(b"new")]).unwrap(), 3);
        disk.rename("b", "c").unwrap();
        assert_eq!(file.write(&[IoSlice::new(b"er")]).unwrap(), 2);
        text.clear();
        disk.read("c", 0).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "newerwo");
        assert!(disk.overwrite("b").is_err());
        assert_eq!(disk.list().unwrap(), [Stored { name: "c".into(), size: 7 }]);
        disk.remove("c").unwrap();
        assert!(disk.list().unwrap().is_empty());
    }
}
