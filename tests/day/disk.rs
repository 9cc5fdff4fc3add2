//! The server's disk: what was synced stays, and of all else a power cut leaves what chance wants.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, IoSlice, Read};
use std::sync::Arc;

use attachd::journal::{AppendFile, Storage, Stored};
use attachd::simulator::random::RandomStream;
use parking_lot::Mutex;

/// Shared by the files open on it; survives the server.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    /// The names as of the last sync of the folder.
    synced_names: BTreeMap<String, usize>,
    condition: DiskState,
    random: RandomStream,
}

#[derive(Default)]
struct Contents {
    octets: Vec<u8>,
    /// How far it was written, and how much of that is synced. Behind it are at most the zeros of a
    /// file that is written over.
    written: usize,
    synced: usize,
    /// The length that is synced.
    length: usize,
}

/// What it does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    Working,
    /// Nothing more fits, for now.
    Full,
    /// The power is about to fail: so many octets are still taken, and no sync comes back.
    Failing {
        octets: usize,
    },
}

impl Disk {
    pub fn new(random: RandomStream) -> Self {
        let (files, names, synced_names) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(State {
            files,
            names,
            synced_names,
            condition: DiskState::Working,
            random,
        })))
    }

    pub fn set_state(&self, condition: DiskState) {
        self.0.lock().condition = condition;
    }

    pub fn is_working(&self) -> bool {
        self.0.lock().condition == DiskState::Working
    }

    /// The power fails and comes back. A full disk stays full.
    pub fn cut_power(&self) {
        let State { files, names, synced_names, condition, random } = &mut *self.0.lock();
        if random.happens(0.5) {
            names.clone_from(synced_names);
        } else {
            synced_names.clone_from(names);
        }
        for file in files.iter_mut() {
            file.tear(random);
        }
        if matches!(condition, DiskState::Failing { .. }) {
            *condition = DiskState::Working;
        }
    }

    /// What the server has to open it by.
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }
}

impl State {
    /// Changes a name, which is durable only after a sync.
    fn rename(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) -> io::Result<()> {
        if self.condition != DiskState::Working {
            return Err(ErrorKind::StorageFull.into());
        }
        change(&mut self.names);
        Ok(())
    }

    /// What has no name any more, nobody can read.
    fn forget_unnamed(&mut self) {
        for (file, contents) in self.files.iter_mut().enumerate() {
            if !self.names.values().any(|named| *named == file) {
                *contents = Contents::default();
            }
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Contents {
    /// Of what was not synced, the front survives; behind it perhaps only the file's new length.
    fn tear(&mut self, random: &mut RandomStream) {
        let written = self.synced + random.below(self.written - self.synced + 1);
        let length = if random.happens(0.3) { self.octets.len() } else { self.length.max(written) };
        self.octets.truncate(written);
        self.octets.resize(length, 0);
        (self.written, self.synced, self.length) = (length, length, length);
    }

    fn write(&mut self, octets: &[u8]) {
        let end = self.written + octets.len();
        self.octets.resize(self.octets.len().max(end), 0);
        self.octets[self.written..end].copy_from_slice(octets);
        self.written = end;
    }
}

struct OpenFile {
    disk: Disk,
    file: usize,
}

impl AppendFile for OpenFile {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let State { files, condition, .. } = &mut *self.disk.0.lock();
        let room = match condition {
            DiskState::Working => usize::MAX,
            DiskState::Full => 0,
            DiskState::Failing { octets } => *octets,
        };
        let file = &mut files[self.file];
        let before = file.written;
        for slice in slices {
            let left = room - (file.written - before);
            file.write(&slice[..slice.len().min(left)]);
        }
        let taken = file.written - before;
        if let DiskState::Failing { octets } = condition {
            *octets -= taken;
        }
        if taken == 0 && room == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let State { files, condition, .. } = &mut *self.disk.0.lock();
        if *condition != DiskState::Working {
            return Err(io::Error::other("the disk does not answer"));
        }
        let file = &mut files[self.file];
        (file.synced, file.length) = (file.written, file.octets.len());
        Ok(())
    }
}

impl Storage for Disk {
    fn list(&self) -> io::Result<Vec<Stored>> {
        let State { files, names, .. } = &*self.0.lock();
        Ok(names
            .iter()
            .map(|(name, file)| Stored {
                name: name.clone(),
                size: files[*file].octets.len() as u64,
            })
            .collect())
    }

    fn read(&self, name: &str, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let state = self.0.lock();
        let octets = &state.files[state.find(name)?].octets;
        Ok(Box::new(Cursor::new(octets.get(offset as usize..).unwrap_or_default().to_vec())))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.0.lock();
        if state.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.rename(|names| _ = names.insert(name.to_owned(), file))?;
        state.files.push(Contents::default());
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn overwrite(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.0.lock();
        let file = state.find(name)?;
        let contents = &mut state.files[file];
        assert!(
            contents.octets.iter().all(|octet| *octet == 0)
                && contents.length == contents.octets.len(),
            "{name} was made ready"
        );
        (contents.written, contents.synced) = (0, 0);
        Ok(Box::new(OpenFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let file = state.find(from)?;
        state.rename(|names| {
            names.remove(from);
            names.insert(to.to_owned(), file);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.find(name)?;
        state.rename(|names| _ = names.remove(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        let state = &mut *self.0.lock();
        if state.condition != DiskState::Working {
            return Err(io::Error::other("the disk does not answer"));
        }
        state.synced_names.clone_from(&state.names);
        state.forget_unnamed();
        Ok(())
    }

    fn describe(&self, name: &str) -> String {
        format!("disk/{name}")
    }
}
