//! The sections of the files come to the catalog in force: what is new or was edited is applied,
//! what a person changed since is left alone.

use std::sync::Arc;

use foldhash::HashMap;

use super::catalog::Named;
use super::{Catalog, CatalogEntry, Group, LineHash, ListingStatus, Origin, Revision};
use crate::identity::{GroupId, Moniker, VsliceId};

/// Who is believed where the files and a person say different things (PROTOCOL 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Authority {
    /// Whoever wrote last: a line speaks when it changes.
    #[default]
    LastWriter,
    /// The files: every line speaks at every load.
    Files,
}

/// What becomes of what files made and no longer name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Prune {
    /// It is kept, and told.
    #[default]
    No,
    /// It is removed, unless that is more than a tenth of the fleet.
    Yes,
    /// It is removed, however much it is.
    Force,
}

/// A catalog into which the files were merged.
#[derive(Debug)]
pub struct Merged {
    pub catalog: Catalog,
    /// The handle of each group of the files, in their order.
    pub groups: Vec<GroupId>,
    /// The places that are to be recorded.
    pub changed_vslices: Vec<VsliceId>,
    pub changed_groups: Vec<GroupId>,
    /// How many sections were applied.
    pub applied: usize,
}

impl Catalog {
    /// This catalog after the files said `files`. Nothing of it is in force yet.
    #[must_use]
    pub fn merged(
        &self,
        files: &Self,
        authority: Authority,
        prune: Prune,
        now_micros: u64,
    ) -> Merged {
        let mut catalog = self.clone();
        let rules = Rules { authority, prune: prune != Prune::No, now_micros };
        let listed = files
            .vslices()
            .map(|(id, vslice)| (id.index(), vslice.clone(), LineHash::of_vslice(vslice)));
        let vslices = rules.merge(&mut catalog.vslices, listed);
        let handle = |id: VsliceId| {
            vslices.handles.get(&id.index()).map_or(id, |index| VsliceId::new(*index))
        };
        let listed = files.groups().map(|(id, group)| {
            let vslice = files.vslice(group.vslice).map_or("", |vslice| vslice.moniker.as_str());
            let own = Group { vslice: handle(group.vslice), ..group.clone() };
            (id.index(), own, LineHash::of_group(group, vslice))
        });
        let groups = rules.merge(&mut catalog.groups, listed);
        let group_handle =
            |index: usize| GroupId::new(groups.handles.get(&index).copied().unwrap_or(index));
        Merged {
            groups: (0..files.group_slots().len()).map(group_handle).collect(),
            changed_vslices: vslices.changed.iter().map(|index| VsliceId::new(*index)).collect(),
            changed_groups: groups.changed.iter().map(|index| GroupId::new(*index)).collect(),
            applied: vslices.applied + groups.applied,
            catalog,
        }
    }

    /// What a section would say of the group as it is.
    #[must_use]
    pub fn hash_of_group(&self, group: &Group) -> LineHash {
        LineHash::of_group(
            group,
            self.vslice_place(group.vslice).map_or("", |place| place.thing.moniker.as_str()),
        )
    }
}

#[derive(Clone, Copy)]
struct Rules {
    authority: Authority,
    prune: bool,
    now_micros: u64,
}

/// What came of one kind of section.
#[derive(Default)]
struct Merging {
    /// The place of each listed thing, by its index in the files.
    handles: HashMap<usize, usize>,
    changed: Vec<usize>,
    applied: usize,
}

impl Rules {
    fn merge<T: Named + PartialEq + Clone>(
        self,
        places: &mut Vec<Option<CatalogEntry<T>>>,
        listed: impl Iterator<Item = (usize, T, LineHash)>,
    ) -> Merging {
        let known = places
            .iter()
            .enumerate()
            .filter_map(|(index, place)| Some((place.as_ref()?.thing.moniker().clone(), index)));
        let mut known: HashMap<Moniker, usize> = known.collect();
        let mut merging = Merging::default();
        let mut is_listed = vec![false; places.len()];
        for (own, thing, line) in listed {
            let index = *known.entry(thing.moniker().clone()).or_insert(places.len());
            if index == places.len() {
                places.push(None);
                is_listed.push(false);
            }
            is_listed[index] = true;
            merging.handles.insert(own, index);
            let (place, has_spoken) = self.listed(places[index].as_ref(), thing, line);
            merging.applied += usize::from(has_spoken);
            if let Some(place) = place {
                places[index] = Some(place);
                merging.changed.push(index);
            }
        }
        for (index, place) in places.iter_mut().enumerate().filter(|(index, _)| !is_listed[*index])
        {
            if let Some(unlisted) = place.as_ref().and_then(|place| self.unlisted(place)) {
                *place = Some(unlisted);
                merging.changed.push(index);
            }
        }
        merging
    }

    /// What becomes of a place that the files name, if anything; and whether the section was
    /// applied.
    fn listed<T: PartialEq>(
        self,
        place: Option<&CatalogEntry<T>>,
        thing: T,
        line: LineHash,
    ) -> (Option<CatalogEntry<T>>, bool) {
        let Some(place) = place else {
            let stamp = Revision::default().next(self.now_micros, Origin::file(line));
            return (Some(CatalogEntry::new(thing, stamp)), true);
        };
        let is_removed = place.status == ListingStatus::Removed;
        let is_same = !is_removed && *place.thing == thing;
        let speaks = place.stamp.origin.line() != Some(line)
            || (self.authority == Authority::Files && !is_same);
        if !speaks {
            let returns = place.status == ListingStatus::Gone;
            let listed = || CatalogEntry {
                status: ListingStatus::Listed,
                stamp: place.stamp.next(self.now_micros, place.stamp.origin),
                ..place.clone()
            };
            return (returns.then(listed), false);
        }
        let origin = if is_removed { Origin::file(line) } else { place.stamp.origin.adopted(line) };
        let thing = if is_same { Arc::clone(&place.thing) } else { Arc::new(thing) };
        let stamp = place.stamp.next(self.now_micros, origin);
        (Some(CatalogEntry { thing, status: ListingStatus::Listed, stamp }), !is_same)
    }

    /// What becomes of a place that the files do not name, if anything.
    fn unlisted<T>(self, place: &CatalogEntry<T>) -> Option<CatalogEntry<T>> {
        let origin = place.stamp.origin;
        let (status, origin) = match place.status {
            // A person made it: only a person removes it.
            ListingStatus::Listed | ListingStatus::Gone if origin.is_by_person() => return None,
            ListingStatus::Listed | ListingStatus::Gone if self.prune => {
                (ListingStatus::Removed, Origin::default())
            }
            ListingStatus::Listed => (ListingStatus::Gone, origin),
            // A person removed it, and now the files agree.
            ListingStatus::Removed if origin.line().is_some() => {
                (ListingStatus::Removed, Origin::default())
            }
            ListingStatus::Gone | ListingStatus::Removed => return None,
        };
        Some(CatalogEntry {
            thing: Arc::clone(&place.thing),
            status,
            stamp: place.stamp.next(self.now_micros, origin),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::{Allocation, GroupFault, Subnet, Vslice};

    fn vslice(moniker: &str, name: &str) -> Vslice {
        let subnet = Subnet {
            cidr: "100.64.0.0/16".parse().unwrap(),
            allocation: Allocation::Static,
            exclude: Vec::new(),
        };
        Vslice {
            moniker: Moniker::parse(moniker).unwrap(),
            name: name.into(),
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

    fn files(vslices: &[(&str, &str)]) -> Catalog {
        let mut files = Catalog::default();
        for (moniker, name) in vslices {
            files.put_vslice(vslice(moniker, name));
        }
        files
    }

    /// As a person changes it: other contents, same origin but for the mark.
    fn rename(catalog: &mut Catalog, moniker: &str, name: &str) {
        let id = catalog.vslice_by_moniker(moniker).unwrap().0;
        let place = catalog.vslice_place(id).unwrap().clone();
        let thing = vslice(moniker, name);
        let stamp = place.stamp.next(0, place.stamp.origin.changed(LineHash::of_vslice(&thing)));
        catalog.set_vslice(id, CatalogEntry { thing: Arc::new(thing), stamp, ..place });
    }

    fn name(catalog: &Catalog, moniker: &str) -> String {
        catalog
            .vslice_by_moniker(moniker)
            .map_or("-".to_owned(), |(_, vslice)| vslice.name.to_string())
    }

    #[test]
    fn handles_stay_their_own_across_reloads() {
        let mut files = files(&[("old", "o"), ("kept", "k")]);
        let [old, kept] = [0, 1].map(VsliceId::new);
        for group in [group("old", old), group("kept", kept)] {
            files.put_group(group);
        }
        let first = Catalog::default().merged(&files, Authority::LastWriter, Prune::No, 9).catalog;
        let [old_group, kept_group] =
            ["old", "kept"].map(|moniker| first.group_by_moniker(moniker).unwrap().0);

        let mut files = Catalog::default();
        let [new, also_kept] =
            ["new", "kept"].map(|moniker| files.put_vslice(vslice(moniker, "k")));
        files.put_group(group("new", also_kept));
        files.put_group(group("kept", new));
        let merged = first.merged(&files, Authority::LastWriter, Prune::No, 10);
        let second = &merged.catalog;
        let new = second.vslice_by_moniker("new").unwrap().0;
        assert_eq!((merged.groups.len(), merged.groups[1]), (2, kept_group));
        assert_eq!(second.group(merged.groups[0]).unwrap().vslice, kept);
        assert_eq!(second.group(merged.groups[1]).unwrap().vslice, new);
        assert_ne!(new, old);
        assert_eq!(
            second.vslice(old).unwrap().moniker.as_str(),
            "old",
            "what is gone from the files is kept"
        );
        assert_eq!(
            second.gone_vslices().map(|vslice| vslice.moniker.as_str()).collect::<Vec<_>>(),
            ["old"]
        );
        assert_eq!(
            second.gone_groups().map(|group| group.moniker.as_str()).collect::<Vec<_>>(),
            ["old"]
        );
        assert_eq!((second.fault(old_group), second.differing()), (None, 2));

        let third = second.merged(&files, Authority::LastWriter, Prune::Yes, 11).catalog;
        assert_eq!(
            (third.vslice(old), third.group(old_group), third.vslice_by_moniker("old")),
            (None, None, None)
        );
        assert_eq!(third.vslices().map(|(id, _)| id).collect::<Vec<_>>(), [kept, new]);
        assert_eq!(third.fault(old_group), Some(GroupFault::Missing));
        assert_eq!(third.differing(), 0);

        files.put_vslice(vslice("other", "n"));
        files.put_vslice(vslice("old", "n"));
        let fourth = third.merged(&files, Authority::LastWriter, Prune::No, 12).catalog;
        assert_ne!(
            fourth.vslice_by_moniker("other").unwrap().0,
            old,
            "a handle is not given to another moniker"
        );
        assert_eq!(fourth.vslice_by_moniker("old").unwrap().0, old, "and waits for its own");
    }

    #[test]
    fn a_section_speaks_when_it_changes() {
        let mut catalog = Catalog::default()
            .merged(&files(&[("a", "one")]), Authority::LastWriter, Prune::No, 9)
            .catalog;
        rename(&mut catalog, "a", "two");
        assert_eq!(catalog.differing(), 1);
        let merge = |name: &str, authority| {
            catalog.merged(&files(&[("a", name)]), authority, Prune::No, 10)
        };
        let told = |merged: Merged| {
            (name(&merged.catalog, "a"), merged.applied, merged.catalog.differing())
        };
        assert_eq!(
            told(merge("one", Authority::LastWriter)),
            ("two".into(), 0, 1),
            "the same section leaves it alone"
        );
        assert_eq!(
            told(merge("three", Authority::LastWriter)),
            ("three".into(), 1, 0),
            "an edited one does not"
        );
        assert_eq!(
            told(merge("two", Authority::LastWriter)),
            ("two".into(), 0, 0),
            "one that agrees settles it"
        );
        assert_eq!(
            told(merge("one", Authority::Files)),
            ("one".into(), 1, 0),
            "with the files' authority each speaks"
        );
        let version =
            |catalog: &Catalog| catalog.vslice_place(VsliceId::new(0)).unwrap().stamp.version;
        assert!(
            version(&merge("three", Authority::LastWriter).catalog) > version(&catalog),
            "versions rise, whatever the clock says"
        );
    }

    #[test]
    fn what_a_person_removed_stays_removed_until_its_section_is_edited() {
        let mut catalog = Catalog::default()
            .merged(&files(&[("a", "one")]), Authority::LastWriter, Prune::No, 9)
            .catalog;
        let place = catalog.vslice_place(VsliceId::new(0)).unwrap().clone();
        catalog
            .set_vslice(VsliceId::new(0), CatalogEntry { status: ListingStatus::Removed, ..place });
        let merge = |name: &str, authority| {
            catalog.merged(&files(&[("a", name)]), authority, Prune::No, 10).catalog
        };
        assert_eq!(name(&merge("one", Authority::LastWriter), "a"), "-");
        assert_eq!(name(&merge("two", Authority::LastWriter), "a"), "two");
        assert_eq!(name(&merge("one", Authority::Files), "a"), "one");
        let forgotten = catalog.merged(&files(&[]), Authority::LastWriter, Prune::No, 10).catalog;
        assert_eq!(
            name(
                &forgotten
                    .merged(&files(&[("a", "one")]), Authority::LastWriter, Prune::No, 11)
                    .catalog,
                "a"
            ),
            "one"
        );
    }

    #[test]
    fn what_a_person_made_is_not_pruned() {
        let mut catalog = Catalog::default();
        let stamp = Revision { version: 1, origin: Origin::PERSON };
        catalog.set_vslice(VsliceId::new(0), CatalogEntry::new(vslice("by-hand", "h"), stamp));
        assert_eq!(catalog.differing(), 1);
        let merged = catalog
            .merged(&files(&[("by-hand", "f")]), Authority::LastWriter, Prune::No, 10)
            .catalog;
        assert_eq!(
            (name(&merged, "by-hand"), merged.differing()),
            ("f".into(), 0),
            "a new section speaks"
        );
        for catalog in [&catalog, &merged] {
            let pruned =
                catalog.merged(&files(&[]), Authority::LastWriter, Prune::Force, 11).catalog;
            assert!(pruned.vslice_by_moniker("by-hand").is_some());
        }
    }
}
