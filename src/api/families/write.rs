//! The way of a write: what a request makes of an object, carried out on the version that was read.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::Value;
use tracing::info;
use uuid::Uuid;

use super::body::{Fields, Given, Problems};
use super::{Family, Named, Shown, whole};
use crate::aaa::{ChangeError, Changed, Mutation, Put, PutTarget};
use crate::api::access::TokenBearer;
use crate::api::audit::{Audit, AuditTarget};
use crate::api::changes::{TRIES, carry_out};
use crate::api::envelope::{Answer, Envelope, data};
use crate::api::http::HttpState;
use crate::api::http::precondition::expected;
use crate::api::refusal::Refusal;
use crate::identity::Moniker;
use crate::provisioning::{Catalog, CatalogEntry, Spelling};

/// Carries out a change, and answers with the object's id.
pub(super) async fn finish<T: Family>(
    state: &Arc<HttpState>,
    caller: &TokenBearer,
    mutation: Mutation,
    expected: Option<u64>,
    uuid: Uuid,
    advice: Vec<String>,
) -> Answer<String> {
    let changed = carry_out(state, audit::<T>(caller, uuid), move |aaa, now, writer| {
        aaa.change(mutation, expected, now, writer)
    })
    .await?;
    Ok(told(caller, uuid, &changed, advice))
}

/// What the audit log says of a change of an object.
fn audit<T: Family>(caller: &TokenBearer, uuid: Uuid) -> Audit {
    Audit::new(caller, AuditTarget::object(T::AUDITED, uuid), move |aaa| {
        aaa.with_catalog(|catalog| {
            let found = catalog.find_uuid::<T>(uuid);
            found.map_or(Value::Null, |(id, entry)| {
                whole(&Shown { id, entry, catalog, aaa, shows_secrets: true })
            })
        })
    })
}

fn told(
    caller: &TokenBearer,
    uuid: Uuid,
    changed: &Changed,
    advice: Vec<String>,
) -> Envelope<String> {
    info!(token = caller.token, object = %uuid, version = changed.version, "changed by the API");
    let answer = data(uuid.to_string()).versioned(changed.version);
    advice.into_iter().fold(answer, Envelope::telling)
}

/// What a request makes of an object that was there when it was looked at.
pub(super) struct Revised<T: Family> {
    target: T::Id,
    uuid: Uuid,
    version: u64,
    read: Read<T>,
}

impl<T: Family> Revised<T> {
    pub(super) fn of(target: T::Id, entry: &CatalogEntry<T>, read: Read<T>) -> Self {
        Self { target, uuid: entry.uuid, version: entry.stamp.version, read }
    }
}

/// Changes an object into what `next` makes of it as it is. Whoever changed it meanwhile is not
/// overwritten: it is looked at again, unless the caller demands a version.
pub(super) async fn revise<T: Family>(
    state: &Arc<HttpState>,
    caller: &TokenBearer,
    headers: &HeaderMap,
    next: impl Fn(&Catalog) -> Result<Revised<T>, Refusal>,
) -> Answer<String> {
    let wanted = expected(headers)?;
    let serving = state.serving()?;
    for _ in 0..TRIES {
        let Revised { target, uuid, version, read } = serving.aaa.with_catalog(&next)?;
        let Read { thing, spelling, advice } = read;
        let mutation = T::put(Put { target: PutTarget::Existing(target), thing, spelling });
        let done = carry_out(state, audit::<T>(caller, uuid), move |aaa, now, writer| {
            match aaa.change(mutation, Some(wanted.unwrap_or(version)), now, writer) {
                Err(ChangeError::Version { .. }) if wanted.is_none() => Ok(None),
                done => done.map(Some),
            }
        });
        if let Some(changed) = done.await? {
            return Ok(told(caller, uuid, &changed, advice));
        }
    }
    Err(Refusal::busy("the object changes all the time; ask again"))
}

/// What a request makes of an object.
pub(super) struct Read<T> {
    pub(super) thing: T,
    pub(super) spelling: Spelling,
    pub(super) advice: Vec<String>,
}

pub(super) fn read<T: Family>(
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
