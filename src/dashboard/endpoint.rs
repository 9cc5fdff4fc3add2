//! One endpoint: who it is, how it stands, its sessions, why it may or may not attach, and what can
//! be done with it.

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::action::Action;
use super::ask::escaped;
use super::endpoints::state;
use super::frame::{self, Tab};
use super::sign_in::SignedIn;
use super::text;

pub(super) async fn page(
    caller: SignedIn,
    Path(iccid): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let path = format!("/api/v1/endpoints/{}", escaped(&iccid));
    let why_path = format!("{path}/why");
    let (endpoint, why) = tokio::join!(caller.data(&path), caller.data(&why_path));
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(failure) => return failure.into_response(),
    };
    let iccid = text::or_dash(&endpoint["iccid"]);
    let name = endpoint["name"].as_str().filter(|name| !name.is_empty());
    let done = query.as_deref().and_then(|query| query.strip_prefix("done="));
    let content = html! {
        h1 { (name.unwrap_or(iccid)) }
        (frame::done(done))
        div.two {
            section { h2 { "Identity" } (identity(&endpoint)) }
            section { h2 { "State" } (standing(&endpoint)) (actions(&caller, iccid, &endpoint)) }
        }
        section { h2 { "Sessions" } (sessions(&endpoint["sessions"])) }
        section {
            h2 { "Why" }
            p.faint { "What an attach would come to now, looked at step by step without doing it." }
            @match &why {
                Ok(why) => (steps(why)),
                Err(failure) => p.problem { (failure.words) },
            }
        }
    };
    frame::page(&caller, Tab::Endpoints, name.unwrap_or(iccid), &content)
}

fn joined(values: &Value, key: Option<&str>) -> String {
    let all = values.as_array().into_iter().flatten();
    let texts: Vec<&str> =
        all.filter_map(|one| key.map_or(one, |key| &one[key]).as_str()).collect();
    if texts.is_empty() { "–".to_owned() } else { texts.join(", ") }
}

fn identity(endpoint: &Value) -> Markup {
    html! {
        dl.facts {
            dt { "ICCID" } dd { (text::or_dash(&endpoint["iccid"])) }
            dt { "IMSI" } dd { (joined(&endpoint["imsis"], None)) }
            dt { "MSISDN" } dd { (text::or_dash(&endpoint["msisdn"])) }
            dt { "Reference" } dd { (text::or_dash(&endpoint["reference"])) }
            dt { "Tags" } dd { (joined(&endpoint["tags"], None)) }
            dt { "Group" } dd {
                @match endpoint["endpointGroup"]["moniker"].as_str() {
                    Some(moniker) => a href={ "/ui/endpoints?group=" (moniker) } {
                        (text::or_dash(&endpoint["endpointGroup"]["name"]))
                    },
                    None => "none",
                }
            }
            dt { "VSlice" } dd { (text::or_dash(&endpoint["vslice"]["name"])) }
            dt { "Addresses" } dd {
                @let addresses: Vec<&Value> = endpoint["ipAddresses"].as_array().into_iter().flatten().collect();
                @if addresses.is_empty() { "none" }
                @for address in addresses {
                    div {
                        (text::or_dash(&address["ip"])) " "
                        span.faint { (text::or_dash(&address["allocation"])) ", " (text::or_dash(&address["state"])) }
                    }
                }
            }
            dt { "Device (IMEISV)" } dd { (text::or_dash(&endpoint["imeisv"])) }
            dt { "From" } dd { (if endpoint["origin"] == "file" { "the inventory files" } else { "the API" }) }
        }
    }
}

fn standing(endpoint: &Value) -> Markup {
    html! {
        dl.facts {
            dt { "Provisioned" } dd { (state(&endpoint["provisioningState"])) }
            dt { "In the network" } dd { (state(&endpoint["networkState"])) }
            dt { "Reason given" } dd { (text::or_dash(&endpoint["stateReason"])) }
            dt { "Activated" } dd { (text::moment(&endpoint["activatedAt"])) }
            dt { "Last activity" } dd { (text::moment(&endpoint["lastActivity"])) }
            dt { "Where" } dd {
                (text::or_dash(&endpoint["gateway"]))
                @if let Some(plmn) = endpoint["plmn"].as_str() { ", network " (plmn) }
            }
        }
    }
}

/// What the state allows and the token may.
fn actions(caller: &SignedIn, iccid: &str, endpoint: &Value) -> Markup {
    let now = text::or_dash(&endpoint["provisioningState"]["moniker"]);
    let offered: Vec<Action> = Action::ALL
        .into_iter()
        .filter(|action| action.fits(now) && caller.may(action.role()))
        .collect();
    html! {
        @if !offered.is_empty() {
            div.actions {
                @for action in offered {
                    a.button href={ "/ui/endpoints/" (iccid) "/" (action.word()) } { (action.name()) }
                }
            }
        }
    }
}

fn sessions(sessions: &Value) -> Markup {
    let sessions: Vec<&Value> = sessions.as_array().into_iter().flatten().collect();
    html! {
        @if sessions.is_empty() { p.faint { "None of late." } } @else {
            div.wide tabindex="0" role="region" aria-label="Sessions" { table {
                thead { tr {
                    th scope="col" { "State" } th scope="col" { "Address" } th scope="col" { "Gateway" }
                    th scope="col" { "APN" } th scope="col" { "Radio" } th scope="col" { "Network" }
                    th scope="col" { "Started" } th scope="col" { "Ended" }
                    th.n scope="col" { "From the device" } th.n scope="col" { "To the device" }
                } }
                tbody { @for one in sessions { (session(one)) } }
            } }
        }
    }
}

fn session(one: &Value) -> Markup {
    let count = |key: &str| text::octets(one[key].as_f64().unwrap_or_default());
    html! {
        tr {
            td { (state(&one["state"])) }
            td { (text::or_dash(&one["ip"])) @if one["conflict"] == true { " (somebody else's)" } }
            td { (text::or_dash(&one["gateway"])) }
            td { (text::or_dash(&one["apn"])) }
            td { (text::or_dash(&one["ratType"]["name"])) }
            td { (text::or_dash(&one["plmn"])) }
            td { (text::moment(&one["startedAt"])) }
            td {
                (text::moment(&one["endedAt"])) " "
                @if let Some(cause) = one["closeCause"].as_str().or(one["endingReason"].as_str()) {
                    span.faint { (cause) }
                }
            }
            td.n { (count("inputOctets")) }
            td.n { (count("outputOctets")) }
        }
    }
}

fn steps(why: &Value) -> Markup {
    let verdict = text::or_dash(&why["verdict"]);
    let words = match verdict {
        "accept" => "It would be accepted",
        "drop" => "The request would not be answered",
        _ => "It would be refused",
    };
    html! {
        p {
            b { (frame::state(verdict, words)) }
            @if let Some(reason) = why["reason"].as_str() { ": " (reason) }
        }
        ol.steps {
            @for step in why["steps"].as_array().into_iter().flatten() {
                @let (moniker, name) = if step["passed"] == true { ("passed", "passed") } else { ("failed", "failed") };
                li {
                    (frame::state(moniker, name)) " " b { (text::or_dash(&step["check"])) }
                    " " (text::or_dash(&step["found"]))
                    span.faint { (text::or_dash(&step["message"])) }
                }
            }
        }
    }
}
