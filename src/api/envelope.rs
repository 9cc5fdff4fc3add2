//! The envelope around every answer of the API that has data.

use axum::Json;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::refusal::Refusal;

/// An answer with data. Its status is 200.
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<T> {
    success: bool,
    messages: Vec<String>,
    data: T,
    #[serde(flatten)]
    page: Option<Page>,
    /// The version of what is shown, for the header ETag (RFC 9110 8.8.3).
    #[serde(skip)]
    version: Option<u64>,
}

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) total_items: usize,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

/// A page of a list that is paged by cursor, since it is too long to be sorted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CursorPage {
    success: bool,
    messages: Vec<String>,
    data: Vec<Value>,
    total_items: usize,
    /// There may be more than were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    total_is_lower_bound: bool,
    limit: usize,
    offset: usize,
    /// Where the next page begins; `None`: this was the last.
    next_cursor: Option<String>,
}

impl CursorPage {
    pub(crate) const fn new(data: Vec<Value>, total_items: usize, limit: usize) -> Self {
        let messages = Vec::new();
        let (total_is_lower_bound, offset, next_cursor) = (false, 0, None);
        Self {
            success: true,
            messages,
            data,
            total_items,
            total_is_lower_bound,
            limit,
            offset,
            next_cursor,
        }
    }

    #[must_use]
    pub(crate) fn next(self, next_cursor: Option<String>) -> Self {
        Self { next_cursor, ..self }
    }

    #[must_use]
    pub(crate) fn lower_bound(self, total_is_lower_bound: bool) -> Self {
        Self { total_is_lower_bound, ..self }
    }
}

/// What a handler of the API answers.
pub(crate) type Answer<T> = Result<Envelope<T>, Refusal>;

pub(crate) const fn data<T>(data: T) -> Envelope<T> {
    Envelope { success: true, messages: Vec::new(), data, page: None, version: None }
}

pub(crate) const fn list<T>(data: Vec<T>, page: Page) -> Envelope<Vec<T>> {
    Envelope { success: true, messages: Vec::new(), data, page: Some(page), version: None }
}

impl<T> Envelope<T> {
    /// Of this version.
    pub(crate) const fn versioned(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    pub(crate) const fn data(&self) -> &T {
        &self.data
    }

    /// With something that a person should know.
    pub(crate) fn telling(mut self, message: impl Into<String>) -> Self {
        self.messages.push(message.into());
        self
    }
}

impl<T: Serialize> IntoResponse for Envelope<T> {
    fn into_response(self) -> Response {
        let version = self.version;
        let mut response = Json(self).into_response();
        if let Some(tag) = version.and_then(|version| format!("\"{version}\"").parse().ok()) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}
