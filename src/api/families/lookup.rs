//! Objects as paths and bodies name them: by id or moniker.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Family;
use super::body::{Fields, Given};
use crate::api::refusal::Refusal;
use crate::provisioning::{Catalog, CatalogEntry, CatalogKind};

/// By id or moniker.
pub(in crate::api) fn find<'c, T: CatalogKind>(
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
pub(super) fn meant<'c, T: CatalogKind>(
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
pub(in crate::api) fn reference<T: CatalogKind>(
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
pub(in crate::api) fn after<T>(given: Given<T>, before: Option<T>) -> Option<T> {
    match given {
        Given::Absent => before,
        Given::Null => None,
        Given::Value(value) => Some(value),
    }
}

/// An object that another one refers to: `{id, moniker, name}`, or null.
pub(super) fn link<T: Family>(catalog: &Catalog, id: Option<T::Id>) -> Value {
    let entry = id.and_then(|id| catalog.place::<T>(id)).filter(|entry| entry.present().is_some());
    entry.map_or(Value::Null, |entry| {
        json!({
            "id": entry.uuid,
            "moniker": entry.thing.moniker().as_str(),
            "name": entry.thing.name(),
        })
    })
}
