//! Which types of events anybody wants: nobody pays for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::provisioning::{Catalog, EventMap, EventType};

/// A set of types of events that this server makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSet([u64; 2]);

impl TypeSet {
    /// Those that `[events] keep` names: words of types, `*` for all, with `-` in front for all but;
    /// the later word decides.
    ///
    /// # Errors
    /// The first word that names no type.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, String> {
        let mut set = Self::default();
        for word in words {
            let (is_out, name) = word.strip_prefix('-').map_or((false, word), |name| (true, name));
            let named = match (name, EventType::parse(name)) {
                ("*", _) => Self::all(),
                (_, Some(event)) => Self::of(event),
                (_, None) => return Err(name.to_owned()),
            };
            set = if is_out { set.without(named) } else { set.union(named) };
        }
        Ok(set)
    }

    /// Every type that this server makes.
    #[must_use]
    pub fn all() -> Self {
        EventType::ALL
            .iter()
            .filter(|event| event.produced)
            .fold(Self::default(), |set, event| set.union(Self::of(*event)))
    }

    /// One type; none if this server never makes it.
    #[must_use]
    pub fn of(event: EventType) -> Self {
        let mut set = Self::default();
        if let Some(word) = set.0.get_mut((event.key / 64) as usize).filter(|_| event.produced) {
            *word |= 1 << (event.key % 64);
        }
        set
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    #[must_use]
    pub fn contains(self, event: EventType) -> bool {
        let one = Self::of(event);
        !one.is_empty() && one.without(self).is_empty()
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0[0] | self.0[1] == 0
    }
}

/// What is wanted by the setting, by the maps and by open streams.
#[derive(Debug, Default)]
pub struct EventDemand {
    wanted: [AtomicU64; 2],
    /// Rises whenever another catalog is in force.
    generation: AtomicU64,
    parts: Mutex<DemandParts>,
}

#[derive(Debug, Default)]
struct DemandParts {
    kept: TypeSet,
    mapped: TypeSet,
    streams: Vec<(u64, TypeSet)>,
    next_stream: u64,
}

/// A stream's demand, as long as it lives.
#[derive(Debug)]
pub struct StreamDemand {
    demand: Arc<EventDemand>,
    stream: u64,
}

impl EventDemand {
    /// Whether anybody wants an event with this key.
    #[must_use]
    pub fn wants(&self, key: u8) -> bool {
        let word = self.wanted.get(usize::from(key / 64));
        word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (key % 64) != 0)
    }

    /// Whether anybody wants anything.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.wanted.iter().any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// What `[events] keep` says.
    pub fn keep(&self, kept: TypeSet) {
        self.change(|parts| parts.kept = kept);
    }

    /// What `[events] keep` said.
    #[must_use]
    pub fn kept(&self) -> TypeSet {
        self.parts.lock().kept
    }

    /// Which catalog is in force: another number after each change of it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The maps of a catalog that is in force by now.
    pub fn follow(&self, catalog: &Catalog) {
        let mapped = catalog
            .all::<EventMap>()
            .flat_map(|(_, map)| &map.subscriptions)
            .fold(TypeSet::default(), |set, one| set.union(TypeSet::of(one.event)));
        self.change(|parts| parts.mapped = mapped);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// A stream that shows these types.
    #[must_use]
    pub fn stream(self: &Arc<Self>, types: TypeSet) -> StreamDemand {
        let stream = self.change(|parts| {
            parts.next_stream += 1;
            parts.streams.push((parts.next_stream, types));
            parts.next_stream
        });
        StreamDemand { demand: Arc::clone(self), stream }
    }

    fn change<T>(&self, change: impl FnOnce(&mut DemandParts) -> T) -> T {
        let mut parts = self.parts.lock();
        let changed = change(&mut parts);
        let streams = parts.streams.iter().map(|(_, types)| *types);
        let all = streams.fold(parts.kept.union(parts.mapped), TypeSet::union);
        for (word, wanted) in self.wanted.iter().zip(all.0) {
            word.store(wanted, Ordering::Relaxed);
        }
        changed
    }
}

impl Drop for StreamDemand {
    fn drop(&mut self) {
        self.demand.change(|parts| parts.streams.retain(|(stream, _)| *stream != self.stream));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    fn of(moniker: &str) -> EventType {
        EventType::parse(moniker).unwrap()
    }

    #[test]
    fn the_later_word_decides() {
        let default = TypeSet::parse(["*", "-endpointauthenticated_v1"]).unwrap();
        assert!(!default.contains(of("endpointauthenticated_v1")));
        assert!(default.contains(of("gatewayrestarted_v1")));
        assert!(TypeSet::parse([]).unwrap().is_empty());
        let one = TypeSet::parse(["-*", "poolexhausted_v1"]).unwrap();
        assert_eq!(one, TypeSet::of(of("poolexhausted_v1")));
        assert_eq!(TypeSet::parse(["*", "endpointexploded_v1"]), Err("endpointexploded_v1".into()));
        assert!(TypeSet::of(of("vpnchildsaphase2up_v1")).is_empty(), "never made");
    }

    #[test]
    fn a_stream_wants_as_long_as_it_lives() {
        let demand = Arc::new(EventDemand::default());
        let key = EventKind::SessionExtended as u8;
        assert!(!demand.is_any());
        let stream = demand.stream(TypeSet::of(of("endpointdatasessionextended_v1")));
        assert!(demand.wants(key) && demand.is_any());
        demand.keep(TypeSet::of(of("poolexhausted_v1")));
        drop(stream);
        assert!(!demand.wants(key) && demand.wants(EventKind::PoolExhausted as u8));
    }
}
