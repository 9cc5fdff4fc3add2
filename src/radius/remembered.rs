//! The octets of remembered replies, bounded, and each gateway with its share of them.
//!
//! The memory is cut into chunks, and a gateway writes into chunks of its own. When none is left,
//! the chunk begins anew whose replies nobody can ask for any more, else the oldest of the gateway
//! that has most: one that floods, or has its Proxy-States of four kilobytes returned, forgets its
//! own replies and not those of others. With one gateway alone it is a ring.

/// Octets of a chunk where there is much memory. All chunks are looked through when one is full: so
/// it must hold hundreds of replies.
const CHUNK: usize = 64 << 10;

/// And where there is little: the longest reply fits.
const SMALL_CHUNK: usize = 4096;

/// Chunks that there are for each share. More gateways than shares have one together with others.
const CHUNKS_PER_SHARE: usize = 4;

/// Where a reply was written. It is read there until its chunk begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Place {
    fn new(serial: u32, at: usize) -> Self {
        Self(u64::from(serial) << 32 | at as u64)
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    const fn serial(self) -> u32 {
        (self.0 >> 32) as u32
    }

    const fn at(self) -> usize {
        self.0 as u32 as usize
    }
}

/// The replies that are remembered.
pub(crate) struct Remembered {
    octets: Vec<u8>,
    chunk_size: usize,
    chunks: Vec<Chunk>,
    shares: Vec<Share>,
    lifetime_ms: u32,
    /// Of the chunk last begun.
    serial: u32,
}

/// A part of the memory.
#[derive(Clone, Copy, Default)]
struct Chunk {
    /// Counts the chunks as they are begun; 0: never.
    serial: u32,
    share: u32,
    used: u32,
    /// The time of the newest request whose reply is in it, in milliseconds modulo 2^32.
    newest: u32,
}

/// What one gateway has.
#[derive(Clone, Copy, Default)]
struct Share {
    chunks: u32,
    /// Where it writes, from 1; 0: nowhere.
    current: u32,
}

impl Remembered {
    /// Room for so many octets. A reply is asked for until `lifetime_ms` after its request.
    pub(crate) fn new(octets: usize, lifetime_ms: u32) -> Self {
        let chunk_size = (octets / 512).clamp(SMALL_CHUNK, CHUNK).min(octets).max(1);
        let chunks = octets / chunk_size;
        Self {
            // Zero pages that the kernel maps when they are first touched.
            octets: vec![0; octets],
            chunk_size,
            chunks: vec![Chunk::default(); chunks],
            shares: vec![Share::default(); (chunks / CHUNKS_PER_SHARE).max(1)],
            lifetime_ms,
            serial: 0,
        }
    }

    /// Copies in a reply to the gateway with this handle, whose request came at `since`. None: it
    /// is longer than a chunk.
    pub(crate) fn write(&mut self, gateway: u16, reply: &[u8], since: u32) -> Option<Place> {
        if reply.len() > self.chunk_size || self.chunks.is_empty() {
            return None;
        }
        let share = usize::from(gateway) % self.shares.len();
        let has_room =
            |chunk: &usize| self.chunks[*chunk].used as usize + reply.len() <= self.chunk_size;
        let current = (self.shares[share].current as usize).checked_sub(1).filter(has_room);
        let place = current.unwrap_or_else(|| self.begin(share, since));
        let chunk = &mut self.chunks[place];
        let at = place * self.chunk_size + chunk.used as usize;
        chunk.used += reply.len() as u32;
        chunk.newest = since;
        self.octets[at..at + reply.len()].copy_from_slice(reply);
        Some(Place::new(chunk.serial, at))
    }

    /// The reply at a place, if its chunk has not begun anew.
    pub(crate) fn read(&self, place: Place, len: u32) -> Option<&[u8]> {
        let chunk = self.chunks.get(place.at() / self.chunk_size)?;
        if chunk.serial != place.serial() {
            return None;
        }
        self.octets.get(place.at()..place.at() + len as usize)
    }

    /// Begins a chunk for this share: the one that is worth least, with all that is in it.
    fn begin(&mut self, share: usize, now: u32) -> usize {
        let worth = |place: &usize| {
            let chunk = self.chunks[*place];
            let is_over = chunk.serial == 0 || now.wrapping_sub(chunk.newest) >= self.lifetime_ms;
            let owned = if is_over { u32::MAX } else { self.shares[chunk.share as usize].chunks };
            // Serials wrap around after years; that then the wrong one goes first does no harm.
            (u32::MAX - owned, chunk.serial)
        };
        let place = (0..self.chunks.len()).min_by_key(worth).unwrap_or(0);
        let old = self.chunks[place];
        if old.serial != 0 {
            let owner = &mut self.shares[old.share as usize];
            owner.chunks -= 1;
            if owner.current as usize == place + 1 {
                owner.current = 0;
            }
        }
        self.serial = self.serial.wrapping_add(1).max(1);
        self.chunks[place] =
            Chunk { serial: self.serial, share: share as u32, used: 0, newest: now };
        self.shares[share].chunks += 1;
        self.shares[share].current = place as u32 + 1;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: u32 = 30_000;
    const A: u16 = 0;
    const B: u16 = 1;

    /// 32 chunks, 8 shares.
    fn remembered() -> Remembered {
        Remembered::new(32 * SMALL_CHUNK, LIFETIME)
    }

    fn is_held(remembered: &Remembered, place: Option<Place>, reply: &[u8]) -> bool {
        remembered.read(place.unwrap(), reply.len() as u32).is_some_and(|read| {
            assert_eq!(read, reply, "never another");
            true
        })
    }

    #[test]
    fn what_is_written_is_read_until_the_memory_has_come_round() {
        let mut remembered = remembered();
        let first = remembered.write(A, b"first", 0);
        for nth in 1..32u8 {
            assert!(remembered.write(A, &[nth; SMALL_CHUNK], 0).is_some());
            assert!(is_held(&remembered, first, b"first"), "{nth}");
        }
        remembered.write(A, &[32; SMALL_CHUNK], 0);
        assert!(!is_held(&remembered, first, b"first"), "the oldest goes first");
    }

    #[test]
    fn who_floods_forgets_its_own() {
        let mut remembered = remembered();
        let before = remembered.write(B, b"before", 0);
        let mut last = None;
        for nth in 0..1_000u32 {
            last = remembered.write(A, &[nth as u8; 4000], 0);
        }
        let after = remembered.write(B, b"after", 0);
        assert!(is_held(&remembered, before, b"before") && is_held(&remembered, after, b"after"));
        assert!(is_held(&remembered, last, &[231; 4000]));
    }

    #[test]
    fn each_comes_to_its_share_although_another_had_everything() {
        let mut remembered = remembered();
        let write = |remembered: &mut Remembered, gateway, count: u8| -> Vec<_> {
            (0..count)
                .map(|nth| (remembered.write(gateway, &[nth; SMALL_CHUNK], 0), [nth; SMALL_CHUNK]))
                .collect()
        };
        let ours = write(&mut remembered, A, 32);
        let theirs = write(&mut remembered, B, 32);
        let held = |replies: &[(Option<Place>, [u8; SMALL_CHUNK])]| {
            replies.iter().filter(|(place, reply)| is_held(&remembered, *place, reply)).count()
        };
        assert_eq!(held(&ours) + held(&theirs), 32);
        assert!((15..=17).contains(&held(&ours)), "{}", held(&ours));
    }

    #[test]
    fn what_nobody_can_ask_for_any_more_goes_first() {
        let mut remembered = remembered();
        for _ in 0..31 {
            remembered.write(A, &[1; SMALL_CHUNK], 0);
        }
        let kept = remembered.write(B, &[2; SMALL_CHUNK], LIFETIME - 1);
        for _ in 0..31 {
            remembered.write(B, &[3; SMALL_CHUNK], LIFETIME);
        }
        assert!(is_held(&remembered, kept, &[2; SMALL_CHUNK]), "although B has most");
    }

    #[test]
    fn what_is_longer_than_a_chunk_is_not_remembered() {
        for octets in [0, 1, 16] {
            let mut remembered = Remembered::new(octets, LIFETIME);
            assert_eq!(remembered.write(A, &[7; 17], 0), None);
        }
    }
}
