//! From the lines of a scenario to the octets of a request, well-formed or broken on purpose.

use std::collections::HashMap;

use attachd::time::Timestamp;
use attachd::wire::dictionary::{Assignment, Dictionary};
use attachd::wire::number::{AttributeKey, MESSAGE_AUTHENTICATOR};
use attachd::wire::{Code, Encoder, LONGEST, Secret};

use super::script::Line;

/// What `$name` stands for.
#[derive(Default)]
pub struct Names(pub HashMap<String, String>);

/// All of a request but its attributes.
pub struct Head<'s> {
    pub code: Code,
    pub identifier: u8,
    pub authenticator: [u8; 16],
    pub secret: &'s Secret,
    /// A Message-Authenticator is put first, unless the lines place it themselves.
    pub sealed: bool,
}

/// The lines below a request, understood.
#[derive(Default)]
pub struct Draft {
    attributes: Vec<Assignment>,
    /// Fill up to so many octets with attributes that nobody knows.
    fill: Option<usize>,
    /// What is done to the octets after they were signed.
    harm: Vec<Harm>,
}

enum Harm {
    Flip(usize),
    Write(usize, Vec<u8>),
    Append(Vec<u8>),
    Cut(usize),
}

const SEAL: AttributeKey = AttributeKey { parent: 0, vendor: 0, number: MESSAGE_AUTHENTICATOR };

impl Names {
    /// Puts in what the names stand for.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            let end = after
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))
                .unwrap_or(after.len());
            let (name, behind) = after.split_at(end);
            filled += before;
            filled += self.0.get(name).ok_or_else(|| format!("nobody has said what ${name} is"))?;
            rest = behind;
        }
        Ok(filled + rest)
    }
}

impl Draft {
    pub fn read(
        lines: &[Line],
        names: &Names,
        dictionary: Dictionary,
        now: Timestamp,
    ) -> Result<Self, (usize, String)> {
        let mut draft = Self::default();
        for line in lines {
            draft.line(&line.text, names, dictionary, now).map_err(|what| (line.number, what))?;
        }
        Ok(draft)
    }

    fn line(
        &mut self,
        text: &str,
        names: &Names,
        dictionary: Dictionary,
        now: Timestamp,
    ) -> Result<(), String> {
        if text.contains('=') {
            self.attributes.push(assign(text, names, dictionary, now)?);
            return Ok(());
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["flip", at] => self.harm.push(Harm::Flip(number(at)?)),
            ["write", at, octets] => self.harm.push(Harm::Write(number(at)?, hex(octets)?)),
            ["length", length] => {
                self.harm.push(Harm::Write(2, number::<u16>(length)?.to_be_bytes().to_vec()));
            }
            ["authenticator", octets] => self.harm.push(Harm::Write(4, hex(octets)?)),
            ["append", octets] => self.harm.push(Harm::Append(hex(octets)?)),
            ["cut", count] => self.harm.push(Harm::Cut(number(count)?)),
            ["fill", length] => self.fill = Some(number(length)?),
            _ => return Err(format!("`{text}` is neither an attribute nor a known fault")),
        }
        Ok(())
    }

    pub fn encode(&self, head: &Head<'_>) -> Result<Vec<u8>, String> {
        let mut octets = self.signed(head, &[])?;
        if let Some(length) = self.fill {
            octets = self.signed(head, &filling(length.saturating_sub(octets.len())))?;
        }
        self.harm.iter().try_for_each(|harm| harm.apply(&mut octets))?;
        Ok(octets)
    }

    fn signed(&self, head: &Head<'_>, filling: &[usize]) -> Result<Vec<u8>, String> {
        let mut buffer = vec![0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, head.code, head.identifier);
        if head.sealed && self.attributes.iter().all(|attribute| attribute.key != SEAL) {
            encoder.message_authenticator();
        }
        for attribute in &self.attributes {
            encoder.assign(attribute, head.secret, &head.authenticator);
        }
        for length in filling {
            encoder.vendor(32473, 200, &vec![b'x'; *length]);
        }
        let length = encoder
            .finish_request(head.secret, head.authenticator)
            .map_err(|_| "does not fit into a packet".to_owned())?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// One attribute; `now-60s` is a time for those that want one.
pub fn assign(
    text: &str,
    names: &Names,
    dictionary: Dictionary,
    now: Timestamp,
) -> Result<Assignment, String> {
    let filled = names.fill(text)?;
    let (name, value) = filled.split_once('=').unwrap_or((&filled, ""));
    let timed = match value.trim().strip_prefix("now") {
        Some(shift) if name.trim() == "Event-Timestamp" => {
            format!("{name}={}", shifted(now, shift)?.secs())
        }
        _ => filled,
    };
    dictionary.assign(&timed).map_err(|fault| fault.to_string())
}

/// `+60s`, `-2h`, or nothing.
fn shifted(now: Timestamp, shift: &str) -> Result<Timestamp, String> {
    let shift = shift.replace(' ', "");
    let duration =
        |text: &str| humantime::parse_duration(text).map_err(|error| format!("{shift}: {error}"));
    match shift.split_at_checked(1) {
        None => Ok(now),
        Some(("+", later)) => Ok(now + duration(later)?),
        Some(("-", earlier)) => Ok(now - duration(earlier)?),
        Some(_) => Err(format!("now{shift}: wants + or - and a duration")),
    }
}

/// The lengths of vendor-specific values that take up so many octets, eight of each for the
/// headers.
fn filling(mut octets: usize) -> Vec<usize> {
    const HEADERS: usize = 8;
    let mut lengths = Vec::new();
    while octets > HEADERS {
        // The last one must not be left with less than its headers.
        let whole = if octets > 255 && octets < 255 + HEADERS + 1 { 200 } else { octets.min(255) };
        lengths.push(whole - HEADERS);
        octets -= whole;
    }
    lengths
}

impl Harm {
    fn apply(&self, octets: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Flip(at) => *octets.get_mut(*at).ok_or("there is no such octet to flip")? ^= 1,
            Self::Write(at, written) => {
                octets
                    .get_mut(*at..at + written.len())
                    .ok_or("there are no such octets to write over")?
                    .copy_from_slice(written);
            }
            Self::Append(more) => octets.extend(more),
            Self::Cut(count) => octets.truncate(octets.len().saturating_sub(*count)),
        }
        Ok(())
    }
}

pub fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that fits here"))
}

/// Octets in hex; `0x`, and `*30` for thirty times the same.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let (digits, times) = text.split_once('*').unwrap_or((text, "1"));
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let octet =
        |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let octets: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(octet).collect();
    Ok(octets.ok_or(format!("`{text}` is no octets in hex"))?.repeat(number(times)?))
}

/// A code by its name, or `Code-99`.
pub fn code(name: &str) -> Result<Code, String> {
    let number = name.strip_prefix("Code-").and_then(|number| number.parse().ok()).map(Code);
    number
        .or_else(|| (0..=255).map(Code).find(|code| code.to_string() == name))
        .ok_or(format!("`{name}` is no code"))
}
