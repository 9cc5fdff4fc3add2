//! `GET /sessions`: of one endpoint, or a page of all that a filter holds for.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::access::MayView;
use super::envelope::{CursorPage, Page, list};
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::refusal::Refusal;
use super::view::SessionView;
use crate::aaa::{Aaa, EndpointEntry};
use crate::identity::{Iccid, IdentityError};
use crate::network::Session;
use crate::provisioning::Catalog;
use crate::radius::gateways::Gateways;
use crate::time::Timestamp;

/// How many sessions a list shows if nobody says otherwise, and how many at most.
const DEFAULT_LIMIT: usize = 100;
const LONGEST_LIST: usize = 1000;

/// Matches of a filter are counted up to here.
const MOST_COUNTED: usize = 100_000;

const PARAMETERS: &[&str] = &[
    "iccid",
    "vslice",
    "endpointGroup",
    "gateway",
    "apn",
    "ip",
    "state",
    "startedAfter",
    "limit",
    "offset",
    "cursor",
];

/// What a session has to be like.
#[derive(Debug, Default, PartialEq, Eq)]
struct SessionFilter {
    vslice: Option<String>,
    group: Option<String>,
    gateway: Option<String>,
    apn: Option<String>,
    ip: Option<Ipv4Addr>,
    state: Option<SessionState>,
    started_after: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    Open,
    Ending,
    Ended,
}

/// Behind which session a page begins: endpoints go piece by piece, in each by ICCID, and the
/// sessions of one by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct SessionPlace {
    piece: u16,
    iccid: u64,
    number: u64,
}

pub(super) async fn sessions(
    State(state): State<Arc<HttpState>>,
    permission: MayView,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, PARAMETERS)?;
    let filter = SessionFilter::of(&parameters)?;
    let limit =
        parameters.number("limit", LONGEST_LIST)?.filter(|n| *n > 0).unwrap_or(DEFAULT_LIMIT);
    let offset = parameters.number("offset", usize::MAX)?.unwrap_or(0);
    state.serving()?;
    if let Some(iccid) = parameters.text("iccid") {
        let iccid = iccid.parse().map_err(|error: IdentityError| Refusal::query(error.rule))?;
        let all = of_endpoint(&state, iccid, &filter)?;
        let page = Page { total_items: all.len(), limit, offset };
        let shown: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
        return Ok(list(shown, page).into_response());
    }
    if offset > 0 {
        return Err(Refusal::query("sessions are paged by cursor, not by offset: take nextCursor"));
    }
    let from = parameters.text("cursor").map(SessionPlace::parse).transpose()?.unwrap_or_default();
    let walk = state.walk(&permission.token)?;
    let page = spawn_blocking(move || {
        let _walk = walk;
        page(&state, &filter, limit, from)
    });
    let page = page.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    Ok(Json(page).into_response())
}

/// The sessions of one endpoint, in the order in which they were heard of.
fn of_endpoint(
    state: &HttpState,
    iccid: Iccid,
    filter: &SessionFilter,
) -> Result<Vec<Value>, Refusal> {
    let gateways = state.common.gateways.load();
    let now = state.common.clock.now().wall;
    let shown = state.serving()?.aaa.look(iccid, now, |entry, catalog| {
        let meant = entry
            .state
            .sessions
            .iter()
            .filter(|session| filter.holds(session, entry, catalog, &gateways));
        meant.map(|session| shown(iccid, session, entry, catalog, &gateways)).collect()
    });
    shown.ok_or_else(Refusal::not_found)
}

/// A page of the sessions of all endpoints. Each is judged twice: as it is kept, to find it, and as
/// it is shown, when what is due for its endpoint has been carried out.
fn page(
    state: &HttpState,
    filter: &SessionFilter,
    limit: usize,
    from: SessionPlace,
) -> Result<CursorPage, Refusal> {
    let aaa = &state.serving()?.aaa;
    let gateways = state.common.gateways.load();
    let now = state.common.clock.now().wall;
    let catalog = aaa.catalog();
    let is_all = *filter == SessionFilter::default();
    let (mut found, mut count, mut next) = (Vec::new(), 0, None);
    for piece in 0..Aaa::PIECES {
        let mut matches = Vec::new();
        aaa.look_at_piece(piece, &catalog, |iccid, entry, catalog| {
            for session in &entry.state.sessions {
                if !is_all && !filter.holds(session, entry, catalog, &gateways) {
                    continue;
                }
                count += 1;
                let place = SessionPlace {
                    piece: piece as u16,
                    iccid: iccid.raw(),
                    number: session.number(),
                };
                if place > from && next.is_none() {
                    matches.push((place, iccid));
                }
            }
        });
        matches.sort_unstable();
        for one in matches {
            if found.len() == limit {
                next = found.last().map(|(place, _): &(SessionPlace, Iccid)| place.to_string());
                break;
            }
            found.push(one);
        }
        if next.is_some() && !is_all && count >= MOST_COUNTED {
            break;
        }
    }
    let data = found.iter().filter_map(|(place, iccid)| {
        let one = aaa.look(*iccid, now, |entry, catalog| {
            let session =
                entry.state.sessions.iter().find(|session| session.number() == place.number)?;
            let is_meant = filter.holds(session, entry, catalog, &gateways);
            is_meant.then(|| shown(*iccid, session, entry, catalog, &gateways))
        });
        one.flatten()
    });
    let data = data.collect();
    let is_lower_bound = !is_all && count >= MOST_COUNTED;
    let total = if is_lower_bound { MOST_COUNTED } else { count };
    Ok(CursorPage::new(data, total, limit).lower_bound(is_lower_bound).next(next))
}

/// A session, and whose it is.
fn shown(
    iccid: Iccid,
    session: &Session,
    entry: &EndpointEntry,
    catalog: &Catalog,
    gateways: &Gateways,
) -> Value {
    let mut shown = serde_json::to_value(SessionView::of(session, gateways)).unwrap_or_default();
    let group = session.group.or(entry.endpoint.group).and_then(|id| catalog.group(id));
    let vslice = group.and_then(|group| catalog.vslice(group.vslice));
    let named = |moniker: &str, name: &str| json!({"moniker": moniker, "name": name});
    let group = group.map(|group| named(group.moniker.as_str(), &group.name));
    let vslice = vslice.map(|vslice| named(vslice.moniker.as_str(), &vslice.name));
    let whose = json!({"iccid": iccid, "endpointGroup": group, "vslice": vslice});
    if let (Some(shown), Value::Object(whose)) = (shown.as_object_mut(), whose) {
        shown.extend(whose);
    }
    shown
}

impl SessionFilter {
    fn of(parameters: &Parameters) -> Result<Self, Refusal> {
        let text = |name| parameters.text(name).map(str::to_owned);
        let ip = parameters.text("ip").map(|text| {
            text.parse().map_err(|_| Refusal::query("ip is an IPv4 address, as 100.64.0.7"))
        });
        let state = parameters.text("state").map(|text| {
            let states = [SessionState::Open, SessionState::Ending, SessionState::Ended];
            let known = states.into_iter().find(|state| state.moniker() == text);
            known.ok_or_else(|| Refusal::query("state is open, ending or ended"))
        });
        let started_after = parameters.text("startedAfter").map(|text| {
            humantime::parse_rfc3339_weak(text).map(Timestamp::from).map_err(|_| {
                Refusal::query("startedAfter is a time in UTC, as 2026-07-04T21:15:00Z")
            })
        });
        Ok(Self {
            vslice: text("vslice"),
            group: text("endpointGroup"),
            gateway: text("gateway"),
            apn: text("apn"),
            ip: ip.transpose()?,
            state: state.transpose()?,
            started_after: started_after.transpose()?,
        })
    }

    fn holds(
        &self,
        session: &Session,
        entry: &EndpointEntry,
        catalog: &Catalog,
        gateways: &Gateways,
    ) -> bool {
        let group =
            || session.group.or(entry.endpoint.group).and_then(|group| catalog.group(group));
        let is = |wanted: &Option<String>, own: &dyn Fn() -> Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| own().is_some_and(|own| own.eq_ignore_ascii_case(wanted)))
        };
        self.state.is_none_or(|state| state == SessionState::of(session))
            && self.ip.is_none_or(|ip| session.ip == Some(ip))
            && self.started_after.is_none_or(|after| session.started > after)
            && is(&self.apn, &|| session.apn().map(str::to_owned))
            && is(&self.gateway, &|| gateways.name(session.gateway).map(str::to_owned))
            && is(&self.group, &|| group().map(|group| group.moniker.to_string()))
            && is(&self.vslice, &|| {
                let vslice = catalog.vslice(group()?.vslice)?;
                Some(vslice.moniker.to_string())
            })
    }
}

impl SessionState {
    fn of(session: &Session) -> Self {
        match (session.is_open(), session.is_live()) {
            (true, _) => Self::Open,
            (false, true) => Self::Ending,
            (false, false) => Self::Ended,
        }
    }

    const fn moniker(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ending => "ending",
            Self::Ended => "ended",
        }
    }
}

impl SessionPlace {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let number = |from, to| text.get(from..to).and_then(|n| u64::from_str_radix(n, 16).ok());
        let read = (text.len() == 36).then(|| {
            let (piece, iccid, number) = (number(0, 4)?, number(4, 20)?, number(20, 36)?);
            Some(Self { piece: piece as u16, iccid, number })
        });
        read.flatten().ok_or_else(|| {
            Refusal::query("cursor is none of ours; take nextCursor of the last page")
        })
    }
}

impl std::fmt::Display for SessionPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}{:016x}{:016x}", self.piece, self.iccid, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let place = SessionPlace { piece: 17, iccid: u64::MAX, number: 1 << 52 };
        assert_eq!(SessionPlace::parse(&place.to_string()).unwrap(), place);
        for text in
            ["", "0", &"x".repeat(36), &"0".repeat(35), &"+".repeat(36), "é".repeat(18).as_str()]
        {
            assert!(SessionPlace::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn filters_are_read_and_wrong_ones_refused() {
        let of = |query: &str| {
            let uri: Uri = format!("/sessions?{query}").parse().unwrap();
            SessionFilter::of(&Parameters::of(&uri, PARAMETERS)?)
        };
        assert_eq!(of("").unwrap(), SessionFilter::default());
        let filter = of("state=open&ip=100.64.0.7&startedAfter=2026-07-04T21:15:00Z").unwrap();
        assert_eq!(filter.state, Some(SessionState::Open));
        assert!(filter.ip.is_some() && filter.started_after.is_some());
        for query in ["state=opened", "ip=7", "startedAfter=yesterday", "colour=red"] {
            assert!(of(query).is_err(), "{query}");
        }
    }
}
