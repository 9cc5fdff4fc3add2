//! The families of objects that the platform has as well: each is listed, made, shown, changed and
//! removed in the same way.

pub(super) mod body;
mod deliveries;
mod fixed;
mod groups;
mod handlers;
mod listing;
pub(super) mod lookup;
mod maps;
mod operators;
mod policies;
mod subnets;
mod vslices;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use self::body::{Fields, LONGEST_BODY};
pub(super) use self::listing::terms;
use self::lookup::{find, meant};
use self::write::{Revised, finish, read, revise};
use super::access::{MayRead, MayWrite};
use super::envelope::{Answer, data};
use super::http::HttpState;
use super::http::parameters::Parameters;
use super::http::precondition::{expected, is_known, tag};
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
    /// In the audit log.
    const AUDITED: &'static str;
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

    /// Why this server does not take it, whatever it is like.
    fn objection(&self, _state: &HttpState) -> Option<String> {
        None
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
        .merge(operators::routes())
        .merge(policies::routes())
        .merge(maps::routes())
        .merge(fixed::routes())
        .merge(deliveries::routes())
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
    let serving = state.serving()?;
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
    let serving = state.serving()?;
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
    let serving = state.serving()?;
    let uuid = random_uuid(rand::random());
    let read = serving.aaa.with_catalog(|catalog| read::<T>(body, None, catalog))?;
    permit(&state, &read.thing)?;
    let put = Put { target: PutTarget::New(uuid), thing: read.thing, spelling: read.spelling };
    finish::<T>(&state, &caller, T::put(put), None, uuid, read.advice).await
}

async fn update<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let body = body::json(&headers, body)?;
    revise::<T>(&state, &caller, &headers, |catalog| {
        let (target, entry) = meant::<T>(catalog, &id, &body)?;
        let read = read::<T>(body.clone(), Some(entry), catalog)?;
        permit(&state, &read.thing)?;
        Ok(Revised::of(target, entry, read))
    })
    .await
}

fn permit<T: Family>(state: &HttpState, thing: &T) -> Result<(), Refusal> {
    thing.objection(state).map_or(Ok(()), |why| Err(Refusal::invalid(vec![why])))
}

async fn remove<T: Family>(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<String> {
    let expected = expected(&headers)?;
    let serving = state.serving()?;
    let (target, uuid) = serving.aaa.with_catalog(|catalog| {
        find::<T>(catalog, &id).map(|(target, entry)| (target, entry.uuid))
    })?;
    finish::<T>(&state, &caller, T::remove(target), expected, uuid, Vec::new()).await
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
