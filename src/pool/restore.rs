//! The allocator rebuilt from what is known of its addresses, in whatever order that is told: at
//! recovery, and when subnets change.

use super::table::AddressState;
use super::{Before, ClaimError, Pool};
use crate::address::{Address, OffsetRange};
use crate::identity::Iccid;
use crate::time::Timestamp;

/// An address that somebody has or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnedAddress {
    pub(super) ip: Address,
    pub(super) owner: Iccid,
    /// `None`: it is the owner's still.
    pub(super) released_at: Option<Timestamp>,
}

impl Pool {
    /// The address is leased. It wins over any hold, since that was before.
    ///
    /// # Errors
    /// If it is another's.
    pub fn restore_leased(&mut self, ip: Address, owner: Iccid) -> Result<Before, ClaimError> {
        self.configure(ip, owner)
    }

    /// The address was released then. Of several releases the latest counts; one that is leased was
    /// taken since.
    pub fn restore_held(&mut self, ip: Address, owner: Iccid, released_at: Timestamp) {
        let Some(offset) = self.offset(ip) else { return };
        match self.table.state(offset) {
            AddressState::Leased => return,
            AddressState::Fresh => {}
            _ if self.table.released_at(offset) >= released_at => return,
            _ => self.withdraw(offset),
        }
        self.table.set_released_at(offset, released_at);
        self.table.set_owner(offset, Some(owner));
        if self.excluded.contains(offset) {
            self.table.set(offset, AddressState::Parked);
        } else {
            self.hold_anew(offset);
        }
    }

    /// Everything known of its addresses.
    pub(super) fn owned_addresses(&self) -> impl Iterator<Item = OwnedAddress> {
        let all = OffsetRange { first: 0, last: (self.size() - 1) as u32 };
        self.table.touched(all).filter_map(|offset| {
            let released_at = self.is_released(offset).then(|| self.table.released_at(offset));
            Some(OwnedAddress {
                ip: self.address(offset),
                owner: self.table.owner(offset)?,
                released_at,
            })
        })
    }

    pub(super) fn put(&mut self, owned: OwnedAddress) {
        match owned.released_at {
            Some(at) => self.restore_held(owned.ip, owned.owner, at),
            None => _ = self.restore_leased(owned.ip, owned.owner),
        }
    }

    /// What comes back comes in any order; the queue wants the oldest first. Sorted once, by the
    /// next call that needs it.
    pub(super) fn order_restored(&mut self) {
        if self.restored.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.restored);
        self.restored_live = 0;
        while let Some(oldest) = self.held.first() {
            self.held.unlink(&mut self.table, oldest);
            self.table.set(oldest, AddressState::Restored);
            all.push(oldest);
        }
        all.sort_by_cached_key(|offset| self.table.released_at(*offset));
        for offset in all {
            if self.table.state(offset) == AddressState::Restored {
                self.hold_back(offset);
            }
        }
    }

    /// Puts an address into its hold, which may have begun before that of others.
    pub(super) fn hold_anew(&mut self, offset: u32) {
        self.table.set(offset, AddressState::Restored);
        self.restored.push(offset);
        self.restored_live += 1;
    }
}
