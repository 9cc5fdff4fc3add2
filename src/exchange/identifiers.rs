//! The identifiers of one server: 256 for each source port, the least recently used first, never
//! one that is still in use.

use std::collections::VecDeque;

/// A source port and an identifier on it: what a request has for itself until it is answered or
/// given up (RFC 5080 2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    /// The number of the port in the order of opening, not the system's.
    pub port: u16,
    pub identifier: u8,
}

/// Which request uses an identifier, and which did before.
#[derive(Debug)]
pub(super) struct IdentifierState<P> {
    /// The number of the request that uses it.
    pub request: Option<u32>,
    /// What is remembered of the one before, to understand answers that come late or twice.
    pub past: Option<P>,
}

/// All identifiers towards one server.
#[derive(Debug)]
pub(super) struct Identifiers<P> {
    free: VecDeque<RequestId>,
    ports: Vec<Box<[IdentifierState<P>]>>,
    max_ports: u16,
}

impl<P> Identifiers<P> {
    /// Opens ports as needed, at most so many.
    pub(super) const fn new(max_ports: u16) -> Self {
        Self { free: VecDeque::new(), ports: Vec::new(), max_ports }
    }

    /// The identifier that has been free the longest; none if all ports are full.
    pub(super) fn take(&mut self, request: u32) -> Option<RequestId> {
        if self.free.is_empty() && self.ports.len() < usize::from(self.max_ports) {
            let port = self.ports.len() as u16;
            self.ports.push(
                (0..=u8::MAX).map(|_| IdentifierState { request: None, past: None }).collect(),
            );
            self.free.extend((0..=u8::MAX).map(|identifier| RequestId { port, identifier }));
        }
        let id = self.free.pop_front()?;
        self.at_mut(id)?.request = Some(request);
        Some(id)
    }

    /// The request at `id` is over; `past` is what remains of it.
    pub(super) fn give_back(&mut self, id: RequestId, past: P) {
        if let Some(state) = self.at_mut(id) {
            *state = IdentifierState { request: None, past: Some(past) };
            self.free.push_back(id);
        }
    }

    /// No request was sent under `id`: what is remembered of the one before stays.
    pub(super) fn put_back(&mut self, id: RequestId) {
        if let Some(state) = self.at_mut(id) {
            state.request = None;
            self.free.push_back(id);
        }
    }

    pub(super) fn at(&self, id: RequestId) -> Option<&IdentifierState<P>> {
        self.ports.get(usize::from(id.port))?.get(usize::from(id.identifier))
    }

    fn at_mut(&mut self, id: RequestId) -> Option<&mut IdentifierState<P>> {
        self.ports.get_mut(usize::from(id.port))?.get_mut(usize::from(id.identifier))
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
        let first: Vec<RequestId> =
            (0..256).map(|request| identifiers.take(request).unwrap()).collect();
        assert!(first.iter().all(|id| id.port == 0));
        identifiers.give_back(first[9], ());
        identifiers.give_back(first[3], ());
        assert_eq!(identifiers.take(256), Some(first[9]), "freed before the other");
        assert_eq!(identifiers.take(257), Some(first[3]));
        assert_eq!(identifiers.take(258).map(|id| id.port), Some(1));
        assert_eq!((0..255).filter_map(|request| identifiers.take(request)).count(), 255);
        assert_eq!(identifiers.take(1), None, "none is free");
    }

    proptest! {
        /// Checklist H4, second half.
        #[test]
        fn no_identifier_is_taken_twice(steps in proptest::collection::vec(any::<Option<u8>>(), 0..2000)) {
            let mut identifiers = Identifiers::new(3);
            let (mut taken, mut order) = (HashSet::new(), Vec::new());
            for step in steps {
                match step {
                    None => if let Some(id) = identifiers.take(1) {
                        prop_assert!(taken.insert(id), "{:?} is in use", id);
                        order.push(id);
                    },
                    Some(choice) => if !order.is_empty() {
                        let id = order.swap_remove(usize::from(choice) % order.len());
                        taken.remove(&id);
                        identifiers.give_back(id, ());
                    },
                }
            }
        }
    }
}
