//! The endpoints: a search, filters, and a page at a time, however many there are.

use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::ask::escaped;
use super::frame::{self, Tab};
use super::sign_in::SignedIn;
use super::text;

const PER_PAGE: usize = 50;

/// The filters that have a field: in our addresses, in the API's, and for people.
const FILTERS: [(&str, &str, &str); 5] = [
    ("state", "provisioningState", "State"),
    ("network", "networkState", "In the network"),
    ("group", "endpointGroup", "Group"),
    ("vslice", "vslice", "VSlice"),
    ("gateway", "gateway", "Gateway"),
];

const STATES: [&str; 4] = ["pending", "active", "suspended", "terminated"];
const NETWORK_STATES: [&str; 4] = ["unknown", "detached", "idle", "active"];

/// What was asked for, as it stands in the address.
struct Wanted(Vec<(String, String)>);

impl Wanted {
    fn of(query: Option<&str>) -> Self {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(
            &format!("/?{}", query.unwrap_or_default()).parse().unwrap_or_default(),
        );
        Self(pairs.map(|axum::extract::Query(pairs)| pairs).unwrap_or_default())
    }

    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// As the API is asked.
    fn path(&self) -> String {
        let filters: Vec<String> = FILTERS
            .iter()
            .filter(|(name, ..)| !self.text(name).is_empty())
            .map(|(name, property, _)| {
                let value = self.text(name).replace('\\', "\\\\").replace(',', "\\,");
                format!("{property}:{value}")
            })
            .collect();
        format!(
            "/api/v1/endpoints?limit={PER_PAGE}&q={}&filter={}&cursor={}",
            escaped(self.text("q")),
            escaped(&filters.join(",")),
            escaped(self.text("cursor")),
        )
    }

    /// The page behind this one.
    fn next(&self, cursor: &str) -> String {
        let kept = self.0.iter().filter(|(name, value)| name != "cursor" && !value.is_empty());
        let kept = kept.map(|(name, value)| format!("{}={}&", escaped(name), escaped(value)));
        format!("/ui/endpoints?{}cursor={}", kept.collect::<String>(), escaped(cursor))
    }

    fn is_all(&self) -> bool {
        self.0.iter().all(|(name, value)| name == "cursor" || value.is_empty())
    }
}

pub(super) async fn page(caller: SignedIn, RawQuery(query): RawQuery) -> Response {
    let wanted = Wanted::of(query.as_deref());
    let path = wanted.path();
    let (found, groups, vslices) = tokio::join!(
        caller.get(&path),
        caller.data("/api/v1/endpointgroups"),
        caller.data("/api/v1/vslices"),
    );
    let found = match found {
        Ok(found) => found,
        Err(failure) => return failure.into_response(),
    };
    let content = html! {
        h1 { "Endpoints" }
        (filters(&wanted, &groups.unwrap_or_default(), &vslices.unwrap_or_default()))
        (table(&found))
        @if let Some(cursor) = found["nextCursor"].as_str().filter(|cursor| !cursor.is_empty()) {
            p { a.button href=(wanted.next(cursor)) rel="next" { "Next page" } }
        }
    };
    frame::page(&caller, Tab::Endpoints, "Endpoints", &content)
}

fn filters(wanted: &Wanted, groups: &Value, vslices: &Value) -> Markup {
    let monikers = |list: &Value| -> Vec<String> {
        let all = list.as_array().into_iter().flatten();
        all.filter_map(|one| one["moniker"].as_str()).map(str::to_owned).collect()
    };
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    html! {
        form.filters role="search" method="get" action="/ui/endpoints" {
            div {
                label for="q" { "ICCID, IMSI, MSISDN, name, reference, tag or address" }
                input id="q" name="q" type="search" value=(wanted.text("q"));
            }
            @for (name, _, label) in FILTERS {
                @let choices = match name {
                    "state" => texts(&STATES),
                    "network" => texts(&NETWORK_STATES),
                    "group" => monikers(groups),
                    "vslice" => monikers(vslices),
                    _ => Vec::from_iter(Some(wanted.text(name).to_owned()).filter(|own| !own.is_empty())),
                };
                @if !choices.is_empty() {
                    div {
                        label for=(name) { (label) }
                        select id=(name) name=(name) {
                            option value="" { "all" }
                            @for choice in choices {
                                option value=(choice) selected[choice == wanted.text(name)] { (choice) }
                            }
                        }
                    }
                }
            }
            button { "Search" }
            @if !wanted.is_all() { a href="/ui/endpoints" { "Show all" } }
        }
    }
}

fn table(found: &Value) -> Markup {
    let endpoints: Vec<&Value> = found["data"].as_array().into_iter().flatten().collect();
    let total = found["totalItems"].as_f64().unwrap_or_default();
    let at_least = if found["totalIsLowerBound"] == true { "at least " } else { "" };
    html! {
        @if endpoints.is_empty() {
            p { "No endpoint is like that." }
            p.faint { "A SIM that is no endpoint yet may be in the " a href="/ui/stock" { "stock" } "." }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Endpoints" { table {
                caption { (at_least) (text::count(total)) " found" }
                thead { tr {
                    th scope="col" { "ICCID" } th scope="col" { "Name" } th scope="col" { "State" }
                    th scope="col" { "Network" } th scope="col" { "Group" }
                    th scope="col" { "Address" } th scope="col" { "Last activity" }
                } }
                tbody { @for one in endpoints { (row(one)) } }
            } }
        }
    }
}

fn row(one: &Value) -> Markup {
    let iccid = text::or_dash(&one["iccid"]);
    let addresses = one["ipAddresses"].as_array().into_iter().flatten();
    let addresses: Vec<&str> = addresses.filter_map(|address| address["ip"].as_str()).collect();
    html! {
        tr {
            td.id { a href={ "/ui/endpoints/" (iccid) } { (iccid) } }
            td { (text::or_dash(&one["name"])) }
            td { (state(&one["provisioningState"])) }
            td { (state(&one["networkState"])) }
            td { (text::or_dash(&one["endpointGroup"]["name"])) }
            td { (if addresses.is_empty() { "–".to_owned() } else { addresses.join(", ") }) }
            td { (text::moment(&one["lastActivity"])) }
        }
    }
}

/// A state as the API shows it.
pub(super) fn state(value: &Value) -> Markup {
    frame::state(text::or_dash(&value["moniker"]), text::or_dash(&value["name"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_reaches_the_api_and_the_next_page() {
        let wanted = Wanted::of(Some("q=till+1&state=active&group=&gateway=a%2Cb&cursor=x"));
        assert_eq!(
            wanted.path(),
            "/api/v1/endpoints?limit=50&q=till%201\
             &filter=provisioningState%3aactive%2cgateway%3aa%5c%2cb&cursor=x"
        );
        assert_eq!(
            wanted.next("12-7"),
            "/ui/endpoints?q=till%201&state=active&gateway=a%2cb&cursor=12-7"
        );
        assert!(!wanted.is_all() && Wanted::of(Some("q=&cursor=7")).is_all());
    }
}
