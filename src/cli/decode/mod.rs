//! `attachd decode`: packets from hex, a capture or standard input, in readable form, and verified
//! if the secret is known.

mod capture;
mod decoder;
mod dump;
mod input;
mod link;
mod verify;

use clap::Args;

use super::outcome::{CommandError, Exit};
use super::output::Output;
use super::packet;
use crate::wire::Secret;
use decoder::Decoder;
use input::Input;

/// Print RADIUS packets readably, and verify them.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Decode {
    /// Hex octets, a file (pcap, pcapng, hex, a hex dump or raw octets; gzip is unpacked), or - for
    /// standard input.
    #[arg(value_name = "HEX|FILE|-")]
    input: Vec<String>,
    /// Verify authenticators and reveal passwords with this shared secret.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    #[command(flatten)]
    shown: packet::ShownPacket,
}

const EXAMPLES: &str = "\
Examples:
  attachd decode 0c2a0014000102030405060708090a0b0c0d0e0f
  attachd decode gateway.pcap --secret testing123
  tcpdump -w - udp port 1812 or port 1813 | attachd decode -
  tcpdump -x udp port 1812 | attachd decode -
  attachd decode gateway.pcapng --json | jq 'select(.code.name == \"Access-Reject\")'

JSON is one object a line for each packet. Hex dumps are those of tcpdump -x, xxd, hexdump -C and Wireshark.
IP fragments are named, but not put together; of a packet cut by a snap length, the attributes that are there are shown.
Exit codes: 0 done, 1 nothing could be decoded, 3 something did not verify under --secret.";

impl Decode {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let input = input::of(&self.input)?;
        let secret = self.secret.map(|secret| Secret::new(secret.as_bytes()));
        let mut decoder = Decoder::new(self.shown.form(), self.shown.dictionary(), secret, output);
        match input {
            Input::Octets(octets) => decoder.octets(&octets)?,
            Input::Dump(frames) => frames.iter().try_for_each(|frame| decoder.dumped(frame))?,
            Input::Capture(format, file) => {
                capture::read(format, file, |frame| decoder.frame(frame))?;
            }
        }
        decoder.finish()
    }
}
