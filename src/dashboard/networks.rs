//! Groups and VSlices: how full each subnet is, who is in each group, and under which policy.

use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{self, Tab};
use super::sign_in::SignedIn;
use super::{chart, text};

pub(super) async fn page(caller: SignedIn) -> Response {
    let (vslices, groups, pools) = tokio::join!(
        caller.data("/api/v1/vslices"),
        caller.data("/api/v1/endpointgroups"),
        caller.data("/api/v1/pools"),
    );
    let (vslices, groups, pools) = match (vslices, groups, pools) {
        (Ok(vslices), Ok(groups), Ok(pools)) => (vslices, groups, pools),
        (Err(failure), ..) | (_, Err(failure), _) | (.., Err(failure)) => {
            return failure.into_response();
        }
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (vslices, groups, pools) = (list(&vslices), list(&groups), list(&pools));
    let content = html! {
        h1 { "Groups and VSlices" }
        p.key.faint {
            i.leased {} "in use" i.held {} "held after a release" i {} "free"
        }
        @if vslices.is_empty() {
            p.faint { "There is none yet. Write one into inventory.toml, or make one by the API." }
        }
        @for vslice in &vslices { (section(vslice, &groups, &pools)) }
    };
    frame::page(&caller, Tab::Networks, "Groups and VSlices", &content)
}

fn section(vslice: &Value, groups: &[Value], pools: &[Value]) -> Markup {
    let moniker = &vslice["moniker"];
    let own_groups = groups.iter().filter(|group| group["vslice"]["moniker"] == *moniker);
    let own_pools: Vec<&Value> = pools.iter().filter(|pool| pool["vslice"] == *moniker).collect();
    html! {
        section {
            h2 {
                (text::or_dash(&vslice["name"])) " "
                span.faint { "(" (text::or_dash(moniker)) ")" }
                @if vslice["enabled"] == false { " " (frame::state("suspended", "disabled")) }
            }
            p {
                a href={ "/ui/endpoints?vslice=" (text::or_dash(moniker)) } {
                    (text::count(vslice["endpointCount"].as_f64().unwrap_or_default())) " endpoints"
                }
            }
            div.two {
                div {
                    h3 { "Subnets" }
                    @if own_pools.is_empty() { p.faint { "None: no endpoint gets an address here." } }
                    @for pool in own_pools {
                        p { b { (text::or_dash(&pool["subnet"])) } ", " (text::or_dash(&pool["allocation"])) }
                        (fill(pool))
                    }
                }
                div.wide tabindex="0" role="region" aria-label={ "Groups of " (text::or_dash(moniker)) } {
                    h3 { "Groups" }
                    table {
                        thead { tr {
                            th scope="col" { "Group" } th.n scope="col" { "Endpoints" }
                            th scope="col" { "APNs" } th scope="col" { "Policy" }
                        } }
                        tbody { @for group in own_groups { (row(group)) } }
                    }
                }
            }
        }
    }
}

fn row(group: &Value) -> Markup {
    let apns = group["apns"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let apns = apns.collect::<Vec<_>>().join(", ");
    html! {
        tr {
            td {
                a href={ "/ui/endpoints?group=" (text::or_dash(&group["moniker"])) } {
                    (text::or_dash(&group["name"]))
                }
                @if group["enabled"] == false { " " (frame::state("suspended", "disabled")) }
            }
            td.n { (text::count(group["endpointsAssigned"].as_f64().unwrap_or_default())) }
            td { (if apns.is_empty() { "any" } else { &apns }) }
            td { (text::or_dash(&group["steeringProfile"]["name"])) }
        }
    }
}

/// How full a subnet is, as a picture and in words.
pub(super) fn fill(pool: &Value) -> Markup {
    let count = |key: &str| pool[key].as_f64().unwrap_or_default();
    let (leased, held, free) = (count("leased"), count("held"), count("free"));
    html! {
        (chart::parts(leased + held + free, &[("leased", leased), ("held", held)]))
        p.faint {
            (text::count(leased)) " in use, " (text::count(held)) " held, "
            (text::count(free)) " free"
        }
    }
}
