//! Accounting-Request: what a gateway reports, applied to the sessions of its endpoint (PROTOCOL 5
//! to 7).

use super::admission::admit;
use super::identify::identify;
use super::recorder::RecorderSink;
use super::transaction::{EndpointTxn, ReportedAddress};
use super::{Aaa, Accounted, AccountingKind, AccountingRequest, Note, Recorder, RejectReason};
use crate::event::{Departure, EventKind};
use crate::identity::Iccid;
use crate::network::{Effect, Outcome, Report, Restart, Session};
use crate::time::Timestamp;

impl Aaa {
    /// Takes an accounting report. Whatever it says, it is recorded and then answered; a gateway
    /// that hears nothing would repeat it for ever.
    pub fn account(
        &self,
        request: &AccountingRequest<'_>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Accounted {
        let refused = match request.kind {
            AccountingKind::GatewayRestart => {
                let restart = Restart::of(&request.report, now);
                records.restart(&restart);
                let sink = &mut RecorderSink(records);
                self.events.about(EventKind::GatewayRestarted, None, now, sink, |detail| {
                    self.events.gateway(detail, Some(restart.gateway));
                    detail.text_or_null("apn", restart.apn.as_deref());
                });
                self.restarts.note(restart);
                return Accounted::default();
            }
            AccountingKind::Other | AccountingKind::Invalid => {
                records.noted(&Note { at: now, kind: request.kind, iccid: None, refused: None });
                return Accounted::default();
            }
            AccountingKind::Attach
            | AccountingKind::Start
            | AccountingKind::Interim
            | AccountingKind::Stop
            | AccountingKind::Detach => {
                match identify(&request.subject, &self.settings.identity_order, &self.tracker) {
                    Ok(iccid) => match self.account_of(iccid, request, now, records) {
                        Ok(accounted) => return accounted,
                        Err(reason) => {
                            self.refusals.note(iccid, reason, true, now);
                            (Some(iccid), reason)
                        }
                    },
                    Err(reason) => {
                        self.note_refused(&request.subject, reason, now);
                        (None, reason)
                    }
                }
            }
        };
        let (iccid, reason) = refused;
        records.noted(&Note { at: now, kind: request.kind, iccid, refused: Some(reason) });
        Accounted { refused: Some(reason), ..Accounted::default() }
    }

    fn account_of(
        &self,
        iccid: Iccid,
        request: &AccountingRequest<'_>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Result<Accounted, RejectReason> {
        let plan = self.plan();
        let accounted = self.tracker.with(iccid, |entry| {
            let mut txn = EndpointTxn::begin(self, &plan, iccid, entry, now, records);
            let accounted = txn.account(request);
            match accounted {
                Ok(_) => txn.attest(),
                Err(reason) => {
                    txn.tell_refusal(reason, request.report.apn);
                    txn.end();
                }
            }
            accounted
        });
        accounted.unwrap_or(Err(RejectReason::EndpointUnknown))
    }
}

impl<R: Recorder> EndpointTxn<'_, R> {
    fn account(&mut self, request: &AccountingRequest<'_>) -> Result<Accounted, RejectReason> {
        let (plan, now) = (self.plan, self.now);
        let report = &Report { iccid: Some(self.iccid), ..request.report };
        let admission = match admit(&self.entry.endpoint, &plan.catalog, report.apn) {
            // What was opened was admitted once: its usage and its end are told, whatever the
            // endpoint may do now (PROTOCOL 11).
            Err(reason) if !self.concerns_known_session(request.kind, report) => {
                return Err(reason);
            }
            admission => admission,
        };
        let reason = admission.as_ref().err().copied();
        let admission = admission.ok();
        let group = admission.map(|admission| admission.id);
        let state = &mut self.entry.state;
        let outcome = match request.kind {
            AccountingKind::Attach => state.attach(now),
            AccountingKind::Detach => state.detach(report, now),
            AccountingKind::Stop => state.stop(report, group, now),
            AccountingKind::Interim => state.interim(report, group, now),
            // The other kinds concern no endpoint and have been dealt with.
            AccountingKind::Start
            | AccountingKind::GatewayRestart
            | AccountingKind::Other
            | AccountingKind::Invalid => state.start(report, group, now),
        };
        if request.kind == AccountingKind::Detach {
            self.departure = Some(Departure::Detach);
        }
        self.follow(&outcome);
        if let Some(reason) = reason.filter(|_| outcome.effect == Effect::Refused) {
            return Err(reason);
        }
        if let Some(session) = outcome.session {
            self.judge_report(session, &report.location_info);
        }
        if request.kind == AccountingKind::Interim
            && report.absent_is_released
            && outcome.effect == Effect::Updated
            && let Some(at) = outcome.session
        {
            let freed = self.entry.state.release_absent(at, report, now);
            self.free_or_keep(&freed);
        }
        let address_conflict = self.reconcile_address(request, &outcome);
        Ok(Accounted {
            refused: None,
            duplicate: matches!(
                outcome.effect,
                Effect::Duplicate | Effect::Outdated | Effect::TombstoneHolds
            ),
            counters_lowered: outcome.counters_lowered,
            address_conflict,
        })
    }

    fn concerns_known_session(&self, kind: AccountingKind, report: &Report<'_>) -> bool {
        let state = &self.entry.state;
        match kind {
            AccountingKind::Start | AccountingKind::Interim | AccountingKind::Stop => {
                state.knows(report, self.now)
            }
            AccountingKind::Detach => state.sessions.iter().any(Session::is_live),
            AccountingKind::Attach
            | AccountingKind::GatewayRestart
            | AccountingKind::Other
            | AccountingKind::Invalid => false,
        }
    }

    /// Compares the address that the gateway uses with the lease, if the report opened a session or
    /// moved one. Returns whether a conflict has come to light.
    fn reconcile_address(&mut self, request: &AccountingRequest<'_>, outcome: &Outcome) -> bool {
        let Some(at) = outcome.session else { return false };
        let mut has_come_to_light = false;
        for ip in request.report.addresses() {
            // A report that came too late has not changed what the session is known to use.
            let uses_it =
                |session: &&Session| session.is_open() && session.address(ip.kind()) == Some(ip);
            let Some(session) = self.entry.state.sessions.get(at).filter(uses_it) else { continue };
            let was_in_conflict = session.has_conflict(ip.kind());
            let Some(group) = session.group else { continue };
            let is_in_conflict = self.judge_address(at, group, ip) == ReportedAddress::Conflict;
            has_come_to_light |= is_in_conflict && !was_in_conflict;
        }
        has_come_to_light
    }
}
