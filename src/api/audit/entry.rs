//! One entry of the audit log, as it is kept and shown: JSON.

use serde_json::{Value, json};
use uuid::Uuid;

use super::difference::difference;
use super::{Call, IdempotentCall};
use crate::api::access::TokenBearer;
use crate::identity::Iccid;
use crate::provisioning::random_uuid;
use crate::runtime::ReloadOutcome;
use crate::time::Timestamp;

/// ICCIDs that one entry names; a batch of more has several entries.
const MOST_NAMED: usize = 250;

/// Problems of a refused reload that are told; the log of the server has all.
const MOST_PROBLEMS: usize = 10;

/// What a write is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditTarget {
    pub(crate) kind: &'static str,
    pub(crate) id: Option<String>,
    pub(crate) moniker: Option<String>,
    /// Of a batch.
    pub(crate) iccids: Vec<Iccid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuditOutcome {
    Done,
    /// What was asked for cannot be, or may not be done by who asked.
    Refused,
    /// Not because of what was asked.
    Failed,
}

impl AuditOutcome {
    pub(crate) const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    pub(crate) const fn moniker(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What is written of one request.
pub(crate) struct AuditEntry {
    pub(crate) at: Timestamp,
    /// `None`: nobody that is known.
    pub(crate) bearer: Option<TokenBearer>,
    pub(crate) call: Call,
    pub(crate) target: AuditTarget,
    pub(crate) outcome: AuditOutcome,
    /// Of a refusal.
    pub(crate) code: Option<&'static str>,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

impl AuditTarget {
    /// An object of the catalog.
    pub(crate) fn object(kind: &'static str, id: Uuid) -> Self {
        Self { kind, id: Some(id.to_string()), ..Self::default() }
    }

    pub(crate) fn endpoint(iccid: Iccid, id: Uuid) -> Self {
        Self { moniker: Some(iccid.to_string()), ..Self::object("endpoint", id) }
    }

    pub(crate) fn many(kind: &'static str, iccids: Vec<Iccid>) -> Self {
        Self { kind, iccids, ..Self::default() }
    }
}

impl AuditEntry {
    /// Of a reload, whoever asked for it: the files say what was changed.
    pub(crate) fn of_reload(outcome: &ReloadOutcome, at: Timestamp) -> Self {
        let call = Call {
            method: "RELOAD".to_owned(),
            path: "inventory".to_owned(),
            source: None,
            idempotency: None,
        };
        let (outcome, code, after) = match outcome {
            Ok(applied) => {
                (AuditOutcome::Done, None, serde_json::to_value(applied).unwrap_or_default())
            }
            Err(problems) => {
                let first: Vec<&String> = problems.iter().take(MOST_PROBLEMS).collect();
                let told = json!({"problems": first, "count": problems.len()});
                (AuditOutcome::Refused, Some("invalid"), told)
            }
        };
        let target = AuditTarget { kind: "inventory", ..AuditTarget::default() };
        Self { at, bearer: None, call, target, outcome, code, before: Value::Null, after }
    }

    /// What is kept: one JSON object, or several if it names many.
    pub(crate) fn octets(&self) -> Vec<Vec<u8>> {
        let (before, after) = difference(&self.before, &self.after);
        let moniker = self.target.moniker.clone().or_else(|| {
            let named = [&self.after, &self.before].map(|view| view["moniker"].as_str());
            named.into_iter().flatten().next().map(str::to_owned)
        });
        let entry = |iccids: &[Iccid]| {
            let mut target = json!({
                "kind": self.target.kind,
                "id": self.target.id,
                "moniker": moniker,
            });
            if !iccids.is_empty() {
                target["iccids"] = json!(iccids);
            }
            let mut entry = json!({
                "id": random_uuid(rand::random()),
                "time": self.at,
                "token": self.bearer.as_ref().map(|bearer| {
                    json!({"name": bearer.token, "role": bearer.role.as_str()})
                }),
                "source": self.call.source,
                "method": self.call.method,
                "path": self.call.path,
                "target": target,
                "outcome": self.outcome.moniker(),
                "code": self.code,
                "before": before,
                "after": after,
                "idempotencyKey": self.call.idempotency.as_ref().map(|call| &call.key),
            });
            if let Some(IdempotentCall { request, .. }) = &self.call.idempotency {
                // Kept, not shown: a repetition after a restart is told by it.
                entry["requestHash"] = json!(format!("{request:016x}"));
            }
            entry.to_string().into_bytes()
        };
        if self.target.iccids.is_empty() {
            return vec![entry(&[])];
        }
        self.target.iccids.chunks(MOST_NAMED).map(entry).collect()
    }
}
