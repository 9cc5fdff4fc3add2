//! The envelope around every answer of the API, and around every refusal.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer with data. Its status is 200.
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<T> {
    success: bool,
    messages: Vec<String>,
    data: T,
    #[serde(flatten)]
    page: Option<Page>,
}

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) total_items: usize,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

/// An answer without data, and why.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// For programs.
    code: &'static str,
    /// For people.
    messages: Vec<String>,
    /// After how many seconds another try makes sense.
    retry_after_s: Option<u32>,
}

#[derive(Serialize)]
struct RefusalBody {
    success: bool,
    messages: Vec<String>,
    code: &'static str,
    data: Option<()>,
}

/// What a handler of the API answers.
pub(crate) type Answer<T> = Result<Json<Envelope<T>>, Refusal>;

pub(crate) fn data<T>(data: T) -> Json<Envelope<T>> {
    Json(Envelope { success: true, messages: Vec::new(), data, page: None })
}

pub(crate) fn list<T>(data: Vec<T>, page: Page) -> Json<Envelope<Vec<T>>> {
    Json(Envelope { success: true, messages: Vec::new(), data, page: Some(page) })
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, messages: Vec<String>) -> Self {
        Self { status, code, messages, retry_after_s: None }
    }

    /// The object does not exist. Nothing else may be told in these words.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", vec!["Record not found".to_owned()])
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no-such-path",
            vec![format!("there is no path {path} here")],
        )
    }

    pub(crate) fn method(method: &str, path: &str) -> Self {
        let message =
            format!("{path} does not take {method}; the header Allow lists what it takes");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", vec![message])
    }

    /// Something is wrong with the query.
    pub(crate) fn query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", vec![message.into()])
    }

    pub(crate) fn unknown_parameter(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unknown-key", vec![message])
    }

    /// What was sent was understood, and is wrong: all that is wrong with it.
    pub(crate) fn invalid(problems: Vec<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", problems)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", vec![message.into()])
    }

    pub(crate) fn bad_host(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", vec![message.into()])
    }

    pub(crate) fn not_ready(reasons: Vec<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", reasons)
    }

    /// As many as allowed are at it already.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "limit", vec![message.into()])
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, code, messages, retry_after_s } = self;
        let body = Json(RefusalBody { success: false, messages, code, data: None });
        match retry_after_s {
            Some(seconds) => {
                (status, [(header::RETRY_AFTER, seconds.to_string())], body).into_response()
            }
            None => (status, body).into_response(),
        }
    }
}
