//! What is known of each address, in pages that exist only where an address was touched.

use crate::address::OffsetRange;
use crate::identity::Iccid;
use crate::time::Timestamp;

/// Addresses of a page: small enough that a subnet in little use stays small, large enough that the
/// list of pages is short (a /8 has 16384).
const PAGE: usize = 1024;

/// The state of one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AddressState {
    /// Never used.
    #[default]
    Fresh,
    Leased,
    /// In the queue of those within their hold.
    Held,
    /// In the queue of those whose hold has passed.
    HoldPassed,
    /// Released while excluded: in no queue.
    Parked,
    /// Held according to a record, and not yet queued.
    Restored,
}

/// The marks, the owners, the times of release, and the links of the queues, by offset in the
/// subnet.
#[derive(Debug, Default)]
pub(super) struct AddressTable {
    pages: Vec<Option<Box<Page>>>,
}

#[derive(Debug)]
struct Page {
    states: [AddressState; PAGE],
    /// Who has each, or had it last.
    owners: [Option<Iccid>; PAGE],
    /// Made at the first release in this page: static addresses, which are never released, cost
    /// nine octets each.
    releases: Option<Box<[ReleaseInfo]>>,
}

/// What is kept of a released address.
#[derive(Clone, Copy, Debug, Default)]
struct ReleaseInfo {
    released_at: Timestamp,
    links: Links,
}

/// The neighbours in a queue; their own offset at its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Links {
    pub(super) before: u32,
    pub(super) after: u32,
}

impl AddressTable {
    pub(super) fn state(&self, offset: u32) -> AddressState {
        let (page, slot) = page_and_slot(offset);
        self.page(page).map_or(AddressState::Fresh, |page| page.states[slot])
    }

    pub(super) fn set(&mut self, offset: u32, state: AddressState) {
        let (page, slot) = page_and_slot(offset);
        self.page_mut(page).states[slot] = state;
    }

    /// Who has the address, or had it last.
    pub(super) fn owner(&self, offset: u32) -> Option<Iccid> {
        let (page, slot) = page_and_slot(offset);
        self.page(page)?.owners[slot]
    }

    pub(super) fn set_owner(&mut self, offset: u32, owner: Option<Iccid>) {
        let (page, slot) = page_and_slot(offset);
        self.page_mut(page).owners[slot] = owner;
    }

    pub(super) fn released_at(&self, offset: u32) -> Timestamp {
        self.release_info(offset).released_at
    }

    pub(super) fn set_released_at(&mut self, offset: u32, at: Timestamp) {
        self.release_info_mut(offset).released_at = at;
    }

    pub(super) fn links(&self, offset: u32) -> Links {
        self.release_info(offset).links
    }

    pub(super) fn links_mut(&mut self, offset: u32) -> &mut Links {
        &mut self.release_info_mut(offset).links
    }

    /// The first offset from `offset` on that may be fresh: within the page of `offset` exactly,
    /// else the beginning of the next page.
    pub(super) fn skip_touched(&self, offset: u32) -> u64 {
        let (number, slot) = page_and_slot(offset);
        let Some(page) = self.page(number) else { return u64::from(offset) };
        let touched = page.states[slot..]
            .iter()
            .position(|state| *state == AddressState::Fresh)
            .unwrap_or(PAGE - slot);
        u64::from(offset) + touched as u64
    }

    /// The offsets in a range that are not fresh.
    pub(super) fn touched(&self, range: OffsetRange) -> impl Iterator<Item = u32> {
        let (first, last) = (page_and_slot(range.first).0, page_and_slot(range.last).0);
        let pages = self.pages.iter().enumerate().take(last + 1).skip(first);
        pages.filter_map(|(number, page)| page.as_ref().map(|page| (number * PAGE, page))).flat_map(
            move |(base, page)| {
                let touched = page
                    .states
                    .iter()
                    .enumerate()
                    .filter(|(_, state)| **state != AddressState::Fresh);
                touched
                    .map(move |(slot, _)| (base + slot) as u32)
                    .filter(move |offset| (range.first..=range.last).contains(offset))
            },
        )
    }

    fn page(&self, number: usize) -> Option<&Page> {
        self.pages.get(number)?.as_deref()
    }

    fn page_mut(&mut self, number: usize) -> &mut Page {
        if number >= self.pages.len() {
            self.pages.resize_with(number + 1, || None);
        }
        self.pages[number].get_or_insert_with(|| {
            Box::new(Page {
                states: [AddressState::Fresh; PAGE],
                owners: [None; PAGE],
                releases: None,
            })
        })
    }

    fn release_info(&self, offset: u32) -> ReleaseInfo {
        let (page, slot) = page_and_slot(offset);
        self.page(page)
            .and_then(|page| page.releases.as_ref()?.get(slot))
            .copied()
            .unwrap_or_default()
    }

    fn release_info_mut(&mut self, offset: u32) -> &mut ReleaseInfo {
        let (page, slot) = page_and_slot(offset);
        &mut self
            .page_mut(page)
            .releases
            .get_or_insert_with(|| vec![ReleaseInfo::default(); PAGE].into_boxed_slice())[slot]
    }
}

fn page_and_slot(offset: u32) -> (usize, usize) {
    (offset as usize / PAGE, offset as usize % PAGE)
}
