//! The number of a TLS connection: what its replies find it by.

use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

/// A connection, as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(NonZeroU32);

impl ConnectionId {
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The next one. After four thousand million they begin anew.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).unwrap_or(NonZeroU32::MIN))
    }

    /// In the place of a peer's address and port: what was asked by this connection is known again
    /// on this connection alone. No peer has such an address, for it would be IPv4-compatible (RFC
    /// 4291 2.5.5.1), and no datagram has the index of a listener of streams.
    pub(super) fn as_peer(self) -> SocketAddr {
        SocketAddr::from((Ipv6Addr::from(u128::from(self.0.get())), 0))
    }
}
