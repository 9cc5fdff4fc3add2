//! One packet, as people and as programs read it.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::outcome::Failure;
use super::output::{Form, Forms, Output, Role};
use crate::wire::dictionary::Dictionary;
use crate::wire::number::{self, attachd};
use crate::wire::{Code, Datagram, LONGEST_PASSWORD, Line, Secret, pap_password};

/// The options of a verb that shows packets.
#[derive(Args)]
pub(super) struct Shown {
    /// The vendor number of the Attachd- attributes.
    #[arg(long, value_name = "NUMBER", default_value_t = attachd::DEFAULT_VENDOR, value_parser = clap::value_parser!(u32).range(1..=0x00FF_FFFF))]
    vendor_id: u32,
    #[command(flatten)]
    forms: Forms,
}

impl Shown {
    pub(super) fn dictionary(&self) -> Dictionary {
        Dictionary::new(self.vendor_id)
    }

    pub(super) fn form(&self) -> Form {
        self.forms.form()
    }
}

/// The first line: what it is.
pub(super) fn title(datagram: &Datagram<'_>) -> String {
    format!("{} id {}, {} octets", datagram.code(), datagram.identifier(), datagram.octets().len())
}

/// A line for each attribute, as `send --file` reads it again.
pub(super) fn write_attributes(
    output: &mut Output,
    dictionary: Dictionary,
    datagram: &Datagram<'_>,
    secret: Option<&Secret>,
) -> Result<(), Failure> {
    for line in lines(dictionary, datagram, secret) {
        let meaning = line.meaning.map(|meaning| output.painted(Role::Faint, &format!("  # {meaning}"))).unwrap_or_default();
        writeln!(output, "  {} = {}{meaning}", line.name, line.value)?;
    }
    Ok(())
}

/// The same for programs, which want texts without their quotes.
pub(super) fn json(dictionary: Dictionary, datagram: &Datagram<'_>, secret: Option<&Secret>) -> Value {
    let mut attributes = lines(dictionary, datagram, secret);
    for line in &mut attributes {
        if let Some(text) = line.value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            line.value = text.to_owned();
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

/// Who knows the secret may see the password that it hides (RFC 2865 5.2).
fn lines(dictionary: Dictionary, datagram: &Datagram<'_>, secret: Option<&Secret>) -> Vec<Line> {
    let mut lines = datagram.readable(dictionary).lines();
    let mut room = [0; LONGEST_PASSWORD];
    let hidden = datagram.first(number::USER_PASSWORD).filter(|_| datagram.code() == Code::ACCESS_REQUEST);
    if let (Some(hidden), Some(secret)) = (hidden, secret)
        && let Some(password) = pap_password(hidden, secret, datagram.authenticator(), &mut room)
    {
        let place = number::USER_PASSWORD.to_string();
        if let Some(line) = lines.iter_mut().find(|line| line.place == place) {
            line.value = format!("\"{}\"", password.escape_ascii());
        }
    }
    lines
}
