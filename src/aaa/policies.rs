//! The policies in force, each compiled, with what was counted of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::identity::{Moniker, PolicyId};
use crate::policy::{CompiledPolicy, PolicyReason, PolicyTerms};
use crate::provisioning::{Catalog, Policy};

/// By place in the catalog.
#[derive(Default)]
pub(super) struct PolicyTable(Vec<Option<Arc<PolicyInForce>>>);

pub(super) struct PolicyInForce {
    policy: Arc<Policy>,
    pub(super) compiled: CompiledPolicy,
    /// Goes on when the policy changes.
    pub(super) meters: Arc<PolicyMeters>,
}

/// What is counted of one policy.
#[derive(Default)]
pub(super) struct PolicyMeters {
    rejects: ReasonCounts,
    violations: ReasonCounts,
    steered: AtomicU64,
    steered_enough: AtomicU64,
}

/// By reason.
#[derive(Default)]
struct ReasonCounts([AtomicU64; PolicyReason::ALL.len()]);

/// The numbers of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyStats {
    pub moniker: Moniker,
    /// Access-Requests that it refused.
    pub rejects: Vec<(PolicyReason, u64)>,
    /// Sessions that began to be used against it.
    pub violations: Vec<(PolicyReason, u64)>,
    /// Refused to steer the device elsewhere, and allowed since it came back often enough.
    pub steered: [u64; 2],
}

impl PolicyTable {
    /// The table of a catalog. What has not changed is not compiled again.
    pub(super) fn of(catalog: &Catalog, previous: &Self) -> Self {
        let mut table = Self::default();
        table.0.resize_with(catalog.places::<Policy>(), || None);
        for (id, entry) in
            catalog.entries::<Policy>().filter(|(_, entry)| entry.present().is_some())
        {
            let known = previous.get(id);
            table.0[id.index()] = match known {
                Some(known) if Arc::ptr_eq(&known.policy, &entry.thing) => Some(Arc::clone(known)),
                _ => Some(Arc::new(PolicyInForce::new(&entry.thing, known))),
            };
        }
        table
    }

    pub(super) fn get(&self, id: PolicyId) -> Option<&Arc<PolicyInForce>> {
        self.0.get(id.index())?.as_ref()
    }

    pub(super) fn stats(&self) -> Vec<PolicyStats> {
        self.0.iter().flatten().map(|policy| policy.stats()).collect()
    }
}

impl PolicyInForce {
    fn new(policy: &Arc<Policy>, before: Option<&Arc<Self>>) -> Self {
        let terms = PolicyTerms {
            allow_2g: policy.allow_2g,
            allow_3g: policy.allow_3g,
            allow_45g: policy.allow_45g,
            when_missing: policy.when_missing,
            imei_lock: policy.imei_lock,
            entries: &policy.entries,
        };
        Self {
            policy: Arc::clone(policy),
            compiled: CompiledPolicy::new(terms),
            meters: before.map(|before| Arc::clone(&before.meters)).unwrap_or_default(),
        }
    }

    /// The policy as it is written.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    fn stats(&self) -> PolicyStats {
        let meters = &self.meters;
        PolicyStats {
            moniker: self.policy.moniker.clone(),
            rejects: meters.rejects.all(),
            violations: meters.violations.all(),
            steered: [&meters.steered, &meters.steered_enough]
                .map(|count| count.load(Ordering::Relaxed)),
        }
    }
}

impl PolicyMeters {
    pub(super) fn rejected(&self, reason: PolicyReason) {
        self.rejects.count(reason);
    }

    pub(super) fn violated(&self, reason: PolicyReason) {
        self.violations.count(reason);
    }

    /// A request met an entry that steers.
    pub(super) fn steered(&self, is_refused: bool) {
        let count = if is_refused { &self.steered } else { &self.steered_enough };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl ReasonCounts {
    fn count(&self, reason: PolicyReason) {
        let place = PolicyReason::ALL.iter().position(|known| *known == reason);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn all(&self) -> Vec<(PolicyReason, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        PolicyReason::ALL.into_iter().zip(counts).collect()
    }
}
