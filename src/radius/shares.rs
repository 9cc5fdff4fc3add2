//! Each gateway's share of what may wait: who asks for much is refused first, and never at the cost
//! of others.
//!
//! The rule is that of shared buffers in switches (dynamic thresholds, Choudhury and Hahne 1998): a
//! gateway may have as much waiting as is still free. One alone comes to half of all there is, two
//! come to a third each; and whoever has nothing waiting finds room, because the others always
//! leave some. It needs no count of the gateways and no lock: it compares two numbers of the
//! worker.

use crate::identity::GatewayId;

/// Receipts that may wait for the disk. One gateway alone comes to half: at a hundred octets each,
/// this is about what a worker can acknowledge in a tenth of a second. More would be answered too
/// late to be of use.
const MAX_RECEIPTS: u32 = 32_768;

/// Rejects that may be held back by a worker.
const MAX_DELAYED: u32 = 32_768;

/// How many times its own load a gateway must find free to have a request for more work taken.
/// Reports tell what has happened, an Access-Request only what somebody would like (RFC 5080
/// 2.2.3): it is refused when a gateway has half of what it may have.
pub const ACCESS: u32 = 3;

/// The same for a report.
pub const REPORT: u32 = 1;

/// What waits, of one gateway or for one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlightLoad {
    /// Octets of records that are not yet durable.
    pub octets: u32,
    /// Replies that wait for their records.
    pub receipts: u32,
    /// Rejects that are held back.
    pub delayed: u32,
}

/// What waits at one worker, by gateway.
#[derive(Debug)]
pub struct Shares {
    /// By handle.
    waiting: Vec<InFlightLoad>,
    free: InFlightLoad,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            free: InFlightLoad { octets: u32::MAX, receipts: MAX_RECEIPTS, delayed: MAX_DELAYED },
        }
    }
}

impl Shares {
    /// The journal takes so many more octets at present, whoever writes them.
    pub fn set_room(&mut self, octets: usize) {
        self.free.octets = u32::try_from(octets).unwrap_or(u32::MAX);
    }

    /// Whether a request of this gateway may be taken; `weight` is [`ACCESS`] or [`REPORT`].
    pub fn admits(&self, gateway: GatewayId, weight: u32) -> bool {
        let (own, free) = (self.waiting(gateway), self.free);
        own.octets.saturating_mul(weight) < free.octets
            && own.receipts.saturating_mul(weight) < free.receipts
    }

    /// Whether a reject to this gateway may be held back.
    pub fn may_delay(&self, gateway: GatewayId) -> bool {
        self.waiting(gateway).delayed < self.free.delayed
    }

    /// Something begins to wait.
    pub fn charge(&mut self, gateway: GatewayId, load: InFlightLoad) {
        let place = gateway.index();
        if place >= self.waiting.len() {
            self.waiting.resize(place + 1, InFlightLoad::default());
        }
        self.waiting[place].add(load);
        self.free.subtract(load);
    }

    /// It waits no longer. Octets of the journal are free for others only when [`Self::set_room`]
    /// says so.
    pub fn give_back(&mut self, gateway: GatewayId, load: InFlightLoad) {
        if let Some(waiting) = self.waiting.get_mut(gateway.index()) {
            waiting.subtract(load);
            self.free.add(InFlightLoad { octets: 0, ..load });
        }
    }

    fn waiting(&self, gateway: GatewayId) -> InFlightLoad {
        self.waiting.get(gateway.index()).copied().unwrap_or_default()
    }
}

impl InFlightLoad {
    /// A receipt that waits for so many octets of records.
    pub fn receipt(octets: usize) -> Self {
        Self { octets: u32::try_from(octets).unwrap_or(u32::MAX), receipts: 1, delayed: 0 }
    }

    /// A reject that is held back.
    pub const DELAYED: Self = Self { octets: 0, receipts: 0, delayed: 1 };

    const fn add(&mut self, other: Self) {
        self.octets = self.octets.saturating_add(other.octets);
        self.receipts = self.receipts.saturating_add(other.receipts);
        self.delayed = self.delayed.saturating_add(other.delayed);
    }

    const fn subtract(&mut self, other: Self) {
        self.octets = self.octets.saturating_sub(other.octets);
        self.receipts = self.receipts.saturating_sub(other.receipts);
        self.delayed = self.delayed.saturating_sub(other.delayed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: GatewayId = GatewayId::new(0);
    const B: GatewayId = GatewayId::new(1);
    const C: GatewayId = GatewayId::new(700);

    /// Reports of `octets` each that are taken until one is refused.
    fn fill(shares: &mut Shares, gateway: GatewayId, weight: u32, octets: usize) -> u32 {
        let mut taken = 0;
        while shares.admits(gateway, weight) {
            shares.charge(gateway, InFlightLoad::receipt(octets));
            taken += 1;
        }
        taken
    }

    #[test]
    fn one_alone_comes_to_half_and_leaves_the_rest_to_others() {
        let mut shares = Shares::default();
        shares.set_room(32_000);
        assert_eq!(fill(&mut shares, A, REPORT, 1_000), 16);
        assert_eq!(fill(&mut shares, B, REPORT, 1_000), 8, "although A writes as much as it can");
        assert_eq!(fill(&mut shares, C, REPORT, 1_000), 4);
        assert!(!shares.admits(A, REPORT));
    }

    #[test]
    fn receipts_without_records_are_shared_alike() {
        let mut shares = Shares::default();
        assert_eq!(fill(&mut shares, A, REPORT, 0), MAX_RECEIPTS / 2);
        assert_eq!(fill(&mut shares, B, REPORT, 0), MAX_RECEIPTS / 4);
    }

    #[test]
    fn requests_for_more_work_are_refused_at_half_of_it() {
        let mut shares = Shares::default();
        shares.set_room(32_000);
        assert_eq!(fill(&mut shares, A, ACCESS, 1_000), 8);
        assert_eq!(fill(&mut shares, A, REPORT, 1_000), 8);
        assert!(shares.admits(B, ACCESS));
    }

    #[test]
    fn delayed_rejects_are_shared_and_take_nothing_from_reports() {
        let mut shares = Shares::default();
        let mut held = 0;
        while shares.may_delay(A) {
            shares.charge(A, InFlightLoad::DELAYED);
            held += 1;
        }
        assert_eq!(held, MAX_DELAYED / 2);
        assert!(shares.may_delay(B) && shares.admits(A, ACCESS));
        shares.give_back(A, InFlightLoad::DELAYED);
        assert!(shares.may_delay(A));
    }

    #[test]
    fn what_was_given_back_is_had_again_when_the_journal_has_room() {
        let mut shares = Shares::default();
        shares.set_room(32_000);
        for _ in 0..fill(&mut shares, A, REPORT, 1_000) {
            shares.give_back(A, InFlightLoad::receipt(1_000));
        }
        shares.set_room(32_000);
        assert_eq!(fill(&mut shares, A, REPORT, 1_000), 16);
        shares.set_room(0);
        assert!(!shares.admits(B, REPORT), "nothing is free for anybody");
    }

    proptest! {
        /// However many gateways ask for however much, the bound holds but for the one request that
        /// reaches it, and whoever is refused has at least as much waiting as is free.
        #[test]
        fn nobody_is_refused_for_what_others_have(requests in prop::collection::vec((0..12usize, 0..16_384usize), 1..400)) {
            const ROOM: u32 = 1 << 20;
            let mut shares = Shares::default();
            shares.set_room(ROOM as usize);
            let mut taken = [0u32; 12];
            for (gateway, octets) in requests {
                let free = ROOM.saturating_sub(taken.iter().sum());
                if shares.admits(GatewayId::new(gateway), REPORT) {
                    shares.charge(GatewayId::new(gateway), InFlightLoad::receipt(octets));
                    taken[gateway] += octets as u32;
                } else {
                    prop_assert!(taken[gateway] >= free);
                }
                prop_assert!(taken.iter().sum::<u32>() <= ROOM + 16_384);
            }
        }
    }
}
