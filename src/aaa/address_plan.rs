//! The plan in force: the catalog, and the addresses of its VSlices. Replaced as a whole on reload;
//! the addresses outlive it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::policies::{PolicyInForce, PolicyTable};
use crate::address::{Address, AddressBlock, AddressKind};
use crate::identity::{GroupId, Iccid, VsliceId};
use crate::pool::{AddressSpace, Before, ClaimError, PoolCounts};
use crate::provisioning::{Allocation, Catalog, Endpoint, Group, ProvisioningState, Vslice};
use crate::time::Timestamp;

/// What every decision reads besides its endpoint.
#[derive(Default)]
pub(super) struct AddressPlan {
    pub(super) catalog: Catalog,
    /// By [`VsliceId::index`]; also of VSlices that were removed, whose addresses may be in use
    /// still.
    vslices: Vec<Arc<Addresses>>,
    pub(super) policies: PolicyTable,
}

/// The addresses of one VSlice, the same in every plan.
struct Addresses {
    space: Mutex<AddressSpace<PoolKind>>,
    /// Whether any of them is awaited or contested, to be read without the lock.
    is_disputed: AtomicBool,
    meters: VsliceMeters,
}

/// What is counted for one VSlice.
#[derive(Default)]
pub(super) struct VsliceMeters {
    pub(super) sessions: AtomicI64,
    pub(super) allocations: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) conflicts: AtomicU64,
}

/// What a group chooses its subnets by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PoolKind {
    pub(super) allocation: Allocation,
    pub(super) address: AddressKind,
}

/// The fill of one subnet, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFill {
    pub block: AddressBlock,
    pub counts: PoolCounts,
}

impl AddressPlan {
    /// The plan for `catalog`, with the addresses of `previous`. Their subnets change at once, for
    /// those, too, who still decide by `previous`: so no address is ever given by two lists.
    pub(super) fn renewed(previous: &Self, catalog: Catalog, hold_time: Duration) -> Self {
        let vslices = (0..catalog.places::<Vslice>()).map(|index| {
            let addresses = previous
                .vslices
                .get(index)
                .map_or_else(|| Arc::new(Addresses::new(hold_time)), Arc::clone);
            addresses.follow(catalog.vslice(VsliceId::new(index)));
            addresses
        });
        let policies = PolicyTable::of(&catalog, &previous.policies);
        Self { vslices: vslices.collect(), catalog, policies }
    }

    /// The plan in which one VSlice or group is other than in `previous`: what it costs does not
    /// depend on the others' subnets.
    pub(super) fn with_one_changed(
        previous: &Self,
        catalog: Catalog,
        vslice: Option<VsliceId>,
        hold_time: Duration,
    ) -> Self {
        let mut vslices = previous.vslices.clone();
        vslices.resize_with(catalog.places::<Vslice>(), || Arc::new(Addresses::new(hold_time)));
        if let Some((id, addresses)) = vslice.and_then(|id| Some((id, vslices.get(id.index())?))) {
            addresses.follow(catalog.vslice(id));
        }
        let policies = PolicyTable::of(&catalog, &previous.policies);
        Self { catalog, vslices, policies }
    }

    /// The policy of a group, if it has one.
    pub(super) fn policy_of(&self, group: &Group) -> Option<&PolicyInForce> {
        self.policies.get(group.policy?).map(|policy| &**policy)
    }

    /// The next free address for a group of this kind: subnets in order, each oldest-released
    /// first. What it returns beside it undoes it ([`Self::undo`]).
    pub(super) fn allocate(
        &self,
        vslice: VsliceId,
        kind: PoolKind,
        owner: Iccid,
        now: Timestamp,
    ) -> Option<(Address, Before)> {
        self.space(vslice)?.allocate_undoably(kind, owner, now)
    }

    /// Takes a given address: the owner's own one, or one that is free. Returns the kind of its
    /// subnet, if there is one.
    pub(super) fn claim(
        &self,
        vslice: VsliceId,
        ip: Address,
        owner: Iccid,
        now: Timestamp,
    ) -> Result<Option<Allocation>, ClaimError> {
        let addresses = self.addresses(vslice).ok_or(ClaimError::Outside)?;
        let claimed = addresses.dispute(|space| space.claim(ip, owner, now))?;
        Ok(claimed.map(|kind| kind.allocation))
    }

    /// The same, if it can be undone ([`Self::undo`]).
    pub(super) fn claim_undoably(
        &self,
        vslice: VsliceId,
        ip: Address,
        owner: Iccid,
        now: Timestamp,
    ) -> Result<Before, ClaimError> {
        let addresses = self.addresses(vslice).ok_or(ClaimError::Outside)?;
        addresses.dispute(|space| space.claim_undoably(ip, owner, now))
    }

    /// How many addresses of a subnet are leased, configured, or in a hold that is not over.
    pub(super) fn in_use(&self, vslice: VsliceId, subnet: AddressBlock, now: Timestamp) -> u64 {
        let Some(addresses) = self.addresses(vslice) else { return 0 };
        addresses.dispute(|space| space.expire_holds(now, usize::MAX));
        let fills = self.fills(vslice).into_iter().filter(|fill| fill.block == subnet);
        fills.map(|fill| fill.counts.leased + fill.counts.held).sum()
    }

    /// Takes an address that is configured for `owner`: also one that is in another's hold, or that
    /// no subnet has yet. Again and again, if need be: the owner's own one is his already. What it
    /// returns undoes it ([`Self::undo`]).
    ///
    /// # Errors
    /// [`ClaimError::Leased`] if another endpoint has it: then it cannot be granted, but awaited
    /// ([`Self::await_release`]).
    pub(super) fn configure(
        &self,
        vslice: VsliceId,
        ip: Address,
        owner: Iccid,
    ) -> Result<Before, ClaimError> {
        let addresses = self.addresses(vslice).ok_or(ClaimError::Outside)?;
        addresses.dispute(|space| space.configure(ip, owner))
    }

    /// Undoes [`Self::configure`]: the address is again what it was.
    pub(super) fn undo(&self, vslice: VsliceId, ip: Address, before: Before) {
        if let Some(mut space) = self.space(vslice) {
            space.undo(ip, before);
        }
    }

    /// The address is configured for `owner`, but another has it: it becomes the owner's as soon as
    /// that one's session ends, and until then is nobody's to be granted (PROTOCOL 20).
    pub(super) fn await_release(&self, vslice: VsliceId, ip: Address, owner: Iccid) {
        if let Some(addresses) = self.addresses(vslice) {
            addresses.dispute(|space| space.await_release(ip, owner));
        }
    }

    /// The address is configured for `owner` no more. Returns whether it was only awaited: then
    /// there is nothing to release.
    pub(super) fn await_no_longer(&self, vslice: VsliceId, ip: Address, owner: Iccid) -> bool {
        let disputed = self.addresses(vslice).filter(|addresses| addresses.is_disputed());
        disputed
            .is_some_and(|addresses| addresses.dispute(|space| space.await_no_longer(ip, owner)))
    }

    /// Whether `owner` has to give the address up as soon as no session uses it, since it is
    /// configured for another.
    pub(super) fn is_awaited_by_another(
        &self,
        vslice: VsliceId,
        ip: Address,
        owner: Iccid,
    ) -> bool {
        let disputed = self.addresses(vslice).filter(|addresses| addresses.is_disputed());
        disputed.is_some_and(|addresses| addresses.space.lock().is_awaited_by_another(ip, owner))
    }

    /// A gateway says that `reporter` uses an address that is another's: nobody is given it by
    /// choice until then.
    pub(super) fn contest(&self, vslice: VsliceId, ip: Address, reporter: Iccid, until: Timestamp) {
        if let Some(addresses) = self.addresses(vslice) {
            addresses.dispute(|space| space.contest(ip, reporter, until));
        }
    }

    /// `reporter` does not use the address any more.
    pub(super) fn uncontest(&self, vslice: VsliceId, ip: Address, reporter: Iccid) {
        if let Some(addresses) = self.addresses(vslice).filter(|addresses| addresses.is_disputed())
        {
            addresses.dispute(|space| space.uncontest(ip, reporter));
        }
    }

    pub(super) fn release(&self, vslice: VsliceId, ip: Address, owner: Iccid, at: Timestamp) {
        if let Some(addresses) = self.addresses(vslice) {
            // It may be another's by now, if it was configured for that one.
            let _ = addresses.dispute(|space| space.release(ip, owner, at));
        }
    }

    /// Whether a subnet of this kind has the address to give, whoever has it now.
    pub(super) fn offers(&self, vslice: VsliceId, kind: Allocation, ip: Address) -> bool {
        self.catalog
            .vslice(vslice)
            .is_some_and(|vslice| vslice.subnets_of(kind).any(|subnet| subnet.offers(ip)))
    }

    /// Who has the address now, by a lease or because it is configured.
    pub(super) fn owner(&self, vslice: VsliceId, ip: Address) -> Option<Iccid> {
        self.space(vslice)?.owner(ip)
    }

    /// Sets the address configured for an endpoint aside, so that the pool gives it to nobody else.
    /// If another has it, it is awaited.
    pub(super) fn set_aside(&self, iccid: Iccid, endpoint: &Endpoint) {
        for (vslice, ip) in self.configured(endpoint) {
            self.configure_or_await(vslice, ip, iccid);
        }
    }

    /// Takes an address configured for `owner`, or lets it have it next. Whether it has it.
    pub(super) fn configure_or_await(&self, vslice: VsliceId, ip: Address, owner: Iccid) -> bool {
        let is_had = self.configure(vslice, ip, owner).is_ok();
        if !is_had {
            self.await_release(vslice, ip, owner);
        }
        is_had
    }

    /// The addresses that are set aside for an endpoint, and where. A terminated one has given its
    /// up.
    pub(super) fn configured<'e>(
        &self,
        endpoint: &'e Endpoint,
    ) -> impl Iterator<Item = (VsliceId, Address)> + use<'e> {
        let vslice = endpoint
            .group
            .filter(|_| endpoint.state != ProvisioningState::Terminated)
            .and_then(|id| self.catalog.group(id))
            .map(|group| group.vslice);
        let addresses = vslice
            .into_iter()
            .map(|vslice| endpoint.configured_addresses().map(move |ip| (vslice, ip)));
        addresses.flatten()
    }

    /// Whether an address is configured for the endpoint.
    pub(super) fn is_configured(&self, endpoint: &Endpoint, vslice: VsliceId, ip: Address) -> bool {
        self.configured(endpoint).any(|configured| configured == (vslice, ip))
    }

    /// Recovery: whether the address could be marked as the owner's.
    pub(super) fn restore_leased(&self, vslice: VsliceId, ip: Address, owner: Iccid) -> bool {
        self.space(vslice).is_none_or(|mut space| space.restore_leased(ip, owner).is_ok())
    }

    /// Recovery: a hold that is still running is put back. That somebody has the address since then
    /// is no contest.
    pub(super) fn restore_held(
        &self,
        vslice: VsliceId,
        ip: Address,
        owner: Iccid,
        released_at: Timestamp,
    ) {
        if let Some(mut space) = self.space(vslice) {
            space.restore_held(ip, owner, released_at);
        }
    }

    pub(super) fn count_session(&self, group: Option<GroupId>, change: i64) {
        let vslice = group.and_then(|id| self.catalog.group(id)).map(|group| group.vslice);
        if let Some(meters) = vslice.and_then(|vslice| self.meters(vslice)) {
            meters.sessions.fetch_add(change, Ordering::Relaxed);
        }
    }

    /// Counts released addresses as free whose hold has passed, some in each pool; for pools that
    /// nobody asks anything.
    pub(super) fn expire_holds(&self, now: Timestamp) {
        /// What a housekeeper's look may cost one pool: some tens of microseconds under its lock.
        const BUDGET: usize = 1_000;
        for addresses in &self.vslices {
            addresses.dispute(|space| space.expire_holds(now, BUDGET));
        }
    }

    pub(super) fn meters(&self, vslice: VsliceId) -> Option<&VsliceMeters> {
        self.addresses(vslice).map(|addresses| &addresses.meters)
    }

    pub(super) fn fills(&self, vslice: VsliceId) -> Vec<PoolFill> {
        let fill = |(block, counts)| PoolFill { block, counts };
        self.space(vslice).map_or_else(Vec::new, |space| space.counts().map(fill).collect())
    }

    /// How many addresses have an owner, or are in their hold, though no subnet of the VSlice has
    /// them.
    pub(super) fn outside(&self, vslice: VsliceId) -> u64 {
        self.space(vslice).map_or(0, |space| space.outside())
    }

    fn addresses(&self, vslice: VsliceId) -> Option<&Addresses> {
        self.vslices.get(vslice.index()).map(|addresses| &**addresses)
    }

    fn space(&self, vslice: VsliceId) -> Option<MutexGuard<'_, AddressSpace<PoolKind>>> {
        self.addresses(vslice).map(|addresses| addresses.space.lock())
    }
}

impl Addresses {
    fn new(hold_time: Duration) -> Self {
        Self {
            space: Mutex::new(AddressSpace::new(hold_time)),
            is_disputed: AtomicBool::new(false),
            meters: VsliceMeters::default(),
        }
    }

    /// Takes over the subnets of its VSlice; of one that was removed there are none.
    fn follow(&self, vslice: Option<&Vslice>) {
        let subnets = vslice.into_iter().flat_map(|vslice| &vslice.subnets);
        let subnets = subnets.map(|subnet| {
            let (allocation, address) = (subnet.allocation, subnet.block.kind());
            (subnet.block, PoolKind { allocation, address }, &subnet.exclude[..])
        });
        self.space.lock().set_subnets(subnets);
    }

    fn is_disputed(&self) -> bool {
        self.is_disputed.load(Ordering::Relaxed)
    }

    /// For whatever may begin or settle a dispute.
    fn dispute<T>(&self, act: impl FnOnce(&mut AddressSpace<PoolKind>) -> T) -> T {
        let mut space = self.space.lock();
        let done = act(&mut space);
        if self.is_disputed() != space.is_disputed() {
            self.is_disputed.store(space.is_disputed(), Ordering::Relaxed);
        }
        done
    }
}
