//! Sending: replies are grouped by peer and length, and each group is one long datagram that the
//! kernel cuts up (UDP GSO).

use std::hash::BuildHasher;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr;

use super::control::Control;
use super::name::SocketName;
use super::{BATCH, Socket};

/// The most segments every kernel with UDP GSO takes (UDP_MAX_SEGMENTS before it was doubled in
/// 6.9).
const MAX_SEGMENTS: usize = 64;

/// The most octets of one long datagram: what IPv4 can carry, less room for options.
const MAX_GROUP: usize = 65_000;

/// A segment must fit the path's MTU whole; 1232 octets do over IPv6 of the smallest kind (RFC 8200
/// 5). Longer replies go alone.
const MAX_SEGMENT: usize = 1232;

/// Replies on their way out of one socket.
pub struct Outbox {
    octets: Vec<u8>,
    replies: Vec<Reply>,
    /// (peer and length in one word, place in `replies`): what is sorted.
    order: Vec<(u64, u32)>,
    /// The octets again, in the order of the groups.
    packed: Vec<u8>,
    groups: Vec<Group>,
    hasher: foldhash::fast::FixedState,
    segmentation: bool,
}

#[derive(Clone, Copy)]
struct Reply {
    to: SocketAddr,
    from: Option<IpAddr>,
    at: usize,
    len: usize,
}

/// Neighbouring replies of one length to one peer.
#[derive(Clone, Copy)]
struct Group {
    to: SocketAddr,
    from: Option<IpAddr>,
    at: usize,
    segment: usize,
    count: usize,
}

/// What became of an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams that the kernel took.
    pub sent: usize,
    /// Datagrams that it did not take; the gateway's retransmission will be answered from memory.
    pub lost: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            octets: Vec::with_capacity(64 * 1024),
            replies: Vec::with_capacity(BATCH * 4),
            order: Vec::with_capacity(BATCH * 4),
            packed: Vec::with_capacity(64 * 1024),
            groups: Vec::with_capacity(BATCH * 4),
            hasher: foldhash::fast::FixedState::default(),
            segmentation: true,
        }
    }
}

impl Outbox {
    /// Without the kernel's help: every reply is a message of its own. For benches and tests, which
    /// compare.
    pub fn one_by_one() -> Self {
        Self { segmentation: false, ..Self::default() }
    }

    /// Puts a reply in; `from` is the address the request was sent to, if the socket is bound to
    /// all.
    pub fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, octets: &[u8]) {
        let place = self.replies.len() as u32;
        self.order.push((self.hasher.hash_one((to, from, octets.len())), place));
        self.replies.push(Reply { to, from, at: self.octets.len(), len: octets.len() });
        self.octets.extend_from_slice(octets);
    }

    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Sends everything and empties the box. What the kernel refuses is counted, never waited for.
    pub fn flush(&mut self, socket: &Socket) -> Sent {
        let mut outcome = Sent::default();
        if self.replies.is_empty() {
            return outcome;
        }
        self.group();
        let mut next = 0;
        while let Some(&group) = self.groups.get(next) {
            match send(socket, &self.groups[next..], &self.packed) {
                Ok(taken) => {
                    outcome.sent += self.groups[next..next + taken]
                        .iter()
                        .map(|group| group.count)
                        .sum::<usize>();
                    next += taken;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if group.count > 1 && error.kind() != io::ErrorKind::WouldBlock => {
                    // EIO: no offload on the way out, now or later. Anything else concerns this
                    // group.
                    self.segmentation &= error.raw_os_error() != Some(libc::EIO);
                    self.split(next);
                }
                Err(_) => {
                    outcome.lost += group.count;
                    next += 1;
                }
            }
        }
        self.octets.clear();
        self.replies.clear();
        outcome
    }

    /// Sorts the replies, packs their octets in that order, and marks the groups.
    fn group(&mut self) {
        self.order.sort_unstable();
        self.packed.clear();
        self.groups.clear();
        for (_, place) in self.order.drain(..) {
            let reply = self.replies[place as usize];
            let at = self.packed.len();
            self.packed.extend_from_slice(&self.octets[reply.at..reply.at + reply.len]);
            match self.groups.last_mut() {
                Some(group) if self.segmentation && group.takes(&reply) => group.count += 1,
                _ => self.groups.push(Group {
                    to: reply.to,
                    from: reply.from,
                    at,
                    segment: reply.len,
                    count: 1,
                }),
            }
        }
    }

    /// Makes a group of one out of every reply of the group at `place`.
    fn split(&mut self, place: usize) {
        let whole = self.groups[place];
        let single = |nth| Group { at: whole.at + nth * whole.segment, count: 1, ..whole };
        self.groups.splice(place..=place, (0..whole.count).map(single));
    }
}

impl Group {
    fn takes(&self, reply: &Reply) -> bool {
        (self.to, self.from, self.segment) == (reply.to, reply.from, reply.len)
            && self.segment <= MAX_SEGMENT
            && self.count < MAX_SEGMENTS
            && (self.count + 1) * self.segment <= MAX_GROUP
    }
}

/// Hands the first groups over, at most a batch; gives how many the kernel took.
fn send(socket: &Socket, groups: &[Group], packed: &[u8]) -> io::Result<usize> {
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
    let mut names = [SocketName::empty(); BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let rooms = vectors.iter_mut().zip(&mut names).zip(&mut controls);
    for ((header, group), ((vector, name), control)) in headers.iter_mut().zip(groups).zip(rooms) {
        let octets = &packed[group.at..group.at + group.segment * group.count];
        // The kernel only reads through this pointer; the type is that of both directions.
        *vector =
            libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
        let (peer, len) = SocketName::of(group.to);
        *name = peer;
        let used = control.say(group.from, (group.count > 1).then_some(group.segment as u16));
        // SAFETY: all-zero is a valid mmsghdr.
        let mut fresh: libc::mmsghdr = unsafe { std::mem::zeroed() };
        fresh.msg_hdr.msg_name = ptr::from_mut(name).cast();
        fresh.msg_hdr.msg_namelen = len;
        fresh.msg_hdr.msg_iov = vector;
        fresh.msg_hdr.msg_iovlen = 1;
        if used > 0 {
            fresh.msg_hdr.msg_control = control.as_mut_ptr();
            fresh.msg_hdr.msg_controllen = used as _;
        }
        header.write(fresh);
    }
    let count = groups.len().min(BATCH) as libc::c_uint;
    // SAFETY: the first `count` headers are initialised and point to names, controls and octets
    // that live until the call returns; the lengths given are theirs. The kernel keeps no pointer.
    let taken = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT)
    };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}
