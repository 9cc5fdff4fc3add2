//! The shape of a scenario file: statements that begin at the margin, each with the indented lines
//! below it.

/// A file, read but not yet understood.
pub struct Script {
    pub statements: Vec<Statement>,
    /// The cases of the conformance checklist that it shows: `# checklist A1 B2`.
    pub checklist: Vec<String>,
}

/// One thing that happens, or that is expected.
pub struct Statement {
    pub line: usize,
    /// The words at the margin; there is at least one.
    pub words: Vec<String>,
    pub body: Vec<Line>,
}

/// A line below a statement, without its indentation.
#[derive(Clone)]
pub struct Line {
    pub number: usize,
    pub text: String,
}

const INDENT: &str = "  ";

impl Script {
    /// An error is a line and what is wrong there.
    pub fn read(text: &str) -> Result<Self, (usize, String)> {
        let mut script = Self { statements: Vec::new(), checklist: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim_end());
            if let Some(comment) = line.trim_start().strip_prefix('#') {
                script.checklist.extend(
                    comment
                        .trim_start()
                        .strip_prefix("checklist ")
                        .unwrap_or("")
                        .split_whitespace()
                        .map(str::to_owned),
                );
            } else if let Some(inside) = line.strip_prefix(INDENT) {
                let statement = script
                    .statements
                    .last_mut()
                    .ok_or((number, "an indented line below nothing".to_owned()))?;
                statement.body.push(Line { number, text: inside.to_owned() });
            } else if line.starts_with(char::is_whitespace) {
                return Err((number, "is indented by less than two spaces".to_owned()));
            } else if !line.is_empty() {
                let words = line.split_whitespace().map(str::to_owned).collect();
                script.statements.push(Statement { line: number, words, body: Vec::new() });
            }
        }
        Ok(script)
    }
}

impl Line {
    /// The attribute it is about: `no NAME` is about NAME too.
    pub fn name(&self) -> &str {
        let text = self.text.strip_prefix("no ").unwrap_or(&self.text);
        text.split('=').next().unwrap_or(text).trim()
    }
}

impl Statement {
    /// The lines below it as one text: a file inside the file.
    pub fn text(&self) -> String {
        self.body.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
    }

    pub fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The word after this one, at any place behind the first.
    pub fn after(&self, word: &str) -> Option<&str> {
        let at = self.words.iter().skip(1).position(|known| known == word)?;
        self.words.get(at + 2).map(String::as_str)
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.iter().skip(1).any(|known| known == word)
    }
}
