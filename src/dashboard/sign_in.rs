//! Who looks: a token of the management API, kept in a cookie that no script can read; and the
//! proof that a form was made by us.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Dashboard, document};
use crate::api::access::{TokenBearer, bearer};
use crate::api::http::Peer;
use crate::tokens::TokenRole;

const COOKIE: &str = "attachd_token";

/// A person with a valid token.
#[derive(Clone)]
pub(super) struct SignedIn {
    pub(super) bearer: TokenBearer,
    pub(super) secret: String,
    /// In whose name, and from where, the page was asked for: the API looks at that, too.
    pub(super) host: HeaderValue,
    pub(super) peer: Option<Peer>,
    pub(super) dashboard: Arc<Dashboard>,
}

/// What was filled into a form of ours, by a person whose token may change something.
pub(super) struct MaySubmit {
    pub(super) caller: SignedIn,
    fields: Fields,
}

type Fields = Vec<(String, String)>;

impl SignedIn {
    /// Whether something is offered at all.
    pub(super) fn may(&self, role: TokenRole) -> bool {
        self.bearer.role >= role
    }

    /// Stands in every form, and in nobody else's: who does not have the token cannot compute it.
    pub(super) fn form_proof(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"attachd dashboard form\0");
        digest.update(self.secret.as_bytes());
        digest.finalize().iter().fold(String::new(), |mut text, octet| {
            // Writing to a string does not fail.
            let _ = write!(text, "{octet:02x}");
            text
        })
    }
}

impl FromRequestParts<Arc<Dashboard>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        dashboard: &Arc<Dashboard>,
    ) -> Result<Self, Response> {
        let to_sign_in = || Redirect::to("/ui/sign-in").into_response();
        let secret = cookie(&parts.headers).ok_or_else(to_sign_in)?;
        let bearer = believed(parts, &secret, dashboard).ok_or_else(to_sign_in)?;
        let local = || HeaderValue::from_static("localhost");
        Ok(Self {
            bearer,
            secret,
            host: parts.headers.get(header::HOST).cloned().unwrap_or_else(local),
            peer: parts.extensions.get().copied(),
            dashboard: Arc::clone(dashboard),
        })
    }
}

impl FromRequest<Arc<Dashboard>> for MaySubmit {
    type Rejection = Response;

    async fn from_request(request: Request, dashboard: &Arc<Dashboard>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let caller = SignedIn::from_request_parts(&mut parts, dashboard).await?;
        if !caller.may(TokenRole::Write) {
            let words = "your token may look, and change nothing";
            return Err(document::message(StatusCode::FORBIDDEN, words));
        }
        let request = Request::from_parts(parts, body);
        let form = Form::<Fields>::from_request(request, dashboard).await;
        let Form(fields) = form.map_err(IntoResponse::into_response)?;
        let submit = Self { caller, fields };
        let proof = submit.caller.form_proof();
        if !bool::from(submit.field("proof").as_bytes().ct_eq(proof.as_bytes())) {
            let words = "this form is not of this page; go back, load the page again, and repeat";
            return Err(document::message(StatusCode::FORBIDDEN, words));
        }
        Ok(submit)
    }
}

impl MaySubmit {
    /// What stands in a field, without blanks around it; nothing, if it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        field(&self.fields, name)
    }
}

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
}

/// Whose token it is, asked as a program would ask.
fn believed(parts: &mut Parts, secret: &str, dashboard: &Dashboard) -> Option<TokenBearer> {
    let authorization = HeaderValue::try_from(format!("Bearer {secret}")).ok()?;
    parts.headers.insert(header::AUTHORIZATION, authorization);
    bearer(parts, &dashboard.state).ok()
}

/// The token in the cookie.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The form.
pub(super) async fn page() -> Response {
    form(StatusCode::OK, None)
}

fn form(status: StatusCode, problem: Option<&str>) -> Response {
    let content = html! {
        main.narrow {
            h1 { "attachd" }
            p { "Sign in with a token of the management API." }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form method="post" action="/ui/sign-in" {
                input type="text" name="username" autocomplete="username" value="attachd" hidden;
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password"
                    required autofocus;
                button.primary { "Sign in" }
            }
            p.faint { "No token yet? On the server:" }
            pre tabindex="0" { "attachd token create --name me --role admin --config /etc/attachd/attachd.toml" }
            p.faint {
                "The role " b { "read" } " looks at everything, " b { "write" }
                " changes single endpoints, " b { "admin" } " may do all."
            }
        }
    };
    document::whole(status, "Sign in", &content)
}

/// Remembers the token in the browser, until it is closed.
pub(super) async fn sign_in(
    State(dashboard): State<Arc<Dashboard>>,
    mut parts: Parts,
    Form(fields): Form<Fields>,
) -> Response {
    let secret = field(&fields, "token");
    let is_plain = secret.bytes().all(|octet| octet.is_ascii_alphanumeric());
    if !is_plain || believed(&mut parts, secret, &dashboard).is_none() {
        let problem = "There is no such token, or it has expired or was disabled.";
        return form(StatusCode::UNAUTHORIZED, Some(problem));
    }
    with_cookie(secret, "/")
}

/// Forgets it.
pub(super) async fn sign_out() -> Response {
    with_cookie("; Max-Age=0", "/ui/sign-in")
}

fn with_cookie(value: &str, to: &str) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict");
    ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let of = |text: &'static str| {
            cookie(&HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(text))]))
        };
        assert_eq!(of("a=1; attachd_token=0f; b=2").as_deref(), Some("0f"));
        assert_eq!(of("attachd_token="), None);
        assert_eq!(of("xattachd_token=0f"), None);
        assert_eq!(cookie(&HeaderMap::new()), None);
    }
}
