//! The stock: SIMs that wait for their activation, and the form that makes endpoints of them.

use axum::extract::RawQuery;
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::action::group_select;
use super::ask::{ApiFailure, escaped};
use super::frame::{self, Tab};
use super::sign_in::{MaySubmit, SignedIn};
use super::text;
use crate::tokens::TokenRole;

const PER_PAGE: usize = 50;

pub(super) async fn page(caller: SignedIn, RawQuery(query): RawQuery) -> Response {
    let cursor = query.as_deref().and_then(|query| query.strip_prefix("cursor="));
    shown(&caller, cursor.unwrap_or_default(), None, ("", "")).await
}

/// The form, and what waits; `written`: ICCID and group that were filled in before.
async fn shown(
    caller: &SignedIn,
    cursor: &str,
    problem: Option<&ApiFailure>,
    (iccid, group): (&str, &str),
) -> Response {
    let path = format!("/api/v1/stock?limit={PER_PAGE}&cursor={}", escaped(cursor));
    let (stock, groups) = tokio::join!(caller.get(&path), caller.data("/api/v1/endpointgroups"));
    let stock = match stock {
        Ok(stock) => stock,
        Err(failure) => return failure.into_response(),
    };
    let content = html! {
        h1 { "Stock and activation" }
        @if caller.may(TokenRole::Write) {
            section.narrow {
                h2 { "Activate a SIM" }
                @if let Some(problem) = problem { p.problem role="alert" { (problem.words) } }
                form method="post" action="/ui/stock" {
                    input type="hidden" name="proof" value=(caller.form_proof());
                    label for="iccid" { "ICCID, as it is printed on the SIM" }
                    input id="iccid" name="iccid" inputmode="numeric" autocomplete="off" required value=(iccid);
                    label for="code" { "Activation code, as it came with the SIM" }
                    input id="code" name="code" autocomplete="off" required;
                    label for="group" { "Group" }
                    (group_select(&groups.unwrap_or_default(), Some(group), "none yet: it stays pending"))
                    label for="name" { "Name (not needed)" }
                    input id="name" name="name" maxlength="100" autocomplete="off";
                    button.primary { "Activate" }
                }
            }
        }
        section { h2 { "In stock" } (table(&stock)) }
        @if let Some(next) = stock["nextCursor"].as_str().filter(|next| !next.is_empty()) {
            p { a.button href={ "/ui/stock?cursor=" (escaped(next)) } rel="next" { "Next page" } }
        }
    };
    let mut response = frame::page(caller, Tab::Stock, "Stock and activation", &content);
    if let Some(problem) = problem {
        *response.status_mut() = problem.status;
    }
    response
}

fn table(stock: &Value) -> Markup {
    let sims: Vec<&Value> = stock["data"].as_array().into_iter().flatten().collect();
    html! {
        @if sims.is_empty() {
            p.faint { "No SIM waits. Deliveries come by stock.csv beside the inventory, or by the API." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="In stock" { table {
                caption { (text::count(stock["totalItems"].as_f64().unwrap_or_default())) " SIMs" }
                thead { tr {
                    th scope="col" { "ICCID" } th scope="col" { "IMSI" } th scope="col" { "MSISDN" }
                    th scope="col" { "Last tried to attach" }
                } }
                tbody { @for sim in sims { (row(sim)) } }
            } }
        }
    }
}

fn row(sim: &Value) -> Markup {
    let imsis = sim["imsis"].as_array().into_iter().flatten().filter_map(Value::as_str);
    html! {
        tr {
            td.id { (text::or_dash(&sim["iccid"])) }
            td { (imsis.collect::<Vec<_>>().join(", ")) }
            td { (text::or_dash(&sim["msisdn"])) }
            td { (text::moment(&sim["lastAttempt"]["at"])) }
        }
    }
}

pub(super) async fn activate(submit: MaySubmit) -> Response {
    let iccid: String = submit.field("iccid").split_whitespace().collect();
    let mut body = Map::new();
    body.insert("iccid".to_owned(), json!(iccid));
    body.insert("activationCode".to_owned(), json!(submit.field("code")));
    for (key, name) in [("endpointGroup", "group"), ("name", "name")] {
        let value = submit.field(name);
        if !value.is_empty() {
            body.insert(key.to_owned(), json!(value));
        }
    }
    match submit.caller.change(Method::POST, "/api/v1/endpoints", &Value::Object(body)).await {
        Ok(_) => Redirect::to(&format!("/ui/endpoints/{}?done=activate", escaped(&iccid)))
            .into_response(),
        Err(failure) => {
            shown(&submit.caller, "", Some(&failure), (&iccid, submit.field("group"))).await
        }
    }
}
