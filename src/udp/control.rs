//! Control messages: what travels beside a datagram.

use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// Room for the control messages of one message: packet info (at most 40 octets with header) and
/// two numbers (24 each), aligned as their header.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control([u8; 96]);

/// What the kernel said beside a received datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// The address it was sent to.
    pub(super) to: Option<IpAddr>,
    /// How many messages the socket has dropped for want of room since it was opened; absent if
    /// none.
    pub(super) drops: Option<u32>,
    /// The length of each datagram, if there are several.
    pub(super) segment: Option<u16>,
}

impl Control {
    pub(super) const EMPTY: Self = Self([0; 96]);
    pub(super) const LEN: usize = 96;

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    /// Reads the first `len` octets, as the kernel has left them.
    pub(super) fn heard(&self, len: usize) -> Heard {
        let mut heard = Heard::default();
        let mut at = 0;
        while at + size_of::<libc::cmsghdr>() <= len.min(Self::LEN) {
            // SAFETY: the header lies inside the array, and any octets are a valid cmsghdr.
            let header: libc::cmsghdr =
                unsafe { ptr::read_unaligned(self.0.as_ptr().add(at).cast()) };
            let end = at.saturating_add(header.cmsg_len).min(Self::LEN);
            let start = at + size_of::<libc::cmsghdr>();
            let Some(data) = self.0.get(start..end) else { break };
            match (header.cmsg_level, header.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // ipi_addr, the header's destination, stands behind the interface index and the
                    // local address.
                    heard.to = data
                        .get(8..12)
                        .and_then(|octets| <[u8; 4]>::try_from(octets).ok())
                        .map(|octets| Ipv4Addr::from(octets).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    heard.to = data
                        .get(..16)
                        .and_then(|octets| <[u8; 16]>::try_from(octets).ok())
                        .map(|octets| Ipv6Addr::from(octets).into());
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => heard.drops = word(data),
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    heard.segment = word(data).and_then(|length| u16::try_from(length).ok());
                }
                _ => {}
            }
            at = end.next_multiple_of(size_of::<usize>());
        }
        heard
    }

    /// Writes what shall go with a datagram: the address to send from, and the length at which the
    /// kernel cuts it. Gives the octets used.
    pub(super) fn say(&mut self, from: Option<IpAddr>, segment: Option<u16>) -> usize {
        let mut used = 0;
        match from {
            Some(IpAddr::V4(ip)) => {
                // Interface index, local address, header destination: only the second counts when
                // sending.
                let mut info = [0; size_of::<libc::in_pktinfo>()];
                info[4..8].copy_from_slice(&ip.octets());
                used += self.put(used, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            Some(IpAddr::V6(ip)) => {
                let mut info = [0; size_of::<libc::in6_pktinfo>()];
                info[..16].copy_from_slice(&ip.octets());
                used += self.put(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
            None => {}
        }
        if let Some(length) = segment {
            used += self.put(used, libc::SOL_UDP, libc::UDP_SEGMENT, &length.to_ne_bytes());
        }
        used
    }

    /// Appends one message at `at`; gives how far the next one is away.
    fn put(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let start = at + size_of::<libc::cmsghdr>();
        // SAFETY: all-zero is a valid cmsghdr.
        let mut header: libc::cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_len = (start - at + data.len()) as _;
        header.cmsg_level = level;
        header.cmsg_type = kind;
        self.0[start..start + data.len()].copy_from_slice(data);
        // SAFETY: the slice above ends behind the header's place, so the header lies inside the
        // array.
        unsafe { ptr::write_unaligned(self.0.as_mut_ptr().add(at).cast(), header) };
        (start - at + data.len()).next_multiple_of(size_of::<usize>())
    }
}

fn word(data: &[u8]) -> Option<u32> {
    data.get(..4).and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_to_send_from_is_read_back_where_the_kernel_would_put_it() {
        let mut control = Control::EMPTY;
        let used = control.say(Some("2001:db8::7".parse().unwrap()), Some(44));
        assert_eq!(used, 64);
        assert_eq!(control.heard(used).to, Some("2001:db8::7".parse().unwrap()));
        let used = control.say(Some("192.0.2.7".parse().unwrap()), None);
        assert_eq!(used, 32);
        assert_eq!(
            control.heard(used).to,
            Some(Ipv4Addr::UNSPECIFIED.into()),
            "the local address, not the header's, counts when sending"
        );
    }

    #[test]
    fn a_length_of_nonsense_ends_the_reading() {
        for length in [0usize, 1, 15, 17, 90, 97, usize::MAX] {
            let mut control = Control::EMPTY;
            control.0[..8].copy_from_slice(&length.to_ne_bytes());
            control.heard(Control::LEN);
        }
    }
}
