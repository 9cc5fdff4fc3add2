//! The users file: a name with check items, and reply items on the indented lines below.

use super::pairs::{ForeignPair, ForeignUser, pair};
use super::{ForeignFile, ForeignLine, MigrationNote};

pub(super) fn read(
    file: &ForeignFile,
    users: &mut Vec<ForeignUser>,
    notes: &mut Vec<MigrationNote>,
) {
    let first = users.len();
    for (at, line) in file.text.lines().enumerate() {
        let at = file.at(at + 1);
        let line = without_comment(line);
        if line.trim().is_empty() || line.starts_with("$INCLUDE") {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            match users.get_mut(first..).and_then(<[ForeignUser]>::last_mut) {
                Some(user) => user.replies.extend(pairs(&at, line, notes)),
                None => notes.push(at.note("an indented line that belongs to no user")),
            }
            continue;
        }
        let end = line.find(char::is_whitespace).unwrap_or(line.len());
        let (name, checks) = line.split_at(end);
        let checks = pairs(&at, checks, notes);
        let name = name.trim_matches('"').to_owned();
        users.push(ForeignUser { at, name, checks, replies: Vec::new(), group: None });
    }
}

/// Items parted by commas.
fn pairs(at: &ForeignLine, text: &str, notes: &mut Vec<MigrationNote>) -> Vec<ForeignPair> {
    let mut found = Vec::new();
    for item in parted(text, ',').iter().map(|item| item.trim()).filter(|item| !item.is_empty()) {
        match pair(at, item) {
            Some(one) if one.attribute.eq_ignore_ascii_case("Fall-Through") => {
                notes.push(
                    at.note("Fall-Through: each SIM has one group; entries are not added up"),
                );
            }
            Some(one) => found.push(one),
            None => notes.push(at.note(format!("{item:?} cannot be read"))),
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    let end = outside_quotes(line, '#').next().unwrap_or(line.len());
    &line[..end]
}

fn parted(text: &str, mark: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for at in outside_quotes(text, mark) {
        parts.push(&text[from..at]);
        from = at + mark.len_utf8();
    }
    parts.push(&text[from..]);
    parts
}

/// Where this letter stands outside of quotation marks.
fn outside_quotes(text: &str, wanted: char) -> impl Iterator<Item = usize> {
    let (mut within, mut is_escaped) = (None, false);
    text.char_indices().filter_map(move |(at, letter)| {
        match (within, letter) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(mark), _) if letter == mark => within = None,
            (None, '"' | '\'' | '`') => within = Some(letter),
            (None, _) if letter == wanted => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_checks_and_replies() {
        let text = "# nobody\n234500000000001 Auth-Type := Accept, Called-Station-Id == \"a,#b\" # x\n\
            \tFramed-IP-Address = 10.0.0.7,\n\tReply-Message = \"hi, there\",\n\tFall-Through = Yes\n\n\
            DEFAULT\tHint == \"CSLIP\"\n\tFramed-Protocol = SLIP\nlast broken\n";
        let file = ForeignFile { name: "users".into(), text: text.to_owned() };
        let (mut users, mut notes) = (Vec::new(), Vec::new());
        read(&file, &mut users, &mut notes);
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["234500000000001", "DEFAULT", "last"]);
        assert_eq!((users[0].checks.len(), users[0].replies.len()), (2, 2));
        assert_eq!(users[0].checks[1].value, "a,#b");
        assert_eq!((users[0].replies[1].at.line, users[1].replies.len()), (4, 1));
        let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "users:5: Fall-Through: each SIM has one group; entries are not added up",
                "users:9: \"broken\" cannot be read",
            ]
        );
    }
}
