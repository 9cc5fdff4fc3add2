//! Addresses of devices: an IPv4 address or an IPv6 prefix, and ranges that they are given out of.
//! Arithmetic only.

mod block;
mod ranges;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::Ipv6Net;
use serde::{Serialize, Serializer};

pub use block::AddressBlock;
pub use ranges::{OffsetRange, OffsetRanges};

/// What an endpoint is given of one kind. Ten octets without alignment: ten million leases hold
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    V4(Ipv4Addr),
    V6(Ipv6Prefix),
}

/// What a group may give an endpoint one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressKind {
    Ipv4,
    /// The /64 of a PDN connection (RFC 5080 2.11).
    Link,
    /// A shorter prefix for a router behind the device (RFC 4818).
    Delegated,
}

/// The first 64 bits of IPv6 addresses, or fewer. No bit is set beyond the length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6Prefix {
    /// Big endian. An array, so that it needs no alignment.
    upper: [u8; 8],
    len: u8,
}

impl AddressKind {
    pub const ALL: [Self; 3] = [Self::Ipv4, Self::Link, Self::Delegated];

    #[must_use]
    pub const fn is_ipv6(self) -> bool {
        !matches!(self, Self::Ipv4)
    }
}

impl Ipv6Prefix {
    /// The length of the prefix of a PDN connection: no other does for its device (RFC 5080 2.11,
    /// TS 29.274 8.14).
    pub const LINK: u8 = 64;

    /// The prefix of that length that an address is in. `None`: it is longer than 64 bits.
    #[must_use]
    pub const fn new(ip: Ipv6Addr, len: u8) -> Option<Self> {
        if len > Self::LINK { None } else { Some(Self::of_bits((ip.to_bits() >> 64) as u64, len)) }
    }

    /// From the upper 64 bits of its addresses; the length is at most 64.
    #[must_use]
    pub const fn of_bits(upper: u64, len: u8) -> Self {
        let mask = match len {
            0 => 0,
            1..Self::LINK => u64::MAX << (Self::LINK - len),
            _ => u64::MAX,
        };
        Self { upper: (upper & mask).to_be_bytes(), len }
    }

    /// The upper 64 bits of its addresses.
    #[must_use]
    pub const fn bits(self) -> u64 {
        u64::from_be_bytes(self.upper)
    }

    #[must_use]
    pub const fn prefix_len(self) -> u8 {
        self.len
    }

    /// Its first address.
    #[must_use]
    pub const fn ip(self) -> Ipv6Addr {
        Ipv6Addr::from_bits((self.bits() as u128) << 64)
    }

    #[must_use]
    pub fn contains(self, ip: Ipv6Addr) -> bool {
        Self::new(ip, self.len) == Some(self)
    }

    /// Whether the two have any address in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let len = self.len.min(other.len);
        Self::of_bits(self.bits(), len) == Self::of_bits(other.bits(), len)
    }
}

impl Address {
    #[must_use]
    pub const fn kind(self) -> AddressKind {
        match self {
            Self::V4(_) => AddressKind::Ipv4,
            Self::V6(prefix) if prefix.len == Ipv6Prefix::LINK => AddressKind::Link,
            Self::V6(_) => AddressKind::Delegated,
        }
    }

    #[must_use]
    pub const fn ipv4(self) -> Option<Ipv4Addr> {
        match self {
            Self::V4(ip) => Some(ip),
            Self::V6(_) => None,
        }
    }

    #[must_use]
    pub const fn prefix(self) -> Option<Ipv6Prefix> {
        match self {
            Self::V4(_) => None,
            Self::V6(prefix) => Some(prefix),
        }
    }

    /// Whether it is this address, or the prefix has it.
    #[must_use]
    pub fn contains(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::V4(own), IpAddr::V4(ip)) => own == ip,
            (Self::V6(prefix), IpAddr::V6(ip)) => prefix.contains(ip),
            (Self::V4(_), IpAddr::V6(_)) | (Self::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::V4(ip)
    }
}

impl From<[u8; 4]> for Address {
    fn from(octets: [u8; 4]) -> Self {
        Self::V4(octets.into())
    }
}

impl From<Ipv6Prefix> for Address {
    fn from(prefix: Ipv6Prefix) -> Self {
        Self::V6(prefix)
    }
}

impl PartialEq<Ipv4Addr> for Address {
    fn eq(&self, ip: &Ipv4Addr) -> bool {
        self.ipv4() == Some(*ip)
    }
}

impl From<Ipv6Prefix> for Ipv6Net {
    fn from(prefix: Ipv6Prefix) -> Self {
        Self::new_assert(prefix.ip(), prefix.len)
    }
}

/// Why a text is no address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no IPv6 prefix of at most 64 bits")
    }
}

impl std::error::Error for NoAddress {}

impl FromStr for Ipv6Prefix {
    type Err = NoAddress;

    /// With no bit beyond its length.
    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let net: Ipv6Net = text.parse().map_err(|_| NoAddress)?;
        if net != net.trunc() {
            return Err(NoAddress);
        }
        Self::new(net.addr(), net.prefix_len()).ok_or(NoAddress)
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        text.parse::<Ipv4Addr>().map(Self::V4).or_else(|_| text.parse::<Ipv6Prefix>().map(Self::V6))
    }
}

impl fmt::Display for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip(), self.len)
    }
}

impl fmt::Debug for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(ip) => ip.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
        }
    }
}

impl Serialize for Ipv6Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_masked_compared_and_shown() {
        let ip: Ipv6Addr = "2001:db8:100:7::1".parse().unwrap();
        for (len, shown) in [
            (64, "2001:db8:100:7::/64"),
            (56, "2001:db8:100::/56"),
            (48, "2001:db8:100::/48"),
            (0, "::/0"),
        ] {
            let prefix = Ipv6Prefix::new(ip, len).unwrap();
            assert_eq!(prefix.to_string(), shown);
            assert_eq!(shown.parse(), Ok(prefix));
            assert!(prefix.contains(ip), "{shown}");
        }
        assert_eq!(Ipv6Prefix::new(ip, 65), None);
        assert_eq!("2001:db8::1/64".parse::<Ipv6Prefix>(), Err(NoAddress));
    }

    #[test]
    fn a_link_inside_a_delegated_prefix_overlaps_it() {
        let prefix = |text: &str| text.parse::<Ipv6Prefix>().unwrap();
        assert!(prefix("2001:db8:0:100::/56").overlaps(prefix("2001:db8:0:1ff::/64")));
        assert!(prefix("2001:db8:0:1ff::/64").overlaps(prefix("2001:db8:0:100::/56")));
        assert!(!prefix("2001:db8:0:100::/56").overlaps(prefix("2001:db8:0:200::/64")));
        assert_eq!(size_of::<Address>(), 10);
    }
}
