//! Writes that were refused, or failed: they are recorded when they have been answered.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::Value;

use super::{AuditEntry, AuditOutcome, AuditTarget, Call, CallerSlot};
use crate::api::http::HttpState;
use crate::api::refusal::Refusal;

pub(crate) async fn refused(
    State(state): State<Arc<HttpState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_write || !request.uri().path().starts_with("/api/v1/") {
        return next.run(request).await;
    }
    let slot = CallerSlot::default();
    request.extensions_mut().insert(slot.clone());
    let (parts, body) = request.into_parts();
    let call = Call::of(&parts);
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(refusal) = response.extensions().get::<Refusal>() else { return response };
    // Whoever has no token could fill the log; such requests are counted as all others are.
    let Some(bearer) = slot.get() else { return response };
    let outcome = match refusal.status() {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => AuditOutcome::Failed,
        _ => AuditOutcome::Refused,
    };
    let entry = AuditEntry {
        at: state.common.clock.now().wall,
        bearer: Some(bearer),
        target: target_of(&call.path),
        call,
        outcome,
        code: Some(refusal.code()),
        before: Value::Null,
        after: Value::Null,
    };
    tokio::task::spawn_blocking(move || state.record_audit(&entry));
    response
}

/// What a path names: nobody has looked whether it is there.
fn target_of(path: &str) -> AuditTarget {
    let mut segments = path.trim_start_matches("/api/v1/").split('/');
    let family = segments.next().unwrap_or_default();
    let kinds = [
        ("vslices", "vslice"),
        ("endpointgroups", "group"),
        ("operatorpolicies", "policy"),
        ("eventhandlers", "handler"),
        ("eventmaps", "map"),
        ("endpoints", "endpoint"),
        ("stock", "stock"),
    ];
    let kind = kinds.iter().find(|(known, _)| *known == family).map_or("other", |(_, kind)| kind);
    let id = segments.next().filter(|id| !id.is_empty());
    AuditTarget {
        kind,
        id: id.map(str::to_owned),
        moniker: id.map(str::to_owned),
        iccids: Vec::new(),
    }
}
