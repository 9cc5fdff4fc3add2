//! One file of a message log: a header, then messages and positions, each framed as the journal
//! frames its records.

use crate::journal::format::frame::{self, Parsed};
use crate::journal::{FramedRecord, JournalPosition, RecordKind, TooLarge};
use crate::time::Timestamp;

/// Names the file, its first sequence and when it was begun.
const HEADER: RecordKind = RecordKind(1);
const MESSAGE: RecordKind = RecordKind(2);
/// All that the journal holds up to a position has been read.
const POSITION: RecordKind = RecordKind(3);
/// Messages are missing here.
const GAP: RecordKind = RecordKind(4);

const MAGIC: [u8; 10] = *b"attachd\nm\x01";

/// A message that was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    pub sequence: u64,
    pub at: Timestamp,
    pub key: u64,
    pub octets: &'a [u8],
}

/// What stands in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogItem<'a> {
    Message(StoredMessage<'a>),
    /// Nobody knows how many messages are missing between the numbers before and behind this one.
    Missing {
        sequence: u64,
        at: Timestamp,
    },
}

impl LogItem<'_> {
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        match self {
            Self::Message(message) => message.sequence,
            Self::Missing { sequence, .. } => *sequence,
        }
    }
}

/// The beginning of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogHeader {
    pub number: u64,
    /// Of the first message in it.
    pub first: u64,
    pub begun: Timestamp,
}

impl LogHeader {
    /// Octets of a header and the position behind it.
    pub(super) const SIZE: usize = frame::HEAD + MAGIC.len() + 8;

    pub(super) fn append(self, buffer: &mut Vec<u8>) {
        // So little is never too large.
        let _ = frame::append(buffer, HEADER, self.number, self.first, |buffer| {
            buffer.extend_from_slice(&MAGIC);
            buffer.extend_from_slice(&self.begun.micros().to_le_bytes());
        });
    }

    /// The header that `octets` begin with.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let Parsed::Whole(FramedRecord { kind: HEADER, key, version, payload }, _) =
            frame::read(octets)
        else {
            return None;
        };
        let begun = payload.strip_prefix(&MAGIC)?.try_into().ok().map(u64::from_le_bytes)?;
        Some(Self { number: key, first: version, begun: Timestamp::from_micros(begun) })
    }
}

pub(super) fn append_message(
    buffer: &mut Vec<u8>,
    message: &StoredMessage<'_>,
) -> Result<(), TooLarge> {
    frame::append(buffer, MESSAGE, message.key, message.sequence, |buffer| {
        buffer.extend_from_slice(&message.at.micros().to_le_bytes());
        buffer.extend_from_slice(message.octets);
    })
}

pub(super) fn append_gap(buffer: &mut Vec<u8>, sequence: u64, at: Timestamp) {
    // So little is never too large.
    let _ = frame::append(buffer, GAP, 0, sequence, |buffer| {
        buffer.extend_from_slice(&at.micros().to_le_bytes());
    });
}

pub(super) fn append_position(buffer: &mut Vec<u8>, position: JournalPosition) {
    // So little is never too large.
    let _ = frame::append(buffer, POSITION, position.segment, position.offset, |_| {});
}

/// The messages at the front of `octets`, each with the offset behind it; and how many octets are
/// whole.
pub(super) fn items(octets: &[u8]) -> impl Iterator<Item = (usize, LogItem<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let Parsed::Whole(record, size) = frame::read(&octets[at..]) else { return None };
            at += size;
            if let Some(item) = item(&record) {
                return Some((at, item));
            }
        }
    })
}

/// How much of `octets` is whole records, at the front.
pub(super) fn whole(octets: &[u8]) -> usize {
    let mut at = 0;
    while let Parsed::Whole(_, size) = frame::read(&octets[at..]) {
        at += size;
    }
    at
}

/// What a file comes to up to its last position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Octets that count.
    pub size: usize,
    pub position: Option<JournalPosition>,
    /// The sequence of the last message.
    pub last: Option<u64>,
}

impl Extent {
    /// Reads a file as far as it is whole.
    pub(super) fn of(octets: &[u8]) -> Self {
        let mut extent = Self::default();
        let (mut at, mut last) = (0, None);
        while let Parsed::Whole(record, size) = frame::read(&octets[at..]) {
            at += size;
            if record.kind == HEADER {
                extent.size = at;
            }
            if record.kind == POSITION {
                let position = JournalPosition { segment: record.key, offset: record.version };
                extent = Self { size: at, position: Some(position), last };
            }
            last = item(&record).map(|item| item.sequence()).or(last);
        }
        extent
    }
}

fn item<'a>(record: &FramedRecord<'a>) -> Option<LogItem<'a>> {
    if !matches!(record.kind, MESSAGE | GAP) {
        return None;
    }
    let (at, octets) = record.payload.split_first_chunk::<8>()?;
    let at = Timestamp::from_micros(u64::from_le_bytes(*at));
    let sequence = record.version;
    Some(if record.kind == GAP {
        LogItem::Missing { sequence, at }
    } else {
        LogItem::Message(StoredMessage { sequence, at, key: record.key, octets })
    })
}
