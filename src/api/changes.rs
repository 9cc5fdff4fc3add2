//! The way of a change: it is decided, recorded, and answered when it is durable. However many
//! change something at a time, what they record shares commits.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::audit::{Audit, AuditEntry, AuditOutcome};
use super::http::HttpState;
use super::refusal::Refusal;
use crate::aaa::{Aaa, ChangeError};
use crate::journal::Journal;
use crate::keeping::BackgroundWriter;
use crate::record::Topic;
use crate::time::Timestamp;

/// Programs give up after ten seconds: they should hear before that what holds their change up.
const PATIENCE: Duration = Duration::from_secs(4);

/// What others changed meanwhile is looked at again, so often.
pub(crate) const TRIES: usize = 8;

/// The writer of all changes that are asked for over HTTP.
#[derive(Debug)]
pub(crate) struct ChangeWriter(Mutex<BackgroundWriter>);

impl ChangeWriter {
    pub(crate) fn new(journal: &Journal) -> Self {
        Self(Mutex::new(BackgroundWriter::new(journal)))
    }
}

/// Carries out what `act` changes and records, with its entry in the audit log, and returns when it
/// is durable. It is carried out to
/// its end though whoever asked has gone meanwhile.
///
/// # Errors
/// Why nothing was changed; or that the change is in force and not durable yet, while the disk
/// hangs.
pub(crate) async fn carry_out<T: Send + 'static>(
    state: &Arc<HttpState>,
    audit: Audit,
    act: impl FnOnce(&Aaa, Timestamp, &mut BackgroundWriter) -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, Refusal> {
    let state = Arc::clone(state);
    let done = spawn_blocking(move || {
        let serving = state.serving()?;
        let readiness = state.readiness();
        if !readiness.is_ready() {
            return Err(Refusal::not_ready(readiness.into_reasons()));
        }
        let now = state.common.clock.now().wall;
        let (changed, pending) = {
            let mut writer = serving.changes.0.lock();
            writer.begin(now);
            let Audit { bearer, target, watch } = audit;
            let before = watch(&serving.aaa);
            let changed = act(&serving.aaa, now, &mut writer)?;
            let entry = AuditEntry {
                at: now,
                call: bearer.call.clone(),
                bearer: Some(bearer),
                target,
                outcome: AuditOutcome::Done,
                code: None,
                before,
                after: watch(&serving.aaa),
            };
            put(&entry, &mut writer);
            (changed, writer.submit_all())
        };
        let is_durable = pending.wait(PATIENCE);
        serving.changes.0.lock().settle(&serving.aaa);
        if is_durable {
            Ok(changed)
        } else {
            let reason = "the change is in force, and the disk has not taken it yet".to_owned();
            Err(Refusal::not_ready(vec![reason]))
        }
    });
    done.await.unwrap_or_else(|_| Err(Refusal::ending()))
}

fn put(entry: &AuditEntry, writer: &mut BackgroundWriter) {
    for octets in entry.octets() {
        writer.message(Topic::Audit, 0, entry.at, &octets);
    }
}

impl HttpState {
    /// Records an entry by itself. Nobody waits for it.
    pub(super) fn record_audit(&self, entry: &AuditEntry) {
        if let Some(serving) = self.serving.get() {
            let mut writer = serving.changes.0.lock();
            put(entry, &mut writer);
            writer.submit();
        }
    }
}
