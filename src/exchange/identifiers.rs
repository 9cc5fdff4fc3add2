//! The identifiers of one server: 256 for each source port, the least recently used first, never
//! one that is still in use.

use std::collections::VecDeque;

use crate::time::Timestamp;

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
    /// Each with the time from which on it may be used again, in that order.
    free: VecDeque<(RequestId, Timestamp)>,
    ports: Vec<Box<[IdentifierState<P>]>>,
    max_ports: u16,
}

impl<P> Identifiers<P> {
    /// Opens ports as needed, at most so many.
    pub(super) const fn new(max_ports: u16) -> Self {
        Self { free: VecDeque::new(), ports: Vec::new(), max_ports }
    }

    /// The identifier that has been free the longest; none if all ports are full, or all that is
    /// free rests still.
    pub(super) fn take(&mut self, request: u32, now: Timestamp) -> Option<RequestId> {
        let is_rested = |free: &(RequestId, Timestamp)| free.1 <= now;
        if !self.free.front().is_some_and(is_rested)
            && self.ports.len() < usize::from(self.max_ports)
        {
            let port = self.ports.len() as u16;
            self.ports.push(
                (0..=u8::MAX).map(|_| IdentifierState { request: None, past: None }).collect(),
            );
            for identifier in (0..=u8::MAX).rev() {
                self.free.push_front((RequestId { port, identifier }, Timestamp::EPOCH));
            }
        }
        self.free.front().copied().filter(is_rested)?;
        let (id, _) = self.free.pop_front()?;
        self.at_mut(id)?.request = Some(request);
        Some(id)
    }

    /// The request at `id` is over; `past` is what remains of it. Its identifier rests until then:
    /// the server may remember it (RFC 5176 2.3).
    pub(super) fn give_back(&mut self, id: RequestId, past: P, rests_until: Timestamp) {
        if let Some(state) = self.at_mut(id) {
            *state = IdentifierState { request: None, past: Some(past) };
            self.free.push_back((id, rests_until));
        }
    }

    /// No request was sent under `id`: what is remembered of the one before stays.
    pub(super) fn put_back(&mut self, id: RequestId) {
        if let Some(state) = self.at_mut(id) {
            state.request = None;
            self.free.push_front((id, Timestamp::EPOCH));
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

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    /// Checklist H4, first half.
    #[test]
    fn the_least_recently_used_comes_first_and_another_port_when_all_are_taken() {
        let mut identifiers = Identifiers::new(2);
        let first: Vec<RequestId> =
            (0..256).map(|request| identifiers.take(request, NOW).unwrap()).collect();
        assert!(first.iter().all(|id| id.port == 0));
        identifiers.give_back(first[9], (), NOW);
        identifiers.give_back(first[3], (), NOW);
        assert_eq!(identifiers.take(256, NOW), Some(first[9]), "freed before the other");
        assert_eq!(identifiers.take(257, NOW), Some(first[3]));
        assert_eq!(identifiers.take(258, NOW).map(|id| id.port), Some(1));
        assert_eq!((0..255).filter_map(|request| identifiers.take(request, NOW)).count(), 255);
        assert_eq!(identifiers.take(1, NOW), None, "none is free");
    }

    /// RFC 5176 2.3: a server remembers a request for as long as its window.
    #[test]
    fn what_rests_is_not_taken_before_its_time() {
        let mut identifiers = Identifiers::new(2);
        let later = Timestamp::from_secs(1_790_000_300);
        for request in 0..512 {
            let id = identifiers.take(request, NOW).unwrap();
            identifiers.give_back(id, (), later);
        }
        assert_eq!(identifiers.take(512, NOW), None, "all ports are open, and all rests");
        assert_eq!(
            identifiers.take(512, later),
            Some(RequestId { port: 0, identifier: 0 }),
            "the first comes first again"
        );
    }

    proptest! {
        /// Checklist H4, second half.
        #[test]
        fn no_identifier_is_taken_twice(steps in proptest::collection::vec(any::<Option<u8>>(), 0..2000)) {
            let mut identifiers = Identifiers::new(3);
            let (mut taken, mut order) = (HashSet::new(), Vec::new());
            for step in steps {
                match step {
                    None => if let Some(id) = identifiers.take(1, NOW) {
                        prop_assert!(taken.insert(id), "{:?} is in use", id);
                        order.push(id);
                    },
                    Some(choice) => if !order.is_empty() {
                        let id = order.swap_remove(usize::from(choice) % order.len());
                        taken.remove(&id);
                        identifiers.give_back(id, (), NOW);
                    },
                }
            }
        }
    }
}
