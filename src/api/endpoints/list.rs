//! `GET /endpoints`: a page of the endpoints that a filter holds for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::filter::{Exact, Filter};
use super::{shown, shown_one};
use crate::aaa::Aaa;
use crate::api::access::MayRead;
use crate::api::envelope::CursorPage;
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::identity::Iccid;

/// How many a page shows if nobody says otherwise, and how many at most.
const DEFAULT_LIMIT: usize = 100;
const LONGEST_LIST: usize = 1_000;

/// Matches are counted up to here.
const MOST_COUNTED: usize = 100_000;

/// Behind which endpoint a page begins. Endpoints are listed piece by piece, in each by ICCID: so a
/// page misses none that was there all the time, however many come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct PagePlace {
    piece: u16,
    behind: u64,
}

pub(super) async fn list(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    uri: Uri,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of(&uri, &["filter", "q", "sortBy", "limit", "offset", "cursor"])?;
    if parameters.number("offset", usize::MAX)?.is_some_and(|offset| offset > 0) {
        return Err(Refusal::query(
            "endpoints are paged by cursor, not by offset: take nextCursor",
        ));
    }
    if parameters.text("sortBy").is_some() {
        return Err(Refusal::query("endpoints are not sorted; leave sortBy out"));
    }
    let filter = Filter::of(&parameters)?;
    let limit =
        parameters.number("limit", LONGEST_LIST)?.filter(|n| *n > 0).unwrap_or(DEFAULT_LIMIT);
    let from = parameters.text("cursor").map(PagePlace::parse).transpose()?.unwrap_or_default();
    state.serving()?;
    let walk = state.walk(&caller.token)?;
    let page = spawn_blocking(move || {
        let _walk = walk;
        page(&state, &filter, limit, from)
    });
    let page = page.await.unwrap_or_else(|_| Err(Refusal::ending()))?;
    Ok(axum::Json(page).into_response())
}

fn page(
    state: &HttpState,
    filter: &Filter,
    limit: usize,
    from: PagePlace,
) -> Result<CursorPage, Refusal> {
    let serving = state.serving()?;
    let aaa = &serving.aaa;
    let gateways = state.common.gateways.load();
    let now = state.common.clock.now().wall;
    if let Some(exact) = filter.exact().filter(|exact| is_whole(exact, aaa)) {
        let found = match exact {
            Exact::Iccid(iccid) => Some(iccid),
            Exact::Imsi(imsi) => aaa.by_imsi(imsi),
            Exact::Msisdn(msisdn) => aaa.by_msisdn(msisdn),
        };
        let one = found.and_then(|iccid| {
            aaa.look(iccid, now, |entry, catalog| {
                let is_meant = filter.holds(iccid, entry, catalog, &gateways);
                is_meant.then(|| shown(iccid, entry, catalog, &gateways))
            })
        });
        let data: Vec<Value> = one.flatten().into_iter().collect();
        let total = data.len();
        return Ok(CursorPage::new(data, total, limit));
    }
    let catalog = aaa.catalog();
    let (mut found, mut count) = (Vec::new(), 0);
    let mut next = None;
    for piece in 0..Aaa::PIECES {
        let at = |iccid: Iccid| PagePlace { piece: piece as u16, behind: iccid.raw() };
        let mut matches = Vec::new();
        aaa.look_at_piece(piece, &catalog, |iccid, entry, catalog| {
            if filter.is_empty() || filter.holds(iccid, entry, catalog, &gateways) {
                count += 1;
                if at(iccid) > from && found.len() <= limit {
                    matches.push(iccid);
                }
            }
        });
        matches.sort_unstable_by_key(|iccid| iccid.raw());
        for iccid in matches {
            if found.len() == limit {
                next = next.or_else(|| found.last().copied());
                break;
            }
            found.push(iccid);
        }
        let is_full = next.is_some();
        if is_full && (filter.is_empty() || count >= MOST_COUNTED) {
            break;
        }
    }
    let next = next.map(|iccid: Iccid| {
        PagePlace { piece: Aaa::piece_of(iccid) as u16, behind: iccid.raw() }.to_string()
    });
    let data = found.iter().filter_map(|iccid| shown_one(aaa, *iccid, now, &gateways)).collect();
    let total = if filter.is_empty() { aaa.endpoints() } else { count.min(MOST_COUNTED) };
    let is_lower_bound = !filter.is_empty() && count >= MOST_COUNTED;
    Ok(CursorPage::new(data, total, limit).lower_bound(is_lower_bound).next(next))
}

/// The beginning of an MSISDN may look like a whole one: then it is one that nobody has.
fn is_whole(exact: &Exact, aaa: &Aaa) -> bool {
    !matches!(exact, Exact::Msisdn(msisdn) if aaa.by_msisdn(*msisdn).is_none())
}

impl PagePlace {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let read = text.get(..4).zip(text.get(4..)).and_then(|(piece, behind)| {
            let piece = u16::from_str_radix(piece, 16).ok()?;
            let behind = u64::from_str_radix(behind, 16).ok()?;
            (text.len() == 20).then_some(Self { piece, behind })
        });
        read.ok_or_else(|| {
            Refusal::query("cursor is none of ours; take nextCursor of the last page")
        })
    }
}

impl std::fmt::Display for PagePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}{:016x}", self.piece, self.behind)
    }
}
