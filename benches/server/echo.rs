//! The yardstick: the plainest UDP responder there is. A batch in by recvmmsg, the same octets back
//! by sendmmsg, and nothing else.

use std::io::{self, Write as _};
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

const BATCH: usize = 64;
const ROOM: usize = 4096 + 64;

/// Answers until it is killed; says where it listens first.
pub fn respond() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    widen(&socket);
    println!("{}", socket.local_addr()?);
    io::stdout().flush()?;

    let mut octets = vec![0_u8; BATCH * ROOM];
    // SAFETY: plain integers and null pointers; zero is a value of all of them.
    let (mut names, mut vectors, mut headers): (
        [libc::sockaddr_in; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { mem::zeroed() };
    for (((header, vector), name), buf) in
        headers.iter_mut().zip(&mut vectors).zip(&mut names).zip(octets.chunks_exact_mut(ROOM))
    {
        vector.iov_base = buf.as_mut_ptr().cast();
        header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
    }
    let fd = socket.as_raw_fd();
    loop {
        for (header, vector) in headers.iter_mut().zip(&mut vectors) {
            vector.iov_len = 4096;
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        }
        // SAFETY: the headers point to names and buffers that live as long as this function; the
        // lengths are theirs.
        let got = unsafe {
            libc::recvmmsg(
                fd,
                headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_WAITFORONE,
                ptr::null_mut(),
            )
        };
        let Ok(got) = usize::try_from(got) else { continue };
        for (header, vector) in headers.iter().zip(&mut vectors).take(got) {
            vector.iov_len = header.msg_len as usize;
        }
        let mut sent = 0;
        while sent < got {
            // SAFETY: as above; the first `got` headers are those that the kernel has just filled.
            let taken = unsafe {
                libc::sendmmsg(fd, headers.as_mut_ptr().add(sent), (got - sent) as u32, 0)
            };
            sent += usize::try_from(taken).unwrap_or(1).max(1);
        }
    }
}

/// The same room as the server asks for.
fn widen(socket: &UdpSocket) {
    let octets: libc::c_int = 16 << 20;
    for name in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        // SAFETY: the value is an int that lives until the call returns, and its length is given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                name,
                ptr::from_ref(&octets).cast(),
                4,
            )
        };
    }
}
