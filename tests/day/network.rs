//! The virtual network between the gateways and the server: datagrams take their time, come twice,
//! or not at all.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use attachd::exchange::SocketId;
use attachd::simulator::random::RandomStream;
use attachd::time::Timestamp;

use super::machine;

/// Shares of datagrams, each way; what gateways' own networks do is told by the scenario.
const LOST: f64 = 0.005;
const TWICE: f64 = 0.005;
const SLOW: f64 = 0.01;

/// The longest way. Whoever is answered later than this after the server's end was answered by
/// another life of it.
const SLOWEST_S: f64 = 1.5;

/// Who is meant: a socket of a gateway in one of the shards, and an address of the server.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub shard: usize,
    pub socket: SocketId,
    pub server: SocketAddr,
}

pub struct Network {
    random: RandomStream,
    /// Whose a gateway's address is.
    sockets: HashMap<SocketAddr, (usize, SocketId)>,
    /// Addresses of the server that cannot be reached until then.
    cut: HashMap<SocketAddr, Timestamp>,
}

impl Network {
    pub fn new(random: RandomStream) -> Self {
        Self { random, sockets: HashMap::new(), cut: HashMap::new() }
    }

    /// When a datagram sent now arrives: never, once or twice.
    pub fn arrivals(&mut self, now: Timestamp, server: SocketAddr) -> Vec<Timestamp> {
        let is_cut = self.cut.get(&server).is_some_and(|until| now < *until);
        let copies = match self.random.unit() {
            _ if is_cut => 0,
            lot if lot < LOST => 0,
            lot if lot < LOST + TWICE => 2,
            _ => 1,
        };
        (0..copies).map(|_| now + self.delay()).collect()
    }

    fn delay(&mut self) -> Duration {
        let longest = if self.random.happens(SLOW) { SLOWEST_S } else { 0.01 };
        Duration::from_secs_f64(0.001 + longest * self.random.unit())
    }

    /// Nothing passes to or from this address of the server for some time.
    pub fn cut(&mut self, server: SocketAddr, until: Timestamp) {
        self.cut.insert(server, until);
    }

    /// The address that a gateway's socket has in the network.
    pub fn address(&mut self, shard: usize, socket: SocketId) -> SocketAddr {
        let port = 10_000 + (shard as u16) * 4096 + u16::from(socket.server) * 256 + socket.port;
        let address = SocketAddr::new(machine::source(socket.client), port);
        self.sockets.insert(address, (shard, socket));
        address
    }

    /// Whose socket has this address.
    pub fn whose(&self, address: SocketAddr) -> Option<(usize, SocketId)> {
        self.sockets.get(&address).copied()
    }
}
