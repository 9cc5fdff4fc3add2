//! A page as a whole: its head, what it says when something went wrong, and the few files that a
//! browser loads besides.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

const ASSETS: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", include_str!("style.css")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("live.js")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// What went wrong, and the way back.
pub(super) fn message(status: StatusCode, words: &str) -> Response {
    let content = html! {
        main.narrow {
            h1 { "That did not work" }
            p.problem role="alert" { (words) }
            p { a href="/" { "To the overview" } }
        }
    };
    whole(status, "That did not work", &content)
}

/// With this body.
pub(super) fn whole(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – attachd" }
                link rel="icon" type="image/svg+xml" href="/ui/assets/icon.svg";
                link rel="stylesheet" href="/ui/assets/style.css";
                script src="/ui/assets/live.js" defer {}
            }
            body { (body) }
        }
    };
    let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, html, page.into_string()).into_response()
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => {
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "max-age=60")], *text)
                .into_response()
        }
        None => message(StatusCode::NOT_FOUND, "there is no such file here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_browser_loads_besides_a_page_is_small() {
        let octets: usize = ASSETS.iter().map(|(_, _, text)| text.len()).sum();
        assert!(octets < 30_000, "{octets} octets");
    }

    #[test]
    fn what_others_wrote_stays_text() {
        let page = message(StatusCode::OK, "<script>alert(1)</script>");
        let body = axum::body::to_bytes(page.into_body(), 100_000);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body).unwrap();
        assert!(String::from_utf8_lossy(&body).contains("&lt;script&gt;alert(1)"));
    }
}
