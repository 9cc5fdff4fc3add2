//! Why: the decision about an Access-Request, told step by step and without effect (PROTOCOL 17).

use super::address_plan::AddressPlan;
use super::admission::{AdmittedGroup, admit};
use super::grant::granted_kinds;
use super::policies::PolicyInForce;
use super::policing::{circumstances, own_device};
use super::steering::Steering;
use super::{Aaa, AskedFamilies, EndpointEntry, RejectReason};
use crate::address::{Address, AddressKind};
use crate::identity::Imei;
use crate::identity::{Apn, Iccid, Moniker};
use crate::policy::{Circumstances, DecidedBy, country_of};
use crate::provisioning::{Allocation, ProvisioningState};
use crate::time::Timestamp;

/// What would be decided, and each step on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// In the order of the checks (PROTOCOL 4); the last one is where it ends.
    pub steps: Vec<ExplainedStep>,
    /// Why the request would be rejected; `None`: it would be accepted, if its credentials are
    /// right.
    pub rejected: Option<RejectReason>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStep {
    /// What is looked at.
    pub check: &'static str,
    pub passed: bool,
    /// What was found.
    pub found: String,
    /// What that means, and what to do about it.
    pub message: String,
}

impl Aaa {
    /// What an Access-Request of this endpoint for an APN would come to now. Nothing changes.
    /// `None`: there is no such endpoint.
    #[must_use]
    pub fn explain(
        &self,
        iccid: Iccid,
        apn: Option<&str>,
        asked: Option<Circumstances>,
        now: Timestamp,
    ) -> Option<Explanation> {
        let plan = self.plan();
        let mut entry = self.tracker.read(iccid, EndpointEntry::clone)?;
        entry.state.settle(now, &self.limits(&plan, &entry.endpoint), &self.restarts);
        let mut explanation = Explanation { steps: Vec::new(), rejected: None };
        let admitted = admit(&entry.endpoint, &plan.catalog, apn.map(str::as_bytes));
        explanation.endpoint(iccid, &entry);
        match admitted {
            Err(reason) => explanation.refusal(reason, &entry, &plan, apn),
            Ok(admitted) => {
                explanation.group(&admitted, apn);
                if explanation.policy(&admitted, self, iccid, &entry, &plan, asked, now) {
                    explanation.admitted(&admitted, iccid, &entry, &plan);
                }
            }
        }
        Some(explanation)
    }
}

impl Explanation {
    fn passed(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        message: impl Into<String>,
    ) {
        let (found, message) = (found.into(), message.into());
        self.steps.push(ExplainedStep { check, passed: true, found, message });
    }

    fn failed(
        &mut self,
        reason: RejectReason,
        check: &'static str,
        found: impl Into<String>,
        message: impl Into<String>,
    ) {
        let (found, message) = (found.into(), message.into());
        self.steps.push(ExplainedStep { check, passed: false, found, message });
        self.rejected = Some(reason);
    }

    fn endpoint(&mut self, iccid: Iccid, entry: &EndpointEntry) {
        self.passed("endpoint", iccid.to_string(), "the endpoint is known");
        if entry.endpoint.state == ProvisioningState::Active {
            self.passed("state", "active", "an active endpoint may attach");
        }
    }

    fn refusal(
        &mut self,
        reason: RejectReason,
        entry: &EndpointEntry,
        plan: &AddressPlan,
        apn: Option<&str>,
    ) {
        let state = entry.endpoint.state.moniker();
        let groups: Vec<_> =
            entry.endpoint.groups().filter_map(|id| Some((id, plan.catalog.group(id)?))).collect();
        match reason {
            RejectReason::EndpointPending => {
                self.failed(reason, "state", state, "put it into a group, and it is active");
            }
            RejectReason::EndpointSuspended => self.failed(reason, "state", state, "resume it"),
            RejectReason::EndpointTerminated => {
                self.failed(reason, "state", state, "reinstate it, and put it into a group");
            }
            RejectReason::GroupMissing => {
                self.failed(reason, "group", "none", "put it into a group");
            }
            RejectReason::GroupInvalid => {
                let fault = entry.endpoint.groups().find_map(|id| {
                    let fault = plan.catalog.fault(id)?;
                    let moniker = plan.catalog.group(id).map(|group| group.moniker.to_string());
                    Some((moniker.unwrap_or_else(|| "none".to_owned()), fault.to_string()))
                });
                let (group, fault) = fault.unwrap_or_default();
                self.failed(reason, "group", group, fault);
            }
            _ => {
                let served = groups.iter().map(|(_, group)| {
                    let apns: Vec<&str> = group.apns.iter().map(Apn::as_str).collect();
                    format!("{} serves {}", group.moniker, apns.join(", "))
                });
                let served = served.collect::<Vec<_>>().join("; ");
                let apn = apn.unwrap_or("none");
                self.failed(
                    reason,
                    "apn",
                    apn,
                    format!("no group of it serves this APN: {served}"),
                );
            }
        }
    }

    fn group(&mut self, admitted: &AdmittedGroup<'_>, apn: Option<&str>) {
        let AdmittedGroup { group, vslice, .. } = *admitted;
        let any = if group.apns.is_empty() { "it serves any APN" } else { "it serves this APN" };
        self.passed("apn", apn.unwrap_or("none"), format!("group {}: {any}", group.moniker));
        self.passed("group", group.moniker.as_str(), "the group is enabled");
        let kind = group.allocation;
        let message = format!("the VSlice is enabled, and has a {kind} subnet");
        self.passed("vslice", vslice.moniker.as_str(), message);
    }

    fn admitted(
        &mut self,
        admitted: &AdmittedGroup<'_>,
        iccid: Iccid,
        entry: &EndpointEntry,
        plan: &AddressPlan,
    ) {
        let group = admitted.group;
        match &group.credentials {
            None => self.passed("credentials", "none", "the group asks for none"),
            Some(demanded) => self.passed(
                "credentials",
                demanded.method.moniker(),
                "the group asks for user name and password, which are not judged here",
            ),
        }
        let kinds = match granted_kinds(admitted, AskedFamilies::Unsaid) {
            Ok(kinds) => kinds,
            Err(reason) => {
                let families = group.families.monikers().join(", ");
                return self.failed(reason, "family", families, "the VSlice has no such subnet");
            }
        };
        for kind in kinds {
            match address(admitted, iccid, entry, plan, kind) {
                Ok((found, message)) => self.passed("address", found, message),
                Err((found, message)) => {
                    return self.failed(RejectReason::PoolExhausted, "address", found, message);
                }
            }
        }
    }
}

impl Explanation {
    /// What the policy of the group says where the endpoint was last heard of, or is asked about.
    /// Whether it passes.
    #[expect(clippy::too_many_arguments, reason = "all that a decision looks at")]
    fn policy(
        &mut self,
        admitted: &AdmittedGroup<'_>,
        aaa: &Aaa,
        iccid: Iccid,
        entry: &EndpointEntry,
        plan: &AddressPlan,
        asked: Option<Circumstances>,
        now: Timestamp,
    ) -> bool {
        let Some(policy) = plan.policy_of(admitted.group) else {
            self.passed("policy", "none", "the group has no policy: it may be used anywhere");
            return true;
        };
        let last = entry.state.sessions.iter().max_by_key(|session| session.heard);
        let known = || last.map(|last| circumstances(&last.location_info())).unwrap_or_default();
        let at = asked.unwrap_or_else(known);
        let own = own_device(entry);
        let verdict = policy.compiled.judge(&at, own);
        let mut by = decider(policy, verdict.by);
        if let Some(own) = own.filter(|_| policy.compiled.locks_imei()) {
            by = format!("{by}; it is locked to the device {own}");
        }
        let steered = aaa.steering.count(iccid, at.plmn, now);
        let enough = verdict.is_soft && steered >= Steering::refusals();
        let Some(reason) = verdict.refused.filter(|_| !enough) else {
            let soft = if enough { ", and it was refused often enough" } else { "" };
            self.passed("policy", told_place(&at), format!("{by}: allowed{soft}"));
            return true;
        };
        self.failed(
            reason.into(),
            "policy",
            told_place(&at),
            format!("{by}: {}", reason.moniker()),
        );
        false
    }
}

/// Which part of a policy decided.
fn decider(policy: &PolicyInForce, by: DecidedBy) -> String {
    let moniker = &policy.policy().moniker;
    match by {
        DecidedBy::Entry(at) => {
            let entry = policy.policy().entries.get(at).map(ToString::to_string);
            format!("policy {moniker}, entry {} ({})", at + 1, entry.unwrap_or_default())
        }
        DecidedBy::NoEntry => format!("policy {moniker}: no entry is about it"),
        DecidedBy::Missing => format!(
            "policy {moniker}, when_missing = {}: the network is not known",
            policy.policy().when_missing.moniker()
        ),
        DecidedBy::Generation => format!("policy {moniker}: its flags of radio generations"),
        DecidedBy::ImeiLock => format!("policy {moniker}: its lock to a device"),
    }
}

/// `network 26201 (DE), radio 6, device 35349006987300`, as far as it is known.
fn told_place(at: &Circumstances) -> String {
    let network = at.plmn.map_or_else(
        || "network unknown".to_owned(),
        |plmn| format!("network {plmn} ({})", country_of(plmn).unwrap_or("no country")),
    );
    let radio = at.rat.map_or_else(|| "radio unknown".to_owned(), |rat| format!("radio {rat}"));
    let device = at.imeisv.map(Imei::of);
    let device =
        device.map_or_else(|| "device unknown".to_owned(), |imei| format!("device {imei}"));
    format!("{network}, {radio}, {device}")
}

type Told = (String, String);

/// Which address it would be.
fn address(
    admitted: &AdmittedGroup<'_>,
    iccid: Iccid,
    entry: &EndpointEntry,
    plan: &AddressPlan,
    kind: AddressKind,
) -> Result<Told, Told> {
    let AdmittedGroup { id, group, vslice } = *admitted;
    let offers = |kind, ip| plan.offers(group.vslice, kind, ip);
    let subnet = |ip: Address| {
        let found = vslice.subnets.iter().find(|subnet| subnet.block.contains(ip));
        found.map_or_else(|| "no subnet".to_owned(), |subnet| subnet.block.cidr().to_string())
    };
    let mut configured = entry.endpoint.configured_addresses();
    let configured = configured
        .find(|ip| ip.kind() == kind)
        .filter(|ip| entry.endpoint.group == Some(id) && offers(Allocation::Static, *ip));
    let lease = entry.state.lease(id, kind).filter(|lease| lease.vslice == group.vslice);
    if let Some(lease) = lease {
        let is_right = lease.phase.is_in_use()
            || configured.map_or_else(|| offers(group.allocation, lease.ip), |ip| ip == lease.ip);
        if is_right && !plan.is_awaited_by_another(group.vslice, lease.ip, iccid) {
            let message = format!("its own address, of {}", subnet(lease.ip));
            return Ok((lease.ip.to_string(), message));
        }
    }
    if let Some(ip) = configured {
        return match plan.owner(group.vslice, ip) {
            Some(owner) if owner != iccid => {
                let message = format!("configured for it, and {owner} uses it still");
                Err((ip.to_string(), message))
            }
            _ => Ok((ip.to_string(), format!("configured for it, of {}", subnet(ip)))),
        };
    }
    let of_kind = vslice.subnets_of(group.allocation).map(|subnet| subnet.block);
    let fills = plan.fills(group.vslice);
    let free: u64 = of_kind
        .filter(|block| block.kind() == kind)
        .filter_map(|block| fills.iter().find(|fill| fill.block == block))
        .map(|fill| fill.counts.free)
        .sum();
    let moniker: &Moniker = &vslice.moniker;
    if free == 0 {
        let what = named(kind);
        let message = format!("no {} subnet of {moniker} has an {what} left", group.allocation);
        return Err(("none".to_owned(), message));
    }
    let plural = if kind.is_ipv6() { "prefixes" } else { "addresses" };
    let message = format!("{free} {} {plural} of {moniker} are free", group.allocation);
    Ok(("the next".to_owned(), message))
}

const fn named(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Ipv4 => "address",
        AddressKind::Link => "IPv6 prefix",
        AddressKind::Delegated => "IPv6 prefix to delegate",
    }
}
