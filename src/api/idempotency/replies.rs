//! The replies of the last day, by token and key.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderValue;
use parking_lot::Mutex;
use serde_json::Value;

use super::super::audit::IdempotentCall;
use super::super::refusal::Refusal;
use crate::message_log::{LogItem, LogView};
use crate::time::Timestamp;

/// How long a key is remembered, and how many of a token.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
const MOST: usize = 10_000;

/// Octets of a reply that is kept whole; of a longer one, only that it was given.
const LONGEST: usize = 4096;

/// The keys of all tokens.
#[derive(Debug, Default)]
pub(crate) struct IdempotentReplies(Mutex<HashMap<String, OfToken>>);

#[derive(Debug, Default)]
struct OfToken {
    by_key: HashMap<String, Known>,
    /// Keys in the order in which they came; some may be gone.
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Known {
    request: u64,
    at: Timestamp,
    /// `None`: it is being carried out.
    reply: Option<KeptReply>,
}

/// A success that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptReply {
    pub(crate) etag: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

/// What a request with a key is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The first of its key, to be carried out.
    First,
    /// A repetition; this was answered.
    Again(KeptReply),
}

impl IdempotentReplies {
    pub(super) fn begin(
        &self,
        token: &str,
        call: &IdempotentCall,
        now: Timestamp,
    ) -> Result<Begun, Refusal> {
        let mut all = self.0.lock();
        let own = all.entry(token.to_owned()).or_default();
        own.forget_old(now);
        match own.by_key.get(&call.key) {
            Some(known) if known.request != call.request => {
                let message = "this Idempotency-Key was used for another request".to_owned();
                Err(Refusal::refused("idempotency", vec![message]))
            }
            Some(Known { reply: Some(kept), .. }) => Ok(Begun::Again(kept.clone())),
            Some(Known { reply: None, .. }) => {
                let message = "the request of this Idempotency-Key is being carried out";
                Err(Refusal::conflict("idempotency", message.to_owned()))
            }
            None => {
                own.put(call, now, None);
                Ok(Begun::First)
            }
        }
    }

    pub(super) fn keep(&self, token: &str, key: &str, kept: KeptReply) {
        let mut all = self.0.lock();
        let known = all.get_mut(token).and_then(|own| own.by_key.get_mut(key));
        if let Some(known) = known {
            let is_short = kept.body.len() <= LONGEST;
            known.reply = Some(if is_short { kept } else { KeptReply::without_body(None) });
        }
    }

    pub(super) fn forget(&self, token: &str, key: &str) {
        if let Some(own) = self.0.lock().get_mut(token) {
            own.by_key.remove(key);
        }
    }

    /// Learns from the audit log what was done under a key before this start.
    pub(crate) fn recall(&self, log: &LogView, now: Timestamp) -> std::io::Result<()> {
        let since = Timestamp::from_micros(now.micros().saturating_sub(day_micros()));
        let mut found = Vec::new();
        log.backward(log.end(), |item| {
            let LogItem::Message(message) = item else { return ControlFlow::Continue(()) };
            if message.at < since {
                return ControlFlow::Break(());
            }
            found.extend(done(message.octets).map(|done| (message.at, done)));
            ControlFlow::Continue(())
        })?;
        let mut all = self.0.lock();
        for (at, DoneBefore { token, call, id }) in found.into_iter().rev() {
            let own = all.entry(token).or_default();
            own.put(&call, at, Some(KeptReply::without_body(id.as_deref())));
        }
        Ok(())
    }
}

fn day_micros() -> u64 {
    u64::try_from(REMEMBERED.as_micros()).unwrap_or(u64::MAX)
}

/// What an entry of the audit log says of a key.
struct DoneBefore {
    token: String,
    call: IdempotentCall,
    id: Option<String>,
}

fn done(octets: &[u8]) -> Option<DoneBefore> {
    let entry: Value = serde_json::from_slice(octets).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = text(&entry["idempotencyKey"]).filter(|_| entry["outcome"] == "done")?;
    let request = u64::from_str_radix(entry["requestHash"].as_str()?, 16).ok()?;
    Some(DoneBefore {
        token: text(&entry["token"]["name"])?,
        call: IdempotentCall { key, request },
        id: text(&entry["target"]["id"]),
    })
}

impl OfToken {
    fn put(&mut self, call: &IdempotentCall, at: Timestamp, reply: Option<KeptReply>) {
        while self.by_key.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
        self.order.push_back(call.key.clone());
        self.by_key.insert(call.key.clone(), Known { request: call.request, at, reply });
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let is_old = self.by_key.get(oldest).is_none_or(|known| known.at + REMEMBERED <= now);
            if !is_old {
                break;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.by_key.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: &str, request: u64) -> IdempotentCall {
        IdempotentCall { key: key.to_owned(), request }
    }

    #[test]
    fn a_key_is_one_request_of_one_token_for_a_day() {
        let replies = IdempotentReplies::default();
        let now = Timestamp::from_secs(1_800_000_000);
        let kept = KeptReply { etag: None, body: Bytes::from_static(b"{}") };
        assert_eq!(replies.begin("a", &call("key-1", 1), now).unwrap(), Begun::First);
        let busy = replies.begin("a", &call("key-1", 1), now).unwrap_err();
        assert!(busy.words().contains("being carried out"), "{}", busy.words());
        replies.keep("a", "key-1", kept.clone());
        let again = || replies.begin("a", &call("key-1", 1), now).unwrap();
        assert_eq!((again(), again()), (Begun::Again(kept.clone()), Begun::Again(kept)));
        let other = replies.begin("a", &call("key-1", 2), now).unwrap_err();
        assert!(other.words().contains("used for another request"), "{}", other.words());
        assert_eq!(replies.begin("b", &call("key-1", 2), now).unwrap(), Begun::First);
        let next_day = now + REMEMBERED;
        assert_eq!(replies.begin("a", &call("key-1", 2), next_day).unwrap(), Begun::First);
        replies.forget("a", "key-1");
        assert_eq!(replies.begin("a", &call("key-1", 3), next_day).unwrap(), Begun::First);
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let replies = IdempotentReplies::default();
        let now = Timestamp::from_secs(1_800_000_000);
        for number in 0..=MOST {
            replies.begin("a", &call(&number.to_string(), 1), now).unwrap();
        }
        assert_eq!(replies.0.lock()["a"].by_key.len(), MOST);
        assert_eq!(replies.begin("a", &call("0", 2), now).unwrap(), Begun::First, "long gone");
    }
}
