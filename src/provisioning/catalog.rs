//! The catalog: every object that can be referred to, each under a handle that stays its own across
//! reloads and new names.

use std::fmt::{self, Debug};
use std::sync::Arc;

use uuid::Uuid;

use super::object::{ObjectKind, ObjectName, ObjectRef};
use super::spelling::Spelling;
use super::{EventHandler, EventMap, Group, Operators, Policy, RecordTooLarge, Revision, Vslice};
use crate::identity::{EventHandlerId, EventMapId, GroupId, Moniker, PolicyId, VsliceId};

/// All VSlices, groups, operator policies, event handlers and event maps.
///
/// Leases, sessions and other objects name them by handle, so a handle must never come to mean
/// something else: what is read from the files is merged into the catalog before it
/// ([`Self::merged`]), an object keeps its place whatever it is called, and no place is ever given
/// up. The one thing that takes over a place is a successor of the same moniker: who still has an
/// address in a VSlice that was removed keeps it in the one that is made again. Its id is another
/// one.
///
/// A copy costs a pointer an object: whoever changes one makes a copy with that one replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// `None`: a place that a damaged journal says nothing of.
    vslices: Vec<Option<CatalogEntry<Vslice>>>,
    groups: Vec<Option<CatalogEntry<Group>>>,
    policies: Vec<Option<CatalogEntry<Policy>>>,
    event_handlers: Vec<Option<CatalogEntry<EventHandler>>>,
    event_maps: Vec<Option<CatalogEntry<EventMap>>>,
    /// Names and numbers, which only the files tell: no record has them.
    pub operators: Arc<Operators>,
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

/// An object under its handle.
#[derive(Debug, PartialEq, Eq)]
pub struct CatalogEntry<T> {
    pub thing: Arc<T>,
    pub status: ListingStatus,
    pub stamp: Revision,
    /// Its id for programs: the same whatever it is called.
    pub uuid: Uuid,
    /// The moniker of its section in the files, if a person has called it otherwise since.
    pub section: Option<Moniker>,
    pub spelling: Spelling,
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

/// A kind of object, as the catalog holds it.
pub trait CatalogKind: Clone + Debug + PartialEq + Sized + 'static {
    /// Its handle.
    type Id: Copy + Debug + PartialEq;
    const KIND: ObjectKind;

    fn id(index: usize) -> Self::Id;
    fn index(id: Self::Id) -> usize;
    fn moniker(&self) -> &Moniker;
    /// The other objects that it needs.
    fn references(&self) -> Vec<ObjectRef>;
    /// Whether its record has a bounded size.
    ///
    /// # Errors
    /// If it is too large to be put into force.
    fn record_fits(&self) -> Result<(), RecordTooLarge>;
    fn slots(catalog: &Catalog) -> &Vec<Option<CatalogEntry<Self>>>;
    fn slots_mut(catalog: &mut Catalog) -> &mut Vec<Option<CatalogEntry<Self>>>;
    fn object(id: Self::Id, entry: CatalogEntry<Self>) -> CatalogObject;
}

/// Declares the kinds, and the one type that any of them is recorded as.
macro_rules! kinds {
    ($($kind:ident($handle:ident) in $slots:ident, refers to $references:expr;)*) => {
        /// An object of any kind in its place.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum CatalogObject {
            $($kind($handle, CatalogEntry<$kind>)),*
        }

        impl CatalogObject {
            /// Where it is.
            #[must_use]
            pub const fn place(&self) -> ObjectRef {
                match self {
                    $(Self::$kind(id, _) => {
                        ObjectRef { kind: ObjectKind::$kind, index: id.index() }
                    })*
                }
            }

            #[must_use]
            pub const fn stamp(&self) -> Revision {
                match self { $(Self::$kind(_, entry) => entry.stamp),* }
            }

            #[must_use]
            pub const fn uuid(&self) -> Uuid {
                match self { $(Self::$kind(_, entry) => entry.uuid),* }
            }

            #[must_use]
            pub const fn status(&self) -> ListingStatus {
                match self { $(Self::$kind(_, entry) => entry.status),* }
            }
        }

        impl Catalog {
            /// Puts an object into its place, whatever is there.
            pub fn put(&mut self, object: CatalogObject) {
                match object { $(CatalogObject::$kind(id, entry) => self.set(id, entry)),* }
            }

            /// Puts an object into its place, unless a newer version of it is there.
            pub fn put_if_newer(&mut self, object: CatalogObject) {
                let known = match &object {
                    $(CatalogObject::$kind(id, _) => self.place(*id).map(|entry: &CatalogEntry<$kind>| entry.stamp)),*
                };
                if known.is_none_or(|known| known.version <= object.stamp().version) {
                    self.put(object);
                }
            }

            /// Every place ever taken, kind by kind, in the order of the handles.
            pub fn objects(&self) -> impl Iterator<Item = CatalogObject> {
                std::iter::empty()
                    $(.chain(self.entries::<$kind>().map(|(id, entry)| {
                        CatalogObject::$kind(id, entry.clone())
                    })))*
            }

            /// Who refers to an object.
            #[must_use]
            pub fn users_of(&self, object: ObjectRef) -> Vec<ObjectName> {
                let mut users = Vec::new();
                $(users.extend(
                    self.all::<$kind>()
                        .filter(|(_, thing)| thing.references().contains(&object))
                        .map(|(_, thing)| ObjectName {
                            kind: ObjectKind::$kind,
                            moniker: thing.moniker.clone(),
                        }),
                );)*
                users
            }

            /// Whether an object is there.
            #[must_use]
            pub fn has(&self, object: ObjectRef) -> bool {
                match object.kind {
                    $(ObjectKind::$kind => self.get::<$kind>($handle::new(object.index)).is_some()),*
                }
            }

            /// How many objects are other than the files have them: changed, made or removed by a
            /// person, or kept though they are gone.
            #[must_use]
            pub fn differing(&self) -> usize {
                0 $(+ self.entries::<$kind>().filter(|(_, entry)| entry.differs()).count())*
            }
        }

        $(impl CatalogKind for $kind {
            type Id = $handle;
            const KIND: ObjectKind = ObjectKind::$kind;

            fn id(index: usize) -> $handle {
                $handle::new(index)
            }

            fn index(id: $handle) -> usize {
                id.index()
            }

            fn moniker(&self) -> &Moniker {
                &self.moniker
            }

            fn references(&self) -> Vec<ObjectRef> {
                let references: fn(&$kind) -> Vec<ObjectRef> = $references;
                references(self)
            }

            fn record_fits(&self) -> Result<(), RecordTooLarge> {
                Self::record_fits(self)
            }

            fn slots(catalog: &Catalog) -> &Vec<Option<CatalogEntry<Self>>> {
                &catalog.$slots
            }

            fn slots_mut(catalog: &mut Catalog) -> &mut Vec<Option<CatalogEntry<Self>>> {
                &mut catalog.$slots
            }

            fn object(id: $handle, entry: CatalogEntry<Self>) -> CatalogObject {
                CatalogObject::$kind(id, entry)
            }
        })*
    };
}

kinds! {
    Policy(PolicyId) in policies, refers to |_| Vec::new();
    EventHandler(EventHandlerId) in event_handlers, refers to |_| Vec::new();
    EventMap(EventMapId) in event_maps, refers to |map| {
        map.subscriptions.iter().map(|to| reference::<EventHandler>(to.handler)).collect()
    };
    Vslice(VsliceId) in vslices, refers to |vslice| {
        vslice.event_map.map(reference::<EventMap>).into_iter().collect()
    };
    Group(GroupId) in groups, refers to |group| {
        let policy = group.policy.map(reference::<Policy>);
        let map = group.event_map.map(reference::<EventMap>);
        [reference::<Vslice>(group.vslice)].into_iter().chain(policy).chain(map).collect()
    };
}

fn reference<T: CatalogKind>(id: T::Id) -> ObjectRef {
    ObjectRef { kind: T::KIND, index: T::index(id) }
}

impl Catalog {
    /// How many places of a kind were ever taken.
    #[must_use]
    pub fn places<T: CatalogKind>(&self) -> usize {
        T::slots(self).len()
    }

    /// The place of a handle, whatever its status.
    #[must_use]
    pub fn place<T: CatalogKind>(&self, id: T::Id) -> Option<&CatalogEntry<T>> {
        T::slots(self).get(T::index(id))?.as_ref()
    }

    /// Puts a thing into the place of its handle.
    pub fn set<T: CatalogKind>(&mut self, id: T::Id, entry: CatalogEntry<T>) {
        let (slots, index) = (T::slots_mut(self), T::index(id));
        if slots.len() <= index {
            slots.resize_with(index + 1, || None);
        }
        slots[index] = Some(entry);
    }

    /// All places of a kind that something is known of, whatever their status.
    pub fn entries<T: CatalogKind>(&self) -> impl Iterator<Item = (T::Id, &CatalogEntry<T>)> {
        let known = T::slots(self).iter().enumerate();
        known.filter_map(|(index, entry)| Some((T::id(index), entry.as_ref()?)))
    }

    #[must_use]
    pub fn get<T: CatalogKind>(&self, id: T::Id) -> Option<&T> {
        self.place(id)?.present()
    }

    /// All of a kind that are there.
    pub fn all<T: CatalogKind>(&self) -> impl Iterator<Item = (T::Id, &T)> {
        self.entries::<T>().filter_map(|(id, entry)| Some((id, entry.present()?)))
    }

    /// By moniker.
    #[must_use]
    pub fn find<T: CatalogKind>(&self, moniker: &str) -> Option<(T::Id, &CatalogEntry<T>)> {
        self.entries::<T>().find(|(_, entry)| {
            entry.present().is_some_and(|thing| thing.moniker().as_str() == moniker)
        })
    }

    /// By id.
    #[must_use]
    pub fn find_uuid<T: CatalogKind>(&self, uuid: Uuid) -> Option<(T::Id, &CatalogEntry<T>)> {
        self.entries::<T>().find(|(_, entry)| entry.uuid == uuid && entry.present().is_some())
    }

    /// The handle that a moniker has, or will have: that of the last object that was removed under
    /// it, else one that nobody ever had.
    #[must_use]
    pub fn handle<T: CatalogKind>(&self, moniker: &Moniker) -> T::Id {
        if let Some((id, _)) = self.find::<T>(moniker.as_str()) {
            return id;
        }
        let former = self.entries::<T>().filter(|(_, entry)| entry.thing.moniker() == moniker);
        let last = former.max_by_key(|(_, entry)| entry.stamp.version);
        last.map_or_else(|| T::id(self.places::<T>()), |(id, _)| id)
    }

    /// Lists a thing, in place of the one with the same moniker.
    pub fn list<T: CatalogKind>(&mut self, thing: T) -> T::Id {
        let id = self.handle::<T>(thing.moniker());
        self.set(id, CatalogEntry::new(thing, Revision::default()));
        id
    }

    /// What is kept though it is gone from the files.
    pub fn gone<T: CatalogKind>(&self) -> impl Iterator<Item = &T> {
        let gone = self.entries::<T>().filter(|(_, entry)| entry.status == ListingStatus::Gone);
        gone.map(|(_, entry)| &*entry.thing)
    }

    /// The moniker by which the files call what is in this place; empty if nothing is.
    #[must_use]
    pub fn section_of<T: CatalogKind>(&self, id: T::Id) -> &str {
        self.place::<T>(id).map_or("", |entry| entry.section_moniker().as_str())
    }

    /// The place of a handle, whatever its status.
    pub fn vslice_place(&self, id: VsliceId) -> Option<&CatalogEntry<Vslice>> {
        self.place(id)
    }

    /// The place of a handle, whatever its status.
    pub fn group_place(&self, id: GroupId) -> Option<&CatalogEntry<Group>> {
        self.place(id)
    }

    /// Lists a VSlice, in place of the one with the same moniker.
    pub fn put_vslice(&mut self, vslice: Vslice) -> VsliceId {
        self.list(vslice)
    }

    /// Lists a group, in place of the one with the same moniker.
    pub fn put_group(&mut self, group: Group) -> GroupId {
        self.list(group)
    }

    pub fn vslice(&self, id: VsliceId) -> Option<&Vslice> {
        self.get(id)
    }

    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.get(id)
    }

    pub fn vslice_by_moniker(&self, moniker: &str) -> Option<(VsliceId, &Vslice)> {
        self.find(moniker).map(|(id, entry)| (id, &*entry.thing))
    }

    pub fn group_by_moniker(&self, moniker: &str) -> Option<(GroupId, &Group)> {
        self.find(moniker).map(|(id, entry)| (id, &*entry.thing))
    }

    pub fn vslices(&self) -> impl Iterator<Item = (VsliceId, &Vslice)> {
        self.all()
    }

    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.all()
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

impl<T> Clone for CatalogEntry<T> {
    fn clone(&self) -> Self {
        Self {
            thing: Arc::clone(&self.thing),
            status: self.status,
            stamp: self.stamp,
            uuid: self.uuid,
            section: self.section.clone(),
            spelling: self.spelling.clone(),
        }
    }
}

impl<T: CatalogKind> CatalogEntry<T> {
    /// Of a thing that is listed, with the id that its moniker gives.
    pub fn new(thing: T, stamp: Revision) -> Self {
        Self {
            uuid: T::KIND.uuid_of(thing.moniker()),
            thing: Arc::new(thing),
            status: ListingStatus::Listed,
            stamp,
            section: None,
            spelling: Spelling::default(),
        }
    }

    /// The moniker by which the files call it.
    pub fn section_moniker(&self) -> &Moniker {
        self.section.as_ref().unwrap_or_else(|| self.thing.moniker())
    }
}

impl<T> CatalogEntry<T> {
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
    use crate::provisioning::{AddressFamilies, Allocation, Subnet};

    fn vslice(moniker: &str) -> Vslice {
        let subnet = Subnet {
            block: "100.64.0.0/16".parse().unwrap(),
            allocation: Allocation::Static,
            exclude: Vec::new(),
        };
        Vslice {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
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
