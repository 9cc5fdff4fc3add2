//! The catalog: every VSlice and group, each under a handle that stays its own across reloads.

use std::fmt;
use std::sync::Arc;

use super::{Group, Revision, Vslice};
use crate::identity::{GroupId, Moniker, VsliceId};

/// All VSlices and groups.
///
/// Leases and sessions name them by handle, so a handle must never come to mean something else:
/// what is read from the files is merged into the catalog before it ([`Self::merged`]), the same
/// moniker keeps its place, and no place is ever given up.
///
/// A copy costs a pointer an object: whoever changes one makes a copy with that one replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// `None`: a place that a damaged journal says nothing of.
    pub(super) vslices: Vec<Option<CatalogEntry<Vslice>>>,
    pub(super) groups: Vec<Option<CatalogEntry<Group>>>,
}

/// Why a group cannot carry sessions. The order is that of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupFault {
    /// No such group: it was removed, or a record names one that never was.
    Missing,
    Disabled,
    VsliceMissing,
    VsliceDisabled,
    /// The VSlice has no subnet of the group's allocation kind.
    NoSubnet,
}

/// A VSlice or group under its handle.
#[derive(Debug, PartialEq, Eq)]
pub struct CatalogEntry<T> {
    pub thing: Arc<T>,
    pub status: ListingStatus,
    pub stamp: Revision,
}

/// Whether a thing is still there, and in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListingStatus {
    /// Written in the files, or made by a person.
    Listed,
    /// Gone from the files, and kept as it was.
    Gone,
    /// Removed: no longer to be found here. Only the place remains.
    Removed,
}

impl Catalog {
    /// The VSlices of all places ever taken, in the order of their handles.
    pub fn vslice_slots(&self) -> impl ExactSizeIterator<Item = Option<&CatalogEntry<Vslice>>> {
        self.vslices.iter().map(Option::as_ref)
    }

    /// The groups of all places ever taken, in the order of their handles.
    pub fn group_slots(&self) -> impl ExactSizeIterator<Item = Option<&CatalogEntry<Group>>> {
        self.groups.iter().map(Option::as_ref)
    }

    /// The place of a handle, whatever its status.
    pub fn vslice_place(&self, id: VsliceId) -> Option<&CatalogEntry<Vslice>> {
        self.vslices.get(id.index())?.as_ref()
    }

    /// The place of a handle, whatever its status.
    pub fn group_place(&self, id: GroupId) -> Option<&CatalogEntry<Group>> {
        self.groups.get(id.index())?.as_ref()
    }

    /// Puts a VSlice into the place of its handle.
    pub fn set_vslice(&mut self, id: VsliceId, slot: CatalogEntry<Vslice>) {
        set(&mut self.vslices, id.index(), slot);
    }

    /// Puts a group into the place of its handle.
    pub fn set_group(&mut self, id: GroupId, slot: CatalogEntry<Group>) {
        set(&mut self.groups, id.index(), slot);
    }

    /// The handle that a moniker has, or will have.
    pub fn vslice_handle(&self, moniker: &Moniker) -> VsliceId {
        VsliceId::new(place_of(&self.vslices, moniker))
    }

    /// The handle that a moniker has, or will have.
    pub fn group_handle(&self, moniker: &Moniker) -> GroupId {
        GroupId::new(place_of(&self.groups, moniker))
    }

    /// Lists a VSlice, in place of the one with the same moniker.
    pub fn put_vslice(&mut self, vslice: Vslice) -> VsliceId {
        let id = self.vslice_handle(&vslice.moniker);
        self.set_vslice(id, CatalogEntry::new(vslice, Revision::default()));
        id
    }

    /// Lists a group, in place of the one with the same moniker.
    pub fn put_group(&mut self, group: Group) -> GroupId {
        let id = self.group_handle(&group.moniker);
        self.set_group(id, CatalogEntry::new(group, Revision::default()));
        id
    }

    pub fn vslice(&self, id: VsliceId) -> Option<&Vslice> {
        self.vslice_place(id)?.present()
    }

    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.group_place(id)?.present()
    }

    pub fn vslice_by_moniker(&self, moniker: &str) -> Option<(VsliceId, &Vslice)> {
        self.vslices().find(|(_, vslice)| vslice.moniker.as_str() == moniker)
    }

    pub fn group_by_moniker(&self, moniker: &str) -> Option<(GroupId, &Group)> {
        self.groups().find(|(_, group)| group.moniker.as_str() == moniker)
    }

    pub fn vslices(&self) -> impl Iterator<Item = (VsliceId, &Vslice)> {
        present(&self.vslices).map(|(index, vslice)| (VsliceId::new(index), vslice))
    }

    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        present(&self.groups).map(|(index, group)| (GroupId::new(index), group))
    }

    /// The VSlices that are kept though they are gone from the files.
    pub fn gone_vslices(&self) -> impl Iterator<Item = &Vslice> {
        gone(&self.vslices)
    }

    /// The groups that are kept though they are gone from the files.
    pub fn gone_groups(&self) -> impl Iterator<Item = &Group> {
        gone(&self.groups)
    }

    /// The group and its VSlice, if sessions may be opened in it (PROTOCOL 4, `group-invalid`).
    pub fn usable(&self, id: GroupId) -> Result<(&Group, &Vslice), GroupFault> {
        let group = self.group(id).ok_or(GroupFault::Missing)?;
        if !group.enabled {
            return Err(GroupFault::Disabled);
        }
        let vslice = self.vslice(group.vslice).ok_or(GroupFault::VsliceMissing)?;
        if !vslice.enabled {
            return Err(GroupFault::VsliceDisabled);
        }
        vslice.subnets_of(group.allocation).next().ok_or(GroupFault::NoSubnet)?;
        Ok((group, vslice))
    }

    pub fn fault(&self, id: GroupId) -> Option<GroupFault> {
        self.usable(id).err()
    }

    /// How many VSlices and groups are other than the files have them: changed, made or removed by
    /// a person, or kept though they are gone.
    #[must_use]
    pub fn differing(&self) -> usize {
        self.vslices.iter().flatten().filter(|slot| slot.differs()).count()
            + self.groups.iter().flatten().filter(|slot| slot.differs()).count()
    }
}

/// A thing that is found again by its moniker.
pub(super) trait Named {
    fn moniker(&self) -> &Moniker;
}

impl Named for Vslice {
    fn moniker(&self) -> &Moniker {
        &self.moniker
    }
}

impl Named for Group {
    fn moniker(&self) -> &Moniker {
        &self.moniker
    }
}

fn set<T>(slots: &mut Vec<Option<CatalogEntry<T>>>, index: usize, slot: CatalogEntry<T>) {
    if slots.len() <= index {
        slots.resize_with(index + 1, || None);
    }
    slots[index] = Some(slot);
}

/// The index of a moniker's place; the one behind all if it has none.
fn place_of<T: Named>(slots: &[Option<CatalogEntry<T>>], moniker: &Moniker) -> usize {
    let is_its = |slot: &Option<CatalogEntry<T>>| {
        slot.as_ref().is_some_and(|slot| slot.thing.moniker() == moniker)
    };
    slots.iter().position(is_its).unwrap_or(slots.len())
}

fn present<T>(slots: &[Option<CatalogEntry<T>>]) -> impl Iterator<Item = (usize, &T)> {
    slots.iter().enumerate().filter_map(|(index, slot)| Some((index, slot.as_ref()?.present()?)))
}

fn gone<T>(slots: &[Option<CatalogEntry<T>>]) -> impl Iterator<Item = &T> {
    slots
        .iter()
        .flatten()
        .filter(|slot| slot.status == ListingStatus::Gone)
        .map(|slot| &*slot.thing)
}

impl<T> Clone for CatalogEntry<T> {
    fn clone(&self) -> Self {
        Self { thing: Arc::clone(&self.thing), status: self.status, stamp: self.stamp }
    }
}

impl<T> CatalogEntry<T> {
    /// Of a thing that is listed.
    pub fn new(thing: T, stamp: Revision) -> Self {
        Self { thing: Arc::new(thing), status: ListingStatus::Listed, stamp }
    }

    /// The thing, unless it was removed.
    pub fn present(&self) -> Option<&T> {
        (self.status != ListingStatus::Removed).then_some(&*self.thing)
    }

    fn differs(&self) -> bool {
        match self.status {
            ListingStatus::Listed => self.stamp.origin.differs(),
            ListingStatus::Gone => true,
            // The files still have it.
            ListingStatus::Removed => self.stamp.origin.line().is_some(),
        }
    }
}

impl fmt::Display for GroupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the group does not exist",
            Self::Disabled => "the group is disabled",
            Self::VsliceMissing => "the group's VSlice does not exist",
            Self::VsliceDisabled => "the group's VSlice is disabled",
            Self::NoSubnet => "the VSlice has no subnet of the group's allocation",
        })
    }
}

impl std::error::Error for GroupFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::{Allocation, Subnet};

    fn vslice(moniker: &str) -> Vslice {
        let subnet = Subnet {
            cidr: "100.64.0.0/16".parse().unwrap(),
            allocation: Allocation::Static,
            exclude: Vec::new(),
        };
        Vslice {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
            enabled: true,
            dns: Vec::new(),
            subnets: vec![subnet],
        }
    }

    fn group(moniker: &str, vslice: VsliceId) -> Group {
        Group {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
            vslice,
            enabled: true,
            allocation: Allocation::Static,
            apns: Vec::new(),
            session_timeout_s: 0,
            idle_timeout_s: 0,
            interim_interval_s: 600,
            credentials: None,
        }
    }

    #[test]
    fn the_first_fault_is_named() {
        let mut catalog = Catalog::default();
        let mut slice = vslice("festival");
        slice.enabled = false;
        slice.subnets.clear();
        let of = catalog.put_vslice(slice.clone());
        let mut tills = group("tills", of);
        tills.enabled = false;
        let id = catalog.put_group(tills.clone());
        assert_eq!(catalog.fault(id), Some(GroupFault::Disabled));

        tills.enabled = true;
        let orphan = Group { vslice: VsliceId::new(9), ..tills.clone() };
        catalog.put_group(orphan);
        assert_eq!(catalog.fault(id), Some(GroupFault::VsliceMissing));

        catalog.put_group(tills);
        assert_eq!(catalog.fault(id), Some(GroupFault::VsliceDisabled));

        slice.enabled = true;
        catalog.put_vslice(slice);
        assert_eq!(catalog.fault(id), Some(GroupFault::NoSubnet));

        catalog.put_vslice(vslice("festival"));
        assert_eq!(catalog.fault(id), None);
        let (group, vslice) = catalog.usable(id).unwrap();
        assert_eq!((group.moniker.as_str(), vslice.moniker.as_str()), ("tills", "festival"));

        assert_eq!(catalog.fault(GroupId::new(9)), Some(GroupFault::Missing));
    }
}
