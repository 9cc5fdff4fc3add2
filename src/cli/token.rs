//! `attachd token`: who may use the management API.

use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::data_folder::DataFolder;
use super::outcome::{CommandError, Exit};
use super::output::{Output, OutputArgs, OutputFormat};
use super::table::TextTable;
use crate::time::Timestamp;
use crate::tokens::{self, Token, TokenError, TokenFile, TokenFileError, TokenName, TokenRole};

/// Create, list, disable, enable and delete the tokens of the management API.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct TokenVerb {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  attachd token create --name ci --role write --expires 90d
  attachd token list
  attachd token disable ci

All of them work beside a running server, which sees a change within a second.
Exit codes: 0 done, 1 failure, 2 wrong usage or invalid configuration.";

#[derive(Subcommand)]
enum Action {
    /// Make a token, and print it once. Only its hash is kept.
    Create(Create),
    /// Show all tokens, without their secrets.
    List(List),
    /// Refuse a token from now on.
    Disable(Named),
    /// Accept a disabled token again.
    Enable(Named),
    /// Forget a token.
    Delete(Named),
}

#[derive(Args)]
struct Create {
    /// What to call it: letters, digits, '.', '_' and '-'.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it may do.
    #[arg(long, value_enum, value_name = "ROLE")]
    role: TokenRole,
    /// How long it is valid, for example 90d or 12h. Without this it does not expire.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    #[command(flatten)]
    data: DataFolder,
    #[command(flatten)]
    forms: OutputArgs,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    data: DataFolder,
    #[command(flatten)]
    forms: OutputArgs,
}

#[derive(Args)]
struct Named {
    /// The token's name.
    name: String,
    #[command(flatten)]
    data: DataFolder,
}

impl ValueEnum for TokenRole {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

impl TokenVerb {
    pub(super) fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        match self.action {
            Action::Create(action) => action.run(output),
            Action::List(action) => action.run(output),
            Action::Disable(action) => {
                action.change(|tokens, name| tokens.set_disabled(name, true))
            }
            Action::Enable(action) => {
                action.change(|tokens, name| tokens.set_disabled(name, false))
            }
            Action::Delete(action) => action.change(tokens::Tokens::remove),
        }
    }
}

impl Create {
    fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let name = TokenName::parse(&self.name)
            .map_err(|error| CommandError::invalid(error.to_string()))?;
        let (secret, created) = (tokens::secret(rand::random()), now());
        let expires = self.expires.map(|valid| created + valid);
        let file = TokenFile::in_folder(&self.data.path()?);
        let add = |tokens: &mut tokens::Tokens| {
            tokens.add(name.clone(), self.role, &secret, created, expires)
        };
        file.change(add).map_err(|error| failed(&error))?;
        if self.forms.form() == OutputFormat::Json {
            let token = json!({ "name": name.as_str(), "role": self.role, "expires": expires, "token": secret });
            writeln!(output, "{token}")?;
        } else {
            // Alone on standard output, so that a script can take it from there.
            writeln!(output, "{secret}")?;
            eprintln!(
                "This is the only time that the token is shown. Use it as: Authorization: Bearer TOKEN"
            );
        }
        Ok(Exit::Done)
    }
}

impl List {
    fn run(self, output: &mut Output) -> Result<Exit, CommandError> {
        let tokens =
            TokenFile::in_folder(&self.data.path()?).read().map_err(|error| failed(&error))?;
        let now = now();
        if self.forms.form() == OutputFormat::Json {
            let tokens: Vec<Value> = tokens.iter().map(|token| shown(token, now)).collect();
            writeln!(output, "{}", json!(tokens))?;
            return Ok(Exit::Done);
        }
        if tokens.is_empty() {
            writeln!(
                output,
                "no tokens; make one with `attachd token create --name NAME --role read|write|admin`"
            )?;
        }
        let mut table = TextTable::new(["name", "role", "state", "created", "expires"]);
        for token in tokens.iter() {
            let expires =
                token.expires.map_or_else(|| "never".to_owned(), |expires| expires.to_string());
            let name = token.name.to_string();
            table.row([
                name,
                token.role.to_string(),
                state(token, now).to_owned(),
                token.created.to_string(),
                expires,
            ]);
        }
        table.write(output)?;
        Ok(Exit::Done)
    }
}

impl Named {
    fn change(
        self,
        change: impl FnOnce(&mut tokens::Tokens, &TokenName) -> Result<(), TokenError>,
    ) -> Result<Exit, CommandError> {
        let name = TokenName::parse(&self.name)
            .map_err(|error| CommandError::invalid(error.to_string()))?;
        let file = TokenFile::in_folder(&self.data.path()?);
        file.change(|tokens| change(tokens, &name)).map_err(|error| failed(&error))?;
        Ok(Exit::Done)
    }
}

fn shown(token: &Token, now: Timestamp) -> Value {
    json!({
        "name": token.name.as_str(),
        "role": token.role,
        "state": state(token, now),
        "created": token.created,
        "expires": token.expires,
    })
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    match (token.disabled, token.is_valid(now)) {
        (true, _) => "disabled",
        (false, true) => "valid",
        (false, false) => "expired",
    }
}

fn failed(error: &TokenFileError) -> CommandError {
    CommandError::failed(error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "this is a shell: tokens are made and judged now")]
fn now() -> Timestamp {
    SystemTime::now().into()
}
