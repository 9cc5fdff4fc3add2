//! The overview: what somebody looks at in the morning, and what a stream keeps up to date.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::{Markup, html};
use serde_json::Value;
use tokio::time::sleep;

use super::figures::Figures;
use super::frame::{self, Tab};
use super::recent::Recent;
use super::sign_in::SignedIn;
use super::{Dashboard, PACE, chart, gateways, text};

/// After so many pictures the browser connects anew: a connection may not go for two minutes
/// without a request.
const PICTURES: u32 = 100 / PACE.as_secs() as u32;

pub(super) async fn page(caller: SignedIn) -> Response {
    let live = picture(&caller).await;
    let content = html! {
        h1 { "Overview" }
        div data-live="/ui/live" { (live) }
    };
    frame::page(&caller, Tab::Overview, "Overview", &content)
}

/// The same picture again and again, as a stream of events.
pub(super) async fn live(State(dashboard): State<Arc<Dashboard>>, caller: SignedIn) -> Response {
    let Ok(permit) = Arc::clone(&dashboard.streams).try_acquire_owned() else {
        return (StatusCode::TOO_MANY_REQUESTS, "many watch already").into_response();
    };
    let pictures = stream::unfold((caller, permit, 0), |(caller, permit, number)| async move {
        if number == PICTURES {
            return None;
        }
        sleep(PACE).await;
        let picture = picture(&caller).await.into_string().replace('\r', " ");
        let event = Event::default().event("page").data(picture).retry(Duration::from_secs(1));
        Some((Ok::<_, Infallible>(event), (caller, permit, number + 1)))
    });
    Sse::new(pictures).into_response()
}

async fn picture(caller: &SignedIn) -> Markup {
    let readiness = serde_json::to_value(caller.dashboard.state.readiness()).unwrap_or_default();
    let pools = caller.data("/api/v1/pools").await.unwrap_or_default();
    let figures = Figures::read(&caller.dashboard.state.exposition());
    let recent = caller.dashboard.recent.lock();
    html! {
        (readiness_line(&readiness))
        dl.tiles {
            (tile("Requests a second", &text::rate(recent.requests_a_second()), "all kinds", &recent.requests_line()))
            (tile("Refused a second", &text::rate(recent.rejects_a_second()), "Access-Rejects", &recent.rejects_line()))
            (tile("Latency, 99 of 100 within", &latency(&recent, 0.99),
                &format!("half within {}", latency(&recent, 0.5)), &recent.latency_line()))
            (tile("Open sessions", &text::count(figures.sum("attachd_sessions")),
                &format!("{} ending", text::count(figures.sum("attachd_sessions_ending"))), &recent.sessions_line()))
            (tile("Endpoints", &text::count(figures.sum("attachd_endpoints")),
                &format!("{} other than the files have them", text::count(figures.sum("attachd_inventory_differs"))), &[]))
            (tile("Journal", &text::octets(figures.sum("attachd_journal_bytes")),
                &format!("{} wait for the disk, {} commits failed",
                    text::octets(figures.sum("attachd_journal_backlog_bytes")),
                    text::count(figures.sum("attachd_journal_failures_total"))), &[]))
        }
        p.faint { "Lines: the last hour, or as long as the server runs." }
        div.two {
            section { h2 { "Refused in the last hour" } (refused(&recent)) }
            section { h2 { "Endpoints" } (endpoints(&figures)) }
            section { h2 { "Sessions by VSlice" } (sessions(&figures)) }
            section { h2 { "Addresses" } (addresses(&pools)) }
        }
        h2 { "Gateways" }
        (gateways::table(&figures, &recent))
    }
}

fn latency(recent: &Recent, share: f64) -> String {
    recent.latency(share).map_or_else(|| "–".to_owned(), text::seconds)
}

fn readiness_line(readiness: &Value) -> Markup {
    let status = text::or_dash(&readiness["status"]);
    let name = match status {
        "ready" => "Ready: requests are answered",
        "degraded" => "Requests are answered, and somebody should look at this:",
        _ => "Not ready: gateways should ask another server",
    };
    html! {
        p role="status" { (frame::state(status, name)) }
        ul { @for reason in readiness["reasons"].as_array().into_iter().flatten() {
            li { (text::or_dash(reason)) }
        } }
    }
}

fn tile(name: &str, figure: &str, more: &str, line: &[f64]) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd.figure { (figure) }
            dd.more { (more) }
            @if !line.is_empty() { dd { (chart::line(line)) } }
        }
    }
}

fn refused(recent: &Recent) -> Markup {
    let refused = recent.refused();
    html! {
        @if refused.is_empty() { p.faint { "None." } } @else {
            table {
                thead { tr { th scope="col" { "Reason" } th.n scope="col" { "Requests" } } }
                tbody { @for (reason, count) in refused {
                    tr { td { (reason) } td.n { (text::count(count)) } }
                } }
            }
        }
    }
}

fn endpoints(figures: &Figures) -> Markup {
    let provisioning = figures.by("attachd_endpoints", "provisioning_state");
    let network = figures.by("attachd_endpoints_network", "network_state");
    html! {
        table {
            thead { tr { th scope="col" { "State" } th.n scope="col" { "Endpoints" } } }
            tbody {
                @for (state, count) in provisioning {
                    tr {
                        td { a href={ "/ui/endpoints?state=" (state) } { (frame::state(&state, &state)) } }
                        td.n { (text::count(count)) }
                    }
                }
                @for (state, count) in network {
                    tr {
                        td { a href={ "/ui/endpoints?network=" (state) } { "in the network: " (state) } }
                        td.n { (text::count(count)) }
                    }
                }
            }
        }
    }
}

fn sessions(figures: &Figures) -> Markup {
    let sessions = figures.by("attachd_sessions", "vslice");
    html! {
        @if sessions.is_empty() { p.faint { "There is no VSlice yet." } } @else {
            table {
                thead { tr { th scope="col" { "VSlice" } th.n scope="col" { "Open sessions" } } }
                tbody { @for (vslice, count) in sessions {
                    tr {
                        td { a href={ "/ui/endpoints?vslice=" (vslice) } { (vslice) } }
                        td.n { (text::count(count)) }
                    }
                } }
            }
        }
    }
}

fn addresses(pools: &Value) -> Markup {
    let mut pools: Vec<&Value> = pools.as_array().into_iter().flatten().collect();
    let used = |pool: &Value| pool["utilisation"].as_f64().unwrap_or_default();
    pools.sort_by(|a, b| used(b).total_cmp(&used(a)));
    html! {
        @if pools.is_empty() { p.faint { "There is no subnet yet." } }
        @for pool in pools.iter().take(8) {
            h3 { (text::or_dash(&pool["vslice"])) " " (text::or_dash(&pool["subnet"])) }
            (super::networks::fill(pool))
        }
        @if pools.len() > 8 { p { a href="/ui/networks" { "All subnets" } } }
    }
}
