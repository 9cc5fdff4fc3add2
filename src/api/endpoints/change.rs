//! What becomes of endpoints: changed by keys, taken a step further, alone or many at once.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tracing::info;

use super::filter::Filter;
use super::id;
use crate::aaa::{
    Aaa, ChangeError, ChangeKind, EndpointMutation, EndpointStep, Mutation, Transition,
};
use crate::api::access::{MayAdminister, MayWrite, TokenBearer};
use crate::api::changes::{TRIES, carry_out};
use crate::api::envelope::{Answer, Envelope, data};
use crate::api::families::body::{self, Fields, Given, Problems};
use crate::api::families::lookup::{after, find, reference};
use crate::api::http::HttpState;
use crate::api::http::precondition::expected;
use crate::api::refusal::Refusal;
use crate::identity::{GroupId, Iccid};
use crate::provisioning::{Allocation, Catalog, Endpoint, Group, Labels, ProvisioningState};
use crate::tokens::TokenRole;

/// Endpoints that one request may change; more than `SMALL` only by an administrator.
const MOST: usize = 10_000;
const SMALL: usize = 100;

/// The words of a path that are steps. Bringing many back, or ending many, is an administrator's.
const STEPS: [(&str, Transition, &str); 4] = [
    ("suspend", Transition::Suspend, "already suspended"),
    ("resume", Transition::Resume, "already active"),
    ("terminate", Transition::Terminate, "already terminated"),
    ("reinstate", Transition::Reinstate, ""),
];

/// `POST /endpoints/{id}/suspend`, `resume`, `terminate`, `reinstate`.
pub(super) async fn step(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path((id, word)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let Some((_, transition, repeated)) = STEPS.into_iter().find(|(known, ..)| *known == word)
    else {
        let words = STEPS.map(|(word, ..)| word).join(", ");
        return Err(Refusal::query(format!("there is no step {word:.40}; there are {words}")));
    };
    if transition == Transition::Reinstate {
        bearer.needs(TokenRole::Admin)?;
    }
    let reason = reason(&headers, body)?;
    let expected = expected(&headers)?;
    let serving = state.serving()?;
    let iccid = id::named(&serving.aaa, &id)?;
    let open = move |aaa: &Aaa, now| {
        aaa.look(iccid, now, |entry, _| entry.state.open_sessions().count()).unwrap_or_default()
    };
    let step = EndpointStep::Step(transition);
    let mutation = EndpointMutation { reason, expected, ..EndpointMutation::new(iccid, step) };
    let (changed, closed) = carry_out(&state, move |aaa, now, writer| {
        let before = open(aaa, now);
        let changed = aaa.change(Mutation::Endpoint(mutation), expected, now, writer)?;
        Ok((changed, before.saturating_sub(open(aaa, now))))
    })
    .await?;
    let (mut shown, version) = super::one(&state, &iccid.to_string())?;
    let answer = data(json!({
        "provisioningState": shown["provisioningState"].take(),
        "networkState": shown["networkState"].take(),
        "closed": closed,
        "disconnects": [],
    }));
    tell(&bearer, iccid, &word);
    let answer = answer.versioned(version);
    Ok(if changed.kind == ChangeKind::Unchanged { answer.telling(repeated) } else { answer })
}

fn tell(bearer: &TokenBearer, iccid: Iccid, what: &str) {
    // The last digits are enough to find it, and tell nobody a subscriber.
    let digits = iccid.to_string();
    let end = digits.get(digits.len().saturating_sub(4)..).unwrap_or_default();
    info!(token = bearer.token, endpoint = format!("...{end}"), what, "changed by the API");
}

/// A body `{"reason": ...}`, or none.
fn reason(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Option<Box<str>>, Refusal> {
    if body.as_ref().is_ok_and(Bytes::is_empty) {
        return Ok(None);
    }
    let mut problems = Problems::default();
    let mut fields = Fields::new(body::json(headers, body)?, "", &mut problems);
    let reason = fields.parsed("reason", short_text);
    fields.finish();
    problems.result()?;
    Ok(reason.value().map(Into::into))
}

fn short_text(text: &str) -> Result<String, String> {
    if text.chars().count() <= Labels::LONGEST && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("at most {} characters, no control characters", Labels::LONGEST))
    }
}

/// `PATCH` and `PUT /endpoints/{id}`: what is absent keeps its value.
pub(super) async fn update(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    let wanted = expected(&headers)?;
    let serving = state.serving()?;
    let iccid = id::named(&serving.aaa, &id)?;
    for _ in 0..TRIES {
        let now = state.common.clock.now().wall;
        let (endpoint, version) = serving
            .aaa
            .look(iccid, now, |entry, _| (entry.endpoint.clone(), entry.stamp.version))
            .ok_or_else(Refusal::not_found)?;
        let next = serving.aaa.with_catalog(|catalog| {
            let mut problems = Problems::default();
            let mut fields = Fields::new(body.clone(), "", &mut problems);
            fields.take("id");
            fields.take("iccid");
            let next = read(&mut fields, &endpoint, catalog);
            fields.finish();
            problems.result()?;
            next
        })?;
        let step = EndpointStep::Put(next);
        let mutation = EndpointMutation {
            expected: Some(wanted.unwrap_or(version)),
            ..EndpointMutation::new(iccid, step)
        };
        let done = carry_out(&state, move |aaa, now, writer| {
            match aaa.change(Mutation::Endpoint(mutation), None, now, writer) {
                Err(ChangeError::Version { .. }) if wanted.is_none() => Ok(None),
                done => done.map(Some),
            }
        })
        .await?;
        if let Some(changed) = done {
            tell(&bearer, iccid, "keys");
            return Ok(data(id::uuid_of(iccid).to_string()).versioned(changed.version));
        }
    }
    Err(Refusal::busy("the endpoint changes all the time; ask again"))
}

/// The endpoint after a request.
fn read(fields: &mut Fields<'_>, old: &Endpoint, catalog: &Catalog) -> Result<Endpoint, Refusal> {
    let group = reference::<Group>(fields, "endpointGroup", catalog);
    let secondary = secondary_groups(fields, catalog);
    let static_ip = fields.parsed("staticIp", |text| {
        text.parse::<Ipv4Addr>().map_err(|_| "no IPv4 address; write one as 100.64.0.7".to_owned())
    });
    let name = fields.parsed("name", short_text);
    let reference = fields.parsed("reference", short_text);
    let tags = read_tags(fields);
    let primary = after(group, old.group);
    let secondary = match secondary {
        Given::Absent => old.secondary_groups().to_vec(),
        Given::Null => Vec::new(),
        Given::Value(groups) => groups,
    };
    let secondary = secondary.into_iter().filter(|id| primary.is_some() && Some(*id) != primary);
    let mut next = old.in_groups(primary, secondary);
    next.state = state_in(old.state, old.group, primary)?;
    let keeps_address = stays(old.group, primary, catalog);
    next.static_ip = after(static_ip, old.static_ip.filter(|_| keeps_address));
    next.name = after(name, old.name.as_deref().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .map(Into::into);
    let labels = Labels {
        reference: after(reference, old.labels().reference.as_deref().map(str::to_owned))
            .map(Into::into),
        tags: after(tags, Some(old.labels().tags.clone())).unwrap_or_default(),
    };
    if let Err(what) = labels.check() {
        fields.invalid("tags", what);
    }
    Ok(next.with_labels(labels))
}

/// Which state a change of the group leads to (PROTOCOL 11, platform-api 3).
fn state_in(
    state: ProvisioningState,
    before: Option<GroupId>,
    after: Option<GroupId>,
) -> Result<ProvisioningState, Refusal> {
    use ProvisioningState::{Active, Pending, Suspended, Terminated};
    match (state, after) {
        (Terminated, Some(_)) => {
            let message =
                "an endpoint that is terminated cannot be assigned to a group; reinstate it first";
            Err(Refusal::conflict("state", message.to_owned()))
        }
        (Pending, Some(_)) if before.is_none() => Ok(Active),
        (Active | Suspended, None) => Ok(Pending),
        (state, _) => Ok(state),
    }
}

/// Whether a configured address stays right: the same VSlice, and static still.
fn stays(before: Option<GroupId>, after: Option<GroupId>, catalog: &Catalog) -> bool {
    let of = |id: Option<GroupId>| id.and_then(|id| catalog.group(id));
    before == after
        || of(before).zip(of(after)).is_some_and(|(from, to)| {
            from.vslice == to.vslice && to.allocation == Allocation::Static
        })
}

fn secondary_groups(fields: &mut Fields<'_>, catalog: &Catalog) -> Given<Vec<GroupId>> {
    const KEY: &str = "secondaryEndpointGroups";
    let list = match fields.array(KEY) {
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Value(list) => list,
    };
    let mut groups = Vec::new();
    for (at, group) in list.iter().enumerate() {
        match group.as_str().map(|text| find::<Group>(catalog, text)) {
            Some(Ok((id, _))) if !groups.contains(&id) => groups.push(id),
            Some(Ok(_)) => fields.invalid(&format!("{KEY}/{at}"), "the group is listed twice"),
            _ => fields.refuse(
                "reference",
                &format!("{KEY}/{at}"),
                "there is no such endpoint group",
            ),
        }
    }
    Given::Value(groups)
}

fn read_tags(fields: &mut Fields<'_>) -> Given<Vec<Box<str>>> {
    let list = match fields.array("tags") {
        Given::Absent => return Given::Absent,
        Given::Null => return Given::Null,
        Given::Value(list) => list,
    };
    let mut tags: Vec<Box<str>> = Vec::new();
    for (at, tag) in list.iter().enumerate() {
        match tag.as_str() {
            Some(tag) => tags.push(tag.into()),
            None => fields.invalid(&format!("tags/{at}"), "a tag is a text"),
        }
    }
    Given::Value(tags)
}

/// `POST /endpoints/batch`: endpoints that are made without activation codes, all or none unless
/// the request says otherwise.
pub(super) async fn batch(
    State(state): State<Arc<HttpState>>,
    MayAdminister(bearer): MayAdminister,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Vec<Value>> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(body::json(&headers, body)?, "", &mut problems);
    let is_dry = fields.flag("dryRun").value().unwrap_or(false);
    let is_atomic = fields.flag("atomic").value().unwrap_or(true);
    let items = fields.array("items").value().unwrap_or_default();
    if items.is_empty() {
        fields.invalid("items", "missing; give a list of endpoints");
    }
    fields.finish();
    problems.result()?;
    if items.len() > MOST {
        return Err(Refusal::too_many(MOST, items.len()));
    }
    let serving = state.serving()?;
    let read: Vec<Result<(Iccid, Endpoint), String>> = serving
        .aaa
        .with_catalog(|catalog| items.into_iter().map(|item| item_of(item, catalog)).collect());
    let mut told: Vec<(Option<Iccid>, Option<String>)> = read
        .iter()
        .map(|one| match one {
            Ok((iccid, _)) => (Some(*iccid), None),
            Err(message) => (None, Some(message.clone())),
        })
        .collect();
    let places: Vec<usize> = (0..read.len())
        .filter(|at| told.get(*at).is_some_and(|(_, wrong)| wrong.is_none()))
        .collect();
    let mutations: Vec<EndpointMutation> = read
        .into_iter()
        .flatten()
        .map(|(iccid, endpoint)| EndpointMutation::new(iccid, EndpointStep::Add(endpoint)))
        .collect();
    let may_be_done = !is_atomic || mutations.len() == told.len();
    let errors = carry_out(&state, move |aaa, now, writer| {
        if is_dry || !may_be_done {
            return Ok(aaa.judge_endpoints(mutations, now, writer).err().unwrap_or_default());
        }
        if is_atomic {
            return Ok(aaa.change_endpoints(mutations, now, writer).err().unwrap_or_default());
        }
        let one = |(at, mutation)| {
            let done = aaa.change(Mutation::Endpoint(mutation), None, now, writer);
            done.err().map(|error| (at, error))
        };
        Ok(mutations.into_iter().enumerate().filter_map(one).collect())
    })
    .await?;
    for (at, error) in errors {
        if let Some((_, wrong)) = places.get(at).and_then(|at| told.get_mut(*at)) {
            *wrong = Some(error.to_string());
        }
    }
    let failed = told.iter().filter(|(_, wrong)| wrong.is_some()).count();
    if is_atomic && failed > 0 && !is_dry {
        let messages = told.iter().enumerate().filter_map(|(row, (_, wrong))| {
            wrong.as_ref().map(|wrong| format!("/items/{row}: {wrong}"))
        });
        return Err(Refusal::invalid(messages.collect()));
    }
    info!(
        token = bearer.token,
        rows = told.len(),
        failed,
        is_dry,
        "a batch of endpoints by the API"
    );
    let rows = told.into_iter().enumerate().map(|(row, (iccid, wrong))| {
        json!({
            "row": row,
            "iccid": iccid,
            "ok": wrong.is_none(),
            "code": wrong.as_ref().map(|_| "invalid"),
            "message": wrong,
        })
    });
    Ok(data(rows.collect()))
}

/// One endpoint of a batch.
fn item_of(item: Value, catalog: &Catalog) -> Result<(Iccid, Endpoint), String> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(item, "", &mut problems);
    let iccid =
        fields.parsed("iccid", |text| text.parse::<Iccid>().map_err(|error| error.rule.to_owned()));
    let mut endpoint = Endpoint::new(ProvisioningState::Pending);
    let imsis = match fields.take("imsis") {
        Given::Value(Value::Array(list)) => list,
        Given::Value(_) => {
            fields.invalid("imsis", "a list is wanted");
            Vec::new()
        }
        Given::Absent | Given::Null => Vec::new(),
    };
    let single = fields.text("imsi").value().map(Value::String);
    for imsi in imsis.into_iter().chain(single) {
        match imsi.as_str().map(str::parse) {
            Some(Ok(imsi)) => endpoint = endpoint.with_imsi(imsi),
            _ => fields.invalid("imsi", "no IMSI; write 6 to 15 digits"),
        }
    }
    let msisdn = fields.parsed("msisdn", |text| text.parse().map_err(|_| "no MSISDN".to_owned()));
    endpoint.msisdn = msisdn.value();
    let next = read(&mut fields, &endpoint, catalog);
    if !matches!(iccid, Given::Value(_)) {
        fields.invalid("iccid", "missing or wrong");
    }
    fields.finish();
    let wrong = |refusal: Refusal| refusal.words();
    problems.result().map_err(wrong)?;
    let next = next.map_err(wrong)?;
    iccid.value().map(|iccid| (iccid, next)).ok_or_else(|| "/iccid: missing".to_owned())
}

/// `POST /endpoints/actions`: one step for many, refused unless exactly as many match as expected.
pub(super) async fn actions(
    State(state): State<Arc<HttpState>>,
    MayWrite(bearer): MayWrite,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Value> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(body::json(&headers, body)?, "", &mut problems);
    let words = STEPS.map(|(word, ..)| word).join(", ");
    let action = fields.parsed("action", |text| {
        let known = STEPS.into_iter().find(|(word, ..)| *word == text);
        known.map(|(_, step, _)| step).ok_or_else(|| format!("unknown; write one of {words}"))
    });
    let reason = fields.parsed("reason", short_text).value();
    let expect = fields.number("expect", u32::MAX).value();
    let iccids = fields.array("iccids").value();
    let filter = fields.text("filter").value();
    let Given::Value(action) = action else {
        fields.invalid("action", format!("missing; write one of {words}"));
        fields.finish();
        problems.result()?;
        return Err(Refusal::not_found());
    };
    if iccids.is_some() == filter.is_some() {
        fields.invalid("iccids", "give either iccids or a filter");
    }
    fields.finish();
    problems.result()?;
    let serving = state.serving()?;
    let meant: Vec<Iccid> = match (iccids, filter) {
        (Some(list), _) => {
            let read = list.iter().map(|one| one.as_str().and_then(|text| text.parse().ok()));
            let read: Option<Vec<Iccid>> = read.collect();
            read.ok_or_else(|| Refusal::invalid(vec!["/iccids: a list of ICCIDs".to_owned()]))?
        }
        (None, filter) => matching(&state, &serving.aaa, filter.as_deref())?,
    };
    if meant.len() > SMALL || matches!(action, Transition::Reinstate | Transition::Terminate) {
        bearer.needs(TokenRole::Admin)?;
    }
    if meant.len() > MOST {
        return Err(Refusal::too_many(MOST, meant.len()));
    }
    if let Some(expect) = expect.filter(|expect| *expect as usize != meant.len()) {
        let message = format!("/expect: {} endpoints match, not {expect}", meant.len());
        return Err(Refusal::conflict("precondition", message));
    }
    let count = meant.len();
    let mutations: Vec<EndpointMutation> = meant
        .into_iter()
        .map(|iccid| EndpointMutation {
            reason: reason.as_deref().map(Into::into),
            ..EndpointMutation::new(iccid, EndpointStep::Step(action))
        })
        .collect();
    let errors = carry_out(&state, move |aaa, now, writer| {
        Ok(aaa.change_endpoints(mutations, now, writer).err().unwrap_or_default())
    })
    .await?;
    if !errors.is_empty() {
        let messages = errors.iter().map(|(at, error)| format!("/iccids/{at}: {error}"));
        return Err(Refusal::conflict_of_many("state", messages.collect()));
    }
    info!(token = bearer.token, endpoints = count, "a step of many endpoints by the API");
    let answer: Envelope<Value> = data(json!({"changed": count}));
    Ok(answer)
}

/// All endpoints that a filter holds for, if they are not too many.
fn matching(state: &HttpState, aaa: &Aaa, filter: Option<&str>) -> Result<Vec<Iccid>, Refusal> {
    let filter = Filter::parse(filter, None)?;
    if filter.is_empty() {
        return Err(Refusal::invalid(vec!["/filter: say which endpoints are meant".to_owned()]));
    }
    let gateways = state.common.gateways.load();
    let catalog = aaa.catalog();
    let mut found = Vec::new();
    for piece in 0..Aaa::PIECES {
        aaa.look_at_piece(piece, &catalog, |iccid, entry, catalog| {
            if filter.holds(iccid, entry, catalog, &gateways) {
                found.push(iccid);
            }
        });
    }
    Ok(found)
}
