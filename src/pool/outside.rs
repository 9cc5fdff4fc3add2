//! Addresses that somebody has, or had a moment ago, though no subnet contains them any more.

use std::collections::BTreeSet;
use std::time::Duration;

use foldhash::HashMap;

use super::restore::OwnedAddress;
use super::{Before, ClaimError, NotLeased};
use crate::address::Address;
use crate::identity::Iccid;
use crate::time::Timestamp;

/// They are given to nobody; their owners keep them until they give them back.
#[derive(Debug, Default)]
pub(super) struct Outside {
    owned_addresses: HashMap<Address, OwnedAddress>,
    /// The released ones, oldest first.
    released: BTreeSet<(Timestamp, Address)>,
}

impl Outside {
    pub(super) fn len(&self) -> u64 {
        self.owned_addresses.len() as u64
    }

    /// What an owner has here stays his; everybody else has no business outside the subnets.
    pub(super) fn claim(&mut self, ip: Address, owner: Iccid) -> Result<Before, ClaimError> {
        let Some(owned) =
            self.owned_addresses.get(&ip).copied().filter(|owned| owned.owner == owner)
        else {
            return Err(ClaimError::Outside);
        };
        let Some(at) = owned.released_at else { return Ok(Before::Own) };
        self.put(OwnedAddress { released_at: None, ..owned });
        Ok(Before::Released { owner: Some(owner), at })
    }

    /// Takes an address that nobody else has; for what is configured before its subnet is there.
    pub(super) fn configure(&mut self, ip: Address, owner: Iccid) -> Result<Before, ClaimError> {
        let before = match self.owned_addresses.get(&ip) {
            None => Before::Unused,
            Some(OwnedAddress { owner: other, released_at: Some(at), .. }) => {
                Before::Released { owner: Some(*other), at: *at }
            }
            Some(owned) if owned.owner == owner => return Ok(Before::Own),
            Some(_) => return Err(ClaimError::Leased),
        };
        self.put(OwnedAddress { ip, owner, released_at: None });
        Ok(before)
    }

    pub(super) fn undo(&mut self, ip: Address, before: Before) {
        match before {
            Before::Own => {}
            Before::Released { owner: Some(owner), at } => {
                self.put(OwnedAddress { ip, owner, released_at: Some(at) });
            }
            Before::Unused | Before::Released { owner: None, .. } => _ = self.remove(ip),
        }
    }

    pub(super) fn release(
        &mut self,
        ip: Address,
        owner: Iccid,
        at: Timestamp,
    ) -> Result<(), NotLeased> {
        self.owned(ip, owner)?;
        self.put(OwnedAddress { ip, owner, released_at: Some(at) });
        Ok(())
    }

    pub(super) fn hand_over(
        &mut self,
        ip: Address,
        from: Iccid,
        to: Iccid,
    ) -> Result<(), NotLeased> {
        self.owned(ip, from)?;
        self.put(OwnedAddress { ip, owner: to, released_at: None });
        Ok(())
    }

    /// Who has the address now.
    pub(super) fn owner(&self, ip: Address) -> Option<Iccid> {
        self.owned_addresses
            .get(&ip)
            .filter(|owned| owned.released_at.is_none())
            .map(|owned| owned.owner)
    }

    /// Replaces what was known of the address.
    pub(super) fn put(&mut self, owned: OwnedAddress) {
        self.remove(owned.ip);
        self.owned_addresses.insert(owned.ip, owned);
        self.released.extend(owned.released_at.map(|at| (at, owned.ip)));
    }

    /// The same from a record: a lease wins over any hold, and of several holds the latest counts.
    pub(super) fn restore_held(&mut self, ip: Address, owner: Iccid, at: Timestamp) {
        let is_newer = |owned: &OwnedAddress| owned.released_at.is_some_and(|known| known < at);
        if self.owned_addresses.get(&ip).is_none_or(is_newer) {
            self.put(OwnedAddress { ip, owner, released_at: Some(at) });
        }
    }

    /// Forgets what has left its hold: there is nobody it could be given to.
    pub(super) fn forget(&mut self, now: Timestamp, hold: Duration) {
        while let Some((at, ip)) = self.released.first().copied()
            && at + hold <= now
        {
            self.remove(ip);
        }
    }

    /// Takes out what one of these subnets contains.
    pub(super) fn take_inside(&mut self, contains: impl Fn(Address) -> bool) -> Vec<OwnedAddress> {
        let inside: Vec<Address> =
            self.owned_addresses.keys().copied().filter(|ip| contains(*ip)).collect();
        inside.into_iter().filter_map(|ip| self.remove(ip)).collect()
    }

    fn owned(&self, ip: Address, owner: Iccid) -> Result<(), NotLeased> {
        if self.owner(ip) == Some(owner) { Ok(()) } else { Err(NotLeased) }
    }

    fn remove(&mut self, ip: Address) -> Option<OwnedAddress> {
        let owned = self.owned_addresses.remove(&ip)?;
        owned.released_at.inspect(|at| _ = self.released.remove(&(*at, ip)));
        Some(owned)
    }
}
