//! Event handlers: where events are sent.

use std::fmt;

use compact_str::CompactString;

use super::super::model::RecordTooLarge;
use crate::identity::Moniker;

/// A destination of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHandler {
    pub moniker: Moniker,
    pub name: CompactString,
    pub webhook: Webhook,
}

/// An HTTP address that events are posted to. Texts stay as they were written.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    pub url: CompactString,
    /// Seconds, as text.
    pub timeout: CompactString,
    pub bearer: Option<CompactString>,
    pub username: Option<CompactString>,
    pub password: Option<CompactString>,
    /// What signs every event (`whsec_...`), made by whoever asks for the handler.
    pub signing_secret: CompactString,
}

impl EventHandler {
    /// Whether its record has a bounded size.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    pub fn record_fits(&self) -> Result<(), RecordTooLarge> {
        let Webhook { url, timeout, bearer, username, password, signing_secret } = &self.webhook;
        let secrets = [bearer, username, password].into_iter().flatten();
        let texts = [&self.name, url, timeout, signing_secret].into_iter().chain(secrets);
        RecordTooLarge::check(
            "an event handler",
            1024 + texts.map(CompactString::len).sum::<usize>(),
            64 << 10,
        )
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
