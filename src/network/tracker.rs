//! Every endpoint by its ICCID, for all workers at once.

use std::collections::VecDeque;
use std::hash::Hash;
use std::ops::Deref;

use dashmap::{DashMap, Entry};
use foldhash::fast::FixedState;

use crate::identity::{Iccid, Imsi, Msisdn};
use crate::prefetch;

/// How many pieces the map of endpoints is walked in, and how many locks each has. A table doubles,
/// and the sweep visits, one piece of one lock at a time: with a handful of locks (dashmap's
/// default is four for each core) ten million endpoints would mean pauses of a second, with these a
/// thousand it is some milliseconds. An empty lock costs 128 octets, and four times as many cost
/// every request more than shorter pauses gain.
const PIECES: usize = 512;
const LOCKS_OF_PIECE: usize = 2;

/// How many entries a walk asks for before it comes to them.
const LOOKED_AHEAD: usize = 8;

/// The names come from inventories, not from whoever sends datagrams, so nobody gains by knowing
/// how they are spread; and the same history is walked in the same order again.
type Map<K, V> = DashMap<K, V, FixedState>;

/// The map of endpoints, and the ways to them by IMSI and MSISDN.
///
/// Access is by closure only, so that no lock outlives the call; and a closure must not call the
/// tracker, so that nobody holds two.
pub struct Tracker<E> {
    /// Each entry in a block of its own: a table keeps two fifths of its places empty on average,
    /// and moves all when it grows.
    pieces: Box<[Map<Iccid, Box<E>>]>,
    imsis: Map<Imsi, Iccid>,
    msisdns: Map<Msisdn, Iccid>,
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(usize);

impl<E> Tracker<E> {
    #[must_use]
    pub fn with_capacity(endpoints: usize) -> Self {
        let piece = || {
            DashMap::with_capacity_and_hasher_and_shard_amount(
                endpoints / PIECES,
                FixedState::default(),
                LOCKS_OF_PIECE,
            )
        };
        Self {
            pieces: (0..PIECES).map(|_| piece()).collect(),
            imsis: index(endpoints),
            msisdns: index(endpoints),
        }
    }

    /// Changes one endpoint.
    pub fn with<R>(&self, iccid: Iccid, change: impl FnOnce(&mut E) -> R) -> Option<R> {
        self.piece(iccid).get_mut(&iccid).map(|mut entry| change(&mut *entry))
    }

    pub fn read<R>(&self, iccid: Iccid, look: impl FnOnce(&E) -> R) -> Option<R> {
        self.piece(iccid).get(&iccid).map(|entry| look(&entry))
    }

    /// Returns the entry that was there.
    pub fn insert(&self, iccid: Iccid, entry: E) -> Option<E> {
        self.piece(iccid).insert(iccid, Box::new(entry)).map(|former| *former)
    }

    pub fn remove(&self, iccid: Iccid) -> Option<E> {
        self.piece(iccid).remove(&iccid).map(|(_, entry)| *entry)
    }

    /// Returns whose it was.
    pub fn index_imsi(&self, imsi: Imsi, iccid: Iccid) -> Option<Iccid> {
        self.imsis.insert(imsi, iccid)
    }

    /// Returns whose it was.
    pub fn index_msisdn(&self, msisdn: Msisdn, iccid: Iccid) -> Option<Iccid> {
        self.msisdns.insert(msisdn, iccid)
    }

    /// Takes an IMSI for an endpoint, unless it is another's. Returns whether it was nobody's.
    ///
    /// # Errors
    /// Whose it is.
    pub fn claim_imsi(&self, imsi: Imsi, iccid: Iccid) -> Result<bool, Iccid> {
        claim(&self.imsis, imsi, iccid)
    }

    /// Takes an MSISDN for an endpoint, unless it is another's. Returns whether it was nobody's.
    ///
    /// # Errors
    /// Whose it is.
    pub fn claim_msisdn(&self, msisdn: Msisdn, iccid: Iccid) -> Result<bool, Iccid> {
        claim(&self.msisdns, msisdn, iccid)
    }

    /// Forgets an IMSI, if it is this endpoint's.
    pub fn unindex_imsi(&self, imsi: Imsi, iccid: Iccid) {
        self.imsis.remove_if(&imsi, |_, owner| *owner == iccid);
    }

    /// Forgets an MSISDN, if it is this endpoint's.
    pub fn unindex_msisdn(&self, msisdn: Msisdn, iccid: Iccid) {
        self.msisdns.remove_if(&msisdn, |_, owner| *owner == iccid);
    }

    pub fn resolve_imsi(&self, imsi: Imsi) -> Option<Iccid> {
        self.imsis.get(&imsi).map(|entry| *entry)
    }

    pub fn resolve_msisdn(&self, msisdn: Msisdn) -> Option<Iccid> {
        self.msisdns.get(&msisdn).map(|entry| *entry)
    }

    /// The first of three hints that make ready what [`Self::with`] will touch: where in its table
    /// the endpoint would be. Between two hints about one endpoint there should be those about
    /// others, for each waits for what the one before has asked for.
    pub fn prefetch_bucket(&self, iccid: Iccid) {
        prefetch_bucket_of(self.piece(iccid), &iccid);
    }

    /// The second hint: the entry itself.
    pub fn prefetch_entry(&self, iccid: Iccid) {
        let piece = self.piece(iccid);
        let hash = piece.hash_usize(&iccid);
        let table = piece.shards()[piece.determine_shard(hash)].read();
        if let Some((_, entry)) = table.get(hash as u64, |(key, _)| *key == iccid) {
            prefetch_entry_memory::<E>(entry.get());
        }
    }

    /// A hint before [`Self::resolve_imsi`].
    pub fn prefetch_imsi(&self, imsi: Imsi) {
        prefetch_bucket_of(&self.imsis, &imsi);
    }

    /// A hint before [`Self::resolve_msisdn`].
    pub fn prefetch_msisdn(&self, msisdn: Msisdn) {
        prefetch_bucket_of(&self.msisdns, &msisdn);
    }

    /// Visits whole pieces from `cursor` on until at least `budget` entries were seen. Returns
    /// where to go on, `None` after the last one. What is inserted meanwhile may be missed by this
    /// walk, and is seen by the next.
    pub fn walk(
        &self,
        cursor: Cursor,
        budget: usize,
        mut visit: impl FnMut(Iccid, &mut E),
    ) -> Option<Cursor> {
        let mut seen = 0;
        for at in cursor.0..PIECES {
            if seen >= budget {
                return Some(Cursor(at));
            }
            in_turn(self.pieces.get(at)?.iter_mut(), |mut entry| {
                visit(*entry.key(), &mut *entry);
                seen += 1;
            });
        }
        None
    }

    /// How many pieces a walk has, each with its own locks.
    pub const PIECES: usize = PIECES;

    /// All endpoints of one piece; an endpoint is always of the same piece.
    pub fn look_at_piece(&self, piece: usize, mut look: impl FnMut(Iccid, &E)) {
        if let Some(piece) = self.pieces.get(piece) {
            in_turn(piece.iter(), |entry| look(*entry.key(), &entry));
        }
    }

    pub fn for_each(&self, mut look: impl FnMut(Iccid, &E)) {
        for piece in &self.pieces {
            in_turn(piece.iter(), |entry| look(*entry.key(), &entry));
        }
    }

    pub fn len(&self) -> usize {
        self.pieces.iter().map(DashMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(DashMap::is_empty)
    }

    /// Which piece an endpoint is of.
    pub const fn piece_of(iccid: Iccid) -> usize {
        // Fibonacci hashing: the upper bits of the product are well mixed, and have nothing to do
        // with the hash inside the piece.
        let mixed = iccid.raw().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> (64 - PIECES.ilog2())) as usize
    }

    fn piece(&self, iccid: Iccid) -> &Map<Iccid, Box<E>> {
        &self.pieces[Self::piece_of(iccid)]
    }
}

/// Visits entries a few places behind a hint about each: they lie all over the memory. Between two
/// locks of a piece both are held for a moment, in the order of the piece; everybody else holds
/// one, so nobody waits in a circle.
fn in_turn<E, T: Deref<Target = Box<E>>>(
    entries: impl Iterator<Item = T>,
    mut visit: impl FnMut(T),
) {
    let mut coming = VecDeque::with_capacity(LOOKED_AHEAD);
    for entry in entries {
        prefetch_entry_memory::<E>(&entry);
        if coming.len() == LOOKED_AHEAD {
            coming.pop_front().into_iter().for_each(&mut visit);
        }
        coming.push_back(entry);
    }
    coming.into_iter().for_each(visit);
}

fn prefetch_entry_memory<E>(entry: &E) {
    prefetch::lines(std::ptr::from_ref(entry), size_of::<E>());
}

/// Asks for the tags and the entries at the place where a table begins to look for a key. How
/// hashbrown lays them out is no promise of its: from one place on, tags ascend and entries
/// descend. If that changes, the hint is idle.
fn prefetch_bucket_of<K: Eq + Hash, V>(map: &Map<K, V>, key: &K) {
    let hash = map.hash_usize(key);
    let table = map.shards()[map.determine_shard(hash)].read();
    let at = hash & (table.buckets() - 1);
    let middle = table.data_end().as_ptr();
    prefetch::line(middle.cast::<u8>().wrapping_add(at));
    // Places are counted downward; one that was taken is made up for by the next.
    prefetch::line(middle.wrapping_sub(at + 1));
    prefetch::line(middle.wrapping_sub(at + 3));
}

fn claim<K: Eq + Hash>(owners: &Map<K, Iccid>, key: K, iccid: Iccid) -> Result<bool, Iccid> {
    match owners.entry(key) {
        Entry::Vacant(free) => {
            free.insert(iccid);
            Ok(true)
        }
        Entry::Occupied(taken) if *taken.get() == iccid => Ok(false),
        Entry::Occupied(taken) => Err(*taken.get()),
    }
}

fn index<K: Eq + Hash>(endpoints: usize) -> Map<K, Iccid> {
    DashMap::with_capacity_and_hasher_and_shard_amount(
        endpoints,
        FixedState::default(),
        PIECES * LOCKS_OF_PIECE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iccid(number: u64) -> Iccid {
        Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap()
    }

    #[test]
    fn finds_by_each_of_its_names() {
        let tracker = Tracker::with_capacity(10);
        let imsi = Imsi::parse(b"234500000000001").unwrap();
        assert!(tracker.is_empty());
        assert_eq!(tracker.insert(iccid(1), 10), None);
        assert_eq!(tracker.index_imsi(imsi, iccid(1)), None);
        assert_eq!(tracker.resolve_imsi(imsi), Some(iccid(1)));
        assert_eq!(tracker.with(iccid(1), |entry| std::mem::replace(entry, 11)), Some(10));
        assert_eq!(tracker.read(iccid(1), |entry| *entry), Some(11));
        assert_eq!(tracker.read(iccid(2), |entry| *entry), None);

        assert_eq!(tracker.claim_imsi(imsi, iccid(1)), Ok(false), "its own already");
        assert_eq!(tracker.claim_imsi(imsi, iccid(2)), Err(iccid(1)));
        tracker.unindex_imsi(imsi, iccid(2));
        assert_eq!(tracker.resolve_imsi(imsi), Some(iccid(1)));
        tracker.unindex_imsi(imsi, iccid(1));
        assert_eq!(tracker.resolve_imsi(imsi), None);
        assert_eq!(tracker.remove(iccid(1)), Some(11));
        assert!(tracker.is_empty());
    }

    #[test]
    fn a_walk_in_pieces_sees_everybody_once() {
        const ENDPOINTS: u64 = 20_000;
        let tracker = Tracker::with_capacity(0);
        (0..ENDPOINTS).for_each(|number| assert_eq!(tracker.insert(iccid(number), 0u8), None));

        let (mut calls, mut at) = (0, Some(Cursor::default()));
        while let Some(cursor) = at {
            let mut seen = 0;
            at = tracker.walk(cursor, 1000, |_, entry| {
                *entry += 1;
                seen += 1;
            });
            assert!(seen < 1300, "a call saw {seen}");
            calls += 1;
        }
        assert!((15..=20).contains(&calls), "{calls} calls");
        tracker.for_each(|_, entry| assert_eq!(*entry, 1));
        assert_eq!(tracker.len(), 20_000);
    }

    /// A day of traffic from a seed must end in the same state each time it is played.
    #[test]
    fn the_same_history_is_walked_in_the_same_order() {
        let [first, second] = [0, 1].map(|_| {
            let tracker = Tracker::with_capacity(0);
            (0..5_000).for_each(|number| assert_eq!(tracker.insert(iccid(number), number), None));
            let mut seen = Vec::new();
            tracker.walk(Cursor::default(), usize::MAX, |iccid, _| seen.push(iccid));
            seen
        });
        assert_eq!(first, second);
    }
}
