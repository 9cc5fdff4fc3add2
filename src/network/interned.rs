//! Values that millions of sessions share, each kept once for the life of the process and named by
//! two octets.

use std::num::NonZeroU16;
use std::sync::OnceLock;

/// How far a value may stand from its own slot.
const PROBES: usize = 32;

/// A bounded table of shared values. What is written once stays, so reading takes no lock. Values
/// come from outside: when no slot near its own is free a value is not shared, and whoever has it
/// keeps a copy. So a full table costs memory, and nobody a session.
pub(super) struct Interned<T: 'static, const SLOTS: usize>([OnceLock<T>; SLOTS]);

impl<T, const SLOTS: usize> Interned<T, SLOTS> {
    pub(super) const fn new() -> Self {
        assert!(SLOTS < 1 << 16, "a slot is named by two octets");
        Self([const { OnceLock::new() }; SLOTS])
    }

    /// The slot of the value with this hash for which `is_it` holds; `make` makes it if there is
    /// none and a slot is free.
    pub(super) fn slot(
        &self,
        hash: u64,
        is_it: impl Fn(&T) -> bool,
        make: impl Fn() -> T,
    ) -> Option<NonZeroU16> {
        (0..PROBES).map(|probe| (hash as usize).wrapping_add(probe) % SLOTS).find_map(|slot| {
            let shared = self.0[slot].get_or_init(&make);
            is_it(shared).then(|| NonZeroU16::new(slot as u16 + 1))?
        })
    }

    pub(super) fn get(&self, slot: NonZeroU16) -> Option<&T> {
        self.0[usize::from(slot.get()) - 1].get()
    }
}
