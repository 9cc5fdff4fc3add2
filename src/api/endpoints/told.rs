//! What is told of a change of an endpoint: to the log, to the audit log, and by whoever asks.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use tracing::info;

use super::read::short_text;
use super::shown_one;
use crate::api::access::TokenBearer;
use crate::api::audit::{Audit, AuditTarget};
use crate::api::families::body::{self, Fields, Problems};
use crate::api::http::HttpState;
use crate::api::refusal::Refusal;
use crate::identity::{Iccid, endpoint_uuid};

/// The log's line.
pub(super) fn tell(bearer: &TokenBearer, iccid: Iccid, what: &str) {
    // The last digits are enough to find it, and tell nobody a subscriber.
    let digits = iccid.to_string();
    let end = digits.get(digits.len().saturating_sub(4)..).unwrap_or_default();
    info!(token = bearer.token, endpoint = format!("...{end}"), what, "changed by the API");
}

/// A body `{"reason": ...}`, or none.
pub(super) fn reason(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Option<Box<str>>, Refusal> {
    if body.as_ref().is_ok_and(Bytes::is_empty) {
        return Ok(None);
    }
    let mut problems = Problems::default();
    let mut fields = Fields::new(body::json(headers, body)?, "", &mut problems);
    let reason = fields.parsed("reason", short_text);
    fields.finish();
    problems.result()?;
    Ok(reason.value().map(Into::into))
}

/// What the audit log says of a change of an endpoint.
pub(super) fn audit(state: &Arc<HttpState>, bearer: &TokenBearer, iccid: Iccid) -> Audit {
    let common = Arc::clone(&state.common);
    Audit::new(bearer, AuditTarget::endpoint(iccid, endpoint_uuid(iccid)), move |aaa| {
        let now = common.clock.now().wall;
        shown_one(aaa, iccid, now, &common.gateways.load()).unwrap_or_default()
    })
}
