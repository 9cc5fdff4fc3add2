//! The families of objects that the platform has as well: each is listed, made, shown, changed and
//! removed in the same way.

pub(super) mod body;
mod fixed;
mod groups;
mod handlers;
mod listing;
mod maps;
mod policies;
mod subnets;
mod vslices;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tracing::info;
use uuid::Uuid;

use self::body::{Fields, Given, LONGEST_BODY, Problems};
pub(super) use self::listing::terms;
use super::access::{MayRead, MayWrite, TokenBearer};
use super::changes::carry_out;
use super::envelope::{Answer, Envelope, data};
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::refusal::Refusal;
use crate::aaa::{Aaa, Mutation, Put, PutTarget};
use crate::identity::Moniker;
use crate::provisioning::{
    Catalog, CatalogEntry, CatalogKind, ListingStatus, Spelling, random_uuid,
};
use crate::tokens::TokenRole;

/// What a family says of one kind of object.
trait Family: CatalogKind<Id: Send + Sync> + Send + Sync {
    /// In paths, in lower case.
    const PATH: &'static str;
    /// What lists can be filtered and sorted by.
    const PROPERTIES: &'static [&'static str];

    /// The object as it is after a request, and how it was written; `None` if something is wrong,
    /// which stands among the problems. `before`: as it is now.
    fn read(
        fields: &mut Fields<'_>,
        named: Option<Named>,
        before: Option<&CatalogEntry<Self>>,
        catalog: &Catalog,
    ) -> Option<(Self, Spelling)>;

    /// What is shown of it, besides id, moniker, name and version.
    fn show(&self, of: &Shown<'_, Self>) -> Map<String, Value>;

    /// What a person should know of it.
    fn advice(&self, _catalog: &Catalog) -> Vec<String> {
        Vec::new()
    }

    fn name(&self) -> &str;
    fn put(put: Put<Self>) -> Mutation;
    fn remove(id: Self::Id) -> Mutation;
}

/// What every object is called.
struct Named {
    moniker: Moniker,
    name: String,
}

/// One object, and all that is needed to show it.
struct Shown<'a, T: CatalogKind> {
    id: T::Id,
    entry: &'a CatalogEntry<T>,
    catalog: &'a Catalog,
    aaa: &'a Aaa,
    /// Whether secrets are shown.
    shows_secrets: bool,
}

/// All paths of the families.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new()
        .merge(family::<crate::provisioning::Vslice>())
        .merge(family::<crate::provisioning::Group>())
        .merge(family::<crate::provisioning::Policy>())
        .merge(family::<crate::provisioning::EventHandler>())
        .merge(family::<crate::provisioning::EventMap>())
        .merge(subnets::routes())
        .merge(policies::routes())
        .merge(maps::routes())
        .merge(fixed::routes())
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

fn family<T: Family>() -> Router<Arc<HttpState>> {
    let all = format!("/api/v1/{}", T::PATH);
    let nameless = get(moniker_missing).put(moniker_missing).delete(moniker_missing);
    Router::new()
        .route(&all, get(list::<T>).post(create::<T>))
        .route(&format!("{all}/"), nameless.patch(moniker_missing))
        .route(
            &format!("{all}/{{id}}"),
            get(show::<T>).put(update::<T>).patch(update::<T>).delete(remove::<T>),
        )
}

async fn moniker_missing(_permission: MayRead) -> Refusal {
    Refusal::moniker_missing()
}

async fn list<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    uri: Uri,
) -> Answer<Vec<Value>> {
    let query = listing::Query::of(&uri, T::PROPERTIES)?;
    let serving = state.serving.get().ok_or_else(|| state.not_ready())?;
    let shows_secrets = caller.role >= TokenRole::Write;
    let shown = serving.aaa.with_catalog(|catalog| {
        let entries = catalog.entries::<T>().filter(|(_, entry)| entry.present().is_some());
        entries
            .map(|(id, entry)| {
                whole(&Shown { id, entry, catalog, aaa: &serving.aaa, shows_secrets })
            })
            .collect()
    });
    Ok(query.page(shown))
}

async fn show<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayRead(caller): MayRead,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    Parameters::of(&uri, &[])?;
    let serving = state.serving.get().ok_or_else(|| state.not_ready())?;
    let (shown, version) = serving.aaa.with_catalog(|catalog| {
        let (id, entry) = find::<T>(catalog, &id)?;
        let shows_secrets = caller.role >= TokenRole::Write;
        let shown = whole(&Shown { id, entry, catalog, aaa: &serving.aaa, shows_secrets });
        Ok::<_, Refusal>((shown, entry.stamp.version))
    })?;
    if is_known(&headers, version) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag(version))]).into_response());
    }
    Ok(data(shown).versioned(version).into_response())
}

async fn create<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    let serving = state.serving.get().ok_or_else(|| state.not_ready())?;
    let uuid = random_uuid(rand::random());
    let read = serving.aaa.with_catalog(|catalog| read::<T>(body, None, catalog))?;
    let put = Put { target: PutTarget::New(uuid), thing: read.thing, spelling: read.spelling };
    finish(&state, &caller, T::put(put), None, uuid, read.advice).await
}

async fn update<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    let expected = expected(&headers)?;
    let serving = state.serving.get().ok_or_else(|| state.not_ready())?;
    let (target, uuid, read) = serving.aaa.with_catalog(|catalog| {
        let (target, entry) = meant::<T>(catalog, &id, &body)?;
        let read = read::<T>(body, Some(entry), catalog)?;
        Ok::<_, Refusal>((target, entry.uuid, read))
    })?;
    let put =
        Put { target: PutTarget::Existing(target), thing: read.thing, spelling: read.spelling };
    finish(&state, &caller, T::put(put), expected, uuid, read.advice).await
}

async fn remove<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<String> {
    let expected = expected(&headers)?;
    let serving = state.serving.get().ok_or_else(|| state.not_ready())?;
    let (target, uuid) = serving.aaa.with_catalog(|catalog| {
        find::<T>(catalog, &id).map(|(target, entry)| (target, entry.uuid))
    })?;
    finish(&state, &caller, T::remove(target), expected, uuid, Vec::new()).await
}

/// Carries out a change, and answers with the object's id.
async fn finish(
    state: &Arc<HttpState>,
    caller: &TokenBearer,
    mutation: Mutation,
    expected: Option<u64>,
    uuid: Uuid,
    advice: Vec<String>,
) -> Answer<String> {
    let changed =
        carry_out(state, move |aaa, now, writer| aaa.change(mutation, expected, now, writer))
            .await?;
    info!(token = caller.token, object = %uuid, version = changed.version, "changed by the API");
    let answer = data(uuid.to_string()).versioned(changed.version);
    Ok(advice.into_iter().fold(answer, Envelope::telling))
}

/// What a request makes of an object.
struct Read<T> {
    thing: T,
    spelling: Spelling,
    advice: Vec<String>,
}

fn read<T: Family>(
    body: Value,
    before: Option<&CatalogEntry<T>>,
    catalog: &Catalog,
) -> Result<Read<T>, Refusal> {
    let mut problems = Problems::default();
    let mut fields = Fields::new(body, "", &mut problems);
    // Whose it is was looked at before; in a new one it says nothing.
    fields.take("id");
    let moniker = fields.parsed("moniker", moniker);
    let name = fields.parsed("name", object_name);
    let named = match (moniker, name, before) {
        (Given::Value(moniker), name, before) => {
            let kept =
                before.map_or_else(|| moniker.to_string(), |entry| entry.thing.name().to_owned());
            Some(Named { name: name.value().unwrap_or(kept), moniker })
        }
        (Given::Absent, name, Some(entry)) => Some(Named {
            moniker: entry.thing.moniker().clone(),
            name: name.value().unwrap_or_else(|| entry.thing.name().to_owned()),
        }),
        (Given::Absent, _, None) | (Given::Null, ..) => {
            fields.invalid("moniker", "missing; give 1 to 30 of a-z, 0-9 and -");
            None
        }
    };
    let read = T::read(&mut fields, named, before, catalog);
    fields.finish();
    problems.result()?;
    let (thing, spelling) =
        read.ok_or_else(|| Refusal::invalid(vec!["/: the object is not complete".to_owned()]))?;
    let advice = thing.advice(catalog);
    Ok(Read { thing, spelling, advice })
}

fn moniker(text: &str) -> Result<Moniker, String> {
    Moniker::parse(text).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is no moniker; write 1 to 30 of a-z, 0-9 and -")
    })
}

fn object_name(text: &str) -> Result<String, String> {
    const LONGEST: usize = 100;
    match text.chars().count() {
        1..=LONGEST => Ok(text.to_owned()),
        length => Err(format!("a name has 1 to {LONGEST} characters, this has {length}")),
    }
}

/// By id or moniker.
pub(super) fn find<'c, T: CatalogKind>(
    catalog: &'c Catalog,
    id: &str,
) -> Result<(T::Id, &'c CatalogEntry<T>), Refusal> {
    let found = match id.parse::<Uuid>() {
        Ok(uuid) if id.len() == 36 => catalog.find_uuid::<T>(uuid),
        _ => catalog.find::<T>(id),
    };
    found.ok_or_else(Refusal::not_found)
}

/// The object that an update means: the one that the path names; or, if it names none and the body
/// has the id of one that is to be called so, that one (a new moniker).
fn meant<'c, T: CatalogKind>(
    catalog: &'c Catalog,
    id: &str,
    body: &Value,
) -> Result<(T::Id, &'c CatalogEntry<T>), Refusal> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let own = text("id").and_then(|id| find::<T>(catalog, id).ok());
    match (find::<T>(catalog, id), own) {
        (Ok((_, named)), Some((_, own))) if named.uuid != own.uuid => {
            let message = format!(
                "moniker \"{id}\" is already used by {} {}, and /id is {}",
                T::KIND,
                named.uuid,
                own.uuid
            );
            Err(Refusal::conflict("moniker-taken", message))
        }
        (Ok(named), _) => Ok(named),
        (Err(_), Some(own)) if text("moniker") == Some(id) => Ok(own),
        (Err(not_found), _) => Err(not_found),
    }
}

/// The handle of an object that a body refers to, by id or moniker.
pub(super) fn reference<T: CatalogKind>(
    fields: &mut Fields<'_>,
    key: &'static str,
    catalog: &Catalog,
) -> Given<T::Id> {
    match fields.text(key) {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        // The provider writes an empty text where nothing was said.
        Given::Value(text) if text.is_empty() => Given::Null,
        Given::Value(text) => {
            if let Ok((id, _)) = find::<T>(catalog, &text) {
                return Given::Value(id);
            }
            let shown: String = text.chars().take(40).collect();
            fields.refuse("reference", key, format!("there is no {} {shown:?}", T::KIND));
            Given::Absent
        }
    }
}

/// An optional value after a request: kept if nothing was said of it.
pub(super) fn after<T>(given: Given<T>, before: Option<T>) -> Option<T> {
    match given {
        Given::Absent => before,
        Given::Null => None,
        Given::Value(value) => Some(value),
    }
}

/// An object that another one refers to: `{id, moniker, name}`, or null.
fn link<T: Family>(catalog: &Catalog, id: Option<T::Id>) -> Value {
    let entry = id.and_then(|id| catalog.place::<T>(id)).filter(|entry| entry.present().is_some());
    entry.map_or(Value::Null, |entry| {
        json!({
            "id": entry.uuid,
            "moniker": entry.thing.moniker().as_str(),
            "name": entry.thing.name(),
        })
    })
}

/// A value of an enumeration, spelled as it was written.
fn enumerated(key: u32, moniker: &str, name: &str) -> Value {
    json!({"key": key, "moniker": moniker, "name": name, "active": true})
}

/// All that is shown of an object.
fn whole<T: Family>(shown: &Shown<'_, T>) -> Value {
    let thing = &*shown.entry.thing;
    let mut all = Map::new();
    all.insert("id".to_owned(), json!(shown.entry.uuid));
    all.insert("moniker".to_owned(), json!(thing.moniker().as_str()));
    all.insert("name".to_owned(), json!(thing.name()));
    all.extend(thing.show(shown));
    all.insert("version".to_owned(), json!(shown.entry.stamp.version));
    let is_gone = shown.entry.status == ListingStatus::Gone;
    all.insert("goneFromFiles".to_owned(), json!(is_gone));
    Value::Object(all)
}

pub(super) fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Whether the caller has this version already (If-None-Match, RFC 9110 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, version: u64) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).and_then(|given| given.to_str().ok());
    given.is_some_and(|given| {
        given
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag(version))
    })
}

/// The version that the caller expects (If-Match, RFC 9110 13.1.1).
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = given.to_str().ok().map(str::trim).filter(|given| *given != "*");
    let Some(version) = version else { return Ok(None) };
    let number = version.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number = number.and_then(|number| number.parse().ok());
    number.map(Some).ok_or_else(|| {
        Refusal::precondition(format!(
            "If-Match: {version} is no version; write it as ETag shows it"
        ))
    })
}
