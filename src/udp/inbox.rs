//! Receiving: one system call fills a batch of reused buffers, each with one datagram or with many
//! that came together (UDP GRO).

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr;

use super::control::Control;
use super::name::SocketName;
use super::{BATCH, MAX_DATAGRAM, Socket};

/// The most that the kernel puts into one message: an IP packet of the largest size (UDP_GRO of at
/// most 64 datagrams).
const MAX_MESSAGE: usize = 65_536;

/// Buffers lie one cache line more than whole pages apart: at whole pages their beginnings would
/// all fall into the same few cache sets. What no message has ever reached is no memory but a
/// promise of the kernel.
const STRIDE: usize = MAX_MESSAGE + 64;

/// A batch of received datagrams.
pub struct Inbox {
    octets: Box<[u8]>,
    names: Box<[SocketName; BATCH]>,
    controls: Box<[Control; BATCH]>,
    messages: Vec<Message>,
    datagrams: usize,
    drops: u32,
}

/// What one buffer holds.
#[derive(Clone, Copy)]
struct Message {
    from: SocketAddr,
    to: Option<IpAddr>,
    slot: usize,
    len: usize,
    /// The length of each datagram in it; the last may be shorter.
    segment: usize,
}

/// One received datagram, in the inbox's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub from: SocketAddr,
    /// The address it was sent to, where the socket is bound to all addresses: the reply must leave
    /// from there.
    pub to: Option<IpAddr>,
    pub octets: &'a [u8],
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            octets: vec![0; BATCH * STRIDE].into(),
            names: Box::new([SocketName::empty(); BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
            messages: Vec::with_capacity(BATCH),
            datagrams: 0,
            drops: 0,
        }
    }
}

impl Inbox {
    /// Receives what waits at the socket, at most a batch; the batch before is gone. Gives how many
    /// datagrams there are.
    ///
    /// # Errors
    /// `WouldBlock` if nothing waits; anything else concerns single datagrams or peers (RFC 792
    /// messages) and is no reason to stop.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.messages.clear();
        self.datagrams = 0;
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
        let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        let buffers = self.octets.chunks_exact_mut(STRIDE);
        let rooms = buffers.zip(self.names.iter_mut()).zip(self.controls.iter_mut());
        for ((header, vector), ((buffer, name), control)) in
            headers.iter_mut().zip(&mut vectors).zip(rooms)
        {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: MAX_MESSAGE };
            // SAFETY: all-zero is a valid mmsghdr.
            let mut fresh: libc::mmsghdr = unsafe { std::mem::zeroed() };
            fresh.msg_hdr.msg_name = ptr::from_mut(name).cast();
            fresh.msg_hdr.msg_namelen = SocketName::LEN;
            fresh.msg_hdr.msg_iov = vector;
            fresh.msg_hdr.msg_iovlen = 1;
            fresh.msg_hdr.msg_control = control.as_mut_ptr();
            fresh.msg_hdr.msg_controllen = Control::LEN as _;
            header.write(fresh);
        }
        // SAFETY: every header is initialised and points to buffers of `self`, each its own, that
        // live until the call returns; the lengths given are those of the buffers. The kernel keeps
        // no pointer.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in headers.iter().enumerate().take(count) {
            // SAFETY: all headers were initialised above.
            let header = unsafe { header.assume_init_ref() };
            self.note(slot, header);
        }
        Ok(self.datagrams)
    }

    fn note(&mut self, slot: usize, header: &libc::mmsghdr) {
        let heard = self.controls[slot].heard(header.msg_hdr.msg_controllen);
        self.drops = heard.drops.unwrap_or(self.drops);
        if let Some(from) = self.names[slot].address() {
            let len = (header.msg_len as usize).min(MAX_MESSAGE);
            let segment = heard.segment.map_or(len, usize::from).max(1);
            self.messages.push(Message { from, to: heard.to, slot, len, segment });
            self.datagrams += len.div_ceil(segment).max(1);
        }
    }

    /// Whether the last batch had no room for another message, so that more may wait.
    pub fn is_full(&self) -> bool {
        self.messages.len() == BATCH
    }

    /// The datagrams of the last batch.
    pub fn iter(&self) -> impl Iterator<Item = Received<'_>> {
        self.messages.iter().flat_map(|message| {
            let all = &self.octets[message.slot * STRIDE..][..message.len];
            // An empty datagram is one, too.
            let count = message.len.div_ceil(message.segment).max(1);
            (0..count).map(move |nth| {
                let octets = &all[nth * message.segment..];
                Received {
                    from: message.from,
                    to: message.to,
                    octets: &octets[..octets.len().min(message.segment).min(MAX_DATAGRAM)],
                }
            })
        })
    }

    /// How many messages the kernel has dropped at this socket, for want of room, since it was
    /// opened. Wraps at 2^32.
    pub const fn drops(&self) -> u32 {
        self.drops
    }
}
