//! The sections of the files come to the catalog in force: what is new or was edited is applied,
//! what a person changed since is left alone.

use std::sync::Arc;

use foldhash::HashMap;

use super::catalog::{CatalogKind, CatalogObject};
use super::line_hash::Hashed;
use super::object::ObjectName;
use super::spelling::Spelling;
use super::{
    Catalog, CatalogEntry, EventMap, Group, LineHash, ListingStatus, Origin, Policy, Revision,
    Vslice,
};
use crate::identity::{GroupId, Moniker, PolicyId};

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
    pub changed: Vec<CatalogObject>,
    /// How many sections were applied.
    pub applied: usize,
    /// What sections refer to, and neither the files nor the catalog have.
    pub missing: Vec<ObjectName>,
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
        let rules = Rules { authority, prune: prune != Prune::No, now_micros };
        let mut merged = Merged {
            catalog: self.clone(),
            groups: Vec::new(),
            changed: Vec::new(),
            applied: 0,
            missing: Vec::new(),
        };
        merged.catalog.operators = Arc::clone(&files.operators);
        let policies = rules.merge(&mut merged, files, |policy: &Policy, _| policy.clone());
        let vslices = rules.merge(&mut merged, files, |vslice: &Vslice, merged| {
            let event_map =
                vslice.event_map.and_then(|map| merged.elsewhere::<EventMap>(files, map));
            Vslice { event_map, ..vslice.clone() }
        });
        let groups = rules.merge(&mut merged, files, |group: &Group, merged| {
            let own = |policy| policies.get(&PolicyId::index(policy)).copied();
            Group {
                vslice: vslices.get(&group.vslice.index()).copied().unwrap_or(group.vslice),
                policy: group.policy.and_then(|policy| {
                    own(policy).or_else(|| merged.elsewhere::<Policy>(files, policy))
                }),
                event_map: group.event_map.and_then(|map| merged.elsewhere::<EventMap>(files, map)),
                ..group.clone()
            }
        });
        let handle = |index: usize| groups.get(&index).copied().unwrap_or(GroupId::new(index));
        merged.groups = (0..files.places::<Group>()).map(handle).collect();
        merged
    }
}

impl Merged {
    /// The handle of what the files refer to and do not describe: the catalog has to have it.
    fn elsewhere<T: CatalogKind>(&mut self, files: &Catalog, named: T::Id) -> Option<T::Id> {
        let moniker = files.place::<T>(named)?.thing.moniker();
        let found = self.catalog.named_by_files::<T>(moniker);
        if found.is_none() {
            self.missing.push(ObjectName { kind: T::KIND, moniker: moniker.clone() });
        }
        found
    }
}

impl Catalog {
    /// What the files mean by a moniker: what is called so, else what was called so before a person
    /// gave it another name.
    fn named_by_files<T: CatalogKind>(&self, moniker: &Moniker) -> Option<T::Id> {
        let is_meant = |entry: &CatalogEntry<T>| {
            entry.present().is_some() && entry.section.as_ref() == Some(moniker)
        };
        let by_name = self.find::<T>(moniker.as_str()).map(|(id, _)| id);
        by_name.or_else(|| self.entries::<T>().find(|(_, entry)| is_meant(entry)).map(|(id, _)| id))
    }
}

#[derive(Clone, Copy)]
struct Rules {
    authority: Authority,
    prune: bool,
    now_micros: u64,
}

/// The places of a catalog, by the names that the files may have for them.
#[derive(Default)]
struct PlacesByName {
    /// Of what is called so.
    named: HashMap<Moniker, usize>,
    /// Of what a person called otherwise, or removed after that, by the moniker of its section.
    renamed: HashMap<Moniker, usize>,
    /// Of what was removed last under a moniker.
    removed: HashMap<Moniker, usize>,
}

impl PlacesByName {
    fn of<T: CatalogKind>(catalog: &Catalog) -> Self {
        let mut entries: Vec<_> = catalog.entries::<T>().collect();
        // The last one with a name has it.
        entries
            .sort_by_key(|(_, entry)| (entry.status == ListingStatus::Listed, entry.stamp.version));
        let mut places = Self::default();
        for (id, entry) in entries {
            let (index, moniker) = (T::index(id), entry.thing.moniker());
            let remembers = entry.present().is_some() || entry.stamp.origin.line().is_some();
            let section = entry.section.as_ref().filter(|section| remembers && *section != moniker);
            if let Some(section) = section {
                places.renamed.insert(section.clone(), index);
            }
            if entry.present().is_some() {
                places.named.insert(moniker.clone(), index);
            } else if section.is_none() {
                places.removed.insert(moniker.clone(), index);
            }
        }
        places
    }
}

impl Rules {
    /// Merges the sections of one kind. Returns the handle of each, by its index in the files.
    fn merge<T: Hashed>(
        self,
        merged: &mut Merged,
        files: &Catalog,
        own: impl Fn(&T, &mut Merged) -> T,
    ) -> HashMap<usize, T::Id> {
        let places = PlacesByName::of::<T>(&merged.catalog);
        let mut is_listed = vec![false; merged.catalog.places::<T>()];
        let mut handles: HashMap<usize, T::Id> = HashMap::default();
        // A name that is there is meant before one that was: so no two end up with one name.
        for by in [&places.named, &places.renamed, &places.removed] {
            for (id, section) in files.all::<T>() {
                let place = by.get(section.moniker()).filter(|index| !is_listed[**index]);
                let Some(index) = place.filter(|_| !handles.contains_key(&T::index(id))) else {
                    continue;
                };
                is_listed[*index] = true;
                handles.insert(T::index(id), T::id(*index));
            }
        }
        let mut sections = Vec::new();
        for (id, section) in files.all::<T>() {
            let known = merged.missing.len();
            let thing = own(section, merged);
            sections.push((id, thing, section.line(files), merged.missing.split_off(known)));
        }
        for (own, thing, line, missing) in sections {
            let next = merged.catalog.places::<T>();
            let id = *handles.entry(T::index(own)).or_insert(T::id(next));
            let place = merged.catalog.place::<T>(id);
            // What is not applied need not be complete.
            if self.speaks(place, &thing, line) {
                merged.missing.extend(missing);
            }
            let (entry, has_spoken) = self.listed(merged.catalog.place::<T>(id), thing, line);
            merged.applied += usize::from(has_spoken);
            merged.set(id, entry);
        }
        for (index, _) in is_listed.iter().enumerate().filter(|(_, is_listed)| !**is_listed) {
            let unlisted = merged.catalog.place::<T>(T::id(index));
            let unlisted = unlisted.and_then(|entry| self.unlisted(entry));
            merged.set(T::id(index), unlisted);
        }
        handles
    }

    /// Whether a section has something new to say of a place.
    fn speaks<T: CatalogKind>(
        self,
        place: Option<&CatalogEntry<T>>,
        thing: &T,
        line: LineHash,
    ) -> bool {
        place.is_none_or(|place| {
            let is_same = place.status != ListingStatus::Removed && *place.thing == *thing;
            place.stamp.origin.line() != Some(line)
                || (self.authority == Authority::Files && !is_same)
        })
    }

    /// What becomes of a place that the files name, if anything; and whether the section was
    /// applied.
    fn listed<T: CatalogKind>(
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
        if !self.speaks(Some(place), &thing, line) {
            let returns = place.status == ListingStatus::Gone;
            let listed = || CatalogEntry {
                status: ListingStatus::Listed,
                stamp: place.stamp.next(self.now_micros, place.stamp.origin),
                ..place.clone()
            };
            return (returns.then(listed), false);
        }
        if is_removed {
            // Another object than the one that was removed.
            let stamp = place.stamp.next(self.now_micros, Origin::file(line));
            return (Some(CatalogEntry::new(thing, stamp)), true);
        }
        let stamp = place.stamp.next(self.now_micros, place.stamp.origin.adopted(line));
        let thing = if is_same { Arc::clone(&place.thing) } else { Arc::new(thing) };
        let spelling = if is_same { place.spelling.clone() } else { Spelling::default() };
        let listed = CatalogEntry {
            thing,
            status: ListingStatus::Listed,
            stamp,
            uuid: place.uuid,
            section: None,
            spelling,
        };
        (Some(listed), !is_same)
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
        let stamp = place.stamp.next(self.now_micros, origin);
        Some(CatalogEntry { status, stamp, ..place.clone() })
    }
}

impl Merged {
    fn set<T: CatalogKind>(&mut self, id: T::Id, entry: Option<CatalogEntry<T>>) {
        if let Some(entry) = entry {
            self.changed.push(T::object(id, entry.clone()));
            self.catalog.set(id, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::VsliceId;
    use crate::provisioning::{AddressFamilies, Allocation, GroupFault, Subnet, Vslice};

    fn vslice(moniker: &str, name: &str) -> Vslice {
        let subnet = Subnet {
            block: "100.64.0.0/16".parse().unwrap(),
            allocation: Allocation::Static,
            exclude: Vec::new(),
        };
        Vslice {
            moniker: Moniker::parse(moniker).unwrap(),
            name: name.into(),
            enabled: true,
            dns: Vec::new(),
            subnets: vec![subnet],
            event_map: None,
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
            policy: None,
            event_map: None,
            families: AddressFamilies::Ipv4,
            partial_dual_stack: false,
            disconnect: true,
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
        let stamp = place.stamp.next(0, place.stamp.origin.changed(thing.line(catalog)));
        catalog.set(id, CatalogEntry { thing: Arc::new(thing), stamp, ..place });
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
            second.gone::<Vslice>().map(|vslice| vslice.moniker.as_str()).collect::<Vec<_>>(),
            ["old"]
        );
        assert_eq!(
            second.gone::<Group>().map(|group| group.moniker.as_str()).collect::<Vec<_>>(),
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
        catalog.set(VsliceId::new(0), CatalogEntry { status: ListingStatus::Removed, ..place });
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
        catalog.set(VsliceId::new(0), CatalogEntry::new(vslice("by-hand", "h"), stamp));
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
