//! The replies of one batch, their octets in one buffer that is used again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::duplicates::Seat;
use crate::identity::GatewayId;
use crate::wire::{Code, LONGEST, TooLong};

/// Where a reply goes, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub to: SocketAddr,
    /// The address to send from, if the socket is bound to all.
    pub from: Option<IpAddr>,
    /// The socket to send from.
    pub listener: u8,
    pub gateway: GatewayId,
    /// The code of the request.
    pub request: Code,
    /// Where the request waits for this reply to be remembered; none for what is never remembered.
    pub seat: Option<Seat>,
}

/// Replies that are released together.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
    used: usize,
    list: Vec<(Route, usize)>,
    /// When their requests arrived.
    pub arrived: Duration,
}

impl Replies {
    /// Has a reply written behind the others; on an error nothing is added.
    pub fn write(&mut self, route: Route, encode: impl FnOnce(&mut [u8]) -> Result<usize, TooLong>) -> Result<(), TooLong> {
        if self.octets.len() < self.used + LONGEST {
            // Room for many replies of the usual hundred octets; reached once, and kept.
            self.octets.resize(self.used + LONGEST * 4, 0);
        }
        let len = encode(&mut self.octets[self.used..self.used + LONGEST])?;
        self.used += len;
        self.list.push((route, len));
        Ok(())
    }

    /// Adds a reply that is already written.
    pub fn push(&mut self, route: Route, octets: &[u8]) {
        // A reply longer than a packet cannot have been written.
        let _ = self.write(route, |room| {
            room.get_mut(..octets.len()).ok_or(TooLong)?.copy_from_slice(octets);
            Ok(octets.len())
        });
    }

    /// Each with its octets.
    pub fn iter(&self) -> impl Iterator<Item = (&Route, &[u8])> {
        let mut at = 0;
        self.list.iter().map(move |(route, len)| {
            let octets = &self.octets[at..at + len];
            at += len;
            (route, octets)
        })
    }

    /// Where the reply at this place goes.
    pub fn route(&self, place: usize) -> Option<&Route> {
        self.list.get(place).map(|(route, _)| route)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Empties it; the memory stays.
    pub fn clear(&mut self) {
        self.used = 0;
        self.list.clear();
    }
}
