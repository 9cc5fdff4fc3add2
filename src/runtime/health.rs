//! Whether the server is ready, and if not, or not wholly, why.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

/// Where the server stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ServerPhase {
    /// The journal is read and the inventory loaded.
    Recovering,
    Serving,
    /// Told to stop.
    Stopping,
}

/// What a reason does to `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthSeverity {
    /// Requests are answered, but an operator should look: 200, `degraded`.
    Degraded,
    /// Requests should go to another server: 503, `not-ready`, and Status-Server is not answered.
    NotReady,
}

/// The phase and the reasons, as all threads see them.
///
/// A reason has a name, so that whoever added it can replace and clear it without knowing of the
/// others.
#[derive(Debug)]
pub struct Health {
    phase: AtomicU8,
    /// Whether any reason is [`HealthSeverity::NotReady`]: what a worker reads for each batch,
    /// without the lock.
    is_blocked: AtomicBool,
    /// By name.
    reasons: Mutex<BTreeMap<&'static str, (HealthSeverity, String)>>,
}

/// What `/readyz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    status: ReadyStatus,
    /// The worst first.
    reasons: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ReadyStatus {
    Ready,
    Degraded,
    NotReady,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(ServerPhase::Recovering as u8),
            is_blocked: AtomicBool::new(false),
            reasons: Mutex::default(),
        }
    }
}

impl Health {
    /// From now on there is this reason, in the place of the one of the same name. `reason` is one
    /// sentence for an operator.
    pub fn add(&self, severity: HealthSeverity, name: &'static str, reason: impl Into<String>) {
        let mut reasons = self.reasons.lock();
        reasons.insert(name, (severity, reason.into()));
        self.summarize(&reasons);
    }

    /// The reason of this name is gone; nothing happens if there was none.
    pub fn clear(&self, name: &str) {
        let mut reasons = self.reasons.lock();
        if reasons.remove(name).is_some() {
            self.summarize(&reasons);
        }
    }

    /// Everything that `/readyz` tells; `blocked` is one more reason for not being ready, known to
    /// whoever asks.
    pub(crate) fn readiness(&self, blocked: Option<String>) -> Readiness {
        let phase = match self.phase() {
            ServerPhase::Recovering => Some("the journal and the inventory are being loaded"),
            ServerPhase::Serving => None,
            ServerPhase::Stopping => Some("the server is stopping"),
        };
        let blocked = phase.map(str::to_owned).into_iter().chain(blocked);
        let mut told: Vec<_> = blocked.map(|reason| (HealthSeverity::NotReady, reason)).collect();
        told.extend(self.reasons.lock().values().cloned());
        // Stable: within a severity in the order of the names.
        told.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
        let status = match told.first() {
            None => ReadyStatus::Ready,
            Some((HealthSeverity::Degraded, _)) => ReadyStatus::Degraded,
            Some((HealthSeverity::NotReady, _)) => ReadyStatus::NotReady,
        };
        Readiness { status, reasons: told.into_iter().map(|(_, reason)| reason).collect() }
    }

    pub(crate) fn enter(&self, phase: ServerPhase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Whether requests should come here; asked once per batch.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase() == ServerPhase::Serving && !self.is_blocked.load(Ordering::Acquire)
    }

    fn phase(&self) -> ServerPhase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == ServerPhase::Serving as u8 => ServerPhase::Serving,
            phase if phase == ServerPhase::Stopping as u8 => ServerPhase::Stopping,
            _ => ServerPhase::Recovering,
        }
    }

    fn summarize(&self, reasons: &BTreeMap<&'static str, (HealthSeverity, String)>) {
        let is_blocked =
            reasons.values().any(|(severity, _)| *severity == HealthSeverity::NotReady);
        self.is_blocked.store(is_blocked, Ordering::Release);
    }
}

impl Readiness {
    /// Whether requests are answered, if not all is well with it, too.
    pub(crate) fn is_ready(&self) -> bool {
        self.status != ReadyStatus::NotReady
    }

    pub(crate) fn into_reasons(self) -> Vec<String> {
        self.reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(health: &Health) -> String {
        serde_json::to_string(&health.readiness(None)).unwrap()
    }

    #[test]
    fn the_phase_alone_decides_while_there_are_no_reasons() {
        let health = Health::default();
        assert_eq!(
            told(&health),
            r#"{"status":"not-ready","reasons":["the journal and the inventory are being loaded"]}"#
        );
        health.enter(ServerPhase::Serving);
        assert_eq!(
            (told(&health).as_str(), health.is_ready()),
            (r#"{"status":"ready","reasons":[]}"#, true)
        );
        health.enter(ServerPhase::Stopping);
        assert_eq!(told(&health), r#"{"status":"not-ready","reasons":["the server is stopping"]}"#);
    }

    #[test]
    fn the_worst_reason_decides_and_comes_first() {
        let health = Health::default();
        health.enter(ServerPhase::Serving);
        health.add(HealthSeverity::Degraded, "inventory", "the inventory was refused");
        assert_eq!(
            told(&health),
            r#"{"status":"degraded","reasons":["the inventory was refused"]}"#
        );
        assert!(health.is_ready() && health.readiness(None).is_ready());

        health.add(HealthSeverity::NotReady, "journal", "the disk is full");
        assert_eq!(
            told(&health),
            r#"{"status":"not-ready","reasons":["the disk is full","the inventory was refused"]}"#
        );
        assert!(!health.is_ready() && !health.readiness(None).is_ready());

        health.clear("inventory");
        health.add(HealthSeverity::NotReady, "journal", "the disk does not answer");
        assert_eq!(
            told(&health),
            r#"{"status":"not-ready","reasons":["the disk does not answer"]}"#
        );
        health.add(HealthSeverity::Degraded, "journal", "the disk is slow");
        assert!(health.is_ready());
        health.clear("journal");
        health.clear("nobody added this");
        assert_eq!(told(&health), r#"{"status":"ready","reasons":[]}"#);
    }
}
