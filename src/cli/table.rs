//! Columns of text that line up.

use std::io::Write;

use super::outcome::CommandError;
use super::output::{Output, TextStyle};
use crate::printable;

/// A table under construction. The last column is not padded.
pub(super) struct TextTable<const COLUMNS: usize> {
    heads: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> TextTable<COLUMNS> {
    pub(super) fn new(heads: [&'static str; COLUMNS]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| printable::text(&cell).to_string()));
    }

    /// Prints the table with an empty line behind it; nothing, if there are no rows.
    pub(super) fn write(&self, output: &mut Output) -> Result<(), CommandError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut widths = self.heads.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let heads = line(&self.heads.map(str::to_owned), &widths);
        writeln!(output, "{}", output.painted(TextStyle::Heading, &heads))?;
        for row in &self.rows {
            writeln!(output, "{}", line(row, &widths))?;
        }
        writeln!(output)?;
        Ok(())
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
