//! Changes of the catalog: what an object is to become is judged first; then it is recorded and in
//! force.

use std::sync::Arc;

use super::super::Recorder;
use super::super::address_plan::AddressPlan;
use super::super::provision::{ChangeKind, Changed, Provisioner};
use super::error::ChangeError;
use super::mutation::{Put, PutTarget};
use crate::identity::{GroupId, VsliceId};
use crate::provisioning::{
    Catalog, CatalogEntry, CatalogKind, CatalogObject, Group, Hashed, LineHash, ListingStatus,
    ObjectKind, ObjectName, ObjectRef, Origin, Revision, Vslice,
};

impl<R: Recorder> Provisioner<'_, R> {
    pub(super) fn put_vslice(
        &mut self,
        put: Put<Vslice>,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        if let PutTarget::Existing(id) = put.target {
            self.refuse_loss_of_addresses(id, &put.thing)?;
        }
        self.put_object(put, expected)
    }

    pub(super) fn remove_group(
        &mut self,
        id: GroupId,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        let group = self.plan.catalog.group(id).ok_or(ChangeError::NotFound)?;
        let endpoints = self.aaa.members.of(id).all();
        if endpoints > 0 {
            return Err(ChangeError::HasEndpoints { group: group.moniker.clone(), endpoints });
        }
        self.remove_object::<Group>(id, expected)
    }

    pub(super) fn put_object<T: Hashed>(
        &mut self,
        put: Put<T>,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        put.thing.record_fits().map_err(ChangeError::TooLarge)?;
        let catalog = &self.plan.catalog;
        let missing = put.thing.references().into_iter().find(|needed| !catalog.has(*needed));
        if let Some(ObjectRef { kind, .. }) = missing {
            return Err(ChangeError::NoSuch { kind });
        }
        let known = match put.target {
            PutTarget::New(_) => None,
            PutTarget::Existing(id) => {
                let known = catalog.place::<T>(id).filter(|entry| entry.present().is_some());
                Some((id, known.ok_or(ChangeError::NotFound)?))
            }
        };
        demand(expected, known.map(|(_, entry)| entry.stamp))?;
        if let Some((other, entry)) = catalog.find::<T>(put.thing.moniker().as_str())
            && known.is_none_or(|(id, _)| id != other)
        {
            return Err(ChangeError::MonikerTaken {
                kind: T::KIND,
                moniker: put.thing.moniker().clone(),
                uuid: entry.uuid,
            });
        }
        let (id, entry, kind) = match (put.target, known) {
            (PutTarget::Existing(id), Some((_, known))) => {
                if *known.thing == put.thing && known.spelling == put.spelling {
                    let version = known.stamp.version;
                    return Ok(Changed { kind: ChangeKind::Unchanged, version });
                }
                (id, self.changed_entry(known, put), ChangeKind::Changed)
            }
            (PutTarget::New(uuid), _) => {
                let id = catalog.handle::<T>(put.thing.moniker());
                (id, self.added_entry(catalog.place(id), uuid, put), ChangeKind::Added)
            }
            (PutTarget::Existing(_), None) => return Err(ChangeError::NotFound),
        };
        let version = entry.stamp.version;
        self.bring_into_force(T::object(id, entry));
        Ok(Changed { kind, version })
    }

    pub(super) fn remove_object<T: CatalogKind>(
        &mut self,
        id: T::Id,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        let catalog = &self.plan.catalog;
        let entry = catalog.place::<T>(id).filter(|entry| entry.present().is_some());
        let entry = entry.ok_or(ChangeError::NotFound)?;
        demand(expected, Some(entry.stamp))?;
        let by = catalog.users_of(ObjectRef { kind: T::KIND, index: T::index(id) });
        if !by.is_empty() {
            let object = ObjectName { kind: T::KIND, moniker: entry.thing.moniker().clone() };
            return Err(ChangeError::InUse { object, by });
        }
        let removed = self.removed_entry(entry);
        let version = removed.stamp.version;
        self.bring_into_force(T::object(id, removed));
        Ok(Changed { kind: ChangeKind::Removed, version })
    }

    /// A subnet goes, or becomes another one, only if nobody has an address of it.
    fn refuse_loss_of_addresses(&self, id: VsliceId, next: &Vslice) -> Result<(), ChangeError> {
        let known = self.plan.catalog.vslice(id).into_iter().flat_map(|vslice| &vslice.subnets);
        let stays = |subnet: &crate::provisioning::Subnet| {
            let same = |other: &crate::provisioning::Subnet| {
                (other.cidr, other.allocation) == (subnet.cidr, subnet.allocation)
            };
            next.subnets.iter().any(same)
        };
        for subnet in known.filter(|subnet| !stays(subnet)) {
            let addresses = self.plan.in_use(id, subnet.cidr, self.now);
            if addresses > 0 {
                return Err(ChangeError::SubnetInUse { subnet: subnet.cidr, addresses });
            }
        }
        Ok(())
    }

    /// The object after a person changed it. It stays the one that its section made.
    fn changed_entry<T: Hashed>(&self, known: &CatalogEntry<T>, put: Put<T>) -> CatalogEntry<T> {
        let origin = known.stamp.origin;
        // Only what the files may mean has to be found by its former name.
        let is_meant = origin.line().is_some() || T::KIND == ObjectKind::EventMap;
        let section = Some(known.section_moniker())
            .filter(|section| is_meant && *section != put.thing.moniker())
            .cloned();
        let line = LineHash::of_entry(&put.thing, section.as_ref(), &self.plan.catalog);
        CatalogEntry {
            thing: Arc::new(put.thing),
            status: known.status,
            stamp: known.stamp.next(self.now.micros(), origin.changed(line)),
            uuid: known.uuid,
            section,
            spelling: put.spelling,
        }
    }

    /// A new object, in the place of one that was removed under its moniker, if there was one. What
    /// that one's section said stays known, so that it does not come back.
    fn added_entry<T: Hashed>(
        &self,
        former: Option<&CatalogEntry<T>>,
        uuid: uuid::Uuid,
        put: Put<T>,
    ) -> CatalogEntry<T> {
        let remembered = former.filter(|former| former.stamp.origin.line().is_some());
        let section = remembered.and_then(|former| former.section.clone());
        let line = LineHash::of_entry(&put.thing, section.as_ref(), &self.plan.catalog);
        let origin = remembered.map_or(Origin::PERSON, |former| former.stamp.origin.changed(line));
        let before = former.map_or_else(Revision::default, |former| former.stamp);
        CatalogEntry {
            thing: Arc::new(put.thing),
            status: ListingStatus::Listed,
            stamp: before.next(self.now.micros(), origin),
            uuid,
            section,
            spelling: put.spelling,
        }
    }

    /// The line is remembered, so that the same section does not bring the thing back.
    fn removed_entry<T>(&self, entry: &CatalogEntry<T>) -> CatalogEntry<T> {
        let remembers = entry.status == ListingStatus::Listed;
        let line = entry.stamp.origin.line().filter(|_| remembers);
        let origin = line.map_or(Origin::default(), Origin::file);
        CatalogEntry {
            status: ListingStatus::Removed,
            stamp: entry.stamp.next(self.now.micros(), origin),
            ..entry.clone()
        }
    }

    fn bring_into_force(&mut self, object: CatalogObject) {
        self.records.object(&object);
        // Before any record names its handle.
        self.records.hand_over();
        let place = object.place();
        let vslice = (place.kind == ObjectKind::Vslice).then(|| VsliceId::new(place.index));
        let mut catalog: Catalog = self.plan.catalog.clone();
        catalog.put(object);
        self.aaa.plan.store(
            AddressPlan::with_one_changed(self.plan, catalog, vslice, self.aaa.settings.hold_time)
                .into(),
        );
        self.aaa.events.demand.follow(&self.aaa.plan.load().catalog);
    }
}

/// Refuses a change if the object is not there, or has another version than is expected.
pub(super) fn demand(expected: Option<u64>, found: Option<Revision>) -> Result<(), ChangeError> {
    let Some(expected) = expected else { return Ok(()) };
    let found = found.ok_or(ChangeError::NotFound)?.version;
    if found == expected { Ok(()) } else { Err(ChangeError::Version { expected, found }) }
}
