//! Who may ask: a page in a browser must not reach a server that listens on loopback by a name of
//! its own (DNS rebinding), nor make a person's browser change anything.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::api::refusal::Refusal;

/// Whose connection it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Whether the listener can be reached from this machine only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsLocal(pub(crate) bool);

/// Refuses what was asked in another server's name.
pub(crate) async fn guard(
    State(IsLocal(is_local)): State<IsLocal>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let host = host(&request)?;
    if let Some(host) = host.filter(|host| is_local && !is_local_name(host)) {
        let host: String = host.chars().take(80).collect();
        let message = format!(
            "Host {host:?} is not this server, which listens on loopback; use localhost, 127.0.0.1 or [::1]"
        );
        return Err(Refusal::forbidden(message));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && !is_same_origin(request.headers(), host)
    {
        return Err(Refusal::forbidden("a page of another origin cannot change anything here"));
    }
    request.extensions_mut().insert(IsLocal(is_local));
    Ok(next.run(request).await)
}

/// In whose name the request came: the target's authority goes before the header (RFC 9112 3.2.2).
/// HTTP/1.0 need not have any.
fn host(request: &Request) -> Result<Option<&str>, Refusal> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() || (first.is_none() && request.version() > axum::http::Version::HTTP_10) {
        return Err(Refusal::query("a request has one header Host (RFC 9112 3.2)"));
    }
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.as_str()));
    }
    first
        .map(|value| value.to_str().map_err(|_| Refusal::query("the header Host is no text")))
        .transpose()
}

/// Whether a host, with or without port, names this machine only.
fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

/// A browser says from which origin a page changes something; programs say nothing.
fn is_same_origin(headers: &HeaderMap, host: Option<&str>) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let authority = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .map(|(_, authority)| authority);
        authority
            .is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.0.0.2:1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(is_local_name(host), "{host}");
        }
        let foreign = [
            "",
            "attachd",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1:8080",
            "[2001:db8::1]:8080",
            "::1",
        ];
        for host in foreign {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn a_page_changes_only_its_own_server() {
        let is_same = |origin: &str, host| {
            is_same_origin(
                &HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]),
                Some(host),
            )
        };
        assert!(is_same("http://localhost:8080", "localhost:8080"));
        assert!(is_same_origin(&HeaderMap::new(), Some("localhost:8080")));
        for origin in ["http://localhost:3000", "http://evil.example", "null", ""] {
            assert!(!is_same(origin, "localhost:8080"), "{origin}");
        }
    }
}
