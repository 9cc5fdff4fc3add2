//! The lines of a CSV file, each with its number, whatever stands in quotes.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use super::super::problem::ProblemCollector;

/// What is behind a file, so that its last line has an end.
type Ending = &'static [u8];

/// Reads a file line by line.
pub(super) struct CsvLines<R> {
    reader: Reader<Watched<io::Chain<R, Ending>>>,
    has_ended: Rc<Cell<bool>>,
}

impl<R: Read> CsvLines<R> {
    pub(super) fn new(file: R) -> Self {
        // With LF alone as the terminator, and more at the end, the line number after a record is
        // always that of the next line; a CR before it is blank space to us. Only a quote that was
        // never closed gets to the end of all.
        let has_ended = Rc::new(Cell::new(false));
        let reader = file.chain(&b"\n\n"[..]);
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(1 << 18)
            .from_reader(Watched { reader, has_ended: Rc::clone(&has_ended) });
        Self { reader, has_ended }
    }

    /// Reads the next record that is not blank, and returns its line. One that goes beyond the end
    /// of its line is a problem, and passed over.
    pub(super) fn next(
        &mut self,
        record: &mut ByteRecord,
        report: &mut ProblemCollector,
    ) -> io::Result<Option<u32>> {
        while self.reader.read_byte_record(record).map_err(io::Error::from)? {
            let last = self.reader.position().line();
            let last = last.saturating_sub(u64::from(!self.has_ended.get()));
            if let Some(line) = line_of(record, last, report) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}

/// The line of a record that ends in line `last`. `None` if there is nothing on it, or nothing that
/// could be read.
fn line_of(record: &ByteRecord, last: u64, report: &mut ProblemCollector) -> Option<u32> {
    let breaks = record.as_slice().split(|octet| *octet == b'\n').skip(1).count() as u64;
    let line = u32::try_from(last.saturating_sub(breaks)).unwrap_or(u32::MAX);
    if breaks > 0 {
        let what = "a quoted field goes beyond the end of its line";
        report.problem(line, what, "close the quotes, or double those inside the field");
        return None;
    }
    let is_blank = record.len() == 1 && record.as_slice().trim_ascii().is_empty();
    (!is_blank).then_some(line)
}

/// A reader of which one can tell whether all has been read.
struct Watched<R> {
    reader: R,
    has_ended: Rc<Cell<bool>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.has_ended.set(count == 0);
        Ok(count)
    }
}
