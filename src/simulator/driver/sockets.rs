//! The sockets behind the doors of a shard's gateways: opened when first used, not connected, so
//! that a reply from a wrong port is seen.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exchange::{Dispatch, Outbound, SocketId};
use crate::simulator::plan::RunPlan;
use crate::udp::{Inbox, Outbox, Sent, Socket};

/// Batches taken from one socket before the others have their turn.
const BATCHES: usize = 4;

pub(super) struct Sockets {
    shard: usize,
    sources: Vec<Option<IpAddr>>,
    open: Vec<(SocketId, Socket)>,
    places: HashMap<SocketId, usize>,
    /// Sockets at which something waits.
    ready: Vec<usize>,
    inbox: Inbox,
    outbox: Outbox,
    /// The first thing that goes wrong is told, once.
    complained: bool,
}

impl Sockets {
    pub(super) fn new(shard: usize, plan: &RunPlan) -> Self {
        Self {
            shard,
            sources: plan.gateways.iter().map(|gateway| gateway.source).collect(),
            open: Vec::new(),
            places: HashMap::new(),
            ready: Vec::new(),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            complained: false,
        }
    }

    /// Sends everything, in batches by socket. What the system does not take is lost, as on any
    /// network, and repeated by the gateway.
    pub(super) fn send(&mut self, outbound: &Outbound) {
        let mut dispatches: Vec<(usize, Dispatch<'_>)> = Vec::with_capacity(outbound.len());
        for dispatch in outbound.iter() {
            match self.place(dispatch.socket, dispatch.to) {
                Ok(place) => dispatches.push((place, dispatch)),
                Err(error) => self.complain(&format!(
                    "a socket towards {} cannot be opened: {error}",
                    dispatch.to
                )),
            }
        }
        dispatches.sort_by_key(|(place, _)| *place);
        for of_one in dispatches.chunk_by(|left, right| left.0 == right.0) {
            for (_, dispatch) in of_one {
                self.outbox.push(dispatch.to, None, dispatch.octets);
            }
            let Sent { lost, .. } = self.outbox.flush(&self.open[of_one[0].0].1);
            if lost > 0 {
                self.complain("the system does not take all datagrams");
            }
        }
    }

    /// Sleeps until something arrives, at most so long.
    pub(super) fn wait(&mut self, timeout: Duration) {
        let timeout = Timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut watched: Vec<PollFd<'_>> =
            self.open.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::IN)).collect();
        self.ready.clear();
        // An interrupted sleep is only a short one.
        if poll(&mut watched, Some(&timeout)).is_ok() {
            let arrived =
                watched.iter().enumerate().filter(|(_, socket)| !socket.revents().is_empty());
            self.ready.extend(arrived.map(|(place, _)| place));
        }
    }

    /// Hands over what has arrived.
    pub(super) fn receive(&mut self, mut hand_over: impl FnMut(SocketId, SocketAddr, &[u8])) {
        for place in &self.ready {
            let (id, socket) = &self.open[*place];
            for _ in 0..BATCHES {
                match self.inbox.receive(socket) {
                    Ok(_) => {
                        self.inbox
                            .iter()
                            .for_each(|received| hand_over(*id, received.from, received.octets));
                        if !self.inbox.is_full() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // An ICMP message about one datagram.
                    Err(_) => {}
                }
            }
        }
    }

    fn place(&mut self, id: SocketId, to: SocketAddr) -> io::Result<usize> {
        if let Some(place) = self.places.get(&id) {
            return Ok(*place);
        }
        let any = if to.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let source = self.sources.get(usize::from(id.client)).copied().flatten().unwrap_or(any);
        let socket = Socket::open_all(SocketAddr::new(source, 0), 1)?
            .pop()
            .ok_or(ErrorKind::AddrNotAvailable)?;
        self.open.push((id, socket));
        self.places.insert(id, self.open.len() - 1);
        Ok(self.open.len() - 1)
    }

    fn complain(&mut self, what: &str) {
        if !self.complained {
            self.complained = true;
            tracing::warn!(shard = self.shard, "{what}; this is told only once");
        }
    }
}

/// A source port is a file descriptor, and thousands of requests on their way need many of them.
pub(super) fn permit_many() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without it the run goes as far as the limit allows.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
