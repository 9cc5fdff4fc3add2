//! What `inventory.toml` refers to and does not describe: objects that persons made over the API.

use super::super::problem::ProblemCollector;
use super::super::{
    Catalog, CatalogEntry, CatalogKind, EventMap, EventScope, ListingStatus, ObjectKind,
    ObjectName, Policy, Revision,
};
use super::section::{Lined, Section};
use crate::identity::{EventMapId, Moniker, PolicyId};

/// Something that a section names, and where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedElsewhere {
    pub object: ObjectName,
    pub line: u32,
}

impl NamedElsewhere {
    /// What to say if nobody has made it.
    #[must_use]
    pub fn what(&self) -> String {
        format!("there is no {} \"{}\"", self.object.kind, self.object.moniker)
    }

    /// What to do then.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self.object.kind {
            ObjectKind::EventMap => {
                "event maps are made over the API: start without this key, make the map, then add \
                 the key and reload; or correct the name"
            }
            _ => "add a [[policy]] with this moniker, or correct it",
        }
    }
}

/// Collects the names. Each has a handle, as if its object stood behind those of the file.
pub(super) struct Elsewhere {
    /// How many policies the file has.
    own_policies: usize,
    policies: Vec<Moniker>,
    event_maps: Vec<Moniker>,
    named: Vec<NamedElsewhere>,
}

impl Elsewhere {
    pub(super) const fn beside(own_policies: usize) -> Self {
        Self { own_policies, policies: Vec::new(), event_maps: Vec::new(), named: Vec::new() }
    }

    /// The map that a section names, if it names one.
    pub(super) fn event_map(
        &mut self,
        section: &mut Section<'_>,
        report: &mut ProblemCollector,
    ) -> Option<EventMapId> {
        let written = section.take::<String>("event_map", report)?;
        let moniker = self.named(ObjectKind::EventMap, "event_map", &written, report)?;
        Some(EventMapId::new(place(&mut self.event_maps, moniker)))
    }

    /// A policy that is not in the file.
    pub(super) fn policy(
        &mut self,
        written: &Lined<String>,
        report: &mut ProblemCollector,
    ) -> Option<PolicyId> {
        let moniker = self.named(ObjectKind::Policy, "policy", written, report)?;
        Some(PolicyId::new(self.own_policies + place(&mut self.policies, moniker)))
    }

    fn named(
        &mut self,
        kind: ObjectKind,
        key: &str,
        written: &Lined<String>,
        report: &mut ProblemCollector,
    ) -> Option<Moniker> {
        let moniker = written.read(key, "correct it", Moniker::parse, report)?;
        let object = ObjectName { kind, moniker: moniker.clone() };
        self.named.push(NamedElsewhere { object, line: written.line });
        Some(moniker)
    }

    /// Gives each its place in the catalog of the file, which does not list it: only its name is
    /// known. Returns where they are named.
    pub(super) fn listed_in(self, catalog: &mut Catalog) -> Vec<NamedElsewhere> {
        for (index, moniker) in (self.own_policies..).zip(self.policies) {
            let name = moniker.to_string();
            catalog.set(PolicyId::new(index), unlisted(Policy::new(moniker, &name)));
        }
        for (index, moniker) in self.event_maps.into_iter().enumerate() {
            let name = moniker.to_string();
            let map = EventMap::new(moniker, &name, EventScope::Endpoint);
            catalog.set(EventMapId::new(index), unlisted(map));
        }
        self.named
    }
}

/// The place of a moniker among those that were named before, or behind them.
fn place(monikers: &mut Vec<Moniker>, moniker: Moniker) -> usize {
    let known = monikers.iter().position(|known| *known == moniker);
    known.unwrap_or_else(|| {
        monikers.push(moniker);
        monikers.len() - 1
    })
}

fn unlisted<T: CatalogKind>(thing: T) -> CatalogEntry<T> {
    CatalogEntry { status: ListingStatus::Removed, ..CatalogEntry::new(thing, Revision::default()) }
}
