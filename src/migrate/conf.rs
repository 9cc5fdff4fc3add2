//! The language of FreeRADIUS's configuration files: sections in braces, `key = value`, comments.

/// One thing that stands in a file, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfItem {
    /// The words before its brace.
    Begin(Vec<String>),
    End,
    /// A key and its value; a word alone has none.
    Pair(String, Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Is,
    Open,
    Close,
    EndOfLine,
}

/// Everything in a file, in order.
pub(super) fn items(text: &str) -> Vec<(usize, ConfItem)> {
    let mut items = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut is_at = None;
    let mut began = 1;
    for (line, token) in tokens(text) {
        match token {
            Token::Word(word) => {
                if words.is_empty() {
                    began = line;
                }
                words.push(word);
            }
            Token::Is => is_at = is_at.or(Some(words.len())),
            Token::Open => {
                items.push((line, ConfItem::Begin(std::mem::take(&mut words))));
                is_at = None;
            }
            Token::Close | Token::EndOfLine => {
                items.extend(pair(&mut words, is_at.take()).map(|pair| (began, pair)));
                if token == Token::Close {
                    items.push((line, ConfItem::End));
                }
            }
        }
    }
    items.extend(pair(&mut words, is_at).map(|pair| (began, pair)));
    items
}

fn pair(words: &mut Vec<String>, is_at: Option<usize>) -> Option<ConfItem> {
    let words = std::mem::take(words);
    let at = is_at.unwrap_or(1).min(words.len());
    let (key, value) = words.split_at(at);
    let key = key.first()?.clone();
    Some(ConfItem::Pair(key, (!value.is_empty()).then(|| value.join(" "))))
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let (token, length) = match first {
                '#' => break,
                '{' => (Token::Open, 1),
                '}' => (Token::Close, 1),
                '"' | '\'' => {
                    let (word, length) = quoted(rest, first);
                    (Token::Word(word), length)
                }
                '=' => (Token::Is, 1),
                ':' | '+' if rest[1..].starts_with('=') => (Token::Is, 2),
                _ => {
                    let length = word_length(rest);
                    (Token::Word(rest[..length].to_owned()), length)
                }
            };
            tokens.push((at + 1, token));
            rest = rest[length..].trim_start_matches([' ', '\t', ';']);
        }
        tokens.push((at + 1, Token::EndOfLine));
    }
    tokens
}

/// A bare word; `${name}` and `$ENV{NAME}` belong to it with their braces.
fn word_length(text: &str) -> usize {
    let mut is_reference = false;
    let mut previous = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if previous == '$' || text[..at].ends_with("$ENV") => is_reference = true,
            '}' if is_reference => is_reference = false,
            '{' | '}' | '=' | '#' | ';' => return at.max(1),
            _ if letter.is_whitespace() => return at,
            ':' | '+' if text[at + 1..].starts_with('=') => return at.max(1),
            _ => {}
        }
        previous = letter;
    }
    text.len()
}

/// A text in quotation marks, and how many octets it takes with them.
pub(super) fn quoted(text: &str, mark: char) -> (String, usize) {
    let mut plain = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, 'n')) => plain.push('\n'),
                Some((_, 't')) => plain.push('\t'),
                Some((_, escaped)) => plain.push(escaped),
                None => {}
            },
            _ if letter == mark => return (plain, at + letter.len_utf8()),
            _ => plain.push(letter),
        }
    }
    (plain, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_pairs_and_comments_are_told_apart() {
        let text = "client a { # of b\n\tipaddr = 192.0.2.1/32\n secret\t= \"x # y\\\"\"\n}\n\
            $INCLUDE more.conf\nclient b { secret = $ENV{S} }\n";
        let pair = |key: &str, value: &str| ConfItem::Pair(key.into(), Some(value.into()));
        let begin = |words: [&str; 2]| ConfItem::Begin(words.map(str::to_owned).to_vec());
        let wanted = [
            (1, begin(["client", "a"])),
            (2, pair("ipaddr", "192.0.2.1/32")),
            (3, pair("secret", "x # y\"")),
            (4, ConfItem::End),
            (5, pair("$INCLUDE", "more.conf")),
            (6, begin(["client", "b"])),
            (6, pair("secret", "$ENV{S}")),
            (6, ConfItem::End),
        ];
        assert_eq!(items(text), wanted);
    }

    #[test]
    fn whatever_stands_there_ends() {
        for text in ["{", "}", "=", "= =", "\"", "a = \"\\", ":", "+", "$ENV{", "a{b}c", "é{ü=#"]
        {
            let _ = items(text);
        }
    }
}
