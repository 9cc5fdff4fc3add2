//! All addresses of one VSlice: the pools of its subnets, and whatever has an owner outside of
//! them.

use std::time::Duration;

use foldhash::HashMap;
use ipnet::IpNet;
use smallvec::SmallVec;

use super::outside::Outside;
use super::restore::OwnedAddress;
use super::{Before, ClaimError, NotLeased, Pool, PoolCounts};
use crate::address::{Address, AddressBlock};
use crate::identity::Iccid;
use crate::time::Timestamp;

/// The addresses of a VSlice. `K` is what groups choose their subnets by.
///
/// It outlives every configuration, and is changed in place when one replaces another: whoever
/// allocates sees the subnets of before or those of after, and in both who has which address.
#[derive(Debug)]
pub struct AddressSpace<K> {
    hold: Duration,
    /// In the order in which they are used.
    subnets: Vec<Subnet<K>>,
    outside: Outside,
    /// Configured for this endpoint while another still has it: goes to it at the moment of its
    /// release.
    awaited: HashMap<Address, Iccid>,
    contested: HashMap<Address, Reporters>,
}

#[derive(Debug)]
struct Subnet<K> {
    kind: K,
    pool: Pool,
}

/// Who uses an address that is another's, as far as the gateways say, and until when that is to be
/// believed.
type Reporters = SmallVec<[(Iccid, Timestamp); 1]>;

impl<K: Copy + PartialEq> AddressSpace<K> {
    /// A VSlice without subnets.
    #[must_use]
    pub fn new(hold: Duration) -> Self {
        Self {
            hold,
            subnets: Vec::new(),
            outside: Outside::default(),
            awaited: HashMap::default(),
            contested: HashMap::default(),
        }
    }

    /// The subnets are these from now on: each with its kind, and what it excludes. Every address
    /// stays with its owner, or in its hold. Costs time for each address ever touched in a subnet
    /// that was not there before, or is not there any more.
    pub fn set_subnets<'s, B: Into<AddressBlock>>(
        &mut self,
        subnets: impl IntoIterator<Item = (B, K, &'s [IpNet])>,
    ) {
        let mut former = std::mem::take(&mut self.subnets);
        let mut added = Vec::new();
        for (block, kind, exclude) in subnets {
            let block = block.into();
            let known = former.iter().position(|known| known.pool.block() == block);
            let pool = if let Some(at) = known {
                let mut pool = former.swap_remove(at).pool;
                pool.set_excluded(exclude);
                pool
            } else {
                added.push(block);
                Pool::new(block, exclude, self.hold)
            };
            self.subnets.push(Subnet { kind, pool });
        }
        let strays = self.outside.take_inside(|ip| added.iter().any(|block| block.contains(ip)));
        for owned in former.iter().flat_map(|gone| gone.pool.owned_addresses()).chain(strays) {
            self.put(owned);
        }
    }

    /// The best address of a kind: subnets in order, of each a never-used one, else the one
    /// released longest ago. None that another endpoint is reported to use.
    pub fn allocate(&mut self, kind: K, owner: Iccid, now: Timestamp) -> Option<Address> {
        self.allocate_undoably(kind, owner, now).map(|(ip, _)| ip)
    }

    /// The same: [`Self::undo`] gives it back.
    pub fn allocate_undoably(
        &mut self,
        kind: K,
        owner: Iccid,
        now: Timestamp,
    ) -> Option<(Address, Before)> {
        let Self { subnets, contested, .. } = self;
        let of_kind = subnets.iter_mut().filter(|subnet| subnet.kind == kind);
        of_kind.into_iter().find_map(|Subnet { pool, .. }| {
            let mut passed_over = Vec::new();
            let given = loop {
                match pool.allocate_undoably(owner, now) {
                    Ok((ip, before)) if is_contested(contested, ip, owner, now) => {
                        passed_over.push((ip, before));
                    }
                    given => break given.ok(),
                }
            };
            for (ip, before) in passed_over.into_iter().rev() {
                pool.pass_over(ip, before);
            }
            given
        })
    }

    /// Takes a given address: the owner's own one, or one that anybody may have. Returns the kind
    /// of its subnet; an own one may have none.
    pub fn claim(
        &mut self,
        ip: Address,
        owner: Iccid,
        now: Timestamp,
    ) -> Result<Option<K>, ClaimError> {
        self.outside.forget(now, self.hold);
        let claimed = match self.subnet(ip) {
            Some(Subnet { kind, pool }) => pool.claim(ip, owner, now).map(|_| Some(*kind)),
            None => self.outside.claim(ip, owner).map(|_| None),
        };
        if claimed.is_ok() {
            self.uncontest(ip, owner);
        }
        claimed
    }

    /// The same without a word of the kind: [`Self::undo`] gives it back.
    ///
    /// # Errors
    /// As for [`Self::claim`].
    pub fn claim_undoably(
        &mut self,
        ip: Address,
        owner: Iccid,
        now: Timestamp,
    ) -> Result<Before, ClaimError> {
        self.outside.forget(now, self.hold);
        match self.subnet(ip) {
            Some(subnet) => subnet.pool.claim(ip, owner, now),
            None => self.outside.claim(ip, owner),
        }
    }

    /// Takes an address that is configured for its owner: also out of another's hold, also outside
    /// the subnets, where it waits for the one that will contain it. [`Self::undo`] gives it back.
    ///
    /// # Errors
    /// If another endpoint has it. [`Self::await_release`] lets the owner have it next.
    pub fn configure(&mut self, ip: Address, owner: Iccid) -> Result<Before, ClaimError> {
        let configured = match self.subnet(ip) {
            Some(subnet) => subnet.pool.configure(ip, owner),
            None => self.outside.configure(ip, owner),
        };
        if configured.is_ok() {
            self.awaited.remove(&ip);
        }
        configured
    }

    /// Undoes [`Self::configure`].
    pub fn undo(&mut self, ip: Address, before: Before) {
        match self.subnet(ip) {
            Some(subnet) => subnet.pool.undo(ip, before),
            None => self.outside.undo(ip, before),
        }
    }

    /// Whoever has the address now keeps it as long as it is used; then it is `owner`'s, without a
    /// hold.
    pub fn await_release(&mut self, ip: Address, owner: Iccid) {
        self.awaited.insert(ip, owner);
    }

    /// The address is configured for `owner` no more. Returns whether it was only awaited, and
    /// there is nothing to release.
    pub fn await_no_longer(&mut self, ip: Address, owner: Iccid) -> bool {
        let is_awaited = self.awaited.get(&ip) == Some(&owner);
        if is_awaited {
            self.awaited.remove(&ip);
        }
        is_awaited
    }

    /// Whether the address is to be given up by `owner` as soon as no session uses it.
    #[must_use]
    pub fn is_awaited_by_another(&self, ip: Address, owner: Iccid) -> bool {
        self.awaited.get(&ip).is_some_and(|waiting| *waiting != owner)
    }

    /// The address is its owner's no more, and held for him from `at` on, unless somebody waits for
    /// it.
    pub fn release(&mut self, ip: Address, owner: Iccid, at: Timestamp) -> Result<(), NotLeased> {
        let next = self.awaited.get(&ip).copied();
        let released = match (self.subnet(ip), next) {
            (Some(subnet), None) => subnet.pool.release(ip, owner, at),
            (Some(subnet), Some(next)) => subnet.pool.hand_over(ip, owner, next),
            (None, None) => self.outside.release(ip, owner, at),
            (None, Some(next)) => self.outside.hand_over(ip, owner, next),
        };
        if released.is_ok() {
            self.awaited.remove(&ip);
        }
        released
    }

    /// A gateway says that `reporter` uses an address that is another's. Until then nobody is given
    /// it by choice.
    pub fn contest(&mut self, ip: Address, reporter: Iccid, until: Timestamp) {
        let reporters = self.contested.entry(ip).or_default();
        reporters.retain(|(known, _)| *known != reporter);
        reporters.push((reporter, until));
    }

    /// `reporter` does not use the address any more, or has it now.
    pub fn uncontest(&mut self, ip: Address, reporter: Iccid) {
        if let Some(reporters) = self.contested.get_mut(&ip) {
            reporters.retain(|(known, _)| *known != reporter);
            if reporters.is_empty() {
                self.contested.remove(&ip);
            }
        }
    }

    /// Recovery: the address is leased.
    ///
    /// # Errors
    /// If it is another's.
    pub fn restore_leased(&mut self, ip: Address, owner: Iccid) -> Result<(), ClaimError> {
        self.configure(ip, owner).map(|_| ())
    }

    /// Recovery: the address was released then. That somebody has it since is no contest.
    pub fn restore_held(&mut self, ip: Address, owner: Iccid, at: Timestamp) {
        match self.subnet(ip) {
            Some(subnet) => subnet.pool.restore_held(ip, owner, at),
            None => self.outside.restore_held(ip, owner, at),
        }
    }

    /// Who has the address now.
    #[must_use]
    pub fn owner(&self, ip: Address) -> Option<Iccid> {
        let subnet = self.subnets.iter().find(|subnet| subnet.pool.block().contains(ip));
        subnet.map_or_else(|| self.outside.owner(ip), |subnet| subnet.pool.owner(ip))
    }

    /// Counts released addresses as free whose hold has passed, at most `budget` in each subnet;
    /// and forgets reports that are too old.
    pub fn expire_holds(&mut self, now: Timestamp, budget: usize) {
        self.subnets.iter_mut().for_each(|subnet| subnet.pool.expire_holds(now, budget));
        self.outside.forget(now, self.hold);
        self.contested.retain(|_, reporters| {
            reporters.retain(|(_, until)| *until > now);
            !reporters.is_empty()
        });
    }

    /// The fill of each subnet.
    pub fn counts(&self) -> impl Iterator<Item = (AddressBlock, PoolCounts)> {
        self.subnets.iter().map(|subnet| (subnet.pool.block(), subnet.pool.counts()))
    }

    /// How many addresses have an owner, or are in their hold, outside all subnets.
    #[must_use]
    pub fn outside(&self) -> u64 {
        self.outside.len()
    }

    /// Whether any address is awaited or contested: nearly always none is.
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        !self.awaited.is_empty() || !self.contested.is_empty()
    }

    fn subnet(&mut self, ip: Address) -> Option<&mut Subnet<K>> {
        self.subnets.iter_mut().find(|subnet| subnet.pool.block().contains(ip))
    }

    fn put(&mut self, owned: OwnedAddress) {
        match self.subnet(owned.ip) {
            Some(subnet) => subnet.pool.put(owned),
            None => self.outside.put(owned),
        }
    }
}

fn is_contested(
    contested: &HashMap<Address, Reporters>,
    ip: Address,
    owner: Iccid,
    now: Timestamp,
) -> bool {
    let by_another = |(reporter, until): &(Iccid, Timestamp)| *reporter != owner && *until > now;
    contested.get(&ip).is_some_and(|reporters| reporters.iter().any(by_another))
}
