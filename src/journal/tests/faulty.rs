//! A disk that does everything POSIX lets a disk do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, IoSlice, Read};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::journal::{AppendFile, Storage, Stored};

/// What is written back as a whole or not at all.
const PAGE: usize = 512;

/// A disk with a cache in front of it.
#[derive(Clone)]
pub(super) struct FaultyDisk(Arc<Mutex<Disk>>);

struct Disk {
    random: ChaCha8Rng,
    faults: Faults,
    files: Vec<Contents>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Names as they were after each operation that is not durable yet.
    pending_names: Vec<BTreeMap<String, usize>>,
    /// Operations are refused altogether.
    full: bool,
}

/// How often, of a thousand operations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub short_write: u32,
    pub write_error: u32,
    pub sync_error: u32,
    pub name_error: u32,
}

#[derive(Clone, Default)]
struct Contents {
    cached: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl FaultyDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            random: ChaCha8Rng::seed_from_u64(seed),
            faults: Faults::default(),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            full: false,
        })))
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    pub(super) fn set_full(&self, full: bool) {
        self.0.lock().full = full;
    }

    /// Power is lost, and comes back: of what was not synced, any part survives.
    pub(super) fn crash(&self) {
        let disk = &mut *self.0.lock();
        let survived = disk.random.random_range(0..=disk.pending_names.len());
        if survived > 0 {
            disk.durable_names = disk.pending_names[survived - 1].clone();
        }
        disk.pending_names.clear();
        disk.names = disk.durable_names.clone();
        for file in &mut disk.files {
            let share = disk.random.random_range(0..=4);
            file.write_back(|| disk.random.random_range(0..4) < share);
            file.cached = file.durable.clone();
        }
        disk.faults = Faults::default();
        disk.full = false;
    }

    /// Changes one octet of a file for good.
    pub(super) fn flip(&self, name: &str, offset: usize, mask: u8) {
        let disk = &mut *self.0.lock();
        let file = &mut disk.files[disk.names[name]];
        file.cached[offset] ^= mask;
        file.durable = file.cached.clone();
    }

    /// Cuts a file off, as an interrupted copy does.
    pub(super) fn shorten(&self, name: &str, length: usize) {
        let disk = &mut *self.0.lock();
        let file = &mut disk.files[disk.names[name]];
        file.cached.truncate(length);
        file.durable = file.cached.clone();
    }

    /// The file is not there any more.
    pub(super) fn lose(&self, name: &str) {
        let disk = &mut *self.0.lock();
        disk.names.remove(name);
        disk.durable_names.remove(name);
    }

    /// Everything there is, to see that nothing changed.
    pub(super) fn image(&self) -> BTreeMap<String, Vec<u8>> {
        let disk = self.0.lock();
        disk.names
            .iter()
            .map(|(name, file)| (name.clone(), disk.files[*file].cached.clone()))
            .collect()
    }
}

impl Disk {
    fn strikes(&mut self, of_a_thousand: u32) -> bool {
        self.random.random_range(0..1000) < of_a_thousand
    }

    fn change_names(
        &mut self,
        change: impl FnOnce(&mut BTreeMap<String, usize>),
    ) -> io::Result<()> {
        if self.full || self.strikes(self.faults.name_error) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change(&mut self.names);
        self.pending_names.push(self.names.clone());
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Contents {
    fn write(&mut self, at: usize, octets: &[u8]) {
        let end = at + octets.len();
        self.cached.resize(self.cached.len().max(end), 0);
        self.cached[at..end].copy_from_slice(octets);
        self.dirty.extend(at / PAGE..end.div_ceil(PAGE));
    }

    /// Writes some dirty pages to the disk; the others are forgotten there, though the cache still
    /// shows them.
    fn write_back(&mut self, mut chosen: impl FnMut() -> bool) {
        for page in std::mem::take(&mut self.dirty) {
            let range = page * PAGE..((page + 1) * PAGE).min(self.cached.len());
            if chosen() && !range.is_empty() {
                self.durable.resize(self.durable.len().max(range.end), 0);
                self.durable[range.clone()].copy_from_slice(&self.cached[range]);
            }
        }
    }
}

struct OpenFile {
    disk: FaultyDisk,
    file: usize,
    at: usize,
}

impl AppendFile for OpenFile {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let disk = &mut *self.disk.0.lock();
        let octets: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let fails = disk.full || disk.strikes(disk.faults.write_error);
        let is_short = fails || disk.strikes(disk.faults.short_write);
        let taken =
            if is_short { disk.random.random_range(0..=octets.len()) } else { octets.len() };
        disk.files[self.file].write(self.at, &octets[..taken]);
        self.at += taken;
        if fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(taken)
    }

    fn sync(&mut self) -> io::Result<()> {
        let disk = &mut *self.disk.0.lock();
        let fails = disk.strikes(disk.faults.sync_error);
        let file = &mut disk.files[self.file];
        if fails {
            file.write_back(|| disk.random.random_bool(0.5));
            return Err(io::Error::other("lost pages"));
        }
        file.write_back(|| true);
        Ok(())
    }
}

impl Storage for FaultyDisk {
    fn list(&self) -> io::Result<Vec<Stored>> {
        let disk = self.0.lock();
        Ok(disk
            .names
            .iter()
            .map(|(name, file)| Stored {
                name: name.clone(),
                size: disk.files[*file].cached.len() as u64,
            })
            .collect())
    }

    fn read(&self, name: &str, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let disk = self.0.lock();
        let octets = &disk.files[disk.find(name)?].cached;
        Ok(Box::new(Cursor::new(octets[octets.len().min(offset as usize)..].to_vec())))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let mut disk = self.0.lock();
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = disk.files.len();
        disk.change_names(|names| {
            names.insert(name.to_owned(), file);
        })?;
        disk.files.push(Contents::default());
        Ok(Box::new(OpenFile { disk: self.clone(), file, at: 0 }))
    }

    fn overwrite(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let file = self.0.lock().find(name)?;
        Ok(Box::new(OpenFile { disk: self.clone(), file, at: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        let file = disk.find(from)?;
        disk.change_names(|names| {
            names.remove(from);
            names.insert(to.to_owned(), file);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.find(name)?;
        disk.change_names(|names| {
            names.remove(name);
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        let disk = &mut *self.0.lock();
        if disk.strikes(disk.faults.sync_error) {
            return Err(io::Error::other("lost names"));
        }
        disk.durable_names = disk.names.clone();
        disk.pending_names.clear();
        Ok(())
    }

    fn describe(&self, name: &str) -> String {
        format!("disk/{name}")
    }
}
