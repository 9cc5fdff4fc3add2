//! Idempotency-Key: a POST that is sent again under the same key is not done again; its reply is
//! given once more.

mod replies;

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use xxhash_rust::xxh3::Xxh3;

pub(crate) use self::replies::{Begun, IdempotentReplies, KeptReply};
use super::access;
use super::audit::IdempotentCall;
use super::endpoints::LONGEST_BATCH;
use super::http::HttpState;
use super::refusal::Refusal;

static KEY: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Looks whether a POST was sent before.
pub(super) async fn once(
    State(state): State<Arc<HttpState>>,
    request: Request,
    next: Next,
) -> Response {
    if *request.method() != Method::POST || !request.headers().contains_key(&KEY) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // Whoever has no token is refused further in.
    let Ok(bearer) = access::bearer(&parts, &state) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let key = match key_of(&parts.headers) {
        Ok(key) => key,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(body) = to_bytes(body, LONGEST_BATCH).await else {
        return Refusal::too_large(LONGEST_BATCH).into_response();
    };
    let call = IdempotentCall { key, request: hash(&parts, &body) };
    let now = state.common.clock.now().wall;
    match state.replies.begin(&bearer.token, &call, now) {
        Ok(Begun::First) => {}
        Ok(Begun::Again(kept)) => return replay(kept),
        Err(refusal) => return refusal.into_response(),
    }
    // It goes on though whoever asked has gone: else nobody would know whether it was done.
    let done = tokio::spawn(carry_out(state, bearer.token, call, parts, body, next));
    done.await.unwrap_or_else(|_| Refusal::ending().into_response())
}

async fn carry_out(
    state: Arc<HttpState>,
    token: String,
    call: IdempotentCall,
    mut parts: Parts,
    body: Bytes,
    next: Next,
) -> Response {
    parts.extensions.insert(call.clone());
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    // What was refused had no effect: the next try may be another one.
    if response.extensions().get::<Refusal>().is_some() || !response.status().is_success() {
        state.replies.forget(&token, &call.key);
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Refusal::ending().into_response();
    };
    let kept = KeptReply { etag: head.headers.get(ETAG).cloned(), body: body.clone() };
    state.replies.keep(&token, &call.key, kept);
    Response::from_parts(head, Body::from(body))
}

fn key_of(headers: &HeaderMap) -> Result<String, Refusal> {
    let mut given = headers.get_all(&KEY).iter();
    let (first, second) = (given.next(), given.next());
    let key = first.filter(|_| second.is_none()).and_then(|key| key.to_str().ok());
    let key = key.filter(|key| (8..=64).contains(&key.len()));
    key.map(str::to_owned).ok_or_else(|| {
        Refusal::query("Idempotency-Key is given once, and has 8 to 64 printable characters")
    })
}

/// Tells one request from another. The key's owner is trusted not to look for collisions.
fn hash(parts: &Parts, body: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    for part in [target.as_bytes(), kind, body] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}

fn replay(kept: KeptReply) -> Response {
    let mut response = kept.body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    if let Some(etag) = kept.etag {
        headers.insert(ETAG, etag);
    }
    response
}

impl KeptReply {
    /// What is left of a reply whose body was not kept: that it was done, and the id.
    fn without_body(id: Option<&str>) -> Self {
        let messages = match id {
            Some(_) => json!([]),
            None => json!(["done before, by this request; its reply was not kept"]),
        };
        let body = json!({"success": true, "messages": messages, "data": id});
        Self { etag: None, body: body.to_string().into() }
    }
}
