//! The writing end of a log: gathers messages, writes them with the position that they reach to,
//! begins new files and removes old ones.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, Read};
use std::sync::Arc;

use parking_lot::Mutex;

use super::file::{Extent, LogHeader, StoredMessage, append_gap, append_message, append_position};
use super::log::{LogFile, LogFiles, LogOptions, SharedLog, draft, name, number};
use super::view::LogView;
use crate::journal::{AppendFile, JournalPosition, Storage, write_all};
use crate::time::Timestamp;

/// Writes a log; there is one for each folder.
pub struct LogWriter {
    shared: Arc<SharedLog>,
    options: LogOptions,
    /// The last file: its number and first sequence.
    active: Option<(u64, u64)>,
    /// Open at its end; `None` after a failure, and before the first write.
    file: Option<Box<dyn AppendFile>>,
    next_number: u64,
    /// The position that was written last.
    position: Option<JournalPosition>,
    /// Framed, not written.
    gathered: Vec<u8>,
    gathered_messages: u64,
    unsynced: bool,
}

impl LogWriter {
    /// Opens the log in a folder; an empty folder is an empty log. What a crash has torn off is cut
    /// when the first message is written.
    ///
    /// # Errors
    /// If the folder or a file cannot be read, or a file is none of a log.
    pub fn open(storage: Arc<dyn Storage>, options: LogOptions) -> io::Result<Self> {
        let mut by_first = BTreeMap::new();
        let mut last: Option<(LogHeader, u64)> = None;
        for (number, size) in listed(&*storage)? {
            let Some(header) = header(&*storage, number)? else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is no file of a message log", storage.describe(&name(number))),
                ));
            };
            let file = LogFile { number, size, begun: header.begun };
            if let Some(empty) = by_first.insert(header.first, file) {
                // The next one was begun before a message was in it.
                let _ = storage.remove(&name(empty.number));
            }
            last = Some((header, number));
        }
        let mut log = Self {
            shared: Arc::new(SharedLog {
                storage,
                files: Mutex::new(LogFiles { by_first, next: 1 }),
                watchers: Mutex::default(),
            }),
            options,
            active: None,
            file: None,
            next_number: 1,
            position: None,
            gathered: Vec::new(),
            gathered_messages: 0,
            unsynced: false,
        };
        if let Some((header, number)) = last {
            log.go_on_behind(header, number)?;
        }
        Ok(log)
    }

    fn go_on_behind(&mut self, header: LogHeader, number: u64) -> io::Result<()> {
        let extent = Extent::of(&read_file(&*self.shared.storage, number)?);
        let mut files = self.shared.files.lock();
        files.next = extent.last.map_or(header.first, |last| last + 1);
        if let Some(file) = files.by_first.get_mut(&header.first) {
            file.size = extent.size as u64;
        }
        drop(files);
        self.active = Some((number, header.first));
        self.next_number = number + 1;
        self.position = extent.position;
        Ok(())
    }

    /// Up to where the journal has been read; `None` for a log that is new.
    #[must_use]
    pub const fn position(&self) -> Option<JournalPosition> {
        self.position
    }

    /// The reading end.
    #[must_use]
    pub fn view(&self) -> LogView {
        LogView::new(Arc::clone(&self.shared))
    }

    /// Gathers a message. Returns its sequence.
    pub fn append(&mut self, at: Timestamp, key: u64, octets: &[u8]) -> u64 {
        let sequence = self.next();
        // It was in a record of the journal, which is no longer than a record can be.
        let _ = append_message(&mut self.gathered, &StoredMessage { sequence, at, key, octets });
        self.gathered_messages += 1;
        sequence
    }

    /// Notes that messages are missing here.
    pub fn gap(&mut self, at: Timestamp) {
        let sequence = self.next();
        append_gap(&mut self.gathered, sequence, at);
        self.gathered_messages += 1;
    }

    fn next(&self) -> u64 {
        self.shared.files.lock().next + self.gathered_messages
    }

    /// Octets gathered and not written.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.gathered.len()
    }

    /// Writes what was gathered, and that the journal has been read up to `position`. Readers see it
    /// from here on; it survives a crash of the machine from [`Self::sync`] on, or is read from the
    /// journal again.
    ///
    /// # Errors
    /// If the disk does not take it. What was gathered stays, for the next call.
    pub fn write(&mut self, position: JournalPosition, now: Timestamp) -> io::Result<()> {
        if self.gathered.is_empty() && self.position == Some(position) {
            return Ok(());
        }
        let outcome = self.try_write(position, now);
        if outcome.is_err() {
            // Nobody knows what is in the file behind its last whole position.
            self.file = None;
        }
        outcome
    }

    fn try_write(&mut self, position: JournalPosition, now: Timestamp) -> io::Result<()> {
        if self.file.is_none() && self.active.is_some() {
            self.reopen()?;
        }
        // By age as well, or a quiet log would never let anything go.
        let longest = self.options.keep_for / 8;
        let is_full = self.active_file().is_none_or(|file| {
            file.size >= self.options.file_size || now.since(file.begun) >= longest
        });
        if is_full {
            self.begin_file(now)?;
        }
        let Some((_, first)) = self.active else { return Ok(()) };
        let gathered = self.gathered.len();
        append_position(&mut self.gathered, position);
        let written = match &mut self.file {
            Some(file) => write_all(&mut **file, &mut [IoSlice::new(&self.gathered)]),
            None => Ok(()),
        };
        if let Err(error) = written {
            self.gathered.truncate(gathered);
            return Err(error);
        }
        let mut files = self.shared.files.lock();
        files.next += self.gathered_messages;
        if let Some(file) = files.by_first.get_mut(&first) {
            file.size += self.gathered.len() as u64;
        }
        drop(files);
        self.position = Some(position);
        self.unsynced = true;
        self.gathered.clear();
        if std::mem::take(&mut self.gathered_messages) > 0 {
            self.shared.wake();
        }
        Ok(())
    }

    fn active_file(&self) -> Option<LogFile> {
        let (_, first) = self.active?;
        self.shared.files.lock().by_first.get(&first).copied()
    }

    /// Begins the next file. The one before is durable then.
    fn begin_file(&mut self, now: Timestamp) -> io::Result<()> {
        self.sync()?;
        let first = self.shared.files.lock().next;
        let number = self.next_number;
        let header = LogHeader { number, first, begun: now };
        let mut octets = Vec::new();
        header.append(&mut octets);
        if let Some(position) = self.position {
            append_position(&mut octets, position);
        }
        let file = self.place(number, &octets)?;
        self.next_number += 1;
        let mut files = self.shared.files.lock();
        // One without a message has the same first sequence, and goes.
        let empty =
            files.by_first.insert(first, LogFile { number, size: octets.len() as u64, begun: now });
        drop(files);
        if let Some(empty) = empty {
            let _ = self.shared.storage.remove(&name(empty.number));
        }
        self.active = Some((number, first));
        self.file = Some(file);
        Ok(())
    }

    /// Goes on with the last file, without what was torn: its whole part is written anew.
    fn reopen(&mut self) -> io::Result<()> {
        let (Some((number, _)), Some(file)) = (self.active, self.active_file()) else {
            return Ok(());
        };
        let mut octets = read_file(&*self.shared.storage, number)?;
        octets.truncate(file.size as usize);
        self.file = Some(self.place(number, &octets)?);
        Ok(())
    }

    /// Writes a file under a draft's name, and gives it its own when it is durable.
    fn place(&self, number: u64, octets: &[u8]) -> io::Result<Box<dyn AppendFile>> {
        let storage = &self.shared.storage;
        let draft = draft(number);
        // One that was not finished.
        let _ = storage.remove(&draft);
        let mut file = storage.create(&draft)?;
        write_all(&mut *file, &mut [IoSlice::new(octets)])?;
        file.sync()?;
        storage.rename(&draft, &name(number))?;
        storage.sync_directory()?;
        Ok(file)
    }

    /// Makes everything written durable. The journal may be passed up to [`Self::position`] then.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.unsynced {
            return Ok(());
        }
        match &mut self.file {
            Some(file) => {
                if let Err(error) = file.sync() {
                    self.file = None;
                    return Err(error);
                }
            }
            // It is written anew, and synced.
            None => self.reopen()?,
        }
        self.unsynced = false;
        Ok(())
    }

    /// Removes files that are too old, and the oldest while all are too large. Returns the sequence
    /// of the oldest message that is kept.
    pub fn retain(&mut self, now: Timestamp) -> u64 {
        let mut files = self.shared.files.lock();
        let mut gone = Vec::new();
        while let Some((first, oldest)) = files.by_first.first_key_value().map(|(k, v)| (*k, *v)) {
            // All in it is older than the next file.
            let Some((_, next)) = files.after(first) else { break };
            let is_old = now.since(next.begun) >= self.options.keep_for;
            if !is_old && files.octets() <= self.options.keep_size {
                break;
            }
            files.by_first.remove(&first);
            gone.push(oldest.number);
        }
        let earliest = files.earliest();
        drop(files);
        for number in gone {
            // What cannot be removed now is found again by the next start.
            let _ = self.shared.storage.remove(&name(number));
        }
        earliest
    }
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter").field("position", &self.position).finish_non_exhaustive()
    }
}

/// The files of the log with their sizes, in order; drafts are removed.
fn listed(storage: &dyn Storage) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for file in storage.list()? {
        if let Some(number) = number(&file.name) {
            found.push((number, file.size));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn header(storage: &dyn Storage, number: u64) -> io::Result<Option<LogHeader>> {
    let mut octets = Vec::with_capacity(LogHeader::SIZE);
    storage.read(&name(number), 0)?.take(LogHeader::SIZE as u64).read_to_end(&mut octets)?;
    Ok(LogHeader::read(&octets).filter(|header| header.number == number))
}

fn read_file(storage: &dyn Storage, number: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    storage.read(&name(number), 0)?.read_to_end(&mut octets)?;
    Ok(octets)
}
