//! The dialect of all paths under `/api/v1`: how they may be written, and in which form a refusal is
//! told.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::{PathAndQuery, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::HttpState;
use crate::api::refusal::Refusal;

/// The families that the platform has as well, in lower case: their outcomes have status 200.
const PLATFORM: [&str; 10] = [
    "apitokens",
    "vslices",
    "endpointgroups",
    "eventhandlers",
    "eventmaps",
    "eventtypes",
    "operatorpolicies",
    "regionalpolicies",
    "routingpolicies",
    "routingtargets",
];

/// Where an id stands in other families, these have a word.
const WORDS: [(&str, &[&str]); 4] = [
    ("apitokens", &["verify"]),
    ("server", &["reload"]),
    ("endpoints", &["batch", "actions"]),
    ("events", &["stream"]),
];

/// Writes the words of a path in lower case, and doubled slashes as one. Ids stay as they are: they
/// are every second segment behind the family.
pub(crate) fn normalize(uri: &mut Uri) {
    let Some(path) = normal_path(uri.path()) else { return };
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = std::mem::take(uri).into_parts();
    if let Ok(target) = target.parse::<PathAndQuery>() {
        parts.path_and_query = Some(target);
    }
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// `None`: it is no path of the API.
fn normal_path(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (api, version) = (segments.first()?, segments.get(1)?);
    if !api.eq_ignore_ascii_case("api") || !version.eq_ignore_ascii_case("v1") {
        return None;
    }
    let family = segments.get(2).map(|family| family.to_ascii_lowercase()).unwrap_or_default();
    let words = WORDS.iter().find(|(of, _)| *of == family).map_or(&[][..], |(_, words)| words);
    let mut normal = String::with_capacity(path.len());
    for (at, segment) in segments.iter().enumerate() {
        let is_word = at < 3
            || at % 2 == 0
            || at == 3 && words.iter().any(|word| word.eq_ignore_ascii_case(segment));
        normal.push('/');
        if is_word {
            normal.extend(segment.chars().map(|letter| letter.to_ascii_lowercase()));
        } else {
            normal.push_str(segment);
        }
    }
    // An empty id is told apart from none at all.
    if path.ends_with('/') {
        normal.push('/');
    }
    Some(normal)
}

fn is_platform(path: &str) -> bool {
    path.strip_prefix("/api/v1/").is_some_and(|rest| {
        let family = rest.split('/').next().unwrap_or_default();
        PLATFORM.contains(&family)
    })
}

/// Tells refusals in the form of the family, and as the caller asked for it. A server that cannot
/// record does not say that something is not there: what removed it may not be durable.
pub(super) async fn told(
    State(state): State<Arc<HttpState>>,
    request: Request,
    next: Next,
) -> Response {
    let is_platform = is_platform(request.uri().path());
    let headers = request.headers().clone();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Refusal>() {
        Some(mut refusal) => {
            if refusal.code() == "not-found" && !state.readiness().is_ready() {
                refusal = state.not_ready();
            }
            let mut told = refusal.answer(is_platform, &headers);
            // What the router adds, as the methods that a path takes.
            for (name, value) in response.headers() {
                told.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
            told
        }
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_lower_case_and_ids_as_they_are() {
        let cases = [
            ("/api/v1/EndpointGroups/Epos", "/api/v1/endpointgroups/Epos"),
            ("/API/V1//vslices", "/api/v1/vslices"),
            ("//api//v1/vslices/", "/api/v1/vslices/"),
            ("/api/v1/eventMaps/map-A/Subscriptions", "/api/v1/eventmaps/map-A/subscriptions"),
            ("/api/v1/vslices/F/subnets/10.0.0.0/8", "/api/v1/vslices/F/subnets/10.0.0.0/8"),
            ("/api/v1/ApiTokens/Verify", "/api/v1/apitokens/verify"),
            ("/api/v1/endpoints/IMSI:1?q=A", "/api/v1/endpoints/IMSI:1?q=A"),
            ("/Metrics//x", "/Metrics//x"),
        ];
        for (written, normal) in cases {
            let mut uri: Uri = written.parse().unwrap();
            normalize(&mut uri);
            assert_eq!(uri.to_string(), normal, "{written}");
        }
        assert!(is_platform("/api/v1/vslices/x") && !is_platform("/api/v1/endpoints/vslices"));
    }
}
