//! The management API, asked within the process: a page sees and changes what its person's token
//! may, by the same permissions as every program.

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::service::Service as _;
use serde_json::Value;

use super::document;
use super::sign_in::SignedIn;

/// The longest answer that is read: a page of a thousand endpoints has less than a mebibyte.
const LONGEST: usize = 16 << 20;

/// Why the API did not do it.
#[derive(Debug)]
pub(super) struct ApiFailure {
    pub(super) status: StatusCode,
    /// What it says, for people.
    pub(super) words: String,
}

impl SignedIn {
    /// What the API answers, whole.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ApiFailure> {
        self.ask(Method::GET, path, None).await
    }

    /// The data of what the API answers.
    pub(super) async fn data(&self, path: &str) -> Result<Value, ApiFailure> {
        self.get(path).await.map(|mut answer| answer["data"].take())
    }

    /// Asks for a change.
    pub(super) async fn change(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, ApiFailure> {
        self.ask(method, path, Some(body)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiFailure> {
        let mut request =
            Request::new(body.map_or_else(Body::empty, |body| body.to_string().into()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| ApiFailure::internal())?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", self.secret));
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer.map_err(|_| ApiFailure::internal())?);
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let response = match self.dashboard.api.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = to_bytes(response.into_body(), LONGEST).await;
        let body = body.map_err(|_| ApiFailure::internal())?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        // The platform's families tell failures with status 200.
        if status.is_success() && answer["success"] != Value::Bool(false) {
            return Ok(answer);
        }
        let messages = answer["messages"].as_array().into_iter().flatten();
        let words: Vec<&str> = messages.filter_map(Value::as_str).collect();
        let status = if status.is_success() { StatusCode::CONFLICT } else { status };
        Err(ApiFailure { status, words: words.join("; ") })
    }
}

impl ApiFailure {
    fn internal() -> Self {
        let words = "this could not be asked; go back and try again".to_owned();
        Self { status: StatusCode::BAD_REQUEST, words }
    }
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let words =
            if self.words.is_empty() { self.status.to_string() } else { self.words.clone() };
        document::message(self.status, &words)
    }
}

/// A text as part of a path or query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                escaped.push(char::from(octet));
            }
            _ => {
                escaped.push('%');
                for digit in [octet >> 4, octet & 15] {
                    escaped.extend(char::from_digit(digit.into(), 16));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_writes_stays_one_parameter() {
        assert_eq!(escaped("till 1&limit=9"), "till%201%26limit%3d9");
        assert_eq!(escaped("é/?#"), "%c3%a9%2f%3f%23");
        assert_eq!(escaped("Az09-_."), "Az09-_.");
    }
}
