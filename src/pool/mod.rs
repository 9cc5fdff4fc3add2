//! The addresses of a VSlice: which to give next, whose each is, and when a released one may go to
//! somebody else.
//!
//! A [`Pool`] is the allocator of one subnet. Never-used addresses go first, in order; after them
//! the one released longest ago. Every operation takes constant time at any fill, and memory grows
//! with the addresses ever touched, not with the subnet: nine octets for each, and 16 more in pages
//! where addresses are released.
//!
//! A [`AddressSpace`] is all that is known of the addresses of one VSlice: the pools of its
//! subnets, and the addresses that somebody has though no subnet contains them any more. Subnets
//! come and go; who has which address stays (PROTOCOL 11).
//!
//! Each address knows its owner. So a claim of one's own address always succeeds, a release by
//! anybody else does nothing, and an address within its hold can be had by its last owner only.
//! Nothing here decides who is worthy of one.

mod outside;
mod queue;
mod restore;
mod space;
mod table;

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;

pub use space::AddressSpace;

use crate::address::{Address, AddressBlock, OffsetRange, OffsetRanges};
use crate::identity::Iccid;
use crate::time::Timestamp;
use queue::ReleaseQueue;
use table::{AddressState, AddressTable};

/// How many released addresses a call counts as free again, once their hold has passed. Each call
/// holds at most one back, so two keep up, and no call ever pays for a million.
const EXPIRED_AT_ONCE: usize = 2;

/// The allocator of one subnet.
#[derive(Debug)]
pub struct Pool {
    block: AddressBlock,
    hold: Duration,
    /// Never given by choice: what is reserved of its block, and what the configuration excludes.
    excluded: OffsetRanges,
    table: AddressTable,
    /// Everything below was touched or is excluded.
    frontier: u64,
    /// Released, and as far as was looked still within the hold; oldest first.
    held: ReleaseQueue,
    /// Released, and free for everyone; older than all in `held`.
    hold_passed: ReleaseQueue,
    /// Restored to the hold, and not yet put in order.
    restored: Vec<u32>,
    restored_live: u64,
    leased: u64,
    /// Of those, how many are excluded.
    leased_excluded: u64,
}

/// How the addresses of the subnet are spread; the sum is its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    pub leased: u64,
    pub held: u64,
    pub free: u64,
    /// Reserved or excluded, and not leased.
    pub reserved: u64,
}

/// No address can be given now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// When the hold of the next one passes; `None` if all are leased.
    pub retry_at: Option<Timestamp>,
}

/// Why a given address cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    Outside,
    Reserved,
    Leased,
    Held { until: Timestamp },
}

/// The address released was not that owner's: nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLeased;

/// What an address was before it was taken, so that the taking can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Before {
    /// The owner's already: nothing was done.
    Own,
    /// Nobody ever had it, as far as is known.
    Unused,
    Released {
        owner: Option<Iccid>,
        at: Timestamp,
    },
}

impl Pool {
    #[must_use]
    pub fn new(block: impl Into<AddressBlock>, exclude: &[IpNet], hold: Duration) -> Self {
        let block = block.into();
        Self {
            block,
            hold,
            excluded: block.excluded(exclude),
            table: AddressTable::default(),
            frontier: 0,
            held: ReleaseQueue::default(),
            hold_passed: ReleaseQueue::default(),
            restored: Vec::new(),
            restored_live: 0,
            leased: 0,
            leased_excluded: 0,
        }
    }

    #[must_use]
    pub const fn block(&self) -> AddressBlock {
        self.block
    }

    /// Gives the best address: a never-used one, else the one released longest ago.
    pub fn allocate(&mut self, owner: Iccid, now: Timestamp) -> Result<Address, Exhausted> {
        self.allocate_undoably(owner, now).map(|(ip, _)| ip)
    }

    fn allocate_undoably(
        &mut self,
        owner: Iccid,
        now: Timestamp,
    ) -> Result<(Address, Before), Exhausted> {
        self.tidy(now);
        let offset = match self.next_unused() {
            Some(offset) => offset,
            None => self.next_released(now)?,
        };
        let before = self.before(offset);
        self.lease(offset, owner);
        Ok((self.address(offset), before))
    }

    /// Takes a given address: the owner's own one, or one that anybody may have.
    pub fn claim(
        &mut self,
        ip: Address,
        owner: Iccid,
        now: Timestamp,
    ) -> Result<Before, ClaimError> {
        self.tidy(now);
        self.take(ip, owner, |pool, offset| {
            let until = pool.held_until(offset);
            let is_held = pool.is_released(offset) && until > now;
            match (is_held, pool.excluded.contains(offset)) {
                (true, _) if pool.table.owner(offset) == Some(owner) => Ok(()),
                (_, true) => Err(ClaimError::Reserved),
                (true, false) => Err(ClaimError::Held { until }),
                (false, false) => Ok(()),
            }
        })
    }

    /// Takes an address that is configured for its owner: out of another's hold, too (PROTOCOL 20),
    /// and excluded or not.
    pub fn configure(&mut self, ip: Address, owner: Iccid) -> Result<Before, ClaimError> {
        self.take(ip, owner, |_, _| Ok(()))
    }

    /// Undoes a claim: the address is again what it was before.
    pub fn undo(&mut self, ip: Address, before: Before) {
        let Some(offset) =
            self.offset(ip).filter(|offset| self.table.state(*offset) == AddressState::Leased)
        else {
            return;
        };
        match before {
            Before::Own => {}
            Before::Unused => {
                self.no_longer_leased(offset);
                self.table.set(offset, AddressState::Fresh);
                self.frontier = self.frontier.min(u64::from(offset));
            }
            Before::Released { owner, at } => {
                self.no_longer_leased(offset);
                self.table.set_owner(offset, owner);
                self.table.set_released_at(offset, at);
                if self.excluded.contains(offset) {
                    self.table.set(offset, AddressState::Parked);
                } else {
                    self.hold_anew(offset);
                }
            }
        }
    }

    /// Undoes an allocation, so that other addresses are tried before this one.
    fn pass_over(&mut self, ip: Address, before: Before) {
        match (before, self.offset(ip)) {
            (Before::Released { owner, .. }, Some(offset)) => {
                self.no_longer_leased(offset);
                self.table.set_owner(offset, owner);
                self.table.set(offset, AddressState::HoldPassed);
                self.hold_passed.push(&mut self.table, offset);
            }
            _ => self.undo(ip, before),
        }
    }

    /// The address is its owner's no more, and held for him from `at` on.
    pub fn release(&mut self, ip: Address, owner: Iccid, at: Timestamp) -> Result<(), NotLeased> {
        self.tidy(at);
        let offset =
            self.offset(ip).filter(|offset| self.is_owned(*offset, owner)).ok_or(NotLeased)?;
        self.no_longer_leased(offset);
        self.table.set_released_at(offset, at);
        if self.excluded.contains(offset) {
            self.table.set(offset, AddressState::Parked);
        } else {
            self.hold_back(offset);
        }
        Ok(())
    }

    /// The address is another's from now on, without a hold between.
    fn hand_over(&mut self, ip: Address, from: Iccid, to: Iccid) -> Result<(), NotLeased> {
        let offset =
            self.offset(ip).filter(|offset| self.is_owned(*offset, from)).ok_or(NotLeased)?;
        self.table.set_owner(offset, Some(to));
        Ok(())
    }

    /// Who has the address now.
    #[must_use]
    pub fn owner(&self, ip: Address) -> Option<Iccid> {
        let offset =
            self.offset(ip).filter(|offset| self.table.state(*offset) == AddressState::Leased)?;
        self.table.owner(offset)
    }

    #[must_use]
    pub fn counts(&self) -> PoolCounts {
        let held = self.held.len() + self.restored_live;
        let reserved = self.excluded.size() - self.leased_excluded;
        PoolCounts {
            leased: self.leased,
            held,
            free: self.size() - self.leased - held - reserved,
            reserved,
        }
    }

    /// Counts up to `budget` released addresses as free whose hold has passed. Only
    /// [`Self::counts`] depends on it; for pools without traffic.
    pub fn expire_holds(&mut self, now: Timestamp, budget: usize) {
        self.order_restored();
        for _ in 0..budget {
            let Some(oldest) = self.held.first().filter(|oldest| self.held_until(*oldest) <= now)
            else {
                return;
            };
            self.held.unlink(&mut self.table, oldest);
            self.hold_passed.push(&mut self.table, oldest);
            self.table.set(oldest, AddressState::HoldPassed);
        }
    }

    /// The configuration has changed what is excluded. What is leased stays so until it is
    /// released. Costs time for each touched address in the ranges concerned.
    pub fn set_excluded(&mut self, exclude: &[IpNet]) {
        let after = self.block.excluded(exclude);
        if after == self.excluded {
            return;
        }
        self.order_restored();
        let before = std::mem::replace(&mut self.excluded, after);
        let concerned: Vec<u32> = before
            .iter()
            .chain(self.excluded.iter())
            .flat_map(|range| self.table.touched(range))
            .collect();
        for offset in concerned {
            let is_excluded = self.excluded.contains(offset);
            match self.table.state(offset) {
                AddressState::Held | AddressState::HoldPassed if is_excluded => {
                    self.withdraw(offset);
                    self.table.set(offset, AddressState::Parked);
                }
                AddressState::Parked if !is_excluded => self.hold_anew(offset),
                _ => {}
            }
        }
        let leased = |offset: &u32| self.table.state(*offset) == AddressState::Leased;
        self.leased_excluded = self
            .excluded
            .iter()
            .map(|range| self.table.touched(range).filter(leased).count() as u64)
            .sum();
        // What was excluded below the frontier may never have been used.
        let is_readmitted = |range: &OffsetRange| {
            self.excluded.last_of(range.first).is_none_or(|last| last < range.last)
        };
        let readmitted = before.iter().filter(is_readmitted).map(|range| u64::from(range.first));
        self.frontier = readmitted.chain([self.frontier]).min().unwrap_or(0);
    }

    /// What every call does first.
    fn tidy(&mut self, now: Timestamp) {
        self.expire_holds(now, EXPIRED_AT_ONCE);
    }

    fn next_unused(&mut self) -> Option<u32> {
        while self.frontier < self.size() {
            let offset = self.frontier as u32;
            self.frontier = if let Some(last) = self.excluded.last_of(offset) {
                u64::from(last) + 1
            } else {
                match self.table.skip_touched(offset) {
                    skipped if skipped == self.frontier => return Some(offset),
                    skipped => skipped,
                }
            };
        }
        None
    }

    fn next_released(&self, now: Timestamp) -> Result<u32, Exhausted> {
        let oldest =
            self.hold_passed.first().or(self.held.first()).ok_or(Exhausted { retry_at: None })?;
        let until = self.held_until(oldest);
        if until <= now { Ok(oldest) } else { Err(Exhausted { retry_at: Some(until) }) }
    }

    /// Leases an address that nobody else has, if `judge` lets it.
    fn take(
        &mut self,
        ip: Address,
        owner: Iccid,
        judge: impl FnOnce(&Self, u32) -> Result<(), ClaimError>,
    ) -> Result<Before, ClaimError> {
        let offset = self.offset(ip).ok_or(ClaimError::Outside)?;
        if self.table.state(offset) == AddressState::Leased {
            return if self.table.owner(offset) == Some(owner) {
                Ok(Before::Own)
            } else {
                Err(ClaimError::Leased)
            };
        }
        judge(self, offset)?;
        let before = self.before(offset);
        self.lease(offset, owner);
        Ok(before)
    }

    fn before(&self, offset: u32) -> Before {
        if self.is_released(offset) {
            Before::Released { owner: self.table.owner(offset), at: self.table.released_at(offset) }
        } else {
            Before::Unused
        }
    }

    fn is_released(&self, offset: u32) -> bool {
        matches!(
            self.table.state(offset),
            AddressState::Held
                | AddressState::HoldPassed
                | AddressState::Parked
                | AddressState::Restored
        )
    }

    fn is_owned(&self, offset: u32, owner: Iccid) -> bool {
        self.table.state(offset) == AddressState::Leased && self.table.owner(offset) == Some(owner)
    }

    fn lease(&mut self, offset: u32, owner: Iccid) {
        self.withdraw(offset);
        self.table.set(offset, AddressState::Leased);
        self.table.set_owner(offset, Some(owner));
        self.leased += 1;
        self.leased_excluded += u64::from(self.excluded.contains(offset));
    }

    fn no_longer_leased(&mut self, offset: u32) {
        self.leased -= 1;
        self.leased_excluded -= u64::from(self.excluded.contains(offset));
    }

    fn hold_back(&mut self, offset: u32) {
        self.held.push(&mut self.table, offset);
        self.table.set(offset, AddressState::Held);
    }

    /// Takes an address out of the queue it stands in, if it does.
    fn withdraw(&mut self, offset: u32) {
        match self.table.state(offset) {
            AddressState::Held => self.held.unlink(&mut self.table, offset),
            AddressState::HoldPassed => self.hold_passed.unlink(&mut self.table, offset),
            // Its place in the list of restored ones is passed over later.
            AddressState::Restored => self.restored_live -= 1,
            AddressState::Fresh | AddressState::Leased | AddressState::Parked => {}
        }
    }

    fn held_until(&self, offset: u32) -> Timestamp {
        self.table.released_at(offset) + self.hold
    }

    fn offset(&self, ip: Address) -> Option<u32> {
        self.block.offset(ip)
    }

    fn address(&self, offset: u32) -> Address {
        self.block.address(offset)
    }

    fn size(&self) -> u64 {
        self.block.size()
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("the address is outside the subnet"),
            Self::Reserved => f.write_str("the address is reserved or excluded"),
            Self::Leased => f.write_str("the address is leased"),
            Self::Held { until } => write!(f, "the address is held until {until}"),
        }
    }
}

impl std::error::Error for ClaimError {}

#[cfg(test)]
mod tests;
