//! Datagrams on their way out of the machines: which socket, whereto, and the octets.

use std::net::SocketAddr;

/// A socket of a gateway, by numbers: whoever drives the machines knows what stands behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Door {
    pub gateway: u16,
    /// Which of the servers it talks to.
    pub server: u8,
    /// Which of its source ports.
    pub port: u16,
}

/// One datagram to send.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    pub door: Door,
    pub to: SocketAddr,
    pub octets: &'a [u8],
}

/// Datagrams in the order in which they are to be sent, in one buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Outbound {
    octets: Vec<u8>,
    letters: Vec<Letter>,
}

#[derive(Clone, Copy, Debug)]
struct Letter {
    door: Door,
    to: SocketAddr,
    end: usize,
}

impl Outbound {
    pub fn push(&mut self, dispatch: Dispatch<'_>) {
        self.octets.extend_from_slice(dispatch.octets);
        self.letters.push(Letter { door: dispatch.door, to: dispatch.to, end: self.octets.len() });
    }

    pub fn iter(&self) -> impl Iterator<Item = Dispatch<'_>> {
        let mut start = 0;
        self.letters.iter().map(move |letter| {
            let octets = &self.octets[start..letter.end];
            start = letter.end;
            Dispatch { door: letter.door, to: letter.to, octets }
        })
    }

    pub const fn len(&self) -> usize {
        self.letters.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    pub fn clear(&mut self) {
        self.octets.clear();
        self.letters.clear();
    }
}
