//! The headers by which a caller says which version of an object it knows (RFC 9110 13.1).

use axum::http::{HeaderMap, header};

use crate::api::refusal::Refusal;

pub(in crate::api) fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Whether the caller has this version already (If-None-Match, RFC 9110 13.1.2).
pub(in crate::api) fn is_known(headers: &HeaderMap, version: u64) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).and_then(|given| given.to_str().ok());
    given.is_some_and(|given| {
        given
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag(version))
    })
}

/// The version that the caller expects (If-Match, RFC 9110 13.1.1).
pub(in crate::api) fn expected(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = given.to_str().ok().map(str::trim).filter(|given| *given != "*");
    let Some(version) = version else { return Ok(None) };
    let number = version.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number = number.and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| {
        Refusal::precondition(format!(
            "If-Match: {version} is no version; write it as ETag shows it"
        ))
    })
}
