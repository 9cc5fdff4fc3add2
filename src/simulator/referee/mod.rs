//! The referee: knows what a right server does, and shows every breach with the packets that prove
//! it.

mod address_model;
mod expected_state;
mod rule;

pub use address_model::{AddressModel, Conflict, Hold, VsliceAddress};
pub use expected_state::{ExpectedState, ShownSession, compare};
pub use rule::Rule;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::plan::{PlannedGroup, RunPlan, SimEndpoint};
use super::scenario::{AllocationSpec, IntegrityCheck};
use crate::exchange::{Evidence, Stray};
use crate::time::Timestamp;
use crate::wire::{Datagram, Forged, MessageAuthenticator, number};

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub rule: Rule,
    pub at: Timestamp,
    /// The ICCID concerned, if one is.
    pub endpoint: Option<String>,
    /// What exactly.
    pub detail: String,
    pub packets: Vec<ViolationPacket>,
}

/// A packet that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViolationPacket {
    /// `request`, `reply`, `first reply`.
    pub label: &'static str,
    pub octets: Box<[u8]>,
}

/// Breaches kept with their packets; beyond them only the counts grow.
const KEPT: usize = 100;

/// Judges one shard's exchanges. All shards share the address model.
#[derive(Debug)]
pub struct Referee {
    plan: Arc<RunPlan>,
    addresses: Arc<AddressModel>,
    counts: BTreeMap<Rule, u64>,
    violations: Vec<Violation>,
}

/// What is known of an endpoint when its answer comes.
#[derive(Clone, Copy, Debug)]
pub struct AddressRequest<'a> {
    pub endpoint: SimEndpoint<'a>,
    pub iccid: &'a [u8],
    /// The address it had last.
    pub address: Option<Ipv4Addr>,
    /// It only asked leave to attach.
    pub attach_only: bool,
}

impl Referee {
    pub const fn new(plan: Arc<RunPlan>, addresses: Arc<AddressModel>) -> Self {
        Self { plan, addresses, counts: BTreeMap::new(), violations: Vec::new() }
    }

    /// How often each rule was broken.
    pub const fn counts(&self) -> &BTreeMap<Rule, u64> {
        &self.counts
    }

    /// The first breaches, with their packets.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Writes down a breach.
    pub fn report(&mut self, violation: Violation) {
        *self.counts.entry(violation.rule).or_default() += 1;
        if self.violations.len() < KEPT {
            self.violations.push(violation);
        }
    }

    /// Says what a discarded datagram proves. Damaged on purpose by the simulated network, it
    /// proves nothing.
    pub fn discarded(
        &mut self,
        now: Timestamp,
        stray: Stray,
        octets: &[u8],
        evidence: Option<Evidence<'_>>,
    ) {
        let (rule, detail) = match stray {
            Stray::Malformed(malformed) => (Rule::ReplyMalformed, malformed.to_string()),
            Stray::Unasked => (Rule::ReplyUnasked, "no request under this identifier".to_owned()),
            Stray::Forged(forged @ Forged::Authenticator) => {
                (Rule::ReplyAuthenticator, forged.to_string())
            }
            Stray::Forged(forged @ Forged::MessageAuthenticator) => {
                (Rule::ReplyMessageAuthenticator, forged.to_string())
            }
            Stray::Unprotected => {
                (Rule::ReplyUnprotected, "there is no Message-Authenticator".to_owned())
            }
            Stray::WrongSource => (Rule::ReplySource, "the request went elsewhere".to_owned()),
            // Nobody asked for a window.
            Stray::Stale => (Rule::ReplyCode, "its Event-Timestamp is of another time".to_owned()),
            Stray::WrongCode(code) => (Rule::ReplyCode, code.to_string()),
        };
        self.breach(rule, now, None, detail, evidence, octets);
    }

    /// Another reply to an answered request.
    pub fn repeated(
        &mut self,
        now: Timestamp,
        identical: bool,
        octets: &[u8],
        evidence: Option<Evidence<'_>>,
    ) {
        if !identical && self.plan.expect.identical_duplicates {
            let packets = evidence.map(|evidence| {
                let first = evidence
                    .reply
                    .map(|reply| ViolationPacket { label: "first reply", octets: reply.into() });
                [ViolationPacket { label: "request", octets: evidence.request.into() }]
                    .into_iter()
                    .chain(first)
            });
            let second = ViolationPacket { label: "second reply", octets: octets.into() };
            self.report(Violation {
                rule: Rule::DuplicateDiffers,
                at: now,
                endpoint: None,
                detail: "the first valid reply had other octets".to_owned(),
                packets: packets.into_iter().flatten().chain([second]).collect(),
            });
        }
    }

    pub fn late(&mut self, now: Timestamp, octets: &[u8], evidence: Option<Evidence<'_>>) {
        self.breach(
            Rule::ReplyLate,
            now,
            None,
            "nobody waits for it any more".to_owned(),
            evidence,
            octets,
        );
    }

    /// An answer although every copy that was sent was damaged or had a wrong secret.
    pub fn forged_answered(&mut self, now: Timestamp, iccid: &[u8], evidence: Evidence<'_>) {
        let reply = evidence.reply.unwrap_or_default();
        self.breach(
            Rule::ForgedAnswered,
            now,
            Some(iccid),
            "no intact copy was sent".to_owned(),
            Some(evidence),
            reply,
        );
    }

    /// Judges an Access-Accept.
    pub fn accepted(
        &mut self,
        now: Timestamp,
        request: &AddressRequest<'_>,
        address: Option<Ipv4Addr>,
        evidence: Evidence<'_>,
    ) {
        self.protected(now, request.iccid, evidence);
        let endpoint = &request.endpoint;
        if let Some(reason) = self.reason(endpoint) {
            return self.about(
                Rule::Accepted,
                now,
                request,
                format!("expected a reject: {reason}"),
                evidence,
            );
        }
        let Some(group) =
            endpoint.group.and_then(|group| self.plan.groups.get(usize::from(group))).cloned()
        else {
            return;
        };
        match address {
            Some(address) => self.address(now, request, &group, address, evidence),
            None if request.attach_only || group.subnets.is_empty() => {}
            None => self.about(
                Rule::AddressMissing,
                now,
                request,
                "Framed-IP-Address is missing".to_owned(),
                evidence,
            ),
        }
    }

    /// Judges an Access-Reject.
    pub fn refused(
        &mut self,
        now: Timestamp,
        request: &AddressRequest<'_>,
        reason: &str,
        evidence: Evidence<'_>,
    ) {
        self.protected(now, request.iccid, evidence);
        match self.reason(&request.endpoint) {
            None => self.about(Rule::Refused, now, request, format!("said: {reason}"), evidence),
            Some(expected) if self.plan.expect.reasons && reason != expected => {
                self.about(
                    Rule::Reason,
                    now,
                    request,
                    format!("said: {reason}; expected: {expected}"),
                    evidence,
                );
            }
            Some(_) => {}
        }
    }

    /// The endpoint's hold on its address has changed.
    pub fn loosen(
        &self,
        endpoint: &SimEndpoint<'_>,
        address: Ipv4Addr,
        hold: Hold,
        now: Timestamp,
    ) {
        if let Some(group) =
            self.group(endpoint).filter(|group| group.allocation == AllocationSpec::Pooled)
        {
            self.addresses.loosen(
                VsliceAddress { vslice: group.vslice, address },
                endpoint.number,
                hold,
                now,
            );
        }
    }

    /// How the endpoint holds an address.
    pub fn hold(
        &self,
        endpoint: &SimEndpoint<'_>,
        address: Ipv4Addr,
        now: Timestamp,
    ) -> Option<Hold> {
        let group = self.group(endpoint)?;
        self.addresses.hold(VsliceAddress { vslice: group.vslice, address }, endpoint.number, now)
    }

    /// Why the endpoint must be refused (PROTOCOL 4).
    fn reason(&self, endpoint: &SimEndpoint<'_>) -> Option<String> {
        let state = endpoint.state.reason().map(ToOwned::to_owned);
        state.or_else(|| self.group(endpoint).and_then(|group| group.refused.clone()))
    }

    fn group(&self, endpoint: &SimEndpoint<'_>) -> Option<&PlannedGroup> {
        self.plan.groups.get(usize::from(endpoint.group?))
    }

    fn address(
        &mut self,
        now: Timestamp,
        request: &AddressRequest<'_>,
        group: &PlannedGroup,
        address: Ipv4Addr,
        evidence: Evidence<'_>,
    ) {
        let number = request.endpoint.number;
        if group.subnets.is_empty() {
            return;
        }
        if !group.subnets.iter().any(|subnet| subnet.contains(&address)) {
            let subnets: Vec<String> = group.subnets.iter().map(ToString::to_string).collect();
            return self.about(
                Rule::AddressOutside,
                now,
                request,
                format!("{address} is not in {}", subnets.join(", ")),
                evidence,
            );
        }
        if let Some(kept) = self.kept(request, group, now)
            && kept != address
        {
            self.about(
                Rule::AddressChanged,
                now,
                request,
                format!("{address} instead of {kept}"),
                evidence,
            );
        }
        if let Some(conflict) =
            self.addresses.claim(VsliceAddress { vslice: group.vslice, address }, number, now)
        {
            let mut names = super::plan::IdentityBuffer::default();
            self.plan.population.endpoint(conflict.endpoint, self.plan.seed, &mut names);
            let (rule, how) = match conflict.hold {
                Hold::Firm => (Rule::AddressDuplicate, "has it"),
                Hold::Lingering => {
                    (Rule::AddressDuplicate, "may still have it, its session ended without a Stop")
                }
                Hold::Released => (Rule::AddressEarly, "gave it back"),
            };
            let detail = format!(
                "{address}: {} {how}, for {:.3} s",
                names.shown(),
                conflict.since.as_secs_f64()
            );
            self.about(rule, now, request, detail, evidence);
        }
    }

    /// The address that the endpoint must get, if there is one (PROTOCOL 7).
    fn kept(
        &self,
        request: &AddressRequest<'_>,
        group: &PlannedGroup,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let AddressRequest { endpoint, address, .. } = request;
        match group.allocation {
            AllocationSpec::Static => endpoint.static_ip.or(*address),
            AllocationSpec::Pooled => {
                let at_address = VsliceAddress { vslice: group.vslice, address: (*address)? };
                let lives = matches!(
                    self.addresses.hold(at_address, endpoint.number, now),
                    Some(Hold::Firm | Hold::Lingering)
                );
                (self.plan.expect.same_address && lives).then_some(at_address.address)
            }
        }
    }

    /// PROTOCOL 1: every reply to an Access-Request has its Message-Authenticator, first.
    fn protected(&mut self, now: Timestamp, iccid: &[u8], evidence: Evidence<'_>) {
        let Some(reply) = evidence.reply.and_then(|octets| Datagram::frame(octets).ok()) else {
            return;
        };
        let present = reply.message_authenticator() == MessageAuthenticator::Present;
        let first = reply
            .attributes()
            .next()
            .is_some_and(|first| first.number == number::MESSAGE_AUTHENTICATOR);
        let kept = match self.plan.expect.message_authenticator {
            IntegrityCheck::First => first,
            IntegrityCheck::Present => present,
            IntegrityCheck::Any => true,
        };
        if !kept {
            self.breach(
                Rule::ReplyUnprotected,
                now,
                Some(iccid),
                "it does not stand first".to_owned(),
                Some(evidence),
                reply.octets(),
            );
        }
    }

    fn about(
        &mut self,
        rule: Rule,
        now: Timestamp,
        request: &AddressRequest<'_>,
        detail: String,
        evidence: Evidence<'_>,
    ) {
        self.breach(
            rule,
            now,
            Some(request.iccid),
            detail,
            Some(evidence),
            evidence.reply.unwrap_or_default(),
        );
    }

    fn breach(
        &mut self,
        rule: Rule,
        at: Timestamp,
        iccid: Option<&[u8]>,
        detail: String,
        evidence: Option<Evidence<'_>>,
        reply: &[u8],
    ) {
        let request = evidence
            .map(|evidence| ViolationPacket { label: "request", octets: evidence.request.into() });
        let reply = ViolationPacket { label: "reply", octets: reply.into() };
        let endpoint = iccid.map(|iccid| String::from_utf8_lossy(iccid).into_owned());
        self.report(Violation {
            rule,
            at,
            endpoint,
            detail,
            packets: request.into_iter().chain([reply]).collect(),
        });
    }
}
