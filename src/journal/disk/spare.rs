//! The next segment, made ready beforehand: a file full of zeros. A commit that writes over them
//! waits for its own octets only; one that makes a file longer waits for the file system's books,
//! too, and for all that others have entered there.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::storage::{AppendFile, PIECE, Storage, write_all};

/// What it is called until a segment is begun in it. If a start finds one, nobody knows how far it
/// was filled, and it is removed.
pub(in crate::journal) const NAME: &str = "spare.tmp";

/// The log asks for it and takes it, somebody else fills it. The log can always do without.
pub(in crate::journal) struct Spare {
    storage: Arc<dyn Storage>,
    size: u64,
    /// Octets a second.
    rate: u64,
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Absent,
    Wanted,
    Filling,
    Ready,
    /// Nobody fills it any more.
    Ended,
}

impl Spare {
    /// One of `size` octets, to be filled at so many octets a second.
    pub(in crate::journal) fn new(storage: Arc<dyn Storage>, size: u64, rate: u64) -> Self {
        Self {
            storage,
            size,
            rate: rate.max(1),
            stage: Mutex::new(Stage::Absent),
            changed: Condvar::new(),
        }
    }

    /// Asks for one, if there is none.
    pub(in crate::journal) fn want(&self) {
        if self.pass(Stage::Absent, Stage::Wanted) {
            self.changed.notify_one();
        }
    }

    /// The file under its new name, if there is one ready and nothing is wrong with it.
    pub(in crate::journal) fn take(&self, name: &str) -> Option<Box<dyn AppendFile>> {
        if !self.pass(Stage::Ready, Stage::Absent) {
            return None;
        }
        let taken = self
            .storage
            .overwrite(NAME)
            .and_then(|file| self.storage.rename(NAME, name).map(|()| file));
        taken.inspect_err(|_| _ = self.storage.remove(NAME)).ok()
    }

    /// Fills one whenever it is asked for, until the end. For a thread that may sleep.
    pub(in crate::journal) fn serve(&self) {
        while self.wait_until_wanted() {
            self.fill_if_wanted();
        }
    }

    /// Fills one if it was asked for. If the disk does not take it, the log will ask again in its
    /// next segment.
    pub(in crate::journal) fn fill_if_wanted(&self) {
        if self.pass(Stage::Wanted, Stage::Filling) {
            let is_filled = matches!(self.fill(), Ok(true));
            if !(is_filled && self.pass(Stage::Filling, Stage::Ready)) {
                let _ = self.storage.remove(NAME);
                self.pass(Stage::Filling, Stage::Absent);
            }
        }
    }

    /// Ends the service, even in the middle of a file.
    pub(in crate::journal) fn end(&self) {
        let before = std::mem::replace(&mut *self.stage.lock(), Stage::Ended);
        self.changed.notify_one();
        if before == Stage::Ready {
            let _ = self.storage.remove(NAME);
        }
    }

    /// `false`: the end came before it was full.
    fn fill(&self) -> io::Result<bool> {
        let mut file = self.storage.create(NAME)?;
        let zeros = vec![0; PIECE];
        let mut missing = self.size;
        while missing > 0 {
            if *self.stage.lock() == Stage::Ended {
                return Ok(false);
            }
            let piece = missing.min(PIECE as u64);
            write_all(&mut *file, &mut [IoSlice::new(&zeros[..piece as usize])])?;
            file.sync()?;
            missing -= piece;
            thread::sleep(Duration::from_nanos(piece.saturating_mul(1_000_000_000) / self.rate));
        }
        Ok(true)
    }

    /// `false`: it is the end.
    fn wait_until_wanted(&self) -> bool {
        let mut stage = self.stage.lock();
        while !matches!(*stage, Stage::Wanted | Stage::Ended) {
            self.changed.wait(&mut stage);
        }
        *stage == Stage::Wanted
    }

    fn pass(&self, from: Stage, to: Stage) -> bool {
        let mut stage = self.stage.lock();
        let passes = *stage == from;
        if passes {
            *stage = to;
        }
        passes
    }
}
