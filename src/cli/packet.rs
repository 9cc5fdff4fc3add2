//! One packet, as people and as programs read it.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::outcome::CommandError;
use super::output::{Output, OutputArgs, OutputFormat, TextStyle};
use crate::wire::dictionary::Dictionary;
use crate::wire::number::{self, attachd};
use crate::wire::{Code, Datagram, LONGEST_PASSWORD, Line, Secret, pap_password};

/// The options of a verb that shows packets.
#[derive(Args)]
pub(super) struct ShownPacket {
    /// The vendor number of the Attachd- attributes.
    #[arg(long, value_name = "NUMBER", default_value_t = attachd::DEFAULT_VENDOR, value_parser = clap::value_parser!(u32).range(1..=0x00FF_FFFF))]
    vendor_id: u32,
    #[command(flatten)]
    forms: OutputArgs,
}

impl ShownPacket {
    pub(super) fn dictionary(&self) -> Dictionary {
        Dictionary::new(self.vendor_id)
    }

    pub(super) fn form(&self) -> OutputFormat {
        self.forms.form()
    }
}

/// A line for itself, painted, and one for each attribute; these `send --file` reads again.
pub(super) fn write(
    output: &mut Output,
    dictionary: Dictionary,
    datagram: &Datagram<'_>,
    secret: Option<&Secret>,
    role: TextStyle,
) -> Result<(), CommandError> {
    let text = datagram.readable(dictionary).to_string();
    let (title, attributes) = text.split_once('\n').unwrap_or((&text, ""));
    let title = output.painted(role, title);
    writeln!(output, "{title}")?;
    let password = secret.and_then(|secret| password(datagram, secret));
    for line in attributes.lines() {
        match (&password, line.split_once(PASSWORD)) {
            (Some(password), Some((indent, _))) => {
                writeln!(output, "{indent}{PASSWORD}\"{password}\"")?;
            }
            _ => writeln!(output, "{line}")?,
        }
    }
    Ok(())
}

/// The same for programs, which want texts without their quotes.
pub(super) fn json(
    dictionary: Dictionary,
    datagram: &Datagram<'_>,
    secret: Option<&Secret>,
) -> Value {
    let password = secret.and_then(|secret| password(datagram, secret));
    let mut attributes = datagram.readable(dictionary).lines();
    for Line { name, value, .. } in &mut attributes {
        if let Some(text) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            *value = text.to_owned();
        } else if let Some(password) =
            password.as_ref().filter(|_| PASSWORD.starts_with(name.as_str()))
        {
            value.clone_from(password);
        }
    }
    let authenticator = format!("{:032x}", u128::from_be_bytes(*datagram.authenticator()));
    json!({
        "code": { "key": datagram.code().0, "name": datagram.code().to_string() },
        "identifier": datagram.identifier(),
        "length": datagram.octets().len(),
        "authenticator": authenticator,
        "attributes": attributes,
    })
}

/// How the line of a hidden password begins.
const PASSWORD: &str = "User-Password = ";

/// Who knows the secret may see the password that it hides (RFC 2865 5.2).
fn password(datagram: &Datagram<'_>, secret: &Secret) -> Option<String> {
    let mut room = [0; LONGEST_PASSWORD];
    let hidden = datagram
        .first(number::USER_PASSWORD)
        .filter(|_| datagram.code() == Code::ACCESS_REQUEST)?;
    let password = pap_password(hidden, secret, datagram.authenticator(), &mut room)?;
    Some(password.escape_ascii().to_string())
}
