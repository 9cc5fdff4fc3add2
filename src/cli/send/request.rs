//! From the words of a person to the attributes of a request.

use std::io::Read;

use crate::cli::outcome::CommandError;
use crate::exchange::Composer;
use crate::wire::Code;
use crate::wire::dictionary::{Assignment, Dictionary};
use crate::wire::number::{AttributeKey, MESSAGE_AUTHENTICATOR};

/// As much of a file as can be attributes of one packet, generously.
const LONGEST_FILE: u64 = 1 << 20;

/// Names this unlike the one written are no help.
const LIKENESS: f64 = 0.8;

const SEAL: AttributeKey = AttributeKey { parent: 0, vendor: 0, number: MESSAGE_AUTHENTICATOR };

/// Writes the attributes of a request.
pub(super) fn compose(code: Code, assignments: &[Assignment], composer: &mut Composer<'_, '_>) {
    // First, where it protects best; RFC 5997 3 demands it in a Status-Server.
    let is_sealed_first = code != Code::ACCOUNTING_REQUEST;
    if is_sealed_first {
        composer.encoder.message_authenticator();
    }
    for assignment in
        assignments.iter().filter(|assignment| !is_sealed_first || assignment.key != SEAL)
    {
        composer.encoder.assign(assignment, composer.secret, composer.authenticator);
    }
}

/// Reads `Name=Value` words, then the lines of a file.
pub(super) fn assignments(
    dictionary: Dictionary,
    words: &[String],
    file: Option<&str>,
) -> Result<Vec<Assignment>, CommandError> {
    let mut read = Vec::new();
    for word in words {
        read.push(assign(dictionary, word).map_err(CommandError::invalid)?);
    }
    if let Some(name) = file {
        let text = contents(name)?;
        for (number, line) in attribute_lines(&text) {
            read.push(
                assign(dictionary, line)
                    .map_err(|fault| CommandError::invalid(format!("{name}:{number}: {fault}")))?,
            );
        }
    }
    Ok(read)
}

fn contents(name: &str) -> Result<String, CommandError> {
    let mut text = String::new();
    let read = if name == "-" {
        std::io::stdin().take(LONGEST_FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(name).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
    };
    read.map_err(|error| {
        CommandError::invalid(format!(
            "{name}: cannot be read: {error}; give --file a text of Name = Value lines"
        ))
    })?;
    Ok(text)
}

/// The lines that hold something, numbered from 1. radclient allows comment lines, and a comma at
/// the end.
fn attribute_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines =
        text.lines().map(|line| without_remark(line).trim().trim_end_matches(',').trim_end());
    lines
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// `decode` puts what octets mean behind them; in a quoted text the same mark is text.
fn without_remark(line: &str) -> &str {
    match line.split_once("  (") {
        Some((before, _)) if !before.contains('"') => before,
        _ => line,
    }
}

fn assign(dictionary: Dictionary, text: &str) -> Result<Assignment, String> {
    // radclient writes `:=` and `+=` as well.
    let plain = text
        .split_once('=')
        .map(|(name, value)| format!("{}={value}", name.trim_end_matches([':', '+'])));
    dictionary.assign(plain.as_deref().unwrap_or(text)).map_err(|fault| {
        let names = value_names(dictionary, &fault.name);
        match nearest(dictionary, &fault.name) {
            near if !near.is_empty() => format!("{fault}; did you mean {}?", near.join(" or ")),
            _ if !names.is_empty() => format!("{fault}: {}", names.join(", ")),
            _ => fault.to_string(),
        }
    })
}

/// Whether a word is the name of an attribute, with nothing behind it.
pub(super) fn is_attribute(dictionary: Dictionary, word: &str) -> bool {
    let by_number = |number: &str| number.parse::<AttributeKey>().is_ok();
    dictionary.by_name(plain(word)).is_some() || word.strip_prefix("Attr-").is_some_and(by_number)
}

/// The names that the values of an attribute have; none, if nobody knows the attribute.
fn value_names(dictionary: Dictionary, name: &str) -> Vec<&'static str> {
    let definition = dictionary.by_name(plain(name));
    definition.into_iter().flat_map(|definition| definition.values).map(|(_, name)| *name).collect()
}

/// The names most like the one that nobody knows, at most three. None for a name that is known.
pub(super) fn nearest(dictionary: Dictionary, name: &str) -> Vec<&'static str> {
    let name = plain(name).to_lowercase();
    if name.is_empty() || dictionary.by_name(&name).is_some() {
        return Vec::new();
    }
    let likeness = |known: &str| strsim::jaro_winkler(&name, &known.to_lowercase());
    let mut near: Vec<_> = dictionary
        .definitions()
        .map(|definition| (likeness(definition.name), definition.name))
        .collect();
    near.retain(|(likeness, _)| *likeness >= LIKENESS);
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The name of an attribute without its tag.
fn plain(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_radclient_and_decode_write_it() {
        let text =
            "# a comment\n\n  User-Name = \"a  (b\",\nClass = 0x4142  (AB)\n\tNAS-Port := 7\r\n";
        let lines: Vec<_> = attribute_lines(text).collect();
        assert_eq!(
            lines,
            [(3, "User-Name = \"a  (b\""), (4, "Class = 0x4142"), (5, "NAS-Port := 7")]
        );
        for (_, line) in lines {
            assert!(assign(Dictionary::default(), line).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_nearest_names_are_offered() {
        let told = |text: &str| assign(Dictionary::default(), text).unwrap_err();
        assert!(
            told("3GPP-ISMI=1").contains("; did you mean 3GPP-IMSI"),
            "{}",
            told("3GPP-ISMI=1")
        );
        assert!(!told("Zzz=1").contains("did you mean"));
        assert!(
            !told("Framed-IP-Address=1").contains("did you mean"),
            "the name is right, the value is not"
        );
    }

    #[test]
    fn a_value_nobody_knows_is_told_the_names_there_are() {
        let told = |text: &str| assign(Dictionary::default(), text).unwrap_err();
        let message = told("Acct-Status-Type=Begin");
        assert!(message.contains("the name of a value: Start, Stop, Interim-Update"), "{message}");
        assert!(told("3GPP-RAT-Type=6G").contains("NB-IoT"));
        assert!(
            told("NAS-Port=x").ends_with("wants a number of 32 bits or the name of a value"),
            "this one has none"
        );
    }

    #[test]
    fn an_attribute_without_its_value_is_no_host() {
        for word in
            ["3GPP-IMSI", "3gpp-imsi", "User-Name", "Tunnel-Type:1", "Attr-200", "Attr-26.32473.1"]
        {
            assert!(is_attribute(Dictionary::default(), word), "{word}");
        }
        for word in [
            "localhost",
            "127.0.0.1:1812",
            "radius.example.net",
            "[::1]",
            "Attr-server",
            "3GPP-IMSI=1",
            "",
        ] {
            assert!(!is_attribute(Dictionary::default(), word), "{word}");
        }
    }
}
