//! `attachd decode`: packets from hex, a capture or standard input, in readable form, and verified if the secret is known.

mod capture;
mod input;
mod verify;

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;

use clap::Args;
use serde_json::json;

use super::outcome::{self, Exit, Failure};
use super::output::{Form, Output, Role};
use super::packet;
use crate::time::Timestamp;
use crate::wire::dictionary::Dictionary;
use crate::wire::{Code, Datagram, Malformed, Secret};
use capture::Captured;
use input::Input;
use verify::{Path, Proof, Requests};

/// Print RADIUS packets readably, and verify them.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Decode {
    /// Hex octets, a file (pcap, pcapng, hex or raw octets), or - for standard input.
    #[arg(value_name = "HEX|FILE|-")]
    input: Vec<String>,
    /// Verify authenticators and reveal passwords with this shared secret.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    #[command(flatten)]
    shown: packet::Shown,
}

const EXAMPLES: &str = "\
Examples:
  attachd decode 0c2a0014000102030405060708090a0b0c0d0e0f
  attachd decode gateway.pcap --secret testing123
  tcpdump -w - udp port 1812 or port 1813 | attachd decode -
  attachd decode gateway.pcapng --json | jq 'select(.code.name == \"Access-Reject\")'

JSON is one object a line for each packet. Fragments of IP are not put together.
Exit codes: 0 done, 1 nothing could be decoded, 3 something did not verify under --secret.";

/// Where RADIUS is expected: authentication, accounting, changes of authorisation, and the numbers they had before.
const PORTS: [u16; 6] = [1812, 1813, 3799, 1645, 1646, 1700];

impl Decode {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, Failure> {
        let input = input::of(&self.input)?;
        let mut decoder = Decoder {
            form: self.shown.form(),
            dictionary: self.shown.dictionary(),
            secret: self.secret.map(|secret| Secret::new(secret.as_bytes())),
            requests: Requests::default(),
            shown: 0,
            forged: 0,
            output,
        };
        match input {
            Input::Octets(octets) => decoder.octets(&octets)?,
            Input::Capture(format, file) => {
                let fragments = capture::read(format, file, |captured| decoder.captured(&captured))?;
                if fragments > 0 {
                    outcome::warn(&format!("{fragments} IP fragments passed over; capture behind a point that puts them together"));
                }
            }
        }
        match (decoder.shown, decoder.forged) {
            (0, _) => Err(Failure::failed("no RADIUS packet found; was the right interface and port captured?")),
            (_, 0) => Ok(Exit::Done),
            (shown, forged) => Err(Failure::Told(Exit::Unmet, format!("{forged} of {shown} packets did not verify; is the secret right?"))),
        }
    }
}

/// Goes through the packets of one input, in order.
struct Decoder<'a> {
    form: Form,
    dictionary: Dictionary,
    secret: Option<Secret>,
    requests: Requests,
    shown: usize,
    forged: usize,
    output: &'a mut Output,
}

/// When and between whom a packet was seen.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    at: Option<Timestamp>,
    path: Path,
}

impl Decoder<'_> {
    /// Packets one after the other. What follows the last and is none is its padding (RFC 2865 3).
    fn octets(&mut self, octets: &[u8]) -> Result<(), Failure> {
        if octets.is_empty() {
            return Err(Failure::failed("nothing came in; give hex, a capture file, or - for standard input"));
        }
        let mut rest = octets;
        while !rest.is_empty() {
            match Datagram::frame(rest) {
                Ok(datagram) => {
                    self.show(Seen::default(), &datagram)?;
                    rest = &rest[datagram.octets().len()..];
                }
                Err(malformed) if self.shown == 0 => {
                    return Err(Failure::failed(format!("not a RADIUS packet: {malformed}; are all octets there?")));
                }
                Err(malformed) => {
                    outcome::warn(&format!("{} octets after the last packet are no packet ({malformed}); taken as padding", rest.len()));
                    break;
                }
            }
        }
        Ok(())
    }

    /// A datagram on a port of RADIUS is shown whatever it holds, any other if it can only be RADIUS.
    fn captured(&mut self, captured: &Captured<'_>) -> Result<(), Failure> {
        let seen = Seen { at: captured.at, path: Some((captured.source, captured.destination)) };
        let is_expected = |address: SocketAddr| PORTS.contains(&address.port());
        match Datagram::frame(captured.payload) {
            Ok(datagram) if datagram.code().name().is_some() => self.show(seen, &datagram),
            framed if is_expected(captured.source) || is_expected(captured.destination) => match framed {
                Ok(datagram) => self.show(seen, &datagram),
                Err(malformed) => self.show_malformed(seen, malformed),
            },
            _ => Ok(()),
        }
    }

    fn show(&mut self, seen: Seen, datagram: &Datagram<'_>) -> Result<(), Failure> {
        let proof = self.secret.as_ref().map(|secret| self.requests.verify(seen.path, datagram, secret));
        self.requests.remember(seen.path, datagram);
        self.shown += 1;
        self.forged += usize::from(proof.is_some_and(Proof::has_failed));
        match self.form {
            Form::Text => self.show_text(seen, datagram, proof),
            Form::Json => self.show_json(seen, datagram, proof),
        }
    }

    fn show_text(&mut self, seen: Seen, datagram: &Datagram<'_>, proof: Option<Proof>) -> Result<(), Failure> {
        if self.shown > 1 {
            writeln!(self.output)?;
        }
        if seen != Seen::default() {
            let trail = self.output.painted(Role::Faint, &seen.to_string());
            writeln!(self.output, "{trail}")?;
        }
        let role = match datagram.code() {
            Code::ACCESS_REJECT => Role::Bad,
            Code::ACCESS_ACCEPT => Role::Good,
            _ => Role::Heading,
        };
        packet::write(self.output, self.dictionary, datagram, self.secret.as_ref(), role)?;
        if let Some(proof) = proof {
            let role = if proof.has_failed() { Role::Bad } else { Role::Faint };
            let proof = self.output.painted(role, &proof.to_string());
            writeln!(self.output, "    ({proof})")?;
        }
        Ok(())
    }

    fn show_json(&mut self, seen: Seen, datagram: &Datagram<'_>, proof: Option<Proof>) -> Result<(), Failure> {
        let mut object = packet::json(self.dictionary, datagram, self.secret.as_ref());
        seen.describe(&mut object);
        if let Some(proof) = proof {
            object["verified"] = json!(!proof.has_failed() && !matches!(proof, Proof::Nothing | Proof::NoRequest));
            object["verification"] = json!(proof.to_string());
        }
        writeln!(self.output, "{object}")?;
        Ok(())
    }

    fn show_malformed(&mut self, seen: Seen, malformed: Malformed) -> Result<(), Failure> {
        match self.form {
            Form::Text => {
                let title = self.output.painted(Role::Bad, "Malformed");
                writeln!(self.output, "{seen}\n{title}: {malformed}")?;
            }
            Form::Json => {
                let mut object = json!({ "malformed": malformed.to_string() });
                seen.describe(&mut object);
                writeln!(self.output, "{object}")?;
            }
        }
        Ok(())
    }
}

impl Seen {
    fn describe(self, object: &mut serde_json::Value) {
        if let Some(at) = self.at {
            object["at"] = json!(at);
        }
        if let Some((source, destination)) = self.path {
            object["source"] = json!(source);
            object["destination"] = json!(destination);
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}  ")?;
        }
        match self.path {
            Some((source, destination)) => write!(f, "{source} > {destination}"),
            None => Ok(()),
        }
    }
}
