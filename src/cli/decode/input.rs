//! What was given to decode: hex, a capture, or bare octets.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read};
use std::path::Path;

use super::capture::Format;
use crate::cli::outcome::Failure;

/// Whoever pipes in more than this without a capture format has piped in the wrong thing.
const MAX_OCTETS: u64 = 16 << 20;

pub(super) enum Input {
    Capture(Format, Box<dyn Read>),
    /// One packet after the other.
    Octets(Vec<u8>),
}

/// Finds out what the arguments are: nothing or `-` is standard input, a name that exists is a file, anything else must be hex.
pub(super) fn of(arguments: &[String]) -> Result<Input, Failure> {
    match arguments {
        [] if io::stdin().is_terminal() => Err(Failure::invalid("nothing to decode; give hex, a capture file, or - for standard input")),
        [] => from(Box::new(io::stdin()), "standard input"),
        [dash] if dash == "-" => from(Box::new(io::stdin()), "standard input"),
        [name] if Path::new(name).exists() => {
            let file =
                File::open(name).map_err(|error| Failure::failed(format!("{name}: cannot be opened: {error}; check its permissions")))?;
            from(Box::new(file), name)
        }
        words => match hex(&words.join(" ")) {
            Some(octets) => Ok(Input::Octets(octets)),
            None => Err(Failure::failed(format!("{}: neither a file nor hex octets; give one of both, or -", words.join(" ")))),
        },
    }
}

/// Tells the content by its beginning.
fn from(mut reader: Box<dyn Read>, name: &str) -> Result<Input, Failure> {
    let unreadable = |error| Failure::failed(format!("{name}: cannot be read: {error}; is it a file?"));
    let mut beginning = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut beginning).map_err(unreadable)?;
    let format = Format::of(&beginning);
    let mut whole = Cursor::new(beginning).chain(reader);
    if let Some(format) = format {
        return Ok(Input::Capture(format, Box::new(whole)));
    }
    let mut octets = Vec::new();
    whole.by_ref().take(MAX_OCTETS).read_to_end(&mut octets).map_err(unreadable)?;
    let text = std::str::from_utf8(&octets).ok().and_then(hex);
    Ok(Input::Octets(text.unwrap_or(octets)))
}

/// Hex as people have it: with spaces, colons, line breaks or `0x`.
fn hex(text: &str) -> Option<Vec<u8>> {
    let words = text.split(|c: char| c.is_whitespace() || c == ':').map(|word| word.trim_start_matches("0x"));
    let digits: Vec<u8> = words.flat_map(str::bytes).map(|digit| (digit as char).to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    (rest.is_empty() && !pairs.is_empty()).then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
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
