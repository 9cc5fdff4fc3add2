//! A UDP socket that shares its address with those of the other workers.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Room for some ten thousand requests, so that a commit or a busy moment is no loss.
const RECEIVE_BUFFER: libc::c_int = 16 * 1024 * 1024;

/// Room for the replies of many batches.
const SEND_BUFFER: libc::c_int = 4 * 1024 * 1024;

/// A bound, non-blocking UDP socket.
pub struct Socket {
    inner: socket2::Socket,
    address: SocketAddr,
}

impl Socket {
    /// Opens one socket for each of `workers` on one address; the kernel spreads the peers over
    /// them (SO_REUSEPORT). Port 0 becomes the same free port for all.
    ///
    /// # Errors
    /// If the address is not ours, is in use by somebody else, or needs a privilege.
    pub fn open_all(address: SocketAddr, workers: usize) -> io::Result<Vec<Self>> {
        // The first binds alone: with SO_REUSEPORT it would share the port with another attachd of
        // the same user, each getting a part of the gateways. Only then are the others let in.
        let first = bind(address, false)?;
        first.set_reuse_port(true)?;
        let address = local_address(&first)?;
        let mut sockets = vec![Self::prepare(first, address)?];
        for _ in 1..workers {
            sockets.push(Self::prepare(bind(address, true)?, address)?);
        }
        Ok(sockets)
    }

    fn prepare(inner: socket2::Socket, address: SocketAddr) -> io::Result<Self> {
        inner.set_nonblocking(true)?;
        widen(&inner);
        let one = 1;
        // Only a metric is lost without it.
        let _ = set_option(&inner, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, one);
        // Nor more than speed without this (Linux 5.0).
        let _ = set_option(&inner, libc::SOL_UDP, libc::UDP_GRO, one);
        match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
                set_option(&inner, libc::IPPROTO_IP, libc::IP_PKTINFO, one)?;
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                set_option(&inner, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, one)?;
            }
            _ => {}
        }
        Ok(Self { inner, address })
    }

    /// The socket under the eye of the current runtime, which tells when something has come.
    ///
    /// # Errors
    /// If the runtime cannot watch it.
    pub fn watched(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the socket owns its descriptor, and neither closes nor replaces it before it is
        // dropped.
        unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }
            .map_err(io::Error::from)
    }

    /// The address it is bound to, with the actual port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` may then stand side by side, and no gateway shows up under a mapped
        // address.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn local_address(socket: &socket2::Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

/// Asks for large buffers: past the system's limit where we are allowed to, else up to it.
fn widen(socket: &socket2::Socket) {
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER as usize);
    }
    if set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, SEND_BUFFER).is_err() {
        let _ = socket.set_send_buffer_size(SEND_BUFFER as usize);
    }
}

fn set_option(
    socket: &socket2::Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int that lives until the call returns, and its length is given.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
