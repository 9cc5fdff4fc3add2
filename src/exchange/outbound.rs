//! Datagrams that are to be sent: from which socket, to which address, and the octets.

use std::net::SocketAddr;

/// A socket of a client, by numbers: the driver of the clients has the real one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    /// Which client.
    pub client: u16,
    /// Which of the servers it talks to.
    pub server: u8,
    /// Which of its source ports.
    pub port: u16,
}

/// One datagram to send.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    pub socket: SocketId,
    pub to: SocketAddr,
    pub octets: &'a [u8],
}

/// Datagrams in the order in which they are to be sent, in one buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Outbound {
    octets: Vec<u8>,
    entries: Vec<QueuedDatagram>,
}

#[derive(Clone, Copy, Debug)]
struct QueuedDatagram {
    socket: SocketId,
    to: SocketAddr,
    end: usize,
}

impl Outbound {
    pub fn push(&mut self, dispatch: Dispatch<'_>) {
        self.octets.extend_from_slice(dispatch.octets);
        self.entries.push(QueuedDatagram {
            socket: dispatch.socket,
            to: dispatch.to,
            end: self.octets.len(),
        });
    }

    pub fn iter(&self) -> impl Iterator<Item = Dispatch<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let octets = &self.octets[start..entry.end];
            start = entry.end;
            Dispatch { socket: entry.socket, to: entry.to, octets }
        })
    }

    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn clear(&mut self) {
        self.octets.clear();
        self.entries.clear();
    }
}
