//! Which addresses an endpoint is given: each kind that was asked for, all of them or none.

use std::sync::atomic::Ordering;

use super::RejectReason;
use super::address_plan::PoolKind;
use super::admission::AdmittedGroup;
use super::recorder::Recorder;
use super::request::AskedFamilies;
use super::transaction::{EndpointTxn, kind_of};
use crate::address::{Address, AddressKind};
use crate::identity::VsliceId;
use crate::network::{Families, Few, Lease, LeaseKind, LeasePhase};
use crate::pool::Before;
use crate::provisioning::{AddressFamilies, Allocation};

/// An address that was found for an endpoint, and not granted yet.
struct FoundAddress {
    lease: Lease,
    /// How to give it back to the pool, if it was taken out of it for this.
    taken: Option<Before>,
    is_new: bool,
}

/// The kinds of addresses that are granted to a request: those it asks for and the VSlice has
/// (PROTOCOL 14).
///
/// # Errors
/// If the VSlice has none of them.
pub(super) fn granted_kinds(
    admission: &AdmittedGroup<'_>,
    asked: AskedFamilies,
) -> Result<Few<AddressKind>, RejectReason> {
    let (ipv4, ipv6) = match asked {
        AskedFamilies::Nothing => return Ok(Few::new()),
        AskedFamilies::Some { families, .. } => (families.ipv4, families.ipv6),
        AskedFamilies::Unsaid => (
            admission.group.families != AddressFamilies::Ipv6,
            admission.group.families != AddressFamilies::Ipv4,
        ),
    };
    let has = |kind| admission.vslice.gives(admission.group.allocation, kind);
    let ipv4 = ipv4 && has(AddressKind::Ipv4);
    let ipv6 = ipv6 && has(AddressKind::Link);
    if !ipv4 && !ipv6 {
        return Err(RejectReason::AddressFamilyNotAllowed);
    }
    let mut kinds = Few::new();
    kinds.extend(ipv4.then_some(AddressKind::Ipv4));
    kinds.extend(ipv6.then_some(AddressKind::Link));
    kinds.extend((ipv6 && has(AddressKind::Delegated)).then_some(AddressKind::Delegated));
    Ok(kinds)
}

impl<R: Recorder> EndpointTxn<'_, R> {
    /// The addresses of the endpoint in this group, given now where it has none.
    ///
    /// # Errors
    /// If there is none of one kind to be had, unless the group grants the other family alone.
    pub(super) fn grant_addresses(
        &mut self,
        admission: &AdmittedGroup<'_>,
        kinds: &[AddressKind],
    ) -> Result<Few<Address>, RejectReason> {
        let mut found: Few<FoundAddress> = Few::new();
        let meters = self.plan.meters(admission.group.vslice);
        for kind in kinds {
            // A delegated prefix is of no use without the link that it is routed over.
            let has_link = found.iter().any(|found| found.lease.ip.kind() == AddressKind::Link);
            if *kind == AddressKind::Delegated && !has_link {
                continue;
            }
            if let Some(one) = self.find_address(admission, *kind) {
                found.push(one);
                continue;
            }
            meters.inspect(|meters| _ = meters.failures.fetch_add(1, Ordering::Relaxed));
            if !admission.group.partial_dual_stack {
                self.give_up_found(found);
                return Err(RejectReason::PoolExhausted);
            }
        }
        if found.is_empty() && !kinds.is_empty() {
            return Err(RejectReason::PoolExhausted);
        }
        let mut granted = Few::new();
        for FoundAddress { lease, is_new, .. } in found {
            granted.push(lease.ip);
            if is_new {
                meters.inspect(|meters| _ = meters.allocations.fetch_add(1, Ordering::Relaxed));
                self.take_over(lease);
            } else if self.entry.state.lease(lease.group, lease.ip.kind()) != Some(&lease) {
                self.entry.state.grant(lease);
            }
        }
        Ok(granted)
    }

    fn give_up_found(&self, found: Few<FoundAddress>) {
        for FoundAddress { lease, taken, .. } in found {
            if let Some(before) = taken {
                self.plan.undo(lease.vslice, lease.ip, before);
            }
        }
    }

    /// `None`: there is no address of that kind to be had.
    fn find_address(
        &self,
        admission: &AdmittedGroup<'_>,
        kind: AddressKind,
    ) -> Option<FoundAddress> {
        let configured = self.configured_address(admission, kind);
        if let Some(own) = self.own_address(admission, kind, configured) {
            return Some(own);
        }
        if !self.entry.state.has_room_for_hold() {
            return None;
        }
        let (vslice, allocation) = (admission.group.vslice, admission.group.allocation);
        let (ip, before, lease_kind) = if let Some(ip) = configured {
            (ip, self.take_configured(vslice, ip)?, LeaseKind::Static)
        } else {
            let pool = PoolKind { allocation, address: kind };
            let (ip, before) = self.plan.allocate(vslice, pool, self.iccid, self.now)?;
            (ip, before, kind_of(allocation))
        };
        let (group, phase) = (admission.id, LeasePhase::Kept);
        let lease = Lease { group, vslice, ip, kind: lease_kind, phase };
        Some(FoundAddress { lease, taken: Some(before), is_new: true })
    }

    /// If another has it, it is awaited.
    fn take_configured(&self, vslice: VsliceId, ip: Address) -> Option<Before> {
        let taken = self.plan.configure(vslice, ip, self.iccid).ok();
        if taken.is_none() {
            self.plan.await_release(vslice, ip, self.iccid);
        }
        taken
    }

    /// The address that the lease already holds, if it is the right one still. One that a session
    /// uses is, wherever the subnets have gone (PROTOCOL 20). A released one is taken back out of
    /// its hold.
    fn own_address(
        &self,
        admission: &AdmittedGroup<'_>,
        kind: AddressKind,
        configured: Option<Address>,
    ) -> Option<FoundAddress> {
        let lease = *self.entry.state.lease(admission.id, kind)?;
        let Lease { vslice, ip, phase, .. } = lease;
        let allocation = admission.group.allocation;
        if vslice != admission.group.vslice {
            return None;
        }
        if phase.is_in_use() {
            return Some(FoundAddress { lease, taken: None, is_new: false });
        }
        let is_right = configured.map_or_else(
            || self.plan.offers(vslice, allocation, ip),
            |configured| configured == ip,
        );
        if !is_right || self.plan.is_awaited_by_another(vslice, ip, self.iccid) {
            return None;
        }
        let taken = if phase.is_released() {
            Some(self.plan.claim_undoably(vslice, ip, self.iccid, self.now).ok()?)
        } else {
            None
        };
        let phase = if phase.is_released() { LeasePhase::Kept } else { phase };
        let kind = configured.map_or(kind_of(allocation), |_| LeaseKind::Static);
        Some(FoundAddress { lease: Lease { kind, phase, ..lease }, taken, is_new: false })
    }

    /// The address configured by hand belongs to the primary group (PROTOCOL 10), and can be given
    /// while a static subnet has it.
    fn configured_address(
        &self,
        admission: &AdmittedGroup<'_>,
        kind: AddressKind,
    ) -> Option<Address> {
        let endpoint = &self.entry.endpoint;
        let mut configured = endpoint.configured_addresses();
        let ip = configured
            .find(|ip| ip.kind() == kind)
            .filter(|_| endpoint.group == Some(admission.id))?;
        self.plan.offers(admission.group.vslice, Allocation::Static, ip).then_some(ip)
    }

    /// An address that the gateway asked for later than for the others of the same connection
    /// (deferred IPv4, TS 23.401 5.3.1.2.4) is in use as soon as it is granted.
    pub(super) fn add_to_session(&mut self, admission: &AdmittedGroup<'_>, granted: &[Address]) {
        let group = admission.id;
        for ip in granted {
            let lacks_it = |session: &&mut crate::network::Session| {
                session.is_open()
                    && session.group == Some(group)
                    && session.families == Families { ipv4: true, ipv6: true }
                    && session.address(ip.kind()).is_none()
            };
            if let Some(session) = self.entry.state.sessions.iter_mut().find(lacks_it) {
                session.is_given(&[*ip]);
                self.entry.state.take_into_use(group, ip.kind());
            }
        }
    }
}
