//! The sockets behind the doors of a region's gateways: opened when first used, not connected, so that a reply from a wrong port is seen.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;

use crate::simulator::gateway::{Door, Outbound};
use crate::simulator::plan::Plan;
use crate::wire::LONGEST;

/// Room for the answers of a moment in which the thread is elsewhere.
const BUFFER: usize = 4 * 1024 * 1024;

/// Datagrams taken from one socket before the others have their turn.
const BATCH: usize = 64;

pub(super) struct Sockets {
    sources: Vec<Option<IpAddr>>,
    open: Vec<(Door, UdpSocket)>,
    places: HashMap<Door, usize>,
    ready: Vec<usize>,
    buffer: Box<[u8; LONGEST]>,
    /// The first thing that went wrong is told, once.
    complained: bool,
    region: usize,
}

impl Sockets {
    pub(super) fn new(region: usize, plan: &Plan) -> Self {
        Self {
            sources: plan.gateways.iter().map(|gateway| gateway.source).collect(),
            open: Vec::new(),
            places: HashMap::new(),
            ready: Vec::new(),
            buffer: Box::new([0; LONGEST]),
            complained: false,
            region,
        }
    }

    /// Sends everything. What the system does not take is lost, as on any network, and repeated by the gateway.
    pub(super) fn send(&mut self, outbound: &Outbound) {
        for dispatch in outbound.iter() {
            let sent = self.place(dispatch.door, dispatch.to).and_then(|place| self.open[place].1.send_to(dispatch.octets, dispatch.to));
            if let Err(error) = sent {
                self.complain(dispatch.to, &error);
            }
        }
    }

    /// Sleeps until something arrives, at most so long.
    pub(super) fn wait(&mut self, patience: Duration) {
        let timeout = Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: i64::from(patience.subsec_nanos()) };
        let mut watched: Vec<PollFd<'_>> = self.open.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::IN)).collect();
        self.ready.clear();
        // An interrupted sleep is only a short one.
        if poll(&mut watched, Some(&timeout)).is_ok() {
            let arrived = watched.iter().enumerate().filter(|(_, socket)| !socket.revents().is_empty());
            self.ready.extend(arrived.map(|(place, _)| place));
        }
    }

    /// Hands over what has arrived.
    pub(super) fn receive(&mut self, mut hand_over: impl FnMut(Door, SocketAddr, &[u8])) {
        for place in &self.ready {
            let Some((door, socket)) = self.open.get(*place) else { continue };
            for _ in 0..BATCH {
                match socket.recv_from(&mut *self.buffer) {
                    Ok((len, from)) => hand_over(*door, from, &self.buffer[..len]),
                    // Nothing more, or an ICMP message about one datagram.
                    Err(_) => break,
                }
            }
        }
    }

    fn place(&mut self, door: Door, to: SocketAddr) -> io::Result<usize> {
        if let Some(place) = self.places.get(&door) {
            return Ok(*place);
        }
        let any = if to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let source = self.sources.get(usize::from(door.gateway)).copied().flatten().unwrap_or(any);
        let socket = UdpSocket::bind((source, 0))?;
        socket.set_nonblocking(true)?;
        // A smaller buffer only loses datagrams sooner.
        let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER);
        let _ = SockRef::from(&socket).set_send_buffer_size(BUFFER);
        self.open.push((door, socket));
        self.places.insert(door, self.open.len() - 1);
        Ok(self.open.len() - 1)
    }

    fn complain(&mut self, to: SocketAddr, error: &io::Error) {
        if !self.complained && error.kind() != ErrorKind::WouldBlock {
            self.complained = true;
            tracing::warn!(region = self.region, %to, %error, "a datagram cannot be sent; further ones are not reported");
        }
    }
}

/// A source port is a file descriptor, and thousands of requests on their way need many of them.
pub(super) fn permit_many() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without it the run goes as far as the limit allows.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
