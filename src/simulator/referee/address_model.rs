//! Who has which address: the model of all VSlices, shared by the threads of a run.
//!
//! A thread writes down a release before the Stop leaves, and looks an address up after the Accept
//! has come. So what one thread reads here can only be behind what the server knows, never ahead of
//! it, and no right server is ever accused.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::time::Duration;

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use crate::simulator::device::CompactTime;
use crate::time::Timestamp;

/// Enough that threads hardly ever meet.
const SHARDS: usize = 64;

/// Event-Timestamp counts whole seconds, so a server may see a release up to a second earlier than
/// it was.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);

/// An address of a VSlice. The same address in another VSlice is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VsliceAddress {
    pub vslice: u16,
    pub address: Ipv4Addr,
}

/// All addresses that the server has given.
#[derive(Debug)]
pub struct AddressModel {
    shards: Vec<Mutex<HashMap<VsliceAddress, Holding, FixedState>>>,
    hasher: FixedState,
    hold: Duration,
    stale: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    endpoint: u32,
    /// When the hold began.
    since: CompactTime,
    hold: Hold,
}

/// How firmly an endpoint has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Its session lives, or the address is its own for good.
    Firm,
    /// Its session is gone, but the server cannot know.
    Lingering,
    /// It has given it back.
    Released,
}

/// Why an endpoint must not have got an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who has or had it.
    pub endpoint: u32,
    pub hold: Hold,
    /// For how long.
    pub since: Duration,
}

impl AddressModel {
    pub fn new(hold: Duration, stale: Duration) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: FixedState::default(),
            hold,
            stale,
        }
    }

    /// The endpoint has got the address. Tells who must still have it.
    pub fn claim(
        &self,
        at_address: VsliceAddress,
        endpoint: u32,
        now: Timestamp,
    ) -> Option<Conflict> {
        let fresh = Holding { endpoint, since: CompactTime::of(now), hold: Hold::Firm };
        match self.shard(at_address).lock().entry(at_address) {
            Entry::Vacant(vacant) => {
                vacant.insert(fresh);
                None
            }
            Entry::Occupied(mut held) => {
                let before = held.insert(fresh);
                (before.endpoint != endpoint).then(|| self.conflict(before, now)).flatten()
            }
        }
    }

    fn conflict(&self, before: Holding, now: Timestamp) -> Option<Conflict> {
        let since = before.since.time().map_or(Duration::ZERO, |since| now.since(since));
        let allowed = match before.hold {
            Hold::Firm => false,
            Hold::Lingering => since >= self.stale,
            Hold::Released => since + CLOCK_GRAIN >= self.hold,
        };
        (!allowed).then_some(Conflict { endpoint: before.endpoint, hold: before.hold, since })
    }

    /// The endpoint's hold on its address changes, if it is still its own.
    pub fn loosen(&self, at_address: VsliceAddress, endpoint: u32, hold: Hold, now: Timestamp) {
        if let Some(holding) = self.shard(at_address).lock().get_mut(&at_address)
            && holding.endpoint == endpoint
            && holding.hold != hold
        {
            *holding = Holding { endpoint, since: CompactTime::of(now), hold };
        }
    }

    /// How the endpoint holds the address now; none if another one has it.
    pub fn hold(&self, at_address: VsliceAddress, endpoint: u32, now: Timestamp) -> Option<Hold> {
        let holding = self
            .shard(at_address)
            .lock()
            .get(&at_address)
            .copied()
            .filter(|holding| holding.endpoint == endpoint)?;
        let stale = holding.hold == Hold::Lingering
            && holding.since.time().is_none_or(|since| now.since(since) >= self.stale);
        (!stale).then_some(holding.hold)
    }

    fn shard(
        &self,
        at_address: VsliceAddress,
    ) -> &Mutex<HashMap<VsliceAddress, Holding, FixedState>> {
        &self.shards[self.hasher.hash_one(at_address) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: VsliceAddress = VsliceAddress { vslice: 0, address: Ipv4Addr::new(10, 0, 0, 1) };

    fn addresses() -> AddressModel {
        AddressModel::new(Duration::from_secs(60), Duration::from_secs(3600))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn a_live_endpoint_keeps_its_address_from_all_others() {
        let addresses = addresses();
        assert_eq!(addresses.claim(ADDRESS, 1, at(0)), None);
        assert_eq!(addresses.claim(ADDRESS, 1, at(5)), None, "its own");
        assert_eq!(
            addresses.claim(VsliceAddress { vslice: 1, ..ADDRESS }, 2, at(5)),
            None,
            "another VSlice"
        );
        let conflict = addresses.claim(ADDRESS, 2, at(9)).unwrap();
        assert_eq!(
            (conflict.endpoint, conflict.hold, conflict.since.as_secs()),
            (1, Hold::Firm, 4)
        );
    }

    #[test]
    fn what_was_released_is_held_back_for_a_while() {
        for (wait, conflict) in [(10, true), (58, true), (59, false), (61, false)] {
            let addresses = addresses();
            addresses.claim(ADDRESS, 1, at(0));
            addresses.loosen(ADDRESS, 1, Hold::Released, at(100));
            addresses.loosen(ADDRESS, 2, Hold::Firm, at(101));
            assert_eq!(addresses.claim(ADDRESS, 2, at(100 + wait)).is_some(), conflict, "{wait} s");
        }
        let addresses = addresses();
        addresses.claim(ADDRESS, 1, at(0));
        addresses.loosen(ADDRESS, 1, Hold::Released, at(100));
        assert_eq!(
            addresses.claim(ADDRESS, 1, at(101)),
            None,
            "the same endpoint may have it back at once"
        );
    }

    #[test]
    fn a_session_that_ended_without_a_word_keeps_its_address_until_it_is_stale() {
        for (wait, conflict) in [(3000, true), (3600, false)] {
            let addresses = addresses();
            addresses.claim(ADDRESS, 1, at(0));
            addresses.loosen(ADDRESS, 1, Hold::Lingering, at(0));
            assert_eq!(addresses.hold(ADDRESS, 1, at(wait)).is_some(), conflict);
            assert_eq!(addresses.claim(ADDRESS, 2, at(wait)).is_some(), conflict, "{wait} s");
        }
    }
}
