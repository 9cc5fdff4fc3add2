//! Every refusal of the API: a code for programs, a status, words for people, and where in what was
//! sent each problem is.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::aaa::ChangeError;

/// An answer without data, and why.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    messages: Vec<String>,
    /// After how many seconds another try makes sense.
    retry_after_s: Option<u32>,
    /// Whether it tells what became of an object, not of the request: the platform's families say
    /// so with status 200.
    is_outcome: bool,
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    success: bool,
    messages: &'a [String],
    code: &'static str,
    data: Option<()>,
}

/// RFC 9457
#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    errors: Vec<ProblemPart<'a>>,
}

#[derive(Serialize)]
struct ProblemPart<'a> {
    /// RFC 6901
    pointer: &'a str,
    detail: &'a str,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, messages: Vec<String>) -> Self {
        Self { status, code, messages, retry_after_s: None, is_outcome: false }
    }

    fn outcome(status: StatusCode, code: &'static str, messages: Vec<String>) -> Self {
        Self { is_outcome: true, ..Self::new(status, code, messages) }
    }

    /// The object does not exist. Nothing else may be told in these words.
    pub(crate) fn not_found() -> Self {
        Self::outcome(StatusCode::NOT_FOUND, "not-found", vec!["Record not found".to_owned()])
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }

    /// An object was asked for without saying which.
    pub(crate) fn moniker_missing() -> Self {
        let message = "no id or moniker after the slash; the list is at the path without it. terraform import of this provider reads by moniker and sends none";
        Self::outcome(StatusCode::NOT_FOUND, "moniker-missing", vec![message.to_owned()])
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        let message = format!("there is no path {path} here");
        Self::new(StatusCode::NOT_FOUND, "no-such-path", vec![message])
    }

    pub(crate) fn method(method: &str, path: &str) -> Self {
        let message =
            format!("{path} does not take {method}; the header Allow lists what it takes");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", vec![message])
    }

    /// Something is wrong with the query, or what was sent cannot be read at all.
    pub(crate) fn query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", vec![message.into()])
    }

    pub(crate) fn unknown_parameter(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unknown-key", vec![message])
    }

    /// What was sent was understood, and is wrong: all that is wrong with it, each with its JSON
    /// pointer.
    pub(crate) fn invalid(problems: Vec<String>) -> Self {
        Self::outcome(StatusCode::UNPROCESSABLE_ENTITY, "invalid", problems)
    }

    /// The same with another code of the same status: `unknown-key`, `reference`, `unsupported`.
    pub(crate) fn refused(code: &'static str, problems: Vec<String>) -> Self {
        Self::outcome(StatusCode::UNPROCESSABLE_ENTITY, code, problems)
    }

    /// Another object stands in the way.
    pub(crate) fn conflict(code: &'static str, message: String) -> Self {
        Self::outcome(StatusCode::CONFLICT, code, vec![message])
    }

    pub(crate) fn media_type() -> Self {
        let message = "send JSON, with Content-Type: application/json".to_owned();
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", vec![message])
    }

    pub(crate) fn too_large(most: usize) -> Self {
        let message = format!("at most {most} octets");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "limit", vec![message])
    }

    pub(crate) fn too_many(most: usize, has: usize) -> Self {
        let message = format!("at most {most} rows, this has {has}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "limit", vec![message])
    }

    /// Several things stand in the way.
    pub(crate) fn conflict_of_many(code: &'static str, messages: Vec<String>) -> Self {
        Self::outcome(StatusCode::CONFLICT, code, messages)
    }

    /// All it says.
    pub(crate) fn words(&self) -> String {
        self.messages.join("; ")
    }

    pub(crate) fn unauthenticated() -> Self {
        let message = "no or unknown token".to_owned();
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", vec![message])
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", vec![message.into()])
    }

    pub(crate) fn precondition(message: String) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition", vec![message])
    }

    pub(crate) fn not_ready(reasons: Vec<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", reasons)
    }

    /// Whoever was at it is gone: the server ends.
    pub(crate) fn ending() -> Self {
        Self::not_ready(vec!["the server ends".to_owned()])
    }

    /// Too much was asked; another try makes sense after so long.
    pub(crate) fn limited(message: impl Into<String>, wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
        Self { retry_after_s: Some(seconds), ..Self::busy(message) }
    }

    /// As many as allowed are at it already.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "limit", vec![message.into()])
        }
    }

    /// A request was not answered in time: it may have been carried out nevertheless.
    pub(crate) fn timed_out(after: Duration) -> Self {
        let message =
            format!("not answered within {} s; look whether it was done", after.as_secs());
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", vec![message])
    }

    /// The status in its family: the platform's tell outcomes with 200.
    fn status_in(&self, is_platform: bool) -> StatusCode {
        if is_platform && self.is_outcome { StatusCode::OK } else { self.status }
    }

    /// The answer, in the form that was asked for.
    pub(crate) fn answer(&self, is_platform: bool, headers: &HeaderMap) -> Response {
        let mut response = if wants_problem(headers) {
            let mut response = (self.status, Json(self.problem())).into_response();
            let kind = header::HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        } else {
            let body = RefusalBody {
                success: false,
                messages: &self.messages,
                code: self.code,
                data: None,
            };
            (self.status_in(is_platform), Json(body)).into_response()
        };
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }

    fn problem<'a>(&'a self) -> ProblemBody<'a> {
        let part = |message: &'a String| {
            let (pointer, detail) = message.split_once(": ")?;
            pointer.starts_with('/').then_some(ProblemPart { pointer, detail })
        };
        ProblemBody {
            r#type: format!("urn:attachd:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or(self.code),
            status: self.status.as_u16(),
            detail: self.messages.join(" "),
            errors: self.messages.iter().filter_map(part).collect(),
        }
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let message = error.to_string();
        match error {
            ChangeError::NotFound => Self::not_found(),
            ChangeError::Version { .. } => Self::precondition(message),
            ChangeError::Activation => Self::refused("activation", vec![message]),
            ChangeError::Exists | ChangeError::Refused(_) => Self::conflict("state", message),
            ChangeError::ImsiTaken { .. }
            | ChangeError::MsisdnTaken { .. }
            | ChangeError::Repeated { .. }
            | ChangeError::TooLarge(_) => Self::invalid(vec![message]),
            ChangeError::AddressTaken { .. } => Self::conflict("address", message),
            ChangeError::AddressOutside { .. } => Self::refused("address", vec![message]),
            ChangeError::MonikerTaken { .. } => Self::conflict("moniker-taken", message),
            ChangeError::NoGroup | ChangeError::NoSuch { .. } => {
                Self::refused("reference", vec![message])
            }
            ChangeError::InUse { .. }
            | ChangeError::HasEndpoints { .. }
            | ChangeError::SubnetInUse { .. } => Self::conflict("in-use", message),
        }
    }
}

/// Whether the caller asked for RFC 9457.
fn wants_problem(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|one| {
        let kind = one.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/problem+json")
    })
}

/// In its usual form; the dialect of its family is put over it on the way out.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.answer(false, &HeaderMap::new());
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_200_in_the_platform_s_families_only() {
        let cases = [
            (Refusal::not_found(), 404, 200),
            (Refusal::moniker_missing(), 404, 200),
            (Refusal::conflict("in-use", "used".to_owned()), 409, 200),
            (Refusal::invalid(vec!["/name: missing".to_owned()]), 422, 200),
            (Refusal::unauthenticated(), 401, 401),
            (Refusal::forbidden("no"), 403, 403),
            (Refusal::no_such_path("/x"), 404, 404),
            (Refusal::precondition("version is 8, not 7".to_owned()), 412, 412),
            (Refusal::not_ready(Vec::new()), 503, 503),
            (Refusal::busy("later"), 429, 429),
        ];
        for (refusal, own, platform) in cases {
            let told = [false, true].map(|is_platform| refusal.status_in(is_platform).as_u16());
            assert_eq!(told, [own, platform], "{refusal:?}");
        }
    }

    #[test]
    fn problems_have_true_statuses_and_pointers() {
        let mut headers = HeaderMap::new();
        assert!(!wants_problem(&headers));
        headers.insert(header::ACCEPT, "text/html, application/problem+json;q=1".parse().unwrap());
        assert!(wants_problem(&headers));
        let refusal = Refusal::invalid(vec!["/name: missing: give one".to_owned()]);
        let response = refusal.answer(true, &headers);
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let problem = serde_json::to_value(refusal.problem()).unwrap();
        assert_eq!(problem["type"], "urn:attachd:problem:invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/name");
        assert_eq!(problem["errors"][0]["detail"], "missing: give one");
    }
}
