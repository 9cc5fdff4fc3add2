//! The records of one worker's round, framed where they are made and written from where they lie.

use crate::journal::format::frame;
use crate::journal::format::frame::{FramedRecord, RecordKind, TooLarge};

/// A growing run of framed records. Its memory comes back from the committer and is used again.
#[derive(Debug, Default)]
pub struct Batch {
    buffer: Vec<u8>,
    records: u32,
}

impl Batch {
    /// Adds one record; `payload` appends its octets to the buffer it is given, and must leave
    /// alone what is in it.
    ///
    /// # Errors
    /// If the payload has 16 MiB or more; the batch is then as it was.
    pub fn put(
        &mut self,
        kind: RecordKind,
        key: u64,
        version: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TooLarge> {
        frame::append(&mut self.buffer, kind, key, version, payload)?;
        self.records += 1;
        Ok(())
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many records.
    #[must_use]
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// The records, framed.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.buffer
    }

    /// The records, in order.
    pub fn entries(&self) -> impl Iterator<Item = FramedRecord<'_>> {
        frame::verified(&self.buffer).map(|(_, entry)| entry)
    }

    /// Empties it; the memory stays.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.records = 0;
    }

    pub(in crate::journal) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in_order() {
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        batch.put(RecordKind(1), 10, 1, |buffer| buffer.extend_from_slice(b"a")).unwrap();
        batch.put(RecordKind(2), 20, 7, |_| {}).unwrap();
        assert_eq!(batch.records(), 2);
        let entries: Vec<_> = batch.entries().collect();
        assert_eq!(
            entries[0],
            FramedRecord { kind: RecordKind(1), key: 10, version: 1, payload: b"a" }
        );
        assert_eq!(
            entries[1],
            FramedRecord { kind: RecordKind(2), key: 20, version: 7, payload: b"" }
        );
        batch.clear();
        assert!(batch.is_empty() && batch.octets().is_empty());
    }
}
