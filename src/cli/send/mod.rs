//! `attachd send`: one request, as a gateway would send it, and the reply in readable form.

mod exchange;
mod request;

use std::io::Write;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::outcome::{self, CommandError, Exit};
use super::output::{Output, OutputFormat, TextStyle};
use super::packet;
use super::secret::SecretSource;
use crate::config::PUBLIC_SECRET;
use crate::exchange::{Purpose, ServerRole};
use crate::wire::dictionary::Dictionary;
use crate::wire::{Code, Datagram, MessageAuthenticator, Secret};
use exchange::CheckedReply;

/// Send one request to a RADIUS server and print its reply.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Send {
    /// What to send.
    kind: Kind,
    /// The server, and the attributes in their order.
    #[arg(value_name = "HOST:PORT] [ATTR=VALUE")]
    words: Vec<String>,
    /// Read further attributes from a file, one a line as radclient has them; - is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    secret: SecretSource,
    /// How long the first try waits; each further one waits about twice as long, up to 16 s (RFC
    /// 5080).
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    timeout: Duration,
    /// How many times the request is sent again.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=20))]
    retries: u32,
    #[command(flatten)]
    shown: packet::ShownPacket,
}

const EXAMPLES: &str = "\
Examples:
  attachd send status
  attachd send auth 127.0.0.1:1812 User-Name=8944500000000000014 Called-Station-Id=festival.iot
  attachd send auth User-Name=alice User-Password=secret --secret-file radius.secret
  attachd send acct Acct-Status-Type=Start Acct-Session-Id=1 3GPP-IMSI=234500000000001
  attachd send acct --file start.txt --output json

Without HOST:PORT it goes to 127.0.0.1, port 1812, or 1813 for acct. Without a secret it uses testing123.
Attributes have the names of FreeRADIUS 3, in upper or lower case.
auth and status begin with a Message-Authenticator; acct has one if you name it.
User-Password is hidden; CHAP-Password in clear is made an answer to the challenge.

Exit codes: 0 accepted or answered, 1 no valid reply, 2 wrong usage, 3 rejected.";

/// What can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Access-Request: may this SIM attach?
    Auth,
    /// Accounting-Request: this has happened.
    Acct,
    /// Status-Server: are you there? On the accounting port, too.
    Status,
}

impl Purpose for Kind {
    fn code(&self) -> Code {
        match self {
            Self::Auth => Code::ACCESS_REQUEST,
            Self::Acct => Code::ACCOUNTING_REQUEST,
            Self::Status => Code::STATUS_SERVER,
        }
    }

    /// Whether this code answers such a request at all (RFC 2865 2, RFC 2866 4.2, RFC 5997 3).
    fn is_answered_by(&self, code: Code) -> bool {
        match self {
            Self::Auth => {
                matches!(code, Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCESS_CHALLENGE)
            }
            Self::Acct => matches!(code, Code::ACCOUNTING_RESPONSE | Code::PROTOCOL_ERROR),
            Self::Status => matches!(
                code,
                Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCOUNTING_RESPONSE
            ),
        }
    }

    fn role(&self) -> ServerRole {
        match self {
            Self::Auth | Self::Status => ServerRole::Access,
            Self::Acct => ServerRole::Accounting,
        }
    }
}

impl Kind {
    fn port(self) -> u16 {
        match self {
            Self::Auth | Self::Status => 1812,
            Self::Acct => 1813,
        }
    }
}

impl Send {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let dictionary = self.shown.dictionary();
        let secret = Secret::new(self.secret.read()?.as_deref().unwrap_or(PUBLIC_SECRET));
        let (server, attributes) = split(dictionary, &self.words)?;
        let to = resolve(server, self.kind.port())
            .map_err(|fault| misspelt(dictionary, server).unwrap_or(fault))?;
        let assignments = request::assignments(dictionary, attributes, self.file.as_deref())?;
        let policy = exchange::policy(self.timeout, self.retries);
        let reply = exchange::exchange(to, self.kind, &assignments, secret, &policy)?;
        let Ok(datagram) = Datagram::frame(&reply.octets) else {
            return Err(CommandError::failed(format!("no valid reply from {to}; try again")));
        };
        self.show(to, &reply, &datagram, dictionary, output)?;
        Ok(if matches!(datagram.code(), Code::ACCESS_ACCEPT | Code::ACCOUNTING_RESPONSE) {
            Exit::Done
        } else {
            Exit::Unmet
        })
    }

    fn show(
        &self,
        to: SocketAddr,
        reply: &CheckedReply,
        datagram: &Datagram<'_>,
        dictionary: Dictionary,
        output: &mut Output,
    ) -> Result<(), CommandError> {
        let took_ms = reply.took.as_micros() as f64 / 1000.0;
        let may_be_forged = matches!(
            datagram.code(),
            Code::ACCESS_ACCEPT | Code::ACCESS_REJECT | Code::ACCESS_CHALLENGE
        );
        if may_be_forged && datagram.message_authenticator() == MessageAuthenticator::Absent {
            outcome::warn(&format!(
                "the reply of {to} has no Message-Authenticator, so it can be forged (BlastRADIUS); update that server"
            ));
        }
        if self.shown.form() == OutputFormat::Json {
            let mut object = packet::json(dictionary, datagram, None);
            object["source"] = json!(to);
            object["verified"] = json!(true);
            object["tries"] = json!(reply.tries);
            object["durationMs"] = json!(took_ms);
            output.json(&object, false)?;
            return Ok(());
        }
        let role = match datagram.code() {
            Code::ACCESS_REJECT => TextStyle::Bad,
            _ => TextStyle::Good,
        };
        packet::write(output, dictionary, datagram, None, role)?;
        let tries =
            if reply.tries == 1 { String::new() } else { format!(" at try {}", reply.tries) };
        let proof = output.painted(
            TextStyle::Faint,
            &format!("verified; from {to} after {took_ms:.1} ms{tries}"),
        );
        writeln!(output, "    ({proof})")?;
        Ok(())
    }
}

/// The first word without an equals sign is the server, unless it is an attribute that lacks its
/// value.
fn split(
    dictionary: Dictionary,
    words: &[String],
) -> Result<(Option<&str>, &[String]), CommandError> {
    match words.split_first() {
        Some((first, _)) if request::is_attribute(dictionary, first) => Err(CommandError::invalid(
            format!("{first}: an attribute without its value; write {first}=VALUE"),
        )),
        Some((first, rest)) if !first.contains('=') => Ok((Some(first), rest)),
        _ => Ok((None, words)),
    }
}

/// What is to be said of a server that does not exist and looks like an attribute.
fn misspelt(dictionary: Dictionary, server: Option<&str>) -> Option<CommandError> {
    let server = server.filter(|server| !server.contains(['.', ':']))?;
    let near = request::nearest(dictionary, server);
    let message =
        || format!("{server}: no such host; did you mean {}=VALUE?", near.join("=VALUE or "));
    (!near.is_empty()).then(|| CommandError::invalid(message()))
}

/// HOST:PORT, a host or address alone, or this machine.
fn resolve(server: Option<&str>, port: u16) -> Result<SocketAddr, CommandError> {
    let Some(server) = server else { return Ok(([127, 0, 0, 1], port).into()) };
    let unbracketed = server.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = unbracketed.parse::<IpAddr>() {
        return Ok((address, port).into());
    }
    let named = if server.contains(':') {
        server.to_socket_addrs()
    } else {
        (server, port).to_socket_addrs()
    };
    let unknown = |why: String| {
        CommandError::invalid(format!(
            "{server}: {why}; give HOST:PORT, and attributes as ATTR=VALUE"
        ))
    };
    named
        .map_err(|error| unknown(error.to_string()))?
        .next()
        .ok_or_else(|| unknown("has no address".to_owned()))
}

/// Seconds as a plain number, or with a unit: `2`, `0.5`, `500ms`.
fn time(text: &str) -> Result<Duration, String> {
    let plain = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let time = plain.or_else(|| humantime::parse_duration(text).ok());
    let sensible = Duration::from_millis(1)..=Duration::from_secs(3600);
    time.filter(|time| sensible.contains(time))
        .ok_or_else(|| "give seconds, or a time like 500ms, up to 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_in_any_usual_way() {
        let cases = [
            (None, "127.0.0.1:1813"),
            (Some("192.0.2.1"), "192.0.2.1:1813"),
            (Some("192.0.2.1:18"), "192.0.2.1:18"),
            (Some("::1"), "[::1]:1813"),
            (Some("[::1]"), "[::1]:1813"),
            (Some("[::1]:18"), "[::1]:18"),
        ];
        for (server, address) in cases {
            assert_eq!(resolve(server, 1813), Ok(address.parse().unwrap()), "{server:?}");
        }
        assert!(matches!(
            resolve(Some("127.0.0.1:port"), 1),
            Err(CommandError::Told(Exit::Invalid, _))
        ));
    }

    #[test]
    fn times_have_units_or_are_seconds() {
        let cases = [("2", 2000), ("0.5", 500), ("500ms", 500), ("1m", 60_000)];
        for (text, millis) in cases {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "-1", "1e99", "2 h", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
