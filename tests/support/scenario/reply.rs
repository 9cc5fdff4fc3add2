//! What a reply must be whatever the scenario says, and what the scenario says of it.

use attachd::time::Timestamp;
use attachd::wire::dictionary::Dictionary;
use attachd::wire::number::MESSAGE_AUTHENTICATOR;
use attachd::wire::{Code, Datagram, MessageAuthenticator, Secret};

use super::below;
use super::packet::{Names, assign};
use super::script::{Line, Statement};

/// The rules of every reply: it answers its request, proves itself, and has nothing empty in it.
/// Those of the Access family begin with the Message-Authenticator (BlastRADIUS).
pub fn proven<'a>(
    reply: &'a [u8],
    request: &[u8],
    secret: &Secret,
) -> Result<Datagram<'a>, String> {
    let request = Datagram::frame(request)
        .map_err(|fault| format!("the request it answers is malformed: {fault}"))?;
    let reply =
        Datagram::frame(reply).map_err(|fault| format!("the reply is malformed: {fault}"))?;
    if reply.identifier() != request.identifier() {
        return Err(format!(
            "the reply has identifier {}, the request {}",
            reply.identifier(),
            request.identifier()
        ));
    }
    reply
        .verify_reply(request.authenticator(), secret)
        .map_err(|forged| format!("the reply does not verify: {forged:?}"))?;
    let begins_sealed = reply
        .attributes()
        .next()
        .is_some_and(|first| first.number == MESSAGE_AUTHENTICATOR && first.value.len() == 16);
    match reply.code() {
        Code::ACCOUNTING_RESPONSE => {
            let is_sealed = reply.message_authenticator() == MessageAuthenticator::Present;
            let must_be = request.message_authenticator() == MessageAuthenticator::Present;
            if is_sealed != must_be {
                return Err("an Accounting-Response has a Message-Authenticator if the request had one, and only then".to_owned());
            }
        }
        _ if !begins_sealed => {
            return Err("the reply does not begin with a Message-Authenticator".to_owned());
        }
        _ => {}
    }
    if reply.attributes().any(|attribute| attribute.value.is_empty()) {
        return Err("the reply has an attribute with nothing in it".to_owned());
    }
    Ok(reply)
}

/// Holds a reply against the lines below its statement.
pub fn compare(
    reply: Datagram<'_>,
    expected: &Statement,
    names: &mut Names,
    dictionary: Dictionary,
    now: Timestamp,
) -> Result<(), (usize, String)> {
    let found = attributes(reply, dictionary);
    let shown = || below(found.iter().map(|(name, value, _)| format!("{name} = {value}")));
    let is_exact = expected.has("exactly");
    if is_exact && found.len() != expected.body.len() {
        return Err((
            expected.line,
            format!("{} attributes instead of {}:{}", found.len(), expected.body.len(), shown()),
        ));
    }
    for (place, line) in expected.body.iter().enumerate() {
        let eligible = if is_exact { &found[place..=place] } else { &found[..] };
        if !holds(eligible, line, names, dictionary, now).map_err(|what| (line.number, what))? {
            let where_ = if is_exact { " at this place" } else { "" };
            return Err((
                line.number,
                format!("`{}` is not true of the reply{where_}:{}", line.text, shown()),
            ));
        }
    }
    Ok(())
}

/// Name, value as text, octets.
type Found = (String, String, Vec<u8>);

fn attributes(reply: Datagram<'_>, dictionary: Dictionary) -> Vec<Found> {
    let lines = reply.readable(dictionary).lines();
    let octets = reply.values().map(|value| value.octets.to_vec());
    lines.into_iter().zip(octets).map(|(line, octets)| (line.name, line.value, octets)).collect()
}

fn holds(
    found: &[Found],
    line: &Line,
    names: &mut Names,
    dictionary: Dictionary,
    now: Timestamp,
) -> Result<bool, String> {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    match words[..] {
        ["no", name] => return Ok(found.iter().all(|(known, ..)| known != name)),
        [name] => return Ok(found.iter().any(|(known, ..)| known == name)),
        [name, "in", range] => {
            let (low, high) = range.split_once("..").ok_or("wants a range like 570..630")?;
            let bound =
                |text: &str| text.parse::<u32>().map_err(|_| format!("`{text}` is no number"));
            let wanted = bound(low)?..=bound(high)?;
            return Ok(found.iter().any(|(known, value, _)| {
                known == name && value.parse().is_ok_and(|value| wanted.contains(&value))
            }));
        }
        // A name that nobody has given a meaning takes it from the reply.
        [name, "=", new] if new.strip_prefix('$').is_some_and(|new| !names.0.contains_key(new)) => {
            let Some((_, value, _)) = found.iter().find(|(known, ..)| known == name) else {
                return Ok(false);
            };
            names.0.insert(new.trim_start_matches('$').to_owned(), value.clone());
            return Ok(true);
        }
        _ => {}
    }
    let wanted = assign(&line.text, names, dictionary, now)?;
    let name = dictionary
        .by_key(wanted.key)
        .map_or_else(|| format!("Attr-{}", wanted.key), |definition| definition.name.to_owned());
    Ok(found.iter().any(|(known, _, octets)| *known == name && *octets == wanted.octets))
}
