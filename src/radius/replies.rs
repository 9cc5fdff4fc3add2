//! The replies of one batch, their octets in one buffer that is used again.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::connection_id::ConnectionId;
use super::duplicates::Slot;
use super::shares::InFlightLoad;
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
    /// The connection to send by, if it is no datagram.
    pub stream: Option<ConnectionId>,
    /// Where the request waits for this reply to be remembered; none for what is never remembered.
    pub slot: Option<Slot>,
    /// What its gateway is charged until it leaves.
    pub load: InFlightLoad,
}

/// Replies that are released together.
#[derive(Debug, Default)]
pub struct Replies {
    octets: Vec<u8>,
    list: Vec<(Route, usize)>,
    /// When their requests arrived.
    pub arrived: Duration,
}

impl Replies {
    /// Adds a reply that `encode` writes; on an error nothing is added. For the few that are not
    /// written elsewhere.
    pub fn write(
        &mut self,
        route: Route,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, TooLong>,
    ) -> Result<(), TooLong> {
        let mut buf = [0; LONGEST];
        let len = encode(&mut buf)?;
        self.push(route, buf.get(..len).ok_or(TooLong)?);
        Ok(())
    }

    /// Adds a reply that is already written. It takes its own octets and no more: while a disk is
    /// slow, thousands wait.
    pub fn push(&mut self, route: Route, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
        self.list.push((route, octets.len()));
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

    /// Octets of memory that it holds.
    pub fn capacity(&self) -> usize {
        self.octets.capacity() + self.list.capacity() * size_of::<(Route, usize)>()
    }

    /// Empties it; the memory stays.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.list.clear();
    }
}
