//! The catalog: every VSlice and group, each under a handle that stays its own across reloads.

use std::fmt;

use super::{Group, Vslice};
use crate::identity::{GroupId, Moniker, VsliceId};

/// All VSlices and groups.
///
/// Leases and sessions name them by handle, so a handle must never come to mean something else: what is read from the files
/// succeeds the catalog before it ([`Self::succeeding`]), the same moniker keeps its place, and no place is ever given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    vslices: Vec<Place<Vslice>>,
    groups: Vec<Place<Group>>,
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

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place<T> {
    thing: T,
    standing: Standing,
}

/// Whether a thing is still in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Written in the files.
    Listed,
    /// Gone from the files, and kept as it was.
    Gone,
    /// Gone from the files, and no longer to be found here. Only the place remains.
    Removed,
}

impl Catalog {
    /// The catalog with these things in these places.
    #[must_use]
    pub fn restored(vslices: impl IntoIterator<Item = (Vslice, Standing)>, groups: impl IntoIterator<Item = (Group, Standing)>) -> Self {
        Self { vslices: vslices.into_iter().map(Place::from).collect(), groups: groups.into_iter().map(Place::from).collect() }
    }

    /// The VSlices of all places ever taken, in the order of their handles.
    pub fn vslice_places(&self) -> impl ExactSizeIterator<Item = (&Vslice, Standing)> {
        self.vslices.iter().map(|place| (&place.thing, place.standing))
    }

    /// The groups of all places ever taken, in the order of their handles.
    pub fn group_places(&self) -> impl ExactSizeIterator<Item = (&Group, Standing)> {
        self.groups.iter().map(|place| (&place.thing, place.standing))
    }

    /// What this catalog lists, in the places it has in the one `before` it; what only that one has is gone. Also returns the handle that
    /// each group has from then on, in the order of those it had.
    #[must_use]
    pub fn succeeding(self, before: &Self) -> (Self, Vec<GroupId>) {
        let mut catalog = before.renewed();
        let vslices: Vec<VsliceId> = self.vslices.into_iter().map(|place| catalog.put_vslice(place.thing)).collect();
        let put = |Place { thing: mut group, .. }: Place<Group>| {
            group.vslice = vslices.get(group.vslice.index()).copied().unwrap_or(group.vslice);
            catalog.put_group(group)
        };
        let groups = self.groups.into_iter().map(put).collect();
        (catalog, groups)
    }

    /// A copy in which nothing is listed yet. What is then put into it keeps the handle it had; what is not is gone.
    fn renewed(&self) -> Self {
        let mut renewed = self.clone();
        renewed.vslices.iter_mut().for_each(Place::unlist);
        renewed.groups.iter_mut().for_each(Place::unlist);
        renewed
    }

    /// Lists a VSlice, in place of the one with the same moniker.
    pub fn put_vslice(&mut self, vslice: Vslice) -> VsliceId {
        VsliceId::new(put(&mut self.vslices, vslice))
    }

    /// Lists a group, in place of the one with the same moniker.
    pub fn put_group(&mut self, group: Group) -> GroupId {
        GroupId::new(put(&mut self.groups, group))
    }

    /// Removes what is gone from the files. The handles stay taken.
    pub fn prune(&mut self) {
        self.vslices.iter_mut().for_each(Place::remove_if_gone);
        self.groups.iter_mut().for_each(Place::remove_if_gone);
    }

    pub fn vslice(&self, id: VsliceId) -> Option<&Vslice> {
        self.vslices.get(id.index())?.present()
    }

    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.index())?.present()
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
}

/// A thing that is found again by its moniker.
trait Named {
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

fn put<T: Named>(places: &mut Vec<Place<T>>, thing: T) -> usize {
    let known = places.iter().position(|place| place.thing.moniker() == thing.moniker());
    let place = Place { thing, standing: Standing::Listed };
    if let Some(index) = known {
        places[index] = place;
        return index;
    }
    places.push(place);
    places.len() - 1
}

fn present<T>(places: &[Place<T>]) -> impl Iterator<Item = (usize, &T)> {
    places.iter().enumerate().filter_map(|(index, place)| Some((index, place.present()?)))
}

fn gone<T>(places: &[Place<T>]) -> impl Iterator<Item = &T> {
    places.iter().filter(|place| place.standing == Standing::Gone).map(|place| &place.thing)
}

impl<T> From<(T, Standing)> for Place<T> {
    fn from((thing, standing): (T, Standing)) -> Self {
        Self { thing, standing }
    }
}

impl<T> Place<T> {
    fn present(&self) -> Option<&T> {
        (self.standing != Standing::Removed).then_some(&self.thing)
    }

    fn unlist(&mut self) {
        if self.standing == Standing::Listed {
            self.standing = Standing::Gone;
        }
    }

    fn remove_if_gone(&mut self) {
        if self.standing == Standing::Gone {
            self.standing = Standing::Removed;
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
        let subnet = Subnet { cidr: "100.64.0.0/16".parse().unwrap(), allocation: Allocation::Static, exclude: Vec::new() };
        Vslice { moniker: Moniker::parse(moniker).unwrap(), name: moniker.into(), enabled: true, dns: Vec::new(), subnets: vec![subnet] }
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

    #[test]
    fn handles_stay_their_own_across_reloads() {
        let mut first = Catalog::default();
        let [old, kept] = ["old", "kept"].map(|moniker| first.put_vslice(vslice(moniker)));
        let [old_group, kept_group] = [group("old", old), group("kept", kept)].map(|group| first.put_group(group));

        let mut files = Catalog::default();
        let [new, also_kept] = ["new", "kept"].map(|moniker| files.put_vslice(vslice(moniker)));
        files.put_group(group("new", also_kept));
        files.put_group(group("kept", new));
        let (mut second, groups) = files.succeeding(&first);
        let new = second.vslice_by_moniker("new").unwrap().0;
        assert_eq!((groups.len(), groups[1]), (2, kept_group));
        assert_eq!(second.group(groups[0]).unwrap().vslice, kept);
        assert_eq!(second.group(groups[1]).unwrap().vslice, new);
        assert_ne!(new, old);
        assert_eq!(second.vslice(old).unwrap().moniker.as_str(), "old", "what is gone from the files is kept");
        assert_eq!(second.gone_vslices().map(|vslice| vslice.moniker.as_str()).collect::<Vec<_>>(), ["old"]);
        assert_eq!(second.gone_groups().map(|group| group.moniker.as_str()).collect::<Vec<_>>(), ["old"]);
        assert_eq!(second.fault(old_group), None);

        second.prune();
        assert_eq!((second.vslice(old), second.group(old_group), second.vslice_by_moniker("old")), (None, None, None));
        assert_eq!(second.vslices().map(|(id, _)| id).collect::<Vec<_>>(), [kept, new]);
        assert_eq!(second.fault(old_group), Some(GroupFault::Missing));

        let mut files = Catalog::default();
        files.put_vslice(vslice("other"));
        files.put_vslice(vslice("old"));
        let (third, _) = files.succeeding(&second);
        assert_ne!(third.vslice_by_moniker("other").unwrap().0, old, "a handle is not given to another moniker");
        assert_eq!(third.vslice_by_moniker("old").unwrap().0, old, "and waits for its own");
    }
}
