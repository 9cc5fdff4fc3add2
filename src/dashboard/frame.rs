//! What pages have around them for somebody who has signed in: the way from page to page; and the
//! small things that stand on several of them.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::document::whole;
use super::sign_in::SignedIn;

/// The pages that can be reached from everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Endpoints,
    Networks,
    Gateways,
    Stock,
}

const TABS: [(Tab, &str, &str); 5] = [
    (Tab::Overview, "/", "Overview"),
    (Tab::Endpoints, "/ui/endpoints", "Endpoints"),
    (Tab::Networks, "/ui/networks", "Groups and VSlices"),
    (Tab::Gateways, "/ui/gateways", "Gateways"),
    (Tab::Stock, "/ui/stock", "Stock and activation"),
];

/// A page for somebody who has signed in.
pub(super) fn page(caller: &SignedIn, here: Tab, title: &str, content: &Markup) -> Response {
    let body = html! {
        a.skip href="#content" { "To the content" }
        header {
            a.home href="/" { "attachd" }
            nav aria-label="Pages" {
                @for (tab, path, name) in TABS {
                    a href=(path) aria-current=[(tab == here).then_some("page")] { (name) }
                }
            }
            form.who method="post" action="/ui/sign-out" {
                span { (caller.bearer.token) " (" (caller.bearer.role.as_str()) ")" }
                button.plain { "Sign out" }
            }
        }
        main id="content" tabindex="-1" { (content) }
    };
    whole(StatusCode::OK, title, &body)
}

/// What was done by the form before, in words that stand here and nowhere else.
pub(super) fn done(query: Option<&str>) -> Markup {
    let words = match query {
        Some("suspend") => "Suspended. It gets no new session until it is resumed.",
        Some("resume") => "Resumed. It may attach again.",
        Some("terminate") => "Terminated. Its addresses and its group are free of it.",
        Some("reinstate") => "Reinstated. Give it a group, and it may attach.",
        Some("move") => "Moved. Its next session is in the new group.",
        Some("activate") => "Activated. It may attach.",
        Some("disconnect") => "The gateway was asked to end the session.",
        _ => return html! {},
    };
    html! { p.done role="status" { (words) } }
}

/// A state with its colour and, for who sees none, its word.
pub(super) fn state(moniker: &str, name: &str) -> Markup {
    html! { span class={ "state s-" (moniker) } { (name) } }
}
