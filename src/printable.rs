//! Text that others wrote, fit for a terminal, a log line or a page: nothing in it moves a cursor,
//! ends a line or turns its direction.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Whether a character shows itself and does nothing else. Controls (C0, DEL, C1), format
/// characters (direction, zero width, tags), line and paragraph separators, and what Unicode has
/// not assigned do not.
#[must_use]
pub fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // The standard library has the table behind this. A combining character shows itself only
    // behind another one.
    let mut room = [b'x'; 5];
    let length = c.encode_utf8(&mut room[1..]).len();
    str::from_utf8(&room[..=length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

/// Text that shows itself with escapes in place of what is not printable: `\n`, `\u{1b}`, and
/// `\x9b` for what is no UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a> {
    octets: &'a [u8],
    has_lines: bool,
}

/// Text on one line.
#[must_use]
pub const fn text(text: &str) -> Printable<'_> {
    octets(text.as_bytes())
}

/// Octets on one line.
#[must_use]
pub const fn octets(octets: &[u8]) -> Printable<'_> {
    Printable { octets, has_lines: false }
}

/// Text of several lines, whose ends stay.
#[must_use]
pub const fn lines(text: &str) -> Printable<'_> {
    Printable { octets: text.as_bytes(), has_lines: true }
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.octets.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_printable(c) || (self.has_lines && c == '\n') {
                    f.write_char(c)?;
                } else {
                    write!(f, "{}", c.escape_debug())?;
                }
            }
            chunk.invalid().iter().try_for_each(|octet| write!(f, "\\x{octet:02x}"))?;
        }
        Ok(())
    }
}

/// JSON whose strings mean the same and are printable: what JSON lets stand as it is, DEL and
/// beyond ASCII, becomes `\u009b`.
#[must_use]
pub fn json(json: &str) -> Cow<'_, str> {
    let may_stand = |c: char| c == '\n' || is_printable(c);
    if json.chars().all(may_stand) {
        return json.into();
    }
    let mut shown = String::with_capacity(json.len() + 32);
    for c in json.chars() {
        if may_stand(c) {
            shown.push(c);
        } else {
            // Writing to a String cannot fail.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(shown, "\\u{unit:04x}"));
        }
    }
    shown.into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a peer may send to do more than be read: ESC, CR, LF, BEL, DEL, NUL, C1 (CSI and NEL),
    /// directions, zero width, separators, a tag.
    pub(crate) const HOSTILE: &str = "a\u{1b}[2J\r\n\u{7}\u{7f}\0\u{9b}31m\u{85}\u{202e}\u{2066}\u{200f}\u{200b}\u{feff}\u{2028}\u{e0041}z";

    #[test]
    fn what_is_printable_stands_as_it_is() {
        for plain in [
            "C0A8010A0000F00D",
            "a b",
            "\"quoted\" 'and' \\",
            "Grüße",
            "ไทย",
            "e\u{301}",
            "日本",
            "🛰",
        ] {
            assert_eq!(text(plain).to_string(), plain);
            assert_eq!(octets(plain.as_bytes()).to_string(), plain);
            assert_eq!(json(plain), plain);
        }
    }

    #[test]
    fn what_is_not_becomes_an_escape() {
        for shown in [
            text(HOSTILE).to_string(),
            octets(HOSTILE.as_bytes()).to_string(),
            lines(HOSTILE).to_string().replace('\n', ""),
        ] {
            assert!(shown.chars().all(is_printable), "{shown:?}");
            assert!(shown.starts_with("a\\u{1b}[2J\\r") && shown.ends_with('z'), "{shown}");
        }
        assert_eq!(lines("a\n\u{1b}b").to_string(), "a\n\\u{1b}b");
        assert_eq!(octets(b"a\x9b\xffz").to_string(), "a\\x9b\\xffz");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let written = serde_json::to_string(HOSTILE).unwrap();
        let shown = json(&written);
        assert!(shown.chars().all(is_printable), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), HOSTILE);
    }
}
