//! The audit log: every write that is asked for over HTTP, and every reload, with who asked, what
//! became of it and which keys changed. What was done is recorded in the same commit as the change.

mod difference;
mod entry;
mod list;
mod refused;

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use parking_lot::Mutex;
use serde_json::Value;

pub(crate) use self::entry::{AuditEntry, AuditOutcome, AuditTarget};
pub(super) use self::list::routes;
pub(super) use self::refused::refused;
use super::access::TokenBearer;
use super::http::Peer;
use crate::aaa::Aaa;

/// A request that may change something.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) source: Option<IpAddr>,
    pub(crate) idempotency: Option<IdempotentCall>,
}

/// The key under which a request may be repeated, and what tells it from another request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotentCall {
    pub(crate) key: String,
    pub(crate) request: u64,
}

/// Where the permission of a request leaves who asks, for those around the handler.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallerSlot(Arc<Mutex<Option<TokenBearer>>>);

/// A change that is to be recorded: who asks for it, and what it is about.
pub(crate) struct Audit {
    pub(super) bearer: TokenBearer,
    pub(super) target: AuditTarget,
    pub(super) watch: Watch,
}

/// How the target looks; `Null`: it is not there.
type Watch = Box<dyn Fn(&Aaa) -> Value + Send>;

impl Call {
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            source: parts.extensions.get::<Peer>().map(|Peer(peer)| peer.ip().to_canonical()),
            idempotency: parts.extensions.get::<IdempotentCall>().cloned(),
        }
    }
}

impl CallerSlot {
    pub(super) fn set(&self, bearer: &TokenBearer) {
        *self.0.lock() = Some(bearer.clone());
    }

    pub(super) fn get(&self) -> Option<TokenBearer> {
        self.0.lock().clone()
    }
}

impl Audit {
    pub(super) fn new(
        bearer: &TokenBearer,
        target: AuditTarget,
        watch: impl Fn(&Aaa) -> Value + Send + 'static,
    ) -> Self {
        Self { bearer: bearer.clone(), target, watch: Box::new(watch) }
    }

    /// Of many at once, which are not looked at one by one.
    pub(super) fn of_many(bearer: &TokenBearer, target: AuditTarget) -> Self {
        Self::new(bearer, target, |_| Value::Null)
    }
}
