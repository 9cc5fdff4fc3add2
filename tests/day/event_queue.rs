//! The one queue of everything that is going to happen, in the order of virtual time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use attachd::time::Timestamp;

/// What happens when; of what happens at the same time, that first which was planned first.
pub struct EventQueue<E> {
    planned: BinaryHeap<Reverse<Planned<E>>>,
    serial: u64,
}

struct Planned<E> {
    due: Timestamp,
    serial: u64,
    event: E,
}

impl<E> EventQueue<E> {
    pub fn new() -> Self {
        Self { planned: BinaryHeap::new(), serial: 0 }
    }

    pub fn plan(&mut self, due: Timestamp, event: E) {
        self.serial += 1;
        self.planned.push(Reverse(Planned { due, serial: self.serial, event }));
    }

    /// When the next event is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.planned.peek().map(|Reverse(next)| next.due)
    }

    /// The next event, if it is due.
    pub fn take(&mut self, now: Timestamp) -> Option<E> {
        self.next().filter(|due| *due <= now)?;
        self.planned.pop().map(|Reverse(next)| next.event)
    }
}

impl<E> Planned<E> {
    fn rank(&self) -> (Timestamp, u64) {
        (self.due, self.serial)
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
