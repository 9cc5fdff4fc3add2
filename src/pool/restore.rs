//! Recovery: the allocator rebuilt from the records of its leases, in whatever order they are read.

use std::net::Ipv4Addr;

use super::ledger::Mark;
use super::{Claim, Pool};
use crate::time::Timestamp;

impl Pool {
    /// The address is leased. It wins over any hold, since that was before.
    pub fn restore_leased(&mut self, ip: Ipv4Addr) -> Result<(), Claim> {
        let offset = self.offset(ip).ok_or(Claim::Outside)?;
        if self.ledger.mark(offset) == Mark::Leased {
            return Err(Claim::Leased);
        }
        self.lease(offset);
        Ok(())
    }

    /// The address was released then. Of several releases the latest counts.
    pub fn restore_held(&mut self, ip: Ipv4Addr, released_at: Timestamp) -> Result<(), Claim> {
        let offset = self.offset(ip).ok_or(Claim::Outside)?;
        match self.ledger.mark(offset) {
            Mark::Leased => {
                self.ledger.set_released_at(offset, self.ledger.released_at(offset).max(released_at));
                return Err(Claim::Leased);
            }
            Mark::Fresh => {}
            Mark::Parked | Mark::Held | Mark::Ripe | Mark::Restored if self.ledger.released_at(offset) >= released_at => return Ok(()),
            Mark::Parked | Mark::Held | Mark::Ripe | Mark::Restored => self.withdraw(offset),
        }
        self.ledger.set_released_at(offset, released_at);
        if self.excluded.contains(offset) {
            self.ledger.set(offset, Mark::Parked);
        } else {
            self.ledger.set(offset, Mark::Restored);
            self.restored.push(offset);
            self.restored_live += 1;
        }
        Ok(())
    }

    /// Records come back in any order; the queue wants the oldest first. Sorted once, when the first call after recovery needs it.
    pub(super) fn order_restored(&mut self) {
        if self.restored.is_empty() {
            return;
        }
        let mut restored = std::mem::take(&mut self.restored);
        restored.sort_by_cached_key(|offset| self.ledger.released_at(*offset));
        for offset in restored {
            if self.ledger.mark(offset) == Mark::Restored {
                self.hold_back(offset);
            }
        }
        self.restored_live = 0;
    }
}
