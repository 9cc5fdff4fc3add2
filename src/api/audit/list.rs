//! `GET /audit`: the log, newest first, for administrators.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;

use super::AuditOutcome;
use crate::api::access::MayAdminister;
use crate::api::envelope::CursorPage;
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::message_log::{LogItem, LogView};
use crate::time::Timestamp;

const DEFAULT_LIMIT: usize = 100;
const LONGEST_LIST: usize = 1_000;

pub(crate) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/api/v1/audit", get(list))
}

/// What an entry has to be like.
struct AuditFilter {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    token: Option<String>,
    target: Option<String>,
    outcome: Option<&'static str>,
}

async fn list(
    State(state): State<Arc<HttpState>>,
    MayAdminister(caller): MayAdminister,
    uri: Uri,
) -> Result<Response, Refusal> {
    let known = ["from", "to", "token", "target", "outcome", "limit", "offset", "cursor"];
    let parameters = Parameters::of(&uri, &known)?;
    if parameters.number("offset", usize::MAX)?.is_some_and(|offset| offset > 0) {
        return Err(Refusal::query("the audit log is paged by cursor: take nextCursor"));
    }
    let filter = AuditFilter::of(&parameters)?;
    let limit =
        parameters.number("limit", LONGEST_LIST)?.filter(|n| *n > 0).unwrap_or(DEFAULT_LIMIT);
    let before = parameters.number("cursor", usize::MAX)?.map(|before| before as u64);
    state.serving()?;
    let walk = state.walk(&caller.token)?;
    let page = tokio::task::spawn_blocking(move || {
        let _walk = walk;
        match state.audit.get() {
            Some(log) => page(log, &filter, limit, before),
            None => Ok(CursorPage::new(Vec::new(), 0, limit)),
        }
    });
    let page = page.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    Ok(axum::Json(page).into_response())
}

fn page(
    log: &LogView,
    filter: &AuditFilter,
    limit: usize,
    before: Option<u64>,
) -> Result<CursorPage, Refusal> {
    let end = log.end();
    let (mut found, mut next) = (Vec::new(), None);
    let visit = |item: LogItem<'_>| {
        let LogItem::Message(message) = item else { return ControlFlow::Continue(()) };
        if filter.from.is_some_and(|from| message.at < from) {
            return ControlFlow::Break(());
        }
        let read = serde_json::from_slice(message.octets).ok();
        let Some(mut entry) = read.filter(|entry| filter.holds(message.at, entry)) else {
            return ControlFlow::Continue(());
        };
        if found.len() == limit {
            next = Some((message.sequence + 1).to_string());
            return ControlFlow::Break(());
        }
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("requestHash");
        }
        found.push(entry);
        ControlFlow::Continue(())
    };
    log.backward(before.unwrap_or(end), visit).map_err(|error| {
        Refusal::not_ready(vec![format!("the audit log cannot be read: {error}")])
    })?;
    let total = if filter.is_empty() {
        usize::try_from(end - log.earliest()).unwrap_or(usize::MAX)
    } else {
        found.len()
    };
    let is_lower_bound = !filter.is_empty() && next.is_some();
    Ok(CursorPage::new(found, total, limit).lower_bound(is_lower_bound).next(next))
}

impl AuditFilter {
    fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        let text = |name| parameters.text(name).map(str::to_owned);
        let outcome = parameters.text("outcome").map(|word| {
            let known = AuditOutcome::ALL.map(AuditOutcome::moniker);
            let found = known.into_iter().find(|known| *known == word);
            found.ok_or_else(|| Refusal::query(format!("outcome is one of {}", known.join(", "))))
        });
        Ok(Self {
            from: parameters.time("from")?,
            to: parameters.time("to")?,
            token: text("token"),
            target: text("target"),
            outcome: outcome.transpose()?,
        })
    }

    const fn is_empty(&self) -> bool {
        self.from.is_none()
            && self.to.is_none()
            && self.token.is_none()
            && self.target.is_none()
            && self.outcome.is_none()
    }

    fn holds(&self, at: Timestamp, entry: &Value) -> bool {
        let is = |wanted: &Option<String>, found: &Value| {
            wanted.as_ref().is_none_or(|wanted| found.as_str() == Some(wanted.as_str()))
        };
        self.to.is_none_or(|to| at <= to)
            && is(&self.token, &entry["token"]["name"])
            && self.outcome.is_none_or(|wanted| entry["outcome"] == wanted)
            && self.target.as_ref().is_none_or(|wanted| is_about(&entry["target"], wanted))
    }
}

/// Whether a target is meant by `kind:moniker`, by an ICCID, or by an id.
fn is_about(target: &Value, wanted: &str) -> bool {
    let named = wanted
        .split_once(':')
        .is_some_and(|(kind, moniker)| target["kind"] == kind && target["moniker"] == moniker);
    let listed = target["iccids"].as_array().map(Vec::as_slice).unwrap_or_default();
    named
        || target["id"] == wanted
        || target["moniker"] == wanted
        || listed.iter().any(|iccid| iccid == wanted)
}
