//! Socket addresses as the kernel writes them.

use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for an address of either family: `sockaddr_in6` is the larger, and both begin with the
/// family.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union SocketName {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl SocketName {
    pub(super) const LEN: libc::socklen_t = size_of::<Self>() as libc::socklen_t;

    pub(super) const fn empty() -> Self {
        // SAFETY: plain integers, for which zero is a value; family 0 is AF_UNSPEC.
        unsafe { std::mem::zeroed() }
    }

    /// The name of `address`, and how many octets of it count.
    pub(super) fn of(address: SocketAddr) -> (Self, libc::socklen_t) {
        let mut name = Self::empty();
        match address {
            SocketAddr::V4(v4) => {
                name.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                    sin_zero: [0; 8],
                };
                (name, size_of::<libc::sockaddr_in>() as libc::socklen_t)
            }
            SocketAddr::V6(v6) => {
                name.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                };
                (name, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
            }
        }
    }

    /// The address that the kernel wrote; `None` if it is of another family.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: every member begins with the family, and all octets are initialised; the member
        // read next is the one it names.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => {
                    let ip = Ipv4Addr::from(self.v4.sin_addr.s_addr.to_ne_bytes());
                    Some(SocketAddrV4::new(ip, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let ip = Ipv6Addr::from(self.v6.sin6_addr.s6_addr);
                    // The flow label of a datagram is not part of who sent it.
                    Some(
                        SocketAddrV6::new(
                            ip,
                            u16::from_be(self.v6.sin6_port),
                            0,
                            self.v6.sin6_scope_id,
                        )
                        .into(),
                    )
                }
                _ => None,
            }
        }
    }
}
