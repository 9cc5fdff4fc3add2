//! Goes through the packets of one input, in order: each is shown, or named where it cannot be.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use serde_json::json;

use super::capture::Frame;
use super::link::{self, Content, Fragment, Link, Udp};
use super::verify::{Path, SeenRequests, VerifyResult};
use crate::cli::outcome::{self, CommandError, Exit};
use crate::cli::output::{Output, OutputFormat, TextStyle};
use crate::cli::packet;
use crate::time::Timestamp;
use crate::wire::dictionary::Dictionary;
use crate::wire::{Code, Datagram, Secret};

/// Where RADIUS is expected: authentication, accounting, changes of authorisation, and the numbers
/// they had before.
const PORTS: [u16; 6] = [1812, 1813, 3799, 1645, 1646, 1700];

/// Octets of a RADIUS header (RFC 2865 3).
const HEADER: usize = 20;

/// Goes through the packets of one input, in order.
pub(super) struct Decoder<'a> {
    form: OutputFormat,
    dictionary: Dictionary,
    secret: Option<Secret>,
    requests: SeenRequests,
    shown: usize,
    forged: usize,
    passed_over: PassedOver,
    /// Whether anything was printed, so that an empty line parts it from what follows.
    is_begun: bool,
    output: &'a mut Output,
}

/// What was not shown, told in sum at the end.
#[derive(Default)]
struct PassedOver {
    links: BTreeMap<Link, usize>,
    fragments: usize,
    cut: usize,
    /// Octets behind packets that are none themselves.
    padding: usize,
}

/// When and between whom a packet was seen.
#[derive(Clone, Default, PartialEq, Eq)]
struct Seen {
    at: Option<Timestamp>,
    path: Path,
    vlans: Vec<u16>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        form: OutputFormat,
        dictionary: Dictionary,
        secret: Option<Secret>,
        output: &'a mut Output,
    ) -> Self {
        Self {
            form,
            dictionary,
            secret,
            requests: SeenRequests::default(),
            shown: 0,
            forged: 0,
            passed_over: PassedOver::default(),
            is_begun: false,
            output,
        }
    }

    /// Says what was passed over, and how it went as a whole.
    pub(super) fn finish(self) -> Result<Exit, CommandError> {
        self.passed_over.warn();
        match (self.shown, self.forged) {
            (0, _) => Err(CommandError::failed(
                "no RADIUS packet found; was the right interface and port captured?",
            )),
            (_, 0) => Ok(Exit::Done),
            (shown, forged) => {
                let message =
                    format!("{forged} of {shown} packets did not verify; is the secret right?");
                Err(CommandError::Told(Exit::Unmet, message))
            }
        }
    }

    /// Packets one after the other. What follows the last and is none is its padding (RFC 2865 3).
    pub(super) fn octets(&mut self, octets: &[u8]) -> Result<(), CommandError> {
        if octets.is_empty() {
            return Err(CommandError::failed(
                "nothing came in; give hex, a capture file, or - for standard input",
            ));
        }
        let mut rest = octets;
        while !rest.is_empty() {
            match Datagram::frame(rest) {
                Ok(datagram) => {
                    self.show(&Seen::default(), &datagram)?;
                    rest = &rest[datagram.octets().len()..];
                }
                Err(malformed) if rest.len() == octets.len() => {
                    return Err(CommandError::failed(format!(
                        "not a RADIUS packet: {malformed}; are all octets there?"
                    )));
                }
                Err(malformed) => {
                    let count = rest.len();
                    let what =
                        format!("{count} octets after the last packet are no packet ({malformed})");
                    outcome::warn(&format!("{what}; taken as padding"));
                    break;
                }
            }
        }
        Ok(())
    }

    /// One frame of a hex dump: a RADIUS packet by itself, or within IP and perhaps a link.
    pub(super) fn dumped(&mut self, frame: &[u8]) -> Result<(), CommandError> {
        if Datagram::frame(frame).is_ok_and(|datagram| datagram.code().name().is_some()) {
            return self.octets(frame);
        }
        let Some(content) = link::guess(frame) else {
            let what =
                format!("{} octets are neither RADIUS nor a frame with UDP in it", frame.len());
            return self.name(&Seen::default(), "Unknown", &what);
        };
        self.content(None, &content)
    }

    pub(super) fn frame(&mut self, frame: Frame<'_>) -> Result<(), CommandError> {
        match link::open(frame.link, frame.octets) {
            Content::UnknownLink => {
                *self.passed_over.links.entry(frame.link).or_default() += 1;
                Ok(())
            }
            content => self.content(frame.at, &content),
        }
    }

    fn content(
        &mut self,
        at: Option<Timestamp>,
        content: &Content<'_>,
    ) -> Result<(), CommandError> {
        match content {
            Content::Udp(udp) => self.udp(at, udp),
            Content::Fragment(Fragment { source, destination, offset, length }) => {
                self.passed_over.fragments += 1;
                let what = format!(
                    "{source} > {destination}, {length} octets of a UDP datagram from octet {offset} on"
                );
                self.name(&Seen { at, ..Seen::default() }, "IP fragment", &what)
            }
            Content::TooShort { source, destination } => {
                self.passed_over.cut += 1;
                let what = format!("{source} > {destination}, UDP, captured only up to its header");
                self.name(&Seen { at, ..Seen::default() }, "Cut", &what)
            }
            Content::Other | Content::UnknownLink => Ok(()),
        }
    }

    /// A datagram on a port of RADIUS is shown whatever it holds, any other if it can only be
    /// RADIUS. A capture of a loopback or of the sending machine shows several packets as one where
    /// the kernel was to part them (UDP GSO).
    fn udp(&mut self, at: Option<Timestamp>, udp: &Udp<'_>) -> Result<(), CommandError> {
        let seen = Seen { at, path: Some((udp.source, udp.destination)), vlans: udp.vlans.clone() };
        let missing = udp.length - udp.payload.len();
        let is_expected =
            [udp.source, udp.destination].iter().any(|address| PORTS.contains(&address.port()))
                || (missing > 0 && begins_like_radius(udp));
        let mut rest = udp.payload;
        let mut is_first = true;
        while is_first || !rest.is_empty() {
            match Datagram::frame(rest) {
                Ok(datagram) if datagram.code().name().is_some() || (is_first && is_expected) => {
                    self.show(&seen, &datagram)?;
                    rest = &rest[datagram.octets().len()..];
                }
                _ if is_first && !is_expected => return Ok(()),
                _ if missing > 0 => return self.cut(&seen, rest, missing),
                Err(malformed) if is_first => {
                    return self.name(&seen, "Malformed", &malformed.to_string());
                }
                _ => {
                    self.passed_over.padding += rest.len();
                    return Ok(());
                }
            }
            is_first = false;
        }
        if missing > 0 { self.cut(&seen, &[], missing) } else { Ok(()) }
    }

    /// A packet whose end was not captured: shown as far as it goes.
    fn cut(&mut self, seen: &Seen, captured: &[u8], missing: usize) -> Result<(), CommandError> {
        self.passed_over.cut += 1;
        let count = captured.len();
        let mut beginning = whole_attributes(captured).to_vec();
        if let [_, _, length_0, length_1, ..] = beginning.as_slice() {
            let length = usize::from(u16::from_be_bytes([*length_0, *length_1])).max(count);
            let own = (beginning.len() as u16).to_be_bytes();
            beginning[2..4].copy_from_slice(&own);
            if let Ok(datagram) = Datagram::frame(&beginning) {
                self.requests.remember(seen.path, &datagram);
                self.shown += 1;
                return self.write(seen, &datagram, &Note::Cut { captured: count, length });
            }
        }
        self.name(seen, "Cut", &format!("{count} of {} octets were captured", count + missing))
    }

    fn show(&mut self, seen: &Seen, datagram: &Datagram<'_>) -> Result<(), CommandError> {
        let proof =
            self.secret.as_ref().map(|secret| self.requests.verify(seen.path, datagram, secret));
        self.requests.remember(seen.path, datagram);
        self.shown += 1;
        self.forged += usize::from(proof.is_some_and(VerifyResult::has_failed));
        self.write(seen, datagram, &proof.map_or(Note::None, Note::Proof))
    }

    fn write(
        &mut self,
        seen: &Seen,
        datagram: &Datagram<'_>,
        note: &Note,
    ) -> Result<(), CommandError> {
        match self.form {
            OutputFormat::Text => self.write_text(seen, datagram, note),
            OutputFormat::Json => self.write_json(seen, datagram, note),
        }
    }

    fn write_text(
        &mut self,
        seen: &Seen,
        datagram: &Datagram<'_>,
        note: &Note,
    ) -> Result<(), CommandError> {
        self.begin(seen)?;
        let role = match datagram.code() {
            Code::ACCESS_REJECT => TextStyle::Bad,
            Code::ACCESS_ACCEPT => TextStyle::Good,
            _ => TextStyle::Heading,
        };
        packet::write(self.output, self.dictionary, datagram, self.secret.as_ref(), role)?;
        let (role, note) = match note {
            Note::None => return Ok(()),
            Note::Proof(proof) if proof.has_failed() => (TextStyle::Bad, proof.to_string()),
            Note::Proof(proof) => (TextStyle::Faint, proof.to_string()),
            Note::Cut { captured, length } => (
                TextStyle::Bad,
                format!("cut: {captured} of {length} octets were captured; not verified"),
            ),
        };
        let note = self.output.painted(role, &note);
        writeln!(self.output, "    ({note})")?;
        Ok(())
    }

    fn write_json(
        &mut self,
        seen: &Seen,
        datagram: &Datagram<'_>,
        note: &Note,
    ) -> Result<(), CommandError> {
        let mut object = packet::json(self.dictionary, datagram, self.secret.as_ref());
        seen.describe(&mut object);
        match note {
            Note::None => {}
            Note::Proof(proof) => {
                object["verified"] = json!(
                    !proof.has_failed()
                        && !matches!(proof, VerifyResult::Nothing | VerifyResult::NoRequest)
                );
                object["verification"] = json!(proof.to_string());
            }
            Note::Cut { captured, length } => {
                object["length"] = json!(length);
                object["captured"] = json!(captured);
            }
        }
        self.output.json(&object, false)?;
        Ok(())
    }

    /// Says what stands in the place of a packet that cannot be shown.
    fn name(&mut self, seen: &Seen, title: &str, what: &str) -> Result<(), CommandError> {
        match self.form {
            OutputFormat::Text => {
                self.begin(seen)?;
                let title = self.output.painted(TextStyle::Bad, title);
                writeln!(self.output, "{title}: {what}")?;
            }
            OutputFormat::Json => {
                let mut object = json!({ title.to_lowercase(): what });
                seen.describe(&mut object);
                self.output.json(&object, false)?;
            }
        }
        Ok(())
    }

    /// The lines above a packet.
    fn begin(&mut self, seen: &Seen) -> Result<(), CommandError> {
        if self.is_begun {
            writeln!(self.output)?;
        }
        self.is_begun = true;
        if *seen != Seen::default() {
            let trail = self.output.painted(TextStyle::Faint, &seen.to_string());
            writeln!(self.output, "{trail}")?;
        }
        Ok(())
    }
}

/// What is said below a packet.
enum Note {
    None,
    Proof(VerifyResult),
    Cut { captured: usize, length: usize },
}

/// Whether what is left of a cut datagram has the header of RADIUS, with its own length in it.
fn begins_like_radius(udp: &Udp<'_>) -> bool {
    match udp.payload {
        [code, _, length_0, length_1, ..] if udp.payload.len() >= HEADER => {
            let length = usize::from(u16::from_be_bytes([*length_0, *length_1]));
            Code(*code).name().is_some() && length == udp.length
        }
        _ => false,
    }
}

/// The header and the attributes that are whole; nothing, if not even the header is.
fn whole_attributes(packet: &[u8]) -> &[u8] {
    if packet.len() < HEADER {
        return &[];
    }
    let mut end = HEADER;
    while let Some(length) = packet.get(end + 1).map(|length| usize::from(*length)) {
        if length < 2 || end + length > packet.len() {
            break;
        }
        end += length;
    }
    &packet[..end]
}

impl PassedOver {
    fn warn(&self) {
        for (link, count) in &self.links {
            outcome::warn(&format!(
                "{count} frames of {link}, which is not known here; capture on another interface"
            ));
        }
        if self.fragments > 0 {
            let count = self.fragments;
            outcome::warn(&format!(
                "{count} IP fragments not put together; capture behind a point that does"
            ));
        }
        if self.cut > 0 {
            outcome::warn(&format!(
                "{} datagrams were cut by the capture; capture with tcpdump -s 0",
                self.cut
            ));
        }
        if self.padding > 0 {
            outcome::warn(&format!(
                "{} octets after packets are no packets; taken as padding",
                self.padding
            ));
        }
    }
}

impl Seen {
    fn describe(&self, object: &mut serde_json::Value) {
        if let Some(at) = self.at {
            object["at"] = json!(at);
        }
        if let Some((source, destination)) = self.path {
            object["source"] = json!(source);
            object["destination"] = json!(destination);
        }
        if !self.vlans.is_empty() {
            object["vlans"] = json!(self.vlans);
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}  ")?;
        }
        if let Some((source, destination)) = self.path {
            write!(f, "{source} > {destination}")?;
        }
        self.vlans.iter().try_for_each(|vlan| write!(f, "  VLAN {vlan}"))
    }
}
