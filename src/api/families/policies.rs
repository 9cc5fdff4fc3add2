//! `/OperatorPolicies`: in which networks the endpoints of a group may be used. Stored and shown.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{Fields, Given, Problems};
use super::lookup::{after, find};
use super::write::{Read, Revised, revise};
use super::{Family, Named, Shown, body, enumerated};
use crate::aaa::{Mutation, Put};
use crate::api::access::{MayRead, MayWrite};
use crate::api::envelope::{Answer, data};
use crate::api::http::HttpState;
use crate::api::http::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::identity::{Plmn, PolicyId};
use crate::policy::{
    CountryCode, ImeiLock, PolicyAction, PolicyEntry, RadioClass, Tac, WhenMissing, is_country,
    is_in_country,
};
use crate::provisioning::{Catalog, CatalogEntry, Operators, Policy, Spelling};

/// Entries of one policy.
const MOST: usize = 2_000;

impl Family for Policy {
    const PATH: &'static str = "operatorpolicies";
    const AUDITED: &'static str = "policy";
    const PROPERTIES: &'static [&'static str] =
        &["id", "name", "moniker", "allow2g", "allow3g", "allow45g", "whenMissing", "imeiLock"];

    fn read(
        fields: &mut Fields<'_>,
        named: Option<Named>,
        before: Option<&CatalogEntry<Self>>,
        catalog: &Catalog,
    ) -> Option<(Self, Spelling)> {
        let old = before.map(|entry| &*entry.thing);
        let mut spelling = before.map(|entry| entry.spelling.clone()).unwrap_or_default();
        let allow = ["allow2g", "allow3g", "allow45g"].map(|key| fields.flag(key).value());
        let when_missing = fields.parsed("whenMissing", |text| {
            WhenMissing::parse(text).ok_or_else(|| "unknown; write allow or reject".to_owned())
        });
        let imei_lock = fields.parsed("imeiLock", |text| {
            ImeiLock::parse(text).ok_or_else(|| "unknown; write off or learn".to_owned())
        });
        let pointer = fields.pointer("entries");
        let entries = match fields.array("entries") {
            Given::Absent => old.map(|old| old.entries.clone()).unwrap_or_default(),
            Given::Null => {
                spelling = spelling.without("entries");
                Vec::new()
            }
            Given::Value(list) => {
                spelling = spelling.with("entries", "[]");
                read_entries(list, &pointer, &catalog.operators, &mut spelling, fields.problems)
            }
        };
        let Named { moniker, name } = named?;
        let base = old.cloned().unwrap_or_else(|| Self::new(moniker.clone(), &name));
        let policy = Self {
            moniker,
            name: name.into(),
            allow_2g: allow[0].unwrap_or(base.allow_2g),
            allow_3g: allow[1].unwrap_or(base.allow_3g),
            allow_45g: allow[2].unwrap_or(base.allow_45g),
            when_missing: after(when_missing, Some(base.when_missing)).unwrap_or_default(),
            imei_lock: after(imei_lock, Some(base.imei_lock)).unwrap_or_default(),
            entries,
        };
        Some((policy, spelling))
    }

    fn show(&self, of: &Shown<'_, Self>) -> Map<String, Value> {
        let shown = json!({
            "allow2g": self.allow_2g,
            "allow3g": self.allow_3g,
            "allow45g": self.allow_45g,
            "whenMissing": self.when_missing.moniker(),
            "imeiLock": self.imei_lock.moniker(),
            "entries": entries(of.entry),
        });
        match shown {
            Value::Object(shown) => shown,
            _ => Map::new(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn put(put: Put<Self>) -> Mutation {
        Mutation::PutPolicy(put)
    }

    fn remove(id: PolicyId) -> Mutation {
        Mutation::RemovePolicy(id)
    }
}

/// The list of entries.
pub(super) fn routes() -> Router<Arc<HttpState>> {
    Router::new().route("/api/v1/operatorpolicies/{id}/entries", get(list).post(add))
}

fn read_entries(
    list: Vec<Value>,
    pointer: &str,
    known: &Operators,
    spelling: &mut Spelling,
    problems: &mut Problems,
) -> Vec<PolicyEntry> {
    if list.len() > MOST {
        problems.invalid(pointer, format!("at most {MOST} entries, this has {}", list.len()));
        return Vec::new();
    }
    let mut all: Vec<PolicyEntry> = Vec::new();
    for (at, value) in list.into_iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        let mut fields = Fields::new(value, &pointer, problems);
        fields.take("id");
        let (number, operators) = read_operator(&mut fields, known);
        let country = fields.parsed("iso3", |text| match CountryCode::parse(text) {
            Ok(country) if is_country(country) => Ok(country),
            Ok(_) => Err("there is no such country (ISO 3166-1)".to_owned()),
            Err(rule) => Err(rule.to_owned()),
        });
        let international = fields.flag("international").value().unwrap_or(false);
        let radio = read_words(&mut fields, "radio", "a radio class", RadioClass::parse);
        let tac =
            read_words(&mut fields, "tac", "one to eight digits", |text| Tac::parse(text).ok());
        let action = fields.parsed("steeringProfileEntryAction", |text| {
            PolicyAction::parse(text).map(|action| (action, text.to_owned())).ok_or_else(|| {
                "unknown; write allow, reject, reject-hard or reject-soft".to_owned()
            })
        });
        let country = country.value();
        let elsewhere =
            |operator: &&Plmn| country.is_some_and(|country| !is_in_country(**operator, country));
        if let Some(operator) = operators.iter().flatten().find(elsewhere) {
            let what = format!("operator {operator} is not in the country: its MCC is another's");
            fields.invalid("operatorId", what);
        }
        if let Given::Value((action, written)) = action {
            for operator in operators {
                let (radio, tac) = (radio.clone(), tac.clone());
                let entry = PolicyEntry { operator, country, international, radio, tac, action };
                if all.iter().any(|other| other.matches_same(&entry)) {
                    fields.problems.invalid(&pointer, "another entry asks for the same");
                }
                if written != action.moniker() {
                    let key = format!("action:{}", key_of(&entry));
                    *spelling = std::mem::take(spelling).with(&key, &written);
                }
                if let Some(number) = number {
                    let key = format!("operator:{}", key_of(&entry));
                    *spelling = std::mem::take(spelling).with(&key, &number.to_string());
                }
                all.push(entry);
            }
        } else {
            fields.invalid(
                "steeringProfileEntryAction",
                "missing; write allow, reject, reject-hard or reject-soft",
            );
        }
        fields.finish();
    }
    all
}

/// An operator is a number of `operators.csv`, which may be several networks; else the digits of its
/// PLMN as a number: six of them for a three-digit MNC. Returns the number of the file, too.
fn read_operator(fields: &mut Fields<'_>, known: &Operators) -> (Option<u32>, Vec<Option<Plmn>>) {
    let Some(number) = fields.number("operatorId", 999_999).value() else {
        return (None, vec![None]);
    };
    if let Some(operator) = known.by_id(number) {
        return (Some(number), operator.plmns.iter().copied().map(Some).collect());
    }
    let read = Plmn::parse(format!("{number:05}").as_bytes()).ok();
    if read.is_none() {
        fields.refuse(
            "unsupported",
            "operatorId",
            "unknown operator; write the digits of its PLMN as a number, as 26201, or add it to operators.csv",
        );
    }
    (None, vec![read])
}

fn read_words<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    wanted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let mut words = Vec::new();
    for (at, word) in fields.array(key).value().unwrap_or_default().iter().enumerate() {
        match word.as_str().and_then(&parse) {
            Some(word) => words.push(word),
            None => fields.invalid(&format!("{key}/{at}"), format!("no such word; write {wanted}")),
        }
    }
    words
}

/// What an entry asks for, as a text.
fn key_of(entry: &PolicyEntry) -> String {
    let operator = entry.operator.map(|plmn| plmn.to_string()).unwrap_or_default();
    let country = entry.country.map(|country| country.to_string()).unwrap_or_default();
    let radio: Vec<&str> = entry.radio.iter().map(|radio| radio.moniker()).collect();
    let tac: Vec<String> = entry.tac.iter().map(ToString::to_string).collect();
    format!("{operator}/{country}/{}/{}/{}", entry.international, radio.join(","), tac.join(","))
}

/// Null and empty as they were written.
fn entries(entry: &CatalogEntry<Policy>) -> Value {
    if entry.thing.entries.is_empty() && entry.spelling.of("entries").is_none() {
        return Value::Null;
    }
    let shown = |one: &PolicyEntry| {
        let key = key_of(one);
        let number = entry.spelling.of(&format!("operator:{key}")).map(ToOwned::to_owned);
        let number = number.or_else(|| one.operator.map(|plmn| plmn.to_string()));
        let operator = number.and_then(|number| number.parse::<u32>().ok());
        let radio: Vec<&str> = one.radio.iter().map(|radio| radio.moniker()).collect();
        let tac: Vec<String> = one.tac.iter().map(ToString::to_string).collect();
        let written = entry.spelling.of(&format!("action:{key}")).unwrap_or(one.action.moniker());
        let (number, name) = match one.action {
            PolicyAction::Allow => (10, "Allow"),
            PolicyAction::Reject => (20, "Reject"),
            PolicyAction::RejectHard => (30, "Reject hard"),
            PolicyAction::RejectSoft => (40, "Reject soft"),
        };
        json!({
            "id": Uuid::new_v5(&entry.uuid, key.as_bytes()),
            "operatorId": operator,
            "iso3": one.country.map(|country| country.to_string()),
            "steeringProfileEntryAction": enumerated(number, written, name),
            "international": one.international,
            "radio": radio,
            "tac": tac,
        })
    };
    let mut rows: Vec<Value> = Vec::new();
    for row in entry.thing.entries.iter().map(shown) {
        // An operator of several networks is one entry, as it was written.
        let is_same = |other: &Value| {
            let keys = ["operatorId", "iso3", "international", "radio", "tac"];
            !row["operatorId"].is_null() && keys.into_iter().all(|key| other[key] == row[key])
        };
        if !rows.iter().any(is_same) {
            rows.push(row);
        }
    }
    rows.into()
}

async fn list(
    State(state): State<Arc<HttpState>>,
    _permission: MayRead,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Value> {
    Parameters::of(&uri, &[])?;
    let serving = state.serving()?;
    serving.aaa.with_catalog(|catalog| {
        let shown = entries(find::<Policy>(catalog, &id)?.1);
        Ok(data(if shown.is_null() { json!([]) } else { shown }))
    })
}

/// Sees to it that these entries are there: one that asks for the same is replaced.
async fn add(
    State(state): State<Arc<HttpState>>,
    MayWrite(caller): MayWrite,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<String> {
    let list = match body::json(&headers, body)? {
        Value::Array(list) => list,
        one => vec![one],
    };
    revise::<Policy>(&state, &caller, &headers, |catalog| {
        let (target, entry) = find::<Policy>(catalog, &id)?;
        let mut problems = Problems::default();
        let mut spelling = entry.spelling.clone().with("entries", "[]");
        let known = &catalog.operators;
        let added = read_entries(list.clone(), "", known, &mut spelling, &mut problems);
        problems.result()?;
        let mut thing = (*entry.thing).clone();
        for one in added {
            match thing.entries.iter_mut().find(|own| own.matches_same(&one)) {
                Some(own) => *own = one,
                None => thing.entries.push(one),
            }
        }
        if thing.entries.len() > MOST {
            return Err(Refusal::invalid(vec![format!("/: at most {MOST} entries")]));
        }
        Ok(Revised::of(target, entry, Read { thing, spelling, advice: Vec::new() }))
    })
    .await
}
