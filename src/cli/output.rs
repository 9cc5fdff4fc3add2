//! Standard output: buffered, coloured only where a person looks, and allowed to be closed.

use std::io::{self, BufWriter, IsTerminal, LineWriter, Write};

use clap::builder::styling::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::colour;
use super::outcome::CommandError;
use crate::printable;

/// In which form results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The options by which a verb lets its form be chosen.
#[derive(Args)]
pub(super) struct OutputArgs {
    /// How to print results.
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    output: OutputFormat,
    /// Short for --output json.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl OutputArgs {
    pub(super) fn form(&self) -> OutputFormat {
        if self.json { OutputFormat::Json } else { self.output }
    }
}

/// What a piece of text is, and so how it is coloured.
#[derive(Clone, Copy)]
pub(super) enum TextStyle {
    Heading,
    Good,
    Bad,
    Faint,
}

pub(super) struct Output {
    writer: Box<dyn Write>,
    coloured: bool,
}

impl Output {
    /// To a person line by line, to a program in large pieces.
    pub(super) fn stdout() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let writer: Box<dyn Write> = if is_terminal {
            Box::new(LineWriter::new(stdout.lock()))
        } else {
            Box::new(BufWriter::new(stdout.lock()))
        };
        Self { writer, coloured: is_terminal && colour::is_wanted() }
    }

    pub(super) fn painted(&self, role: TextStyle, text: &str) -> String {
        let style = match role {
            _ if !self.coloured => Style::new(),
            TextStyle::Heading => Style::new().bold(),
            TextStyle::Good => AnsiColor::Green.on_default(),
            TextStyle::Bad => AnsiColor::Red.on_default().bold(),
            TextStyle::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    /// One JSON value on a line of its own, or on several indented ones. What a peer has put into
    /// its strings stays a string, on a terminal too.
    pub(super) fn json(&mut self, value: &Value, indented: bool) -> io::Result<()> {
        let text = if indented { format!("{value:#}") } else { value.to_string() };
        writeln!(self, "{}", printable::json(&text))
    }

    pub(super) fn finish(&mut self) -> Result<(), CommandError> {
        Ok(self.writer.flush()?)
    }
}

impl Write for Output {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.writer.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
