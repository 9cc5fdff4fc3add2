//! A queue of released addresses, linked through the table, so that any of them can leave it at
//! once.

use super::table::{AddressTable, Links};

/// First in, first out; and out of the middle.
#[derive(Debug, Default)]
pub(super) struct ReleaseQueue {
    ends: Option<Ends>,
    len: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

impl ReleaseQueue {
    pub(super) fn first(&self) -> Option<u32> {
        self.ends.map(|ends| ends.first)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn push(&mut self, table: &mut AddressTable, offset: u32) {
        let before = self.ends.map_or(offset, |ends| ends.last);
        *table.links_mut(offset) = Links { before, after: offset };
        match &mut self.ends {
            Some(ends) => {
                table.links_mut(ends.last).after = offset;
                ends.last = offset;
            }
            None => self.ends = Some(Ends { first: offset, last: offset }),
        }
        self.len += 1;
    }

    /// Takes out an address that stands in this queue.
    pub(super) fn unlink(&mut self, table: &mut AddressTable, offset: u32) {
        let Links { before, after } = table.links(offset);
        let Some(ends) = &mut self.ends else { return };
        match (before == offset, after == offset) {
            (true, true) => self.ends = None,
            (true, false) => {
                ends.first = after;
                table.links_mut(after).before = after;
            }
            (false, true) => {
                ends.last = before;
                table.links_mut(before).after = before;
            }
            (false, false) => {
                table.links_mut(before).after = after;
                table.links_mut(after).before = before;
            }
        }
        self.len -= 1;
    }
}
