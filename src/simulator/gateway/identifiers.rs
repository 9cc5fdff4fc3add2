//! The identifiers of one server: 256 for each source port, the least recently used first, never one that is still in use.

use std::collections::VecDeque;

/// A source port and an identifier on it: what a request occupies until it is answered or given up (RFC 5080 2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The number of the port in the order of opening, not the system's.
    pub port: u16,
    pub identifier: u8,
}

/// Who occupies an identifier, and who did before.
#[derive(Debug)]
pub(super) struct Tenancy<P> {
    /// The request's number.
    pub tenant: Option<u32>,
    /// What is remembered of the one before, to understand answers that come late or twice.
    pub past: Option<P>,
}

/// All identifiers towards one server.
#[derive(Debug)]
pub(super) struct Identifiers<P> {
    free: VecDeque<Place>,
    ports: Vec<Box<[Tenancy<P>]>>,
    most_ports: u16,
}

impl<P> Identifiers<P> {
    /// Opens ports as needed, at most so many.
    pub(super) const fn new(most_ports: u16) -> Self {
        Self { free: VecDeque::new(), ports: Vec::new(), most_ports }
    }

    /// The identifier that has been free the longest; none if all ports are full.
    pub(super) fn take(&mut self, tenant: u32) -> Option<Place> {
        if self.free.is_empty() && self.ports.len() < usize::from(self.most_ports) {
            let port = self.ports.len() as u16;
            self.ports.push((0..=u8::MAX).map(|_| Tenancy { tenant: None, past: None }).collect());
            self.free.extend((0..=u8::MAX).map(|identifier| Place { port, identifier }));
        }
        let place = self.free.pop_front()?;
        self.at_mut(place)?.tenant = Some(tenant);
        Some(place)
    }

    /// The request at `place` is over; `past` is what remains of it.
    pub(super) fn give_back(&mut self, place: Place, past: P) {
        if let Some(tenancy) = self.at_mut(place) {
            *tenancy = Tenancy { tenant: None, past: Some(past) };
            self.free.push_back(place);
        }
    }

    pub(super) fn at(&self, place: Place) -> Option<&Tenancy<P>> {
        self.ports.get(usize::from(place.port))?.get(usize::from(place.identifier))
    }

    fn at_mut(&mut self, place: Place) -> Option<&mut Tenancy<P>> {
        self.ports.get_mut(usize::from(place.port))?.get_mut(usize::from(place.identifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Checklist H4, first half.
    #[test]
    fn the_least_recently_used_comes_first_and_another_port_when_all_are_taken() {
        let mut identifiers = Identifiers::new(2);
        let first: Vec<Place> = (0..256).map(|tenant| identifiers.take(tenant).unwrap()).collect();
        assert!(first.iter().all(|place| place.port == 0));
        identifiers.give_back(first[9], ());
        identifiers.give_back(first[3], ());
        assert_eq!(identifiers.take(256), Some(first[9]), "freed before the other");
        assert_eq!(identifiers.take(257), Some(first[3]));
        assert_eq!(identifiers.take(258).map(|place| place.port), Some(1));
        assert_eq!((0..255).filter_map(|tenant| identifiers.take(tenant)).count(), 255);
        assert_eq!(identifiers.take(1), None, "a full house says so");
    }

    proptest! {
        /// Checklist H4, second half.
        #[test]
        fn nothing_is_let_twice(steps in proptest::collection::vec(any::<Option<u8>>(), 0..2000)) {
            let mut identifiers = Identifiers::new(3);
            let (mut let_out, mut order) = (HashSet::new(), Vec::new());
            for step in steps {
                match step {
                    None => if let Some(place) = identifiers.take(1) {
                        prop_assert!(let_out.insert(place), "{:?} is in use", place);
                        order.push(place);
                    },
                    Some(choice) => if !order.is_empty() {
                        let place = order.swap_remove(usize::from(choice) % order.len());
                        let_out.remove(&place);
                        identifiers.give_back(place, ());
                    },
                }
            }
        }
    }
}
