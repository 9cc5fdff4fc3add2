//! The gateways: who asks, how much, when last, and what was not answered.

use axum::response::Response;
use maud::{Markup, html};

use super::figures::Figures;
use super::frame::{self, Tab};
use super::recent::Recent;
use super::sign_in::SignedIn;
use super::text;

pub(super) async fn page(caller: SignedIn) -> Response {
    let figures = Figures::read(&caller.dashboard.state.exposition());
    let drops = figures.by("radius_dropped_total", "reason");
    let content = {
        let recent = caller.dashboard.recent.lock();
        html! {
            h1 { "Gateways" }
            (table(&figures, &recent))
            h2 { "Not answered, since the server started" }
            @let shown: Vec<_> = drops.iter().filter(|(_, count)| **count > 0.0).collect();
            @if shown.is_empty() { p.faint { "Everything was answered." } } @else {
                div.wide tabindex="0" { table {
                    thead { tr {
                        th scope="col" { "Reason" } th.n scope="col" { "Datagrams" } th scope="col" { "Of" }
                    } }
                    tbody { @for (reason, count) in shown {
                        @let of = figures.by_with("radius_dropped_total", "gateway", ("reason", reason));
                        tr {
                            td { (reason) }
                            td.n { (text::count(*count)) }
                            td { (names(&of)) }
                        }
                    } }
                } }
            }
            p.faint {
                "Gateways are configured in attachd.toml, with their secrets; "
                code { "attachd reload" } " brings a change into force."
            }
        }
    };
    frame::page(&caller, Tab::Gateways, "Gateways", &content)
}

/// Those of which something was dropped.
fn names(of: &std::collections::BTreeMap<String, f64>) -> String {
    let named: Vec<&str> =
        of.iter().filter(|(_, count)| **count > 0.0).map(|(name, _)| name.as_str()).collect();
    if named.is_empty() { "senders that are no gateway".to_owned() } else { named.join(", ") }
}

/// One row for each gateway.
pub(super) fn table(figures: &Figures, recent: &Recent) -> Markup {
    let requests = figures.by("radius_requests_total", "gateway");
    let responses = figures.by("radius_responses_total", "gateway");
    let accepts = figures.by_with("radius_responses_total", "gateway", ("code", "Access-Accept"));
    let rejects = figures.by_with("radius_responses_total", "gateway", ("code", "Access-Reject"));
    let drops = figures.by("radius_dropped_total", "gateway");
    let of = |map: &std::collections::BTreeMap<String, f64>, name: &str| {
        text::count(map.get(name).copied().unwrap_or_default())
    };
    html! {
        @if requests.is_empty() { p.faint { "None has asked yet." } } @else {
            div.wide tabindex="0" role="region" aria-label="Gateways" { table {
                thead { tr {
                    th scope="col" { "Gateway" } th scope="col" { "Last heard" }
                    th.n scope="col" { "Requests" } th.n scope="col" { "Replies" }
                    th.n scope="col" { "Accepts" } th.n scope="col" { "Rejects" }
                    th.n scope="col" { "Not answered" }
                } }
                tbody { @for (name, count) in &requests {
                    tr {
                        td { a href={ "/ui/endpoints?gateway=" (super::ask::escaped(name)) } { (name) } }
                        td { (recent.heard(name).map_or_else(|| "not since the start".to_owned(), text::ago)) }
                        td.n { (text::count(*count)) }
                        td.n { (of(&responses, name)) }
                        td.n { (of(&accepts, name)) }
                        td.n { (of(&rejects, name)) }
                        td.n { (of(&drops, name)) }
                    }
                } }
            } }
        }
    }
}
