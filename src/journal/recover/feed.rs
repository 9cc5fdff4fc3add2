//! One thread reads and verifies, the appliers' threads take what it read: a recovery is as fast as
//! the slower of the two.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

use parking_lot::Mutex;

use super::report::{Apply, Unreadable};
use super::scan::Block;
use crate::journal::error::OpenError;

/// Blocks on their way: enough that neither side waits for the other's hiccups, little memory.
const DEPTH: usize = 8;

/// A record that an applier did not take.
#[derive(Debug)]
pub(in crate::journal) struct Unapplied {
    /// Which of the files.
    pub file: usize,
    pub offset: u64,
    pub what: &'static str,
}

/// What the appliers did not take.
#[derive(Debug, Default)]
struct UnappliedList {
    any: AtomicBool,
    list: Mutex<Vec<Unapplied>>,
}

/// The reader's end.
pub(in crate::journal) struct Feed<'a> {
    /// `None` without appliers: then the reading itself is all that is wanted.
    full: Option<SyncSender<(usize, Block)>>,
    empty: Receiver<Block>,
    problems: &'a UnappliedList,
}

impl Feed<'_> {
    /// Runs the appliers while `read` sends blocks, and returns what they did not take, in order.
    pub(in crate::journal) fn run<A: Apply>(
        appliers: &mut [A],
        read: impl FnOnce(&Feed<'_>) -> Result<(), OpenError>,
    ) -> Result<Vec<Unapplied>, OpenError> {
        let problems = UnappliedList::default();
        let (full, filled) = mpsc::sync_channel(DEPTH);
        let (empty_again, empty) = mpsc::channel();
        let feed =
            Feed { full: (!appliers.is_empty()).then_some(full), empty, problems: &problems };
        let filled = Mutex::new(filled);
        thread::scope(|scope| {
            for applier in appliers {
                let (filled, empty_again, problems) = (&filled, empty_again.clone(), &problems);
                scope.spawn(move || apply(applier, filled, &empty_again, problems));
            }
            let outcome = read(&feed);
            // The appliers end when they have taken what was sent.
            drop(feed);
            outcome
        })?;
        let mut problems = problems.list.into_inner();
        problems.sort_by_key(|problem| (problem.file, problem.offset));
        Ok(problems)
    }

    /// A block to be filled, with the memory of an earlier one if there is one.
    pub(in crate::journal) fn empty_block(&self) -> Block {
        self.empty.try_recv().unwrap_or_default()
    }

    pub(in crate::journal) fn send(&self, file: usize, block: Block) {
        if let Some(full) = &self.full {
            // Fails only if every applier's thread has ended, and then the scope ends with it.
            let _ = full.send((file, block));
        }
    }

    pub(in crate::journal) fn has_problems(&self) -> bool {
        self.problems.any.load(Ordering::Relaxed)
    }
}

fn apply<A: Apply>(
    applier: &mut A,
    filled: &Mutex<Receiver<(usize, Block)>>,
    empty_again: &Sender<Block>,
    problems: &UnappliedList,
) {
    loop {
        let received = filled.lock().recv();
        let Ok((file, block)) = received else { return };
        for (offset, entry) in block.entries() {
            if let Err(Unreadable(what)) = applier(entry) {
                problems.any.store(true, Ordering::Relaxed);
                problems.list.lock().push(Unapplied { file, offset, what });
            }
        }
        let _ = empty_again.send(block);
    }
}
