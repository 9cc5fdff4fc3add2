//! The policy of a group in the decision: at an Access-Request, at each report of a session, and
//! when the policy itself has changed (PROTOCOL 15).

use std::sync::atomic::Ordering;

use super::policies::PolicyInForce;
use super::transaction::EndpointTxn;
use super::{Aaa, EndpointEntry, Recorder, RejectReason};
use crate::event::{EventKind, JsonObject};
use crate::identity::{Iccid, Imei};
use crate::network::{LocationInfo, OrderReason};
use crate::policy::{
    Circumstances, DecidedBy, PolicyReason, PolicyVerdict, cell_network, country_of,
};
use crate::provisioning::Group;
use crate::time::Timestamp;

impl<'t, R: Recorder> EndpointTxn<'t, R> {
    /// The policy of a group, if it has one.
    pub(super) fn policy_of(&self, group: &Group) -> Option<&'t PolicyInForce> {
        self.plan.policy_of(group)
    }

    /// What a request tells of where the endpoint is.
    pub(super) fn circumstances(&self, info: &LocationInfo<'_>) -> Circumstances {
        // In a shared network both may differ; of two countries one is wrong.
        let cell = info.location.and_then(cell_network);
        if info.plmn.zip(cell).is_some_and(|(serving, cell)| serving.mcc() != cell.mcc()) {
            self.aaa.location_mismatches.fetch_add(1, Ordering::Relaxed);
        }
        circumstances(info)
    }

    /// Whether a policy lets the endpoint attach so.
    pub(super) fn permit(
        &mut self,
        policy: &PolicyInForce,
        at: &Circumstances,
    ) -> Result<(), RejectReason> {
        let verdict = policy.compiled.judge(at, own_device(self.entry));
        let Some(reason) = verdict.refused else { return Ok(()) };
        if verdict.is_soft {
            let is_refused = self.aaa.steering.refuses(self.iccid, at.plmn, self.now);
            policy.meters.steered(is_refused);
            if !is_refused {
                return Ok(());
            }
            self.tell(EventKind::Steered, |detail| tell_place(detail, policy, at, &verdict));
        }
        policy.meters.rejected(reason);
        Err(reason.into())
    }

    /// Locks the endpoint to the device that it was seen in first, where the policy wants that.
    pub(super) fn learn_device(&mut self, policy: &PolicyInForce, at: &Circumstances) {
        if policy.compiled.locks_imei() && own_device(self.entry).is_none() {
            self.entry.state.lock_to(at.imeisv.map(Imei::of));
        }
    }

    /// Judges a session by what is known of it after a report.
    pub(super) fn judge_report(&mut self, session: usize, report: &LocationInfo<'_>) {
        if let Some(policy) = self.judge_use(session) {
            // What the report itself tells: an older device of the session may just be forgotten.
            let at = self.circumstances(report);
            let known = self.entry.state.sessions.get(session);
            if known.is_some_and(|session| session.violation().is_none()) {
                self.learn_device(policy, &at);
            }
        }
    }

    /// Judges all open sessions: a policy may have changed, and a grace may be over.
    pub(super) fn judge_uses(&mut self) {
        for session in 0..self.entry.state.sessions.len() {
            self.judge_use(session);
        }
    }

    /// Marks a session that is used against the policy of its group, and one that is so no longer.
    /// Returns the policy, if there is one.
    fn judge_use(&mut self, at: usize) -> Option<&'t PolicyInForce> {
        let session = self.entry.state.sessions.get(at).filter(|session| session.is_open())?;
        let group = session.group.and_then(|group| self.plan.catalog.group(group));
        let policy = group.and_then(|group| self.policy_of(group));
        if policy.is_none() && session.violation().is_none() {
            return None;
        }
        let verdict = policy.map(|policy| {
            let at = circumstances(&session.location_info());
            policy.compiled.judge(&at, own_device(self.entry))
        });
        // To steer is a matter of attaching.
        let refused = verdict.filter(|verdict| !verdict.is_soft).and_then(|known| known.refused);
        let (grace, now) = (self.aaa.settings.policy_grace, self.now);
        if self.entry.state.mark_use(at, refused, grace, now)
            && let Some(((policy, verdict), reason)) = policy.zip(verdict).zip(refused)
        {
            policy.meters.violated(reason);
            self.tell_violation(at, policy, &verdict, reason);
        }
        // What is recorded is sent when this transaction is durable.
        let may_be_ended = group.is_some_and(|group| group.disconnect);
        if self.entry.state.take_due_disconnect(at, now) && may_be_ended {
            self.disconnect(at, OrderReason::Policy);
        }
        policy
    }
}

impl<R: Recorder> EndpointTxn<'_, R> {
    fn tell_violation(
        &mut self,
        at: usize,
        policy: &PolicyInForce,
        verdict: &PolicyVerdict,
        reason: PolicyReason,
    ) {
        let Some(session) = self.entry.state.sessions.get(at) else { return };
        let name = session.bearers().next().map(|bearer| bearer.acct_session_id.clone());
        let place = circumstances(&session.location_info());
        self.tell(EventKind::PolicyViolated, |detail| {
            detail.text("reason", reason.moniker());
            detail.text_or_null("acctSessionId", name.as_deref());
            tell_place(detail, policy, &place, verdict);
        });
    }
}

/// Where it was, and which entry of the policy decided.
fn tell_place(
    detail: &mut JsonObject<'_>,
    policy: &PolicyInForce,
    at: &Circumstances,
    verdict: &PolicyVerdict,
) {
    let entry = match verdict.by {
        DecidedBy::Entry(place) => policy.policy().entries.get(place).map(ToString::to_string),
        _ => None,
    };
    let plmn = at.plmn.map(|plmn| plmn.to_string());
    detail.text("policy", policy.policy().moniker.as_str());
    detail.text_or_null("entry", entry.as_deref());
    detail.text_or_null("plmn", plmn.as_deref());
    detail.text_or_null("country", at.plmn.and_then(country_of));
}

impl Aaa {
    /// Forgets the device that an endpoint is locked to: the next one that is seen is it. `None`:
    /// there is no such endpoint. Whether it was locked.
    pub fn relearn(
        &self,
        iccid: Iccid,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Option<bool> {
        let plan = self.plan();
        self.tracker.with(iccid, |entry| {
            let txn = EndpointTxn::begin(self, &plan, iccid, entry, now, records);
            let was_locked = txn.entry.state.device.is_some();
            txn.entry.state.lock_to(None);
            txn.attest();
            was_locked
        })
    }
}

/// Where an endpoint is, as far as is told.
pub(super) fn circumstances(info: &LocationInfo<'_>) -> Circumstances {
    Circumstances { plmn: info.plmn, rat: info.rat, imeisv: info.imeisv }
}

/// The device that an endpoint is locked to: the one that was configured, else the one learnt.
pub(super) fn own_device(entry: &EndpointEntry) -> Option<Imei> {
    entry.endpoint.imei().map(Imei::of).or(entry.state.device)
}
