//! Commands that ask a running server, over HTTP.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::outcome::{CommandError, Exit};

/// How long a connection may take to be made, and an answer to come: a reload of ten million
/// endpoints takes a minute.
const CONNECTING: Duration = Duration::from_secs(5);
const ANSWERING: Duration = Duration::from_secs(600);

/// More than a reload of an inventory that is wrong in every line has to say.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Where the server is, and who asks.
#[derive(Args)]
pub(super) struct Remote {
    /// The server's HTTP address.
    #[arg(long, value_name = "URL", env = "ATTACHD_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The API token; better in the environment, where other users of this machine do not see it.
    #[arg(long, value_name = "TOKEN", env = "ATTACHD_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Remote {
    /// Asks the server to do something without a body, and returns the data of its answer.
    ///
    /// # Errors
    /// What the server refuses for what it was given is [`Exit::Invalid`], all else a failure.
    pub(super) fn post(&self, path: &str) -> Result<Value, CommandError> {
        self.ask(&Ask::Post(path, None)).map(|mut answer| answer["data"].take())
    }

    /// Opens a stream of server-sent events, behind the one with this id.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses it.
    pub(super) fn stream(&self, path: &str, last: &str) -> Result<impl Read + use<>, CommandError> {
        let base = self.url.trim_end_matches('/');
        let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECTING));
        let mut request = ureq::Agent::from(config.build())
            .get(format!("{base}{path}"))
            .header("Last-Event-ID", last);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let unreachable = |error: ureq::Error| CommandError::failed(format!("{base}: {error}"));
        let response = request.call().map_err(unreachable)?;
        if response.status() == 200 {
            return Ok(response.into_body().into_reader());
        }
        let status = response.status().as_u16();
        let text = response.into_body().read_to_string().map_err(unreachable)?;
        Err(refused(status, &serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Asks, and returns the whole answer, which is a success.
    ///
    /// # Errors
    /// The same as of [`Self::post`].
    pub(super) fn ask(&self, ask: &Ask<'_>) -> Result<Value, CommandError> {
        let base = self.url.trim_end_matches('/');
        let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST would become a GET; and a proxy has no business between us and our
            // own server.
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECTING))
            .timeout_global(Some(ANSWERING));
        let agent = ureq::Agent::from(config.build());
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let sent = match *ask {
            Ask::Get(path) => {
                let request = agent.get(format!("{base}{path}"));
                match &bearer {
                    Some(bearer) => request.header("Authorization", bearer).call(),
                    None => request.call(),
                }
            }
            Ask::Post(path, body) | Ask::Patch(path, body) => {
                let url = format!("{base}{path}");
                let is_patch = matches!(ask, Ask::Patch(..));
                let mut request = if is_patch { agent.patch(url) } else { agent.post(url) };
                if let Some(bearer) = &bearer {
                    request = request.header("Authorization", bearer);
                }
                match body {
                    Some(body) => request
                        .header("Content-Type", "application/json")
                        .send(body.to_string().as_bytes()),
                    None => request.send_empty(),
                }
            }
        };
        let unreachable = |error: ureq::Error| {
            CommandError::failed(format!(
                "{base}: {error}; does attachd run there, and is its [http] listen this address? (--url)"
            ))
        };
        let mut response = sent.map_err(unreachable)?;
        let status = response.status();
        let text = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .read_to_string()
            .map_err(unreachable)?;
        let foreign = || {
            CommandError::failed(format!(
                "{base}: what answers there (HTTP {status}) is no attachd, or another version"
            ))
        };
        let answer: Value = serde_json::from_str(&text).map_err(|_| foreign())?;
        if answer["success"].as_bool().ok_or_else(foreign)? {
            Ok(answer)
        } else {
            Err(refused(status.as_u16(), &answer))
        }
    }
}

/// What is asked: a path behind the server's address, and a body where there can be one.
pub(super) enum Ask<'a> {
    Get(&'a str),
    Post(&'a str, Option<&'a Value>),
    Patch(&'a str, Option<&'a Value>),
}

fn refused(status: u16, answer: &Value) -> CommandError {
    let messages = answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let messages = messages.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match status {
        400 | 422 => CommandError::Listed(Exit::Invalid, messages),
        401 => CommandError::failed(format!(
            "{}; make one with `attachd token create`, and give it as --token or ATTACHD_TOKEN",
            messages.join("; ")
        )),
        _ => CommandError::failed(messages.join("; ")),
    }
}
