//! What can be done with an endpoint: a page that says what will happen, and then the same request
//! that a program would send.

use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::ask::escaped;
use super::document;
use super::frame::{self, Tab};
use super::sign_in::{MaySubmit, SignedIn};
use super::text;
use crate::tokens::TokenRole;

/// A thing to do with an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Suspend,
    Resume,
    Move,
    Terminate,
    Reinstate,
}

impl Action {
    pub(super) const ALL: [Self; 5] =
        [Self::Suspend, Self::Resume, Self::Move, Self::Terminate, Self::Reinstate];

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// In addresses.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Move => "move",
            Self::Terminate => "terminate",
            Self::Reinstate => "reinstate",
        }
    }

    /// On a button.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Suspend => "Suspend",
            Self::Resume => "Resume",
            Self::Move => "Move to another group",
            Self::Terminate => "Terminate",
            Self::Reinstate => "Reinstate",
        }
    }

    /// The states in which it is something to do (the API decides, this only offers).
    pub(super) fn fits(self, state: &str) -> bool {
        match self {
            Self::Suspend => state == "active",
            Self::Resume => state == "suspended",
            Self::Move | Self::Terminate => state != "terminated",
            Self::Reinstate => state == "terminated",
        }
    }

    pub(super) const fn role(self) -> TokenRole {
        match self {
            Self::Suspend | Self::Resume | Self::Move | Self::Terminate => TokenRole::Write,
            Self::Reinstate => TokenRole::Admin,
        }
    }

    /// What will happen.
    const fn promise(self) -> &'static str {
        match self {
            Self::Suspend => {
                "It gets no new session, and its open sessions end. Its group and its addresses stay. It can be resumed."
            }
            Self::Resume => "It may attach again, with its group and its addresses as they are.",
            Self::Move => {
                "Its next session gets an address of the new group's VSlice. A pending SIM becomes active. Sessions that are open end if the VSlice is another."
            }
            Self::Terminate => {
                "Its open sessions end, its addresses become free, and it leaves its group. Only an administrator can bring it back."
            }
            Self::Reinstate => "It becomes pending: it may attach when it has a group again.",
        }
    }

    const fn is_grave(self) -> bool {
        matches!(self, Self::Suspend | Self::Terminate)
    }
}

pub(super) async fn confirm(
    caller: SignedIn,
    Path((iccid, word)): Path<(String, String)>,
) -> Response {
    let Some(action) = Action::named(&word) else {
        return document::message(StatusCode::NOT_FOUND, "there is no such action");
    };
    if !caller.may(action.role()) {
        return document::message(StatusCode::FORBIDDEN, "your token may not do that");
    }
    let path = format!("/api/v1/endpoints/{}", escaped(&iccid));
    let (endpoint, groups) =
        tokio::join!(caller.data(&path), caller.data("/api/v1/endpointgroups"));
    match endpoint {
        Ok(endpoint) => form(&caller, action, &endpoint, &groups.unwrap_or_default()),
        Err(failure) => failure.into_response(),
    }
}

fn form(caller: &SignedIn, action: Action, endpoint: &Value, groups: &Value) -> Response {
    let iccid = text::or_dash(&endpoint["iccid"]);
    let name = endpoint["name"].as_str().unwrap_or_default();
    let open = endpoint["openSessions"].as_u64().unwrap_or_default();
    let title = format!("{}: {}", action.name(), if name.is_empty() { iccid } else { name });
    let content = html! {
        div.narrow {
            h1 { (title) }
            p.faint { (iccid) }
            p { (action.promise()) }
            @if open > 0 && action.is_grave() {
                p { b { (open) (if open == 1 { " session is open now." } else { " sessions are open now." }) } }
            }
            form method="post" {
                input type="hidden" name="proof" value=(caller.form_proof());
                @if action == Action::Move { (group_choice(endpoint, groups)) } @else {
                    label for="reason" { "Reason, for those who look later (not needed)" }
                    input id="reason" name="reason" maxlength="100" autocomplete="off";
                }
                div.actions {
                    button class=(if action.is_grave() { "grave" } else { "primary" }) { (action.name()) }
                }
                p { a href={ "/ui/endpoints/" (iccid) } { "Leave it as it is" } }
            }
        }
    };
    frame::page(caller, Tab::Endpoints, &title, &content)
}

fn group_choice(endpoint: &Value, groups: &Value) -> Markup {
    html! {
        label for="group" { "Group" }
        (group_select(groups, endpoint["endpointGroup"]["moniker"].as_str(), "none: it becomes pending"))
    }
}

/// A choice of groups; `nothing`: what it means to choose none.
pub(super) fn group_select(groups: &Value, chosen: Option<&str>, nothing: &str) -> Markup {
    html! {
        select id="group" name="group" {
            option value="" { (nothing) }
            @for group in groups.as_array().into_iter().flatten() {
                @let moniker = text::or_dash(&group["moniker"]);
                option value=(moniker) selected[chosen == Some(moniker)] {
                    (text::or_dash(&group["name"])) " (" (text::or_dash(&group["vslice"]["name"])) ")"
                }
            }
        }
    }
}

pub(super) async fn carry_out(
    Path((iccid, word)): Path<(String, String)>,
    submit: MaySubmit,
) -> Response {
    let Some(action) = Action::named(&word) else {
        return document::message(StatusCode::NOT_FOUND, "there is no such action");
    };
    let path = format!("/api/v1/endpoints/{}", escaped(&iccid));
    let text = |name: &str| Some(submit.field(name)).filter(|text| !text.is_empty());
    let outcome = if action == Action::Move {
        let body = json!({"endpointGroup": text("group")});
        submit.caller.change(Method::PATCH, &path, &body).await
    } else {
        let body = text("reason").map_or_else(|| json!({}), |reason| json!({"reason": reason}));
        submit.caller.change(Method::POST, &format!("{path}/{word}"), &body).await
    };
    match outcome {
        Ok(_) => {
            Redirect::to(&format!("/ui/endpoints/{}?done={word}", escaped(&iccid))).into_response()
        }
        Err(failure) => failure.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_way_on() {
        for state in ["pending", "active", "suspended", "terminated"] {
            assert!(Action::ALL.iter().any(|action| action.fits(state)), "{state}");
        }
        for action in Action::ALL {
            assert_eq!(Action::named(action.word()), Some(action));
        }
        assert_eq!(Action::named("detach"), None);
    }
}
