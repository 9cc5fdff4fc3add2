//! What was given to decode: hex, a hex dump, a capture, or bare octets; packed by gzip or not.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::capture::CaptureFormat;
use super::dump;
use crate::cli::outcome::CommandError;

/// Whoever pipes in more than this without a capture format has piped in the wrong thing.
const MAX_OCTETS: u64 = 16 << 20;

/// How a file begins that gzip has packed (RFC 1952 2.3.1).
const GZIP: [u8; 2] = [0x1F, 0x8B];

pub(super) enum Input {
    Capture(CaptureFormat, Box<dyn Read>),
    /// Frames or packets, nobody has said which.
    Dump(Vec<Vec<u8>>),
    /// One packet after the other.
    Octets(Vec<u8>),
}

/// Finds out what the arguments are: nothing or `-` is standard input, a name that exists is a
/// file, anything else must be hex.
pub(super) fn of(arguments: &[String]) -> Result<Input, CommandError> {
    match arguments {
        [] if io::stdin().is_terminal() => Err(CommandError::invalid(
            "nothing to decode; give hex, a capture file, or - for standard input",
        )),
        [] => from(Box::new(io::stdin()), "standard input"),
        [dash] if dash == "-" => from(Box::new(io::stdin()), "standard input"),
        [name] if Path::new(name).exists() => {
            let unopened =
                |error| format!("{name}: cannot be opened: {error}; check its permissions");
            let file = File::open(name).map_err(|error| CommandError::failed(unopened(error)))?;
            from(Box::new(file), name)
        }
        words => {
            let words = words.join(" ");
            let neither = || {
                CommandError::failed(format!(
                    "{words}: neither a file nor hex octets; give one of both, or -"
                ))
            };
            hex(&words).map(Input::Octets).ok_or_else(neither)
        }
    }
}

/// Tells the content by its beginning.
fn from(reader: Box<dyn Read>, name: &str) -> Result<Input, CommandError> {
    let unreadable =
        |error| CommandError::failed(format!("{name}: cannot be read: {error}; is it a file?"));
    let (mut beginning, mut whole) = peek(reader).map_err(unreadable)?;
    if beginning.starts_with(&GZIP) {
        let unpacked: Box<dyn Read> = Box::new(MultiGzDecoder::new(io::BufReader::new(whole)));
        let damaged = |error| {
            CommandError::failed(format!("{name}: cannot be unpacked: {error}; pack it anew"))
        };
        (beginning, whole) = peek(unpacked).map_err(damaged)?;
    }
    if let Some(format) = CaptureFormat::of(&beginning) {
        return Ok(Input::Capture(format, Box::new(io::BufReader::new(whole))));
    }
    let mut octets = Vec::new();
    whole.take(MAX_OCTETS + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > MAX_OCTETS {
        let mib = MAX_OCTETS >> 20;
        return Err(CommandError::failed(format!(
            "{name}: more than {mib} MiB and no capture; give pcap or pcapng"
        )));
    }
    Ok(of_octets(octets))
}

/// The first four octets, and everything with them.
fn peek(mut reader: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut beginning = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut beginning)?;
    let whole = Cursor::new(beginning.clone()).chain(reader);
    Ok((beginning, Box::new(whole)))
}

/// Text in hex, or what is there.
fn of_octets(octets: Vec<u8>) -> Input {
    let Ok(text) = std::str::from_utf8(&octets) else { return Input::Octets(octets) };
    let frames = dump::frames(text);
    match frames.first() {
        None => Input::Octets(hex(text).unwrap_or(octets)),
        // Somebody has dumped a whole capture.
        Some(file) => match CaptureFormat::of(file) {
            Some(format) => Input::Capture(format, Box::new(Cursor::new(file.clone()))),
            None => Input::Dump(frames),
        },
    }
}

/// Hex as people have it: with spaces, colons, line breaks or `0x`.
fn hex(text: &str) -> Option<Vec<u8>> {
    let words = text
        .split(|c: char| c.is_whitespace() || c == ':')
        .map(|word| word.trim_start_matches("0x"));
    let digits =
        words.flat_map(str::bytes).map(|digit| (digit as char).to_digit(16).map(|d| d as u8));
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    (rest.is_empty() && !pairs.is_empty())
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_taken_as_people_have_it() {
        for text in ["0c2a0014", "0C 2A 00 14", "0c:2a:00:14", "0x0c2a0014", "0c2a\n0014\n"] {
            assert_eq!(hex(text), Some(vec![0x0c, 0x2a, 0x00, 0x14]), "{text:?}");
        }
        for text in ["", " ", "0c2", "0c2g", "Access-Request", "0c2a-0014"] {
            assert_eq!(hex(text), None, "{text:?}");
        }
    }
}
